//! Directories of every kind behind one face: those of the host and those in memory.
//!
//! Knows paths, files and their attributes; must never know guest memory, descriptors or what was granted.

pub(crate) mod host;
mod listing;
mod path;
mod resolve;
mod steps;
pub(crate) mod virt;
mod virtual_dir;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Timespec, Timestamps};

use crate::ctx::FilePerms;
use crate::errno::Errno;
use crate::types::{FileStat, FileType};
pub(crate) use host::HostDir;
pub(crate) use listing::{Listing, Sink};
pub(crate) use path::{GuestPath, PATH_MAX};
pub use resolve::Resolver;
pub use virtual_dir::{VirtualDir, VirtualDirError};

/// A directory.
#[derive(Clone)]
pub(crate) enum Dir {
    Host(Arc<HostDir>),
    Virtual(Arc<virt::DirHandle>),
}

/// How to open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
    pub(crate) append: bool,
    /// Every write reaches the disk before it returns: the bytes, or the bytes and all attributes.
    pub(crate) data_sync: bool,
    pub(crate) sync: bool,
    /// Whether a symbolic link in the last place is followed.
    pub(crate) follow: bool,
}

/// What was opened.
pub(crate) enum Opened {
    Host {
        fd: OwnedFd,
        filetype: FileType,
        /// What the entry itself allows, whatever was granted for its directory.
        perms: FilePerms,
    },
    VirtualFile(virt::FileHandle),
    VirtualDir(Arc<virt::DirHandle>),
}

/// What to set a time to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetTime {
    Keep,
    Now,
    /// Nanoseconds since 1970.
    At(u64),
}

/// What to set both times to that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetTimes {
    pub(crate) atim: SetTime,
    pub(crate) mtim: SetTime,
}

impl SetTimes {
    /// In the host's terms.
    pub(crate) fn to_host(self) -> Timestamps {
        let one = |time| match time {
            SetTime::Keep => Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_OMIT,
            },
            SetTime::Now => Timespec {
                tv_sec: 0,
                tv_nsec: rustix::fs::UTIME_NOW,
            },
            SetTime::At(time) => Timespec {
                // 64 bits of nanoseconds are fewer seconds than hosts count.
                tv_sec: (time / 1_000_000_000) as _,
                tv_nsec: (time % 1_000_000_000) as _,
            },
        };
        Timestamps {
            last_access: one(self.atim),
            last_modification: one(self.mtim),
        }
    }
}

/// Runs the same method on either kind.
macro_rules! either {
    ($dir:expr, $method:ident($($arg:expr),*), $now:expr) => {
        match $dir {
            Dir::Host(dir) => dir.$method($($arg),*),
            Dir::Virtual(dir) => dir.$method($($arg,)* $now),
        }
    };
}

/// `now` is the date for entries in memory, in nanoseconds; the host has its own.
impl Dir {
    /// Whether work in it may block the thread.
    pub(crate) fn may_block(&self) -> bool {
        match self {
            Dir::Host(_) => true,
            Dir::Virtual(dir) => dir.has_host_files(),
        }
    }

    pub(crate) fn open(&self, path: &GuestPath, how: How, now: u64) -> Result<Opened, Errno> {
        either!(self, open(path, how), now)
    }

    pub(crate) fn create_dir(&self, path: &GuestPath, now: u64) -> Result<(), Errno> {
        either!(self, create_dir(path), now)
    }

    pub(crate) fn remove_dir(&self, path: &GuestPath, now: u64) -> Result<(), Errno> {
        either!(self, remove_dir(path), now)
    }

    pub(crate) fn unlink(&self, path: &GuestPath, now: u64) -> Result<(), Errno> {
        either!(self, unlink(path), now)
    }

    /// Makes a symbolic link. Absolute targets are refused: no guest could follow one, but a program of the host might.
    pub(crate) fn symlink(
        &self,
        target: &GuestPath,
        path: &GuestPath,
        now: u64,
    ) -> Result<(), Errno> {
        if target.bytes().starts_with(b"/") {
            return Err(Errno::Perm);
        }
        either!(self, symlink(target, path), now)
    }

    pub(crate) fn set_times(
        &self,
        path: &GuestPath,
        follow: bool,
        times: SetTimes,
        now: u64,
    ) -> Result<(), Errno> {
        either!(self, set_times(path, follow, times), now)
    }

    pub(crate) fn stat(&self, path: &GuestPath, follow: bool) -> Result<FileStat, Errno> {
        match self {
            Dir::Host(dir) => dir.stat(path, follow),
            Dir::Virtual(dir) => dir.stat(path, follow),
        }
    }

    pub(crate) fn read_link(&self, path: &GuestPath) -> Result<Vec<u8>, Errno> {
        match self {
            Dir::Host(dir) => dir.read_link(path),
            Dir::Virtual(dir) => dir.read_link(path),
        }
    }

    pub(crate) fn link(
        &self,
        old: &GuestPath,
        target: &Dir,
        new: &GuestPath,
        now: u64,
    ) -> Result<(), Errno> {
        match (self, target) {
            (Dir::Host(from), Dir::Host(to)) => from.link(old, to, new),
            (Dir::Virtual(from), Dir::Virtual(to)) => from.link(old, to, new, now),
            _ => Err(Errno::Xdev),
        }
    }

    pub(crate) fn rename(
        &self,
        old: &GuestPath,
        target: &Dir,
        new: &GuestPath,
        now: u64,
    ) -> Result<(), Errno> {
        match (self, target) {
            (Dir::Host(from), Dir::Host(to)) => from.rename(old, to, new),
            (Dir::Virtual(from), Dir::Virtual(to)) => from.rename(old, to, new, now),
            _ => Err(Errno::Xdev),
        }
    }

    /// Appends the entries from `cookie` on until the buffer is full or the directory ends.
    pub(crate) fn list(
        &self,
        listing: &mut Listing,
        cookie: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), Errno> {
        match self {
            Dir::Host(dir) => listing::list(dir.fd(), listing, cookie, sink),
            Dir::Virtual(dir) => dir.list(cookie, sink),
        }
    }

    /// The directory's own attributes.
    pub(crate) fn own_stat(&self) -> Result<FileStat, Errno> {
        match self {
            Dir::Host(dir) => Ok(host::from_host(&rustix::fs::fstat(dir.fd())?)),
            Dir::Virtual(dir) => dir.own_stat(),
        }
    }

    pub(crate) fn set_own_times(&self, times: SetTimes, now: u64) -> Result<(), Errno> {
        match self {
            Dir::Host(dir) => Ok(rustix::fs::futimens(dir.fd(), &times.to_host())?),
            Dir::Virtual(dir) => dir.set_own_times(times, now),
        }
    }

    /// Makes what is known of the directory survive a crash of the host. What lives in memory is as safe as it gets.
    pub(crate) fn sync(&self, data_only: bool) -> Result<(), Errno> {
        match self {
            Dir::Host(dir) if data_only => Ok(rustix::fs::fdatasync(dir.fd())?),
            Dir::Host(dir) => Ok(rustix::fs::fsync(dir.fd())?),
            Dir::Virtual(_) => Ok(()),
        }
    }
}
