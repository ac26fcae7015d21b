//! Host functions that may not be ready: futures, polled at once on the thread's own stack.
//!
//! Ready means that wasm goes on without the executor noticing; pending means that the call leaves
//! and the future is polled again by the task, until it is ready and wasm is re-entered.

use super::host::{
    Vals, blank_results, closure, fail, make, read_args, read_vals, store, write_results,
    write_vals,
};
use super::{WasmParams, WasmResults, WasmRet};
use crate::store::StoreInner;
use crate::vm::{Activation, CallFrame, Entry, HostFunc, HostFuture, Outcome, Unwind};
use crate::{Caller, Engine, FuncType, Result, Val};
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// What a host function that may not be ready returns.
///
/// Ready costs no allocation and never goes to the executor.
pub enum MaybeAsync<'a, R> {
    /// The results are there.
    Ready(Result<R>),
    /// They will be there when the future is ready.
    Pending(Pin<Box<dyn Future<Output = Result<R>> + Send + 'a>>),
}

impl<R> std::fmt::Debug for MaybeAsync<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            MaybeAsync::Ready(_) => "Ready",
            MaybeAsync::Pending(_) => "Pending",
        })
    }
}

/// What the second half of a suspended host call needs, as addresses that may change threads.
struct Site<T: 'static> {
    store: *mut StoreInner<T>,
    frame: *mut CallFrame,
    activation: *mut Activation,
    func: *const HostFunc,
    scope: usize,
}

// SAFETY: whoever drives the future holds the store exclusively, and it is Send because async
// calls ask `T: Send`; frame and activation belong to the same call.
unsafe impl<T> Send for Site<T> {}

impl<T> Drop for Site<T> {
    /// Ends the scope of the references that the function made, however it ended: finished, panicked,
    /// or given up with its call.
    fn drop(&mut self) {
        // SAFETY: a site is dropped before the call that it belongs to ends, and that call borrows
        // the store exclusively. Sites of calls from inside the function are dropped before it.
        unsafe {
            let core = (*self.store).core_mut();
            core.handles_mut().exit_scope(self.scope);
        }
    }
}

/// Polls `future` in the context of the store's runtime if there is no other: what waits for timers
/// and sockets of tokio needs one even to be asked.
async fn in_runtime<R>(
    runtime: Option<tokio::runtime::Handle>,
    mut future: Pin<Box<dyn Future<Output = R> + Send + '_>>,
) -> R {
    std::future::poll_fn(move |cx| {
        let _entered = enter_runtime(&runtime);
        future.as_mut().poll(cx)
    })
    .await
}

fn enter_runtime(
    runtime: &Option<tokio::runtime::Handle>,
) -> Option<tokio::runtime::EnterGuard<'_>> {
    runtime
        .as_ref()
        .filter(|_| tokio::runtime::Handle::try_current().is_err())
        .map(|handle| handle.enter())
}

impl<T> Site<T> {
    /// The site of a host call that begins: references that it makes are rooted until it ends.
    ///
    /// # Safety
    /// The pointers are the ones that a shim of a store with data `T` was called with.
    unsafe fn new(
        func: *const HostFunc,
        frame: *mut CallFrame,
        activation: *mut Activation,
    ) -> Site<T> {
        // SAFETY: the caller's promise.
        let store: *mut StoreInner<T> = unsafe { store::<T>(activation) };
        Site {
            store,
            frame,
            activation,
            func,
            // SAFETY: as above.
            scope: unsafe { (*store).core().handles().enter_scope() },
        }
    }

    /// Where the future may wait if the call is synchronous.
    ///
    /// # Safety
    /// The store is alive.
    unsafe fn runtime(&self) -> Option<tokio::runtime::Handle> {
        // SAFETY: the caller's promise; nothing else uses the store meanwhile.
        unsafe { (*self.store).core().runtime.clone() }
    }

    /// Polls a future once, in the context of the store's runtime if there is no other.
    ///
    /// # Safety
    /// The store and the activation are alive.
    #[inline(never)]
    unsafe fn poll_in_runtime<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        // SAFETY: the caller's promise.
        unsafe {
            let runtime = self.runtime();
            let _entered = enter_runtime(&runtime);
            (*self.activation).poll_once(future)
        }
    }

    /// Polls the future that the function returned for the first time, where it is: one that is ready
    /// is never moved. A pending one goes to the activation.
    ///
    /// # Safety
    /// As [`finish`](Site::finish); the frame is that of a call of a function returning `R`.
    #[inline]
    unsafe fn drive<X: 'static, R: WasmResults>(
        self,
        mut future: Pin<Box<dyn Future<Output = X> + Send>>,
        convert: impl FnOnce(X) -> Result<R> + Send + 'static,
    ) -> Outcome {
        // SAFETY: the caller's promise.
        unsafe {
            let polled = if (*self.store).core().runtime.is_none() {
                (*self.activation).poll_once(future.as_mut())
            } else {
                self.poll_in_runtime(future.as_mut())
            };
            let activation = self.activation;
            match polled {
                Poll::Ready(x) => {
                    drop(future);
                    self.write(convert(x))
                }
                Poll::Pending => (*activation).wait(Box::pin(async move {
                    let site = self;
                    let x = in_runtime(site.runtime(), future).await;
                    site.write(convert(x))
                })),
            }
        }
    }

    /// Writes results and finishes.
    ///
    /// # Safety
    /// As [`drive`](Site::drive).
    #[inline]
    unsafe fn write<R: WasmResults>(self, result: Result<R>) -> Outcome {
        // SAFETY: the caller's promise.
        unsafe {
            let written =
                result.and_then(|r| write_results((*self.store).core_mut(), self.frame, r));
            self.finish(written)
        }
    }

    /// Turns results into an outcome: writes them, or leaves with the error.
    ///
    /// # Safety
    /// The host call of this site is the innermost of its activation, and its future is through.
    unsafe fn finish(self, result: Result<()>) -> Outcome {
        // SAFETY: the caller's promise.
        unsafe {
            match result {
                Ok(()) => Outcome::Return,
                Err(e) => fail((*self.store).core(), self.activation, e),
            }
        }
    }
}

/// Catches a panic of the first half of a host function.
///
/// # Safety
/// `activation` is alive.
unsafe fn guarded(activation: *mut Activation, body: impl FnOnce() -> Outcome) -> Outcome {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(outcome) => outcome,
        // SAFETY: the caller's promise.
        Err(panic) => unsafe { (*activation).leave(Unwind::Panic(panic)) },
    }
}

/// A host function that is ready, or returns a future.
pub(crate) fn host_func_maybe_async<T, F, P, R>(engine: &Engine, func: F) -> Result<Arc<HostFunc>>
where
    T: 'static,
    F: for<'a> Fn(Caller<'a, T>, P) -> MaybeAsync<'a, R> + Send + Sync + 'static,
    P: WasmParams,
    R: WasmResults,
{
    unsafe extern "C" fn shim<T: 'static, F, P, R>(
        func: *const HostFunc,
        caller: usize,
        frame: *mut CallFrame,
        stack: *mut u8,
        activation: *mut Activation,
    ) -> Outcome
    where
        F: for<'a> Fn(Caller<'a, T>, P) -> MaybeAsync<'a, R> + 'static,
        P: WasmParams,
        R: WasmResults,
    {
        // SAFETY: `call_host` calls this shim with its own function and a frame of its type. The
        // future's borrow of the store is erased; it is dropped before the call that owns it ends.
        unsafe {
            guarded(activation, || {
                let site = Site::<T>::new(func, frame, activation);
                let store = site.store;
                let args = read_args::<P, R>((*store).core_mut(), frame, stack);
                match closure::<F>(func)(Caller::new(&mut *store, caller), args) {
                    MaybeAsync::Ready(result) => site.write(result),
                    MaybeAsync::Pending(future) => site.drive(future, |result| result),
                }
            })
        }
    }
    let ty = super::typed::func_type::<P, R>();
    make(
        engine,
        Entry::Frame(shim::<T, F, P, R>),
        Box::new(func),
        &ty,
    )
}

/// A host function that returns a future with Rust types.
pub(crate) fn host_func_async<T, F, P, R>(engine: &Engine, func: F) -> Result<Arc<HostFunc>>
where
    T: 'static,
    F: for<'a> Fn(Caller<'a, T>, P) -> Box<dyn Future<Output = R> + Send + 'a>
        + Send
        + Sync
        + 'static,
    P: WasmParams + 'static,
    R: WasmRet + 'static,
{
    unsafe extern "C" fn shim<T: 'static, F, P, R>(
        func: *const HostFunc,
        caller: usize,
        frame: *mut CallFrame,
        stack: *mut u8,
        activation: *mut Activation,
    ) -> Outcome
    where
        F: for<'a> Fn(Caller<'a, T>, P) -> Box<dyn Future<Output = R> + Send + 'a> + 'static,
        P: WasmParams,
        R: WasmRet,
    {
        // SAFETY: as in `host_func_maybe_async`.
        unsafe {
            guarded(activation, || {
                let site = Site::<T>::new(func, frame, activation);
                let store = site.store;
                let args = read_args::<P, R::Ok>((*store).core_mut(), frame, stack);
                let future = closure::<F>(func)(Caller::new(&mut *store, caller), args);
                site.drive(Box::into_pin(future), R::into_result)
            })
        }
    }
    let ty = super::typed::func_type::<P, R::Ok>();
    make(
        engine,
        Entry::Frame(shim::<T, F, P, R>),
        Box::new(func),
        &ty,
    )
}

/// A host function that returns a future, over values of any type.
pub(crate) fn host_func_async_untyped<T, F>(
    engine: &Engine,
    ty: FuncType,
    func: F,
) -> Result<Arc<HostFunc>>
where
    T: 'static,
    F: for<'a> Fn(
            Caller<'a, T>,
            &'a [Val],
            &'a mut [Val],
        ) -> Box<dyn Future<Output = Result<()>> + Send + 'a>
        + Send
        + Sync
        + 'static,
{
    unsafe extern "C" fn shim<T: 'static, F>(
        func: *const HostFunc,
        caller: usize,
        frame: *mut CallFrame,
        stack: *mut u8,
        activation: *mut Activation,
    ) -> Outcome
    where
        F: for<'a> Fn(
                Caller<'a, T>,
                &'a [Val],
                &'a mut [Val],
            ) -> Box<dyn Future<Output = Result<()>> + Send + 'a>
            + 'static,
    {
        // SAFETY: as in `host_func_maybe_async`; values live in the future that borrows them.
        unsafe {
            guarded(activation, || {
                let site = Site::<T>::new(func, frame, activation);
                let (mut params, mut results) = (Vals::new(), Vals::new());
                read_vals((*site.store).core_mut(), &*func, frame, stack, &mut params);
                blank_results(&*func, &mut results);
                let future: HostFuture = Box::pin(Untyped {
                    site: Some(site),
                    params,
                    results,
                    future: None,
                    start: start::<T, F>,
                    caller,
                    _pinned: PhantomPinned,
                });
                (*activation).drive(future)
            })
        }
    }
    make(engine, Entry::Frame(shim::<T, F>), Box::new(func), &ty)
}

type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// A running untyped host function: owns the values that its future borrows.
struct Untyped<T: 'static> {
    /// Dropped before the values that it borrows.
    future: Option<Running>,
    site: Option<Site<T>>,
    params: Vals,
    results: Vals,
    _pinned: PhantomPinned,
    start: unsafe fn(&Site<T>, usize, *const [Val], *mut [Val]) -> Running,
    caller: usize,
}

/// # Safety
/// The values outlive the future, and the site's function has a closure of type `F`.
unsafe fn start<T: 'static, F>(
    site: &Site<T>,
    caller: usize,
    params: *const [Val],
    results: *mut [Val],
) -> Running
where
    F: for<'a> Fn(
            Caller<'a, T>,
            &'a [Val],
            &'a mut [Val],
        ) -> Box<dyn Future<Output = Result<()>> + Send + 'a>
        + 'static,
{
    // SAFETY: the caller's promise; the store is exclusively the call's.
    unsafe {
        Box::into_pin(closure::<F>(site.func)(
            Caller::new(&mut *site.store, caller),
            &*params,
            &mut *results,
        ))
    }
}

impl<T: 'static> Future for Untyped<T> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Outcome> {
        // SAFETY: nothing is moved out of the pinned value but the site at the end; the values stay
        // where they are.
        unsafe {
            let this = self.get_unchecked_mut();
            let Some(site) = &this.site else {
                panic!("a finished host function was polled again")
            };
            if this.future.is_none() {
                let future = (this.start)(
                    site,
                    this.caller,
                    &raw const *this.params,
                    &raw mut *this.results,
                );
                this.future = Some(Box::pin(in_runtime(site.runtime(), future)));
            }
            let Some(future) = &mut this.future else {
                panic!("the host function was started")
            };
            let Poll::Ready(result) = future.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            this.future = None;
            let Some(site) = this.site.take() else {
                panic!("the site was there")
            };
            let written = result.and_then(|()| {
                write_vals((*site.store).core(), &*site.func, site.frame, &this.results)
            });
            Poll::Ready(site.finish(written))
        }
    }
}
