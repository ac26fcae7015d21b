//! Lanes of floats: comparisons and arithmetic.

use super::{binary, unary};
use crate::translate::FuncTranslator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, types};

macro_rules! compare {
    ($($visit:ident $cc:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let b = self.pop_v128_as(types::$ty);
            let a = self.pop_v128_as(types::$ty);
            let value = self.ins().fcmp(FloatCC::$cc, a, b);
            self.push_v128(value);
        }
    )*};
}

/// The second operand where it is less (or greater), else the first; NaNs and zeros as that says.
macro_rules! pseudo {
    ($($visit:ident $ty:ident |$a:ident, $b:ident| $x:ident $y:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let $b = self.pop_v128_as(types::$ty);
            let $a = self.pop_v128_as(types::$ty);
            let less = self.ins().fcmp(FloatCC::LessThan, $x, $y);
            let little = MemFlagsData::new().with_endianness(Endianness::Little);
            let mask = self.ins().bitcast(types::$ty, little, less);
            let value = self.ins().bitselect(mask, $b, $a);
            self.push_v128(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    pseudo! {
        visit_f32x4_pmin F32X4 |a, b| b a; visit_f32x4_pmax F32X4 |a, b| a b;
        visit_f64x2_pmin F64X2 |a, b| b a; visit_f64x2_pmax F64X2 |a, b| a b;
    }

    compare! {
        visit_f32x4_eq Equal F32X4;
        visit_f32x4_ne NotEqual F32X4;
        visit_f32x4_lt LessThan F32X4;
        visit_f32x4_gt GreaterThan F32X4;
        visit_f32x4_le LessThanOrEqual F32X4;
        visit_f32x4_ge GreaterThanOrEqual F32X4;
        visit_f64x2_eq Equal F64X2;
        visit_f64x2_ne NotEqual F64X2;
        visit_f64x2_lt LessThan F64X2;
        visit_f64x2_gt GreaterThan F64X2;
        visit_f64x2_le LessThanOrEqual F64X2;
        visit_f64x2_ge GreaterThanOrEqual F64X2;
    }

    unary! {
        visit_f32x4_abs fabs F32X4; visit_f32x4_neg fneg F32X4; visit_f32x4_sqrt sqrt F32X4;
        visit_f32x4_ceil ceil F32X4; visit_f32x4_floor floor F32X4; visit_f32x4_trunc trunc F32X4; visit_f32x4_nearest nearest F32X4;
        visit_f64x2_abs fabs F64X2; visit_f64x2_neg fneg F64X2; visit_f64x2_sqrt sqrt F64X2;
        visit_f64x2_ceil ceil F64X2; visit_f64x2_floor floor F64X2; visit_f64x2_trunc trunc F64X2; visit_f64x2_nearest nearest F64X2;
    }

    binary! {
        visit_f32x4_add fadd F32X4; visit_f32x4_sub fsub F32X4; visit_f32x4_mul fmul F32X4;
        visit_f32x4_div fdiv F32X4; visit_f32x4_min fmin F32X4; visit_f32x4_max fmax F32X4;
        visit_f64x2_add fadd F64X2; visit_f64x2_sub fsub F64X2; visit_f64x2_mul fmul F64X2;
        visit_f64x2_div fdiv F64X2; visit_f64x2_min fmin F64X2; visit_f64x2_max fmax F64X2;
    }
}
