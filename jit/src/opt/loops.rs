//! Reading loops and edges: what lies outside a loop, the block before it, what branches pass to
//! parameters, how many registers a loop needs.

use super::Unit;
use super::code::terminator;
use super::lowering::Reads;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, Function, Inst, InstBuilder, InstructionData, Type, Value, ValueDef,
};
use cranelift_codegen::loop_analysis::Loop;
use std::collections::HashSet;

/// The block in which a value is defined.
pub(super) fn home(func: &Function, value: Value) -> Option<Block> {
    match func.dfg.value_def(value) {
        ValueDef::Result(inst, _) => func.layout.inst_block(inst),
        ValueDef::Param(block, _) => Some(block),
        ValueDef::Union(..) => None,
    }
}

/// Whether `value` is defined outside the loop, and so is the same in all iterations.
pub(super) fn is_outside(unit: &Unit<'_>, inside: Loop, value: Value) -> bool {
    home(unit.func, value).is_some_and(|home| !unit.loops.is_in_loop(home, inside))
}

/// Every loop without loops in it, with its blocks; in order, so that the same function always
/// gives the same code.
pub(super) fn innermost(unit: &Unit<'_>) -> Vec<(Loop, Vec<Block>)> {
    let mut bodies: SecondaryMap<Loop, Vec<Block>> = SecondaryMap::new();
    for block in unit.func.layout.blocks() {
        if let Some(inside) = unit.loops.innermost_loop(block) {
            bodies[inside].push(block);
        }
    }
    for inside in unit.loops.loops() {
        if let Some(outer) = unit.loops.loop_parent(inside) {
            bodies[outer].clear();
        }
    }
    let all = unit.loops.loops();
    all.map(|inside| (inside, std::mem::take(&mut bodies[inside])))
        .filter(|(_, blocks)| !blocks.is_empty())
        .collect()
}

/// The last instruction of the only block that leads into the loop: what comes before it executes
/// once, however often the loop goes round.
pub(super) fn entry(unit: &Unit<'_>, inside: Loop) -> Option<Inst> {
    let header = unit.loops.loop_header(inside);
    let mut outside = unit
        .cfg
        .pred_iter(header)
        .map(|pred| pred.block)
        .filter(|block| !unit.loops.is_in_loop(*block, inside));
    let before = outside.next()?;
    if outside.any(|block| block != before) {
        return None;
    }
    terminator(unit.func, before)
}

/// What each edge of `branch` to the block `to` passes for its parameter at `position`; `None` for
/// what is no value before the branch: results of a call and exceptions.
pub(super) fn passed(
    func: &Function,
    branch: Inst,
    to: Block,
    position: usize,
) -> impl Iterator<Item = Option<Value>> {
    let lists = &func.dfg.value_lists;
    func.dfg.insts[branch]
        .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables)
        .iter()
        .filter(move |call| call.block(lists) == to)
        .map(move |call| call.args(lists).nth(position)?.as_value())
}

/// The most values that live at one place of the loop of these blocks, about, of those that `reads`
/// says an instruction reads.
pub(super) fn pressure(
    func: &Function,
    blocks: &[Block],
    reads: impl Fn(&Function, Inst) -> Reads,
) -> usize {
    // What comes from outside, and what crosses the loop's blocks, lives through all of it.
    let mut through: HashSet<Value> = HashSet::new();
    for block in blocks {
        for inst in func.layout.block_insts(*block) {
            let mut read = reads(func, inst);
            read.retain(|value| home(func, *value) != Some(*block));
            through.extend(read);
        }
    }
    let mut most = 0;
    for block in blocks {
        let mut live: HashSet<Value> = HashSet::new();
        let mut next = func.layout.last_inst(*block);
        while let Some(inst) = next {
            next = func.layout.prev_inst(inst);
            for result in func.dfg.inst_results(inst) {
                live.remove(result);
            }
            let mut read = reads(func, inst);
            read.retain(|value| !through.contains(value));
            live.extend(read);
            most = most.max(live.len());
        }
    }
    through.len() + most
}

/// What `branch` passes to `to`, if it is a jump or a conditional branch with one edge there.
pub(super) fn arguments(func: &Function, branch: Inst, to: Block) -> Option<Vec<Value>> {
    if !matches!(
        func.dfg.insts[branch],
        InstructionData::Jump { .. } | InstructionData::Brif { .. }
    ) {
        return None;
    }
    let lists = &func.dfg.value_lists;
    let calls = func.dfg.insts[branch]
        .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
    let mut there = calls.iter().filter(|call| call.block(lists) == to);
    let (Some(call), None) = (there.next(), there.next()) else {
        return None;
    };
    call.args(lists).map(|arg| arg.as_value()).collect()
}

/// Values as the arguments of an edge.
pub(super) fn edge(values: &[Value]) -> Vec<BlockArg> {
    values.iter().copied().map(BlockArg::Value).collect()
}

/// Gives the block `to` the parameters that `from` has.
pub(super) fn params_like(func: &mut Function, from: Block, to: Block) -> Vec<Value> {
    let types: Vec<Type> = func.dfg.block_param_types(from).collect();
    let mut append = |ty| func.dfg.append_block_param(to, ty);
    types.into_iter().map(&mut append).collect()
}

/// The jump by which `before` leads into the loop of `header`; on an edge of a conditional branch, one in a new block.
pub(super) fn way_in(func: &mut Function, before: Inst, header: Block) -> Inst {
    if matches!(func.dfg.insts[before], InstructionData::Jump { .. }) {
        return before;
    }
    let between = func.dfg.make_block();
    func.layout.insert_block(between, header);
    let edge = BlockCall::new(between, [], &mut func.dfg.value_lists);
    let dfg = &mut func.dfg;
    let calls =
        dfg.insts[before].branch_destination_mut(&mut dfg.jump_tables, &mut dfg.exception_tables);
    for call in calls {
        if call.block(&dfg.value_lists) == header {
            *call = edge;
        }
    }
    let mut cursor = FuncCursor::new(func).at_bottom(between);
    cursor.ins().jump(header, &[])
}
