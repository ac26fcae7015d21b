//! Loops lie in one piece: what leaves a loop is placed behind it.
//!
//! The code generator lays blocks out in reverse postorder, visiting the first destination of a
//! branch first, so that the second one comes right behind the branch:
//!
//! ```text
//!   brif c, inside, exit            brif !c, exit, inside
//!     ..  exit ..  inside            ..  inside ..  exit
//! ```
//!
//! Where the first destination stays in the loop and the second leaves it, every iteration jumps
//! over code that runs once. Such branches are turned around: their condition is negated and their
//! destinations change places. The same is done outside loops where the second destination only
//! traps.
//!
//! **Sound** because the branch goes to the same block with the same arguments for every value of
//! the condition: an integer comparison is replaced by its complement on the same operands, a
//! comparison of floats by its complement, which is true for unordered operands where the other is
//! not, and any other condition by its comparison with zero.

use super::Unit;
use super::code::{def, terminator};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value};

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let mut changed = false;
    let mut block = unit.func.layout.entry_block();
    while let Some(this) = block {
        block = unit.func.layout.next_block(this);
        if let Some(branch) = terminator(unit.func, this)
            && is_backwards(unit, this, branch)
        {
            turn(unit.func, branch);
            changed = true;
        }
    }
    changed
}

/// Whether the likelier way from `block` is the first destination of its `branch`.
fn is_backwards(unit: &Unit<'_>, block: Block, branch: Inst) -> bool {
    let InstructionData::Brif { blocks, .. } = unit.func.dfg.insts[branch] else {
        return false;
    };
    let [first, second] = blocks.map(|call| call.block(&unit.func.dfg.value_lists));
    let Some(inside) = unit.loops.innermost_loop(block) else {
        return traps(unit.func, second) && !traps(unit.func, first);
    };
    // The way back to the header is placed already.
    first != unit.loops.loop_header(inside)
        && unit.loops.is_in_loop(first, inside)
        && !unit.loops.is_in_loop(second, inside)
}

/// Whether nothing comes after `block`.
fn traps(func: &Function, block: Block) -> bool {
    terminator(func, block).is_some_and(|last| func.dfg.insts[last].opcode() == Opcode::Trap)
}

/// Negates the condition of a branch and exchanges its destinations.
fn turn(func: &mut Function, branch: Inst) {
    let InstructionData::Brif { arg, .. } = func.dfg.insts[branch] else {
        return;
    };
    let negated = negate(func, branch, arg);
    if let InstructionData::Brif { arg, blocks, .. } = &mut func.dfg.insts[branch] {
        *arg = negated;
        blocks.swap(0, 1);
    }
}

/// What is true where `condition` is not, computed before `branch`.
fn negate(func: &mut Function, branch: Inst, condition: Value) -> Value {
    let computed = def(&func.dfg, condition).map(|inst| func.dfg.insts[inst]);
    let mut cursor = FuncCursor::new(func).at_inst(branch);
    cursor.set_srcloc(cursor.func.srcloc(branch));
    match computed {
        Some(InstructionData::IntCompare { cond, args, .. }) => {
            cursor.ins().icmp(cond.complement(), args[0], args[1])
        }
        Some(InstructionData::FloatCompare { cond, args, .. }) => {
            cursor.ins().fcmp(cond.complement(), args[0], args[1])
        }
        _ => {
            let ty = cursor.func.dfg.value_type(condition);
            let zero = cursor.ins().iconst(ty, 0);
            cursor.ins().icmp(IntCC::Equal, condition, zero)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn what_leaves_a_loop_comes_behind_it() {
        check(
            super::run,
            "function %f(i32, f64) -> i32 {
            block0(v0: i32, v1: f64):
                jump block1(v0)
            block1(v2: i32):
                v9 = iconst.i32 10
                v3 = icmp ult v2, v9
                brif v3, block2, block5(v2)
            block2:
                v4 = fcmp lt v1, v1
                brif v4, block3, block5(v2)
            block3:
                brif v2, block4, block5(v2)
            block4:
                v5 = iadd v2, v0
                brif v5, block1(v5), block5(v5)
            block5(v6: i32):
                return v6
            }",
            expect![[r#"
                function %f(i32, f64) -> i32 fast {
                block0(v0: i32, v1: f64):
                    jump block1(v0)

                block1(v2: i32):
                    v9 = iconst.i32 10
                    v3 = icmp ult v2, v9  ; v9 = 10
                    v10 = icmp uge v2, v9  ; v9 = 10
                    brif v10, block5(v2), block2

                block2:
                    v4 = fcmp.f64 lt v1, v1
                    v11 = fcmp.f64 uge v1, v1
                    brif v11, block5(v2), block3

                block3:
                    v12 = iconst.i32 0
                    v13 = icmp.i32 eq v2, v12  ; v12 = 0
                    brif v13, block5(v2), block4

                block4:
                    v5 = iadd.i32 v2, v0
                    brif v5, block1(v5), block5(v5)

                block5(v6: i32):
                    return v6
                }
            "#]],
        );
    }

    #[test]
    fn a_branch_that_stays_or_leaves_both_ways_is_left_alone() {
        check(
            super::run,
            "function %f(i32) -> i32 {
            block0(v0: i32):
                jump block1(v0)
            block1(v2: i32):
                brif v2, block2, block3
            block2:
                jump block4(v0)
            block3:
                jump block4(v2)
            block4(v3: i32):
                brif v3, block5, block1(v3)
            block5:
                brif v0, block6, block7
            block6:
                return v0
            block7:
                return v2
            }",
            expect![["unchanged\n"]],
        );
    }

    #[test]
    fn traps_come_last() {
        check(
            super::run,
            "function %f(i32) -> i32 {
            block0(v0: i32):
                brif v0, block1, block2
            block1:
                return v0
            block2:
                trap user1
            }",
            expect![[r#"
                function %f(i32) -> i32 fast {
                block0(v0: i32):
                    v1 = iconst.i32 0
                    v2 = icmp eq v0, v1  ; v1 = 0
                    brif v2, block2, block1

                block1:
                    return v0

                block2:
                    trap user1
                }
            "#]],
        );
    }
}
