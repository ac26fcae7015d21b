//! What descriptors are called in traces: the guest's own paths, followed through opening, moving and closing.
//!
//! Kept in the context and only ever filled by traced functions; empty otherwise. Must never decide anything.

use super::decode::Decoder;
use super::{Field, Value};
use crate::memory::GuestMemory;
use crate::stream::Class;
use crate::table::{Kind, Table};

/// The longest name that is kept.
const LONGEST: usize = 512;

/// Names of descriptors, by number.
#[derive(Debug, Default)]
pub(crate) struct Labels(Vec<Option<Box<str>>>);

impl Labels {
    /// What a descriptor is, as far as it is known; empty if it is not open.
    pub(super) fn describe(&self, table: &Table, fd: u32) -> String {
        let Ok(entry) = table.get(fd) else {
            return String::new();
        };
        if let Some(Some(label)) = self.0.get(fd as usize) {
            return label.to_string();
        }
        match (&entry.kind, fd) {
            (Kind::Dir(dir), _) => dir.preopen.as_deref().unwrap_or("directory"),
            (_, 0) => "stdin",
            (_, 1) => "stdout",
            (_, 2) => "stderr",
            (Kind::File(_) | Kind::VirtualFile(_), _) => "file",
            (Kind::Stream(stream), _) => match stream.class {
                Class::Pipe => "pipe",
                Class::Terminal => "terminal",
                Class::Socket => "socket",
                Class::Listener => "listener",
                Class::Device => "device",
            },
            _ => "stream",
        }
        .to_owned()
    }

    /// Follows a call that succeeded.
    pub(super) fn follow(
        &mut self,
        function: &str,
        args: &[Field],
        decoder: &Decoder,
        mem: &GuestMemory<'_>,
    ) {
        let fd = |index: usize| match args.get(index).map(|field| &field.value) {
            Some(Value::Fd { number, what }) => Some((*number, what.as_str())),
            _ => None,
        };
        match function {
            "fd_close" => {
                if let Some((number, _)) = fd(0) {
                    self.set(number, None);
                }
            }
            "fd_renumber" => {
                if let (Some((from, what)), Some((to, _))) = (fd(0), fd(1)) {
                    self.set(from, None);
                    self.set(to, Some(what));
                }
            }
            "path_open" => {
                let path = args.iter().find_map(|field| match &field.value {
                    Value::Text(path) => Some(path),
                    _ => None,
                });
                if let (Some(opened), Some((_, dir)), Some(path)) =
                    (decoder.new_fd(mem), fd(0), path)
                {
                    self.set(opened, Some(&joined(dir, path)));
                }
            }
            "sock_accept" => {
                if let Some(accepted) = decoder.new_fd(mem) {
                    self.set(accepted, Some("connection"));
                }
            }
            _ => {}
        }
    }

    fn set(&mut self, fd: u32, label: Option<&str>) {
        let index = fd as usize;
        if index >= self.0.len() {
            if label.is_none() {
                return;
            }
            // Numbers are those of open descriptors, of which the table bounds the count.
            self.0.resize(index + 1, None);
        }
        self.0[index] = label.map(Box::from);
    }
}

/// A path under a directory's name, without climbing beyond what can be told from the names alone.
fn joined(dir: &str, path: &str) -> String {
    let mut path = path;
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    let mut whole = match path {
        "" | "." => dir.to_owned(),
        _ => format!("{}/{path}", dir.trim_end_matches('/')),
    };
    if whole.len() > LONGEST {
        let cut = (0..=LONGEST).rev().find(|at| whole.is_char_boundary(*at));
        whole.truncate(cut.unwrap_or(0));
        whole.push('…');
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_as_people_would() {
        assert_eq!(joined("/data", "a/b"), "/data/a/b");
        assert_eq!(joined("/", "a"), "/a");
        assert_eq!(joined(".", "./a"), "./a");
        assert_eq!(joined("/data", "."), "/data");
        assert_eq!(joined("/d", &"ü".repeat(2000)).chars().count(), 1 + 3 + 254);
    }
}
