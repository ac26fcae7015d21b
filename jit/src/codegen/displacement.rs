//! No access to a linear memory adds a negative constant to its base.
//!
//! The instance's fields lie below the base of memory 0, so an address that is the base plus a
//! 32-bit index must never have a constant below zero beside it: with a small index it would reach
//! them. (Most fields are sealed, which is the second line of defence; this is the first.)
//!
//! The IR is checked as it is compiled, and then the machine code, because lowering folds on.

use super::golden::compile_all;
use super::identity::modules;
use crate::settings::Settings;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{DataFlowGraph, Function, InstructionData, Opcode, Value, types};
use std::cell::Cell;

thread_local! {
    static CHECKED: Cell<u32> = const { Cell::new(0) };
}

/// Address and displacement of an instruction that accesses memory.
fn access(inst: &InstructionData) -> Option<(Value, i64)> {
    Some(match *inst {
        InstructionData::Load { arg, offset, .. } => (arg, i32::from(offset).into()),
        InstructionData::Store { args, offset, .. } => (args[1], i32::from(offset).into()),
        // Atomic instructions.
        InstructionData::LoadNoOffset { arg, .. } => (arg, 0),
        InstructionData::StoreNoOffset { args, .. } => (args[1], 0),
        InstructionData::AtomicRmw { args, .. } => (args[0], 0),
        InstructionData::AtomicCas { args, .. } => (args[0], 0),
        _ => return None,
    })
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
        InstructionData::Binary {
            opcode: Opcode::Isub,
            args: [a, b],
        } if dfg.value_type(address) == types::I64 => {
            constants(dfg, a).wrapping_sub(constants(dfg, b))
        }
        _ => 0,
    }
}

/// Whether a line of machine code reads or writes an address with an index and a displacement below
/// zero. (`lea` computes indices and places in fixed tables, behind their own checks.)
fn reaches_below(line: &str) -> bool {
    let mut words = line.split_whitespace();
    if words.next().is_none_or(|opcode| opcode.starts_with("lea")) {
        return false;
    }
    line.match_indices('(').any(|(at, _)| {
        let before = line[..at].rsplit([' ', ',', '+']).next();
        let inside = line[at + 1..].split(')').next();
        before.is_some_and(|displacement| displacement.starts_with('-'))
            && inside.is_some_and(|registers| registers.contains(','))
    })
}

fn check(stage: &str, context: &mut Context) {
    match stage {
        "optimised" => {
            check_ir(&context.func);
            context.set_disasm(true);
        }
        "compiled" => {
            let code = context.compiled_code().and_then(|c| c.vcode.as_deref());
            for line in code.expect("it was asked for").lines() {
                assert!(!reaches_below(line), "below the base: {line}");
            }
        }
        _ => {}
    }
}

fn check_ir(func: &Function) {
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let Some((address, offset)) = access(&func.dfg.insts[inst]) else {
                continue;
            };
            let region = func.dfg.insts[inst].alias_region(&func.dfg);
            let memory = region.is_some_and(|r| func.dfg.alias_regions[r].description == "memory");
            if !memory {
                continue;
            }
            let constant = constants(&func.dfg, address) + offset;
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

#[test]
fn machine_code_that_reaches_below_is_seen() {
    for bad in [
        "  movl -0x10(%rdi, %rsi), %eax",
        "  movl %eax, -8(%rdi, %rsi, 4)",
        "  lock xaddl %eax, -4(%rdi, %rsi)",
        "  vpinsrb $0x3, -1(%rdi, %rsi), %xmm0, %xmm0",
    ] {
        assert!(reaches_below(bad), "{bad}");
    }
    for good in [
        "  movl -0x10a8(%rdi), %eax",
        "  movl 0x10(%rdi, %rsi), %eax",
        "  leaq -0x10f0(%rdi, %r8), %r8",
        "  movq <offset:0>+-0x10(%rbp), %rsi",
    ] {
        assert!(!reaches_below(good), "{good}");
    }
}
