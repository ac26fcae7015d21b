//! The high half of a product of 64 bits by 64 bits becomes one multiplication.
//!
//! wasm has no instruction for it. Compilers emit the schoolbook product of 32-bit halves, most
//! often as the library function `__multi3`, which the inliner has put in place by now:
//!
//! ```text
//!   w0 = lo a * lo b              high = hi a * hi b + (t >> 32) + (u >> 32)
//!   t  = hi a * lo b + (w0 >> 32)  low  = u << 32 | lo w0
//!   u  = lo a * hi b + lo t
//! ```
//!
//! There are many orders in which the sums can be taken, others that look at carries by comparing,
//! and compilers add what else belongs to the sum anywhere in it. So no shape is looked for. From
//! the four products, everything that can be computed from them by shifts, masks, sums and comparisons is
//! followed in exact arithmetic ([`form`]); what then has the form of the high half, with whatever
//! else is added, becomes `umulhi a, b`, and what has the form of the low half `imul a, b`. Where both
//! are computed in one block, they are the halves of one product of 128 bits. The
//! products and what followed from them go if nothing else uses them.
//!
//! **Sound** because a form is an equation between integers, each step of which is argued in
//! [`form`], and two values with the same form are the same number. What is added besides is added
//! modulo 2^64, where order does not matter. With `-[a < 0] * b` and `-[b < 0] * a` among it, the
//! sum is the high half of the signed product: `a` as a signed number is `a - 2^64·[a < 0]`, and the
//! product of two such numbers, divided by 2^64, differs by these two modulo 2^64. Both
//! operands are available: their halves are computed from them before.
//!
//! **Cheap** because nothing happens in functions without a product of two high halves.

mod form;

use super::Unit;
use super::bits::Bits;
use super::code::{binary, def, int_const, plus_const, replace_values};
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    DataFlowGraph, Function, Inst, InstBuilder, InstructionData, Opcode, Value, types,
};
use form::{Form, Sum};
use smallvec::{SmallVec, smallvec};
use std::collections::{HashMap, HashSet, VecDeque};

/// All bits of a low half.
const LOW: u64 = 0xffff_ffff;
/// More values than this are not followed for one pair of operands.
const MAX_FORMS: usize = 96;
/// More sums than this are not looked at.
const MAX_SUMS: usize = 64;
/// A sum of more parts is not taken apart.
const MAX_PARTS: usize = 16;
/// So many constants are tried as the low half that belongs to a high one.
const MAX_GUESSES: usize = 4;

/// The product of both high halves, among the four.
const HIGHEST: usize = 3;

/// Instructions by what they use.
type Users = HashMap<Value, SmallVec<[Inst; 4]>>;

/// One of the two numbers. A constant may come second.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operand {
    Value(Value),
    Constant(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Low,
    High,
}

/// Which half something is, as an index.
const HIGH_HALF: usize = 0;
const LOW_HALF: usize = 1;

/// A value that is a half of the product, plus others.
struct Found {
    inst: Inst,
    is: usize,
    others: Vec<Value>,
}

impl Found {
    fn of(inst: Inst, is: usize, others: Vec<Value>) -> Found {
        Found { inst, is, others }
    }
}

/// Two numbers of which all four products of halves may be there.
type Pair = (Value, Operand);

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let func = &mut *unit.func;
    let seeds = seeds(func);
    if seeds.is_empty() {
        return false;
    }
    let users = users(func);
    let mut seen = HashSet::new();
    let mut changed = false;
    let mut replaced = HashMap::new();
    for seed in seeds {
        for pair in pairs(func, &users, seed) {
            if seen.insert(pair) && visit(func, &users, pair, &mut replaced) {
                changed = true;
                break;
            }
        }
    }
    replace_values(func, &replaced);
    changed
}

/// Products of two high halves, or of one and a constant.
fn seeds(func: &Function) -> Vec<Inst> {
    let dfg = &func.dfg;
    let fits = |inst: Inst| {
        let (x, y) = binary(dfg, inst, Opcode::Imul)?;
        let high = |v| high_of(dfg, v).is_some() || int_const(dfg, v).is_some_and(|c| c <= LOW);
        let whole = dfg.value_type(x) == types::I64;
        (whole && high(x) && high(y)).then_some(())
    };
    let all = func
        .layout
        .blocks()
        .flat_map(|block| func.layout.block_insts(block));
    all.filter(|inst| fits(*inst).is_some()).collect()
}

fn users(func: &Function) -> Users {
    let mut users = Users::new();
    for block in func.layout.blocks() {
        for inst in func.layout.block_insts(block) {
            for value in func.dfg.inst_values(inst) {
                users.entry(value).or_default().push(inst);
            }
        }
    }
    users
}

/// The value of which `value` is the high half.
fn high_of(dfg: &DataFlowGraph, value: Value) -> Option<Value> {
    let (x, by) = binary(dfg, def(dfg, value)?, Opcode::Ushr)?;
    let whole = dfg.value_type(x) == types::I64 && int_const(dfg, x).is_none();
    (whole && count(dfg, by) == Some(32)).then_some(x)
}

/// By how many bits something of 64 bits is shifted.
fn count(dfg: &DataFlowGraph, value: Value) -> Option<u32> {
    int_const(dfg, value).map(|c| (c & 63) as u32)
}

/// What is left when `value` is a mask or an extension that keeps the low half of something.
fn low_of(dfg: &DataFlowGraph, value: Value) -> Option<Value> {
    let inst = def(dfg, value)?;
    match dfg.insts[inst] {
        InstructionData::Binary {
            opcode: Opcode::Band,
            args,
        } if dfg.value_type(value) == types::I64 => match args.map(|v| int_const(dfg, v)) {
            [None, Some(LOW)] => Some(args[0]),
            [Some(LOW), None] => Some(args[1]),
            _ => None,
        },
        InstructionData::Unary {
            opcode: Opcode::Uextend,
            arg,
        } => match dfg.insts[def(dfg, arg)?] {
            InstructionData::Unary {
                opcode: Opcode::Ireduce,
                arg: whole,
            } => {
                let fits = dfg.value_type(whole) == types::I64 && dfg.value_type(arg) == types::I32;
                fits.then_some(whole)
            }
            _ => None,
        },
        _ => None,
    }
}

/// Which half of `operand` a value is.
fn half(func: &Function, value: Value, operand: Operand) -> Option<Half> {
    let dfg = &func.dfg;
    match operand {
        Operand::Constant(whole) => match int_const(dfg, value)? {
            c if c == whole >> 32 => Some(Half::High),
            c if c == whole & LOW => Some(Half::Low),
            _ => None,
        },
        Operand::Value(whole) if high_of(dfg, value) == Some(whole) => Some(Half::High),
        Operand::Value(whole) if low_of(dfg, value) == Some(whole) => Some(Half::Low),
        // What has 32 bits only is its own low half.
        Operand::Value(whole) => {
            let narrow = value == whole && Bits::unknown().possible(func, value) <= LOW;
            narrow.then_some(Half::Low)
        }
    }
}

/// The pairs of numbers that a product of high halves may belong to.
fn pairs(func: &Function, users: &Users, seed: Inst) -> SmallVec<[Pair; MAX_GUESSES]> {
    let dfg = &func.dfg;
    let Some((x, y)) = binary(dfg, seed, Opcode::Imul) else {
        return smallvec![];
    };
    let (a, high, variable) = match (high_of(dfg, x), high_of(dfg, y)) {
        (Some(a), Some(b)) => return smallvec![(a, Operand::Value(b))],
        (Some(a), None) => (a, int_const(dfg, y), x),
        (None, Some(a)) => (a, int_const(dfg, x), y),
        (None, None) => return smallvec![],
    };
    let Some(high) = high else {
        return smallvec![];
    };
    // The other constants with which this half is multiplied.
    let mut found = SmallVec::new();
    for user in users.get(&variable).into_iter().flatten() {
        let other = binary(dfg, *user, Opcode::Imul)
            .and_then(|(x, y)| int_const(dfg, if x == variable { y } else { x }));
        if let Some(low) = other
            && low <= LOW
            && low != high
            && found.len() < MAX_GUESSES
        {
            found.push((a, Operand::Constant(high << 32 | low)));
        }
    }
    found
}

/// Which of the four products that of these halves is. In a square two are the same.
fn which((a, b): Pair, x: Half, y: Half) -> usize {
    match (x, y) {
        (Half::Low, Half::Low) => 0,
        (Half::Low, Half::High) if b != Operand::Value(a) => 1,
        (Half::Low, Half::High) | (Half::High, Half::Low) => 2,
        (Half::High, Half::High) => HIGHEST,
    }
}

/// The whole product as a sum of the four.
fn whole(pair: Pair) -> Sum<u128> {
    let mut sum = [0; 4];
    for (x, up) in [(Half::Low, 0), (Half::High, 32)] {
        for (y, more) in [(Half::Low, 0), (Half::High, 32)] {
            sum[which(pair, x, y)] += 1u128 << (up + more);
        }
    }
    sum
}

/// Rewrites what is the high or the low half of the product of `pair`, if the high one is found.
/// What is nothing but a half of a product of 128 bits goes to `replaced`.
fn visit(
    func: &mut Function,
    users: &Users,
    pair: Pair,
    replaced: &mut HashMap<Value, Value>,
) -> bool {
    let whole = whole(pair);
    let (Some(high), Some(low)) = (Form::high_half(whole), Form::low_half(whole)) else {
        return false;
    };
    let forms = follow(func, users, pair, &low);
    let mut found = sums(&func.dfg, users, &forms, &[high, low]);
    if !found.iter().any(|sum| sum.is == HIGH_HALF) {
        return false;
    }
    // A signed high half is better off alone.
    let signed = |sum: &Found| match pair {
        (a, Operand::Value(b)) => take_signs(&func.dfg, a, b, &mut sum.others.clone()),
        _ => false,
    };
    let first = |is| found.iter().find(|sum| sum.is == is && !signed(sum));
    let both = first(HIGH_HALF).zip(first(LOW_HALF));
    let both = both.map(|(high, low)| (high.inst, low.inst));
    let block = |inst| func.layout.inst_block(inst);
    if let Some((high, low)) = both.filter(|(high, low)| block(*high) == block(*low)) {
        let of_block = |sum: &&Found| block(sum.inst) == block(high);
        let insts = found.iter().filter(of_block).map(|sum| sum.inst);
        let earliest = insts.fold(low, |early, inst| {
            let before = func.layout.pp_cmp(inst, early).is_lt();
            if before { inst } else { early }
        });
        let (together, alone): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|sum| func.layout.inst_block(sum.inst) == func.layout.inst_block(high));
        let halves = both_halves(func, pair, earliest);
        for sum in together {
            let result = func.dfg.first_result(sum.inst);
            match added_up(func, sum.inst, sum.others) {
                None => {
                    replaced.insert(result, halves[sum.is]);
                }
                Some(rest) => put(func, sum.inst, Opcode::Iadd, halves[sum.is], rest),
            }
        }
        found = alone;
    }
    for sum in found {
        rewrite(func, pair, sum);
    }
    true
}

/// The high and the low half, before `inst`, in the form of which the code generator makes one
/// instruction.
fn both_halves(func: &mut Function, pair: Pair, inst: Inst) -> [Value; 2] {
    let (a, b) = operands(func, pair, inst);
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let a = cursor.ins().uextend(types::I128, a);
    let b = cursor.ins().uextend(types::I128, b);
    let product = cursor.ins().imul(a, b);
    let (low, high) = cursor.ins().isplit(product);
    [high, low]
}

/// The sum of `others`, before `inst`.
fn added_up(func: &mut Function, inst: Inst, others: Vec<Value>) -> Option<Value> {
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    others
        .into_iter()
        .reduce(|sum, other| cursor.ins().iadd(sum, other))
}

/// The forms of all that is computed from products of halves of `pair` and nothing else.
fn follow(func: &Function, users: &Users, pair: Pair, low: &Form) -> HashMap<Value, Form> {
    let mut forms = HashMap::new();
    let mut fresh = Vec::new();
    for (value, which) in products(func, users, pair) {
        forms.insert(value, Form::product(which));
        fresh.push(value);
    }
    for inst in users.get(&pair.0).into_iter().flatten() {
        if is_low_half(&func.dfg, pair, *inst) {
            forms.insert(func.dfg.first_result(*inst), low.clone());
            fresh.push(func.dfg.first_result(*inst));
        }
    }
    while let Some(value) = fresh.pop() {
        for user in users.get(&value).into_iter().flatten() {
            let [result] = *func.dfg.inst_results(*user) else {
                continue;
            };
            if !forms.contains_key(&result)
                && forms.len() < MAX_FORMS
                && let Some(form) = computed(&func.dfg, &forms, *user)
            {
                forms.insert(result, form);
                fresh.push(result);
            }
        }
    }
    forms
}

/// Whether `inst` multiplies both numbers themselves.
fn is_low_half(dfg: &DataFlowGraph, (a, b): Pair, inst: Inst) -> bool {
    let is_b = |value| match b {
        Operand::Value(b) => value == b,
        Operand::Constant(b) => int_const(dfg, value) == Some(b),
    };
    binary(dfg, inst, Opcode::Imul).is_some_and(|(x, y)| x == a && is_b(y) || y == a && is_b(x))
}

/// The products of halves, and which of the four they are.
fn products(func: &Function, users: &Users, pair: Pair) -> Vec<(Value, usize)> {
    let dfg = &func.dfg;
    let used = |value| users.get(&value).into_iter().flatten().copied();
    let results = |value| used(value).filter_map(|inst| dfg.inst_results(inst).first().copied());
    let a = Operand::Value(pair.0);
    let mut parts = vec![pair.0];
    for value in results(pair.0) {
        parts.push(value);
        // Through 32 bits and back.
        parts.extend(results(value).filter(|v| low_of(dfg, *v).is_some()));
    }
    parts.retain(|value| half(func, *value, a).is_some());
    let mut found = Vec::new();
    for inst in parts.iter().flat_map(|part| used(*part)) {
        let Some((x, y)) = binary(dfg, inst, Opcode::Imul) else {
            continue;
        };
        for (x, y) in [(x, y), (y, x)] {
            if let Some(x) = half(func, x, a)
                && let Some(y) = half(func, y, pair.1)
            {
                found.push((dfg.first_result(inst), which(pair, x, y)));
                break;
            }
        }
    }
    found
}

/// The form of what `inst` computes, if its operands have forms.
fn computed(dfg: &DataFlowGraph, forms: &HashMap<Value, Form>, inst: Inst) -> Option<Form> {
    let form = |value: Value| forms.get(&value);
    match dfg.insts[inst] {
        InstructionData::Binary { opcode, args } if dfg.value_type(args[0]) == types::I64 => {
            let [x, y] = args;
            let by = || count(dfg, y).filter(|by| *by > 0);
            match opcode {
                Opcode::Iadd => form(x)?.plus(form(y)?),
                Opcode::Ushr => form(x)?.right(by()?),
                Opcode::Ishl => form(x)?.left(by()?),
                Opcode::Band => {
                    let (value, mask) = match int_const(dfg, y) {
                        Some(mask) => (x, mask),
                        None => (y, int_const(dfg, x)?),
                    };
                    let low = mask != 0 && mask & mask.wrapping_add(1) == 0;
                    form(value)?.low(low.then_some(mask.count_ones())?)
                }
                // Where no bit is set in both.
                Opcode::Bor => {
                    let apart = |high: Value, low: Value| {
                        let (_, by) = binary(dfg, def(dfg, high)?, Opcode::Ishl)?;
                        (form(low)?.max() >> count(dfg, by)? == 0).then_some(())
                    };
                    apart(x, y).or_else(|| apart(y, x))?;
                    form(x)?.plus(form(y)?)
                }
                _ => None,
            }
        }
        InstructionData::IntCompare { args, cond, .. } => match cond {
            IntCC::UnsignedLessThan => form(args[0])?.below(form(args[1])?),
            IntCC::UnsignedGreaterThan => form(args[1])?.below(form(args[0])?),
            _ => None,
        },
        InstructionData::Unary { opcode, arg } => match opcode {
            Opcode::Uextend => form(arg).cloned(),
            Opcode::Ireduce => form(arg)?.low(dfg.value_type(dfg.first_result(inst)).bits()),
            _ => None,
        },
        // A carry that is added where there is one.
        InstructionData::Ternary {
            opcode: Opcode::Select,
            args: [condition, more, less],
        } if dfg.value_type(less) == types::I64 => {
            let carry = form(condition)?;
            let (base, step) = match (int_const(dfg, more), int_const(dfg, less)) {
                (Some(step), Some(0)) => (None, step),
                _ => {
                    let (base, step) = plus_const(dfg, more)?;
                    ((base == less).then_some(Some(base))?, step)
                }
            };
            let fits = step.is_power_of_two() && carry.max() == 1;
            let step = carry.left(fits.then_some(step.trailing_zeros())?)?;
            match base {
                Some(base) => form(base)?.plus(&step),
                None => Some(step),
            }
        }
        _ => None,
    }
}

/// Values that consist of one of `halves` and others. Those that nothing is to be done for, because
/// they are one multiplication already, are not among them.
fn sums(
    dfg: &DataFlowGraph,
    users: &Users,
    forms: &HashMap<Value, Form>,
    halves: &[Form; 2],
) -> Vec<Found> {
    let mut starts: Vec<Value> = forms.keys().copied().collect();
    starts.sort_unstable();
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    // What is a low half without being a sum.
    for value in &starts {
        if let Some(inst) = def(dfg, *value)
            && dfg.insts[inst].opcode() == Opcode::Bor
            && forms[value] == halves[LOW_HALF]
        {
            seen.insert(inst);
            found.push(Found::of(inst, LOW_HALF, Vec::new()));
        }
    }
    let mut fresh = VecDeque::from(starts);
    while let Some(value) = fresh.pop_front() {
        for user in users.get(&value).into_iter().flatten() {
            let sum = binary(dfg, *user, Opcode::Iadd);
            let words = sum.is_some_and(|(x, _)| dfg.value_type(x) == types::I64);
            if !words || seen.len() == MAX_SUMS || !seen.insert(*user) {
                continue;
            }
            let result = dfg.first_result(*user);
            match others(dfg, forms, result, halves) {
                Some((is, others)) => found.push(Found::of(*user, is, others)),
                None => fresh.push_back(result),
            }
        }
    }
    found
}

/// If the parts of a sum that have forms make up one of `halves`: which one, and the parts that have
/// none.
fn others(
    dfg: &DataFlowGraph,
    forms: &HashMap<Value, Form>,
    sum: Value,
    halves: &[Form; 2],
) -> Option<(usize, Vec<Value>)> {
    let mut known = Form::zero();
    let mut others = Vec::new();
    let mut parts = vec![sum];
    let mut taken = 0;
    while let Some(part) = parts.pop() {
        taken += 1;
        let inner = def(dfg, part).and_then(|inst| binary(dfg, inst, Opcode::Iadd));
        match (inner, forms.get(&part)) {
            (Some((x, y)), _) if taken < MAX_PARTS => parts.extend([y, x]),
            // Nothing is gained by a multiplication in the place of another.
            (_, Some(form)) if halves.contains(form) => return None,
            (_, Some(form)) => known.add(form, 1)?,
            _ => others.push(part),
        }
    }
    let known = known.simplified()?;
    let known = known.modulo(64).unwrap_or(known);
    let is = halves.iter().position(|half| *half == known)?;
    Some((is, others))
}

/// Makes a sum that of a multiplication and the others.
fn rewrite(func: &mut Function, pair: Pair, sum: Found) {
    let Found {
        inst,
        is,
        mut others,
    } = sum;
    let (a, b) = operands(func, pair, inst);
    let opcode = match is {
        LOW_HALF => Opcode::Imul,
        _ if take_signs(&func.dfg, a, b, &mut others) => Opcode::Smulhi,
        _ => Opcode::Umulhi,
    };
    let rest = added_up(func, inst, others);
    let Some(rest) = rest else {
        return put(func, inst, opcode, a, b);
    };
    let mut cursor = FuncCursor::new(func).at_inst(inst);
    cursor.set_srcloc(cursor.func.srcloc(inst));
    let product = cursor.ins().imul(a, b);
    if let Some(product) = def(&cursor.func.dfg, product) {
        put(cursor.func, product, opcode, a, b);
    }
    put(func, inst, Opcode::Iadd, product, rest);
}

/// Has `inst`, a binary operation, compute something else.
fn put(func: &mut Function, inst: Inst, opcode: Opcode, a: Value, b: Value) {
    let args = [a, b];
    func.dfg.insts[inst] = InstructionData::Binary { opcode, args };
}

/// Takes `b` where `a` is negative and `a` where `b` is, both negated, out of `others`, if both are there.
fn take_signs(dfg: &DataFlowGraph, a: Value, b: Value, others: &mut Vec<Value>) -> bool {
    let signs = |value: Value, of: Value| {
        let shift = def(dfg, value).and_then(|inst| binary(dfg, inst, Opcode::Sshr));
        shift.is_some_and(|(x, by)| x == of && count(dfg, by) == Some(63))
    };
    let find = |of: Value, times: Value| {
        others.iter().position(|other| {
            let product = def(dfg, *other).and_then(|inst| binary(dfg, inst, Opcode::Imul));
            product.is_some_and(|(x, y)| signs(x, of) && y == times || signs(y, of) && x == times)
        })
    };
    match (find(a, b), find(b, a)) {
        (Some(one), Some(other)) if one != other => {
            others.remove(one.max(other));
            others.remove(one.min(other));
            true
        }
        _ => false,
    }
}

/// The two numbers, before `inst`.
fn operands(func: &mut Function, (a, b): Pair, inst: Inst) -> (Value, Value) {
    let b = match b {
        Operand::Value(b) => b,
        Operand::Constant(b) => {
            let mut cursor = FuncCursor::new(func).at_inst(inst);
            cursor.set_srcloc(cursor.func.srcloc(inst));
            cursor.ins().iconst(types::I64, b as i64)
        }
    };
    (a, b)
}

#[cfg(test)]
mod tests;
