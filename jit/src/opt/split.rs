//! Inner loops that are short of registers get copies of their own of what comes from outside.
//!
//! The register allocator decides by uses per length of a value's life which value has to live in
//! memory. The instance's base, and other values that live through most of a function, lose against
//! whatever is short-lived, and a loop that uses them many times loads them many times. A copy made
//! before the loop lives as long as the loop, and competes with what else lives there.
//!
//! ```text
//!   block before:   copy = bor base, 0          (an addition would be folded into the addresses)
//!   loop:           load [copy + index]
//! ```
//!
//! **Sound**: the copy is equal to the value, and the block before the loop dominates it.

use super::Unit;
use super::code::int_const;
use super::loops::{entry, innermost, is_outside, pressure};
use super::lowering::{Reads, reads};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Value, types};
use cranelift_codegen::loop_analysis::Loop;
use std::collections::{BTreeMap, HashMap};

/// Fewer uses are not worth a register.
const MIN_USES: usize = 2;
/// Values that the allocator finds registers for: 16 less the stack's and the frame's, and one for
/// what instructions need on the way.
const REGISTERS: usize = 13;
/// A loop of so many blocks gets copies even where registers are not short: in the cases of a large
/// switch the allocator gives what lives in memory a register anew, one load in each.
const MANY_BLOCKS: usize = 64;
/// Larger functions only, in instructions: in small ones lives are short anyway.
const MIN_INSTS: usize = 60;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    if unit.func.dfg.num_insts() < MIN_INSTS {
        return false;
    }
    let mut changed = false;
    for (inside, blocks) in innermost(unit) {
        let large = blocks.len() >= MANY_BLOCKS;
        if !large && pressure(unit.func, &blocks, integers) <= REGISTERS {
            continue;
        }
        let Some(before) = entry(unit, inside) else {
            continue;
        };
        let mut copies: HashMap<Value, Value> = HashMap::new();
        for value in often_used(unit, inside, &blocks) {
            let ty = unit.func.dfg.value_type(value);
            let mut cursor = FuncCursor::new(unit.func).at_inst(before);
            cursor.set_srcloc(cursor.func.srcloc(before));
            let nothing = cursor.ins().iconst(ty, 0);
            copies.insert(value, cursor.ins().bor(value, nothing));
        }
        if copies.is_empty() {
            continue;
        }
        for block in &blocks {
            let mut next = unit.func.layout.first_inst(*block);
            while let Some(inst) = next {
                next = unit.func.layout.next_inst(inst);
                let own = |value| copies.get(&value).copied().unwrap_or(value);
                unit.func.dfg.map_inst_values(inst, own);
            }
        }
        changed = true;
    }
    changed
}

/// The values in integer registers that `inst` reads.
fn integers(func: &Function, inst: Inst) -> Reads {
    let mut read = reads(func, inst);
    read.retain(|value| func.dfg.value_type(*value).is_int());
    read
}

/// The integers from outside that the loop uses more than once; none if there is a call, around
/// which nothing stays in a register.
fn often_used(unit: &Unit<'_>, inside: Loop, blocks: &[Block]) -> Vec<Value> {
    let func = &*unit.func;
    let mut uses: BTreeMap<Value, usize> = BTreeMap::new();
    for block in blocks {
        for inst in func.layout.block_insts(*block) {
            if func.dfg.insts[inst].opcode().is_call() {
                return Vec::new();
            }
            for value in func.dfg.inst_values(inst) {
                let ty = func.dfg.value_type(value);
                let counts = ty == types::I32 || ty == types::I64;
                let constant = int_const(&func.dfg, value).is_some();
                if counts && !constant && is_outside(unit, inside, value) {
                    *uses.entry(value).or_default() += 1;
                }
            }
        }
    }
    uses.retain(|_, count| *count >= MIN_USES);
    uses.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::{after, check};
    use expect_test::expect;

    /// A loop that adds up `count` words of the memory, and keeps each one until the end of the
    /// iteration.
    fn text(count: usize) -> String {
        let mut text = String::from(
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                jump block1(v1)
            block1(v2: i32):\n",
        );
        for n in 0..count {
            text += &format!("v{} = load.i32 v0+{}\n", 10 + n, n * 4);
        }
        let mut last = 2;
        for n in 0..count {
            text += &format!("v{} = iadd v{last}, v{}\n", 100 + n, 10 + n);
            text += &format!("v{} = imul v{}, v{}\n", 200 + n, 100 + n, 10 + n);
            text += &format!(
                "v{} = bxor v{}, v{}\n",
                300 + n,
                200 + n,
                10 + count - 1 - n
            );
            last = 300 + n;
        }
        text + &format!("brif v{last}, block1(v{last}), block2\n block2:\n return v{last}\n }}")
    }

    #[test]
    fn a_loop_of_many_blocks_has_a_base_of_its_own() {
        let cases = |count: usize| {
            let mut text = String::from(
                "function %f(i64, i32) {
                block0(v0: i64, v1: i32):
                    jump block1(v1)
                block1(v2: i32):
                    store v2, v0
                    jump block100\n",
            );
            for n in 0..count {
                text += &format!(
                    "block{}:\n v{} = iadd v2, v1\n brif v{}, block{}, block2\n",
                    100 + n,
                    100 + n,
                    100 + n,
                    101 + n
                );
            }
            let last = 100 + count;
            text + &format!(
                "block{last}:\n store v2, v0+8\n brif v2, block1(v2), block2\n block2:\n return\n}}"
            )
        };
        check(super::run, &cases(40), expect![["unchanged\n"]]);
        let changed = after(super::run, &cases(80));
        let changed = changed.lines().map(str::trim);
        let told: Vec<&str> = changed
            .filter(|line| line.contains("store") || line.contains("bor"))
            .collect();
        expect![[r#"
            v181 = bor v0, v180  ; v180 = 0
            v183 = bor v1, v182  ; v182 = 0
            store v2, v181
            store.i32 v2, v181+8"#]]
        .assert_eq(&told.join("\n"));
    }

    #[test]
    fn a_loop_short_of_registers_has_a_base_of_its_own() {
        check(super::run, &text(5), expect![["unchanged\n"]]);
        check(
            super::run,
            &text(16),
            expect![[r#"
            function %f(i64, i32) -> i32 fast {
            block0(v0: i64, v1: i32):
                v316 = iconst.i64 0
                v317 = bor v0, v316  ; v316 = 0
                jump block1(v1)

            block1(v2: i32):
                v10 = load.i32 v317
                v11 = load.i32 v317+4
                v12 = load.i32 v317+8
                v13 = load.i32 v317+12
                v14 = load.i32 v317+16
                v15 = load.i32 v317+20
                v16 = load.i32 v317+24
                v17 = load.i32 v317+28
                v18 = load.i32 v317+32
                v19 = load.i32 v317+36
                v20 = load.i32 v317+40
                v21 = load.i32 v317+44
                v22 = load.i32 v317+48
                v23 = load.i32 v317+52
                v24 = load.i32 v317+56
                v25 = load.i32 v317+60
                v100 = iadd v2, v10
                v200 = imul v100, v10
                v300 = bxor v200, v25
                v101 = iadd v300, v11
                v201 = imul v101, v11
                v301 = bxor v201, v24
                v102 = iadd v301, v12
                v202 = imul v102, v12
                v302 = bxor v202, v23
                v103 = iadd v302, v13
                v203 = imul v103, v13
                v303 = bxor v203, v22
                v104 = iadd v303, v14
                v204 = imul v104, v14
                v304 = bxor v204, v21
                v105 = iadd v304, v15
                v205 = imul v105, v15
                v305 = bxor v205, v20
                v106 = iadd v305, v16
                v206 = imul v106, v16
                v306 = bxor v206, v19
                v107 = iadd v306, v17
                v207 = imul v107, v17
                v307 = bxor v207, v18
                v108 = iadd v307, v18
                v208 = imul v108, v18
                v308 = bxor v208, v17
                v109 = iadd v308, v19
                v209 = imul v109, v19
                v309 = bxor v209, v16
                v110 = iadd v309, v20
                v210 = imul v110, v20
                v310 = bxor v210, v15
                v111 = iadd v310, v21
                v211 = imul v111, v21
                v311 = bxor v211, v14
                v112 = iadd v311, v22
                v212 = imul v112, v22
                v312 = bxor v212, v13
                v113 = iadd v312, v23
                v213 = imul v113, v23
                v313 = bxor v213, v12
                v114 = iadd v313, v24
                v214 = imul v114, v24
                v314 = bxor v214, v11
                v115 = iadd v314, v25
                v215 = imul v115, v25
                v315 = bxor v215, v10
                brif v315, block1(v315), block2

            block2:
                return v315
            }
        "#]],
        );
    }
}
