//! Cheap operations on values from outside a loop are computed before it.
//!
//! The mid-end computes an operation with a constant (`x + c`, `x & c`) again in every block that
//! uses it, because that is cheap and takes no register beyond `x`. In a loop it is paid in every
//! iteration, and where the loop needs `x` for nothing else, it saves no register: the result could
//! live through the loop instead of `x`. Such operations move to the end of the block before the
//! innermost loop.
//!
//! **Sound** because the operations are pure, their operands are defined outside the loop and so
//! dominate its header, and the block before the loop, being the only way in, is dominated by
//! whatever dominates the header.

use super::Unit;
use super::code::{def, is_pure, replace_values};
use super::loops::{entry, innermost, is_outside};
use super::lowering::reads;
use cranelift_codegen::ir::{Block, Function, Inst, InstructionData, Opcode, Value};
use cranelift_codegen::loop_analysis::Loop;
use std::collections::HashMap;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    // Only loops without loops in them: what is moved out lives through all of the loop.
    let mut changed = false;
    let mut replaced = HashMap::new();
    for (inside, blocks) in innermost(unit) {
        if let Some(before) = entry(unit, inside) {
            changed |= visit(unit, inside, &blocks, before, &mut replaced);
        }
    }
    replace_values(unit.func, &replaced);
    changed
}

fn visit(
    unit: &mut Unit<'_>,
    inside: Loop,
    blocks: &[Block],
    before: Inst,
    replaced: &mut HashMap<Value, Value>,
) -> bool {
    let insts: Vec<Inst> = blocks
        .iter()
        .flat_map(|block| unit.func.layout.block_insts(*block))
        .collect();
    let mut readers: HashMap<Value, u32> = HashMap::new();
    let mut calls = false;
    for inst in &insts {
        calls |= unit.func.dfg.insts[*inst].opcode().is_call();
        for value in reads(unit.func, *inst) {
            *readers.entry(value).or_default() += 1;
        }
    }
    // Around a call every register is spilled, and computing again is cheaper.
    if calls {
        return false;
    }
    let mut moved: HashMap<Key, Value> = HashMap::new();
    // How many operations of the loop would no longer read a value.
    let mut takers: HashMap<Value, u32> = HashMap::new();
    let chosen: Vec<(Inst, Key)> = insts
        .iter()
        .filter_map(|inst| Some((*inst, key(unit, inside, *inst)?)))
        .filter(|(inst, _)| readers.contains_key(&unit.func.dfg.first_result(*inst)))
        .collect();
    for (inst, _) in &chosen {
        for value in reads(unit.func, *inst) {
            *takers.entry(value).or_default() += 1;
        }
    }
    for (inst, key) in chosen {
        let result = unit.func.dfg.first_result(inst);
        if let Some(known) = moved.get(&key) {
            replaced.insert(result, *known);
            continue;
        }
        let read = reads(unit.func, inst);
        if read.iter().any(|v| takers.get(v) != readers.get(v)) {
            continue;
        }
        move_before(unit.func, inst, before);
        moved.insert(key, result);
    }
    !moved.is_empty()
}

/// What an operation computes, for finding it again in another block: opcode, the operand that is
/// not constant, the constant.
type Key = (Opcode, Value, i64);

/// `inst` as an operation that may move.
fn key(unit: &Unit<'_>, inside: Loop, inst: Inst) -> Option<Key> {
    let func = &*unit.func;
    let InstructionData::Binary { opcode, args } = func.dfg.insts[inst] else {
        return None;
    };
    let constant = def(&func.dfg, args[1])?;
    let InstructionData::UnaryImm { imm, .. } = func.dfg.insts[constant] else {
        return None;
    };
    let movable = matches!(
        opcode,
        Opcode::Iadd | Opcode::Isub | Opcode::Band | Opcode::Bor | Opcode::Bxor
    );
    let moves = movable && is_pure(func, inst) && is_outside(unit, inside, args[0]);
    moves.then_some((opcode, args[0], imm.bits()))
}

/// Moves an operation with its constant to before `at`.
fn move_before(func: &mut Function, inst: Inst, at: Inst) {
    if let InstructionData::Binary { args, .. } = func.dfg.insts[inst]
        && let Some(constant) = def(&func.dfg, args[1])
    {
        let copy = func.dfg.clone_inst(constant);
        func.layout.insert_inst(copy, at);
        let copy = func.dfg.first_result(copy);
        if let InstructionData::Binary { args, .. } = &mut func.dfg.insts[inst] {
            args[1] = copy;
        }
    }
    func.layout.remove_inst(inst);
    func.layout.insert_inst(inst, at);
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    /// A loop that computes `x & -4` in two blocks, and perhaps reads `x` as well.
    fn text(read: &str) -> String {
        format!(
            "function %f(i64, i32) {{
            block0(v0: i64, v1: i32):
                v2 = iconst.i32 0
                jump block1(v2)
            block1(v3: i32):
                v4 = iconst.i32 -4
                v5 = band v1, v4
                store {read}, v0
                brif v3, block2, block3
            block2:
                v6 = iconst.i32 -4
                v7 = band v1, v6
                store v7, v0+4
                jump block3
            block3:
                v8 = iconst.i32 1
                v9 = iadd v3, v8
                brif v9, block1(v9), block4
            block4:
                return
            }}"
        )
    }

    #[test]
    fn a_cheap_operation_moves_if_its_operand_is_free_then() {
        check(
            super::run,
            &text("v5"),
            expect![[r#"
            function %f(i64, i32) fast {
            block0(v0: i64, v1: i32):
                v2 = iconst.i32 0
                v10 = iconst.i32 -4
                v5 = band v1, v10  ; v10 = -4
                jump block1(v2)  ; v2 = 0

            block1(v3: i32):
                v4 = iconst.i32 -4
                store.i32 v5, v0
                brif v3, block2, block3

            block2:
                v6 = iconst.i32 -4
                v7 = band.i32 v1, v6  ; v6 = -4
                store.i32 v5, v0+4
                jump block3

            block3:
                v8 = iconst.i32 1
                v9 = iadd.i32 v3, v8  ; v8 = 1
                brif v9, block1(v9), block4

            block4:
                return
            }
        "#]],
        );
        check(super::run, &text("v1"), expect![["unchanged\n"]]);
    }
}
