//! What descriptors are and how they change: attributes, flags, rights, sizes, times, hints, closing and renumbering.

use std::num::NonZeroU64;

use rustix::fs::{Advice, FallocateFlags, OFlags as HostFlags};

use crate::call::{Cx, DONE, Outcome, ready};
use crate::ctx::FilePerms;
use crate::errno::Errno;
use crate::fs::{SetTime, SetTimes, host};
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
    let mut stat = match &entry.kind {
        Kind::File(file) => host::from_host(&rustix::fs::fstat(&*file.fd)?),
        Kind::Stream(stream) => host::from_host(&rustix::fs::fstat(&*stream.fd)?),
        Kind::VirtualFile(file) => file.file.stat()?,
        Kind::Dir(dir) => dir.dir.own_stat()?,
        // A stream that only exists in this process.
        _ => FileStat {
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
    stat.filetype = entry.filetype;
    let (record, len) = stat.encode(cx.abi);
    cx.mem.write(out, &record[..len])?;
    Ok(DONE)
}

/// Fails unless it is a regular file that may be changed.
fn changeable(entry: &Entry, rights: Rights) -> Result<(), Errno> {
    let grant = match &entry.kind {
        Kind::File(file) => file.grant,
        Kind::VirtualFile(file) => file.grant,
        Kind::Dir(_) => return Err(Errno::Isdir),
        _ => return Err(Errno::Inval),
    };
    entry.require(rights)?;
    if !grant.file.contains(FilePerms::WRITE) {
        return Err(Errno::Rofs);
    }
    Ok(())
}

pub(super) fn fd_filestat_set_size(cx: &mut Cx<'_>, fd: u32, size: u64) -> Outcome {
    let now = cx.now();
    let entry = cx.ctx.table.get(fd)?;
    changeable(entry, Rights::FD_FILESTAT_SET_SIZE)?;
    match &entry.kind {
        Kind::File(file) => {
            let file = file.fd.clone();
            ready!(cx.blocking(move || Ok(rustix::fs::ftruncate(&*file, size)?))?);
        }
        Kind::VirtualFile(file) => file.file.set_size(size, now)?,
        _ => return Err(Errno::Inval.into()),
    }
    Ok(DONE)
}

/// What to set times to. Both a value and the present for one time contradict each other.
pub(super) fn timestamps(atim: u64, mtim: u64, flags: u32) -> Result<SetTimes, Errno> {
    let flags = FstFlags::from_arg(flags)?;
    let one = |value: u64, set: FstFlags, now: FstFlags| match (flags.has(set), flags.has(now)) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(SetTime::At(value)),
        (false, true) => Ok(SetTime::Now),
        (false, false) => Ok(SetTime::Keep),
    };
    Ok(SetTimes {
        atim: one(atim, FstFlags::ATIM, FstFlags::ATIM_NOW)?,
        mtim: one(mtim, FstFlags::MTIM, FstFlags::MTIM_NOW)?,
    })
}

pub(super) fn fd_filestat_set_times(
    cx: &mut Cx<'_>,
    fd: u32,
    atim: u64,
    mtim: u64,
    flags: u32,
) -> Outcome {
    let now = cx.now();
    let entry = cx.ctx.table.get(fd)?;
    let times = timestamps(atim, mtim, flags)?;
    entry.require(Rights::FD_FILESTAT_SET_TIMES)?;
    let grant = match &entry.kind {
        Kind::File(file) => file.grant,
        Kind::VirtualFile(file) => file.grant,
        Kind::Dir(dir) => dir.grant,
        _ => return Err(Errno::Inval.into()),
    };
    if !grant.file.contains(FilePerms::WRITE) {
        return Err(Errno::Rofs.into());
    }
    match &entry.kind {
        Kind::File(file) => rustix::fs::futimens(&*file.fd, &times.to_host())?,
        Kind::VirtualFile(file) => file.file.set_times(times, now)?,
        Kind::Dir(dir) => dir.dir.set_own_times(times, now)?,
        _ => return Err(Errno::Inval.into()),
    }
    Ok(DONE)
}

pub(super) fn fd_sync(cx: &mut Cx<'_>, fd: u32) -> Outcome {
    sync(cx, fd, Rights::FD_SYNC, false)
}

pub(super) fn fd_datasync(cx: &mut Cx<'_>, fd: u32) -> Outcome {
    sync(cx, fd, Rights::FD_DATASYNC, true)
}

fn sync(cx: &mut Cx<'_>, fd: u32, right: Rights, data_only: bool) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    entry.require(right)?;
    match &entry.kind {
        Kind::File(file) => {
            let file = file.fd.clone();
            ready!(cx.blocking(move || match data_only {
                true => Ok(rustix::fs::fdatasync(&*file)?),
                false => Ok(rustix::fs::fsync(&*file)?),
            })?);
        }
        Kind::Dir(dir) => {
            let dir = dir.dir.clone();
            ready!(cx.in_dir(dir, move |dir, _| dir.sync(data_only))?);
        }
        // Fails at once: nothing of the kind can be made to last.
        Kind::Stream(stream) => rustix::fs::fsync(&*stream.fd)?,
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
        Kind::File(file) => Some(file),
        Kind::VirtualFile(_) => None,
        Kind::Dir(_) => return Err(Errno::Badf.into()),
        _ => return Err(Errno::Spipe.into()),
    };
    entry.require(Rights::FD_ADVISE)?;
    host_range(offset, len)?;
    if let Some(file) = file {
        rustix::fs::fadvise(&*file.fd, offset, NonZeroU64::new(len), advice)?;
    }
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
    let now = cx.now();
    let entry = cx.ctx.table.get(fd)?;
    match &entry.kind {
        Kind::File(_) | Kind::VirtualFile(_) => changeable(entry, Rights::FD_ALLOCATE)?,
        Kind::Dir(_) => return Err(Errno::Isdir.into()),
        _ => return Err(Errno::Spipe.into()),
    }
    if len == 0 {
        return Err(Errno::Inval.into());
    }
    host_range(offset, len).map_err(|_| Errno::Fbig)?;
    match &entry.kind {
        Kind::File(file) => {
            let file = file.fd.clone();
            ready!(cx.blocking(move || Ok(rustix::fs::fallocate(
                &*file,
                FallocateFlags::empty(),
                offset,
                len
            )?))?);
        }
        Kind::VirtualFile(file) => file.file.allocate(offset + len, now)?,
        _ => return Err(Errno::Spipe.into()),
    }
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_set_kept_or_taken_from_the_clock() {
        let times = timestamps(1_500_000_000, 7, 0b0001)
            .expect("valid")
            .to_host();
        assert_eq!(
            (times.last_access.tv_sec, times.last_access.tv_nsec),
            (1, 500_000_000)
        );
        assert_eq!(times.last_modification.tv_nsec, rustix::fs::UTIME_OMIT);
        let times = timestamps(0, u64::MAX, 0b0100).expect("the largest time fits a host");
        assert_eq!(times.to_host().last_modification.tv_sec, 18_446_744_073);
        let times = timestamps(0, 0, 0b1000).expect("valid").to_host();
        assert_eq!(times.last_modification.tv_nsec, rustix::fs::UTIME_NOW);
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
