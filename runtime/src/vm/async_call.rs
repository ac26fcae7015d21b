//! Calls that may suspend: one entry into wasm, spread over polls.
//!
//! Between polls nothing of a call runs: wasm frames wait on the call's own stack, the host future in
//! its activation. It must never know what polls it.

use super::activation::{
    Activation, CallError, CallShape, State, Unwind, call_host_directly, check_store, check_thread,
    finish, refusal, refused, status_of,
};
use super::arch::{self, CallFrame, exit};
use super::host_func::Outcome;
use super::stack::WasmStack;
use super::store::Store;
use craneway_jit::abi::FuncRecord;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

enum Progress {
    Start,
    Running { stack: Option<WasmStack> },
    Done,
}

/// A call that may suspend: the state machine behind `call_async`.
///
/// It owns its wasm stack and activation, so it may change threads between polls. Once polled it
/// stays where it is, and nothing of it needs the heap.
pub struct AsyncCall {
    activation: Activation,
    frame: CallFrame,
    record: NonNull<FuncRecord>,
    progress: Progress,
    _pinned: PhantomPinned,
}

// SAFETY: between polls nothing of it is used by any thread: wasm frames on its stack are plain
// memory, the host future is Send, and the store it points at is exclusively borrowed by whoever
// holds this value (who is Send only if the store's data is).
unsafe impl Send for AsyncCall {}

impl AsyncCall {
    /// Prepares a call; nothing runs before the first poll.
    ///
    /// # Safety
    /// As [`call`](super::call), until this value is dropped; the stack arguments stay where they
    /// are as long.
    #[inline]
    pub unsafe fn new(
        store: *mut Store,
        record: NonNull<FuncRecord>,
        frame: CallFrame,
        shape: CallShape<'_>,
    ) -> AsyncCall {
        let mut activation = Activation::new(store);
        activation.shape(shape);
        AsyncCall {
            activation,
            frame,
            record,
            progress: Progress::Start,
            _pinned: PhantomPinned,
        }
    }

    /// Runs the call to its end; results are in the frame.
    ///
    /// # Errors
    /// What made it leave.
    pub async fn run(self) -> Result<CallFrame, Box<CallError>> {
        let mut this = std::pin::pin!(self);
        std::future::poll_fn(|cx| this.as_mut().poll(cx)).await?;
        Ok(this.frame)
    }

    /// The frame; results are in it once the call is ready.
    pub fn frame(&self) -> &CallFrame {
        &self.frame
    }

    /// Runs until the call returns, leaves, or waits for a host future.
    ///
    /// # Panics
    /// If polled again after it was ready.
    pub fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Box<CallError>>> {
        if let Err(e) = check_thread() {
            return Poll::Ready(Err(e));
        }
        // SAFETY: the activation and the frame, whose addresses are taken, are pinned with us and ours;
        // the erased lifetime of the context ends when `poll` is cleared below, before this function
        // returns.
        unsafe {
            let this = self.get_unchecked_mut();
            let activation = &raw mut this.activation;
            (*activation).poll = Some(NonNull::from(cx).cast());
            let status = match this.progress {
                Progress::Start => this.start(),
                Progress::Running { .. } => this.go_on(),
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
                    this.unlink();
                    Poll::Ready(result)
                }
                Err(e) => {
                    this.progress = Progress::Done;
                    Poll::Ready(Err(e))
                }
            }
        }
    }

    /// # Safety
    /// The store is exclusively ours.
    unsafe fn start(&mut self) -> Result<u32, Box<CallError>> {
        let activation = &raw mut self.activation;
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
                let words = (*activation).stack_bytes / size_of::<u64>();
                let stack_args = std::slice::from_raw_parts((*activation).stack_args, words);
                return Ok(status_of(call_host_directly(
                    activation,
                    target,
                    &mut self.frame,
                    stack_args,
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
                &raw mut self.frame,
            ))
        }
    }

    /// Polls the pending future and re-enters wasm if it is ready.
    ///
    /// # Safety
    /// The store is exclusively ours and the activation is pending.
    unsafe fn go_on(&mut self) -> Result<u32, Box<CallError>> {
        let activation = &raw mut self.activation;
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
                    (*stack.header()).activation = stack.root();
                    (*store).give_stack(stack);
                }
            }
        }
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
