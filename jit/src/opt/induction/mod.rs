//! Induction variables that index memory are kept in 64 bits, so that their accesses need neither
//! zero-extension nor address arithmetic of their own.
//!
//! In a loop whose 32-bit parameter `i` grows by a constant `s` in every iteration, an access
//!
//! ```text
//!   [base + uextend(b + (i << k) + c) + offset]          (sums and shift in 32 bits)
//! ```
//!
//! where `b` is a sum of values from outside the loop, needs an addition in 32 bits before the
//! access can add the base, because the sum could wrap. If the access executes in every iteration,
//! it does not. The loop gets a 64-bit parameter `q` instead of `i`, and the access becomes
//!
//! ```text
//!   [r + (q << k) + offset]     r = base + uextend(b + (i0 << k) + c) - (q0 << k), before the loop
//! ```
//!
//! where `i0` is the first value of `i` and `q0 = uextend(i0)`.
//!
//! **Sound.** Let `i(n)`, `q(n)` be the values in iteration `n`, counted from 0, and
//! `x(n) = b + (i(n) << k) + c` modulo 2^32. Claim: whenever iteration `n` is reached,
//! `uextend(x(n)) = uextend(x(0)) + (n * s << k)`. For `n = 0` it says nothing. If iteration `n + 1`
//! is reached, iteration `n` has taken a back edge, all of which the access dominates, so it has
//! executed in iteration `n` without a trap: `uextend(x(n)) < 2^32 - limit` (see [`super::memory`]).
//! With `s << k <= limit`, `uextend(x(n)) + (s << k) < 2^32`, so the 32-bit sum `x(n + 1) = x(n) +
//! (s << k)` does not wrap, and the claim follows. Hence `r + (q(n) << k)`, where `q(n) = q0 + n * s`
//! in 64 bits, is `base + uextend(x(n))` exactly, whatever wraps on the way. It does not matter
//! where in the iteration the access lies, and another access with the same `x` may use the same
//! address even if it does not always execute.
//!
//! An access with the constant `c + d`, `0 < d <= limit - width`, that is dominated by the first
//! one has index `uextend(x(n)) + d`: the first has executed in this iteration, so that does not
//! wrap either. `d` goes to its offset. So does that of a load which the first one follows at once,
//! with nothing but loads and pure operations between: if `uextend(x(n)) + d` is 2^32 or more, the
//! load's new address lies behind all memory and traps, and otherwise the first one would have, for
//! the same reason and with nothing done meanwhile that could be told.
//!
//! `i` itself is `ireduce(q)`, since both grow by `s` modulo 2^32 from equal low halves. `q` is
//! `uextend(i)` in every iteration if also `q(n) < 2^32`: when the index is `i` itself, that is the
//! claim; else it follows for a constant `i0 <= limit - s`, since `(q(n) - q0) << k` is the
//! difference of two 32-bit numbers of which the larger is below `2^32 - limit + (s << k)`. Of
//! the next value, `i + s`, the same is known behind the access.
//!
//! No displacement reaches below the base: the address equals the original one, `r` is added in a
//! register, and only `d` goes to the displacement, which was not negative.

mod widen;

use super::Unit;
use super::code::{is_pure, plus_const, terminator};
use super::loops::{is_outside, passed};
use super::memory::{self, Access, Sum, access, sum_of};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Inst, Value, ValueDef, types};
use cranelift_codegen::loop_analysis::Loop;
use std::collections::{HashMap, HashSet};

/// Registers that the addresses of one loop may take.
const MAX_BASES: usize = 5;
/// Blocks with back edges that a loop may have: each access is compared with all of them.
const MAX_LATCHES: usize = 64;
/// Groups that are made of one variable's accesses, worth a register or not.
const MAX_GROUPS: usize = 64;
/// Variables times accesses of one loop that are looked at.
const MAX_LOOKED_AT: usize = 2_000_000;
/// Instructions between an access and the anchor that follows it.
const MAX_QUIET: usize = 64;
/// Room that offsets leave for the constants that are added to them.
const MAX_OFFSET: i64 = i32::MAX as i64;

/// What replaces zero-extensions of a 32-bit value: the 64-bit one, behind an instruction.
#[derive(Clone, Copy)]
struct Wide {
    value: Value,
    behind: Option<Inst>,
}

/// A parameter that grows by a constant.
struct Induction {
    param: Value,
    position: usize,
    step: u32,
    first: Value,
}

/// Accesses whose indices differ by constants, all relative to one that always executes.
struct Group {
    sum: Sum,
    anchor: Inst,
    /// Accesses and what they add to the anchor's index.
    members: Vec<(Access, u32)>,
}

/// A loop of the function with what the pass needs of it.
struct Body {
    header: Block,
    /// The only block outside that leads to the header.
    before: Block,
    latches: Vec<Block>,
    accesses: Vec<Access>,
    /// Whether it calls: then every register that lives around it costs a spill.
    calls: bool,
}

struct Widener<'a, 'b> {
    unit: &'a mut Unit<'b>,
    base: Value,
    wide: HashMap<Value, Wide>,
}

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let Some(base) = memory::base(unit.func) else {
        return false;
    };
    if unit.facts.fold_limit == 0 || unit.loops.loops().len() == 0 {
        return false;
    }
    let mut accesses: SecondaryMap<Loop, Vec<Access>> = SecondaryMap::new();
    let mut calls: SecondaryMap<Loop, bool> = SecondaryMap::new();
    for block in unit.func.layout.blocks() {
        let Some(inside) = unit.loops.innermost_loop(block) else {
            continue;
        };
        for inst in unit.func.layout.block_insts(block) {
            accesses[inside].extend(access(unit, base, inst));
            calls[inside] |= unit.func.dfg.insts[inst].opcode().is_call();
        }
    }
    let mut widener = Widener {
        unit,
        base,
        wide: HashMap::new(),
    };
    let mut changed = false;
    for inside in widener.unit.loops.loops() {
        let accesses = std::mem::take(&mut accesses[inside]);
        if !accesses.is_empty()
            && let Some(body) = widener.body(inside, accesses, calls[inside])
        {
            changed |= widener.visit(inside, body);
        }
    }
    if changed {
        widener.replace_extensions();
    }
    changed
}

impl Widener<'_, '_> {
    /// The loop's edges, if they are of the ordinary sort.
    fn body(&self, inside: Loop, accesses: Vec<Access>, calls: bool) -> Option<Body> {
        let header = self.unit.loops.loop_header(inside);
        let mut before = None;
        let mut latches = Vec::new();
        for pred in self.unit.cfg.pred_iter(header) {
            if self.unit.loops.is_in_loop(pred.block, inside) {
                latches.push(pred.block);
            } else if before.replace(pred.block).is_some() {
                return None;
            }
        }
        latches.sort_unstable();
        latches.dedup();
        if latches.len() > MAX_LATCHES {
            return None;
        }
        Some(Body {
            header,
            before: before?,
            latches,
            accesses,
            calls,
        })
    }

    fn visit(&mut self, inside: Loop, mut body: Body) -> bool {
        let mut changed = false;
        let mut bases = 0;
        let mut looked_at = 0;
        let params = self.unit.func.dfg.block_params(body.header).to_vec();
        for param in params {
            if self.unit.func.dfg.value_type(param) != types::I32 {
                continue;
            }
            let Some(induction) = self.induction(&body, param) else {
                continue;
            };
            looked_at += body.accesses.len();
            if looked_at > MAX_LOOKED_AT {
                break;
            }
            let groups = self.groups(inside, &body, &induction);
            let needed = groups.iter().filter(|g| !is_bare(&g.sum)).count();
            if groups.is_empty() || bases + needed > MAX_BASES {
                continue;
            }
            bases += needed;
            let members = groups.iter().flat_map(|group| &group.members);
            let done: HashSet<Inst> = members.map(|(access, _)| access.inst).collect();
            body.accesses.retain(|a| !done.contains(&a.inst));
            self.widen(&body, &induction, &groups);
            changed = true;
        }
        changed
    }

    /// `param` as an induction variable: every back edge adds the same constant to it.
    fn induction(&self, body: &Body, param: Value) -> Option<Induction> {
        let func = &*self.unit.func;
        let ValueDef::Param(_, position) = func.dfg.value_def(param) else {
            return None;
        };
        let mut step = None;
        for latch in &body.latches {
            for next in passed(func, terminator(func, *latch)?, body.header, position) {
                let (from, by) = plus_const(&func.dfg, next?)?;
                if from != param || *step.get_or_insert(by) != by {
                    return None;
                }
            }
        }
        let step = step.filter(|s| (1..=self.unit.facts.fold_limit / 2).contains(s))?;
        let mut entry = passed(func, terminator(func, body.before)?, body.header, position);
        let (Some(first), None) = (entry.next()?, entry.next()) else {
            return None;
        };
        Some(Induction {
            param,
            position,
            step: step as u32,
            first,
        })
    }

    /// Sorts the accesses that the variable indexes into groups that are worth a register each.
    fn groups(&self, inside: Loop, body: &Body, induction: &Induction) -> Vec<Group> {
        let func = &*self.unit.func;
        let limit = self.unit.facts.fold_limit;
        let mut rest: Vec<(Access, Sum)> = Vec::new();
        for access in &body.accesses {
            let leaf = |value| is_outside(self.unit, inside, value);
            if let Some(sum) = sum_of(func, access.index, induction.param, leaf)
                && u64::from(induction.step) << sum.shift <= limit / 2
            {
                rest.push((*access, sum));
            }
        }
        let always = |access: &Access| {
            let home = func.layout.inst_block(access.inst);
            home.is_some_and(|home| {
                let mut latches = body.latches.iter();
                latches.all(|latch| self.unit.domtree.block_dominates(home, *latch))
            })
        };
        let mut anchors: Vec<(Access, Sum)> = rest.clone();
        anchors.retain(|(access, _)| always(access));
        // The least constant first; of equals the first in the loop.
        anchors.sort_by_key(|(_, sum)| sum.constant as i32);
        let mut groups = Vec::new();
        let mut grouped: HashSet<Inst> = HashSet::new();
        let mut rounds = 0;
        for anchor in anchors {
            if grouped.contains(&anchor.0.inst) {
                continue;
            }
            rounds += 1;
            if rounds > MAX_GROUPS {
                break;
            }
            let mut members = Vec::new();
            rest.retain(|(access, sum)| {
                let added = sum.constant.wrapping_sub(anchor.1.constant);
                let same = sum.shift == anchor.1.shift && sum.leaves == anchor.1.leaves;
                let follows = || {
                    let layout = &func.layout;
                    let domtree = self.unit.domtree;
                    domtree.dominates(anchor.0.inst, access.inst, layout)
                        || leads_quietly(func, access.inst, anchor.0.inst)
                };
                let fits = i64::from(access.offset) + i64::from(added) <= MAX_OFFSET;
                let near = u64::from(added) < limit;
                let joins = same && (added == 0 || near && fits && follows());
                if joins {
                    members.push((*access, added));
                    grouped.insert(access.inst);
                }
                !joins
            });
            let group = Group {
                sum: anchor.1,
                anchor: anchor.0.inst,
                members,
            };
            if self.gains(induction, &group) && (!body.calls || is_bare(&group.sum)) {
                groups.push(group);
            }
        }
        groups
    }

    /// Whether some access of the group computes an index that nothing else needs.
    fn gains(&self, induction: &Induction, group: &Group) -> bool {
        let next = |index| {
            plus_const(&self.unit.func.dfg, index)
                == Some((induction.param, u64::from(induction.step)))
        };
        group.members.iter().any(|(access, _)| !next(access.index))
    }
}

/// Whether `load` is one and `anchor` follows in its block, with nothing between them that could be
/// seen from outside or trap for another reason.
fn leads_quietly(func: &Function, load: Inst, anchor: Inst) -> bool {
    let is_load = |inst: Inst| {
        let op = func.dfg.insts[inst].opcode();
        op.can_load() && !(op.can_store() || op.is_call() || op.other_side_effects())
    };
    if !is_load(load) || func.layout.inst_block(load) != func.layout.inst_block(anchor) {
        return false;
    }
    let mut at = load;
    for _ in 0..MAX_QUIET {
        let Some(next) = func.layout.next_inst(at) else {
            return false;
        };
        if next == anchor {
            return true;
        }
        if !(is_pure(func, next) || is_load(next)) {
            return false;
        }
        at = next;
    }
    false
}

/// Whether the index is the variable itself.
fn is_bare(sum: &Sum) -> bool {
    sum.leaves.is_empty() && sum.constant == 0 && sum.shift == 0
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn a_pointer_that_is_always_followed_has_64_bits() {
        check(
            super::run,
            "function %f(i64, i32, i32) {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32, v2: i32):
                jump block1(v1)
            block1(v3: i32):
                v4 = uextend.i64 v3
                v5 = iadd v0, v4
                v6 = load.i32 user2 little region0 v5+8
                v7 = iconst.i32 4
                v8 = iadd v3, v7
                v9 = uextend.i64 v8
                v10 = iadd v0, v9
                store user2 little region0 v6, v10
                v11 = icmp eq v8, v2
                brif v11, block2, block1(v8)
            block2:
                return
            }",
            expect![[r#"
                function %f(i64, i32, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32, v2: i32):
                    v12 = uextend.i64 v1
                    jump block1(v12)

                block1(v13: i64):
                    v3 = ireduce.i32 v13
                    v4 = uextend.i64 v3
                    v5 = iadd.i64 v0, v13
                    v16 = iadd.i64 v0, v13
                    v6 = load.i32 user2 little region0 v16+8
                    v7 = iconst.i32 4
                    v14 = iconst.i64 4
                    v15 = iadd v13, v14  ; v14 = 4
                    v8 = ireduce.i32 v15
                    v9 = uextend.i64 v8
                    v10 = iadd.i64 v0, v15
                    v17 = iadd.i64 v0, v13
                    store user2 little region0 v6, v17+4
                    v11 = icmp eq v8, v2
                    brif v11, block2, block1(v15)

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn sums_with_values_from_outside_become_one_register() {
        check(
            super::run,
            "function %f(i64, i32) {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32):
                v2 = iconst.i32 0
                jump block1(v2)
            block1(v3: i32):
                v4 = iconst.i32 3
                v5 = ishl v3, v4
                v6 = iadd v1, v5
                v7 = uextend.i64 v6
                v8 = iadd v0, v7
                v9 = load.f64 user2 little region0 v8
                v10 = iconst.i32 8
                v11 = iadd v6, v10
                v12 = uextend.i64 v11
                v13 = iadd v0, v12
                store user2 little region0 v9, v13+16
                v14 = iconst.i32 1
                v15 = iadd v3, v14
                v16 = iconst.i32 100
                v17 = icmp ne v15, v16
                brif v17, block1(v15), block2
            block2:
                return
            }",
            expect![[r#"
                function %f(i64, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32):
                    v2 = iconst.i32 0
                    v18 = iconst.i64 0
                    v19 = uextend.i64 v1
                    v20 = iadd v0, v19
                    jump block1(v18)  ; v18 = 0

                block1(v21: i64):
                    v3 = ireduce.i32 v21
                    v4 = iconst.i32 3
                    v5 = ishl v3, v4  ; v4 = 3
                    v6 = iadd.i32 v1, v5
                    v7 = uextend.i64 v6
                    v8 = iadd.i64 v0, v7
                    v24 = iconst.i64 3
                    v25 = ishl v21, v24  ; v24 = 3
                    v26 = iadd.i64 v20, v25
                    v9 = load.f64 user2 little region0 v26
                    v10 = iconst.i32 8
                    v11 = iadd v6, v10  ; v10 = 8
                    v12 = uextend.i64 v11
                    v13 = iadd.i64 v0, v12
                    v27 = iconst.i64 3
                    v28 = ishl v21, v27  ; v27 = 3
                    v29 = iadd.i64 v20, v28
                    store user2 little region0 v9, v29+24
                    v14 = iconst.i32 1
                    v22 = iconst.i64 1
                    v23 = iadd v21, v22  ; v22 = 1
                    v15 = ireduce.i32 v23
                    v16 = iconst.i32 100
                    v17 = icmp ne v15, v16  ; v16 = 100
                    brif v17, block1(v23), block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn the_first_value_is_taken_off_where_it_is_not_known() {
        check(
            super::run,
            "function %f(i64, i32, i32) {
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32, v2: i32):
                jump block1(v2)
            block1(v3: i32):
                v4 = iadd v1, v3
                v5 = uextend.i64 v4
                v6 = iadd v0, v5
                v7 = load.i32 user2 little region0 v6
                v8 = iconst.i32 4
                v9 = iadd v3, v8
                v10 = uextend.i64 v9
                v11 = iadd v0, v10
                v12 = load.i32 user2 little region0 v11
                v13 = icmp eq v7, v12
                brif v13, block1(v9), block2
            block2:
                return
            }",
            expect![[r#"
                function %f(i64, i32, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32, v2: i32):
                    v14 = uextend.i64 v2
                    v15 = iadd v1, v2
                    v16 = uextend.i64 v15
                    v17 = iadd v0, v16
                    v18 = isub v17, v14
                    jump block1(v14)

                block1(v19: i64):
                    v3 = ireduce.i32 v19
                    v4 = iadd.i32 v1, v3
                    v5 = uextend.i64 v4
                    v6 = iadd.i64 v0, v5
                    v22 = iadd.i64 v18, v19
                    v7 = load.i32 user2 little region0 v22
                    v8 = iconst.i32 4
                    v20 = iconst.i64 4
                    v21 = iadd v19, v20  ; v20 = 4
                    v9 = ireduce.i32 v21
                    v10 = uextend.i64 v9
                    v11 = iadd.i64 v0, v10
                    v12 = load.i32 user2 little region0 v11
                    v13 = icmp eq v7, v12
                    brif v13, block1(v21), block2

                block2:
                    return
                }
            "#]],
        );
    }

    /// Each differs from a loop that is changed in one respect.
    /// A loop over two arrays below a frame's end; `between` lies between the load at the higher
    /// index and the access at the lower one, `low`.
    fn frame(between: &str, low: &str) -> String {
        format!(
            "function %f(i64, i32) {{
                region0 = 1 \"memory\"
            block0(v0: i64, v1: i32):
                v2 = iconst.i32 0
                jump block1(v2)
            block1(v3: i32):
                v4 = iconst.i32 144
                v5 = isub v1, v4
                v6 = iadd v5, v3
                v7 = iconst.i32 4
                v8 = iadd v6, v7
                v9 = uextend.i64 v8
                v10 = iadd v0, v9
                v11 = load.i32 user2 little region0 v10
                {between}
                v12 = uextend.i64 v6
                v13 = iadd v0, v12
                {low}
                v15 = iadd v3, v7
                v16 = iconst.i32 128
                v17 = icmp ne v15, v16
                brif v17, block1(v15), block2
            block2:
                return
            }}"
        )
    }

    #[test]
    fn a_load_joins_the_lower_access_that_follows_it_at_once() {
        let store = "store user2 little region0 v11, v13";
        check(
            super::run,
            &frame("", store),
            expect![[r#"
                function %f(i64, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32):
                    v2 = iconst.i32 0
                    v18 = iconst.i64 0
                    v19 = iconst.i32 -144
                    v20 = iadd v1, v19  ; v19 = -144
                    v21 = uextend.i64 v20
                    v22 = iadd v0, v21
                    jump block1(v18)  ; v18 = 0

                block1(v23: i64):
                    v3 = ireduce.i32 v23
                    v4 = iconst.i32 144
                    v5 = isub.i32 v1, v4  ; v4 = 144
                    v6 = iadd v5, v3
                    v7 = iconst.i32 4
                    v8 = iadd v6, v7  ; v7 = 4
                    v9 = uextend.i64 v8
                    v10 = iadd.i64 v0, v9
                    v26 = iadd.i64 v22, v23
                    v11 = load.i32 user2 little region0 v26+4
                    v12 = uextend.i64 v6
                    v13 = iadd.i64 v0, v12
                    v27 = iadd.i64 v22, v23
                    store user2 little region0 v11, v27
                    v24 = iconst.i64 4
                    v25 = iadd v23, v24  ; v24 = 4
                    v15 = ireduce.i32 v25
                    v16 = iconst.i32 128
                    v17 = icmp ne v15, v16  ; v16 = 128
                    brif v17, block1(v25), block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn a_load_does_not_join_across_what_can_be_told() {
        let store = "store user2 little region0 v11, v13";
        let seen = "store user2 little region0 v3, v0+64";
        check(
            super::run,
            &frame(seen, store),
            expect![[r#"
                function %f(i64, i32) fast {
                    region0 = 1 "memory"

                block0(v0: i64, v1: i32):
                    v2 = iconst.i32 0
                    v18 = iconst.i64 0
                    v19 = iconst.i32 -144
                    v20 = iadd v1, v19  ; v19 = -144
                    v21 = uextend.i64 v20
                    v22 = iadd v0, v21
                    v23 = iconst.i32 -140
                    v24 = iadd v1, v23  ; v23 = -140
                    v25 = uextend.i64 v24
                    v26 = iadd v0, v25
                    jump block1(v18)  ; v18 = 0

                block1(v27: i64):
                    v3 = ireduce.i32 v27
                    v4 = iconst.i32 144
                    v5 = isub.i32 v1, v4  ; v4 = 144
                    v6 = iadd v5, v3
                    v7 = iconst.i32 4
                    v8 = iadd v6, v7  ; v7 = 4
                    v9 = uextend.i64 v8
                    v10 = iadd.i64 v0, v9
                    v31 = iadd.i64 v26, v27
                    v11 = load.i32 user2 little region0 v31
                    store user2 little region0 v3, v0+64
                    v12 = uextend.i64 v6
                    v13 = iadd.i64 v0, v12
                    v30 = iadd.i64 v22, v27
                    store user2 little region0 v11, v30
                    v28 = iconst.i64 4
                    v29 = iadd v27, v28  ; v28 = 4
                    v15 = ireduce.i32 v29
                    v16 = iconst.i32 128
                    v17 = icmp ne v15, v16  ; v16 = 128
                    brif v17, block1(v29), block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn without_a_proof_nothing_changes() {
        let text = |edit: &dyn Fn(String) -> String| {
            edit(
                "function %f(i64, i32, i32) {
                    region0 = 1 \"memory\"
                block0(v0: i64, v1: i32, v2: i32):
                    jump block1(v1)
                block1(v3: i32):
                    brif v2, block3, block2
                block2:
                    jump block3
                block3:
                    v4 = uextend.i64 v3
                    v5 = iadd v0, v4
                    v6 = load.i32 user2 little region0 v5
                    v7 = iconst.i32 4
                    v8 = iadd v3, v7
                    brif v6, block1(v8), block4
                block4:
                    return
                }"
                .to_string(),
            )
        };
        type Edit = (&'static str, &'static [(&'static str, &'static str)]);
        let edits: [Edit; 6] = [
            (
                "it goes down",
                &[("v7 = iconst.i32 4", "v7 = iconst.i32 -4")],
            ),
            (
                "its step is large",
                &[("v7 = iconst.i32 4", "v7 = iconst.i32 40000")],
            ),
            ("another region", &[("region0 = 1", "region0 = 2")]),
            ("another base", &[("iadd v0, v4", "iadd v4, v4")]),
            (
                "it was added to in 64 bits",
                &[
                    (
                        "v6 = load.i32",
                        "v20 = iconst.i64 8\n v9 = iadd v5, v20\n v6 = load.i32",
                    ),
                    ("region0 v5", "region0 v9"),
                ],
            ),
            (
                "the access does not always execute",
                &[
                    (
                        "block2:",
                        "block2:\n v4 = uextend.i64 v3\n v5 = iadd v0, v4\n v6 = load.i32 user2 little region0 v5",
                    ),
                    (
                        "v4 = uextend.i64 v3\n                    v5 = iadd v0, v4\n                    v6 = load.i32 user2 little region0 v5\n                    v7",
                        "v7",
                    ),
                    ("brif v6", "brif v2"),
                ],
            ),
        ];
        for (why, replacements) in edits {
            let edited = text(&|mut t| {
                for (from, to) in replacements {
                    assert!(t.contains(from), "{why}: {from}");
                    t = t.replacen(from, to, 1);
                }
                t
            });
            // The text with the access moved has it in the first of two places.
            check(super::run, &edited, expect![["unchanged\n"]]);
        }
        check(
            super::run,
            &text(&|t| t),
            expect![[r#"
            function %f(i64, i32, i32) fast {
                region0 = 1 "memory"

            block0(v0: i64, v1: i32, v2: i32):
                v9 = uextend.i64 v1
                jump block1(v9)

            block1(v10: i64):
                v3 = ireduce.i32 v10
                brif.i32 v2, block3, block2

            block2:
                jump block3

            block3:
                v4 = uextend.i64 v3
                v5 = iadd.i64 v0, v10
                v13 = iadd.i64 v0, v10
                v6 = load.i32 user2 little region0 v13
                v7 = iconst.i32 4
                v11 = iconst.i64 4
                v12 = iadd.i64 v10, v11  ; v11 = 4
                v8 = ireduce.i32 v12
                brif v6, block1(v12), block4

            block4:
                return
            }
        "#]],
        );
    }
}
