//! What descriptors are and how they change: attributes, flags, rights, sizes, times, hints, closing and renumbering.

use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags, OFlags as HostFlags, Timespec, Timestamps};

use crate::call::{Cx, DONE, Outcome, ready};
use crate::ctx::FilePerms;
use crate::errno::Errno;
use crate::table::{Entry, Kind};
use crate::types::{FdFlags, FdStat, FileStat, FstFlags, Rights};

pub(super) fn fd_close(cx: &mut Cx<'_>, fd: u32) -> Outcome {
    drop(cx.ctx.table.remove(fd)?);
    Ok(DONE)
}

pub(super) fn fd_renumber(cx: &mut Cx<'_>, fd: u32, to: u32) -> Outcome {
    cx.ctx.table.renumber(fd, to)?;
    Ok(DONE)
}

pub(super) fn fd_fdstat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    let stat = FdStat {
        filetype: entry.filetype,
        flags: entry.flags,
        base: entry.base,
        inheriting: entry.inheriting,
    };
    cx.mem.write(out, &stat.encode())?;
    Ok(DONE)
}

pub(super) fn fd_fdstat_set_flags(cx: &mut Cx<'_>, fd: u32, flags: u32) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    let flags = FdFlags::from_arg(flags)?;
    entry.require(Rights::FD_FDSTAT_SET_FLAGS)?;
    // Hosts fix these when a file is opened.
    let fixed = FdFlags::DSYNC.or(FdFlags::RSYNC).or(FdFlags::SYNC);
    if flags.and(fixed) != entry.flags.and(fixed) {
        return Err(Errno::Notsup.into());
    }
    if let Kind::File(file) = &entry.kind
        && flags.has(FdFlags::APPEND) != entry.flags.has(FdFlags::APPEND)
    {
        let mut host = rustix::fs::fcntl_getfl(&*file.fd)?;
        host.set(HostFlags::APPEND, flags.has(FdFlags::APPEND));
        rustix::fs::fcntl_setfl(&*file.fd, host)?;
    }
    // Whether transfers wait is decided here, never on the host's side, where others may share the description.
    entry.flags = flags;
    Ok(DONE)
}

pub(super) fn fd_fdstat_set_rights(
    cx: &mut Cx<'_>,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    let (base, inheriting) = (Rights(base), Rights(inheriting));
    if !entry.base.has(base) || !entry.inheriting.has(inheriting) {
        return Err(Errno::Notcapable.into());
    }
    (entry.base, entry.inheriting) = (base, inheriting);
    Ok(DONE)
}

pub(super) fn fd_filestat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    entry.require(Rights::FD_FILESTAT_GET)?;
    let stat = match entry.host_fd() {
        Some(host) => {
            let mut stat = super::resolve::from_host(&rustix::fs::fstat(host)?);
            stat.filetype = entry.filetype;
            stat
        }
        // A stream that only exists in this process.
        None => FileStat {
            dev: 0,
            ino: 0,
            filetype: entry.filetype,
            nlink: 1,
            size: 0,
            atim: 0,
            mtim: 0,
            ctim: 0,
        },
    };
    let (record, len) = stat.encode(cx.abi);
    cx.mem.write(out, &record[..len])?;
    Ok(DONE)
}

/// A regular file that may be changed.
fn changeable(entry: &Entry, rights: Rights) -> Result<Arc<OwnedFd>, Errno> {
    let file = match &entry.kind {
        Kind::File(file) => file,
        Kind::Dir(_) => return Err(Errno::Isdir),
        _ => return Err(Errno::Inval),
    };
    entry.require(rights)?;
    if !file.grant.file.contains(FilePerms::WRITE) {
        return Err(Errno::Rofs);
    }
    Ok(file.fd.clone())
}

pub(super) fn fd_filestat_set_size(cx: &mut Cx<'_>, fd: u32, size: u64) -> Outcome {
    let file = changeable(cx.ctx.table.get(fd)?, Rights::FD_FILESTAT_SET_SIZE)?;
    ready!(cx.blocking(move || Ok(rustix::fs::ftruncate(&*file, size)?))?);
    Ok(DONE)
}

/// What to set times to. Both a value and the present for one time contradict each other.
pub(super) fn timestamps(atim: u64, mtim: u64, flags: u32) -> Result<Timestamps, Errno> {
    let flags = FstFlags::from_arg(flags)?;
    let one = |value: u64, set: FstFlags, now: FstFlags| match (flags.has(set), flags.has(now)) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(Timespec {
            tv_sec: i64::try_from(value / 1_000_000_000).map_err(|_| Errno::Inval)?,
            tv_nsec: (value % 1_000_000_000) as _,
        }),
        (false, true) => Ok(Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        }),
        (false, false) => Ok(Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        }),
    };
    Ok(Timestamps {
        last_access: one(atim, FstFlags::ATIM, FstFlags::ATIM_NOW)?,
        last_modification: one(mtim, FstFlags::MTIM, FstFlags::MTIM_NOW)?,
    })
}

pub(super) fn fd_filestat_set_times(
    cx: &mut Cx<'_>,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    let times = timestamps(atim, mtim, flags)?;
    entry.require(Rights::FD_FILESTAT_SET_TIMES)?;
    let grant = match &entry.kind {
        Kind::File(file) => file.grant,
        Kind::Dir(dir) => dir.grant,
        _ => return Err(Errno::Inval.into()),
    };
    if !grant.file.contains(FilePerms::WRITE) {
        return Err(Errno::Rofs.into());
    }
    let host = entry.host_fd().ok_or(Errno::Inval)?;
    rustix::fs::futimens(host, &times)?;
    Ok(DONE)
}

pub(super) fn fd_sync(cx: &mut Cx<'_>, fd: u32) -> Outcome {
    sync(cx, fd, Rights::FD_SYNC, |fd| rustix::fs::fsync(fd))
}

pub(super) fn fd_datasync(cx: &mut Cx<'_>, fd: u32) -> Outcome {
    sync(cx, fd, Rights::FD_DATASYNC, |fd| rustix::fs::fdatasync(fd))
}

fn sync(
    cx: &mut Cx<'_>,
    fd: u32,
    right: Rights,
    call: fn(&OwnedFd) -> rustix::io::Result<()>,
) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    entry.require(right)?;
    match &entry.kind {
        Kind::File(file) => {
            let file = file.fd.clone();
            ready!(cx.blocking(move || Ok(call(&file)?))?);
        }
        Kind::Dir(dir) => {
            let dir = dir.dir.clone();
            ready!(cx.blocking(move || {
                let copy = rustix::io::fcntl_dupfd_cloexec(&*dir, 3)?;
                Ok(call(&copy)?)
            })?);
        }
        Kind::Stream(stream) => call(&stream.fd)?,
        // What lives in memory is as safe as it gets.
        _ => {}
    }
    Ok(DONE)
}

pub(super) fn fd_advise(cx: &mut Cx<'_>, fd: u32, offset: u64, len: u64, advice: u32) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    let advice = match advice {
        0 => Advice::Normal,
        1 => Advice::Sequential,
        2 => Advice::Random,
        3 => Advice::WillNeed,
        4 => Advice::DontNeed,
        5 => Advice::NoReuse,
        _ => return Err(Errno::Inval.into()),
    };
    let file = match &entry.kind {
        Kind::File(file) => file,
        Kind::Dir(_) => return Err(Errno::Badf.into()),
        _ => return Err(Errno::Spipe.into()),
    };
    entry.require(Rights::FD_ADVISE)?;
    host_range(offset, len)?;
    rustix::fs::fadvise(&*file.fd, offset, NonZeroU64::new(len), advice)?;
    Ok(DONE)
}

/// Fails if a range of a file is beyond what hosts can express.
fn host_range(offset: u64, len: u64) -> Result<(), Errno> {
    match offset.checked_add(len) {
        Some(end) if i64::try_from(end).is_ok() => Ok(()),
        _ => Err(Errno::Inval),
    }
}

pub(super) fn fd_allocate(cx: &mut Cx<'_>, fd: u32, offset: u64, len: u64) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    let file = match &entry.kind {
        Kind::File(_) => changeable(entry, Rights::FD_ALLOCATE)?,
        Kind::Dir(_) => return Err(Errno::Isdir.into()),
        _ => return Err(Errno::Spipe.into()),
    };
    if len == 0 {
        return Err(Errno::Inval.into());
    }
    host_range(offset, len).map_err(|_| Errno::Fbig)?;
    ready!(cx.blocking(move || Ok(rustix::fs::fallocate(
        &*file,
        FallocateFlags::empty(),
        offset,
        len
    )?))?);
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_set_kept_or_taken_from_the_clock() {
        let times = timestamps(1_500_000_000, 7, 0b0001).expect("valid");
        assert_eq!(
            (times.last_access.tv_sec, times.last_access.tv_nsec),
            (1, 500_000_000)
        );
        assert_eq!(times.last_modification.tv_nsec, rustix::fs::UTIME_OMIT);
        let times = timestamps(0, u64::MAX, 0b1100 & 0b0100).expect("the largest time fits a host");
        assert_eq!(times.last_modification.tv_sec, 18_446_744_073);
        assert_eq!(
            timestamps(0, 0, 0b1000)
                .expect("valid")
                .last_modification
                .tv_nsec,
            rustix::fs::UTIME_NOW
        );
        for contradiction in [0b0011, 0b1100, 0b1111, 0b1_0000] {
            assert_eq!(timestamps(0, 0, contradiction).err(), Some(Errno::Inval));
        }
    }

    #[test]
    fn ranges_stay_within_what_hosts_express() {
        assert_eq!(host_range(0, i64::MAX as u64), Ok(()));
        assert_eq!(host_range(1, i64::MAX as u64), Err(Errno::Inval));
        assert_eq!(host_range(u64::MAX, 1), Err(Errno::Inval));
    }
}
