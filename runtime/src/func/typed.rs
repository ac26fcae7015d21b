//! Rust types as wasm values, and calls whose layout the Rust compiler works out.
//!
//! [`Places`] assigns registers exactly as [`CallAbi`](craneway_jit::abi::CallAbi) does, but from
//! constants, so that a typed call is a few moves; a test compares the two.

use super::Func;
use super::values::func_from_bits;
use crate::store::StoreInner;
use crate::vm::{
    AsyncCall, CallError, CallFrame, CallShape, Store as Core, call as enter, call_in_registers,
};
use crate::{
    AsContextMut, ExnRef, ExternRef, FuncType, HeapType, RefType, Result, Rooted, V128, ValType,
};
use craneway_jit::abi::{INT_ARGS, INT_RESULTS, Loc, VEC_ARGS, VEC_RESULTS};
use smallvec::SmallVec;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;

/// Hands out places in the order of the convention.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    ints: usize,
    vecs: usize,
    stack: usize,
    int_limit: usize,
    vec_limit: usize,
}

impl Places {
    #[inline]
    pub(crate) fn params(buffer: bool) -> Places {
        Places {
            ints: 1 + usize::from(buffer),
            vecs: 0,
            stack: 0,
            int_limit: INT_ARGS,
            vec_limit: VEC_ARGS,
        }
    }

    #[inline]
    pub(crate) fn results(buffer: bool) -> Places {
        let (int_limit, vec_limit) = if buffer {
            (0, 0)
        } else {
            (INT_RESULTS, VEC_RESULTS)
        };
        Places {
            ints: 0,
            vecs: 0,
            stack: 0,
            int_limit,
            vec_limit,
        }
    }

    #[inline]
    fn next(&mut self, vector: bool, slot: usize) -> Loc {
        let (count, limit) = if vector {
            (&mut self.vecs, self.vec_limit)
        } else {
            (&mut self.ints, self.int_limit)
        };
        if *count < limit {
            *count += 1;
            let n = (*count - 1) as u8;
            return if vector { Loc::Vec(n) } else { Loc::Int(n) };
        }
        self.stack = self.stack.next_multiple_of(slot) + slot;
        Loc::Stack((self.stack - slot) as u32)
    }
}

/// Where values are written: registers of a frame, and memory (stack arguments or a result buffer).
pub(crate) struct Writer<'a> {
    pub(crate) frame: &'a mut CallFrame,
    pub(crate) memory: *mut u8,
    pub(crate) places: Places,
}

/// Where values are read from.
pub(crate) struct Reader<'a> {
    pub(crate) frame: &'a CallFrame,
    pub(crate) memory: *const u8,
    pub(crate) places: Places,
}

impl Writer<'_> {
    /// # Safety
    /// `memory` has room for every value that does not fit in registers.
    #[inline]
    unsafe fn put<A: WasmTy>(&mut self, bits: u128) {
        match self.places.next(A::VECTOR, A::SLOT) {
            Loc::Int(n) => self.frame.int[n as usize] = bits as u64,
            Loc::Vec(n) => self.frame.set_vector(n, bits),
            // SAFETY: the caller gave the room.
            Loc::Stack(offset) => unsafe {
                let at = self.memory.add(offset as usize);
                if A::SLOT == 16 {
                    at.cast::<u128>().write_unaligned(bits)
                } else {
                    at.cast::<u64>().write_unaligned(bits as u64)
                }
            },
        }
    }
}

impl Reader<'_> {
    /// # Safety
    /// As [`Writer::put`].
    #[inline]
    unsafe fn take<A: WasmTy>(&mut self) -> u128 {
        match self.places.next(A::VECTOR, A::SLOT) {
            Loc::Int(n) => u128::from(self.frame.int[n as usize]),
            // SAFETY: the frame holds values of the types that are read.
            Loc::Vec(n) => unsafe { self.frame.vector(n) },
            // SAFETY: the caller gave the memory.
            Loc::Stack(offset) => unsafe {
                let at = self.memory.add(offset as usize);
                if A::SLOT == 16 {
                    at.cast::<u128>().read_unaligned()
                } else {
                    u128::from(at.cast::<u64>().read_unaligned())
                }
            },
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is a wasm value. Implemented here only.
pub trait WasmTy: sealed::Sealed + Send + Sized + 'static {
    #[doc(hidden)]
    const VECTOR: bool;
    #[doc(hidden)]
    const SLOT: usize;
    #[doc(hidden)]
    fn valtype() -> ValType;
    #[doc(hidden)]
    fn into_bits(self, core: &StoreHandle<'_>) -> Result<u128>;
    #[doc(hidden)]
    fn from_bits(core: &mut StoreHandle<'_>, bits: u128) -> Self;
}

/// The machine's part of a store, opaque outside this crate.
#[doc(hidden)]
pub struct StoreHandle<'a>(pub(crate) &'a mut Core);

macro_rules! numbers {
    ($($ty:ty, $variant:ident, $vector:literal, $slot:literal, $x:ident => $into:expr, $b:ident => $from:expr;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl WasmTy for $ty {
            const VECTOR: bool = $vector;
            const SLOT: usize = $slot;
            fn valtype() -> ValType { ValType::$variant }
            #[inline]
            fn into_bits(self, _: &StoreHandle<'_>) -> Result<u128> { let $x = self; Ok($into) }
            #[inline]
            fn from_bits(_: &mut StoreHandle<'_>, $b: u128) -> Self { $from }
        }
    )*};
}

numbers! {
    i32, I32, false, 8, x => u128::from(x as u32), b => b as i32;
    u32, I32, false, 8, x => u128::from(x), b => b as u32;
    i64, I64, false, 8, x => u128::from(x as u64), b => b as i64;
    u64, I64, false, 8, x => u128::from(x), b => b as u64;
    f32, F32, true, 8, x => u128::from(x.to_bits()), b => f32::from_bits(b as u32);
    f64, F64, true, 8, x => u128::from(x.to_bits()), b => f64::from_bits(b as u64);
    V128, V128, true, 16, x => x.as_u128(), b => V128::from(b);
}

impl sealed::Sealed for Option<Func> {}
impl WasmTy for Option<Func> {
    const VECTOR: bool = false;
    const SLOT: usize = 8;
    fn valtype() -> ValType {
        ValType::FUNCREF
    }
    fn into_bits(self, core: &StoreHandle<'_>) -> Result<u128> {
        let Some(func) = self else { return Ok(0) };
        crate::ensure!(
            func.belongs_to(core.0),
            "a function was used with a store that it does not belong to"
        );
        Ok(func.record_in(core.0).as_ptr() as usize as u128)
    }
    fn from_bits(core: &mut StoreHandle<'_>, bits: u128) -> Self {
        func_from_bits(core.0, bits as u64)
    }
}

/// A reference that cannot be null, as the type says; wasm was validated against that type.
fn not_null<A>(value: Option<A>) -> A {
    match value {
        Some(value) => value,
        None => unreachable!("null arrived where the function's type has no null"),
    }
}

macro_rules! not_null_types {
    ($($ty:ty, $heap:ident;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl WasmTy for $ty {
            const VECTOR: bool = false;
            const SLOT: usize = 8;
            fn valtype() -> ValType { ValType::Ref(RefType::new(false, HeapType::$heap)) }
            fn into_bits(self, core: &StoreHandle<'_>) -> Result<u128> { Some(self).into_bits(core) }
            fn from_bits(core: &mut StoreHandle<'_>, bits: u128) -> Self {
                not_null(Option::<$ty>::from_bits(core, bits))
            }
        }
    )*};
}

not_null_types! { Func, Func; Rooted<ExternRef>, Extern; Rooted<ExnRef>, Exn; }

macro_rules! handles {
    ($($kind:ident $ty:ident;)*) => {$(
        impl sealed::Sealed for Option<Rooted<$kind>> {}
        impl WasmTy for Option<Rooted<$kind>> {
            const VECTOR: bool = false;
            const SLOT: usize = 8;
            fn valtype() -> ValType { ValType::$ty }
            fn into_bits(self, core: &StoreHandle<'_>) -> Result<u128> {
                self.map_or(Ok(0), |r| r.handle(core.0).map(u128::from))
            }
            fn from_bits(core: &mut StoreHandle<'_>, bits: u128) -> Self {
                (bits as u32 != 0).then(|| Rooted::new(core.0, bits as u32))
            }
        }
    )*};
}

handles! { ExternRef EXTERNREF; ExnRef EXNREF; }

/// Parameters of a function: one wasm type, or a tuple of up to 16.
pub trait WasmParams: Send + 'static {
    #[doc(hidden)]
    const INTS: usize;
    #[doc(hidden)]
    const VECS: usize;
    #[doc(hidden)]
    const COUNT: usize;
    /// Whether each is a vector, and its bytes on the stack.
    #[doc(hidden)]
    const SHAPES: &'static [(bool, usize)];
    #[doc(hidden)]
    fn types() -> Vec<ValType>;
    #[doc(hidden)]
    fn write(self, core: &StoreHandle<'_>, out: &mut TypedWriter<'_>) -> Result<()>;
    #[doc(hidden)]
    fn read(core: &mut StoreHandle<'_>, from: &mut TypedReader<'_>) -> Self;
}

/// Results of a function: what parameters can be.
pub trait WasmResults: WasmParams {}

impl<P: WasmParams> WasmResults for P {}

#[doc(hidden)]
pub struct TypedWriter<'a>(pub(crate) Writer<'a>);
#[doc(hidden)]
pub struct TypedReader<'a>(pub(crate) Reader<'a>);

macro_rules! values {
    ($($name:ident)*) => {
        #[allow(
            non_snake_case,
            unused_variables,
            unused_mut,
            clippy::unused_unit,
            reason = "a value has the name of its type, and of no values nothing is used"
        )]
        impl<$($name: WasmTy),*> WasmParams for ($($name,)*) {
            const INTS: usize = 0 $(+ !$name::VECTOR as usize)*;
            const VECS: usize = 0 $(+ $name::VECTOR as usize)*;
            const COUNT: usize = Self::INTS + Self::VECS;
            const SHAPES: &'static [(bool, usize)] = &[$(($name::VECTOR, $name::SLOT)),*];
            fn types() -> Vec<ValType> { vec![$($name::valtype()),*] }
            #[inline]
            fn write(self, core: &StoreHandle<'_>, out: &mut TypedWriter<'_>) -> Result<()> {
                let ($($name,)*) = self;
                $(
                    let bits = $name.into_bits(core)?;
                    // SAFETY: whoever made the writer gave it room for these types.
                    unsafe { out.0.put::<$name>(bits) };
                )*
                Ok(())
            }
            #[inline]
            fn read(core: &mut StoreHandle<'_>, from: &mut TypedReader<'_>) -> Self {
                $(
                    // SAFETY: whoever made the reader gave it values of these types.
                    let bits = unsafe { from.0.take::<$name>() };
                    let $name = $name::from_bits(core, bits);
                )*
                ($($name,)*)
            }
        }
    };
}

impl<A: WasmTy> WasmParams for A {
    const INTS: usize = !A::VECTOR as usize;
    const VECS: usize = A::VECTOR as usize;
    const COUNT: usize = 1;
    const SHAPES: &'static [(bool, usize)] = &[(A::VECTOR, A::SLOT)];
    fn types() -> Vec<ValType> {
        vec![A::valtype()]
    }
    #[inline]
    fn write(self, core: &StoreHandle<'_>, out: &mut TypedWriter<'_>) -> Result<()> {
        <(A,) as WasmParams>::write((self,), core, out)
    }
    #[inline]
    fn read(core: &mut StoreHandle<'_>, from: &mut TypedReader<'_>) -> Self {
        <(A,) as WasmParams>::read(core, from).0
    }
}

macro_rules! for_each_arity {
    ($mac:ident) => {
        $mac!();
        $mac!(A1);
        $mac!(A1 A2);
        $mac!(A1 A2 A3);
        $mac!(A1 A2 A3 A4);
        $mac!(A1 A2 A3 A4 A5);
        $mac!(A1 A2 A3 A4 A5 A6);
        $mac!(A1 A2 A3 A4 A5 A6 A7);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15);
        $mac!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11 A12 A13 A14 A15 A16);
    };
}
pub(super) use for_each_arity;

for_each_arity!(values);

/// Whether results of `R` go through a buffer.
pub(crate) const fn buffered<R: WasmParams>() -> bool {
    R::INTS > INT_RESULTS || R::VECS > VEC_RESULTS
}

/// The function type of `P` and `R`.
pub(crate) fn func_type<P: WasmParams, R: WasmParams>() -> FuncType {
    FuncType::from_types(P::types(), R::types())
}

/// A function with Rust types, checked once when it was made.
pub struct TypedFunc<P, R> {
    func: Func,
    types: PhantomData<fn(P) -> R>,
}

impl<P, R> Clone for TypedFunc<P, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<P, R> Copy for TypedFunc<P, R> {}

impl<P, R> std::fmt::Debug for TypedFunc<P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TypedFunc").field(&self.func).finish()
    }
}

/// Room for stack arguments: words, an even number.
type StackArgs = SmallVec<[u64; 16]>;
/// Room for buffered results.
type Buffer = SmallVec<[u128; 4]>;

/// Bytes of stack arguments of `P` for a function that returns `R`: what [`Places`] hands out, as
/// a constant.
const fn stack_bytes<P: WasmParams, R: WasmParams>() -> usize {
    let mut ints = 1 + buffered::<R>() as usize;
    let (mut vecs, mut stack, mut n) = (0, 0usize, 0);
    while n < P::SHAPES.len() {
        let (vector, slot) = P::SHAPES[n];
        n += 1;
        if vector && vecs < VEC_ARGS {
            vecs += 1;
        } else if !vector && ints < INT_ARGS {
            ints += 1;
        } else {
            stack = stack.next_multiple_of(slot) + slot;
        }
    }
    stack.next_multiple_of(16)
}

impl<P: WasmParams, R: WasmResults> TypedFunc<P, R> {
    pub(crate) fn new(core: &Core, func: Func) -> Result<TypedFunc<P, R>> {
        let got = FuncType::from_wasm(func.type_in(core));
        let want = func_type::<P, R>();
        // What is passed must be taken, and what comes back must be expected.
        let fits = got.params().len() == want.params().len()
            && got.results().len() == want.results().len()
            && want.params().zip(got.params()).all(|(w, g)| w.matches(&g))
            && got
                .results()
                .zip(want.results())
                .all(|(g, w)| g.matches(&w));
        crate::ensure!(fits, "type mismatch: the function is {got}, not {want}");
        Ok(TypedFunc {
            func,
            types: PhantomData,
        })
    }

    /// The function without Rust types.
    pub fn func(&self) -> &Func {
        &self.func
    }

    /// Writes the arguments. The stack words and the buffer must not move afterwards.
    #[inline]
    fn arrange(
        core: &mut Core,
        params: P,
        frame: &mut CallFrame,
        stack: &mut StackArgs,
        buffer: &mut Buffer,
    ) -> Result<()> {
        if const { stack_bytes::<P, R>() } > 0 {
            stack.resize(const { stack_bytes::<P, R>() } / 8, 0);
        }
        if buffered::<R>() {
            buffer.resize(R::COUNT, 0);
            frame.int[1] = buffer.as_mut_ptr() as u64;
        }
        let writer = Writer {
            frame,
            memory: stack.as_mut_ptr().cast(),
            places: Places::params(buffered::<R>()),
        };
        params.write(&StoreHandle(core), &mut TypedWriter(writer))
    }

    #[inline]
    fn results(core: &mut Core, frame: &CallFrame, buffer: &Buffer) -> R {
        let memory = buffer.as_ptr().cast();
        let reader = Reader {
            frame,
            memory,
            places: Places::results(buffered::<R>()),
        };
        R::read(&mut StoreHandle(core), &mut TypedReader(reader))
    }

    const VECTORS: bool = P::VECS + R::VECS > 0;

    /// Whether everything that a call passes is in registers.
    const IN_REGISTERS: bool = stack_bytes::<P, R>() == 0;

    /// Calls it.
    ///
    /// # Errors
    /// A trap, a host function's error, or a reference of another store.
    ///
    /// # Panics
    /// If the function is of another store; and a host function's panic goes through.
    #[inline]
    pub fn call(&self, mut store: impl AsContextMut, params: P) -> Result<R> {
        let store = store.as_context_mut().0;
        let core = store.core_mut();
        let record = self.func.record_in(core);
        let (mut frame, mut stack, mut buffer) = (CallFrame::NEW, StackArgs::new(), Buffer::new());
        Self::arrange(core, params, &mut frame, &mut stack, &mut buffer)?;
        // SAFETY: the record is of this store, which is exclusively borrowed; the types were
        // checked when this value was made; the buffer outlives the call.
        let outcome = unsafe {
            match (const { Self::IN_REGISTERS }, const { Self::VECTORS }) {
                (true, true) => call_in_registers::<true>(core, record, &mut frame),
                (true, false) => call_in_registers::<false>(core, record, &mut frame),
                (false, vectors) => {
                    let stack_args = &stack;
                    enter(
                        core,
                        record,
                        &mut frame,
                        CallShape {
                            stack_args,
                            vectors,
                        },
                    )
                }
            }
        };
        match outcome {
            Ok(()) => Ok(Self::results(core, &frame, &buffer)),
            Err(e) => Err(failed(store, e)),
        }
    }

    /// As [`call`](TypedFunc::call), suspending while host functions are not ready.
    ///
    /// # Errors
    /// As [`call`](TypedFunc::call).
    ///
    /// # Panics
    /// As [`call`](TypedFunc::call).
    pub async fn call_async<T: Send + 'static>(
        &self,
        mut store: impl AsContextMut<Data = T>,
        params: P,
    ) -> Result<R> {
        let store = store.as_context_mut().0;
        let core = store.core_mut();
        let record = self.func.record_in(core);
        let (mut frame, mut stack, mut buffer) = (CallFrame::NEW, StackArgs::new(), Buffer::new());
        Self::arrange(core, params, &mut frame, &mut stack, &mut buffer)?;
        let shape = CallShape {
            stack_args: &stack,
            vectors: Self::VECTORS,
        };
        let outcome = {
            // SAFETY: as `call`; the borrow of the store lasts as long as this future, and what is
            // pointed at stays in it.
            let mut running = pin!(unsafe { AsyncCall::new(core, record, frame, shape) });
            let outcome = poll_fn(|cx| running.as_mut().poll(cx)).await;
            outcome.map(|()| Self::results(core, running.frame(), &buffer))
        };
        outcome.map_err(|e| failed(store, e))
    }
}

/// The error of a call that left.
#[cold]
#[allow(clippy::boxed_local, reason = "callers need not copy it out")]
fn failed<T>(store: &mut StoreInner<T>, error: Box<CallError>) -> crate::Error {
    let frames = store.engine().config().max_frames;
    crate::error::from_call(store.core_mut(), frames, *error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use craneway_jit::abi::{CallAbi, ResultsAbi};

    fn agrees<P: WasmParams, R: WasmParams>() {
        let abi = CallAbi::new(func_type::<P, R>().as_wasm());
        let mut places = Places::params(buffered::<R>());
        for (ty, loc) in P::types().iter().zip(&abi.params) {
            let ty = ty.to_wasm();
            assert_eq!(
                places.next(ty.is_vector_class(), ty.slot_bytes() as usize),
                *loc
            );
        }
        let buffer = matches!(abi.results, ResultsAbi::Buffer { .. });
        assert_eq!(buffer, buffered::<R>());
        let (ResultsAbi::Regs(locs) | ResultsAbi::Buffer { locs, .. }) = &abi.results;
        let mut places = Places::results(buffer);
        for (ty, loc) in R::types().iter().zip(locs) {
            let ty = ty.to_wasm();
            assert_eq!(
                places.next(ty.is_vector_class(), ty.slot_bytes() as usize),
                *loc
            );
        }
        assert_eq!(stack_bytes::<P, R>(), abi.stack_bytes as usize);
    }

    #[test]
    fn places_are_those_of_the_convention() {
        agrees::<(), ()>();
        agrees::<(i32, f64, V128), (i64, f32)>();
        agrees::<(i64, i64, i64, i64, i64), ()>();
        agrees::<(i64, i64, i64, i64, i64, i64), i32>();
        agrees::<(i32, i32, i32, i32, i32, i64, V128, i32), (i32, i32, i32, i32, i32, i32, i32)>();
        agrees::<
            (f32, f32, f32, f32, f32, f32, f32, f32, f32, V128, i32),
            (V128, i32, i32, i32, i32, i32, i32, i32),
        >();
    }
}
