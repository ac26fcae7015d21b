//! Inner loops that are short of registers get a copy of the base of their own.
//!
//! The register allocator decides by uses per length of a value's life which value has to live in
//! memory. The instance's base lives from the function's start to its end, so in a large function it
//! always loses, and a loop that uses it for every access loads it for every access. A copy that is
//! made before the loop lives as long as the loop, and competes with what else lives there.
//!
//! ```text
//!   block before:   copy = bor base, 0          (an addition would be folded into the addresses)
//!   loop:           load [copy + index]
//! ```
//!
//! **Sound**: the copy is equal to the base, and the block before the loop dominates it.

use super::Unit;
use super::hoist::{entry, innermost};
use super::lowering::reads;
use super::memory;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Opcode, Value, ValueDef, types};
use std::collections::HashSet;

/// Fewer uses are not worth a register.
const MIN_USES: usize = 3;
/// Values that the allocator finds registers for: 16 less the stack's and the frame's, and one for
/// what instructions need on the way.
const REGISTERS: usize = 13;
/// Larger functions only, in instructions: in small ones the base keeps its register.
const MIN_INSTS: usize = 60;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let Some(base) = memory::base(unit.func) else {
        return false;
    };
    if unit.func.dfg.num_insts() < MIN_INSTS {
        return false;
    }
    let bodies = innermost(unit);
    let mut changed = false;
    for inside in unit.loops.loops() {
        let Some(blocks) = bodies.get(&inside) else {
            continue;
        };
        let users = users(unit.func, blocks, base);
        if users.len() >= MIN_USES
            && pressure(unit.func, blocks) > REGISTERS
            && let Some(before) = entry(unit, inside)
        {
            let mut cursor = FuncCursor::new(unit.func).at_inst(before);
            cursor.set_srcloc(cursor.func.srcloc(before));
            let nothing = cursor.ins().iconst(types::I64, 0);
            let copy = cursor.ins().bor(base, nothing);
            for user in users {
                unit.func
                    .dfg
                    .map_inst_values(user, |value| if value == base { copy } else { value });
            }
            changed = true;
        }
    }
    changed
}

/// The instructions that use `base`; none if there is a call, around which nothing stays in a
/// register.
fn users(func: &Function, blocks: &[Block], base: Value) -> Vec<Inst> {
    let mut found = Vec::new();
    for block in blocks {
        for inst in func.layout.block_insts(*block) {
            if func.dfg.insts[inst].opcode().is_call() {
                return Vec::new();
            }
            if func.dfg.inst_values(inst).any(|value| value == base) {
                found.push(inst);
            }
        }
    }
    found
}

/// The most values that live in integer registers at one place of the loop, about.
fn pressure(func: &Function, blocks: &[Block]) -> usize {
    let home = |value: Value| match func.dfg.value_def(value) {
        ValueDef::Result(inst, _) => func.layout.inst_block(inst),
        ValueDef::Param(block, _) => Some(block),
        ValueDef::Union(..) => None,
    };
    let counts = |value: &Value| func.dfg.value_type(*value).is_int();
    // What comes from outside, and what crosses the loop's blocks, lives through all of it.
    let mut through: HashSet<Value> = HashSet::new();
    for block in blocks {
        for inst in func.layout.block_insts(*block) {
            let read = reads(func, inst);
            through.extend(
                read.into_iter()
                    .filter(counts)
                    .filter(|value| home(*value) != Some(*block)),
            );
        }
    }
    let mut most = 0;
    for block in blocks {
        let mut live: HashSet<Value> = HashSet::new();
        let mut next = func.layout.last_inst(*block);
        while let Some(inst) = next {
            next = func.layout.prev_inst(inst);
            for result in func.dfg.inst_results(inst) {
                live.remove(result);
            }
            // What is folded into its users has no register of its own.
            if func.dfg.insts[inst].opcode() != Opcode::Iconst {
                let read = reads(func, inst);
                live.extend(
                    read.into_iter()
                        .filter(counts)
                        .filter(|value| !through.contains(value)),
                );
            }
            most = most.max(live.len());
        }
    }
    through.len() + most
}
