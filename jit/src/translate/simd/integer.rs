//! Lanes of integers: comparisons, arithmetic, shifts.

use super::{binary, unary};
use crate::translate::FuncTranslator;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};

macro_rules! compare {
    ($($visit:ident $cc:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let b = self.pop_v128_as(types::$ty);
            let a = self.pop_v128_as(types::$ty);
            let value = self.ins().icmp(IntCC::$cc, a, b);
            self.push_v128(value);
        }
    )*};
}

/// The count is a scalar, taken modulo the lane width.
macro_rules! shift {
    ($($visit:ident $inst:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let count = self.pop1();
            let a = self.pop_v128_as(types::$ty);
            let value = self.ins().$inst(a, count);
            self.push_v128(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    compare! {
        visit_i8x16_eq Equal I8X16;
        visit_i8x16_ne NotEqual I8X16;
        visit_i8x16_lt_s SignedLessThan I8X16;
        visit_i8x16_lt_u UnsignedLessThan I8X16;
        visit_i8x16_gt_s SignedGreaterThan I8X16;
        visit_i8x16_gt_u UnsignedGreaterThan I8X16;
        visit_i8x16_le_s SignedLessThanOrEqual I8X16;
        visit_i8x16_le_u UnsignedLessThanOrEqual I8X16;
        visit_i8x16_ge_s SignedGreaterThanOrEqual I8X16;
        visit_i8x16_ge_u UnsignedGreaterThanOrEqual I8X16;
        visit_i16x8_eq Equal I16X8;
        visit_i16x8_ne NotEqual I16X8;
        visit_i16x8_lt_s SignedLessThan I16X8;
        visit_i16x8_lt_u UnsignedLessThan I16X8;
        visit_i16x8_gt_s SignedGreaterThan I16X8;
        visit_i16x8_gt_u UnsignedGreaterThan I16X8;
        visit_i16x8_le_s SignedLessThanOrEqual I16X8;
        visit_i16x8_le_u UnsignedLessThanOrEqual I16X8;
        visit_i16x8_ge_s SignedGreaterThanOrEqual I16X8;
        visit_i16x8_ge_u UnsignedGreaterThanOrEqual I16X8;
        visit_i32x4_eq Equal I32X4;
        visit_i32x4_ne NotEqual I32X4;
        visit_i32x4_lt_s SignedLessThan I32X4;
        visit_i32x4_lt_u UnsignedLessThan I32X4;
        visit_i32x4_gt_s SignedGreaterThan I32X4;
        visit_i32x4_gt_u UnsignedGreaterThan I32X4;
        visit_i32x4_le_s SignedLessThanOrEqual I32X4;
        visit_i32x4_le_u UnsignedLessThanOrEqual I32X4;
        visit_i32x4_ge_s SignedGreaterThanOrEqual I32X4;
        visit_i32x4_ge_u UnsignedGreaterThanOrEqual I32X4;
        visit_i64x2_eq Equal I64X2;
        visit_i64x2_ne NotEqual I64X2;
        visit_i64x2_lt_s SignedLessThan I64X2;
        visit_i64x2_gt_s SignedGreaterThan I64X2;
        visit_i64x2_le_s SignedLessThanOrEqual I64X2;
        visit_i64x2_ge_s SignedGreaterThanOrEqual I64X2;
    }

    unary! {
        visit_i8x16_abs iabs I8X16; visit_i8x16_neg ineg I8X16;
        visit_i16x8_abs iabs I16X8; visit_i16x8_neg ineg I16X8;
        visit_i32x4_abs iabs I32X4; visit_i32x4_neg ineg I32X4;
        visit_i64x2_abs iabs I64X2; visit_i64x2_neg ineg I64X2;
        visit_i8x16_popcnt popcnt I8X16;
    }

    binary! {
        visit_i8x16_add iadd I8X16; visit_i8x16_sub isub I8X16;
        visit_i8x16_min_s smin I8X16; visit_i8x16_min_u umin I8X16; visit_i8x16_max_s smax I8X16; visit_i8x16_max_u umax I8X16;
        visit_i8x16_add_sat_s sadd_sat I8X16; visit_i8x16_add_sat_u uadd_sat I8X16;
        visit_i8x16_sub_sat_s ssub_sat I8X16; visit_i8x16_sub_sat_u usub_sat I8X16;
        visit_i8x16_avgr_u avg_round I8X16;
        visit_i16x8_add iadd I16X8; visit_i16x8_sub isub I16X8;
        visit_i16x8_mul imul I16X8;
        visit_i16x8_min_s smin I16X8; visit_i16x8_min_u umin I16X8; visit_i16x8_max_s smax I16X8; visit_i16x8_max_u umax I16X8;
        visit_i16x8_add_sat_s sadd_sat I16X8; visit_i16x8_add_sat_u uadd_sat I16X8;
        visit_i16x8_sub_sat_s ssub_sat I16X8; visit_i16x8_sub_sat_u usub_sat I16X8;
        visit_i16x8_avgr_u avg_round I16X8;
        visit_i32x4_add iadd I32X4; visit_i32x4_sub isub I32X4;
        visit_i32x4_mul imul I32X4;
        visit_i32x4_min_s smin I32X4; visit_i32x4_min_u umin I32X4; visit_i32x4_max_s smax I32X4; visit_i32x4_max_u umax I32X4;
        visit_i64x2_add iadd I64X2; visit_i64x2_sub isub I64X2;
        visit_i64x2_mul imul I64X2;
        visit_i16x8_q15mulr_sat_s sqmul_round_sat I16X8;
    }

    shift! {
        visit_i8x16_shl ishl I8X16; visit_i8x16_shr_s sshr I8X16; visit_i8x16_shr_u ushr I8X16;
        visit_i16x8_shl ishl I16X8; visit_i16x8_shr_s sshr I16X8; visit_i16x8_shr_u ushr I16X8;
        visit_i32x4_shl ishl I32X4; visit_i32x4_shr_s sshr I32X4; visit_i32x4_shr_u ushr I32X4;
        visit_i64x2_shl ishl I64X2; visit_i64x2_shr_s sshr I64X2; visit_i64x2_shr_u ushr I64X2;
    }
}
