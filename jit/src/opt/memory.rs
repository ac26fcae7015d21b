//! Accesses to the instance's own memory, and indices as sums.
//!
//! An access is a load or store in the memory's alias region at `[base + uextend(index) + offset]`,
//! where `base` is the first parameter of the function. When one has executed, `uextend(index)` is
//! less than the length of the memory, which is at most 4 GiB less the fold limit: adding
//! something below the limit to the index does not wrap.

use super::Unit;
use super::code::{binary, def, extension, int_const, mask, plus_const};
use cranelift_codegen::ir::{Function, Inst, InstructionData, Opcode, Value, types};
use smallvec::SmallVec;

/// Nodes of a sum that are looked at.
const MAX_NODES: usize = 12;
/// Values that a sum may have besides the induction variable.
const MAX_LEAVES: usize = 3;

/// What passes may assume of the memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts {
    /// The alias region of accesses to memories, by its id.
    pub(crate) region: u32,
    /// The memory behind the first parameter never comes closer to 4 GiB than this; 0 where there
    /// is no such memory, or nothing of the sort is known.
    pub(crate) fold_limit: u64,
    /// So many bytes behind the first parameter can always be read.
    pub(crate) readable: u64,
    /// Where the length of the memory behind the first parameter is read, as an offset from it; `None`
    /// where there is no such memory.
    pub(crate) length: Option<i32>,
}

/// A load or store in the memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub(super) inst: Inst,
    /// The 32-bit index.
    pub(super) index: Value,
    /// What the instruction adds to it.
    pub(super) offset: i32,
}

/// The address of byte 0.
pub(super) fn base(func: &Function) -> Option<Value> {
    let entry = func.layout.entry_block()?;
    func.dfg.block_params(entry).first().copied()
}

/// The address operand of a load or store, without the offset.
pub(super) fn address_of(func: &Function, inst: Inst) -> Option<Value> {
    match func.dfg.insts[inst] {
        InstructionData::Load { arg, .. } => Some(arg),
        InstructionData::Store { args, .. } => Some(args[1]),
        _ => None,
    }
}

/// The address operand of a load or store in the memories' region, if its offset is not negative.
pub(super) fn address_in_region(unit: &Unit<'_>, inst: Inst) -> Option<Value> {
    let func = &*unit.func;
    let (InstructionData::Load { offset, flags, .. }
    | InstructionData::Store { offset, flags, .. }) = func.dfg.insts[inst]
    else {
        return None;
    };
    let region = func.dfg.mem_flags[flags].alias_region()?;
    let ours = func.dfg.alias_regions[region].user_id == unit.facts.region;
    (ours && i32::from(offset) >= 0)
        .then(|| address_of(func, inst))
        .flatten()
}

/// `inst` as an access.
pub(super) fn access(unit: &Unit<'_>, base: Value, inst: Inst) -> Option<Access> {
    let func = &*unit.func;
    let address = address_in_region(unit, inst)?;
    let offset = func.dfg.insts[inst].load_store_offset()?;
    let (a, b) = binary(&func.dfg, def(&func.dfg, address)?, Opcode::Iadd)?;
    let wide = match (a == base, b == base) {
        (true, false) => b,
        (false, true) => a,
        _ => return None,
    };
    let index = extended(func, wide)?;
    Some(Access {
        inst,
        index,
        offset,
    })
}

/// The 32-bit value that `wide` is the zero-extension of.
pub(super) fn extended(func: &Function, wide: Value) -> Option<Value> {
    extension(&func.dfg, def(&func.dfg, wide)?)
}

/// Replaces address and offset of an access.
pub(super) fn redirect(func: &mut Function, inst: Inst, address: Value, to: i32) {
    match &mut func.dfg.insts[inst] {
        InstructionData::Load { arg, offset, .. } => {
            *arg = address;
            *offset = to.into();
        }
        InstructionData::Store { args, offset, .. } => {
            args[1] = address;
            *offset = to.into();
        }
        _ => unreachable!("only loads and stores are accesses"),
    }
}

/// A 32-bit value as `iv << shift` + leaves + constant, modulo 2^32.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) shift: u8,
    pub(super) leaves: SmallVec<[Value; MAX_LEAVES]>,
    pub(super) constant: u32,
}

/// Takes `value` apart, with `iv` exactly once in it; all leaves must satisfy `is_leaf`.
pub(super) fn sum_of(
    func: &Function,
    value: Value,
    iv: Value,
    is_leaf: impl Fn(Value) -> bool,
) -> Option<Sum> {
    let mut sum = Sum::default();
    let mut found = false;
    let mut todo: SmallVec<[Value; 8]> = SmallVec::new();
    todo.push(value);
    for _ in 0..MAX_NODES {
        let Some(value) = todo.pop() else {
            return found.then(|| {
                sum.leaves.sort_unstable();
                sum
            });
        };
        if value == iv {
            if found {
                return None;
            }
            found = true;
        } else if let Some(c) = int_const(&func.dfg, value) {
            sum.constant = sum.constant.wrapping_add(c as u32);
        } else if let Some((shift, constant)) = scaled(func, value, iv) {
            if found {
                return None;
            }
            found = true;
            sum.shift = shift;
            sum.constant = sum.constant.wrapping_add(constant);
        } else if is_leaf(value) {
            if sum.leaves.len() == MAX_LEAVES {
                return None;
            }
            sum.leaves.push(value);
        } else if let Some((x, constant)) = plus_const(&func.dfg, value) {
            // A frame's address is a difference: the mid-end turns `x + -c` into it.
            sum.constant = sum.constant.wrapping_add(constant as u32);
            todo.push(x);
        } else {
            let (a, b) = binary(&func.dfg, def(&func.dfg, value)?, Opcode::Iadd)?;
            todo.push(a);
            todo.push(b);
        }
    }
    None
}

/// `value` as `iv << shift` + constant: a multiple of the variable, or of it and a constant.
fn scaled(func: &Function, value: Value, iv: Value) -> Option<(u8, u32)> {
    let (x, count) = binary(&func.dfg, def(&func.dfg, value)?, Opcode::Ishl)?;
    let shift = int_const(&func.dfg, count).filter(|s| (1..=3).contains(s))?;
    if x == iv {
        return Some((shift as u8, 0));
    }
    let (inner, constant) = plus_const(&func.dfg, x)?;
    (inner == iv).then_some((shift as u8, (constant as u32) << shift))
}

/// The bits of a constant of 32 bits.
pub(super) fn const32(func: &Function, value: Value) -> Option<u32> {
    int_const(&func.dfg, value).map(|c| (c & mask(types::I32)) as u32)
}
