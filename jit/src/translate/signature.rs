//! Value types and function types in Cranelift's terms, by the convention of [`crate::abi`].

use crate::abi::{Builtin, BuiltinType, CallAbi, ResultsAbi};
use crate::module::{FuncType, ValType};
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;

/// The type that values of `ty` have in Cranelift.
pub(super) fn clif_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => types::I32,
        ValType::I64 => types::I64,
        ValType::F32 => types::F32,
        ValType::F64 => types::F64,
        ValType::V128 => types::I8X16,
        ValType::Ref(r) if r.is_func() => types::I64,
        ValType::Ref(_) => types::I32,
    }
}

/// The signature of functions of type `ty`: vmctx, the result buffer if there is one, parameters.
pub(super) fn wasm(ty: &FuncType, abi: &CallAbi) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(types::I64));
    match abi.results {
        ResultsAbi::Buffer { .. } => signature.params.push(AbiParam::new(types::I64)),
        ResultsAbi::Regs(_) => {
            signature
                .returns
                .extend(ty.results.iter().map(|t| AbiParam::new(clif_type(*t))));
        }
    }
    signature
        .params
        .extend(ty.params.iter().map(|t| AbiParam::new(clif_type(*t))));
    signature
}

/// The signature of a builtin.
pub(super) fn builtin(builtin: Builtin) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(types::I64));
    signature.params.extend(
        builtin
            .params()
            .iter()
            .map(|t| AbiParam::new(builtin_type(*t))),
    );
    signature
        .returns
        .extend(builtin.result().map(|t| AbiParam::new(builtin_type(t))));
    signature
}

fn builtin_type(ty: BuiltinType) -> Type {
    match ty {
        BuiltinType::I32 | BuiltinType::Handle => types::I32,
        BuiltinType::I64 => types::I64,
    }
}
