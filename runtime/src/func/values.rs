//! The bits of values as frames, cells and payloads hold them. It must never know where they lie.

use crate::vm::Store as Core;
use crate::{Func, Result, Rooted, V128, Val, ValType};
use craneway_jit::abi::FuncRecord;
use craneway_jit::module as wasm;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

/// The bits of `value`, which must be of type `ty` and, if it is a reference, of this store.
#[inline]
pub(crate) fn to_bits(core: &Core, value: &Val, ty: wasm::ValType) -> Result<u128> {
    // Numbers, without looking at types as such.
    match (value, ty) {
        (Val::I32(v), wasm::ValType::I32) => Ok(u128::from(*v as u32)),
        (Val::I64(v), wasm::ValType::I64) => Ok(u128::from(*v as u64)),
        (Val::F32(v), wasm::ValType::F32) => Ok(u128::from(*v)),
        (Val::F64(v), wasm::ValType::F64) => Ok(u128::from(*v)),
        _ => checked_bits(core, value, ty),
    }
}

#[inline(never)]
fn checked_bits(core: &Core, value: &Val, ty: wasm::ValType) -> Result<u128> {
    let got = value.static_type();
    crate::ensure!(
        got.matches(&ValType::from_wasm(ty)),
        "expected a value of type {ty}, found {got}"
    );
    Ok(match value {
        Val::I32(v) => u128::from(*v as u32),
        Val::I64(v) => u128::from(*v as u64),
        Val::F32(v) => u128::from(*v),
        Val::F64(v) => u128::from(*v),
        Val::V128(v) => v.as_u128(),
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None) => 0,
        Val::FuncRef(Some(f)) => {
            crate::ensure!(
                f.belongs_to(core),
                "a function was used with a store that it does not belong to"
            );
            f.record_in(core).as_ptr() as usize as u128
        }
        Val::ExternRef(Some(r)) => u128::from(r.handle(core)?),
        Val::ExnRef(Some(r)) => u128::from(r.handle(core)?),
    })
}

/// Writes the value of type `ty` with these bits to `slot`: numbers where they are to be, because a
/// value that is written in parts and then copied as a whole waits for its parts.
#[inline]
pub(crate) fn put_bits(
    core: &mut Core,
    ty: wasm::ValType,
    bits: u128,
    slot: &mut MaybeUninit<Val>,
) {
    match ty {
        wasm::ValType::I32 => slot.write(Val::I32(bits as i32)),
        wasm::ValType::I64 => slot.write(Val::I64(bits as i64)),
        wasm::ValType::F32 => slot.write(Val::F32(bits as u32)),
        wasm::ValType::F64 => slot.write(Val::F64(bits as u64)),
        ty => slot.write(from_bits(core, ty, bits)),
    };
}

/// The value of type `ty` with these bits; references are rooted in the current scope.
pub(crate) fn from_bits(core: &mut Core, ty: wasm::ValType, bits: u128) -> Val {
    match ty {
        wasm::ValType::I32 => Val::I32(bits as i32),
        wasm::ValType::I64 => Val::I64(bits as i64),
        wasm::ValType::F32 => Val::F32(bits as u32),
        wasm::ValType::F64 => Val::F64(bits as u64),
        wasm::ValType::V128 => Val::V128(V128::from(bits)),
        wasm::ValType::Ref(r) if r.is_func() => Val::FuncRef(func_from_bits(core, bits as u64)),
        wasm::ValType::Ref(r) => {
            let handle = bits as u32;
            match (r.heap, handle) {
                (wasm::HeapType::Extern | wasm::HeapType::NoExtern, 0) => Val::ExternRef(None),
                (wasm::HeapType::Extern | wasm::HeapType::NoExtern, h) => {
                    Val::ExternRef(Some(Rooted::new(core, h)))
                }
                (_, 0) => Val::ExnRef(None),
                (_, h) => Val::ExnRef(Some(Rooted::new(core, h))),
            }
        }
    }
}

pub(crate) fn func_from_bits(core: &Core, bits: u64) -> Option<Func> {
    NonNull::new(bits as *mut FuncRecord).map(|record| Func::from_record(core, record))
}
