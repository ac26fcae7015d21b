//! Bits of whole vectors, and what is tested about lanes.

use crate::translate::FuncTranslator;
use cranelift_codegen::ir::{InstBuilder, types};

macro_rules! tests {
    ($($all:ident $bitmask:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $all(&mut self) {
            let a = self.pop_v128_as(types::$ty);
            let bit = self.ins().vall_true(a);
            self.push_bool(bit);
        }

        pub(in crate::translate) fn $bitmask(&mut self) {
            let a = self.pop_v128_as(types::$ty);
            let value = self.ins().vhigh_bits(types::I32, a);
            self.push1(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    super::unary! { visit_v128_not bnot I8X16; }

    super::binary! {
        visit_v128_and band I8X16; visit_v128_andnot band_not I8X16;
        visit_v128_or bor I8X16; visit_v128_xor bxor I8X16;
    }

    pub(in crate::translate) fn visit_v128_bitselect(&mut self) {
        let (a, b, mask) = self.pop3();
        let value = self.ins().bitselect(mask, a, b);
        self.push_v128(value);
    }

    pub(in crate::translate) fn visit_v128_any_true(&mut self) {
        let a = self.pop1();
        let bit = self.ins().vany_true(a);
        self.push_bool(bit);
    }

    tests! {
        visit_i8x16_all_true visit_i8x16_bitmask I8X16; visit_i16x8_all_true visit_i16x8_bitmask I16X8;
        visit_i32x4_all_true visit_i32x4_bitmask I32X4; visit_i64x2_all_true visit_i64x2_bitmask I64X2;
    }
}
