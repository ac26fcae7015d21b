//! Waiting for clocks and descriptors together.
//!
//! Subscriptions are decoded from the guest a few at a time and events stored straight into it, so any number costs the
//! host no memory. The guest is suspended only if nothing has happened yet.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use smallvec::SmallVec;

use super::clock;
use crate::call::{Cx, DONE, Outcome, Step};
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::GuestMemory;
use crate::stream::{Class, Stream};
use crate::table::{Entry, File, Kind};
use crate::types::{Abi, ClockId, Event, Interest, Rights, Subscription};
use crate::wait::{AnyOf, Direction, Wait};

/// How many subscriptions are looked at together; the host is asked once for all their descriptors.
const BATCH: u32 = 64;

/// The timer for descriptors beyond those that one wait watches; longer for lists that take long to look at.
const RECHECK: Duration = Duration::from_millis(10);
const LONGEST_RECHECK: Duration = Duration::from_millis(500);

/// The least time that is waited, lest a virtual clock that does not move by sleeping keep the thread busy.
const SHORTEST: Duration = Duration::from_micros(1);

/// The state of one subscription.
#[derive(Clone, Copy)]
enum State {
    Happened {
        nbytes: u64,
        hangup: bool,
    },
    Failed(Errno),
    Pending,
    /// What the host says of this descriptor among those that it is asked about.
    Asked(usize),
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
    let now = cx.ctx.monotonic_clock.now();
    let started = *cx.state.started.get_or_insert(now);
    let size = Subscription::size(cx.abi);
    let mut stored = 0_u32;
    let mut start = 0;
    while start < count {
        let some = (count - start).min(BATCH);
        let batch = Batch {
            ctx: &*cx.ctx,
            clocks: (started, now),
            recheck: RECHECK
                .saturating_mul(count / 1024)
                .clamp(RECHECK, LONGEST_RECHECK),
        };
        let list = decode(&cx.mem, cx.abi, subscriptions + start * size, some)?;
        for event in batch.look(&list, wait)? {
            cx.mem
                .write(events + stored * Event::SIZE, &event.encode())?;
            stored += 1;
        }
        start += some;
    }
    Ok(stored)
}

/// A few subscriptions. Copied, because events may be stored over them.
fn decode(
    mem: &GuestMemory<'_>,
    abi: Abi,
    at: u32,
    count: u32,
) -> Result<SmallVec<[Subscription; 4]>, Errno> {
    let size = Subscription::size(abi);
    let records = mem.bytes(at, count * size)?;
    Ok(records
        .chunks_exact(size as usize)
        .map(|record| Subscription::decode(abi, record))
        .collect())
}

/// What a few subscriptions are looked at with.
struct Batch<'c> {
    ctx: &'c WasiCtx,
    /// The monotonic clock at the first attempt and now.
    clocks: (Duration, Duration),
    /// How soon descriptors that cannot be watched are looked at again.
    recheck: Duration,
}

impl<'c> Batch<'c> {
    /// The events of those that have come true.
    fn look(&self, list: &[Subscription], wait: &mut AnyOf) -> Result<SmallVec<[Event; 4]>, Errno> {
        let mut asked: SmallVec<[PollFd<'c>; 4]> = SmallVec::new();
        let states: SmallVec<[State; 4]> = list
            .iter()
            .map(|subscription| self.state(subscription, &mut asked, wait))
            .collect();
        if !asked.is_empty() {
            let zero = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut asked, Some(&zero)))?;
        }
        let mut events = SmallVec::new();
        for (subscription, state) in list.iter().zip(states) {
            let state = match state {
                State::Asked(index) => self.answered(subscription, asked[index].revents(), wait),
                other => other,
            };
            let (errno, nbytes, hangup) = match state {
                State::Pending | State::Asked(_) => continue,
                State::Failed(errno) => (errno, 0, false),
                State::Happened { nbytes, hangup } => (Errno::Success, nbytes, hangup),
            };
            events.push(Event {
                userdata: subscription.userdata,
                errno,
                event_type: subscription.event_type,
                nbytes,
                hangup,
            });
        }
        Ok(events)
    }

    /// The state of one, as far as it can be told without asking the host.
    fn state(
        &self,
        subscription: &Subscription,
        asked: &mut SmallVec<[PollFd<'c>; 4]>,
        wait: &mut AnyOf,
    ) -> State {
        let (fd, direction) = match subscription.interest {
            None => return State::Failed(Errno::Inval),
            Some(Interest::Clock {
                id,
                timeout,
                absolute,
            }) => {
                let (started, now) = self.clocks;
                return clock_state(self.ctx, started, now, id, timeout, absolute, wait);
            }
            Some(Interest::Read(fd)) => (fd, Direction::READ),
            Some(Interest::Write(fd)) => (fd, Direction::WRITE),
        };
        match pollable(self.ctx, fd, direction) {
            Err(errno) => State::Failed(errno),
            Ok(Entry {
                kind: Kind::Stream(stream),
                ..
            }) if stream.class != Class::Device => {
                asked.push(PollFd::new(&*stream.fd, direction.poll_flags()));
                State::Asked(asked.len() - 1)
            }
            Ok(entry) => fd_state(entry, direction, wait),
        }
    }

    /// The state of one that the host was asked about; if it is not ready, the wait watches it.
    fn answered(&self, subscription: &Subscription, flags: PollFlags, wait: &mut AnyOf) -> State {
        let (fd, direction) = match subscription.interest {
            Some(Interest::Read(fd)) => (fd, Direction::READ),
            Some(Interest::Write(fd)) => (fd, Direction::WRITE),
            _ => return State::Pending,
        };
        match pollable(self.ctx, fd, direction).map(|entry| &entry.kind) {
            Ok(Kind::Stream(stream)) if flags.is_empty() => {
                if !wait.add_fd(&stream.fd, direction) {
                    wait.within(self.recheck);
                }
                State::Pending
            }
            Ok(Kind::Stream(stream)) => ready_state(stream, direction, flags),
            Ok(_) => State::Pending,
            Err(errno) => State::Failed(errno),
        }
    }
}

/// Whether a clock has come so far; if not, the wait is bounded by what is left.
fn clock_state(
    ctx: &WasiCtx,
    started: Duration,
    now: Duration,
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
        (ClockId::Realtime, true) => timeout.saturating_sub(ctx.wall_clock.now()),
        // A span of time is measured by the clock that is never set, whichever was named.
        (ClockId::Monotonic, true) => timeout.saturating_sub(now),
        (ClockId::Realtime | ClockId::Monotonic, false) => (started + timeout).saturating_sub(now),
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
    wait.within(left);
    State::Pending
}

/// The descriptor, if it may be waited for.
fn pollable(ctx: &WasiCtx, fd: u32, direction: Direction) -> Result<&Entry, Errno> {
    let right = if direction.read {
        Rights::FD_READ
    } else {
        Rights::FD_WRITE
    };
    let entry = ctx.table.get(fd)?;
    if matches!(entry.kind, Kind::Dir(_)) {
        return Err(Errno::Badf);
    }
    entry.require(Rights::POLL_FD_READWRITE.or(right))
}

/// Whether a descriptor that the host need not be asked about is ready; if not, the wait watches it.
fn fd_state(entry: &Entry, direction: Direction, wait: &mut AnyOf) -> State {
    match &entry.kind {
        Kind::File(file) => file_state(file, direction),
        Kind::VirtualFile(file) => State::Happened {
            nbytes: match file.file.size() {
                Ok(size) if direction.read => size.saturating_sub(file.position),
                _ => 1,
            },
            hangup: false,
        },
        // A device is taken never to block.
        Kind::Stream(_) => State::Happened {
            nbytes: 0,
            hangup: false,
        },
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

/// What the host says of a stream that is ready.
fn ready_state(stream: &Stream, direction: Direction, flags: PollFlags) -> State {
    if flags.contains(PollFlags::NVAL) {
        return State::Failed(Errno::Badf);
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
