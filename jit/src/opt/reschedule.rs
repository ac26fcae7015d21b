//! Pure operations move within their block to where they take the fewest registers.
//!
//! **Down.** An operation whose operands all live on behind the first instruction that reads its
//! result moves to just before that one. The mid-end places operations so; other passes leave
//! results that are read later than they were.
//!
//! **Up.** The mid-end places a pure operation just before its first user. So four loads whose values are
//! summed become four loads, then everything else, and four registers are taken where one would
//! do. Here an operation moves up, within its block, to behind
//!
//! - the definitions of all its operands, and
//! - the last other use of one operand that has no use after the operation,
//!
//! if there is such an operand: from that point on, the result lives instead of it, and the number
//! of live values never grows. Often a second operand dies with it, and a load that becomes the
//! instruction before can be folded into the operation.
//!
//! What the code generator makes part of another instruction has no place of its own: address
//! arithmetic belongs to its loads and stores, a comparison to its branch or select, a
//! zero-extension that costs nothing to its operand. Their operands count as used by what they
//! belong to, and they move along. A load becomes part of its only user where nothing in between
//! could tell, so its address is read there: what replaces the index waits for that.
//!
//! Sound because a pure operation computes the same value wherever its operands are defined, and
//! can neither trap nor be observed. It stays in its block, behind the definitions of its operands,
//! and before all its uses. In particular what is computed from a value that was
//! defined behind a call stays behind the call.

use super::Unit;
use super::code::{def, is_const, is_pure};
use super::loops::home;
use super::lowering::{Reads, reads};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Inst, Opcode, Value};
use smallvec::SmallVec;
use std::cmp::Ordering;

/// How many instructions may stand between a load and what it becomes part of.
const MAX_FOLDED_OVER: usize = 16;

/// Uses of a value that have been passed in the current block.
#[derive(Clone, Copy, Default)]
struct Seen {
    block: Option<Block>,
    count: u32,
    last: Option<Inst>,
}

struct Scheduler<'a, 'b> {
    unit: &'a mut Unit<'b>,
    /// How many machine instructions read each value.
    total: SecondaryMap<Value, u32>,
    seen: SecondaryMap<Value, Seen>,
    /// The first user of a value in the block that is being worked on.
    first: SecondaryMap<Value, Option<Inst>>,
    changed: bool,
}

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let mut scheduler = Scheduler {
        unit,
        total: SecondaryMap::new(),
        seen: SecondaryMap::new(),
        first: SecondaryMap::new(),
        changed: false,
    };
    scheduler.count_reads();
    let mut insts = Vec::new();
    let mut block = scheduler.unit.func.layout.entry_block();
    while let Some(this) = block {
        insts.clear();
        insts.extend(scheduler.unit.func.layout.block_insts(this));
        scheduler.sink(this, &insts);
        insts.clear();
        insts.extend(scheduler.unit.func.layout.block_insts(this));
        for inst in &insts {
            scheduler.visit(this, *inst);
        }
        block = scheduler.unit.func.layout.next_block(this);
    }
    scheduler.changed
}

impl Scheduler<'_, '_> {
    /// Whether `inst` gets a machine instruction of its own: not if it is pure and nobody reads
    /// its result.
    fn is_emitted(&self, inst: Inst) -> bool {
        let func = &*self.unit.func;
        !is_pure(func, inst) || self.total[func.dfg.first_result(inst)] > 0
    }

    /// Counts from the last use to the first definition, as the code generator goes.
    fn count_reads(&mut self) {
        let domtree = self.unit.domtree;
        for block in domtree.cfg_postorder() {
            let mut next = self.unit.func.layout.last_inst(*block);
            while let Some(inst) = next {
                if self.is_emitted(inst) {
                    for value in reads(self.unit.func, inst) {
                        self.total[value] += 1;
                    }
                }
                next = self.unit.func.layout.prev_inst(inst);
            }
        }
    }

    /// Moves operations down to their first users where that lengthens no other life.
    fn sink(&mut self, block: Block, insts: &[Inst]) {
        for inst in insts {
            self.note_reads(block, *inst);
        }
        for inst in insts.iter().rev() {
            if is_pure(self.unit.func, *inst)
                && let Some(user) = self.first_user(block, *inst)
                && self.unit.func.layout.next_inst(*inst) != Some(user)
                && self.may_sink(block, *inst, user)
            {
                let layout = &mut self.unit.func.layout;
                layout.remove_inst(*inst);
                layout.insert_inst(*inst, user);
                self.changed = true;
            }
            for value in self.unit.func.dfg.inst_values(*inst) {
                let layout = &self.unit.func.layout;
                let first = &mut self.first[value];
                let earlier = first.is_none_or(|first| {
                    layout.inst_block(first) != Some(block)
                        || layout.pp_cmp(*inst, first) == Ordering::Less
                });
                if earlier {
                    *first = Some(*inst);
                }
            }
        }
        for inst in insts {
            self.forget(*inst);
        }
    }

    /// The first instruction of the block that has the result of `inst` for an operand.
    fn first_user(&self, block: Block, inst: Inst) -> Option<Inst> {
        let func = &*self.unit.func;
        let first = self.first[func.dfg.first_result(inst)];
        first.filter(|user| func.layout.inst_block(*user) == Some(block))
    }

    /// Whether all that `inst` reads lives at `user` anyway; what gets no machine instruction may
    /// stand anywhere.
    fn may_sink(&self, block: Block, inst: Inst, user: Inst) -> bool {
        if is_const(self.unit.func, inst) {
            return false;
        }
        if !self.is_emitted(inst) {
            return true;
        }
        reads(self.unit.func, inst).iter().all(|value| {
            let seen = self.seen[*value];
            let read_here = seen.last.is_some_and(|last| {
                seen.block == Some(block)
                    && self.unit.func.layout.pp_cmp(last, user) != Ordering::Less
                    && last != inst
            });
            read_here || seen.count < self.total[*value]
        })
    }

    /// Moves `inst` up if that frees a register, and notes its uses.
    fn visit(&mut self, block: Block, inst: Inst) {
        if is_const(self.unit.func, inst) || !self.is_emitted(inst) {
            return;
        }
        let operands = reads(self.unit.func, inst);
        if is_pure(self.unit.func, inst)
            && let Some(target) = self.target(block, &operands)
            && self.later(target, Some(inst)) == Some(inst)
        {
            self.move_up(block, inst, target);
        }
        self.note_reads(block, inst);
        for value in self.unit.func.dfg.inst_args(inst) {
            if let Some(load) = self.definition(block, *value)
                && self.folds(load, inst)
            {
                for read in reads(self.unit.func, load) {
                    self.seen[read].last = self.later(self.seen[read].last, Some(inst));
                }
            }
        }
    }

    /// Notes what `inst` reads, if anything comes of it.
    fn note_reads(&mut self, block: Block, inst: Inst) {
        if !self.is_emitted(inst) {
            return;
        }
        for value in reads(self.unit.func, inst) {
            let seen = &mut self.seen[value];
            if seen.block != Some(block) {
                *seen = Seen {
                    block: Some(block),
                    ..Seen::default()
                };
            }
            seen.count += 1;
            let layout = &self.unit.func.layout;
            if seen
                .last
                .is_none_or(|last| layout.pp_cmp(last, inst) == Ordering::Less)
            {
                seen.last = Some(inst);
            }
        }
    }

    /// Whether a load becomes part of its user.
    fn folds(&self, load: Inst, user: Inst) -> bool {
        let func = &*self.unit.func;
        if func.dfg.insts[load].opcode() != Opcode::Load
            || self.total[func.dfg.first_result(load)] != 1
        {
            return false;
        }
        let behind = std::iter::successors(func.layout.next_inst(load), |at| {
            func.layout.next_inst(*at).filter(|_| is_pure(func, *at))
        });
        let mut near = behind.take(MAX_FOLDED_OVER);
        is_pure(func, user) && near.any(|at| at == user)
    }

    /// Forgets what the reads of `inst` noted.
    fn forget(&mut self, inst: Inst) {
        if self.is_emitted(inst) {
            for value in reads(self.unit.func, inst) {
                self.seen[value] = Seen::default();
            }
        }
    }

    /// The instruction behind which an operation with these operands frees a register; `Some(None)`
    /// is the start of the block.
    fn target(&self, block: Block, operands: &Reads) -> Option<Option<Inst>> {
        let mut earliest = None;
        for value in operands {
            earliest = self.later(earliest, self.definition(block, *value));
        }
        let mut best: Option<Option<Inst>> = None;
        for value in operands {
            if !self.dies(block, *value, operands) {
                continue;
            }
            let seen = self.seen[*value];
            let last = seen.last.filter(|_| seen.block == Some(block));
            let candidate = self.later(earliest, last);
            best = match best {
                Some(best) if self.later(best, candidate) == candidate => Some(best),
                _ => Some(candidate),
            };
        }
        best
    }

    /// Whether no instruction behind an operation with these operands uses `value`.
    fn dies(&self, block: Block, value: Value, operands: &Reads) -> bool {
        // What was defined outside a loop lives around it.
        let same_loop = home(self.unit.func, value).is_some_and(|home| {
            self.unit.loops.innermost_loop(home) == self.unit.loops.innermost_loop(block)
        });
        let here = operands.iter().filter(|o| **o == value).count() as u32;
        let seen = self.seen[value];
        let before = if seen.block == Some(block) {
            seen.count
        } else {
            0
        };
        same_loop && before + here == self.total[value]
    }

    /// The instruction of `block` that defines `value`.
    fn definition(&self, block: Block, value: Value) -> Option<Inst> {
        def(&self.unit.func.dfg, value)
            .filter(|inst| self.unit.func.layout.inst_block(*inst) == Some(block))
    }

    /// The later of two instructions of a block; `None` is its start.
    fn later(&self, a: Option<Inst>, b: Option<Inst>) -> Option<Inst> {
        match (a, b) {
            (Some(x), Some(y)) if self.unit.func.layout.pp_cmp(x, y) == Ordering::Less => b,
            (Some(_), _) => a,
            (None, _) => b,
        }
    }

    /// Moves `inst` with its parts and constants to behind `target`.
    fn move_up(&mut self, block: Block, inst: Inst, target: Option<Inst>) {
        let layout = &self.unit.func.layout;
        let before = match target {
            Some(target) => layout.next_inst(target),
            None => layout.first_inst(block),
        };
        let Some(before) = before else { return };
        if before == inst {
            return;
        }
        let mut along = SmallVec::<[Inst; 8]>::new();
        if !self.collect(block, inst, before, &mut along) {
            return;
        }
        let layout = &mut self.unit.func.layout;
        // Nothing but what moves along lies between: the order is right already.
        let mut at = Some(before);
        while at.is_some_and(|i| along.contains(&i) && i != inst) {
            at = at.and_then(|i| layout.next_inst(i));
        }
        if at == Some(inst) {
            return;
        }
        let before = at.unwrap_or(before);
        for moved in along {
            if layout.pp_cmp(moved, before) == Ordering::Greater {
                layout.remove_inst(moved);
                layout.insert_inst(moved, before);
            }
        }
        self.changed = true;
    }

    /// What of `inst`, its parts and constants lies behind `before`, definitions first; false if
    /// something cannot move there.
    fn collect(
        &self,
        block: Block,
        inst: Inst,
        before: Inst,
        along: &mut SmallVec<[Inst; 8]>,
    ) -> bool {
        let func = &*self.unit.func;
        for value in func.dfg.inst_values(inst) {
            let Some(source) = self.definition(block, value) else {
                continue;
            };
            if func.layout.pp_cmp(source, before) == Ordering::Less || along.contains(&source) {
                continue;
            }
            // Only what is folded into `inst` lies between it and what it reads: a few levels.
            let movable = is_const(func, source) || !self.is_emitted(source);
            if !movable || !self.collect(block, source, before, along) {
                return false;
            }
        }
        along.push(inst);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn sums_of_loads_take_one_register() {
        check(
            super::run,
            "function %f(i64) -> i32 {
            block0(v0: i64):
                v1 = load.i32 v0
                v2 = load.i32 v0+4
                v3 = load.i32 v0+8
                v4 = iconst.i32 0
                v5 = icmp eq v1, v4
                v6 = uextend.i32 v5
                v7 = icmp eq v2, v4
                v8 = uextend.i32 v7
                v9 = iadd v6, v8
                v10 = iadd v9, v3
                return v10
            }",
            expect![[r#"
                function %f(i64) -> i32 fast {
                block0(v0: i64):
                    v1 = load.i32 v0
                    v4 = iconst.i32 0
                    v5 = icmp eq v1, v4  ; v4 = 0
                    v6 = uextend.i32 v5
                    v2 = load.i32 v0+4
                    v7 = icmp eq v2, v4  ; v4 = 0
                    v8 = uextend.i32 v7
                    v9 = iadd v6, v8
                    v3 = load.i32 v0+8
                    v10 = iadd v9, v3
                    return v10
                }
            "#]],
        );
    }

    #[test]
    fn what_is_used_again_frees_nothing() {
        check(
            super::run,
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                v2 = load.i32 v0
                v3 = load.i32 v0+4
                store v3, v0+8
                v4 = imul v1, v2
                v5 = iadd v4, v2
                v6 = iadd v5, v1
                return v6
            }",
            expect![[r#"
                unchanged
            "#]],
        );
    }

    #[test]
    fn addresses_belong_to_their_accesses() {
        check(
            super::run,
            "function %f(i64, i32, i32) -> i32 {
            block0(v0: i64, v1: i32, v2: i32):
                v3 = load.i32 v0
                store v3, v0+4
                v4 = iadd v1, v2
                v5 = uextend.i64 v4
                v6 = iadd v0, v5
                v7 = load.i32 v6
                return v7
            }",
            expect![[r#"
                function %f(i64, i32, i32) -> i32 fast {
                block0(v0: i64, v1: i32, v2: i32):
                    v4 = iadd v1, v2
                    v3 = load.i32 v0
                    store v3, v0+4
                    v5 = uextend.i64 v4
                    v6 = iadd v0, v5
                    v7 = load.i32 v6
                    return v7
                }
            "#]],
        );
    }

    #[test]
    fn a_value_from_outside_the_loop_does_not_die_in_it() {
        check(
            super::run,
            "function %f(i64, i32) {
            block0(v0: i64, v1: i32):
                jump block1
            block1:
                v2 = load.i32 v0
                store v2, v0+4
                v3 = bnot v1
                store v3, v0+8
                brif v2, block1, block2
            block2:
                return
            }",
            expect![[r#"
                unchanged
            "#]],
        );
    }

    #[test]
    fn an_index_is_replaced_behind_what_its_load_becomes_part_of() {
        check(
            super::run,
            "function %f(i64, f32) {
            block0(v0: i64, v1: f32):
                v2 = iconst.i64 0
                jump block1(v2, v2)
            block1(v3: i64, v4: i64):
                v5 = iadd v0, v3
                v6 = load.f32 v5
                v7 = iadd v0, v4
                v8 = load.f32 v7+64
                v9 = fmul v1, v6
                v10 = fadd v9, v8
                store v10, v7+64
                v11 = iconst.i64 4
                v12 = iadd v3, v11
                v13 = iconst.i64 4
                v14 = iadd v4, v13
                brif v12, block1(v12, v14), block2
            block2:
                return
            }",
            expect![[r#"
                function %f(i64, f32) fast {
                block0(v0: i64, v1: f32):
                    v2 = iconst.i64 0
                    jump block1(v2, v2)  ; v2 = 0, v2 = 0

                block1(v3: i64, v4: i64):
                    v5 = iadd.i64 v0, v3
                    v6 = load.f32 v5
                    v9 = fmul.f32 v1, v6
                    v11 = iconst.i64 4
                    v12 = iadd v3, v11  ; v11 = 4
                    v7 = iadd.i64 v0, v4
                    v8 = load.f32 v7+64
                    v10 = fadd v9, v8
                    store v10, v7+64
                    v13 = iconst.i64 4
                    v14 = iadd v4, v13  ; v13 = 4
                    brif v12, block1(v12, v14), block2

                block2:
                    return
                }
            "#]],
        );
    }
}
