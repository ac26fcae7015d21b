//! Paths beneath a directory: taking them from the guest, opening and examining what they name.
//!
//! Everything with more than one component is resolved by cap-std, in the kernel where it can. A single component that
//! is not a symbolic link needs no resolution, and skipping it halves the system calls of `stat`-heavy programs.

use std::os::fd::OwnedFd;
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{AtFlags, OFlags, Stat, Timestamps};
use smallvec::SmallVec;

use crate::errno::Errno;
use crate::memory::GuestMemory;
use crate::types::{FileStat, FileType};

/// The longest path that is looked at; hosts do not take longer ones.
const PATH_MAX: u32 = 4096;

/// A path of the guest's, copied so that work on it can move to another thread. Short ones stay off the heap.
#[derive(Debug, Clone)]
pub(super) struct PathArg(SmallVec<[u8; 128]>);

impl PathArg {
    /// Takes a path out of guest memory: UTF-8, without zero bytes, of bounded length.
    pub(super) fn read(mem: &GuestMemory<'_>, addr: u32, len: u32) -> Result<PathArg, Errno> {
        let bytes = mem.bytes(addr, len)?;
        if len > PATH_MAX {
            return Err(Errno::Nametoolong);
        }
        if std::str::from_utf8(bytes).is_err() {
            return Err(Errno::Ilseq);
        }
        if bytes.contains(&0) {
            return Err(Errno::Inval);
        }
        Ok(PathArg(SmallVec::from_slice(bytes)))
    }

    pub(super) fn path(&self) -> &Path {
        use std::os::unix::ffi::OsStrExt;
        Path::new(std::ffi::OsStr::from_bytes(&self.0))
    }

    /// The path without slashes at its end, and whether there were any. Libraries drop them, and with them what they say: that
    /// the name is a directory's.
    pub(super) fn without_slashes(mut self) -> (PathArg, bool) {
        let end = self.0.iter().rposition(|byte| *byte != b'/');
        // A path of slashes alone keeps its meaning: the root.
        let len = end.map_or(self.0.len(), |last| last + 1);
        let slashed = len < self.0.len();
        self.0.truncate(len);
        (self, slashed)
    }

    /// The path, if it names an entry of the directory itself, so that nothing has to be resolved before the last step.
    pub(super) fn single(&self) -> Option<&[u8]> {
        let plain = !self.0.is_empty() && !self.0.contains(&b'/') && &self.0[..] != b"..";
        plain.then_some(&self.0[..])
    }
}

/// A host's answer in the interface's terms. Times before 1970 read as 1970.
pub(super) fn from_host(stat: &Stat) -> FileStat {
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

/// Opens beneath a directory with exactly these flags. Never waits: a pipe or a device opens at once or not at all.
pub(super) fn open(dir: &Dir, path: &Path, flags: OFlags, follow: bool) -> Result<OwnedFd, Errno> {
    let mut options = OpenOptions::new();
    let mode = flags & OFlags::RWMODE;
    options
        .read(mode != OFlags::WRONLY)
        .write(mode != OFlags::RDONLY);
    // cap-std knows no combination of appending and truncating, so everything but the access mode goes as it is.
    let mut rest = flags & !OFlags::RWMODE;
    // The kernel takes no other flags beside this one, which opens nothing that could wait.
    if !flags.contains(OFlags::PATH) {
        rest |= OFlags::NOCTTY | OFlags::NONBLOCK;
    }
    options.custom_flags(rest.bits() as i32);
    options.follow(if follow {
        FollowSymlinks::Yes
    } else {
        FollowSymlinks::No
    });
    Ok(dir.open_with(path, &options)?.into_std().into())
}

/// Opens a name without access to what it stands for.
fn locate(dir: &Dir, path: &PathArg, follow: bool) -> Result<OwnedFd, Errno> {
    open(dir, path.path(), OFlags::PATH, follow)
}

/// Examines what a path names.
pub(super) fn stat(dir: &Dir, path: &PathArg, follow: bool) -> Result<FileStat, Errno> {
    if let Some(name) = path.single() {
        let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let stat = from_host(&stat);
        if !follow || stat.filetype != FileType::SymbolicLink {
            return Ok(stat);
        }
    }
    Ok(from_host(&rustix::fs::fstat(locate(dir, path, follow)?)?))
}

/// Sets the times of what a path names.
pub(super) fn set_times(
    dir: &Dir,
    path: &PathArg,
    follow: bool,
    times: &Timestamps,
) -> Result<(), Errno> {
    if let Some(name) = path.single()
        && !follow
    {
        return Ok(rustix::fs::utimensat(
            dir,
            name,
            times,
            AtFlags::SYMLINK_NOFOLLOW,
        )?);
    }
    let located = locate(dir, path, follow)?;
    Ok(rustix::fs::utimensat(
        located,
        "",
        times,
        AtFlags::EMPTY_PATH,
    )?)
}

/// What a symbolic link says.
pub(super) fn read_link(dir: &Dir, path: &PathArg) -> Result<Vec<u8>, Errno> {
    if let Some(name) = path.single() {
        return Ok(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes());
    }
    use std::os::unix::ffi::OsStringExt;
    Ok(dir
        .read_link_contents(path.path())?
        .into_os_string()
        .into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(text: &str) -> PathArg {
        PathArg(SmallVec::from_slice(text.as_bytes()))
    }

    #[test]
    fn only_plain_names_skip_resolution() {
        assert!(arg("a").single().is_some());
        assert!(arg(".").single().is_some());
        assert!(arg("..a").single().is_some());
        for unsafe_name in ["", "..", "/", "a/", "/a", "a/b", "../a"] {
            assert!(arg(unsafe_name).single().is_none(), "{unsafe_name:?}");
        }
    }

    #[test]
    fn slashes_at_the_end_come_off() {
        for (text, bare, slashed) in [
            ("a", "a", false),
            ("a/", "a", true),
            ("a/b//", "a/b", true),
            ("//", "//", false),
            ("", "", false),
        ] {
            let (path, had) = arg(text).without_slashes();
            assert_eq!((&path.0[..], had), (bare.as_bytes(), slashed), "{text:?}");
        }
    }

    #[test]
    fn nothing_outside_the_directory_is_reached() {
        let outer = tempfile::tempdir().expect("temporary directory");
        std::fs::create_dir(outer.path().join("in")).expect("create");
        std::fs::write(outer.path().join("secret"), "x").expect("write");
        std::os::unix::fs::symlink("../secret", outer.path().join("in/up")).expect("link");
        std::os::unix::fs::symlink("/etc", outer.path().join("in/etc")).expect("link");
        let dir = Dir::open_ambient_dir(outer.path().join("in"), cap_std::ambient_authority())
            .expect("open");
        for path in [
            "..",
            "../secret",
            "/etc/passwd",
            "/",
            "up",
            "etc/passwd",
            "etc",
            "./../secret",
            "up/",
        ] {
            assert_eq!(
                stat(&dir, &arg(path), true).err(),
                Some(Errno::Perm),
                "stat {path:?}"
            );
            assert_eq!(
                open(&dir, Path::new(path), OFlags::RDONLY, true).err(),
                Some(Errno::Perm),
                "open {path:?}"
            );
        }
        let link = stat(&dir, &arg("up"), false).expect("the link itself is inside");
        assert_eq!(link.filetype, FileType::SymbolicLink);
        assert_eq!(read_link(&dir, &arg("./up")), Ok(b"../secret".to_vec()));
    }

    #[test]
    fn a_pipe_does_not_hang() {
        let outer = tempfile::tempdir().expect("temporary directory");
        let dir = Dir::open_ambient_dir(outer.path(), cap_std::ambient_authority()).expect("open");
        rustix::fs::mknodat(
            &dir,
            "pipe",
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .expect("make a pipe");
        assert_eq!(
            open(&dir, Path::new("pipe"), OFlags::WRONLY, true).err(),
            Some(Errno::Nxio)
        );
        assert!(open(&dir, Path::new("pipe"), OFlags::RDONLY, true).is_ok());
        let times = super::super::fd_meta::timestamps(0, 0, 0b1010).expect("valid");
        assert_eq!(set_times(&dir, &arg("./pipe"), true, &times), Ok(()));
    }
}
