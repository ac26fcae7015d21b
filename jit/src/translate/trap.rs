//! Trap codes of [`crate::abi`] and those of Cranelift, mapped in one place.

use crate::abi::TrapCode;
use cranelift_codegen::ir;

/// Cranelift's form of an ABI trap code: a user code with the same number.
pub(super) fn to_clif(code: TrapCode) -> ir::TrapCode {
    ir::TrapCode::unwrap_user(code as u8)
}

/// The ABI trap code of a trap record, also of those that Cranelift makes by itself.
pub(crate) fn from_clif(code: ir::TrapCode) -> Option<TrapCode> {
    match code {
        ir::TrapCode::STACK_OVERFLOW => Some(TrapCode::StackOverflow),
        ir::TrapCode::HEAP_OUT_OF_BOUNDS => Some(TrapCode::HeapOutOfBounds),
        ir::TrapCode::INTEGER_OVERFLOW => Some(TrapCode::IntegerOverflow),
        ir::TrapCode::INTEGER_DIVISION_BY_ZERO => Some(TrapCode::IntegerDivisionByZero),
        ir::TrapCode::BAD_CONVERSION_TO_INTEGER => Some(TrapCode::BadConversionToInteger),
        other => TrapCode::from_u8(other.as_raw().get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_round_trip() {
        for code in TrapCode::ALL {
            assert_eq!(from_clif(to_clif(*code)), Some(*code));
        }
    }
}
