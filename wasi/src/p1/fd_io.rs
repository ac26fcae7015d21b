//! Reading, writing and positions of descriptors.
//!
//! Regular files move straight between the kernel and the guest where blocking is allowed; otherwise through a bounded
//! buffer on the blocking pool. Streams never block: a wait suspends the guest.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::SeekFrom;

use crate::call::{CallState, Cx, DONE, Outcome, Step, ready};
use crate::clocks::nanoseconds;
use crate::errno::Errno;
use crate::memory::{GuestMemory, IoVecs, Transfer};
use crate::stdio::{CHUNK, SharedReader, SharedWriter};
use crate::stream::{Class, Moved, Stream};
use crate::table::{Entry, Kind};
use crate::types::{FdFlags, Rights, Whence};
use crate::wait::{Direction, Wait};

/// The most that one call moves through the blocking pool; the guest's libc asks again for the rest.
const POOL_BYTES: usize = 256 * 1024;

/// Stores a byte count. Counts come from guest lengths, so they fit.
fn write_count(mem: &mut GuestMemory<'_>, out: u32, count: usize) -> Outcome {
    mem.write_u32(out, u32::try_from(count).map_err(|_| Errno::Overflow)?)?;
    Ok(DONE)
}

/// Directories are told apart first, so that a guest learns what is really wrong.
fn readable(entry: &Entry, rights: Rights) -> Result<(), Errno> {
    if matches!(entry.kind, Kind::Dir(_)) {
        return Err(Errno::Isdir);
    }
    entry.require(rights).map(|_| ())
}

pub(super) fn fd_read(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    readable(entry, Rights::FD_READ)?;
    cx.mem.check(out, 4)?;
    let mut vecs = cx.mem.iovecs(iovs, count)?;
    let wait = !entry.flags.has(FdFlags::NONBLOCK);
    let step = match &mut entry.kind {
        Kind::File(file) if cx.ctx.allow_blocking_files => {
            Step::Done(vecs.read_from(file.fd.as_fd(), Transfer::Here)?)
        }
        Kind::File(_) => return file_read(cx, fd, iovs, count, None, out),
        Kind::VirtualFile(file) => {
            let moved = file
                .file
                .read_with(file.position, |bytes| vecs.scatter(bytes))?;
            file.position += moved as u64;
            Step::Done(moved)
        }
        _ if vecs.total() == 0 => Step::Done(0),
        Kind::Stream(stream) => stream_read(stream, &mut vecs, wait)?,
        Kind::MemoryIn(pipe) => Step::Done(pipe.read_with(|bytes| vecs.scatter(bytes))?),
        Kind::Reader(reader) => reader_read(reader, &mut vecs, wait)?,
        Kind::Null => Step::Done(0),
        Kind::MemoryOut(_) | Kind::Writer(_) => return Err(Errno::Badf.into()),
        Kind::Dir(_) => return Err(Errno::Isdir.into()),
    };
    let moved = ready!(step);
    write_count(&mut cx.mem, out, moved)
}

pub(super) fn fd_pread(
    cx: &mut Cx<'_>,
    fd: u32,
    iovs: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    positioned(entry, Rights::FD_READ)?;
    cx.mem.check(out, 4)?;
    if let Kind::VirtualFile(file) = &entry.kind {
        let mut vecs = cx.mem.iovecs(iovs, count)?;
        let moved = file.file.read_with(offset, |bytes| vecs.scatter(bytes))?;
        return write_count(&mut cx.mem, out, moved);
    }
    file_read(cx, fd, iovs, count, Some(offset), out)
}

/// Fails unless it is a regular file that may be read or written anywhere.
fn positioned(entry: &Entry, right: Rights) -> Result<(), Errno> {
    readable(entry, right)?;
    match entry.kind {
        Kind::File(_) | Kind::VirtualFile(_) => entry.require(Rights::FD_SEEK).map(|_| ()),
        _ => Err(Errno::Spipe),
    }
}

/// The regular file of the host.
fn host_file(entry: &Entry) -> Result<&Arc<OwnedFd>, Errno> {
    match &entry.kind {
        Kind::File(file) => Ok(&file.fd),
        _ => Err(Errno::Spipe),
    }
}

/// Reads a regular file at its position or at an offset.
fn file_read(
    cx: &mut Cx<'_>,
    fd: u32,
    iovs: u32,
    count: u32,
    offset: Option<u64>,
    out: u32,
) -> Outcome {
    let file = host_file(cx.ctx.table.get(fd)?)?;
    let mut vecs = cx.mem.iovecs(iovs, count)?;
    if cx.ctx.allow_blocking_files {
        let how = offset.map_or(Transfer::Here, Transfer::At);
        let moved = vecs.read_from(file.as_fd(), how)?;
        return write_count(&mut cx.mem, out, moved);
    }
    let (file, room) = (file.clone(), vecs.total().min(POOL_BYTES));
    let bytes = ready!(cx.blocking(move || {
        let mut bytes = vec![0; room];
        let moved = rustix::io::retry_on_intr(|| match offset {
            None => rustix::io::read(&*file, &mut bytes[..]),
            Some(offset) => rustix::io::pread(&*file, &mut bytes[..], offset),
        })?;
        bytes.truncate(moved);
        Ok(bytes)
    })?);
    let moved = cx.mem.iovecs(iovs, count)?.scatter(&bytes)?;
    write_count(&mut cx.mem, out, moved)
}

fn stream_read(
    stream: &mut Stream,
    vecs: &mut IoVecs<'_>,
    wait: bool,
) -> Result<Step<usize>, Errno> {
    match stream.read(vecs)? {
        Moved::Bytes(count) => Ok(Step::Done(count)),
        Moved::WouldBlock if wait => Ok(Step::Wait(Wait::fd(&stream.fd, Direction::READ))),
        Moved::WouldBlock => Err(Errno::Again),
    }
}

fn reader_read(
    reader: &SharedReader,
    vecs: &mut IoVecs<'_>,
    wait: bool,
) -> Result<Step<usize>, Errno> {
    match reader.available() {
        Some(_) => Ok(Step::Done(reader.read_with(|bytes| vecs.scatter(bytes))?)),
        None if wait => Ok(Step::Wait(Wait::reader(reader))),
        None => Err(Errno::Again),
    }
}

pub(super) fn fd_write(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    readable(entry, Rights::FD_WRITE)?;
    cx.mem.check(out, 4)?;
    let vecs = cx.mem.iovecs(iovs, count)?;
    let wait = !entry.flags.has(FdFlags::NONBLOCK);
    let step = match &mut entry.kind {
        Kind::File(file) if cx.ctx.allow_blocking_files => {
            Step::Done(vecs.write_to(file.fd.as_fd(), Transfer::Here, 0)?)
        }
        Kind::File(_) => return file_write(cx, fd, iovs, count, None, out),
        Kind::VirtualFile(file) => {
            let offset = (!entry.flags.has(FdFlags::APPEND)).then_some(file.position);
            let now = nanoseconds(cx.ctx.wall_clock.now());
            let fill = |target: &mut [u8]| vecs.copy_to(target);
            let (moved, end) = file.file.write_with(offset, vecs.total(), now, fill)?;
            if moved > 0 {
                file.position = end;
            }
            Step::Done(moved)
        }
        _ if vecs.total() == 0 => Step::Done(0),
        Kind::Stream(stream) => stream_write(stream, &vecs, wait, cx.state)?,
        Kind::MemoryOut(pipe) => {
            Step::Done(pipe.write_with(vecs.total(), |room, bytes| vecs.gather(0, room, bytes))?)
        }
        Kind::Writer(writer) => writer_write(writer, &vecs, wait, cx.state)?,
        Kind::Null => Step::Done(vecs.total()),
        Kind::MemoryIn(_) | Kind::Reader(_) => return Err(Errno::Badf.into()),
        Kind::Dir(_) => return Err(Errno::Isdir.into()),
    };
    let moved = ready!(step);
    write_count(&mut cx.mem, out, moved)
}

pub(super) fn fd_pwrite(
    cx: &mut Cx<'_>,
    fd: u32,
    iovs: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    positioned(entry, Rights::FD_WRITE)?;
    cx.mem.check(out, 4)?;
    if let Kind::VirtualFile(file) = &entry.kind {
        let vecs = cx.mem.iovecs(iovs, count)?;
        let now = nanoseconds(cx.ctx.wall_clock.now());
        // A file that is open for appending is written at its end, as Linux does it.
        let offset = (!entry.flags.has(FdFlags::APPEND)).then_some(offset);
        let fill = |target: &mut [u8]| vecs.copy_to(target);
        let (moved, _) = file.file.write_with(offset, vecs.total(), now, fill)?;
        return write_count(&mut cx.mem, out, moved);
    }
    file_write(cx, fd, iovs, count, Some(offset), out)
}

/// Writes a regular file at its position or at an offset.
fn file_write(
    cx: &mut Cx<'_>,
    fd: u32,
    iovs: u32,
    count: u32,
    offset: Option<u64>,
    out: u32,
) -> Outcome {
    let file = host_file(cx.ctx.table.get(fd)?)?;
    let vecs = cx.mem.iovecs(iovs, count)?;
    if cx.ctx.allow_blocking_files {
        let how = offset.map_or(Transfer::Here, Transfer::At);
        let moved = vecs.write_to(file.as_fd(), how, 0)?;
        return write_count(&mut cx.mem, out, moved);
    }
    let file = file.clone();
    let mut bytes = Vec::new();
    if cx.state.job.is_none() {
        vecs.gather(0, POOL_BYTES, &mut bytes)?;
    }
    let moved = ready!(cx.blocking(move || {
        Ok(rustix::io::retry_on_intr(|| match offset {
            None => rustix::io::write(&*file, &bytes),
            Some(offset) => rustix::io::pwrite(&*file, &bytes, offset),
        })?)
    })?);
    write_count(&mut cx.mem, out, moved)
}

/// Writes everything, as a blocking write does, unless the guest asked for no waiting.
pub(super) fn stream_write(
    stream: &mut Stream,
    vecs: &IoVecs<'_>,
    wait: bool,
    state: &mut CallState,
) -> Result<Step<usize>, Errno> {
    match stream.write(vecs, state.progress) {
        Ok(Moved::Bytes(count)) => state.progress += count,
        Ok(Moved::WouldBlock) if !wait && state.progress == 0 => return Err(Errno::Again),
        Ok(Moved::WouldBlock) => {}
        // What was written before the error counts; the next call meets the error.
        Err(_) if state.progress > 0 => return Ok(Step::Done(state.progress)),
        Err(errno) => return Err(errno),
    }
    if wait && state.progress < vecs.total() {
        return Ok(Step::Wait(Wait::fd(&stream.fd, Direction::WRITE)));
    }
    Ok(Step::Done(state.progress))
}

fn writer_write(
    writer: &SharedWriter,
    vecs: &IoVecs<'_>,
    wait: bool,
    state: &mut CallState,
) -> Result<Step<usize>, Errno> {
    if let Some(errno) = state.error.take() {
        return if state.progress > 0 {
            Ok(Step::Done(state.progress))
        } else {
            Err(errno)
        };
    }
    while state.progress < vecs.total() {
        let mut bytes = Vec::new();
        vecs.gather(state.progress, CHUNK, &mut bytes)?;
        match writer.try_write(&bytes) {
            Some(Ok(count)) if count > 0 => state.progress += count,
            Some(Ok(_)) => return Err(Errno::Pipe),
            Some(Err(errno)) if state.progress == 0 => return Err(errno),
            Some(Err(_)) => break,
            None if wait => return Ok(Step::Wait(Wait::Write(writer.clone(), bytes))),
            None if state.progress == 0 => return Err(Errno::Again),
            None => break,
        }
    }
    Ok(Step::Done(state.progress))
}

/// Moves the position of a file or a seekable device.
fn seek(entry: &mut Entry, to: SeekFrom) -> Result<u64, Errno> {
    match &mut entry.kind {
        Kind::File(file) => Ok(rustix::fs::seek(&*file.fd, to)?),
        Kind::VirtualFile(file) => {
            let position = match to {
                SeekFrom::Start(position) => Some(position),
                SeekFrom::Current(by) => file.position.checked_add_signed(by),
                SeekFrom::End(by) => file.file.size()?.checked_add_signed(by),
                _ => None,
            };
            let position = position.filter(|position| i64::try_from(*position).is_ok());
            file.position = position.ok_or(Errno::Inval)?;
            Ok(file.position)
        }
        Kind::Stream(stream) if stream.class == Class::Device => {
            Ok(rustix::fs::seek(Arc::as_ref(&stream.fd), to)?)
        }
        Kind::Dir(_) => Err(Errno::Isdir),
        _ => Err(Errno::Spipe),
    }
}

pub(super) fn fd_seek(cx: &mut Cx<'_>, fd: u32, offset: i64, whence: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    let whence = Whence::from_arg(cx.abi, whence)?;
    cx.mem.check(out, 8)?;
    let seekable = matches!(entry.kind, Kind::File(_) | Kind::VirtualFile(_));
    if seekable {
        // Asking where one is needs the lesser right only.
        let asks = whence == Whence::Cur && offset == 0;
        if !(asks && entry.base.has(Rights::FD_TELL)) {
            entry.require(Rights::FD_SEEK)?;
        }
    }
    let to = match whence {
        Whence::Set => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::Inval)?),
        Whence::Cur => SeekFrom::Current(offset),
        Whence::End => SeekFrom::End(offset),
    };
    let position = seek(entry, to)?;
    cx.mem.write_u64(out, position)?;
    Ok(DONE)
}

pub(super) fn fd_tell(cx: &mut Cx<'_>, fd: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    let seekable = matches!(entry.kind, Kind::File(_) | Kind::VirtualFile(_));
    if seekable && !entry.base.any(Rights::FD_TELL.or(Rights::FD_SEEK)) {
        return Err(Errno::Notcapable.into());
    }
    cx.mem.check(out, 8)?;
    let position = seek(entry, SeekFrom::Current(0))?;
    cx.mem.write_u64(out, position)?;
    Ok(DONE)
}
