//! Linear memories: address computation, scalar loads and stores, size and growth.
//!
//! ```text
//!   memory 0 of the instance   vmctx + zext(index) + offset, no check: the guard covers 4 GiB + 2 GiB
//!   other guarded memories     base (constant, behind a descriptor) + zext(index) + offset
//!   64-bit, small pages        explicit check against the descriptor's length, base reloaded
//! ```

use super::FuncTranslator;
use super::flags::sealed;
use crate::abi::{Builtin, MemoryDescriptor, MemoryPlace, TrapCode, VmLayout};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use wasmparser::{MemArg, MemArgTarget};

/// Offsets below this one are covered by every guarded memory's guard.
const GUARDED_OFFSETS: u64 = 1 << 31;

/// The memory that an access names.
pub(super) fn memory_index(memarg: &MemArg) -> u32 {
    match memarg.target {
        MemArgTarget::Memory(index) => index,
        MemArgTarget::Array(_) => {
            unreachable!("the validator refuses arrays: their proposal is off")
        }
    }
}

impl FuncTranslator<'_> {
    /// Pops the index of an access of `access_bytes` bytes and returns the operands of the load or
    /// store: address, offset and flags. Whatever is out of bounds traps at the access or before.
    pub(super) fn memory_address(
        &mut self,
        memarg: &MemArg,
        access_bytes: u32,
    ) -> (Value, i32, MemFlagsData) {
        let index = self.pop1();
        let index = self.zero_extend(index);
        let flags = self.heap_flags();
        let index_of = memory_index(memarg);
        let memory = self.env.module.memories[index_of as usize];
        if !memory.is_guarded() || memarg.offset >= GUARDED_OFFSETS {
            let address = self.checked_address(index_of, index, memarg.offset, access_bytes);
            return (address, 0, flags);
        }
        let base = self.memory_base(index_of);
        let address = self.ins().iadd(base, index);
        (address, memarg.offset as i32, flags)
    }

    /// The address of byte `index + offset` after an explicit bounds check.
    fn checked_address(
        &mut self,
        memory: u32,
        index: Value,
        offset: u64,
        access_bytes: u32,
    ) -> Value {
        let length = self.memory_length(memory);
        let Some(reach) = offset.checked_add(u64::from(access_bytes)) else {
            // No memory is that long; what follows is valid but never runs.
            let always = self.ins().iconst(types::I8, 1);
            self.trapnz(always, TrapCode::HeapOutOfBounds);
            return self.memory_base(memory);
        };
        let reach = self.ins().iconst(types::I64, reach as i64);
        let is_64 = self.env.module.memories[memory as usize].is_64;
        let end = if is_64 {
            let code = super::trap::to_clif(TrapCode::HeapOutOfBounds);
            self.ins().uadd_overflow_trap(index, reach, code)
        } else {
            self.ins().iadd(index, reach)
        };
        let outside = self.ins().icmp(IntCC::UnsignedGreaterThan, end, length);
        let base = self.memory_base(memory);
        let start = self.ins().iadd(base, index);
        let address = self.ins().iadd_imm_s(start, offset as i64);
        if self.env.settings.spectre {
            let null = self.ins().iconst(types::I64, 0);
            self.ins().select_spectre_guard(outside, null, address)
        } else {
            self.trapnz(outside, TrapCode::HeapOutOfBounds);
            address
        }
    }

    /// The address of a memory's byte 0.
    pub(super) fn memory_base(&mut self, memory: u32) -> Value {
        match self.env.layout.memories[memory as usize] {
            MemoryPlace::Direct => self.vmctx,
            MemoryPlace::Descriptor { offset } => {
                let descriptor = self.sealed_field(offset);
                // A guarded memory is reserved once and never moves; another may, when it grows.
                let flags = if self.env.module.memories[memory as usize].is_guarded() {
                    sealed()
                } else {
                    self.length_flags()
                };
                self.ins()
                    .load(types::I64, flags, descriptor, MemoryDescriptor::BASE)
            }
        }
    }

    /// A memory's length in bytes.
    pub(super) fn memory_length(&mut self, memory: u32) -> Value {
        let flags = self.length_flags();
        match self.env.layout.memories[memory as usize] {
            MemoryPlace::Direct => {
                let vmctx = self.vmctx;
                self.ins()
                    .load(types::I64, flags, vmctx, VmLayout::MEMORY_LENGTH)
            }
            MemoryPlace::Descriptor { offset } => {
                let descriptor = self.sealed_field(offset);
                self.ins()
                    .load(types::I64, flags, descriptor, MemoryDescriptor::LENGTH)
            }
        }
    }

    /// Pushes a size or old size: 64 bits as the index type of `memory` wants it.
    fn push_memory_size(&mut self, memory: u32, pages: Value) {
        let is_64 = self.env.module.memories[memory as usize].is_64;
        let value = if is_64 {
            pages
        } else {
            self.ins().ireduce(types::I32, pages)
        };
        self.push1(value);
    }

    pub(super) fn visit_memory_size(&mut self, mem: u32) {
        let length = self.memory_length(mem);
        let shift = self.env.module.memories[mem as usize].page_size_log2;
        let pages = self.ins().ushr_imm_u(length, i64::from(shift));
        self.push_memory_size(mem, pages);
    }

    pub(super) fn visit_memory_grow(&mut self, mem: u32) {
        let delta = self.pop1();
        let delta = self.zero_extend(delta);
        let memory = self.const_i32(mem);
        let old = self
            .call_builtin(Builtin::MemoryGrow, &[memory, delta])
            .expect("declared with a result");
        self.push_memory_size(mem, old);
    }

    fn load(&mut self, memarg: MemArg, ty: Type) {
        let (address, offset, flags) = self.memory_address(&memarg, ty.bytes());
        let value = self.ins().load(ty, flags, address, offset);
        self.push1(value);
    }

    fn store(&mut self, memarg: MemArg) {
        let value = self.pop1();
        let bytes = self.builder.func.dfg.value_type(value).bytes();
        let (address, offset, flags) = self.memory_address(&memarg, bytes);
        self.ins().store(flags, value, address, offset);
    }

    pub(super) fn visit_i64_load32_s(&mut self, memarg: MemArg) {
        let (address, offset, flags) = self.memory_address(&memarg, 4);
        let value = self.ins().sload32(flags, address, offset);
        self.push1(value);
    }

    pub(super) fn visit_i64_load32_u(&mut self, memarg: MemArg) {
        let (address, offset, flags) = self.memory_address(&memarg, 4);
        let value = self.ins().uload32(flags, address, offset);
        self.push1(value);
    }
}

/// Loads and stores of a value's full width.
macro_rules! full_width {
    ($($load:ident $store:ident $ty:ident;)*) => {
        impl FuncTranslator<'_> {
            $(
                pub(super) fn $load(&mut self, memarg: MemArg) {
                    self.load(memarg, types::$ty);
                }

                pub(super) fn $store(&mut self, memarg: MemArg) {
                    self.store(memarg);
                }
            )*
        }
    };
}

full_width! {
    visit_i32_load visit_i32_store I32;
    visit_i64_load visit_i64_store I64;
    visit_f32_load visit_f32_store F32;
    visit_f64_load visit_f64_store F64;
}

/// Loads of fewer bytes than the value has, extended.
macro_rules! narrow_loads {
    ($($visit:ident $op:ident $ty:ident $bytes:literal;)*) => {
        impl FuncTranslator<'_> {
            $(
                pub(super) fn $visit(&mut self, memarg: MemArg) {
                    let (address, offset, flags) = self.memory_address(&memarg, $bytes);
                    let value = self.ins().$op(types::$ty, flags, address, offset);
                    self.push1(value);
                }
            )*
        }
    };
}

narrow_loads! {
    visit_i32_load8_s sload8 I32 1;
    visit_i32_load8_u uload8 I32 1;
    visit_i32_load16_s sload16 I32 2;
    visit_i32_load16_u uload16 I32 2;
    visit_i64_load8_s sload8 I64 1;
    visit_i64_load8_u uload8 I64 1;
    visit_i64_load16_s sload16 I64 2;
    visit_i64_load16_u uload16 I64 2;
}

/// Stores of a value's low bytes.
macro_rules! narrow_stores {
    ($($visit:ident $op:ident $bytes:literal;)*) => {
        impl FuncTranslator<'_> {
            $(
                pub(super) fn $visit(&mut self, memarg: MemArg) {
                    let value = self.pop1();
                    let (address, offset, flags) = self.memory_address(&memarg, $bytes);
                    self.ins().$op(flags, value, address, offset);
                }
            )*
        }
    };
}

narrow_stores! {
    visit_i32_store8 istore8 1;
    visit_i32_store16 istore16 2;
    visit_i64_store8 istore8 1;
    visit_i64_store16 istore16 2;
    visit_i64_store32 istore32 4;
}
