//! Reading, writing and positions of descriptors.
//!
//! Regular files move straight between the kernel and the guest where blocking is allowed; otherwise through a bounded
//! buffer on the blocking pool. Streams never block: a wait suspends the guest.

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::SeekFrom;

use crate::call::{CallState, Cx, DONE, Outcome, Step, ready};
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
    readable(entry, Rights::FD_READ)?;
    entry.file()?;
    entry.require(Rights::FD_SEEK)?;
    cx.mem.check(out, 4)?;
    file_read(cx, fd, iovs, count, Some(offset), out)
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
    let file = cx.ctx.table.get(fd)?.file()?;
    let mut vecs = cx.mem.iovecs(iovs, count)?;
    if cx.ctx.allow_blocking_files {
        let how = offset.map_or(Transfer::Here, Transfer::At);
        let moved = vecs.read_from(file.fd.as_fd(), how)?;
        return write_count(&mut cx.mem, out, moved);
    }
    let (file, room) = (file.fd.clone(), vecs.total().min(POOL_BYTES));
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
    readable(entry, Rights::FD_WRITE)?;
    entry.file()?;
    entry.require(Rights::FD_SEEK)?;
    cx.mem.check(out, 4)?;
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
    let file = cx.ctx.table.get(fd)?.file()?;
    let vecs = cx.mem.iovecs(iovs, count)?;
    if cx.ctx.allow_blocking_files {
        let how = offset.map_or(Transfer::Here, Transfer::At);
        let moved = vecs.write_to(file.fd.as_fd(), how, 0)?;
        return write_count(&mut cx.mem, out, moved);
    }
    let file = file.fd.clone();
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
fn seek(entry: &Entry, to: SeekFrom) -> Result<u64, Errno> {
    match &entry.kind {
        Kind::File(file) => Ok(rustix::fs::seek(&*file.fd, to)?),
        Kind::Stream(stream) if stream.class == Class::Device => {
            Ok(rustix::fs::seek(Arc::as_ref(&stream.fd), to)?)
        }
        Kind::Dir(_) => Err(Errno::Isdir),
        _ => Err(Errno::Spipe),
    }
}

pub(super) fn fd_seek(cx: &mut Cx<'_>, fd: u32, offset: i64, whence: u32, out: u32) -> Outcome {
    let entry = cx.ctx.table.get(fd)?;
    let whence = Whence::from_arg(cx.abi, whence)?;
    cx.mem.check(out, 8)?;
    let seekable = matches!(entry.kind, Kind::File(_));
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
    let entry = cx.ctx.table.get(fd)?;
    if matches!(entry.kind, Kind::File(_)) && !entry.base.any(Rights::FD_TELL.or(Rights::FD_SEEK)) {
        return Err(Errno::Notcapable.into());
    }
    cx.mem.check(out, 8)?;
    let position = seek(entry, SeekFrom::Current(0))?;
    cx.mem.write_u64(out, position)?;
    Ok(DONE)
}
