//! No access to a linear memory adds a negative constant to its base.
//!
//! The instance's fields lie below the base of memory 0, so an address that is the base plus a
//! 32-bit index must never have a constant below zero beside it: with a small index it would reach
//! them. (Most fields are sealed, which is the second line of defence; this is the first.)

use super::golden::compile_all;
use super::identity::modules;
use crate::settings::Settings;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{DataFlowGraph, InstructionData, Opcode, Value, types};
use std::cell::Cell;

thread_local! {
    static CHECKED: Cell<u32> = const { Cell::new(0) };
}

/// The sum of the constants in a 64-bit address.
fn constants(dfg: &DataFlowGraph, address: Value) -> i64 {
    let Some(inst) = dfg.value_def(dfg.resolve_aliases(address)).inst() else {
        return 0;
    };
    match dfg.insts[inst] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } => imm.bits(),
        InstructionData::Binary {
            opcode: Opcode::Iadd,
            args: [a, b],
        } if dfg.value_type(address) == types::I64 => {
            constants(dfg, a).wrapping_add(constants(dfg, b))
        }
        _ => 0,
    }
}

fn check(stage: &str, context: &mut Context) {
    if stage != "optimised" {
        return;
    }
    let func = &context.func;
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let (address, offset) = match func.dfg.insts[inst] {
                InstructionData::Load { arg, offset, .. } => (arg, offset),
                InstructionData::Store { args, offset, .. } => (args[1], offset),
                _ => continue,
            };
            let region = func.dfg.insts[inst]
                .memflags()
                .and_then(|flags| func.dfg.mem_flags[flags].alias_region());
            let memory = region.is_some_and(|r| func.dfg.alias_regions[r].description == "memory");
            if !memory {
                continue;
            }
            let constant = constants(&func.dfg, address) + i64::from(i32::from(offset));
            assert!(
                constant >= 0,
                "{} adds {constant} to the base of a memory",
                func.dfg.display_inst(inst)
            );
            CHECKED.set(CHECKED.get() + 1);
        }
    }
}

#[test]
fn no_access_reaches_below_the_base() {
    for module in modules(12) {
        let wasm = wat::parse_file(&module).expect("a module");
        compile_all(&wasm, &Settings::default(), check, |_, _| ());
    }
    let checked = CHECKED.get();
    assert!(checked > 5000, "{checked} accesses checked");
}
