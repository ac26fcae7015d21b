//! What a host function can wait for, and how: descriptors, a moment, async readers and writers, work on the blocking pool.
//!
//! Knows tokio and the host's `poll`; must never touch guest memory or the context, because it runs while the guest is
//! suspended. Outside any tokio runtime every wait blocks the thread, which is right for a synchronous embedding.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use smallvec::SmallVec;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::call::CallState;
use crate::errno::Errno;
use crate::stdio::{SharedReader, SharedWriter};
use crate::timer;

/// How many descriptors one wait watches, and up to how many are searched one by one.
const MAX_WATCHED: usize = 1024;
const FEW: usize = 16;

/// Something to wait for.
pub(crate) enum Wait {
    /// Any of several things.
    Any(AnyOf),
    /// Bytes to be handed to an async writer, all of them.
    Write(SharedWriter, Vec<u8>),
    /// Others' turn to run; then at once.
    Turn,
    /// Work for the blocking pool; its result goes to [`CallState::job`].
    Job(Job),
}

/// Work that owns all it needs.
pub(crate) type Job = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// Waits until one of the descriptors or readers is ready or the time is over.
#[derive(Default)]
pub(crate) struct AnyOf {
    fds: SmallVec<[(Arc<OwnedFd>, Direction); 4]>,
    /// Where a descriptor stands in the list, once there are many.
    places: HashMap<RawFd, usize>,
    pub(crate) readers: SmallVec<[SharedReader; 1]>,
    /// How long at most.
    pub(crate) timeout: Option<Duration>,
}

/// For what a descriptor has to be ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Direction {
    pub(crate) const READ: Direction = Direction {
        read: true,
        write: false,
    };
    pub(crate) const WRITE: Direction = Direction {
        read: false,
        write: true,
    };

    pub(crate) fn poll_flags(self) -> PollFlags {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, self.read);
        flags.set(PollFlags::OUT, self.write);
        flags
    }
}

impl AnyOf {
    /// Adds a descriptor, unless there are too many: then false. The same one in both directions becomes one entry, because
    /// the reactor takes each but once.
    pub(crate) fn add_fd(&mut self, fd: &Arc<OwnedFd>, direction: Direction) -> bool {
        let place = if self.fds.len() <= FEW {
            self.fds
                .iter()
                .position(|(other, _)| Arc::ptr_eq(other, fd))
        } else {
            self.places.get(&fd.as_raw_fd()).copied()
        };
        match place {
            Some(place) => {
                let (_, present) = &mut self.fds[place];
                present.read |= direction.read;
                present.write |= direction.write;
            }
            None if self.fds.len() == MAX_WATCHED => return false,
            None => {
                self.fds.push((fd.clone(), direction));
                if self.fds.len() > FEW {
                    let places = self.fds.iter().enumerate().skip(self.places.len());
                    self.places
                        .extend(places.map(|(place, (fd, _))| (fd.as_raw_fd(), place)));
                }
            }
        }
        true
    }

    /// Waits no longer than this.
    pub(crate) fn within(&mut self, timeout: Duration) {
        let shortest = self.timeout.map_or(timeout, |present| present.min(timeout));
        self.timeout = Some(shortest);
    }

    /// Adds an async reader, once. There are no more than three, the standard streams.
    pub(crate) fn add_reader(&mut self, reader: &SharedReader) {
        if !self.readers.iter().any(|other| other.same(reader)) {
            self.readers.push(reader.clone());
        }
    }
}

impl Wait {
    /// A wait for one descriptor.
    pub(crate) fn fd(fd: &Arc<OwnedFd>, direction: Direction) -> Wait {
        let mut any = AnyOf::default();
        any.add_fd(fd, direction);
        Wait::Any(any)
    }

    /// A wait for one async reader.
    pub(crate) fn reader(reader: &SharedReader) -> Wait {
        let mut any = AnyOf::default();
        any.add_reader(reader);
        Wait::Any(any)
    }

    /// Waits, and leaves what came of it in the state.
    pub(crate) async fn run(self, state: &mut CallState) {
        let in_runtime = tokio::runtime::Handle::try_current().is_ok();
        match self {
            Wait::Any(any) if in_runtime => any.suspend().await,
            Wait::Any(any) if any.readers.is_empty() => any.block(),
            // A reader that is pending without a runtime can only be woken through its own means.
            Wait::Any(any) => std::future::poll_fn(|cx| any.poll_readers(cx)).await,
            Wait::Turn if in_runtime => tokio::task::yield_now().await,
            Wait::Turn => {}
            Wait::Write(writer, bytes) => match writer.write_all(&bytes).await {
                Ok(()) => state.progress += bytes.len(),
                Err(errno) => state.error = Some(errno),
            },
            Wait::Job(job) if in_runtime => {
                // A panic in the job is one of ours; it goes on in the guest's task, where the boundary catches it.
                state.job = Some(match tokio::task::spawn_blocking(job).await {
                    Ok(result) => result,
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(_) => Box::new(()),
                });
            }
            Wait::Job(job) => state.job = Some(job()),
        }
    }
}

impl AnyOf {
    /// Blocks the thread.
    fn block(&self) {
        let mut fds: Vec<PollFd<'_>> = self
            .fds
            .iter()
            .map(|(fd, direction)| PollFd::new(&**fd, direction.poll_flags()))
            .collect();
        let timeout = self
            .timeout
            .and_then(|timeout| Timespec::try_from(timeout).ok());
        // Interrupted or failed: the function is attempted again and waits again if it must.
        let _ = rustix::event::poll(&mut fds, timeout.as_ref());
    }

    /// Suspends the task.
    async fn suspend(self) {
        type Arm<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
        let mut arms: SmallVec<[Arm<'_>; 4]> = SmallVec::new();
        for (fd, direction) in &self.fds {
            arms.push(Box::pin(fd_ready(fd, *direction)));
        }
        if let Some(timeout) = self.timeout {
            arms.push(Box::pin(timer::sleep(timeout)));
        }
        std::future::poll_fn(|cx| {
            if arms.iter_mut().any(|arm| arm.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(());
            }
            self.poll_readers(cx)
        })
        .await;
    }

    /// Ready when any reader has bytes, is at its end or failed.
    fn poll_readers(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self
            .readers
            .iter()
            .any(|reader| reader.poll_fill(cx).is_ready())
        {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// A descriptor for the reactor, kept open by whoever waits.
struct Registered(Arc<OwnedFd>);

impl AsRawFd for Registered {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Makes the reactor watch a descriptor.
#[expect(unsafe_code, reason = "the reactor holds the descriptor by number")]
fn register(fd: &Arc<OwnedFd>, interest: Interest) -> Result<AsyncFd<Registered>, ()> {
    // SAFETY: `Registered` always answers with the same number and keeps the descriptor open for as long as it is registered:
    // `AsyncFd` owns it and deregisters before dropping it.
    unsafe { AsyncFd::register_with_interest(Registered(fd.clone()), interest) }.map_err(drop)
}

/// Ready when the descriptor is, in one of the directions.
async fn fd_ready(fd: &Arc<OwnedFd>, direction: Direction) {
    let interest = match direction {
        Direction {
            read: true,
            write: true,
        } => Interest::READABLE | Interest::WRITABLE,
        Direction { read: true, .. } => Interest::READABLE,
        _ => Interest::WRITABLE,
    };
    // What the reactor does not take (a regular file, a plain device) never blocks.
    let Ok(registered) = register(fd, interest) else {
        return;
    };
    loop {
        let Ok(mut guard) = registered.ready(interest).await else {
            return;
        };
        // The reactor reports edges; the host's answer now is what counts.
        if poll_now(fd, direction).is_ok_and(|flags| !flags.is_empty()) {
            return;
        }
        guard.clear_ready();
    }
}

/// For what the descriptor is ready now.
pub(crate) fn poll_now(fd: impl AsFd, direction: Direction) -> Result<PollFlags, Errno> {
    let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), direction.poll_flags())];
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut fds, Some(&zero)))?;
    Ok(fds[0].revents())
}
