//! One entry into wasm: its record, how it starts, suspends, resumes and leaves.
//!
//! ```text
//!   Running ──► InHost ──► Running            a host call that is ready
//!   InHost ──► Pending ──► InHost ──► Running   one that is not: the call leaves to the executor
//!   InHost ──► Left,  Running ──► Left          error, panic, exception; trap
//!   Pending ──► Left                            the future was dropped
//! ```
//! A host future lives in the activation, never on a wasm stack, and is polled only on the polling
//! task's own stack. It must never know the public API's types.

use super::arch::{self, CallFrame, exit};
use super::host_func::{HostFunc, Outcome};
use super::stack::WasmStack;
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

/// Least bytes that must be left of the thread's own stack for another nested entry.
const HOST_STACK_RESERVE: usize = 128 << 10;

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
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Resume {
    pub(crate) payload0: u64,
    pub(crate) payload1: u64,
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
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
    future: Option<HostFuture>,
    /// The task context during a poll; none in a synchronous call.
    poll: Option<NonNull<Context<'static>>>,
}

impl Activation {
    fn new(store: *mut Store) -> Activation {
        Activation {
            host_sp: 0,
            entry_sp: 0,
            wasm_sp: 0,
            wasm_fp: 0,
            stack_args: std::ptr::null(),
            stack_bytes: 0,
            vectors: 0,
            resume: Resume::default(),
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

    /// Drives a host future that the shim made. Ready: its outcome. Pending: suspends the call if
    /// it is asynchronous, else blocks on the store's runtime handle, else is an error.
    pub fn drive(&mut self, mut future: HostFuture) -> Outcome {
        if let Some(cx) = self.poll {
            // SAFETY: `poll` is set only while the context it points at is borrowed by our caller's
            // caller, the poll of this activation.
            let cx = unsafe { &mut *cx.as_ptr() };
            return match future.as_mut().poll(cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => {
                    self.future = Some(future);
                    Outcome::Pending
                }
            };
        }
        let mut noop = Context::from_waker(Waker::noop());
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut noop) {
            return outcome;
        }
        // SAFETY: the store outlives its activations; only its handle is read.
        let runtime = unsafe { (*self.store).runtime.clone() };
        match runtime {
            Some(handle) if tokio::runtime::Handle::try_current().is_err() => handle.block_on(future),
            _ => self.leave(Unwind::Error(anyhow::anyhow!(
                "a host function is not ready and this call is synchronous: use `call_async`, or give the store a \
                 tokio handle with `Store::set_runtime` and call from outside the runtime"
            ))),
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
fn refused(cause: Unwind) -> Box<CallError> {
    Box::new(CallError {
        cause,
        frames: Vec::new(),
    })
}

#[cold]
fn refusal(message: &'static str) -> Box<CallError> {
    refused(Unwind::Error(anyhow::anyhow!(message)))
}

/// Readies the thread and checks what is left of its stack.
#[inline]
fn check_thread() -> Result<(), Box<CallError>> {
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
unsafe fn check_store(store: *mut Store) -> Result<(), Box<CallError>> {
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
    // SAFETY: the caller vouches for the store.
    unsafe { check_store(store)? };
    let mut activation = Activation::new(store);
    activation.stack_args = shape.stack_args.as_ptr();
    activation.stack_bytes = size_of_val(shape.stack_args);
    activation.vectors = u32::from(shape.vectors);
    let activation = &raw mut activation;
    // SAFETY: the activation is a local that outlives the entry; the record is the store's.
    unsafe {
        let target = &*record.as_ptr();
        (*activation).prev = (*store).activation;
        let result = if target.vmctx == 0 {
            (*store).activation = activation;
            let outcome = call_host_directly(activation, target, frame, shape.stack_args);
            finish(
                activation,
                if outcome == Outcome::Return {
                    exit::RETURNED
                } else {
                    exit::LEFT
                },
            )
        } else {
            call_wasm(activation, target, frame)
        };
        (*store).activation = (*activation).prev;
        result
    }
}

/// Runs a host function on this thread's stack, without a caller instance.
///
/// # Safety
/// As [`call`].
unsafe fn call_host_directly(
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

/// # Safety
/// As [`call`]; `target` is a wasm function.
unsafe fn call_wasm(
    activation: *mut Activation,
    target: &FuncRecord,
    frame: &mut CallFrame,
) -> Result<(), Box<CallError>> {
    // SAFETY: see the comments inside.
    unsafe {
        let store = (*activation).store;
        let outer = (*activation).prev;
        // A nested synchronous call goes on below the outer one's frames on the same stack.
        let nested_on = if !outer.is_null() && (*outer).wasm_sp != 0 {
            super::stack::header_of((*outer).wasm_sp)
        } else {
            None
        };
        let mut own = None;
        let header = match nested_on {
            Some(header) => {
                (*activation).entry_sp = (*outer).wasm_sp & !15;
                header
            }
            None => {
                let stack = (*store)
                    .take_stack()
                    .map_err(|e| refused(Unwind::Error(e)))?;
                (*activation).entry_sp = stack.top();
                let header = stack.header();
                own = Some(stack);
                header
            }
        };
        // Published before the wasm stack is touched: a fault in `enter` finds it.
        let previous = (*header).activation;
        (*header).activation = activation;
        (*store).activation = activation;
        frame.int[0] = target.vmctx as u64;
        let status = arch::craneway_enter(activation, target.code, frame);
        let result = finish(activation, status);
        (*header).activation = previous;
        if let Some(stack) = own {
            (*store).give_stack(stack);
        }
        result
    }
}

/// Turns the way an activation came back into a result.
///
/// # Safety
/// The activation has ended; its wasm stack is intact.
#[inline]
unsafe fn finish(activation: *mut Activation, status: u32) -> Result<(), Box<CallError>> {
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

enum Progress {
    Start,
    Running { stack: Option<WasmStack> },
    Done,
}

/// A call that may suspend: the state machine behind `call_async`.
///
/// It owns its wasm stack and activation, so it may move between threads between polls.
pub struct AsyncCall {
    activation: Box<Activation>,
    frame: Box<CallFrame>,
    stack_args: Box<[u64]>,
    record: NonNull<FuncRecord>,
    progress: Progress,
}

// SAFETY: between polls nothing of it is used by any thread: wasm frames on its stack are plain
// memory, the host future is Send, and the store it points at is exclusively borrowed by whoever
// holds this value (who is Send only if the store's data is).
unsafe impl Send for AsyncCall {}

impl AsyncCall {
    /// Prepares a call; nothing runs before the first poll.
    ///
    /// # Safety
    /// As [`call`], until this value is dropped.
    pub unsafe fn new(
        store: *mut Store,
        record: NonNull<FuncRecord>,
        frame: CallFrame,
        stack_args: Box<[u64]>,
        vectors: bool,
    ) -> AsyncCall {
        let mut activation = Box::new(Activation::new(store));
        activation.stack_args = stack_args.as_ptr();
        activation.stack_bytes = size_of_val(&*stack_args);
        activation.vectors = u32::from(vectors);
        AsyncCall {
            activation,
            frame: Box::new(frame),
            stack_args,
            record,
            progress: Progress::Start,
        }
    }

    /// The frame; results are in it once the call is ready.
    pub fn frame(&mut self) -> &mut CallFrame {
        &mut self.frame
    }

    /// Runs until the call returns, leaves, or waits for a host future.
    ///
    /// # Panics
    /// If polled again after it was ready.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Box<CallError>>> {
        if let Err(e) = check_thread() {
            return Poll::Ready(Err(e));
        }
        let activation: *mut Activation = &mut *self.activation;
        // SAFETY: the activation is boxed and ours; the erased lifetime of the context ends when
        // `poll` is cleared below, before this function returns.
        unsafe {
            (*activation).poll = Some(NonNull::from(cx).cast());
            let status = match self.progress {
                Progress::Start => self.start(),
                Progress::Running { .. } => self.go_on(),
                Progress::Done => panic!("a finished wasm call was polled again"),
            };
            (*activation).poll = None;
            match status {
                Ok(exit::PENDING) => {
                    (*activation).state = State::Pending;
                    Poll::Pending
                }
                Ok(status) => {
                    let result = finish(activation, status);
                    self.unlink();
                    Poll::Ready(result)
                }
                Err(e) => {
                    self.progress = Progress::Done;
                    Poll::Ready(Err(e))
                }
            }
        }
    }

    /// # Safety
    /// The store is exclusively ours.
    unsafe fn start(&mut self) -> Result<u32, Box<CallError>> {
        let activation: *mut Activation = &mut *self.activation;
        // SAFETY: as `call`, with a stack of our own even when nested: only its outermost
        // activation may suspend.
        unsafe {
            let store = (*activation).store;
            check_store(store)?;
            let target = &*self.record.as_ptr();
            (*activation).prev = (*store).activation;
            if target.vmctx == 0 {
                (*store).activation = activation;
                self.progress = Progress::Running { stack: None };
                return Ok(status_of(call_host_directly(
                    activation,
                    target,
                    &mut self.frame,
                    &self.stack_args,
                )));
            }
            let stack = (*store)
                .take_stack()
                .map_err(|e| refused(Unwind::Error(e)))?;
            (*activation).entry_sp = stack.top();
            (*stack.header()).activation = activation;
            (*store).activation = activation;
            self.progress = Progress::Running { stack: Some(stack) };
            self.frame.int[0] = target.vmctx as u64;
            Ok(arch::craneway_enter(
                activation,
                target.code,
                &mut *self.frame,
            ))
        }
    }

    /// Polls the pending future and re-enters wasm if it is ready.
    ///
    /// # Safety
    /// The store is exclusively ours and the activation is pending.
    unsafe fn go_on(&mut self) -> Result<u32, Box<CallError>> {
        let activation: *mut Activation = &mut *self.activation;
        // SAFETY: the future and the context are live; the host frame of the pending call lies
        // untouched on our wasm stack.
        unsafe {
            let Some(mut future) = (*activation).future.take() else {
                return Err(refusal("a suspended call has no host future"));
            };
            (*activation).state = State::Active;
            let Some(cx) = (*activation).poll else {
                return Err(refusal("a call was polled without a context"));
            };
            let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                future.as_mut().poll(&mut *cx.as_ptr())
            }));
            let outcome = match polled {
                Ok(Poll::Ready(outcome)) => outcome,
                Ok(Poll::Pending) => {
                    (*activation).future = Some(future);
                    return Ok(exit::PENDING);
                }
                Err(panic) => (*activation).leave(Unwind::Panic(panic)),
            };
            drop(future);
            let on_wasm_stack = matches!(self.progress, Progress::Running { stack: Some(_) });
            match outcome {
                Outcome::Return if on_wasm_stack => Ok(arch::craneway_resume(activation)),
                Outcome::Resume if on_wasm_stack => {
                    Ok(arch::craneway_resume_at_handler(activation))
                }
                outcome => Ok(status_of(outcome)),
            }
        }
    }

    fn unlink(&mut self) {
        if let Progress::Running { stack } = std::mem::replace(&mut self.progress, Progress::Done) {
            // SAFETY: the store is exclusively ours and alive.
            unsafe {
                let store = self.activation.store;
                (*store).activation = self.activation.prev;
                if let Some(stack) = stack {
                    (*stack.header()).activation = null_mut();
                    (*store).give_stack(stack);
                }
            }
        }
    }
}

fn status_of(outcome: Outcome) -> u32 {
    match outcome {
        Outcome::Return => exit::RETURNED,
        Outcome::Pending => exit::PENDING,
        Outcome::Leave | Outcome::Again | Outcome::Resume => exit::LEFT,
    }
}

impl Drop for AsyncCall {
    fn drop(&mut self) {
        /// Unlinks even if dropping the future panics: the store must not keep a freed activation.
        struct Unlink<'a>(&'a mut AsyncCall);
        impl Drop for Unlink<'_> {
            fn drop(&mut self) {
                self.0.unlink();
            }
        }
        let call = Unlink(self);
        // The host future goes first: it may borrow the store.
        call.0.activation.future = None;
    }
}
