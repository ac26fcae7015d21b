//! Locals and globals.

use super::FuncTranslator;
use super::flags::sealed;
use super::signature::clif_type;
use crate::abi::GlobalPlace;
use crate::module::{ConstOp, ValType};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{InstBuilder, Value, types};

impl FuncTranslator<'_> {
    pub(super) fn visit_local_get(&mut self, local_index: u32) {
        let value = self.builder.use_var(self.locals[local_index as usize]);
        self.push1(value);
    }

    pub(super) fn visit_local_set(&mut self, local_index: u32) {
        let value = self.pop1();
        self.builder
            .def_var(self.locals[local_index as usize], value);
    }

    pub(super) fn visit_local_tee(&mut self, local_index: u32) {
        let value = self.peek1();
        self.builder
            .def_var(self.locals[local_index as usize], value);
    }

    pub(super) fn visit_global_get(&mut self, global_index: u32) {
        let content = self.env.module.globals[global_index as usize].ty.content;
        let ty = clif_type(content);
        let vmctx = self.vmctx;
        let value = match self.env.layout.globals[global_index as usize] {
            GlobalPlace::Constant => self.global_constant(global_index, content),
            GlobalPlace::Sealed(offset) => self.ins().load(ty, sealed(), vmctx, offset),
            GlobalPlace::Mutable(offset) => {
                let flags = self.global_flags(global_index);
                self.ins().load(ty, flags, vmctx, offset)
            }
            GlobalPlace::Cell(offset) => {
                let cell = self.sealed_field(offset);
                let flags = self.cell_flags();
                self.ins().load(ty, flags, cell, 0)
            }
        };
        self.note_reference(content, value);
        self.push1(value);
    }

    pub(super) fn visit_global_set(&mut self, global_index: u32) {
        let value = self.pop1();
        match self.env.layout.globals[global_index as usize] {
            GlobalPlace::Mutable(offset) => {
                let flags = self.global_flags(global_index);
                let vmctx = self.vmctx;
                self.ins().store(flags, value, vmctx, offset);
            }
            GlobalPlace::Cell(offset) => {
                let content = self.env.module.globals[global_index as usize].ty.content;
                let cell = self.sealed_field(offset);
                let flags = self.cell_flags();
                // A handle fills its 64-bit slot, so that whoever reads the cell sees no stale half.
                let value = if super::stack::is_collected(content) {
                    self.zero_extend(value)
                } else {
                    value
                };
                self.ins().store(flags, value, cell, 0);
            }
            GlobalPlace::Constant | GlobalPlace::Sealed(_) => {
                unreachable!("the validator refuses to set an immutable global")
            }
        }
    }

    /// The value of a global that has one constant for an initialiser.
    fn global_constant(&mut self, index: u32, content: ValType) -> Value {
        let init = self.env.module.globals[index as usize]
            .init
            .as_ref()
            .and_then(|i| i.single());
        match init {
            Some(ConstOp::I32(v)) => self.const_i32(v as u32),
            Some(ConstOp::I64(v)) => self.ins().iconst(types::I64, v),
            Some(ConstOp::F32(bits)) => self.ins().f32const(Ieee32::with_bits(bits)),
            Some(ConstOp::F64(bits)) => self.ins().f64const(Ieee64::with_bits(bits)),
            Some(ConstOp::V128(bits)) => self.const_v128(bits),
            _ => self.zero(content),
        }
    }
}
