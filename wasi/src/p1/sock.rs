//! Sockets that the embedder handed over: accepting, receiving, sending, shutting down.
//!
//! No transfer blocks a worker; a wait suspends the guest.

use std::os::fd::AsFd;

use super::fd_io;
use crate::call::{Cx, DONE, Outcome, Step, ready};
use crate::errno::Errno;
use crate::stream::{Class, Stream};
use crate::table::{Entry, Kind};
use crate::types::{FdFlags, FileType, RiFlags, Rights, SdFlags};
use crate::wait::{Direction, Wait};

/// The stream behind a socket's descriptor.
fn socket(entry: &mut Entry, class: Class) -> Result<&mut Stream, Errno> {
    let Kind::Stream(stream) = &mut entry.kind else {
        return Err(Errno::Notsock);
    };
    match (stream.class, class) {
        (present, wanted) if present == wanted => Ok(stream),
        (Class::Socket, _) => Err(Errno::Inval),
        (Class::Listener, _) => Err(Errno::Notconn),
        _ => Err(Errno::Notsock),
    }
}

pub(super) fn sock_accept(cx: &mut Cx<'_>, fd: u32, flags: u32, out: u32) -> Outcome {
    let flags = FdFlags::from_arg(flags)?;
    cx.mem.check(out, 4)?;
    let entry = cx.ctx.table.get_mut(fd)?;
    let (wait, capable, inherited) = (
        !entry.flags.has(FdFlags::NONBLOCK),
        entry.base.has(Rights::SOCK_ACCEPT),
        entry.inheriting,
    );
    let listener = socket(entry, Class::Listener)?;
    if !capable {
        return Err(Errno::Notcapable.into());
    }
    if !FdFlags::NONBLOCK.has(flags) {
        return Err(Errno::Inval.into());
    }
    let accepted = match rustix::net::accept_with(&*listener.fd, rustix::net::SocketFlags::CLOEXEC)
    {
        Ok(accepted) => accepted,
        Err(rustix::io::Errno::AGAIN) if wait => {
            return Ok(Step::Wait(Wait::fd(&listener.fd, Direction::READ)));
        }
        Err(errno) => return Err(errno.into()),
    };
    let number = cx.ctx.table.push(Entry {
        kind: Kind::Stream(Stream::new(accepted, Class::Socket)),
        filetype: FileType::SocketStream,
        base: Rights::SOCKET.and(inherited),
        inheriting: Rights::NONE,
        flags,
    })?;
    cx.mem.write_u32(out, number)?;
    Ok(DONE)
}

pub(super) fn sock_recv(
    cx: &mut Cx<'_>,
    fd: u32,
    iovs: u32,
    count: u32,
    flags: u32,
    out: u32,
    out_flags: u32,
) -> Outcome {
    let flags = RiFlags::from_arg(flags)?;
    cx.mem.check(out, 4)?;
    cx.mem.check(out_flags, 2)?;
    let entry = cx.ctx.table.get_mut(fd)?;
    let (wait, capable) = (
        !entry.flags.has(FdFlags::NONBLOCK),
        entry.base.has(Rights::FD_READ),
    );
    let stream = socket(entry, Class::Socket)?;
    if !capable {
        return Err(Errno::Notcapable.into());
    }
    let mut vecs = cx.mem.iovecs(iovs, count)?;
    let peek = if flags.has(RiFlags::PEEK) {
        libc::MSG_PEEK
    } else {
        0
    };
    // Peeking does not consume, so bytes cannot be collected over several waits.
    let whole = flags.has(RiFlags::WAITALL) && peek == 0 && wait;
    let mut truncated = false;
    let mut ended = vecs.total() == 0;
    match vecs.receive_from(stream.fd.as_fd(), peek, cx.state.progress) {
        _ if ended => {}
        Ok((received, cut)) => {
            truncated = cut;
            ended = received == 0;
            cx.state.progress += received;
        }
        Err(Errno::Again) if wait && (whole || cx.state.progress == 0) => {
            return Ok(Step::Wait(Wait::fd(&stream.fd, Direction::READ)));
        }
        Err(_) if cx.state.progress > 0 => ended = true,
        Err(errno) => return Err(errno.into()),
    }
    if whole && !ended && cx.state.progress < vecs.total() {
        return Ok(Step::Wait(Wait::fd(&stream.fd, Direction::READ)));
    }
    let progress = u32::try_from(cx.state.progress).map_err(|_| Errno::Overflow)?;
    cx.mem.write_u32(out, progress)?;
    cx.mem
        .write(out_flags, &u16::from(truncated).to_le_bytes())?;
    Ok(DONE)
}

pub(super) fn sock_send(
    cx: &mut Cx<'_>,
    fd: u32,
    iovs: u32,
    count: u32,
    flags: u32,
    out: u32,
) -> Outcome {
    cx.mem.check(out, 4)?;
    let entry = cx.ctx.table.get_mut(fd)?;
    let (wait, capable) = (
        !entry.flags.has(FdFlags::NONBLOCK),
        entry.base.has(Rights::FD_WRITE),
    );
    let stream = socket(entry, Class::Socket)?;
    // The interface defines no flags.
    if flags != 0 {
        return Err(Errno::Inval.into());
    }
    if !capable {
        return Err(Errno::Notcapable.into());
    }
    let vecs = cx.mem.iovecs(iovs, count)?;
    let sent = ready!(fd_io::stream_write(stream, &vecs, wait, cx.state)?);
    cx.mem
        .write_u32(out, u32::try_from(sent).map_err(|_| Errno::Overflow)?)?;
    Ok(DONE)
}

pub(super) fn sock_shutdown(cx: &mut Cx<'_>, fd: u32, how: u32) -> Outcome {
    let entry = cx.ctx.table.get_mut(fd)?;
    let capable = entry.base.has(Rights::SOCK_SHUTDOWN);
    let stream = socket(entry, Class::Socket)?;
    let how = SdFlags::from_arg(how)?;
    if !capable {
        return Err(Errno::Notcapable.into());
    }
    let how = match (how.has(SdFlags::RD), how.has(SdFlags::WR)) {
        (true, true) => rustix::net::Shutdown::Both,
        (true, false) => rustix::net::Shutdown::Read,
        (false, true) => rustix::net::Shutdown::Write,
        (false, false) => return Err(Errno::Inval.into()),
    };
    rustix::net::shutdown(&*stream.fd, how)?;
    Ok(DONE)
}
