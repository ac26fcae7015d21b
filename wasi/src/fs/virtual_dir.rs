//! Directories in memory as an embedder sees them: filled before, read after, shared between guests.
//!
//! Must never know guests.

use std::sync::Arc;

use super::host::HostFile;
use super::path::{GuestPath, Rest, Step};
use super::virt::{Budget, Ino, NodeKind, ROOT, State, Tree};
use crate::clocks::{VirtualClock, nanoseconds};
use crate::errno::Errno;

/// A directory in memory. Clones are the same directory; so are those of two guests that got the same one.
///
/// Guests may add a bounded number of bytes beyond what the embedder put there; each entry counts a few hundred bytes for
/// itself. A guest that wants more gets `nospc`. Whether a guest may change anything is decided when it is granted.
///
/// ```
/// use craneway_wasi::{DirPerms, FilePerms, VirtualDir, WasiCtxBuilder};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let etc = VirtualDir::new();
/// etc.file("app/config.toml", "verbose = true\n")?.symlink("app.toml", "app/config.toml")?;
/// let tmp = VirtualDir::with_room(1 << 20);
/// let ctx = WasiCtxBuilder::new()
///     .preopened_virtual_dir(&etc, "/etc", DirPerms::READ, FilePerms::READ)?
///     .preopened_virtual_dir(&tmp, "/tmp", DirPerms::all(), FilePerms::all())?
///     .build();
/// // … when the guest is through:
/// assert_eq!(tmp.read("result.txt"), None);
/// # drop(ctx);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct VirtualDir(pub(crate) Arc<Tree>);

/// Why something could not be put into a [`VirtualDir`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot put `{path}` into a virtual directory: {}", reason.meaning())]
pub struct VirtualDirError {
    /// Where it was to be.
    pub path: String,
    /// What is wrong: `Inval` for a path that is absolute, empty or has `..` in it, `Notdir` for one that leads through a
    /// file, `Isdir` and `Exist` for one that is taken.
    pub reason: Errno,
}

impl std::fmt::Debug for VirtualDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.0.lock();
        f.debug_struct("VirtualDir")
            .field("used", &state.used())
            .field("left", &state.left())
            .finish()
    }
}

impl Default for VirtualDir {
    fn default() -> VirtualDir {
        VirtualDir::new()
    }
}

/// The date of what embedders put in, so that guests see the same in every run.
fn date() -> u64 {
    nanoseconds(VirtualClock::DATE)
}

impl VirtualDir {
    /// How many bytes guests may add at first.
    pub const ROOM: u64 = 64 << 20;

    /// An empty directory to which guests may add [`VirtualDir::ROOM`].
    pub fn new() -> VirtualDir {
        VirtualDir::with_room(VirtualDir::ROOM)
    }

    /// An empty directory to which guests may add so many bytes.
    pub fn with_room(bytes: u64) -> VirtualDir {
        VirtualDir(Arc::new(Tree::new(bytes, false, date())))
    }

    /// One that holds single files of the host.
    pub(crate) fn of_host_files() -> VirtualDir {
        VirtualDir(Arc::new(Tree::new(0, true, date())))
    }

    /// Puts a file there, in place of one that is there, and makes the directories that lead to it.
    pub fn file(
        &self,
        path: impl AsRef<str>,
        contents: impl Into<Vec<u8>>,
    ) -> Result<&VirtualDir, VirtualDirError> {
        self.put(path.as_ref(), NodeKind::File(contents.into()))
    }

    /// Puts a symbolic link there. The target is relative to the link's directory; no guest can follow it further up than
    /// this directory.
    pub fn symlink(
        &self,
        path: impl AsRef<str>,
        target: impl AsRef<str>,
    ) -> Result<&VirtualDir, VirtualDirError> {
        self.put(
            path.as_ref(),
            NodeKind::Link(target.as_ref().as_bytes().into()),
        )
    }

    /// Makes a directory, and those that lead to it. One that is there stays as it is.
    pub fn dir(&self, path: impl AsRef<str>) -> Result<&VirtualDir, VirtualDirError> {
        let path = path.as_ref();
        self.change(path, |state, names| enter(state, names).map(|_| ()))
    }

    /// Puts a file of the host there under a name of its own.
    pub(crate) fn host_file(&self, name: &str, file: HostFile) -> Result<(), VirtualDirError> {
        self.put(name, NodeKind::Host(file)).map(|_| ())
    }

    fn put(&self, path: &str, kind: NodeKind) -> Result<&VirtualDir, VirtualDirError> {
        self.change(path, |state, names| {
            let (name, way) = names.split_last().ok_or(Errno::Inval)?;
            let parent = enter(state, way)?;
            if let Some(ino) = state.dir(parent)?.get(name) {
                match (&state.node(ino)?.kind, &kind) {
                    (NodeKind::Dir(_), _) => return Err(Errno::Isdir),
                    (NodeKind::Host(_), _) | (_, NodeKind::Host(_)) => return Err(Errno::Exist),
                    _ => state.unlink(parent, name, ino, date())?,
                }
            }
            state.create(parent, name, kind, Budget::Embedder, date())?;
            Ok(())
        })
    }

    /// Changes the tree at a path without changing how much guests may add.
    fn change(
        &self,
        path: &str,
        work: impl FnOnce(&mut State, &[Vec<u8>]) -> Result<(), Errno>,
    ) -> Result<&VirtualDir, VirtualDirError> {
        let result = components(path).and_then(|names| {
            let mut state = self.0.lock();
            let left = state.left();
            let result = work(&mut state, &names);
            state.keep_room(left);
            result
        });
        match result {
            Ok(()) => Ok(self),
            Err(reason) => Err(VirtualDirError {
                path: path.to_owned(),
                reason,
            }),
        }
    }

    /// The contents of a file, links followed; `None` if there is none.
    pub fn read(&self, path: impl AsRef<str>) -> Option<Vec<u8>> {
        let path = GuestPath::new(path.as_ref().as_bytes()).ok()?;
        let state = self.0.lock();
        let ino = state.find(ROOT, &path, true).ok()?.node?;
        match &state.node(ino).ok()?.kind {
            NodeKind::File(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// The names in a directory, sorted; `None` if there is none. The directory itself is called `.`.
    pub fn names(&self, path: impl AsRef<str>) -> Option<Vec<String>> {
        let path = GuestPath::new(path.as_ref().as_bytes()).ok()?;
        let state = self.0.lock();
        let ino = state.find(ROOT, &path, true).ok()?.node?;
        let names = state.dir(ino).ok()?.names();
        Some(
            names
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
        )
    }

    /// How many bytes are in use, entries included.
    pub fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// How many bytes guests may still add.
    pub fn left(&self) -> u64 {
        self.0.lock().left()
    }
}

/// Makes the directories of a path, each within the one before.
fn enter(state: &mut State, names: &[Vec<u8>]) -> Result<Ino, Errno> {
    let mut here = ROOT;
    for name in names {
        here = match state.dir(here)?.get(name) {
            Some(ino) => ino,
            None => state.create_dir(here, name, Budget::Embedder, date())?,
        };
        // Fails for what is no directory.
        state.dir(here)?;
    }
    Ok(here)
}

/// The components of a path without `..`.
fn components(path: &str) -> Result<Vec<Vec<u8>>, Errno> {
    let path = GuestPath::new(path.as_bytes())?;
    let mut rest = Rest::new(path.bytes()).map_err(|_| Errno::Inval)?;
    let mut names = Vec::new();
    loop {
        match rest.next()? {
            Step::End => return Ok(names),
            Step::Up => return Err(Errno::Inval),
            Step::Into(name) => names.push(name.to_vec()),
            Step::Last(name) => {
                names.push(name.to_vec());
                return Ok(names);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_put_and_read_back() {
        let dir = VirtualDir::with_room(1000);
        dir.file("a/b/c.txt", "one")
            .and_then(|dir| dir.file("a/b/c.txt", "three"))
            .and_then(|dir| dir.symlink("link", "a/b/../b/c.txt"))
            .and_then(|dir| dir.dir("empty/"))
            .and_then(|dir| dir.dir("a/b"))
            .expect("all possible");
        assert_eq!(dir.read("a/b/c.txt"), Some(b"three".to_vec()));
        assert_eq!(dir.read("link"), Some(b"three".to_vec()));
        assert_eq!(dir.read("a"), None);
        assert_eq!(dir.read("../x"), None);
        let names = |path| dir.names(path).map(|names| names.join(" "));
        assert_eq!(names("."), Some("a empty link".to_owned()));
        assert_eq!(names("empty"), Some(String::new()));
        assert_eq!(names("link"), None);
        assert_eq!(dir.left(), 1000, "the embedder's files are beside the room");
    }

    #[test]
    fn what_cannot_be_put_says_why() {
        let dir = VirtualDir::new();
        dir.file("file", "").expect("possible");
        dir.dir("dir").expect("possible");
        for (path, reason) in [
            ("/abs", Errno::Inval),
            ("", Errno::Inval),
            (".", Errno::Inval),
            ("a/../b", Errno::Inval),
            ("file/x", Errno::Notdir),
            ("dir", Errno::Isdir),
            ("a\0b", Errno::Inval),
        ] {
            let error = dir.file(path, "x").expect_err("impossible");
            assert_eq!(error.reason, reason, "{path:?}");
            assert!(error.to_string().contains(path));
        }
    }
}
