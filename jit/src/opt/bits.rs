//! Which bits an integer value can have, from how it is computed.
//!
//! Narrow loads and extensions, masks, shifts by constants and comparisons tell; loads of full
//! width and calls may have any bit. What a block's parameter can have is what is passed to it on
//! any edge, which is found by starting from nothing and adding until no edge adds more:
//!
//! ```text
//!   block1(c):  ..  brif .., block1(uload8 p), ..        c: 0xff, if the first c is a byte as well
//! ```
//!
//! That is sound as soon as it is stable: in any execution, the first value that had another bit
//! would have been computed from values that had none.

use super::code::{def, int_const, mask};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, InstructionData, Opcode, Value, ValueDef};

/// How deep the computation of a value is looked through.
const MAX_DEPTH: u32 = 5;

/// After so many rounds over the edges, a parameter that still gains bits may have any.
const HASTE: u32 = 3;
/// If there is still something new after so many rounds, nothing is known.
const MAX_ROUNDS: u32 = 12;

/// What is known of block parameters.
pub(super) struct Bits {
    params: SecondaryMap<Value, u64>,
}

impl Bits {
    /// Nothing is known.
    pub(super) fn unknown() -> Bits {
        Bits {
            params: SecondaryMap::with_default(u64::MAX),
        }
    }

    /// Follows what is passed along the edges of `func`.
    pub(super) fn of(func: &Function) -> Bits {
        let mut known = Bits::unknown();
        for block in func.layout.blocks().skip(1) {
            for param in func.dfg.block_params(block) {
                known.params[*param] = 0;
            }
        }
        for round in 0..MAX_ROUNDS {
            let mut changed = false;
            for block in func.layout.blocks() {
                changed |= known.follow(func, block, round >= HASTE);
            }
            if !changed {
                return known;
            }
        }
        Bits::unknown()
    }

    /// Adds what `block` passes on; whether that was new. New bits become all bits if `hasten`.
    fn follow(&mut self, func: &Function, block: Block, hasten: bool) -> bool {
        let Some(last) = func.layout.last_inst(block) else {
            return false;
        };
        let calls = func.dfg.insts[last]
            .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
        let mut changed = false;
        for call in calls {
            let params = func.dfg.block_params(call.block(&func.dfg.value_lists));
            for (param, arg) in params.iter().zip(call.args(&func.dfg.value_lists)) {
                let before = self.params[*param];
                // What a call returns or throws may be anything.
                let passed = arg
                    .as_value()
                    .map_or(u64::MAX, |value| self.possible(func, value));
                if passed & !before != 0 {
                    self.params[*param] = if hasten { u64::MAX } else { before | passed };
                    changed = true;
                }
            }
        }
        changed
    }

    /// All bits that may be set in an integer value of at most 64 bits.
    pub(super) fn possible(&self, func: &Function, value: Value) -> u64 {
        self.at_depth(func, value, MAX_DEPTH)
    }

    fn at_depth(&self, func: &Function, value: Value, depth: u32) -> u64 {
        let dfg = &func.dfg;
        let ty = dfg.value_type(value);
        if !ty.is_int() || ty.bits() > 64 {
            return u64::MAX;
        }
        let all = mask(ty);
        if let ValueDef::Param(..) = dfg.value_def(value) {
            return self.params[value] & all;
        }
        let Some(inst) = def(dfg, value).filter(|_| depth > 0) else {
            return all;
        };
        let bits = |value: Value| self.at_depth(func, value, depth - 1);
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
}

/// The bits of a sum of two values with these bits, if it cannot leave 64.
fn sum(a: u64, b: u64) -> Option<u64> {
    a.checked_add(b).map(ones)
}

/// All bits up to the highest of `value`.
fn ones(value: u64) -> u64 {
    u64::MAX.checked_shr(value.leading_zeros()).unwrap_or(0)
}
