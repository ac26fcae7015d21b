//! Conversions between number types.
//!
//! It must never know memories, calls or control flow.

use super::FuncTranslator;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, types};

/// One line per instruction that is one instruction of the code generator with a result type.
macro_rules! convert {
    ($($visit:ident $inst:ident $to:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let a = self.pop1();
            let value = self.ins().$inst(types::$to, a);
            self.push1(value);
        }
    )*};
}

macro_rules! reinterpret {
    ($($visit:ident $to:ident;)*) => {$(
        pub(super) fn $visit(&mut self) {
            let a = self.pop1();
            let value = self.ins().bitcast(types::$to, MemFlagsData::new(), a);
            self.push1(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    convert! {
        visit_i32_wrap_i64 ireduce I32;
        visit_i64_extend_i32_s sextend I64;
        visit_i64_extend_i32_u uextend I64;
        visit_i32_trunc_f32_s fcvt_to_sint I32;
        visit_i32_trunc_f32_u fcvt_to_uint I32;
        visit_i32_trunc_f64_s fcvt_to_sint I32;
        visit_i32_trunc_f64_u fcvt_to_uint I32;
        visit_i64_trunc_f32_s fcvt_to_sint I64;
        visit_i64_trunc_f32_u fcvt_to_uint I64;
        visit_i64_trunc_f64_s fcvt_to_sint I64;
        visit_i64_trunc_f64_u fcvt_to_uint I64;
        visit_i32_trunc_sat_f32_s fcvt_to_sint_sat I32;
        visit_i32_trunc_sat_f32_u fcvt_to_uint_sat I32;
        visit_i32_trunc_sat_f64_s fcvt_to_sint_sat I32;
        visit_i32_trunc_sat_f64_u fcvt_to_uint_sat I32;
        visit_i64_trunc_sat_f32_s fcvt_to_sint_sat I64;
        visit_i64_trunc_sat_f32_u fcvt_to_uint_sat I64;
        visit_i64_trunc_sat_f64_s fcvt_to_sint_sat I64;
        visit_i64_trunc_sat_f64_u fcvt_to_uint_sat I64;
        visit_f32_convert_i32_s fcvt_from_sint F32;
        visit_f32_convert_i32_u fcvt_from_uint F32;
        visit_f32_convert_i64_s fcvt_from_sint F32;
        visit_f32_convert_i64_u fcvt_from_uint F32;
        visit_f64_convert_i32_s fcvt_from_sint F64;
        visit_f64_convert_i32_u fcvt_from_uint F64;
        visit_f64_convert_i64_s fcvt_from_sint F64;
        visit_f64_convert_i64_u fcvt_from_uint F64;
        visit_f32_demote_f64 fdemote F32;
        visit_f64_promote_f32 fpromote F64;
    }

    reinterpret! {
        visit_i32_reinterpret_f32 I32;
        visit_i64_reinterpret_f64 I64;
        visit_f32_reinterpret_i32 F32;
        visit_f64_reinterpret_i64 F64;
    }
}
