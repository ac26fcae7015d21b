//! Where the accesses of a loop go: addresses as sums, which of them keep their distance, and a test
//! that those of different sums never meet and all stay inside the memory.
//!
//! A sum is `outside + variables << shifts + constant` in 64 bits, of values that the loop does not
//! change, and of its variables, each of which takes the same step in every round. Accesses whose sums
//! differ in the constant alone are one [`Group`]: how they overlap is known here. Over all rounds
//! that a test at the top of the loop has counted, a group touches bytes of one range only,
//!
//! ```text
//!   first round: start + low .. start + high
//!   last round:  at most as much further as the group steps while the counter goes its `way`
//! ```
//!
//! and ranges are compared before the loop. `way` is compared with the memory's length too, which leaves
//! no room for the products to wrap: a length of 2^32 by a step of 2^16.

use super::super::code::{binary, def, int_const, plus_const};
use super::super::count::Counted;
use super::super::memory::{address_in_region, base};
use super::super::{Facts, Unit};
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, Function, Inst, InstBuilder, MemFlagsData, Opcode, Type, Value, types,
};
use smallvec::SmallVec;
use std::collections::HashMap;

/// Values that a sum may have.
const MAX_TERMS: usize = 6;
/// Sums of one loop.
const MAX_GROUPS: usize = 8;
/// Pairs of ranges that are compared.
const MAX_PAIRS: usize = 8;
/// Longest step of a sum in bytes.
const MAX_STEP: i64 = 1 << 16;
/// Largest constant of a sum, either way: distances are far from where 64 bits end.
const MAX_CONSTANT: u64 = 1 << 40;

/// The variables of a loop.
#[derive(Default)]
pub(super) struct Variables {
    /// The header's parameters.
    pub(super) params: Vec<Value>,
    /// What they are in the first round.
    pub(super) first: Vec<Value>,
    /// What becomes of them.
    pub(super) next: Vec<Next>,
}

/// What a variable is in the next round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So much more.
    Step(i64),
    /// What this instruction loaded so many rounds ago.
    Loaded(Inst, u32),
}

impl Variables {
    /// The position of a parameter that steps; the first of those that are always equal.
    fn stepping(&self, value: Value) -> Option<usize> {
        let at = self.params.iter().position(|param| *param == value)?;
        let same = |other: &usize| {
            self.first[*other] == self.first[at] && self.next[*other] == self.next[at]
        };
        matches!(self.next[at], Next::Step(_)).then(|| (0..=at).find(same))?
    }

    /// What was loaded for a parameter, and how long ago.
    pub(super) fn loaded(&self, value: Value) -> Option<(Inst, u32)> {
        let at = self.params.iter().position(|param| *param == value)?;
        match self.next[at] {
            Next::Loaded(inst, ago) => Some((inst, ago)),
            Next::Step(_) => None,
        }
    }
}

/// A sum without its constant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    outside: SmallVec<[Value; 4]>,
    /// Positions of variables, and how far they are shifted.
    variables: SmallVec<[(usize, u8); 2]>,
}

/// Accesses that keep their distance.
pub(super) struct Group {
    sum: Sum,
    /// Bytes by which its addresses grow in a round.
    pub(super) step: i64,
    /// One of the addresses, and the constant in it.
    address: (Value, i64),
    /// The first byte, and the one behind the last, in the first round, as constants of the sum.
    low: i64,
    high: i64,
    stores: bool,
}

/// A load or store.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) inst: Inst,
    pub(super) is_store: bool,
    /// The position of its group.
    pub(super) group: usize,
    /// The constant of its sum, with the instruction's offset.
    pub(super) constant: i64,
    /// What memory holds there.
    pub(super) ty: Type,
}

/// All accesses of a loop.
#[derive(Default)]
pub(super) struct Reach {
    pub(super) groups: Vec<Group>,
    pub(super) accesses: Vec<Access>,
}

impl Reach {
    /// Takes in the load or store `inst`, if its address is such a sum.
    pub(super) fn add(
        &mut self,
        unit: &Unit<'_>,
        variables: &Variables,
        is_outside: &impl Fn(Value) -> bool,
        inst: Inst,
    ) -> Option<()> {
        let func = &*unit.func;
        let address = address_in_region(unit, inst)?;
        let (sum, constant) = sum_of(func, variables, is_outside, address)?;
        let offset = i64::from(func.dfg.insts[inst].load_store_offset()?);
        let (ty, is_store) = (
            element(func, inst)?,
            func.dfg.insts[inst].opcode().can_store(),
        );
        let at = constant.checked_add(offset)?;
        if constant.unsigned_abs().max(at.unsigned_abs()) > MAX_CONSTANT {
            return None;
        }
        let end = at + i64::from(ty.bytes());
        let known = self.groups.iter().position(|group| group.sum == sum);
        let group = known.unwrap_or(self.groups.len());
        if known.is_none() {
            let step = |(at, shift): &(usize, u8)| match variables.next[*at] {
                Next::Step(step) => step << shift,
                Next::Loaded(..) => 0,
            };
            let step = sum.variables.iter().map(step).fold(0, i64::wrapping_add);
            if !(0..=MAX_STEP).contains(&step) || self.groups.len() == MAX_GROUPS {
                return None;
            }
            self.groups.push(Group {
                sum,
                step,
                address: (address, constant),
                low: at,
                high: end,
                stores: false,
            });
        }
        let into = &mut self.groups[group];
        into.low = into.low.min(at);
        into.high = into.high.max(end);
        into.stores |= is_store;
        self.accesses.push(Access {
            inst,
            is_store,
            group,
            constant: at,
            ty,
        });
        Some(())
    }

    /// The load `inst` as one so many rounds before.
    pub(super) fn earlier(&self, inst: Inst, ago: u32) -> Option<Access> {
        let access = self.access(inst)?;
        let step = self.step(access) * i64::from(ago);
        let constant = access.constant - step;
        (!access.is_store).then_some(Access {
            constant,
            ..*access
        })
    }

    /// Takes in what variables were loaded from before the first round.
    pub(super) fn add_earlier(&mut self, variables: &Variables) -> Option<()> {
        for next in &variables.next {
            if let Next::Loaded(inst, ago) = *next {
                let access = self.earlier(inst, ago)?;
                let into = &mut self.groups[access.group];
                into.low = into.low.min(access.constant);
            }
        }
        Some(())
    }

    /// Whether a store of its group touches, in any of so many rounds before or after, what a load reads.
    pub(super) fn is_stored_to(&self, load: Inst, rounds: u32) -> bool {
        let Some(load) = self.earlier(load, 0) else {
            return true;
        };
        let step = self.step(&load);
        let end = load.constant + i64::from(load.ty.bytes());
        let stores = |access: &&Access| access.is_store && access.group == load.group;
        self.accesses.iter().filter(stores).any(|store| {
            (-i64::from(rounds)..=i64::from(rounds)).any(|later| {
                let from = store.constant + later * step;
                from < end && load.constant < from + i64::from(store.ty.bytes())
            })
        })
    }

    /// The bytes by which the place of an access moves in a round.
    pub(super) fn step(&self, access: &Access) -> i64 {
        self.groups[access.group].step
    }

    /// The access that `inst` makes.
    pub(super) fn access(&self, inst: Inst) -> Option<&Access> {
        self.accesses.iter().find(|access| access.inst == inst)
    }

    /// Whether the ranges can be compared: they are as long as the way of the loop's counter times a
    /// whole number, and few enough.
    pub(super) fn can_be_tested(&self, counted: &Counted) -> bool {
        let whole = |group: &Group| group.step % counted.step.abs() == 0;
        self.groups.iter().all(whole) && self.pairs().count() <= MAX_PAIRS
    }

    /// Whether instructions can hold the offsets of so many rounds.
    pub(super) fn fits(&self, func: &Function, rounds: u32) -> bool {
        self.accesses.iter().all(|access| {
            let offset = func.dfg.insts[access.inst]
                .load_store_offset()
                .unwrap_or(i32::MAX);
            let farthest = i64::from(offset) + self.step(access) * i64::from(rounds);
            farthest <= i64::from(i32::MAX)
        })
    }

    /// Groups whose ranges must not meet: one of them stores.
    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let all = 0..self.groups.len();
        all.flat_map(|a| (0..a).map(move |b| (a, b)))
            .filter(|(a, b)| self.groups[*a].stores || self.groups[*b].stores)
    }

    /// Whether no ranges meet and all bytes are inside the memory, if the loop starts with what it
    /// has in the first round.
    pub(super) fn test(
        &self,
        cursor: &mut FuncCursor<'_>,
        facts: Facts,
        header: Block,
        variables: &Variables,
        counted: &Counted,
    ) -> Option<Value> {
        let base = base(cursor.func)?;
        let way = counted.way(cursor, variables.first[counted.param]);
        let mut clone = Addresses::new(header, variables, &variables.first);
        let mut ranges = Vec::new();
        for group in &self.groups {
            let (address, constant) = group.address;
            let start = clone.address(cursor, address)?;
            let low = plus(cursor, start, group.low - constant);
            let mut high = plus(cursor, start, group.high - constant);
            if group.step > 0 {
                let whole = times(cursor, way, group.step / counted.step.abs());
                high = cursor.ins().iadd(high, whole);
            }
            ranges.push((low, high));
        }
        let length = cursor
            .ins()
            .load(types::I64, MemFlagsData::trusted(), base, facts.length?);
        let mut farthest = way;
        for (low, high) in &ranges {
            for place in [*low, *high] {
                let distance = cursor.ins().isub(place, base);
                farthest = cursor.ins().umax(farthest, distance);
            }
        }
        let within = IntCC::UnsignedLessThanOrEqual;
        let mut all = cursor.ins().icmp(within, farthest, length);
        for (a, b) in self.pairs() {
            let before = cursor.ins().icmp(within, ranges[a].1, ranges[b].0);
            let behind = cursor.ins().icmp(within, ranges[b].1, ranges[a].0);
            let apart = cursor.ins().bor(before, behind);
            all = cursor.ins().band(all, apart);
        }
        Some(all)
    }
}

/// What memory holds where the access is made, if it is a plain number.
fn element(func: &Function, inst: Inst) -> Option<Type> {
    let whole = |value| func.dfg.value_type(value);
    let ty = match func.dfg.insts[inst].opcode() {
        Opcode::Load => whole(func.dfg.first_result(inst)),
        Opcode::Store => whole(func.dfg.inst_args(inst)[0]),
        Opcode::Uload8 | Opcode::Sload8 | Opcode::Istore8 => types::I8,
        Opcode::Uload16 | Opcode::Sload16 | Opcode::Istore16 => types::I16,
        Opcode::Uload32 | Opcode::Sload32 | Opcode::Istore32 => types::I32,
        _ => return None,
    };
    (!ty.is_vector() && (ty.is_int() || ty.is_float()) && ty.bytes() <= 8).then_some(ty)
}

/// `value` as a sum and a constant.
fn sum_of(
    func: &Function,
    variables: &Variables,
    is_outside: &impl Fn(Value) -> bool,
    value: Value,
) -> Option<(Sum, i64)> {
    let (mut sum, mut constant) = (Sum::default(), 0i64);
    let mut todo: SmallVec<[Value; 8]> = SmallVec::from_slice(&[value]);
    let mut seen = 0;
    while let Some(value) = todo.pop() {
        seen += 1;
        if seen > 2 * MAX_TERMS || func.dfg.value_type(value) != types::I64 {
            return None;
        }
        let inst = def(&func.dfg, value);
        if let Some(at) = variables.stepping(value) {
            sum.variables.push((at, 0));
        } else if let Some(bits) = int_const(&func.dfg, value) {
            constant = constant.checked_add(bits as i64)?;
        } else if let Some((rest, bits)) = plus_const(&func.dfg, value) {
            constant = constant.checked_add(bits as i64)?;
            todo.push(rest);
        } else if let Some((a, b)) = inst.and_then(|inst| binary(&func.dfg, inst, Opcode::Iadd)) {
            todo.extend([a, b]);
        } else if is_outside(value) {
            sum.outside.push(value);
        } else {
            let (a, by) = binary(&func.dfg, inst?, Opcode::Ishl)?;
            let by = int_const(&func.dfg, by).filter(|by| *by <= 4)?;
            sum.variables.push((variables.stepping(a)?, by as u8));
        }
    }
    sum.outside.sort_unstable();
    sum.variables.sort_unstable();
    (sum.outside.len() + sum.variables.len() <= MAX_TERMS).then_some((sum, constant))
}

/// A multiple of `value`.
fn times(cursor: &mut FuncCursor<'_>, value: Value, factor: i64) -> Value {
    let bits = i64::from(factor.trailing_zeros());
    if factor == 1 {
        value
    } else if factor == 1 << bits {
        let bits = cursor.ins().iconst(types::I32, bits);
        cursor.ins().ishl(value, bits)
    } else {
        let factor = cursor.ins().iconst(types::I64, factor);
        cursor.ins().imul(value, factor)
    }
}

/// `value` and a constant.
fn plus(cursor: &mut FuncCursor<'_>, value: Value, constant: i64) -> Value {
    if constant == 0 {
        return value;
    }
    let constant = cursor.ins().iconst(types::I64, constant);
    cursor.ins().iadd(value, constant)
}

/// Addresses computed again, with other values for the loop's variables.
pub(super) struct Addresses {
    header: Block,
    now: HashMap<Value, Value>,
    known: HashMap<(Opcode, Value, Value), Value>,
}

impl Addresses {
    pub(super) fn new(header: Block, variables: &Variables, values: &[Value]) -> Addresses {
        let params = variables.params.iter().copied();
        Addresses {
            header,
            now: params.zip(values.iter().copied()).collect(),
            known: HashMap::new(),
        }
    }

    /// An address that [`Reach::add`] took.
    pub(super) fn address(&mut self, cursor: &mut FuncCursor<'_>, value: Value) -> Option<Value> {
        if let Some(now) = self.now.get(&value) {
            return Some(*now);
        }
        let dfg = &cursor.func.dfg;
        let inside = |inst: &Inst| cursor.func.layout.inst_block(*inst) == Some(self.header);
        let Some(inst) = def(dfg, value).filter(inside) else {
            return Some(value);
        };
        let opcodes = [Opcode::Iadd, Opcode::Isub, Opcode::Ishl];
        let found = |op: &Opcode| Some((*op, binary(dfg, inst, *op)?));
        let Some((op, (a, b))) = opcodes.iter().find_map(found) else {
            let bits = int_const(dfg, value)?;
            let ty = dfg.value_type(value);
            let again = cursor.ins().iconst(ty, bits as i64);
            self.now.insert(value, again);
            return Some(again);
        };
        let (a, b) = (self.address(cursor, a)?, self.address(cursor, b)?);
        let nothing = |value| int_const(&cursor.func.dfg, value) == Some(0);
        let (no_a, no_b) = (nothing(a), nothing(b));
        let again = *self.known.entry((op, a, b)).or_insert_with(|| match op {
            _ if no_b => a,
            Opcode::Iadd if no_a => b,
            Opcode::Iadd => cursor.ins().iadd(a, b),
            Opcode::Isub => cursor.ins().isub(a, b),
            _ => cursor.ins().ishl(a, b),
        });
        self.now.insert(value, again);
        Some(again)
    }
}
