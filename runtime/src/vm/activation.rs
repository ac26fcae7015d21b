//! One entry into wasm: its record, how it starts, suspends, resumes and leaves.
//!
//! ```text
//!   Running ──► InHost ──► Running            a host call that is ready
//!   InHost ──► Pending ──► InHost ──► Running   one that is not: the call leaves to the executor
//!   InHost ──► Left,  Running ──► Left          error, panic, exception; trap
//!   Pending ──► Left                            the future was dropped
//! ```
//! A host future lives in the activation, never on a wasm stack, and is polled only on the polling
//! task's own stack. Calls that may suspend are in `async_call`. It must never know the public API's
//! types.

use super::arch::{self, CallFrame, exit};
use super::host_func::{HostFunc, Outcome};
use super::stack::{self, StackHeader};
use super::store::Store;
use super::sys;
use super::traps::TrapInfo;
use crate::vm::backtrace::{self, RawFrame};
use craneway_jit::abi::{FuncRecord, TrapCode};
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::ptr::{NonNull, null_mut};
use std::task::{Context, Poll, Waker};

/// Least bytes that must be left of the thread's own stack for another entry.
const HOST_STACK_RESERVE: usize = 128 << 10;
/// Least bytes that must be left of a wasm stack for a nested entry: what the entry itself pushes.
const WASM_STACK_RESERVE: usize = 1 << 10;

/// A host future with its borrow erased: it is dropped before the call that owns it returns.
pub type HostFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Why a call left instead of returning.
pub enum Unwind {
    /// A trap.
    Trap(TrapCode),
    /// A host function's error.
    Error(anyhow::Error),
    /// A host function's panic, to be resumed by whoever called in.
    Panic(Box<dyn Any + Send>),
    /// A wasm exception that no frame of the activation caught, by its handle (a root of the store).
    Exception(u32),
}

impl std::fmt::Debug for Unwind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unwind::Trap(code) => write!(f, "Trap({code:?})"),
            Unwind::Error(e) => write!(f, "Error({e:?})"),
            Unwind::Panic(_) => f.write_str("Panic"),
            Unwind::Exception(handle) => write!(f, "Exception({handle})"),
        }
    }
}

/// A call that left, with the wasm frames it left behind, innermost first.
#[derive(Debug)]
pub struct CallError {
    /// Why.
    pub cause: Unwind,
    /// Where.
    pub frames: Vec<RawFrame>,
}

/// Where an exception handler continues.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Resume {
    pub(crate) payload0: u64,
    pub(crate) payload1: u64,
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
}

impl Resume {
    /// Nowhere.
    pub(crate) const NONE: Resume = Resume {
        payload0: 0,
        payload1: 0,
        pc: 0,
        sp: 0,
        fp: 0,
    };
}

/// Progress of an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Wasm, or a host function that it called, runs on some thread.
    Active,
    /// A host future is pending; nothing runs.
    Pending,
}

/// The record of one entry; the trampolines know the first fields.
#[repr(C)]
pub struct Activation {
    /// The thread's stack pointer inside `enter`.
    pub(crate) host_sp: usize,
    /// Where wasm frames start on the wasm stack.
    pub(crate) entry_sp: usize,
    /// Stack pointer of the innermost `call_host`.
    pub(crate) wasm_sp: usize,
    /// Frame pointer of the innermost `call_host`; 0 if no wasm frame is below a host function.
    pub(crate) wasm_fp: usize,
    /// Arguments that do not fit in registers.
    pub(crate) stack_args: *const u64,
    /// Their size, a multiple of 16.
    pub(crate) stack_bytes: usize,
    /// Whether vector registers carry arguments or results.
    pub(crate) vectors: u32,
    /// Where to continue after `Outcome::Resume`.
    pub(crate) resume: Resume,
    /// What the trap handler saw.
    pub(crate) trap: Option<TrapInfo>,
    /// The store; host functions reach it through this.
    pub(crate) store: *mut Store,
    /// The next outer activation of the store.
    pub(crate) prev: *mut Activation,
    pub(crate) state: State,
    /// What waits when the call left.
    pub(crate) unwind: Option<Unwind>,
    /// The pending host future.
    pub(super) future: Option<HostFuture>,
    /// The task context during a poll; none in a synchronous call.
    pub(super) poll: Option<NonNull<Context<'static>>>,
}

impl Activation {
    /// An activation that has not begun.
    pub(super) const fn new(store: *mut Store) -> Activation {
        Activation {
            host_sp: 0,
            entry_sp: 0,
            wasm_sp: 0,
            wasm_fp: 0,
            stack_args: std::ptr::null(),
            stack_bytes: 0,
            vectors: 0,
            resume: Resume::NONE,
            trap: None,
            store,
            prev: null_mut(),
            state: State::Active,
            unwind: None,
            future: None,
            poll: None,
        }
    }

    /// The store.
    pub fn store(&self) -> *mut Store {
        self.store
    }

    /// Makes the call leave with `unwind`; a shim returns the result.
    pub fn leave(&mut self, unwind: Unwind) -> Outcome {
        self.unwind = Some(unwind);
        Outcome::Leave
    }

    /// Takes note of what a call passes besides the frame.
    pub(super) fn shape(&mut self, shape: CallShape<'_>) {
        self.stack_args = shape.stack_args.as_ptr();
        self.stack_bytes = size_of_val(shape.stack_args);
        self.vectors = u32::from(shape.vectors);
    }

    /// Polls what a shim waits for, once, in the context of the call's own task.
    pub fn poll_once<F: Future + ?Sized>(&mut self, future: Pin<&mut F>) -> Poll<F::Output> {
        match self.poll {
            // SAFETY: `poll` is set only while the context it points at is borrowed by our caller's
            // caller, the poll of this activation.
            Some(cx) => future.poll(unsafe { &mut *cx.as_ptr() }),
            None => future.poll(&mut Context::from_waker(Waker::noop())),
        }
    }

    /// What a shim returns whose future was polled and is pending: suspends the call if it is
    /// asynchronous, else blocks on the store's runtime handle, else is an error.
    pub fn wait(&mut self, future: HostFuture) -> Outcome {
        if self.poll.is_some() {
            self.future = Some(future);
            return Outcome::Pending;
        }
        // SAFETY: the store outlives its activations; only its handle is read.
        let runtime = unsafe { (*self.store).runtime.clone() };
        match runtime {
            Some(handle) if tokio::runtime::Handle::try_current().is_err() => {
                handle.block_on(future)
            }
            _ => {
                drop(future);
                self.leave(Unwind::Error(anyhow::anyhow!(
                    "a host function is not ready and this call is synchronous: use `call_async`, or give the store a \
                     tokio handle with `Store::set_runtime` and call from outside the runtime"
                )))
            }
        }
    }

    /// Drives a host future that the shim made to its outcome, or waits for it.
    pub fn drive(&mut self, mut future: HostFuture) -> Outcome {
        match self.poll_once(future.as_mut()) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => self.wait(future),
        }
    }

    fn take_error(&mut self, frames: Vec<RawFrame>) -> Box<CallError> {
        let cause = match (self.trap.take(), self.unwind.take()) {
            (Some(trap), _) => Unwind::Trap(trap.code),
            (None, Some(unwind)) => unwind,
            (None, None) => Unwind::Error(anyhow::anyhow!("a call left wasm without a reason")),
        };
        Box::new(CallError { cause, frames })
    }
}

/// Arguments of a call besides the frame.
#[derive(Clone, Copy, Debug)]
pub struct CallShape<'a> {
    /// Arguments that do not fit in registers; an even number of words.
    pub stack_args: &'a [u64],
    /// Whether vector registers carry arguments or results.
    pub vectors: bool,
}

/// A call that did not begin. Errors of calls are boxed, so that the result of one that returns is a
/// register.
#[cold]
pub(super) fn refused(cause: Unwind) -> Box<CallError> {
    Box::new(CallError {
        cause,
        frames: Vec::new(),
    })
}

#[cold]
pub(super) fn refusal(message: &'static str) -> Box<CallError> {
    refused(Unwind::Error(anyhow::anyhow!(message)))
}

/// Readies the thread and checks what is left of its stack.
#[inline]
pub(super) fn check_thread() -> Result<(), Box<CallError>> {
    if let Err(e) = sys::prepare_thread() {
        let cause =
            anyhow::Error::new(e).context("cannot give this thread an alternate signal stack");
        return Err(refused(Unwind::Error(cause)));
    }
    if sys::stack_left() < HOST_STACK_RESERVE {
        return Err(refused(Unwind::Trap(TrapCode::StackOverflow)));
    }
    Ok(())
}

/// Refuses entry while a forgotten call is suspended on top of the store.
///
/// # Safety
/// `store` is live and exclusively ours.
pub(super) unsafe fn check_store(store: *mut Store) -> Result<(), Box<CallError>> {
    // SAFETY: activations on the store's chain are alive until they unlink themselves, or leaked.
    let stuck = unsafe {
        let top = (*store).activation;
        !top.is_null() && (*top).state == State::Pending
    };
    if stuck {
        return Err(refusal(
            "the store has a suspended call whose future was forgotten; it cannot be entered again",
        ));
    }
    Ok(())
}

/// Calls `record` and waits for it to return or leave. Results are in `frame`.
///
/// # Errors
/// What made the call leave.
///
/// # Safety
/// `store` is live, exclusively ours, and owns `record` (or a host function that it keeps alive);
/// `frame` and `shape` hold arguments of the function's type.
pub unsafe fn call(
    store: *mut Store,
    record: NonNull<FuncRecord>,
    frame: &mut CallFrame,
    shape: CallShape<'_>,
) -> Result<(), Box<CallError>> {
    check_thread()?;
    // SAFETY: the caller vouches for the store, whose activations are alive; the record is its own.
    unsafe {
        check_store(store)?;
        let target = record.as_ref();
        let outer = (*store).activation;
        if target.vmctx == 0 {
            return call_host(store, target, frame, shape);
        }
        // A nested call goes on below the outer one's frames on the same stack.
        if !outer.is_null()
            && (*outer).wasm_sp != 0
            && let Some(header) = stack::header_of((*outer).wasm_sp)
        {
            return call_nested(store, header, target, frame, shape);
        }
        let stack = (*store)
            .take_stack()
            .map_err(|e| refused(Unwind::Error(e)))?;
        let activation = stack.root();
        (*activation).store = store;
        (*activation).prev = outer;
        let result = enter(activation, target, frame, shape);
        (*activation).prev = null_mut();
        (*store).give_stack(stack);
        result
    }
}

/// As [`call`], for a function whose arguments and results all travel in registers: what a call
/// costs when nothing else of the store runs is in the caller's own code.
///
/// # Errors
/// As [`call`].
///
/// # Safety
/// As [`call`]; no vector register carries anything unless `VECTORS`.
#[inline]
pub unsafe fn call_in_registers<const VECTORS: bool>(
    store: *mut Store,
    record: NonNull<FuncRecord>,
    frame: &mut CallFrame,
) -> Result<(), Box<CallError>> {
    // SAFETY: as in `call`. The idle stack is ours until it is given back, after the last look at
    // the frames on it.
    unsafe {
        let target = record.as_ref();
        // A thread that is not ready yet has nothing left.
        if sys::stack_left() >= HOST_STACK_RESERVE
            && target.vmctx != 0
            && let Some(stack) = (*store).take_idle_stack()
        {
            let activation = stack.root();
            (*activation).store = store;
            (*store).activation = activation;
            frame.int[0] = target.vmctx as u64;
            let status =
                arch::enter_in_registers::<VECTORS>(activation, stack.top(), target.code, frame);
            (*store).activation = null_mut();
            let result = finish(activation, status);
            (*store).give_stack(stack);
            return result;
        }
        // A copy, so that this frame's address stays unknown and it can live in registers.
        let mut copy = *frame;
        let result = call_from_copy(store, record, &mut copy, VECTORS);
        *frame = copy;
        result
    }
}

/// # Safety
/// As [`call_in_registers`].
#[inline(never)]
unsafe fn call_from_copy(
    store: *mut Store,
    record: NonNull<FuncRecord>,
    frame: &mut CallFrame,
    vectors: bool,
) -> Result<(), Box<CallError>> {
    let shape = CallShape {
        stack_args: &[],
        vectors,
    };
    // SAFETY: the caller's promise.
    unsafe { call(store, record, frame, shape) }
}

/// Runs a host function on this thread's stack, without a caller instance.
///
/// # Safety
/// As [`call`]; `target` is a host function.
unsafe fn call_host(
    store: *mut Store,
    target: &FuncRecord,
    frame: &mut CallFrame,
    shape: CallShape<'_>,
) -> Result<(), Box<CallError>> {
    let mut activation = Activation::new(store);
    let activation = &raw mut activation;
    // SAFETY: the activation is a local that is unlinked before this function returns.
    unsafe {
        (*activation).prev = (*store).activation;
        (*store).activation = activation;
        let outcome = call_host_directly(activation, target, frame, shape.stack_args);
        let result = finish(activation, status_of(outcome));
        (*store).activation = (*activation).prev;
        result
    }
}

/// Runs the shim of a host function.
///
/// # Safety
/// As [`call`]; `target` is a host function, and `activation` linked to the store.
pub(super) unsafe fn call_host_directly(
    activation: *mut Activation,
    target: &FuncRecord,
    frame: &mut CallFrame,
    stack_args: &[u64],
) -> Outcome {
    // SAFETY: host records are embedded in their HostFunc; the shim has the arguments of its type.
    let outcome = unsafe {
        let func = HostFunc::of_record(target);
        ((*func).shim)(
            func,
            0,
            frame,
            stack_args.as_ptr().cast_mut().cast(),
            activation,
        )
    };
    if outcome == Outcome::Resume {
        // A throwing host function found no wasm frame of this activation: there is none.
        return Outcome::Leave;
    }
    outcome
}

/// Calls a wasm function below the frames of the call that waits for us on the stack of `header`.
///
/// # Safety
/// As [`call`]; the innermost activation is in a host call on that stack.
unsafe fn call_nested(
    store: *mut Store,
    header: *mut StackHeader,
    target: &FuncRecord,
    frame: &mut CallFrame,
    shape: CallShape<'_>,
) -> Result<(), Box<CallError>> {
    let mut activation = Activation::new(store);
    let activation = &raw mut activation;
    // SAFETY: the activation is a local that is unlinked before this function returns.
    unsafe {
        let outer = (*store).activation;
        (*activation).prev = outer;
        (*activation).entry_sp = (*outer).wasm_sp & !15;
        if (*activation).entry_sp - (*header).limit < WASM_STACK_RESERVE {
            return Err(refused(Unwind::Trap(TrapCode::StackOverflow)));
        }
        let previous = (*header).activation;
        (*header).activation = activation;
        let result = enter(activation, target, frame, shape);
        (*header).activation = previous;
        result
    }
}

/// Enters wasm with an activation that is the innermost of its stack.
///
/// # Safety
/// As [`call`].
unsafe fn enter(
    activation: *mut Activation,
    target: &FuncRecord,
    frame: &mut CallFrame,
    shape: CallShape<'_>,
) -> Result<(), Box<CallError>> {
    // SAFETY: the activation and its store are alive; it was published in its stack's header before
    // the wasm stack is touched, so that a fault finds it.
    unsafe {
        let store = (*activation).store;
        (*activation).shape(shape);
        (*store).activation = activation;
        frame.int[0] = target.vmctx as u64;
        let status = arch::craneway_enter(activation, target.code, frame);
        let result = finish(activation, status);
        (*store).activation = (*activation).prev;
        result
    }
}

/// Turns the way an activation came back into a result.
///
/// # Safety
/// The activation has ended; its wasm stack is intact.
#[inline]
pub(super) unsafe fn finish(
    activation: *mut Activation,
    status: u32,
) -> Result<(), Box<CallError>> {
    if status == exit::RETURNED {
        return Ok(());
    }
    // SAFETY: as promised by the caller.
    Err(unsafe { left(activation) })
}

/// Why the activation left, and from where.
///
/// # Safety
/// As [`finish`].
#[cold]
unsafe fn left(activation: *mut Activation) -> Box<CallError> {
    // SAFETY: nothing runs on the wasm stack; the frames are still there to be read.
    unsafe {
        let frames = match (&(*activation).unwind, &(*activation).trap) {
            (Some(Unwind::Panic(_)), None) => Vec::new(),
            _ => backtrace::capture(activation),
        };
        (*activation).take_error(frames)
    }
}

/// How an entry ended whose host function, called directly, had this outcome.
pub(super) fn status_of(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Return => exit::RETURNED,
        Outcome::Pending => exit::PENDING,
        Outcome::Leave | Outcome::Again | Outcome::Resume => exit::LEFT,
    }
}
