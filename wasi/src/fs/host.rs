//! Directories of the host: each function resolves once and then acts on a single name without following it.
//!
//! A name in the directory itself needs no resolution, which halves the system calls of `stat`-heavy programs.
//! Must never know what was granted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, Stat};

use super::path::{GuestPath, Split};
use super::resolve::{self, Parent, Resolver};
use super::{How, Opened, SetTimes};
use crate::ctx::FilePerms;
use crate::errno::Errno;
use crate::types::{FileStat, FileType};

/// A directory of the host.
pub(crate) struct HostDir {
    fd: OwnedFd,
    resolver: Resolver,
}

/// A host's answer in the interface's terms. Times before 1970 read as 1970.
pub(crate) fn from_host(stat: &Stat) -> FileStat {
    let time = |seconds: i64, nanoseconds: u64| match u64::try_from(seconds) {
        Ok(seconds) => seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds),
        // The nanoseconds of an earlier time count forward from its second, so they go with it.
        Err(_) => 0,
    };
    #[allow(
        clippy::unnecessary_cast,
        reason = "the fields' types differ between hosts"
    )]
    FileStat {
        dev: stat.st_dev as u64,
        ino: stat.st_ino as u64,
        filetype: FileType::from(rustix::fs::FileType::from_raw_mode(stat.st_mode)),
        nlink: stat.st_nlink as u64,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        atim: time(stat.st_atime as i64, stat.st_atime_nsec as u64),
        mtim: time(stat.st_mtime as i64, stat.st_mtime_nsec as u64),
        ctim: time(stat.st_ctime as i64, stat.st_ctime_nsec as u64),
    }
}

/// What a descriptor of the host is.
pub(super) fn filetype(fd: impl AsFd) -> Result<FileType, Errno> {
    let mode = rustix::fs::fstat(fd)?.st_mode;
    Ok(FileType::from(rustix::fs::FileType::from_raw_mode(mode)))
}

impl How {
    /// In the host's terms. Nothing ever waits: a pipe or a device opens at once or not at all.
    pub(super) fn to_host(self) -> OFlags {
        let mut flags = match (self.read, self.write) {
            (true, true) => OFlags::RDWR,
            (false, true) => OFlags::WRONLY,
            _ => OFlags::RDONLY,
        };
        flags |= OFlags::NOCTTY | OFlags::NONBLOCK;
        flags.set(OFlags::CREATE, self.create);
        flags.set(OFlags::EXCL, self.exclusive);
        flags.set(OFlags::TRUNC, self.truncate);
        flags.set(OFlags::DIRECTORY, self.directory);
        flags.set(OFlags::APPEND, self.append);
        flags.set(OFlags::DSYNC, self.data_sync);
        if self.sync {
            flags |= OFlags::SYNC;
        }
        flags
    }
}

impl HostDir {
    /// Opens a directory by a path of the host's, for listing and resolving.
    pub(crate) fn open_ambient(path: &Path) -> std::io::Result<HostDir> {
        let base = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(path, base | OFlags::RDONLY, Mode::empty()) {
            // A directory that can be passed but not listed.
            Err(rustix::io::Errno::ACCESS) => {
                rustix::fs::open(path, base | OFlags::PATH, Mode::empty())?
            }
            result => result?,
        };
        Ok(HostDir {
            fd,
            resolver: Resolver::Auto,
        })
    }

    pub(crate) fn resolve_by(&mut self, resolver: Resolver) {
        self.resolver = resolver;
    }

    /// A directory that was opened beneath this one.
    pub(crate) fn child(&self, fd: OwnedFd) -> HostDir {
        HostDir {
            fd,
            resolver: self.resolver,
        }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    fn parent<'d, 'p>(&'d self, path: &'p GuestPath) -> Result<(Parent<'d>, Split<'p>), Errno> {
        resolve::parent(self.resolver, self.fd(), path.bytes())
    }

    /// Where a name is to be made or removed as a name: `path/` means the directory of that name, which must be there.
    fn parent_or_dir<'d, 'p>(
        &'d self,
        path: &'p GuestPath,
    ) -> Result<(Parent<'d>, &'p [u8]), Errno> {
        resolve::parent_or_dir(self.resolver, self.fd(), path.bytes())
    }

    pub(super) fn open(&self, path: &GuestPath, how: How) -> Result<Opened, Errno> {
        let fd = resolve::open(
            self.resolver,
            self.fd(),
            path.bytes(),
            how.to_host(),
            how.follow,
        )?;
        let filetype = filetype(&fd)?;
        Ok(Opened::Host {
            fd,
            filetype,
            perms: FilePerms::all(),
        })
    }

    /// Opens a name without access to what it stands for.
    fn locate(&self, path: &GuestPath, follow: bool) -> Result<OwnedFd, Errno> {
        resolve::open(self.resolver, self.fd(), path.bytes(), OFlags::PATH, follow)
    }

    pub(super) fn create_dir(&self, path: &GuestPath) -> Result<(), Errno> {
        let (parent, split) = self.parent(path)?;
        Ok(rustix::fs::mkdirat(
            parent,
            split.name,
            Mode::from_raw_mode(0o777),
        )?)
    }

    pub(super) fn remove_dir(&self, path: &GuestPath) -> Result<(), Errno> {
        let (parent, split) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(
            parent,
            split.name,
            AtFlags::REMOVEDIR,
        )?)
    }

    pub(super) fn unlink(&self, path: &GuestPath) -> Result<(), Errno> {
        let (parent, name) = self.parent_or_dir(path)?;
        Ok(rustix::fs::unlinkat(parent, name, AtFlags::empty())?)
    }

    pub(super) fn stat(&self, path: &GuestPath, follow: bool) -> Result<FileStat, Errno> {
        if let Some(name) = path.single() {
            let stat = rustix::fs::statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW)?;
            let stat = from_host(&stat);
            if !follow || stat.filetype != FileType::SymbolicLink {
                return Ok(stat);
            }
        }
        let located = self.locate(path, follow)?;
        Ok(from_host(&rustix::fs::fstat(located)?))
    }

    pub(super) fn set_times(
        &self,
        path: &GuestPath,
        follow: bool,
        times: SetTimes,
    ) -> Result<(), Errno> {
        let times = times.to_host();
        if !follow {
            let (parent, name) = self.parent_or_dir(path)?;
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            return Ok(rustix::fs::utimensat(parent, name, &times, flags)?);
        }
        let located = self.locate(path, follow)?;
        Ok(rustix::fs::utimensat(
            located,
            "",
            &times,
            AtFlags::EMPTY_PATH,
        )?)
    }

    pub(super) fn read_link(&self, path: &GuestPath) -> Result<Vec<u8>, Errno> {
        let (parent, name) = self.parent_or_dir(path)?;
        Ok(rustix::fs::readlinkat(parent, name, Vec::new())?.into_bytes())
    }

    pub(super) fn symlink(&self, target: &GuestPath, path: &GuestPath) -> Result<(), Errno> {
        let (parent, name) = self.parent_or_dir(path)?;
        Ok(rustix::fs::symlinkat(target.bytes(), parent, name)?)
    }

    pub(super) fn link(
        &self,
        old: &GuestPath,
        target: &HostDir,
        new: &GuestPath,
    ) -> Result<(), Errno> {
        let (from, old) = self.parent_or_dir(old)?;
        let (to, new) = target.parent_or_dir(new)?;
        // Without flags a link in the last place is linked itself.
        Ok(rustix::fs::linkat(from, old, to, new, AtFlags::empty())?)
    }

    pub(super) fn rename(
        &self,
        old: &GuestPath,
        target: &HostDir,
        new: &GuestPath,
    ) -> Result<(), Errno> {
        let (from, old) = self.parent(old)?;
        let (to, new) = target.parent(new)?;
        if old.name == b"." || new.name == b"." {
            return Err(Errno::Busy);
        }
        if old.slash || new.slash {
            // Slashes say that a directory is moved. Names go to the host without them, so it has to be asked.
            let stat = rustix::fs::statat(&from, old.name, AtFlags::SYMLINK_NOFOLLOW)?;
            if from_host(&stat).filetype != FileType::Directory {
                return Err(Errno::Notdir);
            }
        }
        Ok(rustix::fs::renameat(from, old.name, to, new.name)?)
    }
}

/// One file of the host, by the directory that holds it and its name there.
pub(crate) struct HostFile {
    parent: OwnedFd,
    name: Box<[u8]>,
    perms: FilePerms,
}

impl HostFile {
    /// Finds a file by a path of the host's. Links on the way are followed now and never again.
    pub(crate) fn open_ambient(path: &Path, perms: FilePerms) -> std::io::Result<HostFile> {
        use std::os::unix::ffi::OsStrExt;
        let place = std::fs::canonicalize(path)?;
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(std::io::ErrorKind::IsADirectory.into());
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = HostFile {
            parent: rustix::fs::open(parent, flags, Mode::empty())?,
            name: name.as_bytes().into(),
            perms,
        };
        if std::fs::symlink_metadata(&place)?.is_dir() {
            return Err(std::io::ErrorKind::IsADirectory.into());
        }
        // Refused now rather than when the guest runs.
        let how = How {
            read: perms.contains(FilePerms::READ),
            write: perms.contains(FilePerms::WRITE),
            ..How::default()
        };
        match file.open_host(how) {
            // A pipe that nobody reads.
            Ok(_) | Err(rustix::io::Errno::NXIO) => Ok(file),
            Err(errno) => Err(errno.into()),
        }
    }

    fn open_host(&self, how: How) -> rustix::io::Result<OwnedFd> {
        let flags = how.to_host() | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, &*self.name, flags, Mode::empty())
    }

    pub(super) fn open(&self, how: How) -> Result<Opened, Errno> {
        if (how.write || how.truncate) && !self.perms.contains(FilePerms::WRITE) {
            return Err(Errno::Rofs);
        }
        let fd = self.open_host(How {
            create: false,
            ..how
        })?;
        let filetype = filetype(&fd)?;
        if filetype == FileType::Directory {
            // Somebody put one in the file's place; nothing beneath it was granted.
            return Err(Errno::Acces);
        }
        Ok(Opened::Host {
            fd,
            filetype,
            perms: self.perms,
        })
    }

    pub(super) fn stat(&self) -> Result<FileStat, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(from_host(&rustix::fs::statat(
            &self.parent,
            &*self.name,
            flags,
        )?))
    }

    pub(super) fn set_times(&self, times: SetTimes) -> Result<(), Errno> {
        if !self.perms.contains(FilePerms::WRITE) {
            return Err(Errno::Rofs);
        }
        Ok(rustix::fs::utimensat(
            &self.parent,
            &*self.name,
            &times.to_host(),
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_1970_read_as_1970() {
        let outer = tempfile::tempdir().expect("temporary directory");
        std::fs::write(outer.path().join("old"), "").expect("write");
        let dir = HostDir::open_ambient(outer.path()).expect("open");
        let time = |tv_sec, tv_nsec| rustix::fs::Timespec { tv_sec, tv_nsec };
        let times = rustix::fs::Timestamps {
            last_access: time(-1, 500_000_000),
            last_modification: time(1, 5),
        };
        rustix::fs::utimensat(dir.fd(), "old", &times, AtFlags::empty()).expect("settable");
        let path = GuestPath::new(b"old").expect("a good path");
        let stat = dir.stat(&path, true).expect("it is there");
        assert_eq!((stat.atim, stat.mtim), (0, 1_000_000_005));
    }

    #[test]
    fn a_pipe_does_not_hang() {
        for resolver in [Resolver::Auto, Resolver::Steps] {
            let outer = tempfile::tempdir().expect("temporary directory");
            let mut dir = HostDir::open_ambient(outer.path()).expect("open");
            dir.resolve_by(resolver);
            let mode = Mode::RUSR | Mode::WUSR;
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(dir.fd(), "pipe", kind, mode, 0).expect("make a pipe");
            let path = |text: &str| GuestPath::new(text.as_bytes()).expect("a good path");
            let write = How {
                write: true,
                ..How::default()
            };
            let opened = dir.open(&path("pipe"), write);
            assert_eq!(opened.err(), Some(Errno::Nxio));
            let read = How {
                read: true,
                ..How::default()
            };
            assert!(dir.open(&path("pipe"), read).is_ok());
            let times = SetTimes {
                atim: crate::fs::SetTime::Now,
                mtim: crate::fs::SetTime::Now,
            };
            assert_eq!(dir.set_times(&path("./pipe"), true, times), Ok(()));
        }
    }
}
