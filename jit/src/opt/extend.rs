//! 32-bit values that index memory are zero-extended where that costs nothing.
//!
//! An index is a 32-bit value, an address has 64 bits. The machine's 32-bit operations clear the
//! upper half, so most extensions are free, but nobody says so of a loaded value or of a block's
//! parameter, whose extension is a move at each use. Two changes, repeated through the function:
//!
//! ```text
//!   v = load.i32 a                     w = uload32 a;  v = ireduce w;  uextend(v) is w
//!   v = uload8.i32 a                   w = uload8.i64 a;  the same
//!   block(v: i32)                      block(w: i64):  v = ireduce w;  uextend(v) is w
//!   jump block(x)                      jump block(uextend(x))
//! ```
//!
//! A parameter is changed if the extension is free on the edges that matter: all edges, but for a
//! loop's header only the back edges.
//!
//! **Sound** without any assumption: `uload32` is by definition the zero-extension of the load;
//! the zero-extension of a parameter is the zero-extension of what was passed for it; `v` is the low
//! half of its zero-extension. That an extension is free is a guess about cost: it is written down
//! as `uextend` all the same, and the code generator emits it unless it knows better. Calls' results,
//! parameters of the function and of blocks are never taken to be extended already.

use super::Unit;
use super::code::{def, extends_for_free, extension, int_const, replace_extensions};
use super::loops::passed;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode, Value, ValueDef, types,
};
use std::collections::{BTreeMap, HashMap};

/// Edges that are looked at before the search for parameters is given up.
const MAX_EDGES: usize = 200_000;
/// How often candidates are gone through again because one was dropped.
const MAX_ROUNDS: usize = 16;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let mut wide: HashMap<Value, Value> = HashMap::new();
    let wanted = wanted(unit.func);
    if wanted.is_empty() {
        return false;
    }
    for value in &wanted {
        if let Some(whole) = widen_load(unit.func, *value) {
            wide.insert(*value, whole);
        }
    }
    let params = candidates(unit, &wanted);
    widen_passed_loads(unit, &params, &mut wide);
    widen_params(unit, &params, &mut wide);
    if wide.is_empty() {
        return false;
    }
    replace_extensions(unit.func, |_, _, narrow| wide.get(&narrow).copied());
    true
}

/// The values that are zero-extended somewhere, at a price.
fn wanted(func: &Function) -> Vec<Value> {
    let mut found = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            if let Some(narrow) = extension(&func.dfg, inst)
                && !extends_for_free(&func.dfg, narrow)
            {
                found.push(narrow);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Whether `value` is a load's, or was until its load was widened.
fn is_loaded(func: &Function, value: Value) -> bool {
    let Some(inst) = def(&func.dfg, value) else {
        return false;
    };
    match func.dfg.insts[inst] {
        InstructionData::Load { opcode, .. } => {
            matches!(opcode, Opcode::Load | Opcode::Uload8 | Opcode::Uload16)
        }
        InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg,
        } => {
            let wide = |inst| {
                let opcode = func.dfg.insts[inst].opcode();
                matches!(opcode, Opcode::Uload32 | Opcode::Uload16 | Opcode::Uload8)
            };
            def(&func.dfg, arg).is_some_and(wide)
        }
        _ => false,
    }
}

/// Widens the loads whose values are passed for parameters that will be.
fn widen_passed_loads(
    unit: &mut Unit<'_>,
    params: &BTreeMap<Value, Block>,
    wide: &mut HashMap<Value, Value>,
) {
    for (param, block) in params {
        let ValueDef::Param(_, position) = unit.func.dfg.value_def(*param) else {
            continue;
        };
        for pred in unit.cfg.pred_iter(*block) {
            let args: Vec<Value> = passed(unit.func, pred.inst, *block, position)
                .flatten()
                .collect();
            for arg in args {
                if !wide.contains_key(&arg)
                    && let Some(whole) = widen_load(unit.func, arg)
                {
                    wide.insert(arg, whole);
                }
            }
        }
    }
}

/// Loads `value` with its extension, if it is loaded.
fn widen_load(func: &mut Function, value: Value) -> Option<Value> {
    let inst = def(&func.dfg, value)?;
    let InstructionData::Load {
        opcode,
        arg,
        flags,
        offset,
    } = func.dfg.insts[inst]
    else {
        return None;
    };
    let flags = func.dfg.mem_flags[flags];
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let whole = match opcode {
        Opcode::Load => cursor.ins().uload32(flags, arg, offset),
        Opcode::Uload8 => cursor.ins().uload8(types::I64, flags, arg, offset),
        Opcode::Uload16 => cursor.ins().uload16(types::I64, flags, arg, offset),
        _ => return None,
    };
    func.dfg.detach_inst_results(inst);
    insert_low(func, value, whole, inst);
    func.layout.remove_inst(inst);
    Some(whole)
}

/// Defines `value` as the low half of `whole` before `at`.
fn insert_low(func: &mut Function, value: Value, whole: Value, at: Inst) {
    let low = func.dfg.make_inst(InstructionData::Unary {
        opcode: Opcode::Ireduce,
        arg: whole,
    });
    let reused = [Some(value)].into_iter();
    func.dfg.make_inst_results_reusing(low, types::I32, reused);
    func.layout.insert_inst(low, at);
    let location = func.srcloc(at);
    func.set_srcloc(low, location);
}

/// Parameters of which a zero-extension is wanted, or that are passed for such, and for which it
/// is free. In order, so that the same function always gives the same code.
fn candidates(unit: &Unit<'_>, wanted: &[Value]) -> BTreeMap<Value, Block> {
    let func = &*unit.func;
    let mut found = BTreeMap::new();
    let mut todo: Vec<Value> = wanted.to_vec();
    let mut edges = 0;
    while let Some(value) = todo.pop() {
        let ValueDef::Param(block, position) = func.dfg.value_def(value) else {
            continue;
        };
        let is_entry = func.layout.entry_block() == Some(block);
        if is_entry || func.dfg.value_type(value) != types::I32 || found.contains_key(&value) {
            continue;
        }
        found.insert(value, block);
        for pred in unit.cfg.pred_iter(block) {
            // All edges of the branch are gone through for those to the block.
            edges += destinations(func, pred.inst);
            if edges > MAX_EDGES {
                return BTreeMap::new();
            }
            todo.extend(passed(func, pred.inst, block, position).flatten());
        }
    }
    // Who depends on a candidate that is dropped may have to be dropped as well.
    for _ in 0..MAX_ROUNDS {
        let dropped: Vec<Value> = found
            .iter()
            .filter(|(value, block)| !is_free(unit, **value, **block, &found))
            .map(|(value, _)| *value)
            .collect();
        if dropped.is_empty() {
            return found;
        }
        for value in dropped {
            found.remove(&value);
        }
    }
    BTreeMap::new()
}

/// Whether the extension of a parameter costs nothing on the edges that matter.
fn is_free(unit: &Unit<'_>, value: Value, block: Block, found: &BTreeMap<Value, Block>) -> bool {
    let func = &*unit.func;
    let ValueDef::Param(_, position) = func.dfg.value_def(value) else {
        return false;
    };
    let is_header = unit.loops.is_loop_header(block);
    unit.cfg.pred_iter(block).all(|pred| {
        let enters = is_header.is_some_and(|inside| !unit.loops.is_in_loop(pred.block, inside));
        passed(func, pred.inst, block, position).all(|arg| match arg {
            Some(arg) => {
                enters
                    || int_const(&func.dfg, arg).is_some()
                    || extends_for_free(&func.dfg, arg)
                    || is_loaded(func, arg)
                    || found.contains_key(&arg)
            }
            None => false,
        })
    })
}

/// How many edges leave a branch.
fn destinations(func: &Function, branch: Inst) -> usize {
    func.dfg.insts[branch]
        .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables)
        .len()
}

fn widen_params(
    unit: &mut Unit<'_>,
    params: &BTreeMap<Value, Block>,
    wide: &mut HashMap<Value, Value>,
) {
    for (param, block) in params {
        let whole = unit.func.dfg.append_block_param(*block, types::I64);
        wide.insert(*param, whole);
    }
    for (param, block) in params {
        let ValueDef::Param(_, position) = unit.func.dfg.value_def(*param) else {
            continue;
        };
        let mut branches: Vec<Inst> = unit.cfg.pred_iter(*block).map(|pred| pred.inst).collect();
        branches.sort_unstable();
        branches.dedup();
        for branch in branches {
            widen_edges(unit.func, branch, *block, position, wide);
        }
    }
    for (param, block) in params {
        let func = &mut *unit.func;
        let ValueDef::Param(_, position) = func.dfg.value_def(*param) else {
            continue;
        };
        for pred in unit.cfg.pred_iter(*block).map(|pred| pred.inst) {
            remove_args(func, pred, *block, position);
        }
        func.dfg.remove_block_param(*param);
        if let Some(first) = func.layout.first_inst(*block) {
            insert_low(func, *param, wide[param], first);
        }
    }
}

/// Passes the extension of what is passed at `position`, behind all other arguments.
fn widen_edges(
    func: &mut Function,
    branch: Inst,
    to: Block,
    position: usize,
    wide: &HashMap<Value, Value>,
) {
    // One extension for each value that is passed, on however many edges.
    let mut made: HashMap<Value, Value> = HashMap::new();
    let args: Vec<Option<Value>> = passed(func, branch, to, position).collect();
    let mut cursor = FuncCursor::new(func).at_inst(branch);
    cursor.set_srcloc(cursor.func.srcloc(branch));
    let wholes: Vec<Option<Value>> = args
        .into_iter()
        .map(|arg| {
            let arg = arg?;
            Some(*made.entry(arg).or_insert_with(|| {
                match (wide.get(&arg), int_const(&cursor.func.dfg, arg)) {
                    (Some(whole), _) => *whole,
                    (None, Some(c)) => cursor.ins().iconst(types::I64, c as i64),
                    (None, None) => cursor.ins().uextend(types::I64, arg),
                }
            }))
        })
        .collect();
    let dfg = &mut func.dfg;
    let calls = dfg.insts[branch]
        .branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables)
        .iter_mut()
        .filter(|call| call.block(&dfg.value_lists) == to);
    let calls: Vec<_> = calls.collect();
    for (call, whole) in calls.into_iter().zip(wholes) {
        if let Some(whole) = whole {
            call.append_argument(BlockArg::Value(whole), &mut dfg.value_lists);
        }
    }
}

/// Drops the argument at `position` of all edges of `branch` to `to`, once for each edge.
fn remove_args(func: &mut Function, branch: Inst, to: Block, position: usize) {
    let count = func.dfg.num_block_params(to);
    let dfg = &mut func.dfg;
    let destinations =
        dfg.insts[branch].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
    for call in destinations {
        // A branch with several edges to the block is met once for each of them.
        if call.block(&dfg.value_lists) == to && call.args(&dfg.value_lists).count() == count {
            call.remove(position, &mut dfg.value_lists);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn a_pointer_is_chased_without_moves() {
        check(
            super::run,
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                jump block1(v1)
            block1(v2: i32):
                v3 = uextend.i64 v2
                v4 = iadd v0, v3
                v5 = load.i32 v4+4
                brif v5, block1(v5), block2
            block2:
                return v2
            }",
            expect![[r#"
                function %f(i64, i32) -> i32 fast {
                                                block0(v0: i64, v1: i32):
                                                    v8 = uextend.i64 v1
                                                    jump block1(v8)

                                                block1(v7: i64):
                                                    v2 = ireduce.i32 v7
                                                    v3 = uextend.i64 v2
                                                    v4 = iadd.i64 v0, v7
                                                    v6 = uload32 v4+4
                                                    v5 = ireduce.i32 v6
                                                    brif v5, block1(v6), block2

                                                block2:
                                                    return v2
                }
            "#]],
        );
    }

    #[test]
    fn a_merge_is_widened_only_if_all_its_edges_are_free() {
        let text = |passed: &str| {
            format!(
                "function %f(i64, i32) -> i32 {{
                block0(v0: i64, v1: i32):
                    v2 = iconst.i32 8
                    v3 = iadd v1, v2
                    brif v1, block1({passed}), block2
                block2:
                    v5 = iconst.i32 16
                    jump block1(v5)
                block1(v6: i32):
                    v7 = uextend.i64 v6
                    v8 = iadd v0, v7
                    v9 = load.i32 v8
                    return v9
                }}"
            )
        };
        check(super::run, &text("v1"), expect![["unchanged\n"]]);
        check(
            super::run,
            &text("v3"),
            expect![[r#"
            function %f(i64, i32) -> i32 fast {
                                            block0(v0: i64, v1: i32):
                                                v2 = iconst.i32 8
                                                v3 = iadd v1, v2  ; v2 = 8
                                                v11 = uextend.i64 v3
                                                brif v1, block1(v11), block2

                                            block2:
                                                v5 = iconst.i32 16
                                                v12 = iconst.i64 16
                                                jump block1(v12)  ; v12 = 16

                                            block1(v10: i64):
                                                v6 = ireduce.i32 v10
                                                v7 = uextend.i64 v6
                                                v8 = iadd.i64 v0, v10
                                                v9 = load.i32 v8
                                                return v9
            }
        "#]],
        );
    }

    #[test]
    fn one_branch_with_two_edges_to_the_block() {
        check(
            super::run,
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                v2 = iconst.i32 8
                v3 = iadd v1, v2
                brif v1, block1(v3, v1), block1(v2, v3)
            block1(v6: i32, v7: i32):
                v8 = uextend.i64 v6
                v9 = iadd v0, v8
                v10 = load.i32 v9
                v11 = iadd v10, v7
                return v11
            }",
            expect![[r#"
                function %f(i64, i32) -> i32 fast {
                                                block0(v0: i64, v1: i32):
                                                    v2 = iconst.i32 8
                                                    v3 = iadd v1, v2  ; v2 = 8
                                                    v13 = uextend.i64 v3
                                                    v14 = iconst.i64 8
                                                    brif v1, block1(v1, v13), block1(v3, v14)  ; v14 = 8

                                                block1(v7: i32, v12: i64):
                                                    v6 = ireduce.i32 v12
                                                    v8 = uextend.i64 v6
                                                    v9 = iadd.i64 v0, v12
                                                    v10 = load.i32 v9
                                                    v11 = iadd v10, v7
                                                    return v11
                }
            "#]],
        );
    }
}
