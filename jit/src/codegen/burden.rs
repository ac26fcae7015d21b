//! How long the default register allocator and the mid-end will take over a function's shape, beyond
//! what they take for each instruction.
//!
//! Two things make the allocator quadratic. Block parameters and what is passed to them become one bundle, step by
//! step; each step sorts and copies the bundle so far. And each of many values that live at the same
//! point is tried against all others in every register. One makes the mid-end quadratic: for each new
//! operation it goes up the dominator tree, block by block, to where the operands are known; of
//! constants, that is all the way. All are estimated in one pass, in nanoseconds of a current machine;
//! `jit/tests/shapes.rs` prints what the estimates are made from.

use crate::opt::is_pure;
use cranelift_codegen::Context;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, Function, InstructionData, Opcode, Type, Value, ValueDef, ValueListPool,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Time to merge one more value into a bundle, by the bundle's size.
const MERGE: u64 = 15;
/// Time to find a place for one more value, by the values that live where it does.
const PLACE: u64 = 50;
/// Time of the mid-end to go up one block.
const UP: u64 = 1;
/// No function is worth a thought below this: 0.2 s.
const SMALL: u64 = 200_000_000;
/// What an instruction may cost beyond the usual, which is half of this.
const INSTRUCTION: u64 = 8_000;
/// Functions of fewer values stay below [`SMALL`], or not far above.
const FEW: usize = 2_000;
/// In functions of fewer blocks no instruction can cost the mid-end more than [`INSTRUCTION`].
const FEW_BLOCKS: usize = (INSTRUCTION / UP) as usize;

/// Whether the allocator would take several times as long as for other functions of the size.
pub(super) fn is_heavy(func: &Function) -> bool {
    if func.dfg.num_values() < FEW {
        return false;
    }
    let square = |n: u32| u64::from(n) * u64::from(n);
    let chains: u64 = chains(func).into_iter().map(square).sum();
    is_more_than_its_due(func, chains * MERGE + square(most_alive(func)) * PLACE)
}

/// Whether the mid-end would take several times as long as for other functions of the size.
pub(super) fn is_deep(context: &mut Context) -> bool {
    if context.func.dfg.num_blocks() < FEW_BLOCKS {
        return false;
    }
    context.flowgraph();
    is_more_than_its_due(&context.func, blocks_up(context) * UP)
}

fn is_more_than_its_due(func: &Function, time: u64) -> bool {
    time > SMALL.max(func.dfg.num_insts() as u64 * INSTRUCTION)
}

/// How many blocks the mid-end goes up for all operations together. An operation that it has met
/// takes it no search.
fn blocks_up(context: &Context) -> u64 {
    let dfg = &context.func.dfg;
    let mut depths: SecondaryMap<Block, u32> = SecondaryMap::new();
    // The depth from which on a value can be computed.
    let mut known: SecondaryMap<Value, u32> = SecondaryMap::with_default(0);
    // Operations by what they compute, and the first result of each.
    let mut met: HashMap<(Type, InstructionData), Value> = HashMap::new();
    let mut same: HashMap<Value, Value> = HashMap::new();
    let mut no_lists = ValueListPool::new();
    let mut all = 0;
    for block in context.domtree.cfg_rpo() {
        let above = context.domtree.idom(*block);
        let depth = above.map_or(0, |above| depths[above] + 1);
        depths[*block] = depth;
        for param in dfg.block_params(*block) {
            known[*param] = depth;
        }
        for inst in context.func.layout.block_insts(*block) {
            let mut from = depth;
            if is_pure(&context.func, inst) {
                let operands = dfg.inst_values(inst).map(|v| known[dfg.resolve_aliases(v)]);
                from = operands.max().unwrap_or(0);
                let mut data = dfg.insts[inst];
                for operand in data.arguments_mut(&mut no_lists) {
                    let value = dfg.resolve_aliases(*operand);
                    *operand = same.get(&value).copied().unwrap_or(value);
                }
                let result = dfg.first_result(inst);
                match met.entry((dfg.ctrl_typevar(inst), data)) {
                    Entry::Occupied(first) => {
                        same.insert(result, *first.get());
                    }
                    Entry::Vacant(new) => {
                        new.insert(result);
                        all += u64::from(depth - from);
                    }
                }
            }
            for result in dfg.inst_results(inst) {
                known[*result] = from;
            }
        }
    }
    all
}

/// Sizes of the sets of block parameters that are passed to one another.
fn chains(func: &Function) -> Vec<u32> {
    let dfg = &func.dfg;
    let mut parents: Vec<Value> = (0..dfg.num_values() as u32).map(Value::from_u32).collect();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let (tables, exceptions) = (&dfg.jump_tables, &dfg.exception_tables);
            for call in dfg.insts[inst].branch_destination(tables, exceptions) {
                let params = dfg.block_params(call.block(&dfg.value_lists));
                for (param, arg) in params.iter().zip(call.args(&dfg.value_lists)) {
                    if let Some(arg) = arg.as_value() {
                        let (a, b) = (
                            root(&mut parents, *param),
                            root(&mut parents, dfg.resolve_aliases(arg)),
                        );
                        parents[a.as_u32() as usize] = b;
                    }
                }
            }
        }
    }
    let mut sizes = vec![0; parents.len()];
    for block in func.layout.blocks() {
        for param in dfg.block_params(block) {
            sizes[root(&mut parents, *param).as_u32() as usize] += 1;
        }
    }
    sizes.retain(|size| *size > 0);
    sizes
}

fn root(parents: &mut [Value], mut value: Value) -> Value {
    loop {
        let parent = parents[value.as_u32() as usize];
        if parent == value {
            return value;
        }
        let next = parents[parent.as_u32() as usize];
        parents[value.as_u32() as usize] = next;
        value = next;
    }
}

/// The most values that live at one point, taking the blocks in their order for the time.
fn most_alive(func: &Function) -> u32 {
    let dfg = &func.dfg;
    // For each value, the point of its last use; for each point, how many begin and end there.
    let mut last_use = vec![0u32; dfg.num_values()];
    let mut begun = Vec::with_capacity(dfg.num_insts());
    let mut point = 0u32;
    for block in func.layout.blocks() {
        begun.extend(dfg.block_params(block).iter().map(|v| (*v, point)));
        for inst in func.layout.block_insts(block) {
            point += 1;
            for value in dfg.inst_values(inst) {
                last_use[dfg.resolve_aliases(value).as_u32() as usize] = point;
            }
            begun.extend(dfg.inst_results(inst).iter().map(|v| (*v, point)));
        }
    }
    let mut changes = vec![0i32; point as usize + 2];
    for (value, begin) in begun {
        let end = last_use[value.as_u32() as usize];
        // Constants are made again where they are needed.
        if end > begin && !is_constant(func, value) {
            changes[begin as usize] += 1;
            changes[end as usize] -= 1;
        }
    }
    let alive = changes.iter().scan(0i32, |alive, change| {
        *alive += change;
        Some(*alive)
    });
    alive.max().map_or(0, |most| most.unsigned_abs())
}

fn is_constant(func: &Function, value: Value) -> bool {
    let ValueDef::Result(inst, _) = func.dfg.value_def(value) else {
        return false;
    };
    matches!(
        func.dfg.insts[inst].opcode(),
        Opcode::Iconst | Opcode::F32const | Opcode::F64const | Opcode::Vconst
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use cranelift_codegen::cursor::{Cursor, FuncCursor};
    use cranelift_codegen::ir::{InstBuilder, types};

    fn parsed(text: &str) -> Function {
        let functions = cranelift_reader::parse_functions(text);
        functions.expect("valid IR").remove(0)
    }

    #[test]
    fn chains_are_followed_through_blocks_and_kept_apart() {
        let func = parsed(
            "function %f(i32, i32) -> i32 {
             block0(v0: i32, v1: i32):
                 brif v0, block1(v0), block1(v1)
             block1(v2: i32):
                 brif v2, block2(v2, v1), block3
             block2(v3: i32, v4: i32):
                 jump block4(v4)
             block3:
                 jump block4(v0)
             block4(v5: i32):
                 return v5
             }",
        );
        let mut sizes = chains(&func);
        sizes.sort_unstable();
        // All meet: v0, v1 and the parameters that they or what they became are passed to.
        assert_eq!(sizes, [6]);
        let func = parsed(
            "function %f(i32, i64) -> i32 {
             block0(v0: i32, v1: i64):
                 jump block1(v0, v1)
             block1(v2: i32, v3: i64):
                 return v2
             }",
        );
        let mut sizes = chains(&func);
        sizes.sort_unstable();
        assert_eq!(sizes, [2, 2]);
    }

    #[test]
    fn values_alive_are_counted_where_most_are() {
        let func = parsed(
            "function %f(i64) -> i32 {
             block0(v0: i64):
                 v1 = load.i32 v0
                 v2 = load.i32 v0+4
                 v3 = load.i32 v0+8
                 v9 = iconst.i32 5
                 v4 = iadd v1, v2
                 v5 = iadd v4, v3
                 v6 = iadd v5, v9
                 return v6
             }",
        );
        assert_eq!(most_alive(&func), 3);
    }

    /// A function that adds `alive` loaded values, after all have been loaded.
    fn loads(alive: usize) -> Function {
        let mut func = parsed(
            "function %f(i64) -> i32 {\nblock0(v0: i64):\n    v1 = iconst.i32 0\n    return v1\n}",
        );
        let block = func.layout.entry_block().expect("it has one");
        let address = func.dfg.block_params(block)[0];
        let last = func.layout.last_inst(block).expect("a return");
        let mut pos = FuncCursor::new(&mut func).at_inst(last);
        let flags = cranelift_codegen::ir::MemFlagsData::trusted();
        let values: Vec<Value> = (0..alive)
            .map(|i| pos.ins().load(types::I32, flags, address, i as i32 * 4))
            .collect();
        values.into_iter().reduce(|a, b| pos.ins().iadd(a, b));
        func
    }

    #[test]
    fn the_mid_end_goes_up_once_for_each_new_operation() {
        let func = parsed(
            "function %f(i32, i64) -> i32 {
             block0(v0: i32, v1: i64):
                 jump block1
             block1:
                 v2 = load.i32 v1
                 jump block2
             block2:
                 jump block3
             block3:
                 v3 = iconst.i32 7
                 v4 = iadd v0, v3
                 v5 = iadd v2, v4
                 v6 = iconst.i32 7
                 v7 = iadd v5, v6
                 return v7
             }",
        );
        let mut context = Context::for_function(func);
        context.flowgraph();
        // Three blocks up for the constant and the sum with a parameter, two for each of those
        // that need what was loaded; the constant is known when it is met again.
        assert_eq!(blocks_up(&context), 3 + 3 + 2 + 2);
    }

    /// Blocks in a row, each of which adds constants to a parameter: always the same ones or not.
    fn row(blocks: i64, distinct: bool) -> Context {
        let mut func = parsed("function %f(i32) {\nblock0(v0: i32):\n    return\n}");
        let first = func.layout.entry_block().expect("it has one");
        let param = func.dfg.block_params(first)[0];
        let mut pos = FuncCursor::new(&mut func);
        for n in 0..blocks {
            let block = pos.func.dfg.make_block();
            let last = pos.func.layout.last_block().expect("it has one");
            if let Some(end) = pos.func.layout.last_inst(last) {
                pos.func.layout.remove_inst(end);
            }
            pos.goto_bottom(last);
            pos.ins().jump(block, &[]);
            pos.func.layout.append_block(block);
            pos.goto_bottom(block);
            for k in 0..4 {
                let constant = if distinct { n * 4 + k } else { k };
                let constant = pos.ins().iconst(types::I32, constant);
                pos.ins().iadd(param, constant);
            }
            pos.ins().return_(&[]);
        }
        Context::for_function(func)
    }

    #[test]
    fn constants_far_below_the_entry_are_deep_and_blocks_alone_are_not() {
        assert!(is_deep(&mut row(40_000, true)));
        assert!(!is_deep(&mut row(40_000, false)));
        assert!(!is_deep(&mut row(10_000, true)));
    }

    #[test]
    fn many_values_at_once_are_heavy_and_few_are_not() {
        assert!(!is_heavy(&loads(500)));
        assert!(is_heavy(&loads(10_000)));
    }
}
