//! The runtime's functions that generated code calls, in the order of their declaration in the ABI.
//!
//! Each is a shim on the thread's own stack; its caller's vmctx names the instance. One that traps
//! leaves the activation and does not return to wasm.

use super::activation::{Activation, Unwind};
use super::arch::{self, CallFrame};
use super::exceptions;
use super::handles::Object;
use super::host_func::{Entry, HostFunc, Outcome, Shim};
use super::segments::{self, element_of};
use super::signatures::SigId;
use super::store::{InstanceId, Store};
use super::table::Element;
use craneway_jit::abi::{Builtin, BuiltinType, PAYLOAD_SLOT, TablePlace, TrapCode};
use craneway_jit::module::{FuncType, RefType, ValType};
use std::sync::{Arc, OnceLock};

/// The address by which generated code calls a builtin.
pub(crate) fn entry(builtin: Builtin) -> usize {
    static ALL: OnceLock<Vec<usize>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let entry = |b: &Builtin| {
            let func = host_func(*b);
            // SAFETY: the record lives as long as the process.
            let stub = unsafe { func.record().as_ref() }.code;
            arch::quick_entry(*b, Arc::as_ptr(func) as usize).unwrap_or(stub)
        };
        Builtin::ALL.iter().map(entry).collect()
    });
    all[builtin as usize]
}

/// The host function behind a builtin, one per process.
fn host_func(builtin: Builtin) -> &'static Arc<HostFunc> {
    static ALL: OnceLock<Vec<Arc<HostFunc>>> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let make = |b: &Builtin| {
            let ty = |t: &BuiltinType| match t {
                BuiltinType::I32 => ValType::I32,
                BuiltinType::I64 => ValType::I64,
                BuiltinType::Handle => ValType::Ref(RefType::EXNREF),
            };
            let params = b.params().iter().map(ty).collect();
            let results = b.result().iter().map(ty).collect();
            // Without a page for the builtins' stubs nothing can run at all.
            HostFunc::new(
                Entry::Frame(shim(*b)),
                Box::new(()),
                FuncType { params, results },
                SigId(0),
            )
            .unwrap_or_else(|e| panic!("cannot map the builtins' stubs: {e}"))
        };
        Builtin::ALL.iter().map(make).collect()
    });
    &all[builtin as usize]
}

/// What a builtin may touch.
struct Call<'a> {
    store: &'a mut Store,
    instance: InstanceId,
    frame: &'a mut CallFrame,
    activation: *mut Activation,
}

/// Why a builtin does not return.
enum Stop {
    Trap(TrapCode),
    Error(anyhow::Error),
}

impl From<TrapCode> for Stop {
    fn from(code: TrapCode) -> Stop {
        Stop::Trap(code)
    }
}

impl From<anyhow::Error> for Stop {
    fn from(e: anyhow::Error) -> Stop {
        Stop::Error(e)
    }
}

type Body = fn(&mut Call<'_>) -> Result<Outcome, Stop>;

impl Call<'_> {
    /// Argument `n` (from 1) as 32 bits: the upper half of the register is unspecified.
    fn i32(&self, n: usize) -> u32 {
        self.frame.int[n] as u32
    }

    fn i64(&self, n: usize) -> u64 {
        self.frame.int[n]
    }

    fn give(&mut self, value: u64) -> Result<Outcome, Stop> {
        self.frame.int[0] = value;
        Ok(Outcome::Return)
    }

    fn memory(&self, n: usize) -> super::store::MemoryId {
        self.store.instance(self.instance).memory(self.i32(n))
    }

    /// `len` bytes at `start` of the memory that argument `n` names.
    fn bytes(&self, n: usize, start: u64, len: u64) -> Result<*mut u8, Stop> {
        self.bytes_of(self.i32(n), start, len)
    }

    /// `len` bytes at `start` of a memory.
    fn bytes_of(&self, memory: u32, start: u64, len: u64) -> Result<*mut u8, Stop> {
        let memory = self.store.instance(self.instance).memory(memory);
        let memory = self.store.memory(memory);
        memory
            .range(start, len)
            .ok_or(Stop::Trap(TrapCode::HeapOutOfBounds))
    }

    fn table(&self, n: usize) -> Result<super::store::TableId, Stop> {
        self.store
            .instance(self.instance)
            .table(self.i32(n))
            .ok_or(Stop::Trap(TrapCode::TableOutOfBounds))
    }

    fn table_len(&self, n: usize) -> u64 {
        let instance = self.store.instance(self.instance);
        match (
            instance.module().layout().tables[self.i32(n) as usize],
            instance.table(self.i32(n)),
        ) {
            (TablePlace::Fixed { length, .. }, _) => u64::from(length),
            (_, Some(id)) => self.store.table(id).length(),
            (_, None) => 0,
        }
    }

    fn element_type(&self, n: usize) -> RefType {
        self.store.instance(self.instance).module().module().tables[self.i32(n) as usize]
            .ty
            .element
    }
}

/// Runs a builtin's body with the panics and stops that `call_host` expects as outcomes.
///
/// # Safety
/// Called by `call_host` with its own arguments.
unsafe fn run(
    body: Body,
    caller: usize,
    frame: *mut CallFrame,
    activation: *mut Activation,
) -> Outcome {
    // SAFETY: `call_host` passes a live frame and activation; wasm is stopped, so the store is
    // exclusively ours.
    let (store, frame) = unsafe { (&mut *(*activation).store, &mut *frame) };
    let Some(instance) = store.instance_of(caller) else {
        // SAFETY: as above.
        let activation = unsafe { &mut *activation };
        return activation.leave(Unwind::Error(anyhow::anyhow!(
            "a builtin was called with an unknown vmctx"
        )));
    };
    let mut call = Call {
        store,
        instance,
        frame,
        activation,
    };
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| body(&mut call)));
    // SAFETY: as above; the borrow of the store has ended.
    let activation = unsafe { &mut *activation };
    match result {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(Stop::Trap(code))) => activation.leave(Unwind::Trap(code)),
        Ok(Err(Stop::Error(e))) => activation.leave(Unwind::Error(e)),
        Err(panic) => activation.leave(Unwind::Panic(panic)),
    }
}

macro_rules! shims {
    ($($builtin:ident => $body:path,)*) => {
        fn shim(builtin: Builtin) -> Shim {
            match builtin { $(Builtin::$builtin => {
                unsafe extern "C" fn shim(
                    _: *const HostFunc, caller: usize, frame: *mut CallFrame, _: *mut u8, activation: *mut Activation,
                ) -> Outcome {
                    // SAFETY: the arguments are `call_host`'s.
                    unsafe { run($body, caller, frame, activation) }
                }
                shim as Shim
            })* }
        }
    };
}

shims! {
    MemoryGrow => memory_grow,
    MemoryCopy => memory_copy,
    MemoryCopyDirect => memory_copy_direct,
    MemoryFill => memory_fill,
    MemoryFillDirect => memory_fill_direct,
    MemoryInit => memory_init,
    DataDrop => data_drop,
    TableGetFunc => table_get_func,
    TableSetFunc => table_set_func,
    TableGrow => table_grow,
    TableFill => table_fill,
    TableCopy => table_copy,
    TableInit => table_init,
    ElemDrop => elem_drop,
    RefFunc => ref_func,
    IndirectMiss => indirect_miss,
    Throw => throw,
    ThrowRef => throw_ref,
    ExnPayload => exn_payload,
    AtomicNotify => atomic_notify,
    AtomicWait32 => atomic_wait,
    AtomicWait64 => atomic_wait,
}

fn memory_grow(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (memory, delta) = (call.memory(1), call.i64(2));
    let old = call.store.grow_memory(memory, delta)?;
    call.give(old.unwrap_or(u64::MAX))
}

fn memory_copy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (dst, src, len) = (call.i64(3), call.i64(4), call.i64(5));
    let to = call.bytes(1, dst, len)?;
    let from = call.bytes(2, src, len)?;
    // SAFETY: both ranges were checked against committed lengths; they may overlap.
    unsafe { std::ptr::copy(from, to, len as usize) };
    Ok(Outcome::Return)
}

/// What the quick entry does not do; memory 0 is the one that vmctx is the base of.
fn memory_copy_direct(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [_, dst, src, len, ..] = call.frame.int;
    let (to, from) = (call.bytes_of(0, dst, len)?, call.bytes_of(0, src, len)?);
    // SAFETY: both ranges were checked against the committed length; they may overlap.
    unsafe { std::ptr::copy(from, to, len as usize) };
    Ok(Outcome::Return)
}

/// What the quick entry does not do.
fn memory_fill_direct(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (dst, value, len) = (call.i64(1), call.i32(2) as u8, call.i64(3));
    let to = call.bytes_of(0, dst, len)?;
    // SAFETY: the range was checked against the committed length.
    unsafe { std::ptr::write_bytes(to, value, len as usize) };
    Ok(Outcome::Return)
}

fn memory_fill(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (dst, value, len) = (call.i64(2), call.i32(3) as u8, call.i64(4));
    let to = call.bytes(1, dst, len)?;
    // SAFETY: the range was checked against the committed length.
    unsafe { std::ptr::write_bytes(to, value, len as usize) };
    Ok(Outcome::Return)
}

fn memory_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (dst, src, len) = (call.i64(3), u64::from(call.i32(4)), u64::from(call.i32(5)));
    let (memory, segment) = (call.i32(1), call.i32(2));
    segments::memory_init(call.store, call.instance, memory, segment, dst, src, len)?;
    Ok(Outcome::Return)
}

fn data_drop(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let segment = call.i32(1);
    call.store.instance_mut(call.instance).dropped_data[segment as usize] = true;
    Ok(Outcome::Return)
}

fn table_get_func(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (table, index) = (call.i32(1), call.i64(2));
    let element = call
        .store
        .element(call.instance, table, index)?
        .ok_or(TrapCode::TableOutOfBounds)?;
    call.give(match element {
        Element::Func(record) => record.as_ptr() as u64,
        _ => 0,
    })
}

fn table_set_func(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (table, index) = (call.table(1)?, call.i64(2));
    let element = element_of(RefType::FUNCREF, call.i64(3));
    if !call.store.table_mut(table).set(index, element) {
        return Err(TrapCode::TableOutOfBounds.into());
    }
    Ok(Outcome::Return)
}

fn table_grow(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (table, delta) = (call.table(1)?, call.i64(2));
    let init = element_of(call.element_type(1), call.i64(3));
    let old = call.store.grow_table(table, delta, init)?;
    call.give(old.unwrap_or(u64::MAX))
}

fn table_fill(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (table, index, len) = (call.table(1)?, call.i64(2), call.i64(4));
    let element = element_of(call.element_type(1), call.i64(3));
    let end = index
        .checked_add(len)
        .filter(|e| *e <= call.table_len(1))
        .ok_or(TrapCode::TableOutOfBounds)?;
    for at in index..end {
        call.store.table_mut(table).set(at, element);
    }
    Ok(Outcome::Return)
}

fn table_copy(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (to, source) = (call.table(1)?, call.i32(2));
    let (dst, src, len) = (call.i64(3), call.i64(4), call.i64(5));
    let fits = |start: u64, size: u64| start.checked_add(len).is_some_and(|e| e <= size);
    if !fits(dst, call.table_len(1)) || !fits(src, call.table_len(2)) {
        return Err(TrapCode::TableOutOfBounds.into());
    }
    // The direction matters only within one table, and is right for all.
    let mut step = |at: u64| -> Result<(), Stop> {
        let element = call
            .store
            .element(call.instance, source, src + at)?
            .ok_or(TrapCode::TableOutOfBounds)?;
        call.store.table_mut(to).set(dst + at, element);
        Ok(())
    };
    if dst <= src {
        (0..len).try_for_each(&mut step)?
    } else {
        (0..len).rev().try_for_each(&mut step)?
    }
    Ok(Outcome::Return)
}

fn table_init(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (table, segment) = (call.i32(1), call.i32(2));
    let (dst, src, len) = (call.i64(3), u64::from(call.i32(4)), u64::from(call.i32(5)));
    segments::table_init(call.store, call.instance, table, segment, dst, src, len)??;
    Ok(Outcome::Return)
}

fn elem_drop(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let segment = call.i32(1);
    call.store.instance_mut(call.instance).dropped_elements[segment as usize] = true;
    Ok(Outcome::Return)
}

fn ref_func(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let function = call.i32(1);
    let record = call.store.func_record(call.instance, function)?;
    call.give(record.as_ptr() as u64)
}

/// The element is null, has another type, or was never written: then this writes it, and the call goes
/// to the code returned. All types are final, so a type that differs is a trap.
fn indirect_miss(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (table, index) = (call.i32(1), call.i64(2));
    if index >= call.table_len(1) {
        return Err(TrapCode::TableOutOfBounds.into());
    }
    let instance = call.store.instance(call.instance);
    let wanted = instance.module().sig_id(call.i32(3)).0;
    let found = match instance.table(table) {
        Some(id) => call.store.missed_callee(id, index)?,
        None => match call.store.element(call.instance, table, index)? {
            // Fixed tables are filled from the start: the type differs.
            Some(Element::Func(_)) => return Err(TrapCode::BadSignature.into()),
            _ => None,
        },
    };
    match found {
        Some((code, sig_id)) if sig_id == wanted => call.give(code as u64),
        Some(_) => Err(TrapCode::BadSignature.into()),
        None => Err(TrapCode::IndirectCallToNull.into()),
    }
}

fn throw(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let tag = call.store.instance(call.instance).tag(call.i32(1));
    let record: *const _ = call.store.tag(tag);
    let count = call.store.tag(tag).ty.params.len();
    let payload = call.i64(2) as *const u128;
    // SAFETY: generated code passes one 16-byte slot per parameter of the tag, on its own stack.
    let args = unsafe { std::slice::from_raw_parts(payload, count) };
    let args = call
        .store
        .tag(tag)
        .ty
        .params
        .iter()
        .zip(args)
        .map(|(ty, bits)| narrow(*ty, *bits))
        .collect();
    let handle = call
        .store
        .alloc_handle(Object::Exn { tag: record, args }, &[]);
    // SAFETY: we are a shim of this activation and return the outcome.
    Ok(unsafe { exceptions::throw(call.activation, handle) })
}

/// The bits of a value whose 16-byte slot may hold anything behind it.
fn narrow(ty: ValType, bits: u128) -> u128 {
    match ty {
        ValType::I32 | ValType::F32 => bits & u128::from(u32::MAX),
        ValType::Ref(r) if r.is_collected() => bits & u128::from(u32::MAX),
        ValType::I64 | ValType::F64 | ValType::Ref(_) => bits & u128::from(u64::MAX),
        ValType::V128 => bits,
    }
}

fn throw_ref(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let handle = call.i32(1);
    if handle == 0 {
        return Err(TrapCode::NullReference.into());
    }
    // SAFETY: as `throw`.
    Ok(unsafe { exceptions::throw(call.activation, handle) })
}

fn exn_payload(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let out = call.i64(2) as *mut u128;
    let Some(Object::Exn { args, .. }) = call.store.handles.get(call.i32(1)) else {
        return Err(TrapCode::NullReference.into());
    };
    const { assert!(PAYLOAD_SLOT == 16) };
    // SAFETY: generated code passes room for one slot per parameter of the tag it matched.
    unsafe { std::ptr::copy_nonoverlapping(args.as_ptr(), out, args.len()) };
    Ok(Outcome::Return)
}

fn atomic_address(call: &Call<'_>, bytes: u64) -> Result<(), Stop> {
    let address = call.i64(2);
    if !address.is_multiple_of(bytes) {
        return Err(TrapCode::HeapMisaligned.into());
    }
    call.bytes(1, address, bytes).map(|_| ())
}

/// Nobody can wait on an unshared memory, so nobody is woken.
fn atomic_notify(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    atomic_address(call, 4)?;
    call.give(0)
}

fn atomic_wait(_: &mut Call<'_>) -> Result<Outcome, Stop> {
    Err(TrapCode::AtomicWaitNonShared.into())
}
