//! Resolving a path one component at a time, for hosts whose kernel cannot do it in one call.
//!
//! Every directory on the way is held open, and each step goes from one that is held to an entry of its own that is no
//! link (`O_NOFOLLOW`). Going up returns to the directory held before, never to what the host calls its parent now, and
//! not beyond the first. Links are read and their text is walked in the same manner. So whatever is renamed or swapped
//! between two steps, no step leaves what was beneath the first directory when it was taken.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno as Host;
use smallvec::SmallVec;

use super::path::{Name, Rest, Step};
use super::resolve::mode;
use crate::errno::Errno;

/// How a directory on the way is opened: to be passed, not to be read.
const PASS: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A walk beneath a directory.
struct Walk<'d> {
    root: BorrowedFd<'d>,
    /// The directories between the root and here, the last of which is here.
    held: SmallVec<[OwnedFd; 8]>,
    rest: Rest,
}

impl Walk<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.held.last().map_or(self.root, |dir| dir.as_fd())
    }

    /// Goes on to the last component. `None` if the path ends at a directory as such.
    fn advance(&mut self, create: bool) -> Result<Option<Name>, Errno> {
        loop {
            match self.rest.next()? {
                Step::End => return Ok(None),
                Step::Last(name) => return Ok(Some(name)),
                Step::Up => {
                    self.held.pop().ok_or(Errno::Perm)?;
                }
                // A name with slashes behind is a directory's, which cannot be created this way.
                Step::Into(_) if create && self.rest.at_end() => return Err(Errno::Isdir),
                Step::Into(name) => self.enter(&name)?,
            }
        }
    }

    /// Enters a directory, or puts a link's target in the way.
    fn enter(&mut self, name: &Name) -> Result<(), Errno> {
        match rustix::fs::openat(self.here(), &name[..], PASS, mode(PASS)) {
            Ok(dir) => {
                self.held.push(dir);
                Ok(())
            }
            Err(Host::NOTDIR | Host::LOOP | Host::MLINK) => match self.read_link(name)? {
                Some(target) => self.rest.expand(&target),
                None => Err(Errno::Notdir),
            },
            Err(errno) => Err(errno.into()),
        }
    }

    /// The target, if the entry is a link now.
    fn read_link(&self, name: &Name) -> Result<Option<Vec<u8>>, Errno> {
        match rustix::fs::readlinkat(self.here(), &name[..], Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            Err(Host::INVAL) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the last component. `None` if it is a link, whose target is now in the way.
    fn open_last(
        &mut self,
        name: &Name,
        flags: OFlags,
        follow: bool,
    ) -> Result<Option<OwnedFd>, Errno> {
        let opened = rustix::fs::openat(
            self.here(),
            &name[..],
            flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            mode(flags),
        );
        let error = match opened {
            // Opened for nothing but its place, a link is opened itself.
            Ok(fd) if follow && flags.contains(OFlags::PATH) && is_link(&fd)? => Host::LOOP,
            Ok(fd) => return Ok(Some(fd)),
            Err(error @ (Host::LOOP | Host::MLINK | Host::NOTDIR)) if follow => error,
            Err(Host::MLINK) => return Err(Errno::Loop),
            Err(error) => return Err(error.into()),
        };
        match self.read_link(name)? {
            Some(target) => self.rest.expand(&target)?,
            None if error == Host::NOTDIR => return Err(Errno::Notdir),
            // It was a link a moment ago.
            None => self.rest.again(name)?,
        }
        Ok(None)
    }
}

fn is_link(fd: &OwnedFd) -> Result<bool, Errno> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    Ok(FileType::from_raw_mode(mode) == FileType::Symlink)
}

/// Opens what `path` names beneath `dir`. `Perm` if it leads outside.
pub(super) fn open(
    dir: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    follow: bool,
) -> Result<OwnedFd, Errno> {
    let mut walk = Walk {
        root: dir,
        held: SmallVec::new(),
        rest: Rest::new(path)?,
    };
    let create = flags.contains(OFlags::CREATE);
    loop {
        match walk.advance(create)? {
            Some(name) => {
                if let Some(opened) = walk.open_last(&name, flags, follow)? {
                    return Ok(opened);
                }
            }
            // The path can only mean a directory, which is there.
            None if create && flags.contains(OFlags::EXCL) => return Err(Errno::Exist),
            None if create => return Err(Errno::Isdir),
            None => {
                let flags = flags | OFlags::CLOEXEC;
                return Ok(rustix::fs::openat(walk.here(), ".", flags, mode(flags))?);
            }
        }
    }
}

/// The resolver that tests must find out.
#[cfg(test)]
pub(super) mod weak {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    /// Checks where the path leads, then opens it.
    pub(in crate::fs) fn open(
        dir: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
        follow: bool,
    ) -> Result<OwnedFd, Errno> {
        if path.is_empty() {
            return Err(Errno::Noent);
        }
        let root = std::fs::canonicalize(format!("/proc/self/fd/{}", dir.as_raw_fd()))?;
        let whole = root.join(Path::new(std::ffi::OsStr::from_bytes(path)));
        let place = match std::fs::canonicalize(&whole) {
            Ok(place) => place,
            // What does not exist yet is judged by its directory.
            Err(_) => std::fs::canonicalize(whole.parent().unwrap_or(&root))?,
        };
        if !place.starts_with(&root) {
            return Err(Errno::Perm);
        }
        let mut flags = flags | OFlags::CLOEXEC;
        flags.set(OFlags::NOFOLLOW, !follow);
        Ok(rustix::fs::openat(dir, path, flags, mode(flags))?)
    }
}
