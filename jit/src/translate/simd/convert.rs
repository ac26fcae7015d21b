//! Widening and narrowing of lanes, products and sums that widen, conversions of integers and floats.

use super::{binary, unary};
use crate::translate::FuncTranslator;
use cranelift_codegen::ir::{ConstantData, InstBuilder, Value, types};

macro_rules! products {
    ($($visit:ident $widen:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let b = self.pop_v128_as(types::$ty);
            let a = self.pop_v128_as(types::$ty);
            let (a, b) = (self.ins().$widen(a), self.ins().$widen(b));
            let value = self.ins().imul(a, b);
            self.push_v128(value);
        }
    )*};
}

macro_rules! pairwise_sums {
    ($($visit:ident $low:ident $high:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let a = self.pop_v128_as(types::$ty);
            let (low, high) = (self.ins().$low(a), self.ins().$high(a));
            let value = self.ins().iadd_pairwise(low, high);
            self.push_v128(value);
        }
    )*};
}

macro_rules! convert {
    ($($visit:ident $inst:ident $from:ident $to:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let a = self.pop_v128_as(types::$from);
            let value = self.ins().$inst(types::$to, a);
            self.push_v128(value);
        }
    )*};
}

/// Two lanes of floats from the low two integers.
macro_rules! convert_low {
    ($($visit:ident $widen:ident $inst:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let a = self.pop_v128_as(types::I32X4);
            let wide = self.ins().$widen(a);
            let value = self.ins().$inst(types::F64X2, wide);
            self.push_v128(value);
        }
    )*};
}

/// Two lanes of integers from two floats, the upper two zero.
macro_rules! truncate_zero {
    ($($visit:ident $inst:ident $narrow:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let a = self.pop_v128_as(types::F64X2);
            let wide = self.ins().$inst(types::I64X2, a);
            let zero = self.zero_vector();
            let value = self.ins().$narrow(wide, zero);
            self.push_v128(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    fn zero_vector(&mut self) -> Value {
        let zero = self
            .builder
            .func
            .dfg
            .constants
            .insert(ConstantData::from(&[0u8; 16][..]));
        self.ins().vconst(types::I64X2, zero)
    }

    pub(in crate::translate) fn visit_i32x4_dot_i16x8_s(&mut self) {
        let b = self.pop_v128_as(types::I16X8);
        let a = self.pop_v128_as(types::I16X8);
        let (a_low, b_low) = (self.ins().swiden_low(a), self.ins().swiden_low(b));
        let low = self.ins().imul(a_low, b_low);
        let (a_high, b_high) = (self.ins().swiden_high(a), self.ins().swiden_high(b));
        let high = self.ins().imul(a_high, b_high);
        let value = self.ins().iadd_pairwise(low, high);
        self.push_v128(value);
    }

    binary! {
        visit_i8x16_narrow_i16x8_s snarrow I16X8; visit_i8x16_narrow_i16x8_u unarrow I16X8;
        visit_i16x8_narrow_i32x4_s snarrow I32X4; visit_i16x8_narrow_i32x4_u unarrow I32X4;
    }

    unary! {
        visit_i16x8_extend_low_i8x16_s swiden_low I8X16; visit_i16x8_extend_high_i8x16_s swiden_high I8X16;
        visit_i16x8_extend_low_i8x16_u uwiden_low I8X16; visit_i16x8_extend_high_i8x16_u uwiden_high I8X16;
        visit_i32x4_extend_low_i16x8_s swiden_low I16X8; visit_i32x4_extend_high_i16x8_s swiden_high I16X8;
        visit_i32x4_extend_low_i16x8_u uwiden_low I16X8; visit_i32x4_extend_high_i16x8_u uwiden_high I16X8;
        visit_i64x2_extend_low_i32x4_s swiden_low I32X4; visit_i64x2_extend_high_i32x4_s swiden_high I32X4;
        visit_i64x2_extend_low_i32x4_u uwiden_low I32X4; visit_i64x2_extend_high_i32x4_u uwiden_high I32X4;
        visit_f32x4_demote_f64x2_zero fvdemote F64X2; visit_f64x2_promote_low_f32x4 fvpromote_low F32X4;
    }

    products! {
        visit_i16x8_extmul_low_i8x16_s swiden_low I8X16; visit_i16x8_extmul_high_i8x16_s swiden_high I8X16;
        visit_i16x8_extmul_low_i8x16_u uwiden_low I8X16; visit_i16x8_extmul_high_i8x16_u uwiden_high I8X16;
        visit_i32x4_extmul_low_i16x8_s swiden_low I16X8; visit_i32x4_extmul_high_i16x8_s swiden_high I16X8;
        visit_i32x4_extmul_low_i16x8_u uwiden_low I16X8; visit_i32x4_extmul_high_i16x8_u uwiden_high I16X8;
        visit_i64x2_extmul_low_i32x4_s swiden_low I32X4; visit_i64x2_extmul_high_i32x4_s swiden_high I32X4;
        visit_i64x2_extmul_low_i32x4_u uwiden_low I32X4; visit_i64x2_extmul_high_i32x4_u uwiden_high I32X4;
    }

    pairwise_sums! {
        visit_i16x8_extadd_pairwise_i8x16_s swiden_low swiden_high I8X16;
        visit_i16x8_extadd_pairwise_i8x16_u uwiden_low uwiden_high I8X16;
        visit_i32x4_extadd_pairwise_i16x8_s swiden_low swiden_high I16X8;
        visit_i32x4_extadd_pairwise_i16x8_u uwiden_low uwiden_high I16X8;
    }

    convert! {
        visit_i32x4_trunc_sat_f32x4_s fcvt_to_sint_sat F32X4 I32X4;
        visit_i32x4_trunc_sat_f32x4_u fcvt_to_uint_sat F32X4 I32X4;
        visit_f32x4_convert_i32x4_s fcvt_from_sint I32X4 F32X4;
        visit_f32x4_convert_i32x4_u fcvt_from_uint I32X4 F32X4;
    }

    convert_low! {
        visit_f64x2_convert_low_i32x4_s swiden_low fcvt_from_sint;
        visit_f64x2_convert_low_i32x4_u uwiden_low fcvt_from_uint;
    }

    truncate_zero! {
        visit_i32x4_trunc_sat_f64x2_s_zero fcvt_to_sint_sat snarrow;
        visit_i32x4_trunc_sat_f64x2_u_zero fcvt_to_uint_sat uunarrow;
    }
}
