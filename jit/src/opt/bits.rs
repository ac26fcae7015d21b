//! Which bits an integer value can have, from how it is computed.
//!
//! Narrow loads and extensions, masks, shifts by constants and comparisons tell; everything else
//! may have any bit. Nothing is assumed of parameters, loads of full width and calls.

use super::code::{def, int_const, mask};
use cranelift_codegen::ir::{Function, InstructionData, Opcode, Value};

/// How deep the computation of a value is looked through.
const MAX_DEPTH: u32 = 5;

/// All bits that may be set in an integer value of at most 64 bits.
pub(super) fn possible_bits(func: &Function, value: Value) -> u64 {
    at_depth(func, value, MAX_DEPTH)
}

fn at_depth(func: &Function, value: Value, depth: u32) -> u64 {
    let dfg = &func.dfg;
    let ty = dfg.value_type(value);
    let all = mask(ty);
    let Some(inst) = def(dfg, value).filter(|_| depth > 0 && ty.is_int() && ty.bits() <= 64) else {
        return all;
    };
    let bits = |value: Value| at_depth(func, value, depth - 1);
    // What is shifted by, as the machine counts it.
    let count = |value| int_const(dfg, value).map(|c| (c & u64::from(ty.bits() - 1)) as u32);
    let found = match dfg.insts[inst] {
        InstructionData::UnaryImm { .. } => int_const(dfg, value).unwrap_or(all),
        InstructionData::Load { opcode, .. } => match opcode {
            Opcode::Uload8 => 0xff,
            Opcode::Uload16 => 0xffff,
            Opcode::Uload32 => 0xffff_ffff,
            _ => all,
        },
        InstructionData::Unary { opcode, arg } => match opcode {
            Opcode::Uextend | Opcode::Ireduce if dfg.value_type(arg).bits() <= 64 => bits(arg),
            Opcode::Popcnt | Opcode::Clz | Opcode::Ctz => 0x7f,
            _ => all,
        },
        InstructionData::IntCompare { .. } | InstructionData::FloatCompare { .. } => 1,
        InstructionData::Ternary {
            opcode: Opcode::Select,
            args,
        } => bits(args[1]) | bits(args[2]),
        InstructionData::Binary { opcode, args } => match opcode {
            Opcode::Band => bits(args[0]) & bits(args[1]),
            Opcode::Bor | Opcode::Bxor => bits(args[0]) | bits(args[1]),
            Opcode::Ushr => count(args[1]).map_or(all, |count| bits(args[0]) >> count),
            Opcode::Ishl => count(args[1]).map_or(all, |count| bits(args[0]) << count),
            Opcode::Iadd => sum(bits(args[0]), bits(args[1])).unwrap_or(all),
            // The remainder is below the divisor, and no more than what is divided.
            Opcode::Urem => match int_const(dfg, args[1]) {
                Some(divisor @ 1..) => ones(divisor - 1),
                _ => all,
            },
            _ => all,
        },
        _ => all,
    };
    found & all
}

/// The bits of a sum of two values with these bits, if it cannot leave 64.
fn sum(a: u64, b: u64) -> Option<u64> {
    a.checked_add(b).map(ones)
}

/// All bits up to the highest of `value`.
fn ones(value: u64) -> u64 {
    u64::MAX.checked_shr(value.leading_zeros()).unwrap_or(0)
}
