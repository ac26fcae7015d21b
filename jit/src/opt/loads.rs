//! Loads that nothing in an inner loop can change are done once, before it.
//!
//! The mid-end moves loads only of what never changes. Globals, lengths of memories and tables, and
//! places in memory whose address stays the same are loaded in every round of a loop, even if it
//! writes nothing at all; a bound or a table's address that is kept there then looks to later passes
//! like a value that changes. In loops without calls, loads from a region that nothing in the loop
//! stores to move to the block before it, and with them the pure operations on what they loaded.
//!
//! ```text
//!   loop: n = load.i32 notrap global, vmctx+8       n = load.i32 notrap global, vmctx+8
//!         …                                         loop: …
//!         brif i < n, loop, out                     brif i < n, loop, out
//! ```
//!
//! **Sound.** Of two accesses to one place both are in one alias region (that is what regions are),
//! so where no instruction of the loop may write the region, a load gives in every round what it
//! would have given before the first. What may write every region is anything that is neither a load,
//! a pure operation, a branch, a trap nor a store with a region: calls, fences, atomic accesses. That
//! nothing else runs meanwhile is what the mid-end builds on too: an interrupted call keeps its store
//! to itself. The address is defined outside the loop, so it dominates the block before it.
//!
//! A load that cannot trap may be done although the loop would not have come to it, if its place can
//! be read whatever the function knows: it is a field of the instance, which the function's first
//! parameter points to, or behind an address that was itself loaded by a load that may move.
//!
//! Nor can a load from a constant place within the least length of the memory, which no memory falls
//! below.
//!
//! A load that may trap otherwise moves only if it is done first thing whenever the loop is entered: the block
//! before the loop leads nowhere else, and between the loop's start and the load there are only pure
//! operations, loads that cannot trap, and loads that moved before it. So it traps if and only if it
//! would have trapped in the first round, as the first thing that can trap or be told, and keeps its
//! source location. In later rounds it would not have trapped: it would have read the same address, and
//! memories and tables never shrink.
//!
//! The address may also be a sum that is computed again in the loop because it is cheap; it moves along,
//! and so may the pure operations on what was loaded: their operands are defined before the loop then.

use super::Unit;
use super::code::{binary, def, int_const, is_const, is_pure, replace_values, terminator};
use super::loops::{entry, innermost, is_outside, pressure};
use super::lowering::{Reads, reads};
use super::memory::base;
use cranelift_codegen::ir::{
    AliasRegion, Block, Function, Inst, InstructionData, MemFlagsData, Opcode, Type, Value,
};
use cranelift_codegen::loop_analysis::Loop;
use std::collections::{HashMap, HashSet};

/// Bytes that a load reads, at most.
const WIDEST: u64 = 16;
/// Registers of either kind that a loop may take with what is loaded before it.
const REGISTERS: usize = 12;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let mut changed = false;
    let mut replaced = HashMap::new();
    for (inside, blocks) in innermost(unit) {
        let Some(before) = entry(unit, inside) else {
            continue;
        };
        let Some(written) = written(unit.func, &blocks) else {
            continue;
        };
        let mut mover = Mover {
            first: first_of(unit, inside, before),
            inside,
            before,
            written,
            room: [None; 2],
            moved: HashSet::new(),
            known: HashMap::new(),
        };
        for block in &blocks {
            changed |= mover.visit(unit, &blocks, *block, &mut replaced);
        }
    }
    replace_values(unit.func, &replaced);
    changed
}

/// The regions that instructions of these blocks store to; none if there is one that may write
/// anything.
fn written(func: &Function, blocks: &[Block]) -> Option<HashSet<AliasRegion>> {
    let mut regions = HashSet::new();
    for block in blocks {
        for inst in func.layout.block_insts(*block) {
            match func.dfg.insts[inst] {
                InstructionData::Store { flags, .. } => {
                    regions.insert(func.dfg.mem_flags[flags].alias_region()?);
                }
                InstructionData::Load { .. } => {}
                _ if is_pure(func, inst) || is_harmless(func.dfg.insts[inst].opcode()) => {}
                _ => return None,
            }
        }
    }
    Some(regions)
}

/// Whether the operation leaves memory alone, although it is not pure.
fn is_harmless(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Jump
            | Opcode::Brif
            | Opcode::BrTable
            | Opcode::Return
            | Opcode::Trap
            | Opcode::Trapz
            | Opcode::Trapnz
            | Opcode::UaddOverflowTrap
            | Opcode::Udiv
            | Opcode::Sdiv
            | Opcode::Urem
            | Opcode::Srem
            | Opcode::FcvtToSint
            | Opcode::FcvtToUint
    )
}

/// The blocks that are passed in this order whenever the loop is entered, if what is moved before it
/// is done only then.
fn first_of(unit: &Unit<'_>, inside: Loop, before: Inst) -> Vec<Block> {
    let mut all = Vec::new();
    let mut branch = before;
    while let InstructionData::Jump { destination, .. } = unit.func.dfg.insts[branch] {
        let block = destination.block(&unit.func.dfg.value_lists);
        let alone = all.is_empty() || unit.cfg.pred_iter(block).count() == 1;
        if !alone || !unit.loops.is_in_loop(block, inside) || all.contains(&block) {
            break;
        }
        all.push(block);
        match terminator(unit.func, block) {
            Some(last) => branch = last,
            None => break,
        }
    }
    all
}

/// What a load reads, for finding it again in another block.
type Place = (Opcode, Type, MemFlagsData, Value, i32);

/// Moves what it can out of one loop.
struct Mover {
    inside: Loop,
    /// Where it moves it.
    before: Inst,
    /// What is done first when the loop is entered: as far as all of it was moved or cannot trap.
    first: Vec<Block>,
    written: HashSet<AliasRegion>,
    /// Registers that are left, for integers and for vectors, once that has mattered.
    room: [Option<usize>; 2],
    moved: HashSet<Value>,
    known: HashMap<Place, Value>,
}

impl Mover {
    fn visit(
        &mut self,
        unit: &mut Unit<'_>,
        blocks: &[Block],
        block: Block,
        replaced: &mut HashMap<Value, Value>,
    ) -> bool {
        let mut changed = false;
        // Whether everything so far is what may come before a load that traps.
        let mut quiet = self.first.first() == Some(&block);
        let mut next = unit.func.layout.first_inst(block);
        while let Some(inst) = next {
            next = unit.func.layout.next_inst(inst);
            unit.func
                .dfg
                .map_inst_values(inst, |v| replaced.get(&v).copied().unwrap_or(v));
            if let Some((place, traps)) = self.load(unit, inst) {
                let known = self.known.get(&place).copied();
                if (quiet || !traps) && (known.is_some() || self.takes(unit, blocks, inst)) {
                    changed = true;
                    if !is_outside(unit, self.inside, place.3)
                        && let Some(sum) = def(&unit.func.dfg, place.3)
                    {
                        self.move_operation(unit.func, sum);
                    }
                    self.move_load(unit.func, inst, place, known, replaced);
                    continue;
                }
            } else if self.follows(unit, inst) {
                changed = true;
                self.move_operation(unit.func, inst);
                continue;
            }
            quiet &= is_pure(unit.func, inst)
                || next.is_none()
                || matches!(unit.func.dfg.insts[inst], InstructionData::Load { flags, .. }
                    if unit.func.dfg.mem_flags[flags].trap_code().is_none());
        }
        if self.first.first() == Some(&block) {
            self.first.remove(0);
            if !quiet {
                self.first.clear();
            }
        }
        changed
    }

    /// `inst` as a load that gives the same in every round, and whether it may trap.
    fn load(&self, unit: &Unit<'_>, inst: Inst) -> Option<(Place, bool)> {
        let func = &*unit.func;
        let InstructionData::Load {
            opcode,
            arg,
            flags,
            offset,
        } = func.dfg.insts[inst]
        else {
            return None;
        };
        let data = func.dfg.mem_flags[flags];
        let region = data.alias_region()?;
        if self.written.contains(&region) || !self.is_known_before(unit, arg) {
            return None;
        }
        let offset = i32::from(offset);
        let ty = func.dfg.value_type(func.dfg.first_result(inst));
        let is_field = func.dfg.alias_regions[region].user_id != unit.facts.region;
        let readable = if is_field {
            Some(arg) == base(func) || is_movable_load(func, arg)
        } else {
            is_always_there(unit, arg, offset)
        };
        let traps = !readable;
        let place = (opcode, ty, data, arg, offset);
        (readable || data.trap_code().is_some()).then_some((place, traps))
    }

    /// Whether an address is the same in every round: it comes from outside, or is a sum of what does.
    fn is_known_before(&self, unit: &Unit<'_>, address: Value) -> bool {
        let outside = |value| is_outside(unit, self.inside, value);
        let dfg = &unit.func.dfg;
        let sum = || def(dfg, address).and_then(|inst| binary(dfg, inst, Opcode::Iadd));
        let part = |value| outside(value) || int_const(dfg, value).is_some();
        outside(address) || sum().is_some_and(|(a, b)| part(a) && part(b))
    }

    /// Whether a register is left for the result of `inst`; it is taken then.
    fn takes(&mut self, unit: &Unit<'_>, blocks: &[Block], inst: Inst) -> bool {
        let func = &*unit.func;
        let kind = |ty: Type| usize::from(!ty.is_int());
        let own = kind(func.dfg.value_type(func.dfg.first_result(inst)));
        let room = self.room[own].get_or_insert_with(|| {
            let of_kind = |func: &Function, inst| -> Reads {
                let mut read = reads(func, inst);
                read.retain(|value| kind(func.dfg.value_type(*value)) == own);
                read
            };
            REGISTERS.saturating_sub(pressure(func, blocks, of_kind))
        });
        let fits = *room > 0;
        *room = room.saturating_sub(1);
        fits
    }

    /// Whether `inst` computes something from what was moved and nothing else of the loop.
    fn follows(&self, unit: &Unit<'_>, inst: Inst) -> bool {
        let func = &*unit.func;
        let mut args = func.dfg.inst_values(inst);
        let constant = |value: Value| def(&func.dfg, value).is_some_and(|d| is_const(func, d));
        is_pure(func, inst)
            && args.any(|value| self.moved.contains(&value))
            && func
                .dfg
                .inst_values(inst)
                .all(|value| is_outside(unit, self.inside, value) || constant(value))
    }

    fn move_load(
        &mut self,
        func: &mut Function,
        inst: Inst,
        place: Place,
        known: Option<Value>,
        replaced: &mut HashMap<Value, Value>,
    ) {
        let result = func.dfg.first_result(inst);
        func.layout.remove_inst(inst);
        match known {
            Some(known) => {
                replaced.insert(result, known);
            }
            None => {
                func.layout.insert_inst(inst, self.before);
                self.known.insert(place, result);
                self.moved.insert(result);
            }
        }
    }

    /// Moves a pure operation, with copies of its constants.
    fn move_operation(&mut self, func: &mut Function, inst: Inst) {
        let before = self.before;
        let args: Vec<Value> = func.dfg.inst_args(inst).to_vec();
        for (at, value) in args.into_iter().enumerate() {
            let constant = def(&func.dfg, value).filter(|d| is_const(func, *d));
            if let Some(constant) = constant {
                let copy = func.dfg.clone_inst(constant);
                func.layout.insert_inst(copy, before);
                func.dfg.inst_args_mut(inst)[at] = func.dfg.first_result(copy);
            }
        }
        func.layout.remove_inst(inst);
        func.layout.insert_inst(inst, before);
        self.moved.insert(func.dfg.first_result(inst));
    }
}

/// Whether what a load reads at a constant place lies within the memory, however short it is.
fn is_always_there(unit: &Unit<'_>, address: Value, offset: i32) -> bool {
    let dfg = &unit.func.dfg;
    let base = base(unit.func);
    let constant = if Some(address) == base {
        Some(0)
    } else {
        let sum = def(dfg, address).and_then(|inst| binary(dfg, inst, Opcode::Iadd));
        sum.and_then(|(a, b)| match (Some(a) == base, Some(b) == base) {
            (true, false) => int_const(dfg, b),
            (false, true) => int_const(dfg, a),
            _ => None,
        })
    };
    let place = constant.and_then(|c| c.checked_add(u64::try_from(offset).ok()?));
    place.is_some_and(|at| at.saturating_add(WIDEST) <= unit.facts.readable)
}

/// Whether `address` was loaded from what never changes and can always be read.
fn is_movable_load(func: &Function, address: Value) -> bool {
    def(&func.dfg, address).is_some_and(|inst| {
        matches!(func.dfg.insts[inst], InstructionData::Load { flags, .. } if {
            let data = func.dfg.mem_flags[flags];
            data.readonly() && data.can_move() && data.trap_code().is_none()
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    /// A loop of `body`, after which `v9` decides whether it goes on; the way to it is `enter`.
    fn text(enter: &str, body: &str) -> String {
        format!(
            "function %f(i64, i64, i32) {{
                region0 = 1 \"memory\"
                region1 = 2 \"lengths\"
                region2 = 8 \"globals\"
                region3 = 9 \"other globals\"
                sig0 = () system_v
                fn0 = colocated u0:1 sig0
            block0(v0: i64, v1: i64, v2: i32):
                v3 = load.i64 notrap aligned readonly can_move v0-64
                {enter}
            block1:
                {body}
                brif v9, block1, block2
            block2:
                return
            }}"
        )
    }

    #[test]
    fn what_the_loop_does_not_write_is_loaded_before_it() {
        // A place in memory that comes first; a field; one behind a field, with what follows. The last
        // is a field that the loop stores to.
        check(
            super::run,
            &text(
                "jump block1",
                "v4 = load.i32 user2 little region0 v1+8
                 v5 = load.i32 notrap aligned region2 v0-8
                 v6 = load.i64 notrap aligned region1 v3+8
                 v20 = iconst.i64 3
                 v7 = iadd v6, v20
                 trapnz v2, user1
                 v9 = load.i32 notrap aligned region3 v0-16
                 v10 = iadd v4, v5
                 store notrap aligned region3 v10, v0-24
                 v11 = load.i32 user2 little region0 v7",
            ),
            expect![[r#"
                function %f(i64, i64, i32) fast {
                    region0 = 1 "memory"
                    region1 = 2 "lengths"
                    region2 = 8 "globals"
                    region3 = 9 "other globals"
                    sig0 = () system_v
                    fn0 = colocated u0:1 sig0

                block0(v0: i64, v1: i64, v2: i32):
                    v3 = load.i64 notrap aligned readonly can_move v0-64
                    v4 = load.i32 user2 little region0 v1+8
                    v5 = load.i32 notrap aligned region2 v0-8
                    v6 = load.i64 notrap aligned region1 v3+8
                    v21 = iconst.i64 3
                    v7 = iadd v6, v21  ; v21 = 3
                    v10 = iadd v4, v5
                    jump block1

                block1:
                    v20 = iconst.i64 3
                    trapnz.i32 v2, user1
                    v9 = load.i32 notrap aligned region3 v0-16
                    store.i32 notrap aligned region3 v10, v0-24
                    v11 = load.i32 user2 little region0 v7
                    brif v9, block1, block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn a_constant_place_that_is_always_there_is_loaded_before_the_loop() {
        check(
            super::run,
            &text(
                "brif v2, block1, block2",
                "trapnz v2, user1
                 v4 = load.i32 user2 little region0 v0+65520
                 v5 = iconst.i64 8
                 v6 = iadd v0, v5
                 v9 = load.i32 user2 little region0 v6+8",
            ),
            expect![[r#"
                function %f(i64, i64, i32) fast {
                    region0 = 1 "memory"
                    region1 = 2 "lengths"
                    region2 = 8 "globals"
                    region3 = 9 "other globals"
                    sig0 = () system_v
                    fn0 = colocated u0:1 sig0

                block0(v0: i64, v1: i64, v2: i32):
                    v3 = load.i64 notrap aligned readonly can_move v0-64
                    v4 = load.i32 user2 little region0 v0+0xfff0
                    v10 = iconst.i64 8
                    v6 = iadd v0, v10  ; v10 = 8
                    v9 = load.i32 user2 little region0 v6+8
                    brif v2, block1, block2

                block1:
                    trapnz.i32 v2, user1
                    v5 = iconst.i64 8
                    brif.i32 v9, block1, block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn what_may_change_stays() {
        for other in [
            "store.i32 notrap aligned region2 v2, v0-32",
            "store.i32 notrap aligned v2, v1",
            "call fn0()",
            "v8 = atomic_load.i32 notrap aligned v1",
            "fence",
        ] {
            check(
                super::run,
                &text(
                    "jump block1",
                    &format!("v9 = load.i32 notrap aligned region2 v0-8\n {other}"),
                ),
                expect![["unchanged\n"]],
            );
        }
    }

    #[test]
    fn a_trap_stays_behind_what_comes_before_it() {
        let load = "v9 = load.i32 user2 little region0 v1+8";
        for before in [
            "trapnz v2, user1",
            "store.i32 notrap aligned region2 v2, v0-32",
            "v7 = iconst.i64 1\n v8 = iadd v1, v7\n v10 = load.i64 notrap aligned region1 v8
             v11 = load.i32 user2 little region0 v10",
            "brif v2, block3, block2\n block3:",
        ] {
            check(
                super::run,
                &text("jump block1", &format!("{before}\n {load}")),
                expect![["unchanged\n"]],
            );
        }
        // The loop may not be entered at all.
        check(
            super::run,
            &text("brif v2, block1, block2", load),
            expect![["unchanged\n"]],
        );
        // Behind the least length of the memory; of a place that is no field, it is not known
        // whether it can be read.
        for place in ["user2 little region0 v0+65521", "notrap aligned region1 v1"] {
            check(
                super::run,
                &text(
                    "jump block1",
                    &format!("trapnz v2, user1\n v9 = load.i32 {place}"),
                ),
                expect![["unchanged\n"]],
            );
        }
    }

    #[test]
    fn loads_of_one_place_become_one() {
        check(
            super::run,
            &text(
                "brif v2, block1, block2",
                "brif v2, block3, block4
                 block3:
                 v4 = load.i32 notrap aligned region2 v0-8
                 store user2 little region0 v4, v1
                 jump block4
                 block4:
                 v9 = load.i32 notrap aligned region2 v0-8",
            ),
            expect![[r#"
                function %f(i64, i64, i32) fast {
                    region0 = 1 "memory"
                    region1 = 2 "lengths"
                    region2 = 8 "globals"
                    region3 = 9 "other globals"
                    sig0 = () system_v
                    fn0 = colocated u0:1 sig0

                block0(v0: i64, v1: i64, v2: i32):
                    v3 = load.i64 notrap aligned readonly can_move v0-64
                    v4 = load.i32 notrap aligned region2 v0-8
                    brif v2, block1, block2

                block1:
                    brif.i32 v2, block3, block4

                block3:
                    store.i32 user2 little region0 v4, v1
                    jump block4

                block4:
                    brif.i32 v4, block1, block2

                block2:
                    return
                }
            "#]],
        );
    }

    #[test]
    fn a_loop_without_free_registers_keeps_its_loads() {
        let (loads, sums): (String, String) = (20..34)
            .map(|n| {
                let load = format!("v{n} = load.i32 notrap aligned region2 v0-{}\n", n * 4);
                let store = format!("store user2 little region0 v{n}, v1+{n}\n");
                (load, store)
            })
            .unzip();
        check(
            super::run,
            &text(
                "jump block1",
                &format!("{loads} {sums} v9 = load.i32 notrap aligned region2 v0-8"),
            ),
            expect![["unchanged\n"]],
        );
    }
}
