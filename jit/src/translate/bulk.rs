//! Bulk memory operations.
//!
//! ```text
//!   copy or fill of a few bytes, their number constant    loads and stores in place
//!   within the memory that vmctx is the base of           a builtin that is quick for short ranges
//!   anything else                                         a builtin
//! ```
//! In place nothing may be written before the whole range is known to be inside, and no length is
//! compared: every byte is loaded before the first store, and the store of the highest bytes comes
//! first, so that what lies outside meets the guard before anything has changed.

use super::FuncTranslator;
use crate::abi::{Builtin, MemoryPlace};
use cranelift_codegen::ir::{InstBuilder, InstructionData, Opcode, Type, Value, ValueDef, types};

/// Most bytes that are copied or filled in place: as many vectors as there are registers to spare.
const MAX_IN_PLACE: u64 = 128;

impl FuncTranslator<'_> {
    pub(super) fn visit_memory_copy(&mut self, dst_mem: u32, src_mem: u32) {
        let (dst, src, len) = self.pop3();
        if let Some(pieces) = self.pieces(len)
            && self.is_guarded(dst_mem)
            && self.is_guarded(src_mem)
        {
            return self.copy_in_place((dst_mem, dst), (src_mem, src), &pieces);
        }
        let (dst, src, len) = (
            self.zero_extend(dst),
            self.zero_extend(src),
            self.zero_extend(len),
        );
        if self.is_direct(dst_mem) && dst_mem == src_mem {
            self.call_builtin(Builtin::MemoryCopyDirect, &[dst, src, len]);
            return;
        }
        let (to, from) = (self.const_i32(dst_mem), self.const_i32(src_mem));
        self.call_builtin(Builtin::MemoryCopy, &[to, from, dst, src, len]);
    }

    pub(super) fn visit_memory_fill(&mut self, mem: u32) {
        let (dst, value, len) = self.pop3();
        if let Some(pieces) = self.pieces(len)
            && self.is_guarded(mem)
        {
            return self.fill_in_place((mem, dst), value, &pieces);
        }
        let (dst, len) = (self.zero_extend(dst), self.zero_extend(len));
        if self.is_direct(mem) {
            self.call_builtin(Builtin::MemoryFillDirect, &[dst, value, len]);
            return;
        }
        let memory = self.const_i32(mem);
        self.call_builtin(Builtin::MemoryFill, &[memory, dst, value, len]);
    }

    pub(super) fn visit_memory_init(&mut self, data_index: u32, mem: u32) {
        let (dst, src, len) = self.pop3();
        let dst = self.zero_extend(dst);
        let (memory, segment) = (self.const_i32(mem), self.const_i32(data_index));
        self.call_builtin(Builtin::MemoryInit, &[memory, segment, dst, src, len]);
    }

    pub(super) fn visit_data_drop(&mut self, data_index: u32) {
        let segment = self.const_i32(data_index);
        self.call_builtin(Builtin::DataDrop, &[segment]);
    }

    fn is_guarded(&self, memory: u32) -> bool {
        self.env.module.memories[memory as usize].is_guarded()
    }

    /// Whether vmctx is the base of this memory.
    fn is_direct(&self, memory: u32) -> bool {
        matches!(
            self.env.layout.memories[memory as usize],
            MemoryPlace::Direct
        )
    }

    /// The pieces of a range whose length is a small constant: their type, and where they start,
    /// ascending; the last may overlap the one before. An empty range has none, since it may still
    /// be outside.
    fn pieces(&self, len: Value) -> Option<(Type, Vec<i32>)> {
        let dfg = &self.builder.func.dfg;
        let ValueDef::Result(inst, _) = dfg.value_def(len) else {
            return None;
        };
        let InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } = dfg.insts[inst]
        else {
            return None;
        };
        let len = u64::try_from(imm.bits()).ok()?;
        let ty = match len {
            0 => return None,
            1 => types::I8,
            2..=3 => types::I16,
            4..=7 => types::I32,
            8..=15 => types::I64,
            16..=MAX_IN_PLACE => types::I8X16,
            _ => return None,
        };
        let bytes = u64::from(ty.bytes());
        let mut starts: Vec<i32> = (0..len / bytes).map(|n| (n * bytes) as i32).collect();
        if len % bytes != 0 {
            starts.push((len - bytes) as i32);
        }
        Some((ty, starts))
    }

    /// The address of the byte `index` of a guarded memory.
    fn guarded_address(&mut self, (memory, index): (u32, Value)) -> Value {
        let index = self.zero_extend(index);
        let base = self.memory_base(memory);
        self.ins().iadd(base, index)
    }

    fn copy_in_place(
        &mut self,
        to: (u32, Value),
        from: (u32, Value),
        (ty, starts): &(Type, Vec<i32>),
    ) {
        let (to, from) = (self.guarded_address(to), self.guarded_address(from));
        let flags = self.heap_flags();
        let loaded: Vec<Value> = starts
            .iter()
            .map(|start| self.ins().load(*ty, flags, from, *start))
            .collect();
        for (value, start) in loaded.into_iter().zip(starts).rev() {
            self.ins().store(flags, value, to, *start);
        }
    }

    fn fill_in_place(&mut self, to: (u32, Value), byte: Value, (ty, starts): &(Type, Vec<i32>)) {
        let to = self.guarded_address(to);
        let flags = self.heap_flags();
        let narrow = self.ins().ireduce(types::I8, byte);
        let value = match *ty {
            types::I8 => narrow,
            types::I8X16 => self.ins().splat(types::I8X16, narrow),
            wide => {
                let one = self.ins().uextend(wide, narrow);
                let ones = 0x0101_0101_0101_0101u64 & (u64::MAX >> (64 - wide.bits()));
                let ones = self.ins().iconst(wide, ones as i64);
                self.ins().imul(one, ones)
            }
        };
        for start in starts.iter().rev() {
            self.ins().store(flags, value, to, *start);
        }
    }
}
