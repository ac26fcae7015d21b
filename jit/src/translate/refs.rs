//! References: null, null tests, function records.

use super::FuncTranslator;
use super::signature::clif_type;
use crate::abi::Builtin;
use crate::module::{RefType, ValType, convert_heap_type};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, types};

impl FuncTranslator<'_> {
    pub(super) fn visit_ref_null(&mut self, hty: wasmparser::HeapType) {
        let heap = convert_heap_type(hty);
        let ty = heap.map_or(types::I64, |heap| {
            clif_type(ValType::Ref(RefType {
                nullable: true,
                heap,
            }))
        });
        let null = self.ins().iconst(ty, 0);
        self.push1(null);
    }

    pub(super) fn visit_ref_is_null(&mut self) {
        let value = self.pop1();
        let is_null = self.ins().icmp_imm_u(IntCC::Equal, value, 0);
        self.push_bool(is_null);
    }

    pub(super) fn visit_ref_func(&mut self, function_index: u32) {
        let function = self.const_i32(function_index);
        let record = self
            .call_builtin(Builtin::RefFunc, &[function])
            .expect("declared with a result");
        self.push1(record);
    }
}
