//! Operations take the form for which the machine has the better instruction.
//!
//! ```text
//!   istore8 (iconst.i32 c)            store (iconst.i8 c)      an immediate instead of a register
//!   bitcast.T (load.i8x16 a)          load.T a                 a memory operand instead of a load
//!   band x, c   where x <= c          x                        x has no other bits
//!   icmp (band x, 0xff), c            icmp (ireduce.i8 x), c   bytes are compared as bytes
//!   icmp eq (fcmp lt a, b), 0         fcmp uge a, b            a comparison of floats, negated
//!   bor (ishl x, n) (ushr x, w - n)   shuffle x                lanes turned by whole bytes
//! ```
//!
//! **Sound.** A narrow store writes the low bits of its operand, which are those of the narrow
//! constant; width, address and flags stay. A load of one 128-bit type and a bitcast read the same
//! bytes as a load of the other type, on little-endian machines, which the pass asks of the
//! bitcast's flags and the machine's; it is done only if every use of the load is that bitcast. The
//! last drops a mask of ones over all bits that `x` can have, which follows from how `x` is computed:
//! narrow loads and extensions, masks and shifts by constants ([`super::bits`]). The low byte of a
//! value compares like the value extended from it: as unsigned numbers if it was extended with
//! zeros, as signed ones if with its sign, where the constant is a byte's. A comparison of floats is
//! 0 exactly where its complement, which counts unordered operands the other way, is 1. Turning a lane of `w` bits by a
//! multiple of 8 moves its bytes, and lanes lie in memory order, which all casts between must keep.

use super::Unit;
use super::bits::Bits;
use super::code::{binary, def, int_const, mask, replace_values, signed};
use super::lanes::uncast;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{
    Endianness, Function, Inst, InstBuilder, InstructionData, Opcode, Type, Value, types,
};
use std::collections::HashMap;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let func = &mut *unit.func;
    let mut uses: SecondaryMap<Value, u32> = SecondaryMap::with_default(0);
    let mut insts = Vec::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            for value in func.dfg.inst_values(inst) {
                uses[value] += 1;
            }
            insts.push(inst);
        }
    }
    let masks = insts.iter().any(|inst| is_mask(func, *inst));
    let bits = if masks {
        Bits::of(func)
    } else {
        Bits::unknown()
    };
    let mut replaced = HashMap::new();
    let mut changed = false;
    for inst in insts {
        changed |= match func.dfg.insts[inst].opcode() {
            Opcode::Istore8 => store_constant(func, inst, types::I8),
            Opcode::Istore16 => store_constant(func, inst, types::I16),
            Opcode::Istore32 => store_constant(func, inst, types::I32),
            Opcode::Bitcast => typed_load(func, inst, &uses),
            Opcode::Band => useless_mask(func, &bits, inst, &mut replaced),
            Opcode::Icmp => negated_floats(func, inst) || byte_compare(func, inst, &bits, &uses),
            Opcode::Bor | Opcode::Bxor => turned_lanes(func, inst, &mut uses),
            _ => false,
        };
    }
    // A mask of a mask: what replaces a value may itself be replaced.
    let resolve = |mut value: Value| {
        while let Some(next) = replaced.get(&value) {
            value = *next;
        }
        value
    };
    let resolved = replaced.keys().map(|from| (*from, resolve(*from)));
    let resolved: HashMap<Value, Value> = resolved.collect();
    replace_values(func, &resolved);
    changed
}

/// Stores a constant as one of the width that is stored.
fn store_constant(func: &mut Function, inst: Inst, ty: Type) -> bool {
    let InstructionData::Store { args, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let Some(constant) = int_const(&func.dfg, args[0]) else {
        return false;
    };
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let narrow = cursor.ins().iconst(ty, (constant & mask(ty)) as i64);
    if let InstructionData::Store { opcode, args, .. } = &mut func.dfg.insts[inst] {
        *opcode = Opcode::Store;
        args[0] = narrow;
    }
    true
}

/// Loads a vector as the type that it is used as.
fn typed_load(func: &mut Function, inst: Inst, uses: &SecondaryMap<Value, u32>) -> bool {
    let InstructionData::LoadNoOffset { arg, flags, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let little = Some(Endianness::Little);
    let cast_is_little = func.dfg.mem_flags[flags].explicit_endianness() == little;
    let result = func.dfg.first_result(inst);
    let ty = func.dfg.value_type(result);
    let Some(load) = def(&func.dfg, arg).filter(|_| uses[arg] == 1) else {
        return false;
    };
    let InstructionData::Load {
        opcode: Opcode::Load,
        flags,
        ..
    } = func.dfg.insts[load]
    else {
        return false;
    };
    let is_little = func.dfg.mem_flags[flags].explicit_endianness() == little;
    let vectors = ty.is_vector() && func.dfg.value_type(arg).is_vector();
    if !(cast_is_little && is_little && vectors) || func.layout.inst_block(load).is_none() {
        return false;
    }
    let data = func.dfg.insts[load];
    func.dfg.detach_inst_results(inst);
    func.layout.remove_inst(inst);
    let typed = func.dfg.make_inst(data);
    func.dfg
        .make_inst_results_reusing(typed, ty, [Some(result)].into_iter());
    func.layout.insert_inst(typed, load);
    let location = func.srcloc(load);
    func.set_srcloc(typed, location);
    func.layout.remove_inst(load);
    true
}

/// Turns lanes by whole bytes with one shuffle instead of two shifts and a union.
fn turned_lanes(func: &mut Function, inst: Inst, uses: &mut SecondaryMap<Value, u32>) -> bool {
    let InstructionData::Binary { args, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let result = func.dfg.first_result(inst);
    if func.dfg.value_type(result) != types::I8X16 {
        return false;
    }
    let found = turn(func, args[0], args[1]).or_else(|| turn(func, args[1], args[0]));
    let Some((value, lane, by)) = found else {
        return false;
    };
    let mut bytes = [0u8; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        let (start, within) = (at / lane * lane, at % lane);
        *byte = (start + (within + lane - by) % lane) as u8;
    }
    let mask = func.dfg.immediates.push(bytes.as_slice().into());
    let shuffle = InstructionData::Shuffle {
        opcode: Opcode::Shuffle,
        args: [value, value],
        imm: mask,
    };
    func.dfg.insts[inst] = shuffle;
    uses[value] += 2;
    true
}

/// `left | right` as a value of 16 bytes with its lanes, of so many bytes, turned left by so many.
fn turn(func: &Function, left: Value, right: Value) -> Option<(Value, usize, usize)> {
    let shifted = |value: Value, opcode: Opcode| {
        let inst = def(&func.dfg, uncast(func, value))?;
        let (x, count) = binary(&func.dfg, inst, opcode)?;
        let lanes = func.dfg.value_type(x).lane_bits();
        let count = int_const(&func.dfg, count)? as u32 & (lanes - 1);
        Some((x, lanes, count))
    };
    let (x, lanes, up) = shifted(left, Opcode::Ishl)?;
    let (y, others, down) = shifted(right, Opcode::Ushr)?;
    let value = uncast(func, x);
    let turns = lanes == others && up + down == lanes && up % 8 == 0 && value == uncast(func, y);
    (turns && func.dfg.value_type(value) == types::I8X16).then_some((
        value,
        lanes as usize / 8,
        up as usize / 8,
    ))
}

/// Whether `inst` is a mask with a constant.
fn is_mask(func: &Function, inst: Inst) -> bool {
    binary(&func.dfg, inst, Opcode::Band)
        .is_some_and(|(a, b)| [a, b].iter().any(|v| int_const(&func.dfg, *v).is_some()))
}

/// Compares a byte that was extended for that only as it is.
fn byte_compare(
    func: &mut Function,
    inst: Inst,
    bits: &Bits,
    uses: &SecondaryMap<Value, u32>,
) -> bool {
    let InstructionData::IntCompare { args, cond, .. } = func.dfg.insts[inst] else {
        return false;
    };
    let [extended, constant] = args;
    let Some(constant) = int_const(&func.dfg, constant) else {
        return false;
    };
    // What other operations read has to be extended anyway.
    let Some(extension) = def(&func.dfg, extended).filter(|_| uses[extended] == 1) else {
        return false;
    };
    let equality = matches!(cond, IntCC::Equal | IntCC::NotEqual);
    let ty = func.dfg.value_type(extended);
    let signed = signed(constant, ty);
    let byte = match func.dfg.insts[extension] {
        InstructionData::Binary {
            opcode: Opcode::Band,
            args: [x, mask],
        } if int_const(&func.dfg, mask) == Some(0xff)
            && bits.possible(func, x) & !0xff != 0
            && constant <= 0xff
            && (equality && constant != 0 || cond.unsigned() == cond && !equality) =>
        {
            x
        }
        InstructionData::Unary {
            opcode: Opcode::Sextend,
            arg,
        } if func.dfg.value_type(arg) == types::I8
            && i8::try_from(signed).is_ok()
            && (equality || cond.unsigned() != cond) =>
        {
            arg
        }
        _ => return false,
    };
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let byte = if cursor.func.dfg.value_type(byte) == types::I8 {
        byte
    } else {
        cursor.ins().ireduce(types::I8, byte)
    };
    let constant = cursor.ins().iconst(types::I8, (constant & 0xff) as i64);
    if let InstructionData::IntCompare { args, .. } = &mut func.dfg.insts[inst] {
        *args = [byte, constant];
    }
    true
}

/// Compares floats instead of the result of that with 0.
fn negated_floats(func: &mut Function, inst: Inst) -> bool {
    let InstructionData::IntCompare { args, cond, .. } = func.dfg.insts[inst] else {
        return false;
    };
    if int_const(&func.dfg, args[1]) != Some(0) {
        return false;
    }
    let mut compared = args[0];
    if let Some(extension) = def(&func.dfg, compared)
        && let InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } = func.dfg.insts[extension]
    {
        compared = arg;
    }
    let Some(InstructionData::FloatCompare {
        opcode: Opcode::Fcmp,
        args,
        cond: floats,
    }) = def(&func.dfg, compared).map(|inst| func.dfg.insts[inst])
    else {
        return false;
    };
    let cond = match cond {
        IntCC::Equal => floats.complement(),
        IntCC::NotEqual => floats,
        _ => return false,
    };
    if !func.dfg.value_type(args[0]).is_float() {
        return false;
    }
    func.dfg.insts[inst] = InstructionData::FloatCompare {
        opcode: Opcode::Fcmp,
        args,
        cond,
    };
    true
}

/// Notes that a mask does nothing.
fn useless_mask(
    func: &Function,
    bits: &Bits,
    inst: Inst,
    replaced: &mut HashMap<Value, Value>,
) -> bool {
    let Some((a, b)) = binary(&func.dfg, inst, Opcode::Band) else {
        return false;
    };
    let result = func.dfg.first_result(inst);
    let ty = func.dfg.value_type(result);
    if !ty.is_int() || ty.bits() > 64 {
        return false;
    }
    for (value, constant) in [(a, b), (b, a)] {
        if let Some(constant) = int_const(&func.dfg, constant)
            && bits.possible(func, value) & !constant == 0
        {
            replaced.insert(result, value);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    #[test]
    fn constants_are_stored_in_their_width() {
        check(
            super::run,
            "function %f(i64) {
            block0(v0: i64):
                v1 = iconst.i32 0x1ff
                istore8 v1, v0+4
                v2 = iconst.i64 0x8000_0000_0000_8001
                istore16 v2, v0
                istore32 v2, v0+8
                return
            }",
            expect![[r#"
                function %f(i64) fast {
                block0(v0: i64):
                    v1 = iconst.i32 511
                    v3 = iconst.i8 -1
                    store v3, v0+4  ; v3 = -1
                    v2 = iconst.i64 -9223372036854743039
                    v4 = iconst.i16 -32767
                    store v4, v0  ; v4 = -32767
                    v5 = iconst.i32 0x8001
                    store v5, v0+8  ; v5 = 0x8001
                    return
                }
            "#]],
        );
    }

    #[test]
    fn vectors_are_loaded_as_what_they_are_used_as() {
        check(
            super::run,
            "function %f(i64) -> f32x4, i8x16, f64x2 {
            block0(v0: i64):
                v1 = load.i8x16 little v0
                v2 = bitcast.f32x4 little v1
                v3 = load.i8x16 little v0+16
                v4 = bitcast.f64x2 little v3
                return v2, v3, v4
            }",
            expect![[r#"
                function %f(i64) -> f32x4, i8x16, f64x2 fast {
                                                block0(v0: i64):
                                                    v2 = load.f32x4 little v0
                                                    v3 = load.i8x16 little v0+16
                                                    v4 = bitcast.f64x2 little v3
                                                    return v2, v3, v4
                }
            "#]],
        );
    }

    #[test]
    fn masks_over_all_bits_are_dropped() {
        check(
            super::run,
            "function %f(i64, i32) -> i32, i32, i32 {
            block0(v0: i64, v1: i32):
                v2 = uload8.i32 v0
                v3 = iconst.i32 0xff
                v4 = band v2, v3
                v5 = band v4, v3
                v6 = iconst.i32 24
                v7 = ushr v1, v6
                v8 = iconst.i32 0x7f
                v9 = band v7, v3
                v10 = band v7, v8
                return v5, v9, v10
            }",
            expect![[r#"
                function %f(i64, i32) -> i32, i32, i32 fast {
                block0(v0: i64, v1: i32):
                    v2 = uload8.i32 v0
                    v3 = iconst.i32 255
                    v4 = band v2, v3  ; v3 = 255
                    v5 = band v2, v3  ; v3 = 255
                    v6 = iconst.i32 24
                    v7 = ushr v1, v6  ; v6 = 24
                    v8 = iconst.i32 127
                    v9 = band v7, v3  ; v3 = 255
                    v10 = band v7, v8  ; v8 = 127
                    return v2, v7, v10
                }
            "#]],
        );
    }

    #[test]
    fn a_byte_that_the_loop_hands_on_needs_no_mask() {
        check(
            super::run,
            "function %f(i64, i32) -> i32 {
            block0(v0: i64, v1: i32):
                v2 = uload8.i32 v0
                jump block1(v2, v2, v1)
            block1(v3: i32, v4: i32, v5: i32):
                v6 = iconst.i32 0xff
                v7 = band v3, v6
                v8 = band v4, v6
                v9 = band v5, v6
                v10 = uload8.i32 v0+1
                v11 = iadd v8, v7
                v12 = iadd v11, v9
                brif v12, block1(v10, v11, v12), block2
            block2:
                return v12
            }",
            expect![[r#"
                function %f(i64, i32) -> i32 fast {
                block0(v0: i64, v1: i32):
                    v2 = uload8.i32 v0
                    jump block1(v2, v2, v1)

                block1(v3: i32, v4: i32, v5: i32):
                    v6 = iconst.i32 255
                    v7 = band v3, v6  ; v6 = 255
                    v8 = band v4, v6  ; v6 = 255
                    v9 = band v5, v6  ; v6 = 255
                    v10 = uload8.i32 v0+1
                    v11 = iadd v8, v3
                    v12 = iadd v11, v9
                    brif v12, block1(v10, v11, v12), block2

                block2:
                    return v12
                }
            "#]],
        );
    }

    #[test]
    fn bytes_are_compared_as_bytes() {
        check(
            super::run,
            "function %f(i32, i8) -> i8, i8, i8, i8, i8 {
            block0(v0: i32, v1: i8):
                v2 = iconst.i32 0xff
                v3 = iconst.i32 10
                v4 = iconst.i32 -48
                v5 = iadd v0, v4
                v6 = band v5, v2
                v7 = icmp ult v6, v3
                v8 = sextend.i32 v1
                v9 = icmp slt v8, v3
                v10 = band v0, v2
                v11 = icmp slt v10, v3
                v12 = iconst.i32 0x100
                v13 = band v4, v2
                v14 = icmp ult v13, v12
                v15 = sextend.i32 v1
                v16 = icmp ult v15, v3
                return v7, v9, v11, v14, v16
            }",
            expect![[r#"
                function %f(i32, i8) -> i8, i8, i8, i8, i8 fast {
                block0(v0: i32, v1: i8):
                    v2 = iconst.i32 255
                    v3 = iconst.i32 10
                    v4 = iconst.i32 -48
                    v5 = iadd v0, v4  ; v4 = -48
                    v6 = band v5, v2  ; v2 = 255
                    v17 = ireduce.i8 v5
                    v18 = iconst.i8 10
                    v7 = icmp ult v17, v18  ; v18 = 10
                    v8 = sextend.i32 v1
                    v19 = iconst.i8 10
                    v9 = icmp slt v1, v19  ; v19 = 10
                    v10 = band v0, v2  ; v2 = 255
                    v11 = icmp slt v10, v3  ; v3 = 10
                    v12 = iconst.i32 256
                    v13 = band v4, v2  ; v4 = -48, v2 = 255
                    v14 = icmp ult v13, v12  ; v12 = 256
                    v15 = sextend.i32 v1
                    v16 = icmp ult v15, v3  ; v3 = 10
                    return v7, v9, v11, v14, v16
                }
            "#]],
        );
    }

    #[test]
    fn a_comparison_of_floats_is_negated_without_a_detour() {
        check(
            super::run,
            "function %f(f64, f64, f32x4) -> i8, i8, i8 {
            block0(v0: f64, v1: f64, v2: f32x4):
                v3 = fcmp lt v0, v1
                v4 = uextend.i32 v3
                v5 = iconst.i32 0
                v6 = icmp eq v4, v5
                v7 = icmp ne v4, v5
                v8 = iconst.i32 1
                v9 = icmp eq v4, v8
                return v6, v7, v9
            }",
            expect![[r#"
                function %f(f64, f64, f32x4) -> i8, i8, i8 fast {
                block0(v0: f64, v1: f64, v2: f32x4):
                    v3 = fcmp lt v0, v1
                    v4 = uextend.i32 v3
                    v5 = iconst.i32 0
                    v6 = fcmp uge v0, v1
                    v7 = fcmp lt v0, v1
                    v8 = iconst.i32 1
                    v9 = icmp eq v4, v8  ; v8 = 1
                    return v6, v7, v9
                }
            "#]],
        );
    }

    #[test]
    fn lanes_are_turned_by_a_shuffle() {
        let text = |up: u32, down: u32| {
            format!(
                "function %f(i8x16) -> i8x16 {{
                block0(v0: i8x16):
                    v1 = bitcast.i32x4 little v0
                    v2 = iconst.i32 {up}
                    v3 = ishl v1, v2
                    v4 = bitcast.i8x16 little v3
                    v5 = iconst.i32 {down}
                    v6 = ushr v1, v5
                    v7 = bitcast.i8x16 little v6
                    v8 = bor v7, v4
                    return v8
                }}"
            )
        };
        check(
            super::run,
            &text(8, 24),
            expect![[r#"
            function %f(i8x16) -> i8x16 fast {
            block0(v0: i8x16):
                v1 = bitcast.i32x4 little v0
                v2 = iconst.i32 8
                v3 = ishl v1, v2  ; v2 = 8
                v4 = bitcast.i8x16 little v3
                v5 = iconst.i32 24
                v6 = ushr v1, v5  ; v5 = 24
                v7 = bitcast.i8x16 little v6
                v8 = shuffle v0, v0, 0x0e0d0c0f0a09080b0605040702010003
                return v8
            }
        "#]],
        );
        check(super::run, &text(12, 20), expect![["unchanged\n"]]);
        check(super::run, &text(16, 8), expect![["unchanged\n"]]);
    }
}
