//! The parser's types in ours. `None` is a type of a proposal that is not implemented; with its
//! feature off the validator has refused it before anything here sees it.

use super::{
    ConstExpr, ConstOp, FuncType, GlobalType, HeapType, Limits, MemoryType, RefType, TableType,
    ValType,
};
use crate::error::{CompileError, CompileErrorKind};
use wasmparser::{AbstractHeapType, Operator};

/// A value type.
pub(crate) fn convert_val_type(ty: wasmparser::ValType) -> Option<ValType> {
    Some(match ty {
        wasmparser::ValType::I32 => ValType::I32,
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::V128 => ValType::V128,
        wasmparser::ValType::Ref(r) => ValType::Ref(convert_ref_type(r)?),
    })
}

/// A reference type.
pub(crate) fn convert_ref_type(ty: wasmparser::RefType) -> Option<RefType> {
    Some(RefType {
        nullable: ty.is_nullable(),
        heap: convert_heap_type(ty.heap_type())?,
    })
}

/// A heap type.
pub(crate) fn convert_heap_type(ty: wasmparser::HeapType) -> Option<HeapType> {
    let wasmparser::HeapType::Abstract { shared: false, ty } = ty else {
        return None;
    };
    Some(match ty {
        AbstractHeapType::Func => HeapType::Func,
        AbstractHeapType::NoFunc => HeapType::NoFunc,
        AbstractHeapType::Extern => HeapType::Extern,
        AbstractHeapType::NoExtern => HeapType::NoExtern,
        AbstractHeapType::Exn => HeapType::Exn,
        AbstractHeapType::NoExn => HeapType::NoExn,
        _ => return None,
    })
}

/// An error about something that the module uses and this build does not have.
pub(super) fn unsupported(what: impl Into<String>, offset: u64) -> CompileError {
    let mut error = CompileError::new(CompileErrorKind::Unsupported, what);
    error.offset = Some(offset);
    error
}

pub(super) fn func_type(ty: &wasmparser::FuncType, offset: u64) -> Result<FuncType, CompileError> {
    let list = |types: &[wasmparser::ValType]| {
        types
            .iter()
            .map(|t| {
                convert_val_type(*t)
                    .ok_or_else(|| unsupported(format!("the type {t} is not implemented"), offset))
            })
            .collect::<Result<Box<[ValType]>, CompileError>>()
    };
    Ok(FuncType {
        params: list(ty.params())?,
        results: list(ty.results())?,
    })
}

pub(super) fn ref_type(ty: wasmparser::RefType, offset: u64) -> Result<RefType, CompileError> {
    convert_ref_type(ty)
        .ok_or_else(|| unsupported(format!("the type {ty} is not implemented"), offset))
}

pub(super) fn table_type(
    ty: &wasmparser::TableType,
    offset: u64,
) -> Result<TableType, CompileError> {
    Ok(TableType {
        element: ref_type(ty.element_type, offset)?,
        limits: Limits {
            min: ty.initial,
            max: ty.maximum,
        },
        is_64: ty.table64,
    })
}

pub(super) fn memory_type(ty: &wasmparser::MemoryType) -> MemoryType {
    MemoryType {
        limits: Limits {
            min: ty.initial,
            max: ty.maximum,
        },
        is_64: ty.memory64,
        shared: ty.shared,
        page_size_log2: ty.page_size_log2() as u8,
    }
}

pub(super) fn global_type(
    ty: &wasmparser::GlobalType,
    offset: u64,
) -> Result<GlobalType, CompileError> {
    let content = convert_val_type(ty.content_type).ok_or_else(|| {
        unsupported(
            format!("the type {} is not implemented", ty.content_type),
            offset,
        )
    })?;
    Ok(GlobalType {
        content,
        mutable: ty.mutable,
    })
}

/// A constant expression that the validator has accepted.
pub(super) fn const_expr(expr: &wasmparser::ConstExpr<'_>) -> Result<ConstExpr, CompileError> {
    let mut ops = Vec::new();
    let mut reader = expr.get_operators_reader();
    loop {
        let (op, offset) = reader
            .read_with_offset()
            .map_err(|e| CompileError::from_parser(&e, CompileErrorKind::Malformed))?;
        ops.push(match op {
            Operator::End => return Ok(ConstExpr(ops)),
            Operator::I32Const { value } => ConstOp::I32(value),
            Operator::I64Const { value } => ConstOp::I64(value),
            Operator::F32Const { value } => ConstOp::F32(value.bits()),
            Operator::F64Const { value } => ConstOp::F64(value.bits()),
            Operator::V128Const { value } => ConstOp::V128(u128::from_le_bytes(*value.bytes())),
            Operator::GlobalGet { global_index } => ConstOp::GlobalGet(global_index),
            Operator::RefNull { .. } => ConstOp::RefNull,
            Operator::RefFunc { function_index } => ConstOp::RefFunc(function_index),
            Operator::I32Add => ConstOp::I32Add,
            Operator::I32Sub => ConstOp::I32Sub,
            Operator::I32Mul => ConstOp::I32Mul,
            Operator::I64Add => ConstOp::I64Add,
            Operator::I64Sub => ConstOp::I64Sub,
            Operator::I64Mul => ConstOp::I64Mul,
            other => {
                return Err(unsupported(
                    format!("{other:?} in a constant expression is not implemented"),
                    offset,
                ));
            }
        });
    }
}
