//! Paths of guests: checked text, taken apart without copying.
//!
//! Knows text only.

use smallvec::SmallVec;

use crate::errno::Errno;

/// The longest path that is looked at; hosts do not take longer ones.
pub(crate) const PATH_MAX: usize = 4096;

/// The longest name of one entry.
pub(crate) const NAME_MAX: usize = 255;

/// How many symbolic links are followed in one path.
pub(crate) const MAX_LINKS: u32 = 40;

/// A path of the guest's, copied so that work on it can move to another thread. Short ones stay off the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GuestPath(SmallVec<[u8; 128]>);

impl GuestPath {
    /// UTF-8, without zero bytes, of bounded length.
    pub(crate) fn new(bytes: &[u8]) -> Result<GuestPath, Errno> {
        if bytes.len() > PATH_MAX {
            return Err(Errno::Nametoolong);
        }
        if std::str::from_utf8(bytes).is_err() {
            return Err(Errno::Ilseq);
        }
        if bytes.contains(&0) {
            return Err(Errno::Inval);
        }
        Ok(GuestPath(SmallVec::from_slice(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path, if it names an entry of the directory itself, so that nothing has to be resolved before the last step.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        let plain = !self.0.is_empty() && !self.0.contains(&b'/') && &self.0[..] != b"..";
        plain.then_some(&self.0[..])
    }
}

/// A path divided before its last component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split<'p> {
    /// What leads to the directory of the entry; empty for the directory that one starts from.
    pub(crate) parent: &'p [u8],
    /// The entry, or `.` if the path can only mean the directory that `parent` leads to.
    pub(crate) name: &'p [u8],
    /// Whether slashes followed the name.
    pub(crate) slash: bool,
}

/// Divides a path. Fails for those that no directory can resolve beneath itself.
pub(crate) fn split(path: &[u8]) -> Result<Split<'_>, Errno> {
    if path.is_empty() {
        return Err(Errno::Noent);
    }
    if path[0] == b'/' {
        return Err(Errno::Perm);
    }
    let end = path
        .iter()
        .rposition(|byte| *byte != b'/')
        .map_or(0, |at| at + 1);
    let (trimmed, slash) = (&path[..end], end < path.len());
    let start = trimmed
        .iter()
        .rposition(|byte| *byte == b'/')
        .map_or(0, |at| at + 1);
    let name = &trimmed[start..];
    if name == b".." {
        // Where it leads is for the resolver to say.
        return Ok(Split {
            parent: trimmed,
            name: b".",
            slash: false,
        });
    }
    if name.len() > NAME_MAX {
        return Err(Errno::Nametoolong);
    }
    Ok(Split {
        parent: &trimmed[..start],
        name,
        slash,
    })
}

/// What is left of a path that is walked step by step, with the targets of links put in their places.
#[derive(Debug)]
pub(crate) struct Rest {
    bytes: SmallVec<[u8; 256]>,
    at: usize,
    links: u32,
}

/// One step of a walk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into the entry, which has to be a directory.
    Into(Name),
    /// Back up.
    Up,
    /// The last entry; it may be anything.
    Last(Name),
    /// The path ended at the directory where one is.
    End,
}

/// A single component, without slashes, that is neither `.` nor `..`.
pub(crate) type Name = SmallVec<[u8; 64]>;

impl Rest {
    pub(crate) fn new(path: &[u8]) -> Result<Rest, Errno> {
        match path.first() {
            None => Err(Errno::Noent),
            Some(b'/') => Err(Errno::Perm),
            Some(_) => Ok(Rest {
                bytes: SmallVec::from_slice(path),
                at: 0,
                links: 0,
            }),
        }
    }

    /// Takes the next step.
    pub(crate) fn next(&mut self) -> Result<Step, Errno> {
        loop {
            let rest = &self.bytes[self.at..];
            let start = rest.iter().position(|byte| *byte != b'/');
            let Some(start) = start else {
                return Ok(Step::End);
            };
            let end = rest[start..]
                .iter()
                .position(|byte| *byte == b'/')
                .map_or(rest.len(), |length| start + length);
            let name = &rest[start..end];
            let last = end == rest.len();
            let step = match name {
                b"." => None,
                b".." => Some(Step::Up),
                _ if name.len() > NAME_MAX => return Err(Errno::Nametoolong),
                _ if last => Some(Step::Last(SmallVec::from_slice(name))),
                _ => Some(Step::Into(SmallVec::from_slice(name))),
            };
            self.at += end;
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// Whether nothing follows the step just taken but slashes, so that it can only be into a directory that exists.
    pub(crate) fn at_end(&self) -> bool {
        self.bytes[self.at..].iter().all(|byte| *byte == b'/')
    }

    /// Puts the target of a link in front of what is left.
    pub(crate) fn expand(&mut self, target: &[u8]) -> Result<(), Errno> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::Loop);
        }
        match target.first() {
            None => return Err(Errno::Noent),
            Some(b'/') => return Err(Errno::Perm),
            Some(_) => {}
        }
        let mut bytes = SmallVec::from_slice(target);
        bytes.extend_from_slice(&self.bytes[self.at..]);
        (self.bytes, self.at) = (bytes, 0);
        Ok(())
    }

    /// Puts a name back, to be tried again. It counts as a link, so that a race cannot go on for ever.
    pub(crate) fn again(&mut self, name: &Name) -> Result<(), Errno> {
        self.expand(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GuestPath {
        GuestPath::new(text.as_bytes()).expect("a valid path")
    }

    #[test]
    fn only_plain_names_skip_resolution() {
        assert!(path("a").single().is_some());
        assert!(path(".").single().is_some());
        assert!(path("..a").single().is_some());
        for unsafe_name in ["", "..", "/", "a/", "/a", "a/b", "../a"] {
            assert!(path(unsafe_name).single().is_none(), "{unsafe_name:?}");
        }
    }

    #[test]
    fn text_that_is_no_path_is_refused() {
        assert_eq!(GuestPath::new(&[b'a'; 4097]), Err(Errno::Nametoolong));
        assert_eq!(GuestPath::new(b"\xff"), Err(Errno::Ilseq));
        assert_eq!(GuestPath::new(b"a\0b"), Err(Errno::Inval));
        assert!(GuestPath::new(&[b'a'; 4096]).is_ok());
    }

    #[test]
    fn the_last_component_is_divided_off() {
        let parts = |path: &'static str| {
            let split = split(path.as_bytes()).expect("beneath");
            let text = |bytes| std::str::from_utf8(bytes).expect("text");
            (text(split.parent), text(split.name), split.slash)
        };
        assert_eq!(parts("a"), ("", "a", false));
        assert_eq!(parts("a/"), ("", "a", true));
        assert_eq!(parts("a//b//"), ("a//", "b", true));
        assert_eq!(parts("."), ("", ".", false));
        assert_eq!(parts("a/."), ("a/", ".", false));
        assert_eq!(parts(".."), ("..", ".", false));
        assert_eq!(parts("a/../"), ("a/..", ".", false));
        assert_eq!(split(b""), Err(Errno::Noent));
        assert_eq!(split(b"/a"), Err(Errno::Perm));
        assert_eq!(split(b"//"), Err(Errno::Perm));
        assert_eq!(split(&[b'n'; 256]), Err(Errno::Nametoolong));
    }

    #[test]
    fn a_walk_takes_one_component_at_a_time() {
        let name = |text: &str| Name::from_slice(text.as_bytes());
        let mut rest = Rest::new(b"a//./b/../c/").expect("beneath");
        assert_eq!(rest.next(), Ok(Step::Into(name("a"))));
        assert_eq!(rest.next(), Ok(Step::Into(name("b"))));
        rest.expand(b"x/../y").expect("few links");
        assert_eq!(rest.next(), Ok(Step::Into(name("x"))));
        assert_eq!(rest.next(), Ok(Step::Up));
        assert_eq!(rest.next(), Ok(Step::Into(name("y"))));
        assert_eq!(rest.next(), Ok(Step::Up));
        assert_eq!(rest.next(), Ok(Step::Into(name("c"))));
        assert_eq!(rest.next(), Ok(Step::End));
        let mut rest = Rest::new(b"a/b").expect("beneath");
        assert_eq!(rest.next(), Ok(Step::Into(name("a"))));
        assert_eq!(rest.next(), Ok(Step::Last(name("b"))));
        assert_eq!(rest.next(), Ok(Step::End));
        assert_eq!(rest.expand(b"/x"), Err(Errno::Perm));
        assert_eq!(rest.expand(b""), Err(Errno::Noent));
        for _ in 2..40 {
            rest.expand(b"x").expect("few links");
        }
        assert_eq!(rest.expand(b"x"), Err(Errno::Loop));
    }
}
