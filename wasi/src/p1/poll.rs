//! Waiting for clocks and descriptors together.
//!
//! Subscriptions are decoded straight from the guest and events stored straight into it, so any number costs the host no
//! memory. The guest is suspended only if nothing has happened yet.

use std::time::Duration;

use rustix::event::PollFlags;

use super::clock;
use crate::call::{Cx, DONE, Outcome, Step};
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::stream::{Class, Stream};
use crate::table::{File, Kind};
use crate::types::{ClockId, Event, Interest, Rights, Subscription};
use crate::wait::{AnyOf, Direction, Wait};

/// How many descriptors one wait watches. A guest that subscribes to more is woken by any of these or by a short timer.
const MAX_WATCHED: usize = 1024;

/// The timer for those beyond.
const RECHECK: Duration = Duration::from_millis(10);

/// The least time that is waited, lest a virtual clock that does not move by sleeping keep the thread busy.
const SHORTEST: Duration = Duration::from_micros(1);

/// The state of one subscription.
enum State {
    Happened { nbytes: u64, hangup: bool },
    Failed(Errno),
    Pending,
}

pub(super) fn poll_oneoff(
    cx: &mut Cx<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
) -> Outcome {
    if count == 0 {
        return Err(Errno::Inval.into());
    }
    let size = Subscription::size(cx.abi);
    cx.mem
        .check(subscriptions, count.checked_mul(size).ok_or(Errno::Fault)?)?;
    cx.mem
        .check(events, count.checked_mul(Event::SIZE).ok_or(Errno::Fault)?)?;
    cx.mem.check(out, 4)?;
    loop {
        let mut wait = AnyOf::default();
        let stored = look(cx, subscriptions, events, count, &mut wait)?;
        if stored > 0 {
            cx.mem.write_u32(out, stored)?;
            return Ok(DONE);
        }
        if let Some(timeout) = wait.timeout {
            let left = cx.ctx.monotonic_clock.sleep(timeout);
            if left.is_zero() && !cx.state.slept {
                // A virtual clock: the moment has come.
                cx.state.slept = true;
                continue;
            }
            wait.timeout = Some(left.max(SHORTEST));
        }
        return Ok(Step::Wait(Wait::Any(wait)));
    }
}

/// Stores an event for each subscription that has come true, and says how many; collects what to wait for.
fn look(
    cx: &mut Cx<'_>,
    subscriptions: u32,
    events: u32,
    count: u32,
    wait: &mut AnyOf,
) -> Result<u32, Errno> {
    let size = Subscription::size(cx.abi);
    let now = (cx.ctx.monotonic_clock.now(), cx.ctx.wall_clock.now());
    let started = *cx.state.started.get_or_insert(now);
    let mut stored = 0_u32;
    for index in 0..count {
        let record = cx.mem.bytes(subscriptions + index * size, size)?;
        let subscription = Subscription::decode(cx.abi, record);
        let state = match subscription.interest {
            None => State::Failed(Errno::Inval),
            Some(Interest::Clock {
                id,
                timeout,
                absolute,
            }) => clock_state(cx.ctx, started, now, id, timeout, absolute, wait),
            Some(Interest::Read(fd)) => fd_state(cx.ctx, fd, Direction::READ, wait),
            Some(Interest::Write(fd)) => fd_state(cx.ctx, fd, Direction::WRITE, wait),
        };
        let (errno, nbytes, hangup) = match state {
            State::Pending => continue,
            State::Failed(errno) => (errno, 0, false),
            State::Happened { nbytes, hangup } => (Errno::Success, nbytes, hangup),
        };
        let event = Event {
            userdata: subscription.userdata,
            errno,
            event_type: subscription.event_type,
            nbytes,
            hangup,
        };
        cx.mem
            .write(events + stored * Event::SIZE, &event.encode())?;
        stored += 1;
    }
    Ok(stored)
}

/// Whether a clock has come so far; if not, the wait is bounded by what is left.
fn clock_state(
    ctx: &WasiCtx,
    started: (Duration, Duration),
    now: (Duration, Duration),
    id: u32,
    timeout: u64,
    absolute: bool,
    wait: &mut AnyOf,
) -> State {
    let id = match ClockId::from_arg(id) {
        Ok(id) => id,
        Err(errno) => return State::Failed(errno),
    };
    let timeout = Duration::from_nanos(timeout);
    let left = match (id, absolute) {
        (ClockId::Realtime, true) => timeout.saturating_sub(now.1),
        // A span of time is measured by the clock that is never set, whichever was named.
        (ClockId::Monotonic, true) => timeout.saturating_sub(now.0),
        (ClockId::Realtime | ClockId::Monotonic, false) => {
            (started.0 + timeout).saturating_sub(now.0)
        }
        (_, true) => timeout.saturating_sub(clock::now(ctx, id)),
        // Processor time stands still while one waits for it.
        (_, false) => return State::Failed(Errno::Notsup),
    };
    if left.is_zero() {
        return State::Happened {
            nbytes: 0,
            hangup: false,
        };
    }
    wait.timeout = Some(wait.timeout.map_or(left, |shortest| shortest.min(left)));
    State::Pending
}

/// Whether a descriptor is ready; if not, the wait watches it.
fn fd_state(ctx: &mut WasiCtx, fd: u32, direction: Direction, wait: &mut AnyOf) -> State {
    let right = if direction.read {
        Rights::FD_READ
    } else {
        Rights::FD_WRITE
    };
    let entry = match ctx.table.get(fd) {
        Ok(entry) => entry,
        Err(errno) => return State::Failed(errno),
    };
    if matches!(entry.kind, Kind::Dir(_)) {
        return State::Failed(Errno::Badf);
    }
    if let Err(errno) = entry.require(Rights::POLL_FD_READWRITE.or(right)) {
        return State::Failed(errno);
    }
    match &entry.kind {
        Kind::File(file) => file_state(file, direction),
        Kind::VirtualFile(file) => State::Happened {
            nbytes: match file.file.size() {
                Ok(size) if direction.read => size.saturating_sub(file.position),
                _ => 1,
            },
            hangup: false,
        },
        Kind::Stream(stream) => stream_state(stream, direction, wait),
        Kind::MemoryIn(pipe) => {
            let left = pipe.remaining() as u64;
            State::Happened {
                nbytes: left,
                hangup: left == 0,
            }
        }
        Kind::Reader(reader) => match reader.available() {
            Some(nbytes) => State::Happened {
                nbytes: nbytes as u64,
                hangup: nbytes == 0,
            },
            None => {
                wait.add_reader(reader);
                State::Pending
            }
        },
        Kind::Null => State::Happened {
            nbytes: 0,
            hangup: direction.read,
        },
        Kind::MemoryOut(_) | Kind::Writer(_) => State::Happened {
            nbytes: 1,
            hangup: false,
        },
        Kind::Dir(_) => State::Failed(Errno::Badf),
    }
}

/// Files are always ready; libc reads the byte count as what is left to read.
fn file_state(file: &File, direction: Direction) -> State {
    if !direction.read {
        return State::Happened {
            nbytes: 1,
            hangup: false,
        };
    }
    let size =
        rustix::fs::fstat(&*file.fd).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
    let position = rustix::fs::tell(&*file.fd).unwrap_or(0);
    State::Happened {
        nbytes: size.saturating_sub(position),
        hangup: false,
    }
}

fn stream_state(stream: &Stream, direction: Direction, wait: &mut AnyOf) -> State {
    if stream.class == Class::Device {
        return State::Happened {
            nbytes: 0,
            hangup: false,
        };
    }
    let flags = match stream.poll(direction) {
        Ok(flags) => flags,
        Err(errno) => return State::Failed(errno),
    };
    if flags.contains(PollFlags::NVAL) {
        return State::Failed(Errno::Badf);
    }
    if flags.is_empty() {
        if wait.fds.len() < MAX_WATCHED {
            wait.add_fd(&stream.fd, direction);
        } else {
            wait.timeout = Some(
                wait.timeout
                    .map_or(RECHECK, |shortest| shortest.min(RECHECK)),
            );
        }
        return State::Pending;
    }
    let nbytes = if direction.read {
        stream.readable_bytes()
    } else {
        1
    };
    State::Happened {
        nbytes,
        hangup: flags.intersects(PollFlags::HUP | PollFlags::ERR),
    }
}
