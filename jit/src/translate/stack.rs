//! The operand stack, and the small helpers that all operator families share.

use super::flags::sealed;
use super::signature::clif_type;
use super::trap::to_clif;
use super::{FuncTranslator, flags, signature};
use crate::abi::{Builtin, BuiltinType, TrapCode};
use crate::module::ValType;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::{Endianness, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_codegen::ir::{StackSlot, StackSlotData, StackSlotKind};
use cranelift_frontend::FuncInstBuilder;

/// Whether values of the type are handles that stack maps must list.
pub(super) fn is_collected(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(r) if r.is_collected())
}

impl<'a> FuncTranslator<'a> {
    /// Appends an instruction at the current point.
    pub(super) fn ins<'s>(&'s mut self) -> FuncInstBuilder<'s, 'a> {
        self.builder.ins()
    }

    /// Pushes an operand.
    pub(super) fn push1(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Pops an operand.
    pub(super) fn pop1(&mut self) -> Value {
        self.stack
            .pop()
            .expect("the validator keeps the operand stack balanced")
    }

    /// Pops two operands, in the order they were pushed.
    pub(super) fn pop2(&mut self) -> (Value, Value) {
        let second = self.pop1();
        (self.pop1(), second)
    }

    /// Pops three operands, in the order they were pushed.
    pub(super) fn pop3(&mut self) -> (Value, Value, Value) {
        let third = self.pop1();
        let (first, second) = self.pop2();
        (first, second, third)
    }

    /// The top operand.
    pub(super) fn peek1(&self) -> Value {
        *self
            .stack
            .last()
            .expect("the validator keeps the operand stack balanced")
    }

    /// Pops the top `count` operands, in the order they were pushed.
    pub(super) fn pop_many(&mut self, count: usize) -> Vec<Value> {
        self.stack.split_off(self.stack.len() - count)
    }

    /// Pops a vector, seen as lanes of type `ty`.
    pub(super) fn pop_v128_as(&mut self, ty: Type) -> Value {
        let value = self.pop1();
        if ty == types::I8X16 {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(Endianness::Little);
        self.ins().bitcast(ty, flags, value)
    }

    /// Pushes a vector of any lane type.
    pub(super) fn push_v128(&mut self, value: Value) {
        let value = if self.builder.func.dfg.value_type(value) == types::I8X16 {
            value
        } else {
            let flags = MemFlagsData::new().with_endianness(Endianness::Little);
            self.ins().bitcast(types::I8X16, flags, value)
        };
        self.push1(value);
    }

    /// A 32-bit constant.
    pub(super) fn const_i32(&mut self, value: u32) -> Value {
        self.ins().iconst(types::I32, i64::from(value))
    }

    /// Zero or null of a type.
    pub(super) fn zero(&mut self, ty: ValType) -> Value {
        match ty {
            ValType::F32 => self.ins().f32const(Ieee32::with_bits(0)),
            ValType::F64 => self.ins().f64const(Ieee64::with_bits(0)),
            ValType::V128 => self.const_v128(0),
            ValType::I32 | ValType::I64 | ValType::Ref(_) => self.ins().iconst(clif_type(ty), 0),
        }
    }

    /// A vector constant, little-endian.
    pub(super) fn const_v128(&mut self, bits: u128) -> Value {
        let constant = self
            .builder
            .func
            .dfg
            .constants
            .insert(bits.to_le_bytes().as_slice().into());
        self.ins().vconst(types::I8X16, constant)
    }

    /// Has stack maps list `value` if it is a collected reference.
    pub(super) fn note_reference(&mut self, ty: ValType, value: Value) {
        if is_collected(ty) {
            self.builder.declare_value_needs_stack_map(value);
        }
    }

    /// Traps with `code` if `condition` is not zero.
    pub(super) fn trapnz(&mut self, condition: Value, code: TrapCode) {
        self.ins().trapnz(condition, to_clif(code));
    }

    /// Traps with `code` if `condition` is zero.
    pub(super) fn trapz(&mut self, condition: Value, code: TrapCode) {
        self.ins().trapz(condition, to_clif(code));
    }

    /// `value` as 64 bits, zero-extended if it has 32.
    pub(super) fn zero_extend(&mut self, value: Value) -> Value {
        if self.builder.func.dfg.value_type(value) == types::I64 {
            return value;
        }
        self.ins().uextend(types::I64, value)
    }

    /// Loads a 64-bit field of S.
    pub(super) fn sealed_field(&mut self, offset: i32) -> Value {
        let vmctx = self.vmctx;
        self.ins().load(types::I64, sealed(), vmctx, offset)
    }

    /// Loads a field of S for a call that follows at once.
    pub(super) fn sealed_for_call(&mut self, ty: Type, offset: i32) -> Value {
        let flags = flags::sealed_for_call(&mut self.builder);
        let vmctx = self.vmctx;
        self.ins().load(ty, flags, vmctx, offset)
    }

    /// Calls a builtin with arguments behind the vmctx; it cannot throw into this function.
    pub(super) fn call_builtin(&mut self, builtin: Builtin, args: &[Value]) -> Option<Value> {
        let (signature, callee) = self.builtin_callee(builtin);
        let mut all = Vec::with_capacity(args.len() + 1);
        all.push(self.vmctx);
        all.extend_from_slice(args);
        let call = self.ins().call_indirect(signature, callee, &all);
        let result = self.builder.inst_results(call).first().copied();
        if let (Some(BuiltinType::Handle), Some(value)) = (builtin.result(), result) {
            self.builder.declare_value_needs_stack_map(value);
        }
        result
    }

    /// The signature and the address of a builtin.
    pub(super) fn builtin_callee(
        &mut self,
        builtin: Builtin,
    ) -> (cranelift_codegen::ir::SigRef, Value) {
        let signature = match self.builtin_signatures.get(&builtin) {
            Some(known) => *known,
            None => {
                let new = self.builder.import_signature(signature::builtin(builtin));
                self.builtin_signatures.insert(builtin, new);
                new
            }
        };
        let callee = self.sealed_for_call(types::I64, self.env.layout.builtin(builtin));
        (signature, callee)
    }

    /// A scratch area of `bytes` in the frame, 16-byte aligned, and its address. Its contents do
    /// not survive the next use of the same size.
    pub(super) fn scratch_slot(&mut self, bytes: u32) -> (StackSlot, Value) {
        let bytes = bytes.max(16);
        let builder = &mut self.builder;
        let slot = *self.slots.entry(bytes).or_insert_with(|| {
            builder.create_sized_stack_slot(StackSlotData::new(
                StackSlotKind::ExplicitSlot,
                bytes,
                4,
            ))
        });
        let address = self.ins().stack_addr(types::I64, slot, 0);
        (slot, address)
    }
}
