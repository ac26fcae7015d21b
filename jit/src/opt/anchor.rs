//! What an index adds to one that was accessed before goes to the offset, or to the address in 64
//! bits, where the earlier access proves that the sum does not wrap.
//!
//! ```text
//!   load [base + uextend(x) + o]                    (executed)
//!   load [base + uextend(x + d) + p]      becomes   load [base + uextend(x) + (p + d)]
//!   load [base + uextend(x + v) + p]      becomes   load [(base + uextend(x)) + uextend(v) + p]
//! ```
//!
//! The first access is the *anchor*; it may itself have an index `x + c`, and then `d` is what the
//! second adds beyond `c`. In the third line `v` is a value that is known to be small; what is in
//! brackets is the anchor's address, which is in a register or, in a loop, computed outside.
//!
//! **Sound.** Let `y` be the anchor's index. The anchor dominates the second access, so it has
//! executed without a trap when that is reached, and `uextend(y) < 2^32 - limit` (see
//! [`super::memory`]). With `0 <= d < limit`, `uextend(y) + d < 2^32`: the 32-bit sum does not wrap
//! and the address is the same. Once the second has executed too, `uextend(y) + d < 2^32 - limit`,
//! so constants up to `d + limit` are covered behind it: that is the anchor's *reach*. Constants
//! are compared modulo 2^32, as the indices are computed; `d` is never negative, so no displacement
//! reaches below the base. The same machine code address is used, so a trap stays a trap. The same
//! holds for `d + v` with every value that `v` can have ([`super::bits`]).
//!
//! An access `[base + uextend(y) + (q << k) + o]` in a loop, with a parameter `q` of the loop whose
//! first value is 0, is an anchor for `y` behind it if `y` comes from outside the loop and the access
//! dominates all back edges: when something behind it is reached, it has executed in some iteration; were that not the first, the first would
//! have taken a back edge and so have executed it; in the first, its address is that of `y`.

use super::Unit;
use super::bits::Bits;
use super::code::{binary, def, int_const, plus_const};
use super::loops::{is_outside, passed};
use super::memory::{self, access, address_of, extended, redirect};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Opcode, Value, ValueDef, types};
use std::collections::HashMap;

/// Anchors of one value that are looked through.
const MAX_ANCHORS: usize = 16;

/// Edges into a loop whose first iteration is asked for.
const MAX_EDGES: usize = 16;

/// An access that has executed.
#[derive(Clone, Copy)]
struct Anchor {
    /// What its index adds to the value it is found by.
    constant: u32,
    /// Its address without the offset.
    address: Value,
    /// The largest sum beyond `constant` that has been accessed.
    reach: u32,
}

struct Anchors {
    by_value: HashMap<Value, Vec<Anchor>>,
    /// Values whose last anchor leaves when its block is left.
    added: Vec<Value>,
    bits: Bits,
}

impl Anchors {
    fn add(&mut self, value: Value, anchor: Anchor) {
        self.by_value.entry(value).or_default().push(anchor);
        self.added.push(value);
    }

    fn shrink_to(&mut self, count: usize) {
        for value in self.added.drain(count..).rev() {
            if let Some(anchors) = self.by_value.get_mut(&value) {
                anchors.pop();
            }
        }
    }

    /// The anchor that `constant` exceeds least, with what it exceeds it by, if up to `more` may be
    /// added to that.
    fn nearest(&self, value: Value, constant: u32, more: u64, limit: u64) -> Option<(Anchor, u32)> {
        let known = self.by_value.get(&value)?.iter().rev().take(MAX_ANCHORS);
        known
            .map(|anchor| (*anchor, constant.wrapping_sub(anchor.constant)))
            .filter(|(anchor, added)| u64::from(*added) + more < u64::from(anchor.reach) + limit)
            .min_by_key(|(_, added)| *added)
    }
}

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let (Some(base), Some(entry)) = (memory::base(unit.func), unit.func.layout.entry_block())
    else {
        return false;
    };
    if unit.facts.fold_limit == 0 {
        return false;
    }
    let mut changed = false;
    let mut anchors = Anchors {
        by_value: HashMap::new(),
        added: Vec::new(),
        bits: Bits::of(unit.func),
    };
    let mut todo = vec![(entry, 0)];
    // The dominator tree from the root, children before siblings.
    while let Some((block, inherited)) = todo.pop() {
        anchors.shrink_to(inherited);
        changed |= visit(unit, base, block, &mut anchors);
        let count = anchors.added.len();
        todo.extend(unit.domtree.children(block).map(|child| (child, count)));
    }
    changed
}

/// `value` as another and a constant, which may be 0.
fn split(func: &Function, value: Value) -> (Value, u32) {
    match plus_const(&func.dfg, value) {
        Some((value, constant)) => (value, constant as u32),
        None => (value, 0),
    }
}

fn visit(unit: &mut Unit<'_>, base: Value, block: Block, anchors: &mut Anchors) -> bool {
    let mut changed = false;
    // The sums of addresses and small values that this block has computed.
    let mut sums: HashMap<(Value, Value), Value> = HashMap::new();
    let mut next = unit.func.layout.first_inst(block);
    while let Some(inst) = next {
        next = unit.func.layout.next_inst(inst);
        let Some(access) = access(unit, base, inst) else {
            if let Some((index, address)) = first_of_loop(unit, base, block, inst) {
                let (value, constant) = split(unit.func, index);
                let reach = 0;
                anchors.add(
                    value,
                    Anchor {
                        constant,
                        address,
                        reach,
                    },
                );
            }
            continue;
        };
        let limit = unit.facts.fold_limit;
        let (value, constant) = split(unit.func, access.index);
        let fits = |added: &u32| access.offset.checked_add_unsigned(*added).is_some();
        let found = anchors.nearest(value, constant, 0, limit);
        if let Some((anchor, added)) = found.filter(|(_, added)| fits(added)) {
            if address_of(unit.func, inst) != Some(anchor.address) {
                let offset = access.offset + added as i32;
                redirect(unit.func, inst, anchor.address, offset);
                changed = true;
            }
            if added > anchor.reach {
                let reach = added;
                anchors.add(value, Anchor { reach, ..anchor });
            }
            continue;
        }
        if let Some((anchor, added, small)) = with_small(unit.func, anchors, value, constant, limit)
            && fits(&added)
        {
            let address = *sums
                .entry((anchor.address, small))
                .or_insert_with(|| sum(unit.func, &anchors.bits, inst, anchor.address, small));
            redirect(unit.func, inst, address, access.offset + added as i32);
            changed = true;
            continue;
        }
        if let Some(address) = address_of(unit.func, inst) {
            let reach = 0;
            anchors.add(
                value,
                Anchor {
                    constant,
                    address,
                    reach,
                },
            );
        }
    }
    changed
}

/// `value + constant` as an anchor, what is added to that, and a small value.
fn with_small(
    func: &Function,
    anchors: &Anchors,
    value: Value,
    constant: u32,
    limit: u64,
) -> Option<(Anchor, u32, Value)> {
    let (a, b) = binary(&func.dfg, def(&func.dfg, value)?, Opcode::Iadd)?;
    [(a, b), (b, a)].into_iter().find_map(|(x, small)| {
        let (x, more) = split(func, x);
        let most = anchors.bits.possible(func, small);
        let constant = constant.wrapping_add(more);
        let (anchor, added) = anchors.nearest(x, constant, most, limit)?;
        Some((anchor, added, small))
    })
}

/// The address `address + uextend(small)`, computed before `inst`.
fn sum(func: &mut Function, bits: &Bits, inst: Inst, address: Value, small: Value) -> Value {
    // A shift that loses no bits may as well be done in 64 bits, by the access itself.
    let shifted = def(&func.dfg, small)
        .and_then(|inst| binary(&func.dfg, inst, Opcode::Ishl))
        .and_then(|(x, count)| Some((x, int_const(&func.dfg, count).filter(|c| *c <= 3)?)))
        .filter(|(x, count)| bits.possible(func, *x) << count <= u64::from(u32::MAX));
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let wide = match shifted {
        Some((x, count)) => {
            let x = cursor.ins().uextend(types::I64, x);
            let count = cursor.ins().iconst(types::I64, count as i64);
            cursor.ins().ishl(x, count)
        }
        None => cursor.ins().uextend(types::I64, small),
    };
    cursor.ins().iadd(address, wide)
}

/// `inst` as an access that in the first iteration of the loop around `block` has this index and
/// this address.
fn first_of_loop(unit: &Unit<'_>, base: Value, block: Block, inst: Inst) -> Option<(Value, Value)> {
    let func = &*unit.func;
    let address = memory::address_in_region(unit, inst)?;
    let (a, b) = binary(&func.dfg, def(&func.dfg, address)?, Opcode::Iadd)?;
    [(a, b), (b, a)].into_iter().find_map(|(start, grown)| {
        let (x, y) = binary(&func.dfg, def(&func.dfg, start)?, Opcode::Iadd)?;
        let wide = match (x == base, y == base) {
            (true, false) => y,
            (false, true) => x,
            _ => return None,
        };
        let index = extended(func, wide)?;
        let shifted = def(&func.dfg, grown).and_then(|inst| binary(&func.dfg, inst, Opcode::Ishl));
        let grown = shifted.map_or(grown, |(value, _)| value);
        is_zero_at_first(unit, block, start, grown).then_some((index, start))
    })
}

/// Whether `value` is a parameter of the loop around `block` that is 0 in the first iteration,
/// `start` is computed before the loop, and `block` dominates every back edge.
fn is_zero_at_first(unit: &Unit<'_>, block: Block, start: Value, value: Value) -> bool {
    let func = &*unit.func;
    let ValueDef::Param(header, position) = func.dfg.value_def(value) else {
        return false;
    };
    let Some(inside) = unit.loops.innermost_loop(block) else {
        return false;
    };
    // Looked at for every access: few edges only.
    if unit.cfg.pred_iter(header).take(MAX_EDGES + 1).count() > MAX_EDGES {
        return false;
    }
    is_outside(unit, inside, start)
        && unit.loops.loop_header(inside) == header
        && unit.cfg.pred_iter(header).all(|pred| {
            if unit.loops.is_in_loop(pred.block, inside) {
                return unit.domtree.block_dominates(block, pred.block);
            }
            passed(func, pred.inst, header, position)
                .all(|first| first.is_some_and(|value| int_const(&func.dfg, value) == Some(0)))
        })
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn what_an_executed_access_proves_goes_to_the_offset() {
        check(
            super::run,
            "function %f(i64, i32) -> i32 {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32):
                v2 = uextend.i64 v1
                v3 = iadd v0, v2
                v4 = load.i32 user2 little region0 v3+4
                v5 = iconst.i32 8
                v6 = iadd v1, v5
                v7 = uextend.i64 v6
                v8 = iadd v0, v7
                brif v4, block1, block2
            block1:
                v9 = load.i32 user2 little region0 v8+16
                return v9
            block2:
                store user2 little region0 v4, v8
                return v4
            }",
            expect![[r#"
                function %f(i64, i32) -> i32 fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32):
                    v2 = uextend.i64 v1
                    v3 = iadd v0, v2
                    v4 = load.i32 user2 little region0 v3+4
                    v5 = iconst.i32 8
                    v6 = iadd v1, v5  ; v5 = 8
                    v7 = uextend.i64 v6
                    v8 = iadd v0, v7
                    brif v4, block1, block2

                block1:
                    v9 = load.i32 user2 little region0 v3+24
                    return v9

                block2:
                    store.i32 user2 little region0 v4, v3+8
                    return v4
                }
            "#]],
        );
    }

    #[test]
    fn the_smallest_constant_is_the_anchor_and_smaller_ones_stay() {
        check(
            super::run,
            "function %f(i64, i32) {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32):
                v2 = iconst.i32 0xffff_fff8
                v3 = iadd v1, v2
                v4 = uextend.i64 v3
                v5 = iadd v0, v4
                v6 = load.i32 user2 little region0 v5
                v7 = uextend.i64 v1
                v8 = iadd v0, v7
                store user2 little region0 v6, v8
                v9 = iconst.i32 0xffff_fff0
                v10 = iadd v1, v9
                v11 = uextend.i64 v10
                v12 = iadd v0, v11
                store user2 little region0 v6, v12
                return
            }",
            expect![[r#"
                function %f(i64, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32):
                    v2 = iconst.i32 -8
                    v3 = iadd v1, v2  ; v2 = -8
                    v4 = uextend.i64 v3
                    v5 = iadd v0, v4
                    v6 = load.i32 user2 little region0 v5
                    v7 = uextend.i64 v1
                    v8 = iadd v0, v7
                    store user2 little region0 v6, v5+8
                    v9 = iconst.i32 -16
                    v10 = iadd v1, v9  ; v9 = -16
                    v11 = uextend.i64 v10
                    v12 = iadd v0, v11
                    store user2 little region0 v6, v12
                    return
                }
            "#]],
        );
    }

    #[test]
    fn each_access_carries_the_proof_on() {
        check(
            super::run,
            "function %f(i64, i32) {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32):
                v2 = uextend.i64 v1
                v3 = iadd v0, v2
                v4 = load.i32 user2 little region0 v3
                v5 = iconst.i32 0xfff8
                v6 = iadd v1, v5
                v7 = uextend.i64 v6
                v8 = iadd v0, v7
                store user2 little region0 v4, v8
                v9 = iconst.i32 0x1_fff0
                v10 = iadd v1, v9
                v11 = uextend.i64 v10
                v12 = iadd v0, v11
                store user2 little region0 v4, v12
                return
            }",
            expect![[r#"
                function %f(i64, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32):
                    v2 = uextend.i64 v1
                    v3 = iadd v0, v2
                    v4 = load.i32 user2 little region0 v3
                    v5 = iconst.i32 0xfff8
                    v6 = iadd v1, v5  ; v5 = 0xfff8
                    v7 = uextend.i64 v6
                    v8 = iadd v0, v7
                    store user2 little region0 v4, v3+0xfff8
                    v9 = iconst.i32 0x0001_fff0
                    v10 = iadd v1, v9  ; v9 = 0x0001_fff0
                    v11 = uextend.i64 v10
                    v12 = iadd v0, v11
                    store user2 little region0 v4, v3+0x0001_fff0
                    return
                }
            "#]],
        );
    }

    #[test]
    fn an_access_that_may_not_have_executed_proves_nothing() {
        check(
            super::run,
            "function %f(i64, i32) {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32):
                brif v1, block1, block2
            block1:
                v2 = uextend.i64 v1
                v3 = iadd v0, v2
                v4 = load.i32 user2 little region0 v3
                jump block2
            block2:
                v5 = iconst.i32 8
                v6 = iadd v1, v5
                v7 = uextend.i64 v6
                v8 = iadd v0, v7
                store user2 little region0 v1, v8
                v9 = iconst.i32 0x1_0008
                v10 = iadd v1, v9
                v11 = uextend.i64 v10
                v12 = iadd v0, v11
                store user2 little region0 v1, v12
                return
            }",
            expect![[r#"
                unchanged
            "#]],
        );
    }

    #[test]
    fn what_is_known_to_be_small_is_added_in_64_bits() {
        let text = |mask: &str| {
            format!(
                "function %f(i64, i32, i32) -> i32 {{
                    region0 = 1 \"memory\"
                block0(v0: i64, v1: i32, v2: i32):
                    v3 = iconst.i32 -1024
                    v4 = iadd v1, v3
                    v5 = uextend.i64 v4
                    v6 = iadd v0, v5
                    store user2 little region0 v2, v6
                    v7 = iconst.i32 {mask}
                    v8 = band v2, v7
                    v9 = iconst.i32 2
                    v10 = ishl v8, v9
                    v11 = iconst.i32 1020
                    v12 = isub v1, v11
                    v13 = iadd v12, v10
                    v14 = uextend.i64 v13
                    v15 = iadd v0, v14
                    v16 = load.i32 user2 little region0 v15
                    return v16
                }}"
            )
        };
        check(
            super::run,
            &text("255"),
            expect![[r#"
            function %f(i64, i32, i32) -> i32 fast {
                region0 = 1 "memory"

            block0(v0: i64, v1: i32, v2: i32):
                v3 = iconst.i32 -1024
                v4 = iadd v1, v3  ; v3 = -1024
                v5 = uextend.i64 v4
                v6 = iadd v0, v5
                store user2 little region0 v2, v6
                v7 = iconst.i32 255
                v8 = band v2, v7  ; v7 = 255
                v9 = iconst.i32 2
                v10 = ishl v8, v9  ; v9 = 2
                v11 = iconst.i32 1020
                v12 = isub v1, v11  ; v11 = 1020
                v13 = iadd v12, v10
                v14 = uextend.i64 v13
                v15 = iadd v0, v14
                v17 = uextend.i64 v8
                v18 = iconst.i64 2
                v19 = ishl v17, v18  ; v18 = 2
                v20 = iadd v6, v19
                v16 = load.i32 user2 little region0 v20+4
                return v16
            }
        "#]],
        );
        check(super::run, &text("0x3fff"), expect![["unchanged\n"]]);
    }

    #[test]
    fn a_loop_that_starts_at_an_index_proves_it() {
        let text = |first: &str| {
            format!(
                "function %f(i64, i32, i32) -> i32 {{
                    region0 = 1 \"memory\"
                block0(v0: i64, v1: i32, v2: i32):
                    v3 = uextend.i64 v1
                    v4 = iadd v0, v3
                    v5 = iconst.i64 {first}
                    jump block1(v5)
                block1(v6: i64):
                    v7 = iadd v4, v6
                    store user2 little region0 v2, v7
                    v8 = iconst.i64 4
                    v9 = iadd v6, v8
                    brif v2, block1(v9), block2
                block2:
                    v10 = iconst.i32 0xff
                    v11 = band v2, v10
                    v12 = iadd v1, v11
                    v13 = uextend.i64 v12
                    v14 = iadd v0, v13
                    v15 = load.i32 user2 little region0 v14
                    return v15
                }}"
            )
        };
        check(
            super::run,
            &text("0"),
            expect![[r#"
            function %f(i64, i32, i32) -> i32 fast {
                region0 = 1 "memory"

            block0(v0: i64, v1: i32, v2: i32):
                v3 = uextend.i64 v1
                v4 = iadd v0, v3
                v5 = iconst.i64 0
                jump block1(v5)  ; v5 = 0

            block1(v6: i64):
                v7 = iadd.i64 v4, v6
                store.i32 user2 little region0 v2, v7
                v8 = iconst.i64 4
                v9 = iadd v6, v8  ; v8 = 4
                brif.i32 v2, block1(v9), block2

            block2:
                v10 = iconst.i32 255
                v11 = band.i32 v2, v10  ; v10 = 255
                v12 = iadd.i32 v1, v11
                v13 = uextend.i64 v12
                v14 = iadd.i64 v0, v13
                v16 = uextend.i64 v11
                v17 = iadd.i64 v4, v16
                v15 = load.i32 user2 little region0 v17
                return v15
            }
        "#]],
        );
        check(super::run, &text("8"), expect![["unchanged\n"]]);
        // The index of a later iteration is another one.
        let text = text("0")
            .replace("v4 = iadd v0, v3\n", "\n")
            .replace("block1(v6: i64):", "block1(v6: i64):\n v4 = iadd v0, v3\n");
        check(super::run, &text, expect![["unchanged\n"]]);
    }
}
