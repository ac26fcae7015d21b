//! What the code generator makes of instructions: which values the machine instruction of an
//! operation reads, once those around it are folded into it.
//!
//! Passes use it to guess where values live. A wrong guess costs time, never correctness.

use super::code::{binary, def, extends_for_free, int_const, is_const};
use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, Value, types};
use smallvec::SmallVec;

/// Values read by one machine instruction.
pub(super) type Reads = SmallVec<[Value; 8]>;

/// The values that `inst` reads if it gets a machine instruction, without constants.
pub(super) fn reads(func: &Function, inst: Inst) -> Reads {
    let mut all = Reads::new();
    let args = func.dfg.inst_args(inst);
    let opcode = func.dfg.insts[inst].opcode();
    match func.dfg.insts[inst] {
        InstructionData::Load { arg, .. } => address(func, arg, &mut all),
        InstructionData::Store { args, .. } => {
            plain(func, args[0], &mut all);
            address(func, args[1], &mut all);
        }
        InstructionData::Binary {
            opcode: Opcode::Iadd,
            args,
        } if is_word(func, args[0]) => sum(func, args[0], args[1], &mut all),
        _ if tests_first(opcode) => {
            condition(func, args[0], &mut all);
            for value in func.dfg.inst_values(inst).skip(1) {
                plain(func, value, &mut all);
            }
        }
        _ => {
            for value in func.dfg.inst_values(inst) {
                plain(func, value, &mut all);
            }
        }
    }
    all
}

/// Whether the first operand is a condition that may be computed on the spot.
fn tests_first(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::Brif | Opcode::Select | Opcode::SelectSpectreGuard | Opcode::Trapz | Opcode::Trapnz
    )
}

fn is_word(func: &Function, value: Value) -> bool {
    matches!(func.dfg.value_type(value), types::I32 | types::I64)
}

/// A value in a register: a low half, and what is extended for nothing, is the register of its
/// operand.
fn plain(func: &Function, value: Value, all: &mut Reads) {
    let Some(inst) = def(&func.dfg, value) else {
        all.push(value);
        return;
    };
    if is_const(func, inst) {
        return;
    }
    match func.dfg.insts[inst].opcode() {
        Opcode::Uextend => {
            let narrow = func.dfg.inst_args(inst)[0];
            if func.dfg.value_type(value) == types::I64 && extends_for_free(&func.dfg, narrow) {
                all.push(narrow);
                return;
            }
        }
        Opcode::Ireduce => {
            all.push(func.dfg.inst_args(inst)[0]);
            return;
        }
        _ => {}
    }
    all.push(value);
}

/// A condition: comparisons and tests of bits set the flags where they are used.
fn condition(func: &Function, value: Value, all: &mut Reads) {
    let source = def(&func.dfg, value).map(|inst| match func.dfg.insts[inst].opcode() {
        Opcode::Uextend => def(&func.dfg, func.dfg.inst_args(inst)[0]).unwrap_or(inst),
        _ => inst,
    });
    let source = source.filter(|inst| {
        matches!(
            func.dfg.insts[*inst].opcode(),
            Opcode::Icmp | Opcode::Fcmp | Opcode::Band
        )
    });
    match source {
        Some(inst) => {
            for operand in func.dfg.inst_args(inst) {
                plain(func, *operand, all);
            }
        }
        None => plain(func, value, all),
    }
}

/// An address: a sum is computed by the access.
fn address(func: &Function, value: Value, all: &mut Reads) {
    match def(&func.dfg, value).and_then(|inst| binary(&func.dfg, inst, Opcode::Iadd)) {
        Some((a, b)) => sum(func, a, b, all),
        None => plain(func, value, all),
    }
}

/// The sum of two values, with what one instruction adds to it: one constant, one small shift.
fn sum(func: &Function, a: Value, b: Value, all: &mut Reads) {
    let dfg = &func.dfg;
    let plus = |value: Value| {
        let (x, y) = def(dfg, value).and_then(|inst| binary(dfg, inst, Opcode::Iadd))?;
        match (int_const(dfg, x), int_const(dfg, y)) {
            (None, Some(c)) if fits(c) => Some(x),
            (Some(c), None) if fits(c) => Some(y),
            _ => None,
        }
    };
    let constant = |value: Value| int_const(dfg, value).is_some_and(fits);
    if let Some(inner) = plus(b) {
        shifted(func, a, inner, all);
    } else if let Some(inner) = plus(a) {
        shifted(func, inner, b, all);
    } else if constant(a) || constant(b) {
        let other = if constant(a) { b } else { a };
        match def(dfg, other).and_then(|inst| binary(dfg, inst, Opcode::Iadd)) {
            Some((x, y)) => shifted(func, x, y, all),
            None => plain(func, other, all),
        }
    } else {
        shifted(func, a, b, all);
    }
}

fn fits(constant: u64) -> bool {
    i32::try_from(constant as i64).is_ok() || u32::try_from(constant).is_ok()
}

/// The sum of two values of which one may be shifted by the way.
fn shifted(func: &Function, a: Value, b: Value, all: &mut Reads) {
    let shift = |value: Value| {
        let inst = def(&func.dfg, value)?;
        let (x, count) = binary(&func.dfg, inst, Opcode::Ishl)?;
        int_const(&func.dfg, count)
            .is_some_and(|c| c <= 3)
            .then_some(x)
    };
    if let Some(inner) = shift(a) {
        plain(func, b, all);
        plain(func, inner, all);
    } else if let Some(inner) = shift(b) {
        plain(func, a, all);
        plain(func, inner, all);
    } else {
        plain(func, a, all);
        plain(func, b, all);
    }
}
