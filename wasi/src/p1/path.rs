//! Everything that names files by path: opening, creating, linking, renaming, removing and examining.
//!
//! Rights are the guest's own bookkeeping and come first. What was granted by the embedder comes next: a grant without
//! writing answers as a file system mounted read-only, two different grants as two file systems.

use std::sync::Arc;

use super::fd_meta::timestamps;
use super::path_arg;
use crate::call::{Cx, DONE, Outcome, ready};
use crate::ctx::{DirPerms, FilePerms, Grant};
use crate::errno::Errno;
use crate::fs::{Dir, GuestPath, How, Opened};
use crate::stream::Stream;
use crate::table::{Directory, Entry, File, Kind, VirtualFile};
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
fn two(cx: &Cx<'_>, source: (u32, Rights), target: (u32, Rights)) -> Result<(Dir, Dir), Errno> {
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
    how: How,
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
    let how = How {
        read: base.any(Rights::FD_READ.or(Rights::FD_READDIR)) || !write,
        write,
        create: oflags.has(OFlags::CREAT) && !create_refused,
        exclusive: oflags.has(OFlags::CREAT.or(OFlags::EXCL)),
        truncate: oflags.has(OFlags::TRUNC),
        directory: oflags.has(OFlags::DIRECTORY),
        append: fdflags.has(FdFlags::APPEND),
        data_sync: fdflags.has(FdFlags::DSYNC),
        sync: fdflags.any(FdFlags::SYNC.or(FdFlags::RSYNC)),
        follow: follow.has(LookupFlags::SYMLINK_FOLLOW),
    };
    Ok(Opening {
        how,
        create_refused,
    })
}

/// Opens, and decides what may be done with what it was.
fn open(
    dir: &Dir,
    path: &GuestPath,
    Opening {
        how,
        create_refused,
    }: Opening,
    grant: Grant,
    now: u64,
) -> Result<(Opened, Grant), Errno> {
    if create_refused && how.exclusive {
        return Err(match dir.stat(path, false) {
            Ok(_) => Errno::Exist,
            Err(Errno::Noent) => Errno::Rofs,
            Err(errno) => errno,
        });
    }
    let opened = match dir.open(path, how, now) {
        Err(Errno::Noent) if create_refused => return Err(Errno::Rofs),
        result => result?,
    };
    let perms = match &opened {
        Opened::Host {
            filetype: FileType::Directory,
            ..
        }
        | Opened::VirtualDir(_) => return Ok((opened, grant)),
        Opened::Host { perms, .. } => grant.file.and(*perms),
        Opened::VirtualFile(_) => grant.file,
    };
    if how.read && !perms.contains(FilePerms::READ) {
        return Err(Errno::Perm);
    }
    let file = perms;
    Ok((opened, Grant { file, ..grant }))
}

/// What a descriptor for what was opened stands for, and the rights that make sense on it.
fn kind(opened: Opened, parent: &Dir, grant: Grant) -> (Kind, FileType, Rights) {
    let directory = |dir| {
        let kind = Kind::Dir(Directory {
            dir,
            grant,
            preopen: None,
            listing: Arc::default(),
        });
        (kind, FileType::Directory, Rights::DIRECTORY)
    };
    match (opened, parent) {
        (
            Opened::Host {
                fd,
                filetype: FileType::Directory,
                ..
            },
            Dir::Host(parent),
        ) => directory(Dir::Host(Arc::new(parent.child(fd)))),
        (Opened::VirtualDir(dir), _) => directory(Dir::Virtual(dir)),
        (Opened::VirtualFile(file), _) => {
            let file = VirtualFile {
                file,
                position: 0,
                grant,
            };
            (Kind::VirtualFile(file), FileType::RegularFile, Rights::FILE)
        }
        (Opened::Host { fd, filetype, .. }, _) => match Stream::classify(fd, filetype) {
            Ok(stream) => {
                let rights = stream.rights();
                (Kind::Stream(stream), filetype, rights)
            }
            Err(fd) => {
                let fd = Arc::new(fd);
                (Kind::File(File { fd, grant }), filetype, Rights::FILE)
            }
        },
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
    let path = path_arg::read(&cx.mem, path, len)?;
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
    let work = move |dir: &Dir, now| open(dir, &path, how, grant, now);
    let (opened, grant) = ready!(cx.in_dir(dir.clone(), work)?);
    let (kind, filetype, applicable) = kind(opened, &dir, grant);
    let mut base = base.and(applicable);
    if !base.has(Rights::FD_WRITE) && filetype != FileType::Directory {
        base = base.without(Rights::FD_ALLOCATE.or(Rights::FD_FILESTAT_SET_SIZE));
    }
    let number = cx.ctx.table.push(Entry {
        kind,
        filetype,
        base,
        inheriting,
        flags: fdflags,
    })?;
    cx.mem.write_u32(out, number)?;
    Ok(DONE)
}

pub(super) fn path_create_directory(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let path = path_arg::read(&cx.mem, path, len)?;
    let dir = changeable(cx, fd, Rights::PATH_CREATE_DIRECTORY)?
        .dir
        .clone();
    ready!(cx.in_dir(dir, move |dir, now| dir.create_dir(&path, now))?);
    Ok(DONE)
}

pub(super) fn path_remove_directory(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let path = path_arg::read(&cx.mem, path, len)?;
    let dir = changeable(cx, fd, Rights::PATH_REMOVE_DIRECTORY)?
        .dir
        .clone();
    ready!(cx.in_dir(dir, move |dir, now| dir.remove_dir(&path, now))?);
    Ok(DONE)
}

pub(super) fn path_unlink_file(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let path = path_arg::read(&cx.mem, path, len)?;
    let dir = changeable(cx, fd, Rights::PATH_UNLINK_FILE)?.dir.clone();
    ready!(cx.in_dir(dir, move |dir, now| dir.unlink(&path, now))?);
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
    let path = path_arg::read(&cx.mem, path, len)?;
    let dir = directory(cx, fd, Rights::PATH_FILESTAT_GET)?.dir.clone();
    let stat = ready!(cx.in_dir(dir, move |dir, _| dir.stat(&path, follow))?);
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
    let path = path_arg::read(&cx.mem, path, len)?;
    let parent = directory(cx, fd, Rights::PATH_FILESTAT_SET_TIMES)?;
    if !parent.grant.file.contains(FilePerms::WRITE) {
        return Err(Errno::Rofs.into());
    }
    let dir = parent.dir.clone();
    ready!(cx.in_dir(dir, move |dir, now| {
        dir.set_times(&path, follow, times, now)
    })?);
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
    let path = path_arg::read(&cx.mem, path, len)?;
    let dir = directory(cx, fd, Rights::PATH_READLINK)?.dir.clone();
    let target = ready!(cx.in_dir(dir, move |dir, _| dir.read_link(&path))?);
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
    let target = path_arg::read(&cx.mem, old, old_len)?;
    let name = path_arg::read(&cx.mem, new, new_len)?;
    let dir = changeable(cx, fd, Rights::PATH_SYMLINK)?.dir.clone();
    ready!(cx.in_dir(dir, move |dir, now| dir.symlink(&target, &name, now))?);
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
        path_arg::read(&cx.mem, old, old_len)?,
        path_arg::read(&cx.mem, new, new_len)?,
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
    ready!(cx.in_dir(source, move |source, now| {
        source.link(&old, &target, &new, now)
    })?);
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
        path_arg::read(&cx.mem, old, old_len)?,
        path_arg::read(&cx.mem, new, new_len)?,
    );
    let (source, target) = two(
        cx,
        (old_fd, Rights::PATH_RENAME_SOURCE),
        (new_fd, Rights::PATH_RENAME_TARGET),
    )?;
    ready!(cx.in_dir(source, move |source, now| {
        source.rename(&old, &target, &new, now)
    })?);
    Ok(DONE)
}
