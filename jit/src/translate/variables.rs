//! Locals and globals.

use super::FuncTranslator;
use super::flags::sealed;
use super::signature::clif_type;
use super::stack::is_collected;
use crate::abi::GlobalPlace;
use crate::module::{ConstOp, ValType};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{
    InstBuilder, StackSlot, StackSlotData, StackSlotKind, Type, Value, types,
};
use cranelift_frontend::Variable;

/// Where a local is kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Local {
    /// In values that the frontend follows through the blocks.
    Values(Variable),
    /// In the frame: slower, but no block needs a parameter for it.
    Slot(StackSlot, Type),
}

impl FuncTranslator<'_> {
    pub(super) fn visit_local_get(&mut self, local_index: u32) {
        let value = match self.locals[local_index as usize] {
            Local::Values(variable) => self.builder.use_var(variable),
            Local::Slot(slot, ty) => self.ins().stack_load(types::I64, ty, slot, 0),
        };
        self.push1(value);
    }

    pub(super) fn visit_local_set(&mut self, local_index: u32) {
        let value = self.pop1();
        self.set_local(self.locals[local_index as usize], value);
    }

    pub(super) fn visit_local_tee(&mut self, local_index: u32) {
        let value = self.peek1();
        self.set_local(self.locals[local_index as usize], value);
    }

    fn set_local(&mut self, local: Local, value: Value) {
        match local {
            Local::Values(variable) => self.builder.def_var(variable, value),
            Local::Slot(slot, _) => {
                self.ins().stack_store(types::I64, value, slot, 0);
            }
        }
    }

    /// Declares a local of the function itself, with its first value.
    pub(super) fn declare_local(&mut self, ty: ValType, value: Value) {
        let clif = clif_type(ty);
        // Stack maps list values only.
        let local = if self.locals_in_frame && !is_collected(ty) {
            let align = clif.bytes().ilog2() as u8;
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, clif.bytes(), align);
            Local::Slot(self.builder.create_sized_stack_slot(data), clif)
        } else {
            let variable = self.builder.declare_var(clif);
            if is_collected(ty) {
                self.builder.declare_var_needs_stack_map(variable);
            }
            Local::Values(variable)
        };
        self.set_local(local, value);
        self.locals.push(local);
    }

    /// Declares a local that is zero or null.
    pub(super) fn declare_zero_local(&mut self, ty: ValType) {
        let zero = self.zero(ty);
        self.declare_local(ty, zero);
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
                let value = if is_collected(content) {
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
