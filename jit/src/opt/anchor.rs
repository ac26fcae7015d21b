//! Constants that an index adds go to the offset of the access, where an earlier access proves that
//! the sum does not wrap.
//!
//! ```text
//!   load [base + uextend(x) + o]                    (executed)
//!   load [base + uextend(x + d) + p]      becomes   load [base + uextend(x) + (p + d)]
//! ```
//!
//! The first access is the *anchor*; it may itself have an index `x + c`, and then `d` is what the
//! second adds beyond `c`.
//!
//! **Sound.** Let `y` be the anchor's index. The anchor dominates the second access, so it has
//! executed without a trap when that is reached, and `uextend(y) < 2^32 - limit` (see
//! [`super::memory`]). With `0 <= d < limit`, `uextend(y) + d < 2^32`: the 32-bit sum does not wrap
//! and the address is the same. Once the second has executed too, `uextend(y) + d < 2^32 - limit`,
//! so constants up to `d + limit` are covered behind it: that is the anchor's *reach*. Constants
//! are compared modulo 2^32, as the indices are computed; `d` is never negative, so no displacement
//! reaches below the base. The same machine code address is used, so a trap stays a trap.

use super::Unit;
use super::code::plus_const;
use super::memory::{self, access, redirect};
use cranelift_codegen::ir::{Block, InstructionData, Value};
use std::collections::HashMap;

/// Anchors of one value that are looked through.
const MAX_ANCHORS: usize = 16;

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

#[derive(Default)]
struct Anchors {
    by_value: HashMap<Value, Vec<Anchor>>,
    /// Values whose last anchor leaves when its block is left.
    added: Vec<Value>,
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

    /// The anchor that `constant` exceeds least, with what it exceeds it by.
    fn nearest(&self, value: Value, constant: u32, limit: u64) -> Option<(Anchor, u32)> {
        let known = self.by_value.get(&value)?.iter().rev().take(MAX_ANCHORS);
        known
            .map(|anchor| (*anchor, constant.wrapping_sub(anchor.constant)))
            .filter(|(anchor, added)| u64::from(*added) < u64::from(anchor.reach) + limit)
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
    let mut anchors = Anchors::default();
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

fn visit(unit: &mut Unit<'_>, base: Value, block: Block, anchors: &mut Anchors) -> bool {
    let mut changed = false;
    let mut next = unit.func.layout.first_inst(block);
    while let Some(inst) = next {
        next = unit.func.layout.next_inst(inst);
        let Some(access) = access(unit, base, inst) else {
            continue;
        };
        let (value, constant) = match plus_const(&unit.func.dfg, access.index) {
            Some((value, constant)) => (value, constant as u32),
            None => (access.index, 0),
        };
        let found = anchors.nearest(value, constant, unit.facts.fold_limit);
        let found = found.filter(|(_, added)| access.offset.checked_add_unsigned(*added).is_some());
        let Some((anchor, added)) = found else {
            let address = address_of(unit, inst);
            anchors.add(
                value,
                Anchor {
                    constant,
                    address,
                    reach: 0,
                },
            );
            continue;
        };
        if address_of(unit, inst) != anchor.address {
            redirect(
                unit.func,
                inst,
                anchor.address,
                access.offset + added as i32,
            );
            changed = true;
        }
        if added > anchor.reach {
            let reach = added;
            anchors.add(value, Anchor { reach, ..anchor });
        }
    }
    changed
}

/// The address operand of an access.
fn address_of(unit: &Unit<'_>, inst: cranelift_codegen::ir::Inst) -> Value {
    match unit.func.dfg.insts[inst] {
        InstructionData::Load { arg, .. } => arg,
        InstructionData::Store { args, .. } => args[1],
        _ => unreachable!("only loads and stores are accesses"),
    }
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
}
