//! Calls with values of any type: arguments to registers and stack by the convention, results back.

use super::{Func, from_bits, to_bits};
use crate::store::StoreInner;
use crate::vm::{AsyncCall, CallFrame, CallShape, Signature, Store as Core, call as enter};
use crate::{Result, Val};
use craneway_jit::abi::{Loc, ResultsAbi};
use craneway_jit::module as wasm;

/// A call's arguments in place.
struct Prepared<'a> {
    signature: &'a Signature,
    frame: CallFrame,
    stack: Vec<u64>,
    /// Results that do not fit in registers go here.
    buffer: Vec<u128>,
}

/// Puts the arguments of a call of `func` in place.
///
/// # Safety
/// The store of `core` lives for `'a`.
unsafe fn prepare<'a>(
    core: &Core,
    func: Func,
    params: &[Val],
    results: &[Val],
) -> Result<Prepared<'a>> {
    let signature: *const Signature = func.signature(core);
    // SAFETY: an engine's types never move and live as long as its stores.
    let signature = unsafe { &*signature };
    let Signature { ty, abi } = signature;
    crate::ensure!(
        ty.params.len() == params.len(),
        "expected {} arguments, found {}: the function is {ty}",
        ty.params.len(),
        params.len()
    );
    crate::ensure!(
        ty.results.len() == results.len(),
        "expected room for {} results, found {}: the function is {ty}",
        ty.results.len(),
        results.len()
    );
    let mut frame = CallFrame::NEW;
    let mut stack = vec![0; abi.stack_bytes as usize / 8];
    for ((value, ty), loc) in params.iter().zip(&ty.params).zip(&abi.params) {
        let bits = to_bits(core, value, *ty)?;
        match *loc {
            Loc::Int(n) => frame.int[n as usize] = bits as u64,
            Loc::Vec(n) => frame.set_vector(n, bits),
            Loc::Stack(offset) => {
                stack[offset as usize / 8] = bits as u64;
                if *ty == wasm::ValType::V128 {
                    stack[offset as usize / 8 + 1] = (bits >> 64) as u64;
                }
            }
        }
    }
    let mut buffer = Vec::new();
    if let ResultsAbi::Buffer { bytes, .. } = &abi.results {
        buffer = vec![0u128; *bytes as usize / 16];
        frame.int[1] = buffer.as_mut_ptr() as u64;
    }
    Ok(Prepared {
        signature,
        frame,
        stack,
        buffer,
    })
}

/// The bits at byte `offset` of a result buffer, as wide as the type.
fn buffer_bits(buffer: &[u128], offset: u32, ty: wasm::ValType) -> u128 {
    let slot = buffer[offset as usize / 16];
    if ty == wasm::ValType::V128 {
        slot
    } else {
        slot >> (8 * (offset % 16)) & u128::from(u64::MAX)
    }
}

fn collect(core: &mut Core, p: &Prepared<'_>, frame: &CallFrame, results: &mut [Val]) {
    let Signature { ty, abi } = p.signature;
    let (ResultsAbi::Regs(locs) | ResultsAbi::Buffer { locs, .. }) = &abi.results;
    for ((ty, loc), out) in ty.results.iter().zip(locs).zip(results) {
        let bits = match *loc {
            Loc::Int(n) => u128::from(frame.int[n as usize]),
            // SAFETY: the function's type has vectors, so the trampolines have written them.
            Loc::Vec(n) => unsafe { frame.vector(n) },
            Loc::Stack(offset) => buffer_bits(&p.buffer, offset, *ty),
        };
        *out = from_bits(core, *ty, bits);
    }
}

pub(super) fn call(
    core: &mut Core,
    func: Func,
    max_frames: Option<usize>,
    params: &[Val],
    results: &mut [Val],
) -> Result<()> {
    // SAFETY: the store is borrowed for longer than this call.
    let mut p = unsafe { prepare(core, func, params, results)? };
    let shape = CallShape {
        stack_args: &p.stack,
        vectors: p.signature.abi.uses_vectors,
    };
    // SAFETY: the record is of this store, which is exclusively borrowed, and the arguments are of
    // its type; the result buffer outlives the call.
    let outcome = unsafe { enter(core, func.record_in(core), &mut p.frame, shape) };
    outcome.map_err(|e| crate::error::from_call(core, max_frames, *e))?;
    let frame = p.frame;
    collect(core, &p, &frame, results);
    Ok(())
}

pub(super) async fn call_async<T: Send>(
    store: &mut StoreInner<T>,
    func: Func,
    max_frames: Option<usize>,
    params: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let core = store.core_mut();
    // SAFETY: the store is borrowed for longer than this future lives.
    let p = unsafe { prepare(core, func, params, results)? };
    let shape = CallShape {
        stack_args: &p.stack,
        vectors: p.signature.abi.uses_vectors,
    };
    // SAFETY: as `call`; the borrow of the store lasts as long as this future.
    let running = unsafe { AsyncCall::new(core, func.record_in(core), p.frame, shape) };
    let outcome = running.run().await;
    let frame = outcome.map_err(|e| crate::error::from_call(core, max_frames, *e))?;
    collect(core, &p, &frame, results);
    Ok(())
}
