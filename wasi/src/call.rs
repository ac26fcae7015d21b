//! How a host function runs: attempted at once, and attempted again after each wait.
//!
//! A function of the interface is plain synchronous code that either finishes or says what it waits for ([`Step`]). The
//! driver here turns that into a [`MaybeAsync`]: ready at once costs no allocation; a wait becomes a boxed future that
//! calls the function anew when the wait is over. So guest memory and context are taken from the caller at every
//! attempt and never held over an await. It must never know what any single function does.

use std::any::Any;
use std::time::Duration;

use craneway::{Caller, MaybeAsync};

use crate::clocks::nanoseconds;
use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::fs::Dir;
use crate::memory::{self, GuestMemory};
use crate::types::Abi;
use crate::wait::Wait;

/// The outcome of one attempt.
pub(crate) enum Step<R = ()> {
    /// The function is through.
    Done(R),
    /// Attempt it again when this is over.
    Wait(Wait),
}

/// Takes the value out of a finished step, or returns the wait from the enclosing function.
macro_rules! ready {
    ($step:expr) => {
        match $step {
            $crate::call::Step::Done(value) => value,
            $crate::call::Step::Wait(wait) => return Ok($crate::call::Step::Wait(wait)),
        }
    };
}
pub(crate) use ready;

/// Why a function did not succeed.
pub(crate) enum Failure {
    /// The guest gets this number.
    Errno(Errno),
    /// The guest ends with this error.
    Trap(craneway::Error),
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Failure {
        Failure::Errno(errno)
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(errno: rustix::io::Errno) -> Failure {
        Failure::Errno(errno.into())
    }
}

/// What one attempt leaves for the next.
#[derive(Default)]
pub(crate) struct CallState {
    /// Bytes that earlier attempts have written.
    pub(crate) progress: usize,
    /// The monotonic clock at the first attempt, from which relative timeouts count.
    pub(crate) started: Option<Duration>,
    /// Where a listing goes on that is made in several pieces.
    pub(crate) cookie: Option<u64>,
    /// Whether a clock was told to sleep and took no time for it.
    pub(crate) slept: bool,
    /// The result of work that ran on the blocking pool.
    pub(crate) job: Option<Box<dyn Any + Send>>,
    /// An error that a wait met.
    pub(crate) error: Option<Errno>,
}

/// Everything a function of the interface may touch during one attempt.
pub(crate) struct Cx<'a> {
    pub(crate) ctx: &'a mut WasiCtx,
    pub(crate) mem: GuestMemory<'a>,
    pub(crate) state: &'a mut CallState,
    pub(crate) abi: Abi,
}

/// What a function of the interface returns.
pub(crate) type Outcome<R = ()> = Result<Step<R>, Failure>;

/// The function is through.
pub(crate) const DONE: Step = Step::Done(());

impl Cx<'_> {
    /// The date for entries in memory, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        nanoseconds(self.ctx.wall_clock.now())
    }

    /// Runs work in a directory as [`Cx::blocking`] does, but inline where it cannot block; it is given the date.
    pub(crate) fn in_dir<R, F>(&mut self, dir: Dir, work: F) -> Outcome<R>
    where
        R: Send + 'static,
        F: FnOnce(&Dir, u64) -> Result<R, Errno> + Send + 'static,
    {
        match dir {
            Dir::Host(_) => self.blocking(move || work(&dir, 0)),
            Dir::Virtual(_) => {
                let now = self.now();
                if dir.may_block() {
                    self.blocking(move || work(&dir, now))
                } else {
                    Ok(Step::Done(work(&dir, now)?))
                }
            }
        }
    }

    /// Runs work on files: inline where the embedder allows it, on the blocking pool otherwise.
    ///
    /// The work owns everything it needs, so it may finish after its store is gone. One job is under way at a time: when its
    /// result has been taken, the next call starts the next.
    pub(crate) fn blocking<R, F>(&mut self, work: F) -> Outcome<R>
    where
        R: Send + 'static,
        F: FnOnce() -> Result<R, Errno> + Send + 'static,
    {
        if let Some(finished) = self.state.job.take() {
            return match finished.downcast::<Result<R, Errno>>() {
                Ok(result) => Ok(Step::Done((*result)?)),
                // Only a job that was lost (the pool shut down) leaves something else.
                Err(_) => Err(Errno::Canceled.into()),
            };
        }
        if self.ctx.allow_blocking_files {
            return Ok(Step::Done(work()?));
        }
        Ok(Step::Wait(Wait::Job(Box::new(move || {
            Box::new(work()) as Box<dyn Any + Send>
        }))))
    }
}

/// What a function is and how it is called, as far as driving it needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) abi: Abi,
    /// Whether it passes anything through the guest's memory. What does not also serves modules without one.
    pub(crate) memory: bool,
}

/// Runs a function of the interface for a guest; `after` makes the guest's result of the outcome.
#[inline]
pub(crate) fn dispatch<'a, T, G, F, A>(
    mut caller: Caller<'a, T>,
    get: G,
    what: Function,
    function: F,
    after: A,
) -> MaybeAsync<'a, i32>
where
    T: Send + 'static,
    G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    F: Fn(&mut Cx<'_>) -> Outcome + Send + 'static,
    A: FnOnce(&mut Caller<'_, T>, Result<(), Failure>) -> craneway::Result<i32> + Send + 'static,
{
    let mut state = CallState::default();
    match attempt(&mut caller, &get, what, &mut state, &function) {
        Ok(Step::Done(())) => MaybeAsync::Ready(after(&mut caller, Ok(()))),
        Err(failure) => MaybeAsync::Ready(after(&mut caller, Err(failure))),
        Ok(Step::Wait(first)) => MaybeAsync::Pending(Box::pin(async move {
            let mut wait = first;
            loop {
                wait.run(&mut state).await;
                match attempt(&mut caller, &get, what, &mut state, &function) {
                    Ok(Step::Done(())) => return after(&mut caller, Ok(())),
                    Err(failure) => return after(&mut caller, Err(failure)),
                    Ok(Step::Wait(next)) => wait = next,
                }
            }
        })),
    }
}

/// One attempt, on memory and context taken from the caller now.
#[inline]
fn attempt<T, G, F>(
    caller: &mut Caller<'_, T>,
    get: &G,
    what: Function,
    state: &mut CallState,
    function: &F,
) -> Outcome
where
    T: 'static,
    G: Fn(&mut T) -> &mut WasiCtx,
    F: Fn(&mut Cx<'_>) -> Outcome,
{
    let (mem, ctx) = if what.memory {
        memory::split(caller, get).ok_or_else(|| no_memory(what.name))?
    } else {
        (GuestMemory::none(), get(caller.data_mut()))
    };
    let abi = what.abi;
    function(&mut Cx {
        ctx,
        mem,
        state,
        abi,
    })
}

/// The end of a module that cannot be given results.
#[cold]
fn no_memory(name: &str) -> Failure {
    Failure::Trap(craneway::format_err!(
        "`{name}` was called by a module that exports no memory named `memory`, through which it takes arguments or gives results: export one"
    ))
}

/// The guest's result without further ado.
#[inline]
pub(crate) fn settle(result: Result<(), Failure>) -> craneway::Result<i32> {
    match result {
        Ok(()) => Ok(Errno::Success as i32),
        Err(Failure::Errno(errno)) => Ok(errno as i32),
        Err(Failure::Trap(error)) => Err(error),
    }
}
