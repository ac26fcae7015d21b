//! Everything that names files by path: opening, creating, linking, renaming, removing and examining.
//!
//! Rights are the guest's own bookkeeping and come first. What was granted by the embedder comes next: a grant without
//! writing answers as a file system mounted read-only, two different grants as two file systems.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use cap_std::fs::Dir;
use rustix::fs::OFlags as HostFlags;

use super::fd_meta::timestamps;
use super::resolve::{self, PathArg};
use crate::call::{Cx, DONE, Outcome, ready};
use crate::ctx::{DirPerms, FilePerms, Grant};
use crate::errno::Errno;
use crate::stream::Stream;
use crate::table::{Directory, Entry, File, Kind};
use crate::types::{FdFlags, FileType, LookupFlags, OFlags, Rights};

/// The directory behind a descriptor, with the rights to look names up in it and those given.
fn directory<'c>(cx: &'c Cx<'_>, fd: u32, rights: Rights) -> Result<&'c Directory, Errno> {
    let dir = cx.ctx.table.dir(fd, rights)?;
    if dir.grant.dir.contains(DirPerms::READ) {
        Ok(dir)
    } else {
        Err(Errno::Perm)
    }
}

/// The same, to change names in it.
fn changeable<'c>(cx: &'c Cx<'_>, fd: u32, rights: Rights) -> Result<&'c Directory, Errno> {
    let dir = directory(cx, fd, rights)?;
    if dir.grant.dir.contains(DirPerms::MUTATE) {
        Ok(dir)
    } else {
        Err(Errno::Rofs)
    }
}

/// Two directories between which names may move.
fn two(
    cx: &Cx<'_>,
    source: (u32, Rights),
    target: (u32, Rights),
) -> Result<(Arc<Dir>, Arc<Dir>), Errno> {
    let source = changeable(cx, source.0, source.1)?;
    let target = changeable(cx, target.0, target.1)?;
    // A file must not come under a wider grant than its own by changing its name.
    if source.grant != target.grant {
        return Err(Errno::Xdev);
    }
    Ok((source.dir.clone(), target.dir.clone()))
}

/// The arguments of `path_open` that say how, checked.
#[derive(Debug, Clone, Copy)]
struct Opening {
    flags: HostFlags,
    follow: bool,
    /// The guest wants it created, but the grant does not allow that.
    create_refused: bool,
}

/// Decides how to open, or why not.
fn opening(
    grant: Grant,
    follow: LookupFlags,
    oflags: OFlags,
    fdflags: FdFlags,
    base: Rights,
) -> Result<Opening, Errno> {
    if oflags.has(OFlags::CREAT.or(OFlags::DIRECTORY)) {
        return Err(Errno::Inval);
    }
    let write = base.has(Rights::FD_WRITE);
    let read = base.any(Rights::FD_READ.or(Rights::FD_READDIR)) || !write;
    let mut flags = match (read, write) {
        (true, true) => HostFlags::RDWR,
        (false, true) => HostFlags::WRONLY,
        _ => HostFlags::RDONLY,
    };
    let writable = grant.file.contains(FilePerms::WRITE);
    if (write || oflags.has(OFlags::TRUNC)) && !writable {
        // A directory asked for as such cannot be written anyway, and says so.
        return Err(if oflags.has(OFlags::DIRECTORY) {
            Errno::Isdir
        } else {
            Errno::Rofs
        });
    }
    let create_refused = oflags.has(OFlags::CREAT) && !grant.dir.contains(DirPerms::MUTATE);
    flags.set(
        HostFlags::CREATE,
        oflags.has(OFlags::CREAT) && !create_refused,
    );
    flags.set(HostFlags::EXCL, oflags.has(OFlags::EXCL) && !create_refused);
    flags.set(HostFlags::TRUNC, oflags.has(OFlags::TRUNC));
    flags.set(HostFlags::DIRECTORY, oflags.has(OFlags::DIRECTORY));
    flags.set(HostFlags::APPEND, fdflags.has(FdFlags::APPEND));
    flags.set(HostFlags::DSYNC, fdflags.has(FdFlags::DSYNC));
    if fdflags.any(FdFlags::SYNC.or(FdFlags::RSYNC)) {
        flags |= HostFlags::SYNC;
    }
    Ok(Opening {
        flags,
        follow: follow.has(LookupFlags::SYMLINK_FOLLOW),
        create_refused,
    })
}

/// Opens, and finds out what it was.
fn open(
    dir: &Dir,
    path: &PathArg,
    how: Opening,
    grant: Grant,
) -> Result<(OwnedFd, FileType), Errno> {
    let fd = match resolve::open(dir, path.path(), how.flags, how.follow) {
        Err(Errno::Noent) if how.create_refused => return Err(Errno::Rofs),
        result => result?,
    };
    let filetype = FileType::from(rustix::fs::FileType::from_raw_mode(
        rustix::fs::fstat(&fd)?.st_mode,
    ));
    let reads = how.flags & HostFlags::RWMODE != HostFlags::WRONLY;
    if reads && filetype != FileType::Directory && !grant.file.contains(FilePerms::READ) {
        return Err(Errno::Perm);
    }
    Ok((fd, filetype))
}

/// The descriptor for what was opened.
fn entry(
    fd: OwnedFd,
    filetype: FileType,
    grant: Grant,
    base: Rights,
    inheriting: Rights,
    flags: FdFlags,
) -> Entry {
    let (kind, applicable) = if filetype == FileType::Directory {
        let dir = Arc::new(Dir::from_std_file(fd.into()));
        (
            Kind::Dir(Directory {
                dir,
                grant,
                preopen: None,
                listing: Arc::default(),
            }),
            Rights::DIRECTORY,
        )
    } else {
        match Stream::classify(fd, filetype) {
            Ok(stream) => {
                let rights = stream.rights();
                (Kind::Stream(stream), rights)
            }
            Err(fd) => (
                Kind::File(File {
                    fd: Arc::new(fd),
                    grant,
                }),
                Rights::FILE,
            ),
        }
    };
    let mut base = base.and(applicable);
    if !base.has(Rights::FD_WRITE) && filetype != FileType::Directory {
        base = base.without(Rights::FD_ALLOCATE.or(Rights::FD_FILESTAT_SET_SIZE));
    }
    Entry {
        kind,
        filetype,
        base,
        inheriting,
        flags,
    }
}

#[expect(clippy::too_many_arguments, reason = "the interface has that many")]
pub(super) fn path_open(
    cx: &mut Cx<'_>,
    fd: u32,
    dirflags: u32,
    path: u32,
    len: u32,
    oflags: u32,
    base: u64,
    inheriting: u64,
    fdflags: u32,
    out: u32,
) -> Outcome {
    let follow = LookupFlags::from_arg(dirflags)?;
    let (oflags, fdflags) = (OFlags::from_arg(oflags)?, FdFlags::from_arg(fdflags)?);
    cx.mem.check(out, 4)?;
    let path = PathArg::read(&cx.mem, path, len)?;
    let mut needed = Rights::PATH_OPEN;
    if oflags.has(OFlags::CREAT) {
        needed = needed.or(Rights::PATH_CREATE_FILE);
    }
    if oflags.has(OFlags::TRUNC) {
        needed = needed.or(Rights::PATH_FILESTAT_SET_SIZE);
    }
    let parent = directory(cx, fd, needed)?;
    let (dir, grant) = (parent.dir.clone(), parent.grant);
    let allowed = cx.ctx.table.get(fd)?.inheriting;
    let (base, inheriting) = (Rights(base), Rights(inheriting).and(allowed));
    // Guests ask for more than there is, so the rest is left out silently; but to read or to write must not turn into less.
    let essential = base.and(Rights::FD_READ.or(Rights::FD_WRITE));
    if !allowed.has(essential) {
        return Err(Errno::Notcapable.into());
    }
    let base = base.and(allowed);
    let how = opening(grant, follow, oflags, fdflags, base)?;
    let (opened, filetype) = ready!(cx.blocking(move || open(&dir, &path, how, grant))?);
    let number = cx
        .ctx
        .table
        .push(entry(opened, filetype, grant, base, inheriting, fdflags))?;
    cx.mem.write_u32(out, number)?;
    Ok(DONE)
}

pub(super) fn path_create_directory(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let path = PathArg::read(&cx.mem, path, len)?;
    let dir = changeable(cx, fd, Rights::PATH_CREATE_DIRECTORY)?
        .dir
        .clone();
    ready!(cx.blocking(move || Ok(dir.create_dir(path.path())?))?);
    Ok(DONE)
}

pub(super) fn path_remove_directory(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let path = PathArg::read(&cx.mem, path, len)?;
    let dir = changeable(cx, fd, Rights::PATH_REMOVE_DIRECTORY)?
        .dir
        .clone();
    let (path, _) = path.without_slashes();
    ready!(cx.blocking(move || Ok(dir.remove_dir(path.path())?))?);
    Ok(DONE)
}

pub(super) fn path_unlink_file(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let path = PathArg::read(&cx.mem, path, len)?;
    let dir = changeable(cx, fd, Rights::PATH_UNLINK_FILE)?.dir.clone();
    ready!(cx.blocking(move || Ok(dir.remove_file(path.path())?))?);
    Ok(DONE)
}

pub(super) fn path_filestat_get(
    cx: &mut Cx<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    out: u32,
) -> Outcome {
    let follow = LookupFlags::from_arg(flags)?.has(LookupFlags::SYMLINK_FOLLOW);
    let path = PathArg::read(&cx.mem, path, len)?;
    let dir = directory(cx, fd, Rights::PATH_FILESTAT_GET)?.dir.clone();
    let stat = ready!(cx.blocking(move || resolve::stat(&dir, &path, follow))?);
    let (record, len) = stat.encode(cx.abi);
    cx.mem.write(out, &record[..len])?;
    Ok(DONE)
}

#[expect(clippy::too_many_arguments, reason = "the interface has that many")]
pub(super) fn path_filestat_set_times(
    cx: &mut Cx<'_>,
    fd: u32,
    flags: u32,
    path: u32,
    len: u32,
    atim: u64,
    mtim: u64,
    fst_flags: u32,
) -> Outcome {
    let follow = LookupFlags::from_arg(flags)?.has(LookupFlags::SYMLINK_FOLLOW);
    let times = timestamps(atim, mtim, fst_flags)?;
    let path = PathArg::read(&cx.mem, path, len)?;
    let parent = directory(cx, fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    if !parent.grant.file.contains(FilePerms::WRITE) {
        return Err(Errno::Rofs.into());
    }
    let dir = parent.dir.clone();
    ready!(cx.blocking(move || resolve::set_times(&dir, &path, follow, &times))?);
    Ok(DONE)
}

pub(super) fn path_readlink(
    cx: &mut Cx<'_>,
    fd: u32,
    path: u32,
    len: u32,
    buf: u32,
    buf_len: u32,
    out: u32,
) -> Outcome {
    cx.mem.check(buf, buf_len)?;
    cx.mem.check(out, 4)?;
    let path = PathArg::read(&cx.mem, path, len)?;
    let dir = directory(cx, fd, Rights::PATH_READLINK)?.dir.clone();
    let target = ready!(cx.blocking(move || resolve::read_link(&dir, &path))?);
    // What does not fit is cut off, as `readlink` does.
    let shown = &target[..target.len().min(buf_len as usize)];
    cx.mem.write(buf, shown)?;
    cx.mem.write_u32(out, shown.len() as u32)?;
    Ok(DONE)
}

pub(super) fn path_symlink(
    cx: &mut Cx<'_>,
    old: u32,
    old_len: u32,
    fd: u32,
    new: u32,
    new_len: u32,
) -> Outcome {
    let target = PathArg::read(&cx.mem, old, old_len)?;
    let name = PathArg::read(&cx.mem, new, new_len)?;
    let dir = changeable(cx, fd, Rights::PATH_SYMLINK)?.dir.clone();
    // cap-std refuses absolute targets: no guest could follow one, but a program of the host might.
    ready!(cx.blocking(move || Ok(dir.symlink(target.path(), name.path())?))?);
    Ok(DONE)
}

#[expect(clippy::too_many_arguments, reason = "the interface has that many")]
pub(super) fn path_link(
    cx: &mut Cx<'_>,
    old_fd: u32,
    old_flags: u32,
    old: u32,
    old_len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> Outcome {
    let flags = LookupFlags::from_arg(old_flags)?;
    let (old, new) = (
        PathArg::read(&cx.mem, old, old_len)?,
        PathArg::read(&cx.mem, new, new_len)?,
    );
    if flags.has(LookupFlags::SYMLINK_FOLLOW) {
        // Hosts cannot follow and stay beneath the directory in one step.
        return Err(Errno::Inval.into());
    }
    let (source, target) = two(
        cx,
        (old_fd, Rights::PATH_LINK_SOURCE),
        (new_fd, Rights::PATH_LINK_TARGET),
    )?;
    ready!(cx.blocking(move || Ok(source.hard_link(old.path(), &target, new.path())?))?);
    Ok(DONE)
}

pub(super) fn path_rename(
    cx: &mut Cx<'_>,
    old_fd: u32,
    old: u32,
    old_len: u32,
    new_fd: u32,
    new: u32,
    new_len: u32,
) -> Outcome {
    let (old, new) = (
        PathArg::read(&cx.mem, old, old_len)?,
        PathArg::read(&cx.mem, new, new_len)?,
    );
    let (source, target) = two(
        cx,
        (old_fd, Rights::PATH_RENAME_SOURCE),
        (new_fd, Rights::PATH_RENAME_TARGET),
    )?;
    ready!(cx.blocking(move || rename(&source, old, &target, new))?);
    Ok(DONE)
}

/// Renames. A slash at the end of either name says that a directory is meant.
fn rename(source: &Dir, old: PathArg, target: &Dir, new: PathArg) -> Result<(), Errno> {
    let ((old, old_slashed), (new, new_slashed)) = (old.without_slashes(), new.without_slashes());
    if (old_slashed || new_slashed)
        && resolve::stat(source, &old, false)?.filetype != FileType::Directory
    {
        return Err(Errno::Notdir);
    }
    Ok(source.rename(old.path(), target, new.path())?)
}
