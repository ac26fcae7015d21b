//! What is known of vectors: constants, casts that keep bytes, bits that bytes can have.

use super::code::{binary, def, int_const};
use cranelift_codegen::ir::{Endianness, Function, InstructionData, Opcode, Value};

/// How deep the computation of a value is looked through.
const MAX_DEPTH: u32 = 5;

/// The bytes of a constant of 128 bits.
pub(super) fn vector_const(func: &Function, value: Value) -> Option<[u8; 16]> {
    match func.dfg.insts[def(&func.dfg, value)?] {
        InstructionData::UnaryConst {
            opcode: Opcode::Vconst,
            constant_handle,
        } => {
            let bytes = func.dfg.constants.get(constant_handle).as_slice();
            bytes.try_into().ok()
        }
        _ => None,
    }
}

/// The value behind casts between vectors that keep the bytes in memory order.
pub(super) fn uncast(func: &Function, mut value: Value) -> Value {
    while let Some(inst) = def(&func.dfg, value)
        && let InstructionData::LoadNoOffset {
            opcode: Opcode::Bitcast,
            arg,
            flags,
        } = func.dfg.insts[inst]
        && func.dfg.mem_flags[flags].explicit_endianness() == Some(Endianness::Little)
        && func.dfg.value_type(value).is_vector()
        && func.dfg.value_type(arg).is_vector()
    {
        value = arg;
    }
    value
}

/// The bits that each byte of a vector of 128 bits can have.
pub(super) fn possible(func: &Function, value: Value) -> [u8; 16] {
    at_depth(func, value, MAX_DEPTH)
}

fn at_depth(func: &Function, value: Value, depth: u32) -> [u8; 16] {
    const ANY: [u8; 16] = [0xff; 16];
    let value = uncast(func, value);
    if let Some(bytes) = vector_const(func, value) {
        return bytes;
    }
    let Some(inst) = def(&func.dfg, value).filter(|_| depth > 0) else {
        return ANY;
    };
    let both = |(a, b), join: fn(u8, u8) -> u8| {
        let (a, b) = (at_depth(func, a, depth - 1), at_depth(func, b, depth - 1));
        std::array::from_fn(|at| join(a[at], b[at]))
    };
    let operands = |opcode| binary(&func.dfg, inst, opcode);
    if let Some(operands) = operands(Opcode::Band) {
        return both(operands, |a, b| a & b);
    }
    if let Some(operands) = operands(Opcode::Bor).or_else(|| operands(Opcode::Bxor)) {
        return both(operands, |a, b| a | b);
    }
    let Some((x, count)) = operands(Opcode::Ushr) else {
        return ANY;
    };
    let Some(count) = int_const(&func.dfg, count) else {
        return ANY;
    };
    let bits = func.dfg.value_type(value).lane_bits();
    shifted_down(at_depth(func, x, depth - 1), bits as usize, count)
}

/// The bits of bytes after a shift of lanes of so many bits, which counts as the machine does.
fn shifted_down(bytes: [u8; 16], bits: usize, count: u64) -> [u8; 16] {
    let width = bits / 8;
    let mut found = [0; 16];
    for at in (0..16).step_by(width) {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(&bytes[at..at + width]);
        let lane = u64::from_le_bytes(wide) >> (count & (bits as u64 - 1));
        found[at..at + width].copy_from_slice(&lane.to_le_bytes()[..width]);
    }
    found
}
