//! Host functions: closures behind shims, with Rust types or with values of any type.

use super::typed::{
    Places, Reader, StoreHandle, TypedReader, TypedWriter, Writer, buffered, for_each_arity,
    func_type,
};
use super::{WasmParams, WasmResults, WasmTy, from_bits, to_bits};
use crate::store::StoreInner;
use crate::vm::{Activation, CallFrame, HostFunc, Outcome, Shim, Store as Core, Unwind, throw};
use crate::{Caller, Engine, Error, FuncType, Result, ThrownException, Val};
use craneway_jit::abi::{Loc, ResultsAbi};
use craneway_jit::module as wasm;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What a host function may return: results, or a `Result` of them.
pub trait WasmRet: Sized + 'static {
    #[doc(hidden)]
    type Ok: WasmResults;
    #[doc(hidden)]
    fn into_result(self) -> Result<Self::Ok>;
}

impl<A: WasmTy> WasmRet for A {
    type Ok = A;
    #[inline]
    fn into_result(self) -> Result<A> {
        Ok(self)
    }
}

impl<R: WasmResults, E: Into<Error> + 'static> WasmRet for Result<R, E> {
    type Ok = R;
    #[inline]
    fn into_result(self) -> Result<R> {
        self.map_err(Into::into)
    }
}

macro_rules! tuple_returns {
    ($($name:ident)*) => {
        impl<$($name: WasmTy),*> WasmRet for ($($name,)*) {
            type Ok = ($($name,)*);
            #[inline]
            fn into_result(self) -> Result<Self::Ok> { Ok(self) }
        }
    };
}

for_each_arity!(tuple_returns);

/// The pieces that a host function is made of.
#[doc(hidden)]
pub struct HostParts {
    shim: Shim,
    closure: Box<dyn Any + Send + Sync>,
    ty: FuncType,
}

/// A closure that can be a host function: up to 16 wasm parameters, optionally led by a [`Caller`].
pub trait IntoFunc<T, Params, Results>: Send + Sync + 'static {
    #[doc(hidden)]
    fn into_parts(self) -> HostParts;
}

/// Marks closures that take a [`Caller`] first.
#[doc(hidden)]
pub struct WithCaller<P>(std::marker::PhantomData<P>);

/// What a shim works with.
pub(super) struct Entry<'a, T: 'static> {
    pub(super) store: &'a mut StoreInner<T>,
    pub(super) frame: *mut CallFrame,
    pub(super) stack: *mut u8,
    pub(super) activation: *mut Activation,
}

/// # Safety
/// The pointers are the ones that a shim of a store with data `T` was called with.
pub(super) unsafe fn entry<'a, T: 'static>(
    frame: *mut CallFrame,
    stack: *mut u8,
    activation: *mut Activation,
) -> Entry<'a, T> {
    // SAFETY: the core is the first field of the store's inner part; wasm is stopped while a shim
    // runs, so the store is exclusively ours. Host functions reach stores of their own type only:
    // linkers and stores are typed.
    let store = unsafe { &mut *(*activation).store().cast::<StoreInner<T>>() };
    Entry {
        store,
        frame,
        stack,
        activation,
    }
}

/// Makes the call leave with an error, or throws the exception that it holds.
///
/// # Safety
/// A shim of `activation` is running and returns the result.
pub(super) unsafe fn fail(core: &Core, activation: *mut Activation, error: Error) -> Outcome {
    if let Some(thrown) = error.downcast_ref::<ThrownException>()
        && let Ok(handle) = thrown.exn.handle(core)
    {
        // SAFETY: the caller is such a shim.
        return unsafe { throw(activation, handle) };
    }
    // SAFETY: the activation is alive.
    unsafe { (*activation).leave(Unwind::Error(error)) }
}

/// Reads the arguments of `P`, for a function that returns `R`.
///
/// # Safety
/// The frame and stack hold arguments of `P`.
pub(super) unsafe fn read_args<P: WasmParams, R: WasmParams>(
    core: &mut Core,
    frame: *const CallFrame,
    stack: *const u8,
) -> P {
    let reader = Reader {
        // SAFETY: the caller's frame is live.
        frame: unsafe { &*frame },
        memory: stack,
        places: Places::params(buffered::<R>()),
    };
    P::read(&mut StoreHandle(core), &mut TypedReader(reader))
}

/// Writes results of `R`.
///
/// # Safety
/// The frame is that of a call of a function returning `R`, with the arguments still in it.
pub(super) unsafe fn write_results<R: WasmParams>(
    core: &mut Core,
    frame: *mut CallFrame,
    results: R,
) -> Result<()> {
    // SAFETY: the caller's frame is live and ours; a buffer's address is integer argument 1.
    let frame = unsafe { &mut *frame };
    let memory = if buffered::<R>() {
        frame.int[1] as *mut u8
    } else {
        std::ptr::null_mut()
    };
    let writer = Writer {
        frame,
        memory,
        places: Places::results(buffered::<R>()),
    };
    results.write(&StoreHandle(core), &mut TypedWriter(writer))
}

/// Runs `body` of a host function: results to the frame, errors and panics to the activation, roots
/// made meanwhile forgotten.
///
/// # Safety
/// As [`entry`]; the frame holds arguments of `P`.
#[inline]
unsafe fn run<T: 'static, P: WasmParams, R: WasmRet>(
    entry: Entry<'_, T>,
    body: impl FnOnce(&mut StoreInner<T>, P) -> R,
) -> Outcome {
    let Entry {
        store,
        frame,
        stack,
        activation,
        ..
    } = entry;
    let scope = store.core().handles().enter_scope();
    let result = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise.
        let args = unsafe { read_args::<P, R::Ok>(store.core_mut(), frame, stack) };
        let results = body(store, args).into_result()?;
        // SAFETY: as above.
        unsafe { write_results(store.core_mut(), frame, results) }
    }));
    let outcome = match result {
        Ok(Ok(())) => Outcome::Return,
        // SAFETY: we are in a shim of this activation.
        Ok(Err(e)) => unsafe { fail(store.core(), activation, e) },
        // SAFETY: the activation is alive.
        Err(panic) => unsafe { (*activation).leave(Unwind::Panic(panic)) },
    };
    store.core_mut().handles_mut().exit_scope(scope);
    outcome
}

/// The closure of a host function.
///
/// # Safety
/// `func` was made with a closure of type `F`.
pub(super) unsafe fn closure<'a, F: 'static>(func: *const HostFunc) -> &'a F {
    // SAFETY: the caller's promise; the function outlives the call, held by store or linker.
    unsafe { &*((*func).closure() as *const (dyn Any + Send + Sync)).cast::<F>() }
}

macro_rules! closures {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "a value has the name of its type")]
        impl<T: 'static, Fun, $($name: WasmTy,)* R: WasmRet> IntoFunc<T, ($($name,)*), R> for Fun
        where Fun: Fn($($name),*) -> R + Send + Sync + 'static
        {
            fn into_parts(self) -> HostParts {
                unsafe extern "C" fn shim<T: 'static, Fun, $($name: WasmTy,)* R: WasmRet>(
                    func: *const HostFunc, _: usize, frame: *mut CallFrame, stack: *mut u8, activation: *mut Activation,
                ) -> Outcome
                where Fun: Fn($($name),*) -> R + 'static
                {
                    // SAFETY: `call_host` calls this shim with its own function and a frame of its type.
                    unsafe {
                        let f = closure::<Fun>(func);
                        run::<T, ($($name,)*), R>(entry(frame, stack, activation), |_, ($($name,)*)| f($($name),*))
                    }
                }
                HostParts {
                    shim: shim::<T, Fun, $($name,)* R>,
                    closure: Box::new(self),
                    ty: func_type::<($($name,)*), R::Ok>(),
                }
            }
        }

        #[allow(non_snake_case, reason = "a value has the name of its type")]
        impl<T: 'static, Fun, $($name: WasmTy,)* R: WasmRet> IntoFunc<T, WithCaller<($($name,)*)>, R> for Fun
        where Fun: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static
        {
            fn into_parts(self) -> HostParts {
                unsafe extern "C" fn shim<T: 'static, Fun, $($name: WasmTy,)* R: WasmRet>(
                    func: *const HostFunc, caller: usize, frame: *mut CallFrame, stack: *mut u8, activation: *mut Activation,
                ) -> Outcome
                where Fun: Fn(Caller<'_, T>, $($name),*) -> R + 'static
                {
                    // SAFETY: as above.
                    unsafe {
                        let f = closure::<Fun>(func);
                        run::<T, ($($name,)*), R>(entry(frame, stack, activation), |store, ($($name,)*)| {
                            f(Caller::new(store, caller), $($name),*)
                        })
                    }
                }
                HostParts {
                    shim: shim::<T, Fun, $($name,)* R>,
                    closure: Box::new(self),
                    ty: func_type::<($($name,)*), R::Ok>(),
                }
            }
        }
    };
}

for_each_arity!(closures);

pub(super) fn make(
    engine: &Engine,
    shim: Shim,
    closure: Box<dyn Any + Send + Sync>,
    ty: &FuncType,
) -> Result<Arc<HostFunc>> {
    let sig = engine.signatures().register(ty.as_wasm());
    HostFunc::new(shim, closure, ty.as_wasm().clone(), sig)
        .map_err(|e| Error::new(e).context("no memory for the stub of a host function"))
}

/// A host function from a closure with Rust types.
pub(crate) fn host_func<T, P, R>(
    engine: &Engine,
    func: impl IntoFunc<T, P, R>,
) -> Result<Arc<HostFunc>> {
    let parts = func.into_parts();
    make(engine, parts.shim, parts.closure, &parts.ty)
}

/// The arguments of a host function as values.
///
/// # Safety
/// The frame and stack hold arguments of the function's type.
pub(super) unsafe fn read_vals(
    core: &mut Core,
    func: &HostFunc,
    frame: *const CallFrame,
    stack: *const u8,
) -> Vec<Val> {
    let read = |(ty, loc): (&wasm::ValType, &Loc)| {
        // SAFETY: the caller's promise.
        let bits = unsafe {
            match *loc {
                Loc::Int(n) => u128::from((*frame).int[n as usize]),
                Loc::Vec(n) => (*frame).vector(n),
                Loc::Stack(offset) if *ty == wasm::ValType::V128 => {
                    stack.add(offset as usize).cast::<u128>().read_unaligned()
                }
                Loc::Stack(offset) => {
                    u128::from(stack.add(offset as usize).cast::<u64>().read_unaligned())
                }
            }
        };
        from_bits(core, *ty, bits)
    };
    func.ty()
        .params
        .iter()
        .zip(&func.abi().params)
        .map(read)
        .collect()
}

/// Writes a host function's results.
///
/// # Safety
/// The frame is that of a call of `func`, with the arguments still in it.
pub(super) unsafe fn write_vals(
    core: &Core,
    func: &HostFunc,
    frame: *mut CallFrame,
    results: &[Val],
) -> Result<()> {
    let (ResultsAbi::Regs(locs) | ResultsAbi::Buffer { locs, .. }) = &func.abi().results;
    // SAFETY: the frame is live; a buffer's address is integer argument 1, and it has room.
    unsafe {
        let buffer = (*frame).int[1] as *mut u8;
        for ((value, ty), loc) in results.iter().zip(&func.ty().results).zip(locs) {
            let bits = to_bits(core, value, *ty)?;
            match *loc {
                Loc::Int(n) => (*frame).int[n as usize] = bits as u64,
                Loc::Vec(n) => (*frame).set_vector(n, bits),
                Loc::Stack(offset) if *ty == wasm::ValType::V128 => {
                    buffer
                        .add(offset as usize)
                        .cast::<u128>()
                        .write_unaligned(bits);
                }
                Loc::Stack(offset) => buffer
                    .add(offset as usize)
                    .cast::<u64>()
                    .write_unaligned(bits as u64),
            }
        }
    }
    Ok(())
}

/// Room for the results of a function: zero or null.
pub(super) fn blank_results(func: &HostFunc) -> Vec<Val> {
    let blank = |ty: &wasm::ValType| {
        Val::default_for_ty(&crate::ValType::from_wasm(*ty)).unwrap_or(Val::I32(0))
    };
    func.ty().results.iter().map(blank).collect()
}

/// A host function from a closure over values of any type.
pub(crate) fn host_func_untyped<T: 'static, F>(
    engine: &Engine,
    ty: FuncType,
    func: F,
) -> Result<Arc<HostFunc>>
where
    F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
{
    unsafe extern "C" fn shim<T: 'static, F>(
        func: *const HostFunc,
        caller: usize,
        frame: *mut CallFrame,
        stack: *mut u8,
        activation: *mut Activation,
    ) -> Outcome
    where
        F: Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + 'static,
    {
        // SAFETY: `call_host` calls this shim with its own function and a frame of its type.
        unsafe {
            let Entry { store, .. } = entry::<T>(frame, stack, activation);
            let (f, func) = (closure::<F>(func), &*func);
            let scope = store.core().handles().enter_scope();
            let result = catch_unwind(AssertUnwindSafe(|| {
                let params = read_vals(store.core_mut(), func, frame, stack);
                let mut results = blank_results(func);
                f(Caller::new(store, caller), &params, &mut results)?;
                write_vals(store.core(), func, frame, &results)
            }));
            let outcome = match result {
                Ok(Ok(())) => Outcome::Return,
                Ok(Err(e)) => fail(store.core(), activation, e),
                Err(panic) => (*activation).leave(Unwind::Panic(panic)),
            };
            store.core_mut().handles_mut().exit_scope(scope);
            outcome
        }
    }
    make(engine, shim::<T, F>, Box::new(func), &ty)
}
