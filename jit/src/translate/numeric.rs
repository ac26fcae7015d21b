//! Numbers: constants, comparisons and arithmetic of integers and floats.
//!
//! It must never know memories, calls or control flow.

use super::FuncTranslator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Type, types};
use wasmparser::{Ieee32 as WasmF32, Ieee64 as WasmF64};

/// One line per instruction that is one instruction of the code generator.
macro_rules! unary {
    ($($visit:ident $inst:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let a = self.pop1();
            let value = self.ins().$inst(a);
            self.push1(value);
        }
    )*};
}

macro_rules! binary {
    ($($visit:ident $inst:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let value = self.ins().$inst(a, b);
            self.push1(value);
        }
    )*};
}

macro_rules! int_compare {
    ($($visit:ident $cc:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let bit = self.ins().icmp(IntCC::$cc, a, b);
            self.push_bool(bit);
        }
    )*};
}

macro_rules! float_compare {
    ($($visit:ident $cc:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let (a, b) = self.pop2();
            let bit = self.ins().fcmp(FloatCC::$cc, a, b);
            self.push_bool(bit);
        }
    )*};
}

macro_rules! sign_extend {
    ($($visit:ident $from:ident $to:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let a = self.pop1();
            let narrow = self.ins().ireduce(types::$from, a);
            let value = self.ins().sextend(types::$to, narrow);
            self.push1(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    fn eqz(&mut self, ty: Type) {
        let a = self.pop1();
        let zero = self.ins().iconst(ty, 0);
        let bit = self.ins().icmp(IntCC::Equal, a, zero);
        self.push_bool(bit);
    }

    pub(super) fn visit_i32_const(&mut self, value: i32) {
        // Immediates are the low bits, zero-extended.
        let value = self.ins().iconst(types::I32, i64::from(value as u32));
        self.push1(value);
    }

    pub(super) fn visit_i64_const(&mut self, value: i64) {
        let value = self.ins().iconst(types::I64, value);
        self.push1(value);
    }

    pub(super) fn visit_f32_const(&mut self, value: WasmF32) {
        let bits = cranelift_codegen::ir::immediates::Ieee32::with_bits(value.bits());
        let value = self.ins().f32const(bits);
        self.push1(value);
    }

    pub(super) fn visit_f64_const(&mut self, value: WasmF64) {
        let bits = cranelift_codegen::ir::immediates::Ieee64::with_bits(value.bits());
        let value = self.ins().f64const(bits);
        self.push1(value);
    }

    pub(super) fn visit_i32_eqz(&mut self) {
        self.eqz(types::I32);
    }

    pub(super) fn visit_i64_eqz(&mut self) {
        self.eqz(types::I64);
    }

    int_compare! {
        visit_i32_eq Equal; visit_i32_ne NotEqual;
        visit_i32_lt_s SignedLessThan; visit_i32_lt_u UnsignedLessThan;
        visit_i32_gt_s SignedGreaterThan; visit_i32_gt_u UnsignedGreaterThan;
        visit_i32_le_s SignedLessThanOrEqual; visit_i32_le_u UnsignedLessThanOrEqual;
        visit_i32_ge_s SignedGreaterThanOrEqual; visit_i32_ge_u UnsignedGreaterThanOrEqual;
        visit_i64_eq Equal; visit_i64_ne NotEqual;
        visit_i64_lt_s SignedLessThan; visit_i64_lt_u UnsignedLessThan;
        visit_i64_gt_s SignedGreaterThan; visit_i64_gt_u UnsignedGreaterThan;
        visit_i64_le_s SignedLessThanOrEqual; visit_i64_le_u UnsignedLessThanOrEqual;
        visit_i64_ge_s SignedGreaterThanOrEqual; visit_i64_ge_u UnsignedGreaterThanOrEqual;
    }

    float_compare! {
        visit_f32_eq Equal; visit_f32_ne NotEqual; visit_f32_lt LessThan;
        visit_f32_gt GreaterThan; visit_f32_le LessThanOrEqual; visit_f32_ge GreaterThanOrEqual;
        visit_f64_eq Equal; visit_f64_ne NotEqual; visit_f64_lt LessThan;
        visit_f64_gt GreaterThan; visit_f64_le LessThanOrEqual; visit_f64_ge GreaterThanOrEqual;
    }

    unary! {
        visit_i32_clz clz; visit_i32_ctz ctz; visit_i32_popcnt popcnt;
        visit_i64_clz clz; visit_i64_ctz ctz; visit_i64_popcnt popcnt;
        visit_f32_abs fabs; visit_f32_neg fneg; visit_f32_ceil ceil; visit_f32_floor floor;
        visit_f32_trunc trunc; visit_f32_nearest nearest; visit_f32_sqrt sqrt;
        visit_f64_abs fabs; visit_f64_neg fneg; visit_f64_ceil ceil; visit_f64_floor floor;
        visit_f64_trunc trunc; visit_f64_nearest nearest; visit_f64_sqrt sqrt;
    }

    // Shift and rotate counts are taken modulo the width by both; divisions trap in the CPU.
    binary! {
        visit_i32_add iadd; visit_i32_sub isub; visit_i32_mul imul;
        visit_i32_div_s sdiv; visit_i32_div_u udiv; visit_i32_rem_s srem; visit_i32_rem_u urem;
        visit_i32_and band; visit_i32_or bor; visit_i32_xor bxor;
        visit_i32_shl ishl; visit_i32_shr_s sshr; visit_i32_shr_u ushr;
        visit_i32_rotl rotl; visit_i32_rotr rotr;
        visit_i64_add iadd; visit_i64_sub isub; visit_i64_mul imul;
        visit_i64_div_s sdiv; visit_i64_div_u udiv; visit_i64_rem_s srem; visit_i64_rem_u urem;
        visit_i64_and band; visit_i64_or bor; visit_i64_xor bxor;
        visit_i64_shl ishl; visit_i64_shr_s sshr; visit_i64_shr_u ushr;
        visit_i64_rotl rotl; visit_i64_rotr rotr;
        visit_f32_add fadd; visit_f32_sub fsub; visit_f32_mul fmul; visit_f32_div fdiv;
        visit_f32_min fmin; visit_f32_max fmax; visit_f32_copysign fcopysign;
        visit_f64_add fadd; visit_f64_sub fsub; visit_f64_mul fmul; visit_f64_div fdiv;
        visit_f64_min fmin; visit_f64_max fmax; visit_f64_copysign fcopysign;
    }

    sign_extend! {
        visit_i32_extend8_s I8 I32; visit_i32_extend16_s I16 I32;
        visit_i64_extend8_s I8 I64; visit_i64_extend16_s I16 I64; visit_i64_extend32_s I32 I64;
    }
}
