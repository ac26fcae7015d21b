//! Reading IR: constants, purity, what becomes part of another instruction.

use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{
    Block, DataFlowGraph, Function, Inst, InstructionData, Opcode, Type, Value, types,
};
use std::collections::HashMap;

/// The instruction that defines `value`, if it is one.
pub(super) fn def(dfg: &DataFlowGraph, value: Value) -> Option<Inst> {
    dfg.value_def(value).inst()
}

/// The bits of an integer constant, zero-extended from its type.
pub(super) fn int_const(dfg: &DataFlowGraph, value: Value) -> Option<u64> {
    let inst = def(dfg, value)?;
    match dfg.insts[inst] {
        InstructionData::UnaryImm {
            opcode: Opcode::Iconst,
            imm,
        } => Some(imm.bits() as u64 & mask(dfg.value_type(value))),
        _ => None,
    }
}

/// All ones in the width of an integer type of at most 64 bits.
pub(super) fn mask(ty: Type) -> u64 {
    u64::MAX >> (64 - ty.bits().min(64))
}

/// The low bits of `bits` that an integer of at most 64 bits has, with its sign.
pub(super) fn signed(bits: u64, ty: Type) -> i64 {
    let unused = 64 - ty.bits().min(64);
    ((bits << unused) as i64) >> unused
}

/// `value` as the sum of another value and a constant, in its own type.
pub(super) fn plus_const(dfg: &DataFlowGraph, value: Value) -> Option<(Value, u64)> {
    let inst = def(dfg, value)?;
    if let Some((a, b)) = binary(dfg, inst, Opcode::Isub) {
        let c = int_const(dfg, b)?.wrapping_neg() & mask(dfg.value_type(value));
        return int_const(dfg, a).is_none().then_some((a, c));
    }
    let (a, b) = binary(dfg, inst, Opcode::Iadd)?;
    match (int_const(dfg, a), int_const(dfg, b)) {
        (None, Some(c)) => Some((a, c)),
        (Some(c), None) => Some((b, c)),
        _ => None,
    }
}

/// The operands of `inst` if it is this binary operation.
pub(super) fn binary(dfg: &DataFlowGraph, inst: Inst, wanted: Opcode) -> Option<(Value, Value)> {
    match dfg.insts[inst] {
        InstructionData::Binary { opcode, args } if opcode == wanted => Some((args[0], args[1])),
        _ => None,
    }
}

/// Whether `inst` is an integer or float constant.
pub(super) fn is_const(func: &Function, inst: Inst) -> bool {
    matches!(
        func.dfg.insts[inst].opcode(),
        Opcode::Iconst | Opcode::F32const | Opcode::F64const | Opcode::Vconst
    )
}

/// Whether `inst` does nothing but compute one value from its operands: it may be moved to
/// wherever they are defined.
pub(crate) fn is_pure(func: &Function, inst: Inst) -> bool {
    let op = func.dfg.insts[inst].opcode();
    func.dfg.inst_results(inst).len() == 1
        && !(op.is_call()
            || op.is_branch()
            || op.is_terminator()
            || op.is_return()
            || op.can_trap()
            || op.other_side_effects()
            || op.can_load()
            || op.can_store())
}

/// Whether the code generator needs no instruction to zero-extend this 32-bit value: the machine
/// instruction that computes it clears the upper half.
pub(super) fn extends_for_free(dfg: &DataFlowGraph, value: Value) -> bool {
    dfg.value_type(value) == types::I32
        && def(dfg, value).is_some_and(|inst| {
            matches!(
                dfg.insts[inst].opcode(),
                Opcode::Iadd
                    | Opcode::Isub
                    | Opcode::Imul
                    | Opcode::Band
                    | Opcode::Bor
                    | Opcode::Bxor
                    | Opcode::Ishl
                    | Opcode::Ushr
            )
        })
}

/// The last instruction of a block.
pub(super) fn terminator(func: &Function, block: Block) -> Option<Inst> {
    func.layout.last_inst(block)
}

/// Has every instruction use what `replaced` says instead of its operands.
pub(super) fn replace_values(func: &mut Function, replaced: &HashMap<Value, Value>) {
    if replaced.is_empty() {
        return;
    }
    let mut block = func.layout.entry_block();
    while let Some(this) = block {
        let mut inst = func.layout.first_inst(this);
        while let Some(at) = inst {
            func.dfg
                .map_inst_values(at, |value| replaced.get(&value).copied().unwrap_or(value));
            inst = func.layout.next_inst(at);
        }
        block = func.layout.next_block(this);
    }
}

/// The 32-bit operand of a zero-extension to 64 bits.
pub(super) fn extension(dfg: &DataFlowGraph, inst: Inst) -> Option<Value> {
    if dfg.insts[inst].opcode() != Opcode::Uextend {
        return None;
    }
    let result = dfg.first_result(inst);
    let narrow = dfg.inst_args(inst)[0];
    let fits = dfg.value_type(result) == types::I64 && dfg.value_type(narrow) == types::I32;
    fits.then_some(narrow)
}

/// Replaces the results of those zero-extensions from 32 to 64 bits, of the instruction and its
/// operand, for which `wide` has a value.
pub(super) fn replace_extensions(
    func: &mut Function,
    wide: impl Fn(&Function, Inst, Value) -> Option<Value>,
) {
    let mut replaced: HashMap<Value, Value> = HashMap::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            if let Some(narrow) = extension(&func.dfg, inst)
                && let Some(whole) = wide(func, inst, narrow)
            {
                replaced.insert(func.dfg.first_result(inst), whole);
            }
        }
    }
    replace_values(func, &replaced);
}

/// Makes nothing of the branches that the mid-end took out of the code. One that it replaced by a
/// jump shares the arguments of an edge with it, which a pass may move to another place; later
/// stages look at all instructions, these too, and would find what lies there now.
pub(super) fn forget_removed_branches(func: &mut Function) {
    for number in 0..func.dfg.num_insts() {
        let inst = Inst::from_u32(number as u32);
        let removed = func.layout.inst_block(inst).is_none();
        if removed && func.dfg.insts[inst].opcode().is_branch() {
            let opcode = Opcode::Nop;
            func.dfg.insts[inst] = InstructionData::NullAry { opcode };
        }
    }
}

/// Removes pure operations that nothing uses.
pub(super) fn sweep(func: &mut Function, domtree: &DominatorTree) {
    let mut uses: SecondaryMap<Value, u32> = SecondaryMap::with_default(0);
    for block in domtree.cfg_postorder() {
        let mut next = func.layout.last_inst(*block);
        while let Some(inst) = next {
            next = func.layout.prev_inst(inst);
            if is_pure(func, inst) && uses[func.dfg.first_result(inst)] == 0 {
                func.layout.remove_inst(inst);
                continue;
            }
            for value in func.dfg.inst_values(inst) {
                uses[value] += 1;
            }
        }
    }
}
