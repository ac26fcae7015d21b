//! Constant expressions: parsed once here, evaluated by the runtime at instantiation.

use serde::{Deserialize, Serialize};

/// One instruction of a constant expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstOp {
    /// `i32.const`.
    I32(i32),
    /// `i64.const`.
    I64(i64),
    /// `f32.const`, as bits.
    F32(u32),
    /// `f64.const`, as bits.
    F64(u64),
    /// `v128.const`, little-endian.
    V128(u128),
    /// `global.get` of an imported or an earlier global.
    GlobalGet(u32),
    /// `ref.null`.
    RefNull,
    /// `ref.func`.
    RefFunc(u32),
    /// `i32.add`.
    I32Add,
    /// `i32.sub`.
    I32Sub,
    /// `i32.mul`.
    I32Mul,
    /// `i64.add`.
    I64Add,
    /// `i64.sub`.
    I64Sub,
    /// `i64.mul`.
    I64Mul,
}

/// A validated constant expression in postfix order; evaluation leaves exactly one value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConstExpr(pub Vec<ConstOp>);

impl ConstExpr {
    /// The only instruction, if the expression has just one.
    pub fn single(&self) -> Option<ConstOp> {
        match self.0[..] {
            [op] => Some(op),
            _ => None,
        }
    }

    /// The constant offset of a segment, if it depends on nothing: an `i32.const` is unsigned here.
    pub fn constant_offset(&self) -> Option<u64> {
        match self.single()? {
            ConstOp::I32(v) => Some(u64::from(v as u32)),
            ConstOp::I64(v) => Some(v as u64),
            _ => None,
        }
    }
}
