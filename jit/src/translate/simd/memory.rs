//! Vector loads and stores. Each accesses exactly the bytes it names, never a whole vector for a lane.

use crate::translate::FuncTranslator;
use cranelift_codegen::ir::{InstBuilder, types};
use wasmparser::MemArg;

macro_rules! extending_loads {
    ($($visit:ident $inst:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self, memarg: MemArg) {
            let (address, offset, flags) = self.memory_address(&memarg, 8);
            let value = self.ins().$inst(flags, address, offset);
            self.push_v128(value);
        }
    )*};
}

macro_rules! scalar_loads {
    ($($visit:ident $inst:ident $scalar:ident $vector:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self, memarg: MemArg) {
            let (address, offset, flags) = self.memory_address(&memarg, types::$scalar.bytes());
            let scalar = self.ins().load(types::$scalar, flags, address, offset);
            let value = self.ins().$inst(types::$vector, scalar);
            self.push_v128(value);
        }
    )*};
}

macro_rules! lane_accesses {
    ($($load:ident $store:ident $scalar:ident $vector:ident;)*) => {$(
        pub(in crate::translate) fn $load(&mut self, memarg: MemArg, lane: u8) {
            let vector = self.pop_v128_as(types::$vector);
            let (address, offset, flags) = self.memory_address(&memarg, types::$scalar.bytes());
            let scalar = self.ins().load(types::$scalar, flags, address, offset);
            let value = self.ins().insertlane(vector, scalar, lane);
            self.push_v128(value);
        }

        pub(in crate::translate) fn $store(&mut self, memarg: MemArg, lane: u8) {
            let vector = self.pop_v128_as(types::$vector);
            let (address, offset, flags) = self.memory_address(&memarg, types::$scalar.bytes());
            let scalar = self.ins().extractlane(vector, lane);
            self.ins().store(flags, scalar, address, offset);
        }
    )*};
}

impl FuncTranslator<'_> {
    pub(in crate::translate) fn visit_v128_load(&mut self, memarg: MemArg) {
        let (address, offset, flags) = self.memory_address(&memarg, 16);
        let value = self.ins().load(types::I8X16, flags, address, offset);
        self.push1(value);
    }

    pub(in crate::translate) fn visit_v128_store(&mut self, memarg: MemArg) {
        let value = self.pop1();
        let (address, offset, flags) = self.memory_address(&memarg, 16);
        self.ins().store(flags, value, address, offset);
    }

    extending_loads! {
        visit_v128_load8x8_s sload8x8; visit_v128_load8x8_u uload8x8;
        visit_v128_load16x4_s sload16x4; visit_v128_load16x4_u uload16x4;
        visit_v128_load32x2_s sload32x2; visit_v128_load32x2_u uload32x2;
    }

    scalar_loads! {
        visit_v128_load8_splat splat I8 I8X16; visit_v128_load16_splat splat I16 I16X8;
        visit_v128_load32_splat splat I32 I32X4; visit_v128_load64_splat splat I64 I64X2;
        visit_v128_load32_zero scalar_to_vector I32 I32X4; visit_v128_load64_zero scalar_to_vector I64 I64X2;
    }

    lane_accesses! {
        visit_v128_load8_lane visit_v128_store8_lane I8 I8X16;
        visit_v128_load16_lane visit_v128_store16_lane I16 I16X8;
        visit_v128_load32_lane visit_v128_store32_lane I32 I32X4;
        visit_v128_load64_lane visit_v128_store64_lane I64 I64X2;
    }
}
