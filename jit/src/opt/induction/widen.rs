//! The rewriting: the 64-bit variable in the place of the 32-bit one, the addresses of its groups,
//! and the zero-extensions that it replaces.

use super::{Body, Group, Induction, Wide, Widener, is_bare};
use crate::opt::code::{def, replace_extensions, terminator};
use crate::opt::loops::passed;
use crate::opt::memory::{Sum, const32, redirect};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef, types,
};

impl Widener<'_, '_> {
    /// Replaces the variable by one of 64 bits, and the addresses of the groups.
    pub(super) fn widen(&mut self, body: &Body, induction: &Induction, groups: &[Group]) {
        let func = &mut *self.unit.func;
        let Some(branch) = terminator(func, body.before) else {
            return;
        };
        let mut cursor = FuncCursor::new(func).at_inst(branch);
        cursor.set_srcloc(cursor.func.srcloc(branch));
        let first = match const32(cursor.func, induction.first) {
            Some(c) => cursor.ins().iconst(types::I64, i64::from(c)),
            None => cursor.ins().uextend(types::I64, induction.first),
        };
        let addresses: Vec<Value> = groups
            .iter()
            .map(|group| start(&mut cursor, self.base, induction, first, &group.sum))
            .collect();
        let wide = self.replace_param(body, induction, first);
        for (group, address) in groups.iter().zip(addresses) {
            for (access, added) in &group.members {
                let mut cursor = FuncCursor::new(self.unit.func).at_inst(access.inst);
                cursor.set_srcloc(cursor.func.srcloc(access.inst));
                let index = match group.sum.shift {
                    0 => wide,
                    shift => {
                        let count = cursor.ins().iconst(types::I64, i64::from(shift));
                        cursor.ins().ishl(wide, count)
                    }
                };
                let address = cursor.ins().iadd(address, index);
                let offset = access.offset + *added as i32;
                redirect(self.unit.func, access.inst, address, offset);
            }
        }
        self.note_wide(induction, groups, wide);
    }

    /// Puts a 64-bit parameter in the place of the 32-bit one, which becomes its low half.
    fn replace_param(&mut self, body: &Body, induction: &Induction, first: Value) -> Value {
        let func = &mut *self.unit.func;
        let wide = func.dfg.append_block_param(body.header, types::I64);
        let mut latches = body.latches.clone();
        latches.push(body.before);
        for block in latches {
            let Some(branch) = terminator(func, block) else {
                continue;
            };
            let outside = block == body.before;
            let handed = if outside {
                first
            } else {
                let next = passed(func, branch, body.header, induction.position).next();
                next.flatten()
                    .map_or(first, |next| widen_next(func, next, wide, induction.step))
            };
            let dfg = &mut func.dfg;
            let destinations = dfg.insts[branch]
                .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
            for call in destinations {
                if call.block(&dfg.value_lists) == body.header {
                    call.append_argument(BlockArg::Value(handed), &mut dfg.value_lists);
                    call.remove(induction.position, &mut dfg.value_lists);
                }
            }
        }
        func.dfg.remove_block_param(induction.param);
        let low = func.dfg.make_inst(InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg: wide,
        });
        let reused = [Some(induction.param)].into_iter();
        func.dfg.make_inst_results_reusing(low, types::I32, reused);
        match func.layout.first_inst(body.header) {
            Some(at) => func.layout.insert_inst(low, at),
            None => func.layout.append_inst(low, body.header),
        }
        wide
    }

    /// Notes where zero-extensions of the variable and its next value are the wide ones.
    fn note_wide(&mut self, induction: &Induction, groups: &[Group], wide: Value) {
        let room = self.unit.facts.fold_limit - u64::from(induction.step);
        let small = const32(self.unit.func, induction.first).is_some_and(|c| u64::from(c) <= room);
        let proof = groups.iter().find(|group| small || is_bare(&group.sum));
        let Some(proof) = proof else { return };
        let exact = Wide {
            value: wide,
            behind: None,
        };
        self.wide.insert(induction.param, exact);
        let behind = Some(proof.anchor);
        self.wide_next(wide, behind);
    }

    /// Of the values `ireduce(wide + step)`, the sums are the zero-extensions behind the anchor.
    fn wide_next(&mut self, wide: Value, behind: Option<Inst>) {
        let func = &*self.unit.func;
        let ValueDef::Param(header, position) = func.dfg.value_def(wide) else {
            return;
        };
        for pred in self.unit.cfg.pred_iter(header) {
            let Some(Some(next)) = passed(func, pred.inst, header, position).next() else {
                continue;
            };
            let low = def(&func.dfg, next).and_then(|inst| func.layout.next_inst(inst));
            if let Some(low) = low
                && func.dfg.insts[low].opcode() == Opcode::Ireduce
                && func.dfg.inst_args(low)[0] == next
            {
                let narrow = func.dfg.first_result(low);
                let found = Wide {
                    value: next,
                    behind,
                };
                self.wide.insert(narrow, found);
            }
        }
    }

    /// Replaces the zero-extensions that are known by now, everywhere.
    pub(super) fn replace_extensions(&mut self) {
        let domtree = self.unit.domtree;
        replace_extensions(self.unit.func, |func, inst, narrow| {
            let wide = self.wide.get(&narrow)?;
            let known = |behind| domtree.dominates(behind, inst, &func.layout);
            wide.behind.is_none_or(known).then_some(wide.value)
        });
    }
}

/// The address that is added to `q << k`: base + uextend(b + (i0 << k) + c) - (q0 << k).
fn start(
    cursor: &mut FuncCursor<'_>,
    base: Value,
    induction: &Induction,
    first: Value,
    sum: &Sum,
) -> Value {
    if is_bare(sum) {
        return base;
    }
    let origin = const32(cursor.func, induction.first);
    let mut constant = sum.constant;
    let mut index: Option<Value> = None;
    let add = |cursor: &mut FuncCursor<'_>, index: &mut Option<Value>, value: Value| {
        *index = Some(match *index {
            Some(sum) => cursor.ins().iadd(sum, value),
            None => value,
        });
    };
    for leaf in &sum.leaves {
        add(cursor, &mut index, *leaf);
    }
    match origin {
        Some(c) => constant = constant.wrapping_add(c << sum.shift),
        None if sum.shift == 0 => add(cursor, &mut index, induction.first),
        None => {
            let count = cursor.ins().iconst(types::I32, i64::from(sum.shift));
            let scaled = cursor.ins().ishl(induction.first, count);
            add(cursor, &mut index, scaled);
        }
    }
    let index = match index {
        Some(index) => {
            let index = if constant == 0 {
                index
            } else {
                let c = cursor.ins().iconst(types::I32, i64::from(constant));
                cursor.ins().iadd(index, c)
            };
            cursor.ins().uextend(types::I64, index)
        }
        None => cursor.ins().iconst(types::I64, i64::from(constant)),
    };
    let address = cursor.ins().iadd(base, index);
    if origin == Some(0) {
        return address;
    }
    let passed = match sum.shift {
        0 => first,
        shift => {
            let count = cursor.ins().iconst(types::I64, i64::from(shift));
            cursor.ins().ishl(first, count)
        }
    };
    cursor.ins().isub(address, passed)
}

/// Computes the next value in 64 bits where it was computed in 32, and makes that its low half.
fn widen_next(func: &mut Function, next: Value, wide: Value, step: u32) -> Value {
    let Some(inst) = def(&func.dfg, next) else {
        return wide;
    };
    if let InstructionData::Unary {
        opcode: Opcode::Ireduce,
        arg,
    } = func.dfg.insts[inst]
        && func.dfg.value_type(arg) == types::I64
    {
        return arg;
    }
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let step = cursor.ins().iconst(types::I64, i64::from(step));
    let sum = cursor.ins().iadd(wide, step);
    func.dfg.insts[inst] = InstructionData::Unary {
        opcode: Opcode::Ireduce,
        arg: sum,
    };
    sum
}
