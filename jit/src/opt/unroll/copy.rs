//! Copies of a loop's body, one behind the other, in which sums with constants stay sums.
//!
//! What a value of the loop is in a copy is a pair `(value, added)`. The variable of the second copy is
//! `(i, step)`, an address that contains it is the first copy's address and `step`, and becomes an
//! offset; only what needs the sum itself gets an addition.

use super::super::code::{binary, int_const, is_const, plus_const, signed, terminator};
use super::super::loops::passed;
use super::super::memory::{address_of, redirect};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Opcode, Type, Value, types};
use std::collections::HashMap;

/// A value and what is added to it, modulo the width of its type.
type Moved = (Value, i64);

pub(super) struct Copier<'a> {
    func: &'a mut Function,
    header: Block,
    body: Block,
    /// What the loop's values are in the copy at hand.
    now: HashMap<Value, Moved>,
    /// Operations on other values that the body has, whose results copies share.
    shared: HashMap<(Opcode, Type, Value, u64), Value>,
    /// Sums that the body has.
    sums: HashMap<Moved, Value>,
    constants: HashMap<Inst, Value>,
}

impl<'a> Copier<'a> {
    /// Copies the loop's block `header` to `body`, for the parameters' values `first`.
    pub(super) fn new(
        func: &'a mut Function,
        header: Block,
        first: Vec<Value>,
        body: Block,
    ) -> Copier<'a> {
        let params = func.dfg.block_params(header);
        let first = first.into_iter().map(|value| (value, 0));
        let now = params.iter().copied().zip(first).collect();
        Copier {
            func,
            header,
            body,
            now,
            shared: HashMap::new(),
            sums: HashMap::new(),
            constants: HashMap::new(),
        }
    }

    /// Writes `count` copies; what the last hands to the iteration behind it.
    pub(super) fn copies(mut self, count: usize) -> Vec<Value> {
        let Some(last) = terminator(self.func, self.header) else {
            return Vec::new();
        };
        let params = self.func.dfg.block_params(self.header).to_vec();
        let insts: Vec<Inst> = self.func.layout.block_insts(self.header).collect();
        for _ in 0..count {
            for inst in insts.iter().filter(|inst| **inst != last) {
                self.copy(*inst);
            }
            let handed: Vec<Moved> = (0..params.len())
                .filter_map(|at| passed(self.func, last, self.header, at).next()?)
                .map(|value| self.moved(value))
                .collect();
            self.now = params.iter().copied().zip(handed).collect();
        }
        let ends: Vec<Moved> = params.iter().map(|param| self.moved(*param)).collect();
        ends.into_iter().map(|end| self.sum(end)).collect()
    }

    /// What `value` is in this copy.
    fn moved(&self, value: Value) -> Moved {
        self.now.get(&value).copied().unwrap_or((value, 0))
    }

    fn copy(&mut self, inst: Inst) {
        if is_const(self.func, inst) {
            self.constant(inst);
        } else if let Some(moved) = self.linear(inst) {
            self.now.insert(self.func.dfg.first_result(inst), moved);
        } else {
            self.clone(inst);
        }
    }

    fn constant(&mut self, inst: Inst) {
        let value = match self.constants.get(&inst) {
            Some(value) => *value,
            None => {
                let copy = self.func.dfg.clone_inst(inst);
                self.append(copy, inst);
                let value = self.func.dfg.first_result(copy);
                self.constants.insert(inst, value);
                value
            }
        };
        self.now
            .insert(self.func.dfg.first_result(inst), (value, 0));
    }

    /// The result of an operation that a constant passes through.
    fn linear(&mut self, inst: Inst) -> Option<Moved> {
        let dfg = &self.func.dfg;
        let result = *dfg.inst_results(inst).first()?;
        let ty = dfg.value_type(result);
        if ty != types::I32 && ty != types::I64 {
            return None;
        }
        if let Some((a, c)) = plus_const(dfg, result) {
            let (a, added) = self.moved(a);
            return Some((a, signed(added.wrapping_add(c as i64) as u64, ty)));
        }
        if let Some((a, b)) = binary(dfg, inst, Opcode::Iadd) {
            let ((a, x), (b, y)) = (self.moved(a), self.moved(b));
            let (a, b) = (a.min(b), a.max(b));
            let sum = self.share(inst, (Opcode::Iadd, ty, a, u64::from(b.as_u32())), &[a, b]);
            return Some((sum, signed(x.wrapping_add(y) as u64, ty)));
        }
        if let Some((a, by)) = binary(dfg, inst, Opcode::Ishl) {
            let bits = int_const(dfg, by)? & u64::from(ty.bits() - 1);
            let (a, x) = self.moved(a);
            let by = self.moved(by).0;
            let shifted = self.share(inst, (Opcode::Ishl, ty, a, bits), &[a, by]);
            return Some((shifted, signed((x << bits) as u64, ty)));
        }
        if dfg.insts[inst].opcode() == Opcode::Ireduce {
            let (a, x) = self.moved(dfg.inst_args(inst)[0]);
            let low = self.share(inst, (Opcode::Ireduce, ty, a, 0), &[a]);
            return Some((low, signed(x as u64, ty)));
        }
        None
    }

    /// The result of `inst` with other operands, computed once.
    fn share(&mut self, inst: Inst, key: (Opcode, Type, Value, u64), args: &[Value]) -> Value {
        if let Some(value) = self.shared.get(&key) {
            return *value;
        }
        let copy = self.func.dfg.clone_inst(inst);
        self.func
            .dfg
            .overwrite_inst_values(copy, args.iter().copied());
        self.append(copy, inst);
        let value = self.func.dfg.first_result(copy);
        self.shared.insert(key, value);
        value
    }

    /// `inst` again, with its operands as they are in this copy.
    fn clone(&mut self, inst: Inst) {
        let address = self.address(inst);
        let operands: Vec<Value> = self.func.dfg.inst_values(inst).collect();
        let mut args = Vec::with_capacity(operands.len());
        for (at, value) in operands.iter().enumerate() {
            let is_address = address.is_some() && at + 1 == operands.len();
            let moved = self.moved(*value);
            args.push(match address {
                Some((address, _)) if is_address => address,
                _ => self.sum(moved),
            });
        }
        let copy = self.func.dfg.clone_inst(inst);
        self.func.dfg.overwrite_inst_values(copy, args.into_iter());
        if let Some((address, offset)) = address {
            redirect(self.func, copy, address, offset);
        }
        self.append(copy, inst);
        if let Some(result) = self.func.dfg.inst_results(inst).first() {
            let own = self.func.dfg.first_result(copy);
            self.now.insert(*result, (own, 0));
        }
    }

    /// Address and offset of a load or store, if what is added fits the offset.
    fn address(&self, inst: Inst) -> Option<(Value, i32)> {
        let address = address_of(self.func, inst)?;
        let (value, added) = self.moved(address);
        let offset = self.func.dfg.insts[inst].load_store_offset()?;
        let offset = i64::from(offset).checked_add(added)?;
        Some((value, i32::try_from(offset).ok()?))
    }

    /// `moved` as one value.
    fn sum(&mut self, moved: Moved) -> Value {
        let (value, added) = moved;
        if added == 0 {
            return value;
        }
        if let Some(sum) = self.sums.get(&moved) {
            return *sum;
        }
        let ty = self.func.dfg.value_type(value);
        let mut cursor = FuncCursor::new(self.func).at_bottom(self.body);
        let added = cursor.ins().iconst(ty, added);
        let sum = cursor.ins().iadd(value, added);
        self.sums.insert(moved, sum);
        sum
    }

    fn append(&mut self, copy: Inst, of: Inst) {
        let location = self.func.srcloc(of);
        self.func.layout.append_inst(copy, self.body);
        self.func.set_srcloc(copy, location);
    }
}
