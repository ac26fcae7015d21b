//! Types of values and of everything a module imports or exports, as embedders see them.
//!
//! They are thin views over the compiler's own representation, so a question about a type is
//! answered from what was compiled. This folder must never know stores or values.

mod external;
mod func;
mod matching;

pub use external::{
    ExportType, ExternType, GlobalType, ImportType, MemoryType, Mutability, TableType, TagType,
};
pub use func::FuncType;
pub(crate) use matching::Provided;

use craneway_jit::module as wasm;
use std::fmt;

/// What a reference points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeapType {
    /// Any function.
    Func,
    /// No function: only null.
    NoFunc,
    /// Any host value.
    Extern,
    /// No host value: only null.
    NoExtern,
    /// Any exception.
    Exn,
    /// No exception: only null.
    NoExn,
}

impl HeapType {
    pub(crate) fn from_wasm(heap: wasm::HeapType) -> HeapType {
        match heap {
            wasm::HeapType::Func => HeapType::Func,
            wasm::HeapType::NoFunc => HeapType::NoFunc,
            wasm::HeapType::Extern => HeapType::Extern,
            wasm::HeapType::NoExtern => HeapType::NoExtern,
            wasm::HeapType::Exn => HeapType::Exn,
            wasm::HeapType::NoExn => HeapType::NoExn,
        }
    }

    pub(crate) const fn to_wasm(self) -> wasm::HeapType {
        match self {
            HeapType::Func => wasm::HeapType::Func,
            HeapType::NoFunc => wasm::HeapType::NoFunc,
            HeapType::Extern => wasm::HeapType::Extern,
            HeapType::NoExtern => wasm::HeapType::NoExtern,
            HeapType::Exn => wasm::HeapType::Exn,
            HeapType::NoExn => wasm::HeapType::NoExn,
        }
    }

    /// The type at the top of this one's hierarchy: `func`, `extern` or `exn`.
    pub fn top(&self) -> HeapType {
        match self {
            HeapType::Func | HeapType::NoFunc => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
        }
    }
}

/// A reference type: what it points at, and whether null belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RefType(wasm::RefType);

impl RefType {
    /// `funcref`: any function, or null.
    pub const FUNCREF: RefType = RefType(wasm::RefType::FUNCREF);
    /// `externref`: any host value, or null.
    pub const EXTERNREF: RefType = RefType(wasm::RefType::EXTERNREF);
    /// `exnref`: any exception, or null.
    pub const EXNREF: RefType = RefType(wasm::RefType::EXNREF);

    /// A reference to `heap`.
    pub const fn new(nullable: bool, heap: HeapType) -> RefType {
        RefType(wasm::RefType {
            nullable,
            heap: heap.to_wasm(),
        })
    }

    pub(crate) const fn from_wasm(ty: wasm::RefType) -> RefType {
        RefType(ty)
    }

    pub(crate) const fn to_wasm(self) -> wasm::RefType {
        self.0
    }

    /// Whether null belongs to it.
    pub fn is_nullable(&self) -> bool {
        self.0.nullable
    }

    /// What it points at.
    pub fn heap_type(&self) -> HeapType {
        HeapType::from_wasm(self.0.heap)
    }

    /// Whether every value of this type is a value of `other`.
    pub fn matches(&self, other: &RefType) -> bool {
        self.0.matches(other.0)
    }

    /// Whether both are the same type.
    #[allow(
        clippy::should_implement_trait,
        reason = "the name that the wasmtime crate has"
    )]
    pub fn eq(a: &RefType, b: &RefType) -> bool {
        a == b
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// A reference.
    Ref(RefType),
}

impl ValType {
    /// `funcref`.
    pub const FUNCREF: ValType = ValType::Ref(RefType::FUNCREF);
    /// `externref`.
    pub const EXTERNREF: ValType = ValType::Ref(RefType::EXTERNREF);
    /// `exnref`.
    pub const EXNREF: ValType = ValType::Ref(RefType::EXNREF);

    pub(crate) const fn from_wasm(ty: wasm::ValType) -> ValType {
        match ty {
            wasm::ValType::I32 => ValType::I32,
            wasm::ValType::I64 => ValType::I64,
            wasm::ValType::F32 => ValType::F32,
            wasm::ValType::F64 => ValType::F64,
            wasm::ValType::V128 => ValType::V128,
            wasm::ValType::Ref(r) => ValType::Ref(RefType(r)),
        }
    }

    pub(crate) const fn to_wasm(self) -> wasm::ValType {
        match self {
            ValType::I32 => wasm::ValType::I32,
            ValType::I64 => wasm::ValType::I64,
            ValType::F32 => wasm::ValType::F32,
            ValType::F64 => wasm::ValType::F64,
            ValType::V128 => wasm::ValType::V128,
            ValType::Ref(r) => wasm::ValType::Ref(r.0),
        }
    }

    /// Whether it is a number type (integer or float).
    pub fn is_num(&self) -> bool {
        !matches!(self, ValType::V128 | ValType::Ref(_))
    }

    /// Whether it is a reference type.
    pub fn is_ref(&self) -> bool {
        matches!(self, ValType::Ref(_))
    }

    /// Whether it is the vector type.
    pub fn is_v128(&self) -> bool {
        matches!(self, ValType::V128)
    }

    /// Whether it is `funcref`.
    pub fn is_funcref(&self) -> bool {
        *self == ValType::FUNCREF
    }

    /// Whether it is `externref`.
    pub fn is_externref(&self) -> bool {
        *self == ValType::EXTERNREF
    }

    /// The reference type, if it is one.
    pub fn as_ref(&self) -> Option<&RefType> {
        match self {
            ValType::Ref(r) => Some(r),
            _ => None,
        }
    }

    /// Whether every value of this type is a value of `other`.
    pub fn matches(&self, other: &ValType) -> bool {
        match (self, other) {
            (ValType::Ref(a), ValType::Ref(b)) => a.matches(b),
            (a, b) => a == b,
        }
    }

    /// Whether both are the same type.
    #[allow(
        clippy::should_implement_trait,
        reason = "the name that the wasmtime crate has"
    )]
    pub fn eq(a: &ValType, b: &ValType) -> bool {
        a == b
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_wasm().fmt(f)
    }
}

impl From<RefType> for ValType {
    fn from(ty: RefType) -> ValType {
        ValType::Ref(ty)
    }
}
