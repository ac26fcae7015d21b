//! Tables: bounds, element addresses, and the table instructions.
//!
//! Indirect calls read entries only, `table.get` reads the array of references beside them; both
//! compute addresses here. Whatever writes function entries is a builtin, because the order of
//! its stores matters to interruption.

use super::FuncTranslator;
use super::signature::clif_type;
use crate::abi::{Builtin, TABLE_ENTRY, TableEntry, TableField, TablePlace, TrapCode};
use crate::module::ValType;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};

/// Offset of an entry's code address.
pub(super) const ENTRY_CODE: i32 = std::mem::offset_of!(TableEntry, code) as i32;
/// Offset of an entry's signature id.
pub(super) const ENTRY_SIG_ID: i32 = std::mem::offset_of!(TableEntry, sig_id) as i32;

impl FuncTranslator<'_> {
    fn table_index_type(&self, table: u32) -> Type {
        if self.env.module.tables[table as usize].ty.is_64 {
            types::I64
        } else {
            types::I32
        }
    }

    /// The current size of a table, in its index type.
    fn table_length(&mut self, table: u32) -> Value {
        let ty = self.table_index_type(table);
        match self.env.layout.tables[table as usize] {
            TablePlace::Fixed { length, .. } => self.ins().iconst(ty, i64::from(length)),
            TablePlace::Field { offset } => {
                let limits = self.env.module.tables[table as usize].ty.limits;
                if limits.max == Some(limits.min) {
                    return self.ins().iconst(ty, limits.min as i64);
                }
                let descriptor = self.sealed_field(offset + TableField::DESCRIPTOR);
                let flags = self.length_flags();
                // The low half is the whole length of a table with 32-bit indices.
                self.ins().load(ty, flags, descriptor, 0)
            }
        }
    }

    /// The address of element `index` in an array of `table`, guarded: when the index is outside,
    /// this traps, or the address is null and the access through it traps.
    fn element_address(
        &mut self,
        table: u32,
        index: Value,
        array: Value,
        element_bytes: u32,
    ) -> Value {
        let length = self.table_length(table);
        let outside = self
            .ins()
            .icmp(IntCC::UnsignedGreaterThanOrEqual, index, length);
        let spectre = self.env.settings.spectre;
        if !spectre {
            self.trapnz(outside, TrapCode::TableOutOfBounds);
        }
        let index = self.zero_extend(index);
        let shift = i64::from(element_bytes.trailing_zeros());
        let offset = self.ins().ishl_imm_u(index, shift);
        let address = self.ins().iadd(array, offset);
        if spectre {
            let null = self.ins().iconst(types::I64, 0);
            self.ins().select_spectre_guard(outside, null, address)
        } else {
            address
        }
    }

    /// The address of the entry that an indirect call through `table` reads.
    pub(super) fn entry_address(&mut self, table: u32, index: Value) -> Value {
        let entries = match self.env.layout.tables[table as usize] {
            TablePlace::Fixed { offset, .. } => {
                let vmctx = self.vmctx;
                self.ins().iadd_imm_s(vmctx, i64::from(offset))
            }
            TablePlace::Field { offset } => self.sealed_field(offset + TableField::ENTRIES),
        };
        self.element_address(table, index, entries, TABLE_ENTRY)
    }

    fn table_is_func(&self, table: u32) -> bool {
        self.env.module.tables[table as usize].ty.element.is_func()
    }

    /// Loads the constant that names `table` in calls of builtins.
    fn table_operand(&mut self, table: u32) -> Value {
        self.const_i32(table)
    }

    pub(super) fn visit_table_size(&mut self, table: u32) {
        let length = self.table_length(table);
        self.push1(length);
    }

    pub(super) fn visit_table_get(&mut self, table: u32) {
        let index = self.pop1();
        let value = match self.env.layout.tables[table as usize] {
            TablePlace::Fixed { .. } => self.get_func_slow(table, index),
            TablePlace::Field { offset } if self.table_is_func(table) => {
                self.get_func(table, offset, index)
            }
            TablePlace::Field { offset } => {
                let handles = self.sealed_field(offset + TableField::ENTRIES);
                let address = self.element_address(table, index, handles, 8);
                let flags = self.table_flags();
                let value = self.ins().load(types::I32, flags, address, 0);
                self.builder.declare_value_needs_stack_map(value);
                value
            }
        };
        self.push1(value);
    }

    /// A funcref element by way of the runtime, which checks the index too.
    fn get_func_slow(&mut self, table: u32, index: Value) -> Value {
        let index = self.zero_extend(index);
        let table = self.table_operand(table);
        self.call_builtin(Builtin::TableGetFunc, &[table, index])
            .expect("declared with a result")
    }

    /// A funcref element: 0 in the array of references asks the runtime, else bit 0 is a mark.
    fn get_func(&mut self, table: u32, field: i32, index: Value) -> Value {
        let refs = self.sealed_field(field + TableField::REFS);
        let address = self.element_address(table, index, refs, 8);
        let flags = self.table_flags();
        let marked = self.ins().load(types::I64, flags, address, 0);
        let record = self.ins().band_imm_s(marked, -2);
        let (miss, done) = (self.builder.create_block(), self.builder.create_block());
        let result = self.builder.append_block_param(done, types::I64);
        self.builder.set_cold_block(miss);
        self.ins().brif(marked, done, &[record.into()], miss, &[]);
        self.start_block(miss);
        let made = self.get_func_slow(table, index);
        self.ins().jump(done, &[made.into()]);
        self.start_block(done);
        result
    }

    pub(super) fn visit_table_set(&mut self, table: u32) {
        let (index, value) = self.pop2();
        match self.env.layout.tables[table as usize] {
            TablePlace::Field { offset } if !self.table_is_func(table) => {
                let handles = self.sealed_field(offset + TableField::ENTRIES);
                let address = self.element_address(table, index, handles, 8);
                let value = self.zero_extend(value);
                let flags = self.table_flags();
                self.ins().store(flags, value, address, 0);
            }
            _ => {
                let index = self.zero_extend(index);
                let table = self.table_operand(table);
                self.call_builtin(Builtin::TableSetFunc, &[table, index, value]);
            }
        }
    }

    pub(super) fn visit_table_grow(&mut self, table: u32) {
        let (init, delta) = self.pop2();
        let (init, delta) = (self.zero_extend(init), self.zero_extend(delta));
        let operand = self.table_operand(table);
        let old = self
            .call_builtin(Builtin::TableGrow, &[operand, delta, init])
            .expect("declared with a result");
        let is_64 = self.env.module.tables[table as usize].ty.is_64;
        let old = if is_64 {
            old
        } else {
            self.ins().ireduce(clif_type(ValType::I32), old)
        };
        self.push1(old);
    }

    pub(super) fn visit_table_fill(&mut self, table: u32) {
        let (index, value, len) = self.pop3();
        let (index, value, len) = (
            self.zero_extend(index),
            self.zero_extend(value),
            self.zero_extend(len),
        );
        let table = self.table_operand(table);
        self.call_builtin(Builtin::TableFill, &[table, index, value, len]);
    }

    pub(super) fn visit_table_copy(&mut self, dst_table: u32, src_table: u32) {
        let (dst, src, len) = self.pop3();
        let (dst, src, len) = (
            self.zero_extend(dst),
            self.zero_extend(src),
            self.zero_extend(len),
        );
        let (to, from) = (self.table_operand(dst_table), self.table_operand(src_table));
        self.call_builtin(Builtin::TableCopy, &[to, from, dst, src, len]);
    }

    pub(super) fn visit_table_init(&mut self, elem_index: u32, table: u32) {
        let (dst, src, len) = self.pop3();
        let dst = self.zero_extend(dst);
        let (table, segment) = (self.table_operand(table), self.const_i32(elem_index));
        self.call_builtin(Builtin::TableInit, &[table, segment, dst, src, len]);
    }

    pub(super) fn visit_elem_drop(&mut self, elem_index: u32) {
        let segment = self.const_i32(elem_index);
        self.call_builtin(Builtin::ElemDrop, &[segment]);
    }
}
