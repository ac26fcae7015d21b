//! Operations on vectors take the form that the code generator lowers best.
//!
//! ```text
//!   bitcast.T (bitcast.U x)                 x, or one cast of it       what is computed can be seen
//!   bitcast.T (vconst c)                    vconst.T c
//!   shuffle x, y   of bytes of x only       shuffle x, x               pshufb with its mask in memory
//!   icmp ugt x, c                           icmp uge x, c + 1          no inversion
//!   bitselect (icmp ne a, b), x, y          bitselect (icmp eq a, b), y, x
//!   band (icmp ne a, b), x                  band (bnot (icmp eq a, b)), x
//!   swizzle x, m   where m & 0x70 = 0       x86_pshufb x, m            nothing to saturate
//!   store (extractlane x, 0)                store of a float           movsd instead of pextrq
//!   extractlane x, 0                        cast of a float            movd instead of pextrd
//!   bor of all lanes of x, against 0        vany_true x                one test
//! ```
//!
//! **Sound.** Vectors lie in registers as in memory, low lanes first, and casts between them that say
//! so keep every byte ([`super::forms`] relies on the same): only those are looked through. Bytes of
//! an operand that no lane selects cannot matter. `x > c` is `x >= c + 1` where `c + 1` does not
//! wrap, which is asked of every lane, and the other three alike; a comparison of integers is false
//! exactly where its complement is true, and one is inverted only if nothing else reads it. A swizzle
//! is 0 where the index is 16 or more, `pshufb` where it is 128 or more, else it takes the low four bits: an
//! index without the bits 0x70 is below 16 or at least 128 ([`super::lanes`]). A store writes the same
//! bytes whatever type they have, and casts between a float and an integer keep the bits; between
//! the cast and the store nothing computes with the float. A union of all lanes is not 0 exactly if some
//! lane is not 0, and extending a lane keeps that.

use super::Unit;
use super::code::{binary, def, int_const, replace_values};
use super::lanes::{possible, uncast, vector_const};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{
    Endianness, Function, Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Type, Value,
    types,
};
use std::collections::HashMap;

/// Instructions that read a value, one entry for each operand.
type Users = HashMap<Value, Vec<Inst>>;

/// How deep unions are looked through.
const MAX_DEPTH: u32 = 5;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let func = &mut *unit.func;
    let (mut insts, mut any) = (Vec::new(), false);
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            let vectors = is_of_vectors(func, inst);
            any |= vectors;
            if vectors || may_read_lanes(func, inst) {
                insts.push(inst);
            }
        }
    }
    if !any {
        return false;
    }
    let mut changed = fold_casts(func, &insts);
    let mut users = Users::new();
    for inst in &insts {
        for value in func.dfg.inst_values(*inst) {
            users.entry(value).or_default().push(*inst);
        }
    }
    let mut replaced = HashMap::new();
    for inst in insts {
        changed |= match func.dfg.insts[inst].opcode() {
            Opcode::Shuffle => one_operand(func, inst, &mut replaced),
            Opcode::Swizzle => small_indices(func, inst),
            Opcode::Store => store_of_low_lane(func, inst),
            Opcode::Extractlane => low_lane(func, inst, &users, &mut replaced),
            Opcode::Icmp => constant_bound(func, inst) || any_lane(func, inst),
            Opcode::Brif => any_lane_branch(func, inst),
            Opcode::Bitselect => inverted_choice(func, inst, &users),
            Opcode::Band => inverted_mask(func, inst, &users),
            _ => false,
        };
    }
    replace_values(func, &replaced);
    changed
}

/// Whether `inst` computes vectors, reads them or passes them along an edge: all users of a vector
/// have to be known.
fn is_of_vectors(func: &Function, inst: Inst) -> bool {
    let is_vector = |value: Value| func.dfg.value_type(value).is_vector();
    let mut results = func.dfg.inst_results(inst).iter().copied();
    results.any(is_vector) || func.dfg.inst_values(inst).any(is_vector)
}

/// Whether `inst` is one that is changed for the lanes it reads.
fn may_read_lanes(func: &Function, inst: Inst) -> bool {
    let opcode = func.dfg.insts[inst].opcode();
    matches!(opcode, Opcode::Store | Opcode::Icmp | Opcode::Brif)
}

/// Casts of casts and of constants become one; whether there were any.
fn fold_casts(func: &mut Function, insts: &[Inst]) -> bool {
    let mut replaced = HashMap::new();
    let mut changed = false;
    for inst in insts {
        let InstructionData::LoadNoOffset {
            opcode: Opcode::Bitcast,
            arg,
            ..
        } = func.dfg.insts[*inst]
        else {
            continue;
        };
        let result = func.dfg.first_result(*inst);
        let ty = func.dfg.value_type(result);
        let source = uncast(func, result);
        if source == result {
            continue;
        }
        if func.dfg.value_type(source) == ty {
            replaced.insert(result, source);
        } else if let Some(constant) = vector_const(func, source) {
            let constant = func.dfg.constants.insert(constant.as_slice().into());
            func.dfg.insts[*inst] = InstructionData::UnaryConst {
                opcode: Opcode::Vconst,
                constant_handle: constant,
            };
        } else if source != arg {
            // All casts on the way keep the bytes alike.
            func.dfg.inst_args_mut(*inst)[0] = source;
        } else {
            continue;
        }
        changed = true;
    }
    replace_values(func, &replaced);
    changed
}

/// Shuffles the bytes of one operand with itself.
fn one_operand(func: &mut Function, inst: Inst, replaced: &mut HashMap<Value, Value>) -> bool {
    let InstructionData::Shuffle { args, imm, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let mask = func.dfg.immediates.get(imm).expect("a mask").as_slice();
    let first = mask.iter().all(|byte| *byte < 16);
    let second = mask.iter().all(|byte| (16..32).contains(byte));
    if !(first || second) {
        return false;
    }
    let value = args[usize::from(second)];
    let bytes: Vec<u8> = mask.iter().map(|byte| byte % 16).collect();
    if bytes.iter().copied().eq(0..16) {
        // Operands that lie before are replaced already, by what is not replaced.
        let value = replaced.get(&value).copied().unwrap_or(value);
        replaced.insert(func.dfg.first_result(inst), value);
        return true;
    }
    if args == [value; 2] && first {
        return false;
    }
    let mask = func.dfg.immediates.push(bytes.as_slice().into());
    func.dfg.insts[inst] = InstructionData::Shuffle {
        opcode: Opcode::Shuffle,
        args: [value; 2],
        imm: mask,
    };
    true
}

/// Selects bytes by indices that need not be brought into range.
fn small_indices(func: &mut Function, inst: Inst) -> bool {
    let InstructionData::Binary { args, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let small = possible(func, args[1]).iter().all(|byte| byte & 0x70 == 0);
    if small {
        func.dfg.insts[inst] = InstructionData::Binary {
            opcode: Opcode::X86Pshufb,
            args,
        };
    }
    small
}

/// The vector of which `value` is the lowest lane.
fn lowest_lane_of(func: &Function, value: Value) -> Option<Value> {
    match func.dfg.insts[def(&func.dfg, value)?] {
        InstructionData::BinaryImm8 {
            opcode: Opcode::Extractlane,
            arg,
            imm: 0,
        } => Some(arg),
        _ => None,
    }
}

/// The lowest lane of `vector` as a float of 32 or 64 bits, computed before `inst`.
fn low_float(func: &mut Function, inst: Inst, vector: Value, bits: u32) -> Value {
    let (lane, lanes) = if bits == 64 {
        (types::F64, types::F64X2)
    } else {
        (types::F32, types::F32X4)
    };
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let little = MemFlagsData::new().with_endianness(Endianness::Little);
    let floats = cursor.ins().bitcast(lanes, little, vector);
    let value = cursor.ins().extractlane(floats, 0);
    debug_assert_eq!(cursor.func.dfg.value_type(value), lane);
    value
}

/// Stores the lowest lane from the vector's own register.
fn store_of_low_lane(func: &mut Function, inst: Inst) -> bool {
    let InstructionData::Store {
        opcode: Opcode::Store,
        args,
        ..
    } = func.dfg.insts[inst]
    else {
        return false;
    };
    let ty = func.dfg.value_type(args[0]);
    let vector = lowest_lane_of(func, args[0]);
    let Some(vector) = vector.filter(|_| matches!(ty, types::I32 | types::I64)) else {
        return false;
    };
    let value = low_float(func, inst, vector, ty.bits());
    func.dfg.inst_args_mut(inst)[0] = value;
    true
}

/// Takes the lowest lane as a float, and casts that.
fn low_lane(
    func: &mut Function,
    inst: Inst,
    users: &Users,
    replaced: &mut HashMap<Value, Value>,
) -> bool {
    let result = func.dfg.first_result(inst);
    let ty = func.dfg.value_type(result);
    let Some(vector) = lowest_lane_of(func, result).filter(|_| ty.is_int()) else {
        return false;
    };
    // The code generator stores lanes itself.
    let stored = |user: &Inst| func.dfg.insts[*user].opcode() == Opcode::Store;
    if users
        .get(&result)
        .is_some_and(|users| users.iter().any(stored))
    {
        return false;
    }
    let value = low_float(func, inst, vector, ty.bits());
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let word = if ty == types::I64 { ty } else { types::I32 };
    let mut lane = cursor.ins().bitcast(word, MemFlagsData::new(), value);
    if word != ty {
        lane = cursor.ins().ireduce(ty, lane);
    }
    replaced.insert(result, lane);
    true
}

/// Compares with the neighbour of a constant, for which there is a shorter comparison.
fn constant_bound(func: &mut Function, inst: Inst) -> bool {
    let InstructionData::IntCompare { args, mut cond, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let ty = func.dfg.value_type(args[0]);
    let [mut x, mut c] = args;
    if vector_const(func, c).is_none() {
        (x, c) = (c, x);
        cond = cond.swap_args();
    }
    let Some(bytes) = vector_const(func, c).filter(|_| ty.is_vector()) else {
        return false;
    };
    let (cond, up) = match cond {
        IntCC::UnsignedGreaterThan => (IntCC::UnsignedGreaterThanOrEqual, true),
        IntCC::UnsignedLessThan => (IntCC::UnsignedLessThanOrEqual, false),
        IntCC::SignedGreaterThanOrEqual => (IntCC::SignedGreaterThan, false),
        IntCC::SignedLessThanOrEqual => (IntCC::SignedLessThan, true),
        _ => return false,
    };
    let signed = cond.unsigned() != cond;
    let Some(bytes) = neighbours(bytes, ty, up, signed) else {
        return false;
    };
    let source = def(&func.dfg, c).expect("a constant is an instruction");
    let constant = func.dfg.constants.insert(bytes.as_slice().into());
    let mut cursor = FuncCursor::new(func).at_inst(source);
    cursor.set_srcloc(cursor.func.srcloc(source));
    let bound = cursor.ins().vconst(ty, constant);
    func.dfg.insts[inst] = InstructionData::IntCompare {
        opcode: Opcode::Icmp,
        args: [x, bound],
        cond,
    };
    true
}

/// The lanes one higher or lower, unless one of them wraps.
fn neighbours(bytes: [u8; 16], ty: Type, up: bool, signed: bool) -> Option<[u8; 16]> {
    let width = ty.lane_bits() as usize / 8;
    let mut found = [0; 16];
    for at in (0..16).step_by(width) {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(&bytes[at..at + width]);
        let lane = u64::from_le_bytes(wide);
        let all = u64::MAX >> (64 - 8 * width);
        let highest = if signed { all >> 1 } else { all };
        let lowest = if signed { (all >> 1) + 1 } else { 0 };
        if lane == if up { highest } else { lowest } {
            return None;
        }
        let next = if up {
            lane.wrapping_add(1)
        } else {
            lane.wrapping_sub(1)
        } & all;
        found[at..at + width].copy_from_slice(&next.to_le_bytes()[..width]);
    }
    Some(found)
}

/// The comparison behind `condition` that the code generator computes as the inversion of another,
/// if only `user` reads it.
fn inversion(func: &Function, condition: Value, users: &Users) -> Option<Inst> {
    let only = |value| users.get(&value).is_some_and(|users| users.len() == 1);
    let source = uncast(func, condition);
    if !only(condition) || !only(source) {
        return None;
    }
    let inst = def(&func.dfg, source)?;
    let InstructionData::IntCompare { cond, .. } = func.dfg.insts[inst] else {
        return None;
    };
    let ty = func.dfg.value_type(source);
    let inverted = match cond {
        IntCC::NotEqual => true,
        IntCC::UnsignedGreaterThan | IntCC::UnsignedLessThan => ty.lane_bits() < 64,
        IntCC::SignedGreaterThanOrEqual | IntCC::SignedLessThanOrEqual => ty.lane_bits() == 64,
        _ => false,
    };
    (inverted && ty.is_vector()).then_some(inst)
}

/// Makes a comparison its complement.
fn complement(func: &mut Function, comparison: Inst) {
    if let InstructionData::IntCompare { cond, .. } = &mut func.dfg.insts[comparison] {
        *cond = cond.complement();
    }
}

/// Chooses by the complement, the other way round.
fn inverted_choice(func: &mut Function, inst: Inst, users: &Users) -> bool {
    let InstructionData::Ternary { args, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let Some(comparison) = inversion(func, args[0], users) else {
        return false;
    };
    complement(func, comparison);
    func.dfg.inst_args_mut(inst).swap(1, 2);
    true
}

/// Masks with what a comparison does not hold for: one instruction inverts and masks.
fn inverted_mask(func: &mut Function, inst: Inst, users: &Users) -> bool {
    let InstructionData::Binary { args, .. } = func.dfg.insts[inst] else {
        return false;
    };
    for (at, mask) in args.into_iter().enumerate() {
        let Some(comparison) = inversion(func, mask, users) else {
            continue;
        };
        complement(func, comparison);
        let mut cursor = FuncCursor::new(func).at_inst(inst);
        cursor.set_srcloc(cursor.func.srcloc(inst));
        let not = cursor.ins().bnot(mask);
        func.dfg.inst_args_mut(inst)[at] = not;
        return true;
    }
    false
}

/// Compares all lanes of a vector with 0 at once instead of their union.
fn any_lane(func: &mut Function, inst: Inst) -> bool {
    let InstructionData::IntCompare { args, cond, .. } = func.dfg.insts[inst] else {
        return false;
    };
    if int_const(&func.dfg, args[1]) != Some(0) {
        return false;
    }
    let equal = match cond {
        IntCC::Equal => true,
        IntCC::NotEqual => false,
        _ => return false,
    };
    let Some(vector) = union_of_all_lanes(func, args[0]) else {
        return false;
    };
    if equal {
        let mut cursor = FuncCursor::new(func).at_inst(inst);
        cursor.set_srcloc(cursor.func.srcloc(inst));
        let any = cursor.ins().vany_true(vector);
        let zero = cursor.ins().iconst(types::I8, 0);
        func.dfg.inst_args_mut(inst).copy_from_slice(&[any, zero]);
    } else {
        func.dfg.insts[inst] = InstructionData::Unary {
            opcode: Opcode::VanyTrue,
            arg: vector,
        };
    }
    true
}

/// Branches on all lanes of a vector at once instead of on their union.
fn any_lane_branch(func: &mut Function, inst: Inst) -> bool {
    let condition = func.dfg.inst_args(inst)[0];
    let Some(vector) = union_of_all_lanes(func, condition) else {
        return false;
    };
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let any = cursor.ins().vany_true(vector);
    if let InstructionData::Brif { arg, .. } = &mut func.dfg.insts[inst] {
        *arg = any;
    }
    true
}

/// The vector whose lanes `value` is the union of.
fn union_of_all_lanes(func: &Function, value: Value) -> Option<Value> {
    let mut found = None;
    let mut lanes = 0u32;
    let alike = union_of_lanes(func, value, &mut found, &mut lanes, MAX_DEPTH);
    let vector = found.filter(|_| alike)?;
    let all = func.dfg.value_type(vector).lane_count();
    (lanes == u32::MAX >> (32 - all)).then_some(vector)
}

/// Whether `value` is a union of lanes of one vector, which are added to `lanes`.
fn union_of_lanes(
    func: &Function,
    value: Value,
    vector: &mut Option<Value>,
    lanes: &mut u32,
    depth: u32,
) -> bool {
    let Some(inst) = def(&func.dfg, value).filter(|_| depth > 0) else {
        return false;
    };
    if let Some((a, b)) = binary(&func.dfg, inst, Opcode::Bor) {
        return union_of_lanes(func, a, vector, lanes, depth - 1)
            && union_of_lanes(func, b, vector, lanes, depth - 1);
    }
    match func.dfg.insts[inst] {
        InstructionData::Unary {
            opcode: Opcode::Uextend | Opcode::Sextend,
            arg,
        } => union_of_lanes(func, arg, vector, lanes, depth - 1),
        InstructionData::BinaryImm8 {
            opcode: Opcode::Extractlane,
            arg,
            imm,
        } => {
            *lanes |= 1 << imm;
            func.dfg.value_type(value).is_int() && *vector.get_or_insert(arg) == arg
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
