//! Loop exits compare the loop's next value instead of its present one.
//!
//! The mid-end turns `x + c == K` into `x == K - c`, which is cheaper alone; but where `x + c` is
//! handed to the next iteration, both values live at the branch, and the back edge needs a move
//! and a jump to hold it. This pass undoes it: of a block that ends in
//!
//! ```text
//!   brif (icmp eq|ne x, K), header(.., x + c, ..), exit(..)
//! ```
//!
//! the comparison becomes `icmp eq|ne (x + c), K + c`.
//!
//! Where a 64-bit parameter stands for a 32-bit one ([`super::induction`]), both `x` and `x + c` are
//! low halves: `ireduce(q) == K` becomes `ireduce(q + c) == K + c`, in 32 bits.
//!
//! Sound because adding a constant is a bijection of the integers modulo 2^n: `x = K` if and only
//! if `x + c = K + c`, both sums in n bits; and the low
//! half of `q + c` is the low half of `q` plus `c`. Only equality is touched, never an order. `x + c` is
//! computed before the branch, which uses it, so it is available to the comparison there.

use super::Unit;
use super::code::{def, int_const, mask, plus_const, terminator};
use super::loops::passed;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef,
};

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let mut changed = false;
    let mut block = unit.func.layout.entry_block();
    while let Some(this) = block {
        block = unit.func.layout.next_block(this);
        if unit.loops.innermost_loop(this).is_some() {
            changed |= exit_test(unit.func, this).is_some();
        }
    }
    changed
}

/// Rewrites the test at the end of `block`, if it has the form.
fn exit_test(func: &mut Function, block: Block) -> Option<()> {
    let branch = terminator(func, block)?;
    let InstructionData::Brif { arg: condition, .. } = func.dfg.insts[branch] else {
        return None;
    };
    let (cc, x, limit) = equality(func, condition)?;
    let ty = func.dfg.value_type(x);
    let (next, step) = next_value(func, branch, whole(func, x))?;
    let mut cursor = FuncCursor::new(func).at_inst(branch);
    cursor.set_srcloc(cursor.func.srcloc(branch));
    let limit = limit.wrapping_add(step) & mask(ty);
    let limit = cursor.ins().iconst(ty, limit as i64);
    let next = if cursor.func.dfg.value_type(next) == ty {
        next
    } else {
        cursor.ins().ireduce(ty, next)
    };
    let condition = cursor.ins().icmp(cc, next, limit);
    if let InstructionData::Brif { arg, .. } = &mut func.dfg.insts[branch] {
        *arg = condition;
    }
    Some(())
}

/// `condition` as an equality or inequality of a value and a constant.
fn equality(func: &Function, condition: Value) -> Option<(IntCC, Value, u64)> {
    let inst = def(&func.dfg, condition)?;
    let InstructionData::IntCompare { args, cond, .. } = func.dfg.insts[inst] else {
        return None;
    };
    if !matches!(cond, IntCC::Equal | IntCC::NotEqual) || !func.dfg.value_type(args[0]).is_int() {
        return None;
    }
    let limit = int_const(&func.dfg, args[1])?;
    Some((cond, args[0], limit))
}

/// What `x` is the low half of, or `x`.
fn whole(func: &Function, x: Value) -> Value {
    match def(&func.dfg, x).map(|inst| func.dfg.insts[inst]) {
        Some(InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg,
        }) => arg,
        _ => x,
    }
}

/// The `x + c` that the branch hands to the block of which `x` is a parameter, in `x`'s place.
fn next_value(func: &Function, branch: Inst, x: Value) -> Option<(Value, u64)> {
    let ValueDef::Param(header, index) = func.dfg.value_def(x) else {
        return None;
    };
    let next = passed(func, branch, header, index).next()??;
    let (from, step) = plus_const(&func.dfg, next)?;
    (from == x).then_some((next, step))
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn a_counted_loop_compares_what_it_hands_on() {
        check(
            super::run,
            "function %f(i32) -> i32 {
            block0(v0: i32):
                v1 = iconst.i32 0
                jump block1(v0)
            block1(v2: i32):
                v3 = iconst.i32 41
                v4 = icmp eq v2, v3
                v5 = iconst.i32 3
                v6 = iadd v2, v5
                brif v4, block2, block1(v6)
            block2:
                return v2
            }",
            expect![[r#"
                function %f(i32) -> i32 fast {
                block0(v0: i32):
                    v1 = iconst.i32 0
                    jump block1(v0)

                block1(v2: i32):
                    v3 = iconst.i32 41
                    v4 = icmp eq v2, v3  ; v3 = 41
                    v5 = iconst.i32 3
                    v6 = iadd v2, v5  ; v5 = 3
                    v7 = iconst.i32 44
                    v8 = icmp eq v6, v7  ; v7 = 44
                    brif v8, block2, block1(v6)

                block2:
                    return v2
                }
            "#]],
        );
    }

    #[test]
    fn the_low_half_of_a_wide_variable_counts() {
        check(
            super::run,
            "function %f(i64) {
            block0(v0: i64):
                jump block1(v0)
            block1(v1: i64):
                v2 = ireduce.i32 v1
                v3 = iconst.i32 2400
                v4 = icmp eq v2, v3
                v5 = iconst.i64 24
                v6 = iadd v1, v5
                brif v4, block2, block1(v6)
            block2:
                return
            }",
            expect![[r#"
                function %f(i64) fast {
                block0(v0: i64):
                    jump block1(v0)

                block1(v1: i64):
                    v2 = ireduce.i32 v1
                    v3 = iconst.i32 2400
                    v4 = icmp eq v2, v3  ; v3 = 2400
                    v5 = iconst.i64 24
                    v6 = iadd v1, v5  ; v5 = 24
                    v7 = iconst.i32 2424
                    v8 = ireduce.i32 v6
                    v9 = icmp eq v8, v7  ; v7 = 2424
                    brif v9, block2, block1(v6)

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn the_limit_wraps_in_the_type() {
        check(
            super::run,
            "function %f(i32) {
            block0(v0: i32):
                jump block1(v0)
            block1(v2: i32):
                v3 = iconst.i32 0xffff_ffff
                v4 = icmp ne v2, v3
                v5 = iconst.i32 1
                v6 = iadd v2, v5
                brif v4, block1(v6), block2
            block2:
                return
            }",
            expect![[r#"
                function %f(i32) fast {
                block0(v0: i32):
                    jump block1(v0)

                block1(v2: i32):
                    v3 = iconst.i32 -1
                    v4 = icmp ne v2, v3  ; v3 = -1
                    v5 = iconst.i32 1
                    v6 = iadd v2, v5  ; v5 = 1
                    v7 = iconst.i32 0
                    v8 = icmp ne v6, v7  ; v7 = 0
                    brif v8, block1(v6), block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn orders_and_values_of_other_parameters_are_left_alone() {
        check(
            super::run,
            "function %f(i32, i32) {
            block0(v0: i32, v1: i32):
                jump block1(v0, v1)
            block1(v2: i32, v3: i32):
                v4 = iconst.i32 10
                v5 = icmp ult v2, v4
                v6 = iconst.i32 1
                v7 = iadd v2, v6
                brif v5, block1(v7, v3), block2(v2, v3)
            block2(v8: i32, v9: i32):
                v10 = iconst.i32 10
                v11 = icmp eq v8, v10
                v12 = iconst.i32 1
                v13 = iadd v8, v12
                brif v11, block2(v9, v13), block3
            block3:
                return
            }",
            expect![[r#"
                unchanged
            "#]],
        );
    }
}
