//! Atomic instructions, on memories of one thread: sequentially consistent accesses of aligned
//! addresses.
//!
//! Alignment is checked on the effective address, before the access itself checks the bounds.

use super::FuncTranslator;
use super::memory::memory_index;
use crate::abi::{Builtin, TrapCode};
use cranelift_codegen::ir::{AtomicRmwOp, InstBuilder, MemFlagsData, Type, Value, types};
use wasmparser::MemArg;

macro_rules! loads {
    ($($visit:ident $narrow:ident $wide:ident;)*) => {$(
        pub(super) fn $visit(&mut self, memarg: MemArg) {
            let (address, flags) = self.atomic_address(&memarg, types::$narrow.bytes());
            let value = self.ins().atomic_load(types::$narrow, flags, address);
            self.push_widened(value, types::$wide);
        }
    )*};
}

macro_rules! stores {
    ($($visit:ident $narrow:ident;)*) => {$(
        pub(super) fn $visit(&mut self, memarg: MemArg) {
            let value = self.pop1();
            let (address, flags) = self.atomic_address(&memarg, types::$narrow.bytes());
            let value = self.narrowed(value, types::$narrow);
            self.ins().atomic_store(flags, value, address);
        }
    )*};
}

macro_rules! updates {
    ($($visit:ident $op:ident $narrow:ident $wide:ident;)*) => {$(
        pub(super) fn $visit(&mut self, memarg: MemArg) {
            let operand = self.pop1();
            let (address, flags) = self.atomic_address(&memarg, types::$narrow.bytes());
            let operand = self.narrowed(operand, types::$narrow);
            let old = self.ins().atomic_rmw(types::$narrow, flags, AtomicRmwOp::$op, address, operand);
            self.push_widened(old, types::$wide);
        }
    )*};
}

macro_rules! exchanges {
    ($($visit:ident $narrow:ident $wide:ident;)*) => {$(
        pub(super) fn $visit(&mut self, memarg: MemArg) {
            let (expected, replacement) = self.pop2();
            let (address, flags) = self.atomic_address(&memarg, types::$narrow.bytes());
            // Both are wrapped to the width of the access first.
            let expected = self.narrowed(expected, types::$narrow);
            let replacement = self.narrowed(replacement, types::$narrow);
            let old = self.ins().atomic_cas(flags, address, expected, replacement);
            self.push_widened(old, types::$wide);
        }
    )*};
}

impl FuncTranslator<'_> {
    /// Pops the index of an atomic access and returns the effective address, known to be aligned.
    fn atomic_address(&mut self, memarg: &MemArg, access_bytes: u32) -> (Value, MemFlagsData) {
        if access_bytes > 1 {
            let index = self.peek1();
            let index = self.zero_extend(index);
            let effective = self.add_offset(index, memarg.offset);
            let mask = self.ins().iconst(types::I64, i64::from(access_bytes - 1));
            let low = self.ins().band(effective, mask);
            self.trapnz(low, TrapCode::HeapMisaligned);
        }
        let (address, offset, flags) = self.memory_address(memarg, access_bytes);
        (self.add_offset(address, offset as u64), flags)
    }

    fn add_offset(&mut self, value: Value, offset: u64) -> Value {
        if offset == 0 {
            return value;
        }
        let offset = self.ins().iconst(types::I64, offset as i64);
        self.ins().iadd(value, offset)
    }

    fn narrowed(&mut self, value: Value, ty: Type) -> Value {
        match self.builder.func.dfg.value_type(value) == ty {
            true => value,
            false => self.ins().ireduce(ty, value),
        }
    }

    fn push_widened(&mut self, value: Value, ty: Type) {
        let value = match self.builder.func.dfg.value_type(value) == ty {
            true => value,
            false => self.ins().uextend(ty, value),
        };
        self.push1(value);
    }

    /// Pops the index of a wait or notify: the memory and the effective address, for the builtin.
    fn wait_address(&mut self, memarg: &MemArg) -> (Value, Value) {
        let index = self.pop1();
        let index = self.zero_extend(index);
        let address = match memarg.offset {
            0 => index,
            offset => {
                let offset = self.ins().iconst(types::I64, offset as i64);
                let code = super::trap::to_clif(TrapCode::HeapOutOfBounds);
                self.ins().uadd_overflow_trap(index, offset, code)
            }
        };
        let memory = self
            .ins()
            .iconst(types::I32, i64::from(memory_index(memarg)));
        (memory, address)
    }

    fn push_builtin(&mut self, builtin: Builtin, args: &[Value]) {
        if let Some(result) = self.call_builtin(builtin, args) {
            self.push1(result);
        }
    }

    pub(super) fn visit_memory_atomic_notify(&mut self, memarg: MemArg) {
        let count = self.pop1();
        let (memory, address) = self.wait_address(&memarg);
        self.push_builtin(Builtin::AtomicNotify, &[memory, address, count]);
    }

    pub(super) fn visit_memory_atomic_wait32(&mut self, memarg: MemArg) {
        let (expected, timeout) = self.pop2();
        let (memory, address) = self.wait_address(&memarg);
        self.push_builtin(Builtin::AtomicWait32, &[memory, address, expected, timeout]);
    }

    pub(super) fn visit_memory_atomic_wait64(&mut self, memarg: MemArg) {
        let (expected, timeout) = self.pop2();
        let (memory, address) = self.wait_address(&memarg);
        self.push_builtin(Builtin::AtomicWait64, &[memory, address, expected, timeout]);
    }

    pub(super) fn visit_atomic_fence(&mut self, _: wasmparser::Ordering) {
        self.ins().fence();
    }

    loads! {
        visit_i32_atomic_load I32 I32; visit_i64_atomic_load I64 I64;
        visit_i32_atomic_load8_u I8 I32; visit_i32_atomic_load16_u I16 I32;
        visit_i64_atomic_load8_u I8 I64; visit_i64_atomic_load16_u I16 I64; visit_i64_atomic_load32_u I32 I64;
    }

    stores! {
        visit_i32_atomic_store I32; visit_i64_atomic_store I64;
        visit_i32_atomic_store8 I8; visit_i32_atomic_store16 I16;
        visit_i64_atomic_store8 I8; visit_i64_atomic_store16 I16; visit_i64_atomic_store32 I32;
    }

    updates! {
        visit_i32_atomic_rmw_add Add I32 I32; visit_i64_atomic_rmw_add Add I64 I64;
        visit_i32_atomic_rmw8_add_u Add I8 I32; visit_i32_atomic_rmw16_add_u Add I16 I32;
        visit_i64_atomic_rmw8_add_u Add I8 I64; visit_i64_atomic_rmw16_add_u Add I16 I64; visit_i64_atomic_rmw32_add_u Add I32 I64;
        visit_i32_atomic_rmw_sub Sub I32 I32; visit_i64_atomic_rmw_sub Sub I64 I64;
        visit_i32_atomic_rmw8_sub_u Sub I8 I32; visit_i32_atomic_rmw16_sub_u Sub I16 I32;
        visit_i64_atomic_rmw8_sub_u Sub I8 I64; visit_i64_atomic_rmw16_sub_u Sub I16 I64; visit_i64_atomic_rmw32_sub_u Sub I32 I64;
        visit_i32_atomic_rmw_and And I32 I32; visit_i64_atomic_rmw_and And I64 I64;
        visit_i32_atomic_rmw8_and_u And I8 I32; visit_i32_atomic_rmw16_and_u And I16 I32;
        visit_i64_atomic_rmw8_and_u And I8 I64; visit_i64_atomic_rmw16_and_u And I16 I64; visit_i64_atomic_rmw32_and_u And I32 I64;
        visit_i32_atomic_rmw_or Or I32 I32; visit_i64_atomic_rmw_or Or I64 I64;
        visit_i32_atomic_rmw8_or_u Or I8 I32; visit_i32_atomic_rmw16_or_u Or I16 I32;
        visit_i64_atomic_rmw8_or_u Or I8 I64; visit_i64_atomic_rmw16_or_u Or I16 I64; visit_i64_atomic_rmw32_or_u Or I32 I64;
        visit_i32_atomic_rmw_xor Xor I32 I32; visit_i64_atomic_rmw_xor Xor I64 I64;
        visit_i32_atomic_rmw8_xor_u Xor I8 I32; visit_i32_atomic_rmw16_xor_u Xor I16 I32;
        visit_i64_atomic_rmw8_xor_u Xor I8 I64; visit_i64_atomic_rmw16_xor_u Xor I16 I64; visit_i64_atomic_rmw32_xor_u Xor I32 I64;
        visit_i32_atomic_rmw_xchg Xchg I32 I32; visit_i64_atomic_rmw_xchg Xchg I64 I64;
        visit_i32_atomic_rmw8_xchg_u Xchg I8 I32; visit_i32_atomic_rmw16_xchg_u Xchg I16 I32;
        visit_i64_atomic_rmw8_xchg_u Xchg I8 I64; visit_i64_atomic_rmw16_xchg_u Xchg I16 I64; visit_i64_atomic_rmw32_xchg_u Xchg I32 I64;
    }

    exchanges! {
        visit_i32_atomic_rmw_cmpxchg I32 I32; visit_i64_atomic_rmw_cmpxchg I64 I64;
        visit_i32_atomic_rmw8_cmpxchg_u I8 I32; visit_i32_atomic_rmw16_cmpxchg_u I16 I32;
        visit_i64_atomic_rmw8_cmpxchg_u I8 I64; visit_i64_atomic_rmw16_cmpxchg_u I16 I64; visit_i64_atomic_rmw32_cmpxchg_u I32 I64;
    }
}
