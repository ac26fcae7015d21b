//! Host functions: closures behind shims, with Rust types or with values of any type.

use super::typed::{
    Places, Reader, StoreHandle, TypedReader, TypedWriter, Writer, buffered, for_each_arity,
    func_type,
};
use super::{WasmParams, WasmResults, WasmTy, put_bits, to_bits};
use crate::store::StoreInner;
use crate::vm::{
    Activation, CallFrame, DirectBody, DirectShim, Entry, HostFunc, Outcome, Store as Core, Unwind,
    throw,
};
use crate::{Caller, Engine, Error, FuncType, Result, ThrownException, Val};
use craneway_jit::abi::{INT_ARGS, Loc, ResultsAbi, VEC_ARGS};
use craneway_jit::module as wasm;
use smallvec::SmallVec;
use std::any::Any;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null;
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

/// A closure that can be a host function: up to 16 wasm parameters, optionally led by a [`Caller`].
pub trait IntoFunc<T: 'static, Params, Results>: Send + Sync + Sized + 'static {
    #[doc(hidden)]
    type Args: WasmParams;
    #[doc(hidden)]
    type Returns: WasmRet;
    #[doc(hidden)]
    fn invoke(&self, caller: Caller<'_, T>, args: Self::Args) -> Self::Returns;
}

/// Marks closures that take a [`Caller`] first.
#[doc(hidden)]
pub struct WithCaller<P>(PhantomData<P>);

macro_rules! closures {
    ($($name:ident)*) => {
        #[allow(non_snake_case, reason = "a value has the name of its type")]
        impl<T: 'static, Fun, $($name: WasmTy,)* R: WasmRet> IntoFunc<T, ($($name,)*), R> for Fun
        where Fun: Fn($($name),*) -> R + Send + Sync + 'static
        {
            type Args = ($($name,)*);
            type Returns = R;
            #[inline]
            fn invoke(&self, _: Caller<'_, T>, ($($name,)*): Self::Args) -> R { self($($name),*) }
        }

        #[allow(non_snake_case, reason = "a value has the name of its type")]
        impl<T: 'static, Fun, $($name: WasmTy,)* R: WasmRet> IntoFunc<T, WithCaller<($($name,)*)>, R> for Fun
        where Fun: Fn(Caller<'_, T>, $($name),*) -> R + Send + Sync + 'static
        {
            type Args = ($($name,)*);
            type Returns = R;
            #[inline]
            fn invoke(&self, caller: Caller<'_, T>, ($($name,)*): Self::Args) -> R { self(caller, $($name),*) }
        }
    };
}

for_each_arity!(closures);

/// The store that a shim's activation is of.
///
/// # Safety
/// A shim of a store with data `T` was called with `activation`.
#[inline]
pub(super) unsafe fn store<'a, T: 'static>(activation: *mut Activation) -> &'a mut StoreInner<T> {
    // SAFETY: the core is the first field of the store's inner part; wasm is stopped while a shim
    // runs, so the store is exclusively ours. Host functions reach stores of their own type only:
    // linkers and stores are typed.
    unsafe { &mut *(*activation).store().cast::<StoreInner<T>>() }
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

/// Runs `body`: errors and panics go to the activation, roots made meanwhile are forgotten.
///
/// # Safety
/// We are in a shim of `activation`, which returns the outcome if there is one.
#[inline]
unsafe fn caught<T: 'static, X>(
    store: &mut StoreInner<T>,
    activation: *mut Activation,
    body: impl FnOnce(&mut StoreInner<T>) -> Result<X>,
) -> Result<X, Outcome> {
    let scope = store.core().handles().enter_scope();
    let result = match catch_unwind(AssertUnwindSafe(|| body(store))) {
        Ok(Ok(x)) => Ok(x),
        // SAFETY: we are in a shim of this activation.
        Ok(Err(e)) => Err(unsafe { fail(store.core(), activation, e) }),
        // SAFETY: the activation is alive.
        Err(panic) => Err(unsafe { (*activation).leave(Unwind::Panic(panic)) }),
    };
    store.core_mut().handles_mut().exit_scope(scope);
    result
}

/// Whether a function of these types can have a direct shim: all its values are in registers, which
/// hold no more than a float's bits, and it has at most one result.
const fn is_direct<P: WasmParams, R: WasmParams>() -> bool {
    let mut wide = false;
    let mut n = 0;
    while n < P::SHAPES.len() {
        wide |= P::SHAPES[n].1 > 8;
        n += 1;
    }
    while n - P::SHAPES.len() < R::SHAPES.len() {
        wide |= R::SHAPES[n - P::SHAPES.len()].1 > 8;
        n += 1;
    }
    !wide && P::INTS < INT_ARGS && P::VECS <= VEC_ARGS && R::COUNT <= 1
}

/// The closure of a host function.
///
/// # Safety
/// `func` was made with a closure of type `F`.
pub(super) unsafe fn closure<'a, F: 'static>(func: *const HostFunc) -> &'a F {
    // SAFETY: the caller's promise; the function outlives the call, held by store or linker.
    unsafe { &*((*func).closure() as *const (dyn Any + Send + Sync)).cast::<F>() }
}

/// The shim of a closure whose arguments come in a frame and, beyond it, on the stack.
unsafe extern "C" fn shim<T: 'static, F: IntoFunc<T, P, R>, P, R>(
    func: *const HostFunc,
    caller: usize,
    frame: *mut CallFrame,
    stack: *mut u8,
    activation: *mut Activation,
) -> Outcome {
    // SAFETY: `call_host` calls this shim with its own function and a frame of its type.
    unsafe {
        let f = closure::<F>(func);
        let done = caught(store::<T>(activation), activation, |store| {
            let args = read_args::<F::Args, Given<T, F, P, R>>(store.core_mut(), frame, stack);
            let results = f.invoke(Caller::new(store, caller), args).into_result()?;
            write_results(store.core_mut(), frame, results)
        });
        match done {
            Ok(()) => Outcome::Return,
            Err(outcome) => outcome,
        }
    }
}

/// What a closure returns when it succeeds.
type Given<T, F, P, R> = <<F as IntoFunc<T, P, R>>::Returns as WasmRet>::Ok;

/// The same closure with its arguments in registers.
struct InRegisters<T, F, P, R>(PhantomData<(T, F, P, R)>);

impl<T: 'static, F: IntoFunc<T, P, R>, P, R> DirectBody for InRegisters<T, F, P, R> {
    const FLOAT: bool = Given::<T, F, P, R>::VECS > 0;

    #[inline]
    unsafe fn run(
        func: *const HostFunc,
        caller: usize,
        mut frame: CallFrame,
        activation: *mut Activation,
    ) -> (Outcome, u128) {
        // SAFETY: a direct stub calls this with its own function and the arguments of its type, which
        // are all in registers: the stack is not looked at.
        unsafe {
            let f = closure::<F>(func);
            let done = caught(store::<T>(activation), activation, move |store| {
                let args = read_args::<F::Args, Given<T, F, P, R>>(
                    store.core_mut(),
                    &raw const frame,
                    null(),
                );
                let results = f.invoke(Caller::new(store, caller), args).into_result()?;
                write_results(store.core_mut(), &raw mut frame, results)?;
                Ok(
                    match (Given::<T, F, P, R>::INTS, Given::<T, F, P, R>::VECS) {
                        (0, 0) => 0,
                        (_, 0) => u128::from(frame.int[0]),
                        _ => frame.vector(0),
                    },
                )
            });
            match done {
                Ok(bits) => (Outcome::Return, bits),
                Err(outcome) => (outcome, 0),
            }
        }
    }
}

pub(super) fn make(
    engine: &Engine,
    entry: Entry,
    closure: Box<dyn Any + Send + Sync>,
    ty: &FuncType,
) -> Result<Arc<HostFunc>> {
    let sig = engine.signatures().register(ty.as_wasm());
    HostFunc::new(entry, closure, ty.as_wasm().clone(), sig)
        .map_err(|e| Error::new(e).context("no memory for the stub of a host function"))
}

/// A host function from a closure with Rust types.
pub(crate) fn host_func<T: 'static, F: IntoFunc<T, P, R>, P, R>(
    engine: &Engine,
    func: F,
) -> Result<Arc<HostFunc>> {
    let entry = if const { is_direct::<F::Args, Given<T, F, P, R>>() } {
        Entry::Direct(DirectShim::of::<InRegisters<T, F, P, R>>())
    } else {
        Entry::Frame(shim::<T, F, P, R>)
    };
    let ty = func_type::<F::Args, Given<T, F, P, R>>();
    make(engine, entry, Box::new(func), &ty)
}

/// Values of a call: those of most fit without the heap.
pub(super) type Vals = SmallVec<[Val; 6]>;

/// Fills `vals`, which are empty and stay where they are, with one value for each of `each`, written
/// by `put`.
#[inline]
fn fill<X>(
    vals: &mut Vals,
    each: impl ExactSizeIterator<Item = X>,
    mut put: impl FnMut(X, &mut MaybeUninit<Val>),
) {
    let (room, mut written) = (each.len(), 0);
    vals.reserve(room);
    let slots = vals.as_mut_ptr().cast::<MaybeUninit<Val>>();
    for x in each.take(room) {
        // SAFETY: there is room for as many.
        put(x, unsafe { &mut *slots.add(written) });
        written += 1;
    }
    // SAFETY: so many were written.
    unsafe { vals.set_len(written) };
}

/// The arguments of a host function, to `vals`.
///
/// # Safety
/// The frame and stack hold arguments of the function's type.
#[inline]
pub(super) unsafe fn read_vals(
    core: &mut Core,
    func: &HostFunc,
    frame: *const CallFrame,
    stack: *const u8,
    vals: &mut Vals,
) {
    let params = func.ty().params.iter().zip(&func.abi().params);
    fill(vals, params, |(ty, loc): (&wasm::ValType, &Loc), slot| {
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
        put_bits(core, *ty, bits, slot);
    })
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

/// What the results of a function are before it wrote any: zero or null.
#[inline]
pub(super) fn blank_results(func: &HostFunc, vals: &mut Vals) {
    fill(vals, func.ty().results.iter(), |ty, slot| {
        match ty {
            wasm::ValType::I32 => slot.write(Val::I32(0)),
            wasm::ValType::I64 => slot.write(Val::I64(0)),
            wasm::ValType::F32 => slot.write(Val::F32(0)),
            wasm::ValType::F64 => slot.write(Val::F64(0)),
            ty => slot.write(blank(*ty)),
        };
    })
}

#[inline(never)]
fn blank(ty: wasm::ValType) -> Val {
    Val::default_for_ty(&crate::ValType::from_wasm(ty)).unwrap_or(Val::I32(0))
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
            let (f, func) = (closure::<F>(func), &*func);
            let done = caught(store::<T>(activation), activation, |store| {
                let (mut params, mut results) = (Vals::new(), Vals::new());
                read_vals(store.core_mut(), func, frame, stack, &mut params);
                blank_results(func, &mut results);
                f(Caller::new(store, caller), &params, &mut results)?;
                write_vals(store.core(), func, frame, &results)
            });
            match done {
                Ok(()) => Outcome::Return,
                Err(outcome) => outcome,
            }
        }
    }
    make(engine, Entry::Frame(shim::<T, F>), Box::new(func), &ty)
}
