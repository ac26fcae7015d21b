//! Vector constants, splats, single lanes and shuffles.

use crate::translate::FuncTranslator;
use cranelift_codegen::ir::{ConstantData, InstBuilder, types};
use wasmparser::V128;

macro_rules! whole_lanes {
    ($($splat:ident $extract:ident $replace:ident $vector:ident;)*) => {$(
        pub(in crate::translate) fn $splat(&mut self) {
            let a = self.pop1();
            let value = self.ins().splat(types::$vector, a);
            self.push_v128(value);
        }

        pub(in crate::translate) fn $extract(&mut self, lane: u8) {
            let a = self.pop_v128_as(types::$vector);
            let value = self.ins().extractlane(a, lane);
            self.push1(value);
        }

        pub(in crate::translate) fn $replace(&mut self, lane: u8) {
            let scalar = self.pop1();
            let a = self.pop_v128_as(types::$vector);
            let value = self.ins().insertlane(a, scalar, lane);
            self.push_v128(value);
        }
    )*};
}

/// Lanes narrower than the i32 that stands for them on the operand stack.
macro_rules! narrow_lanes {
    ($($splat:ident $extract_s:ident $extract_u:ident $replace:ident $scalar:ident $vector:ident;)*) => {$(
        pub(in crate::translate) fn $splat(&mut self) {
            let a = self.pop1();
            let narrow = self.ins().ireduce(types::$scalar, a);
            let value = self.ins().splat(types::$vector, narrow);
            self.push_v128(value);
        }

        pub(in crate::translate) fn $extract_s(&mut self, lane: u8) {
            let a = self.pop_v128_as(types::$vector);
            let narrow = self.ins().extractlane(a, lane);
            let value = self.ins().sextend(types::I32, narrow);
            self.push1(value);
        }

        pub(in crate::translate) fn $extract_u(&mut self, lane: u8) {
            let a = self.pop_v128_as(types::$vector);
            let narrow = self.ins().extractlane(a, lane);
            let value = self.ins().uextend(types::I32, narrow);
            self.push1(value);
        }

        pub(in crate::translate) fn $replace(&mut self, lane: u8) {
            let scalar = self.pop1();
            let a = self.pop_v128_as(types::$vector);
            let narrow = self.ins().ireduce(types::$scalar, scalar);
            let value = self.ins().insertlane(a, narrow, lane);
            self.push_v128(value);
        }
    )*};
}

impl FuncTranslator<'_> {
    pub(in crate::translate) fn visit_v128_const(&mut self, value: V128) {
        let data = ConstantData::from(&value.bytes()[..]);
        let constant = self.builder.func.dfg.constants.insert(data);
        let value = self.ins().vconst(types::I8X16, constant);
        self.push1(value);
    }

    pub(in crate::translate) fn visit_i8x16_shuffle(&mut self, lanes: [u8; 16]) {
        let (a, b) = self.pop2();
        let mask = self
            .builder
            .func
            .dfg
            .immediates
            .push(ConstantData::from(&lanes[..]));
        let value = self.ins().shuffle(a, b, mask);
        self.push_v128(value);
    }

    pub(in crate::translate) fn visit_i8x16_swizzle(&mut self) {
        let (a, b) = self.pop2();
        let value = self.ins().swizzle(a, b);
        self.push_v128(value);
    }

    whole_lanes! {
        visit_i32x4_splat visit_i32x4_extract_lane visit_i32x4_replace_lane I32X4;
        visit_i64x2_splat visit_i64x2_extract_lane visit_i64x2_replace_lane I64X2;
        visit_f32x4_splat visit_f32x4_extract_lane visit_f32x4_replace_lane F32X4;
        visit_f64x2_splat visit_f64x2_extract_lane visit_f64x2_replace_lane F64X2;
    }

    narrow_lanes! {
        visit_i8x16_splat visit_i8x16_extract_lane_s visit_i8x16_extract_lane_u visit_i8x16_replace_lane I8 I8X16;
        visit_i16x8_splat visit_i16x8_extract_lane_s visit_i16x8_extract_lane_u visit_i16x8_replace_lane I16 I16X8;
    }
}
