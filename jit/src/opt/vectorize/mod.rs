//! Counted loops that do the same to neighbouring places in memory do it to a whole vector at once.
//!
//! Programs compiled without the vector proposal add, scale and copy arrays element by element. Where
//! the stores of a few rounds, and all that leads to them, are the same operations on neighbouring
//! places ([`mod@pack`]), the rounds become one round on vectors of 16 bytes:
//!
//! ```text
//!   block0:                              block0:
//!     jump block1(a)                       enough rounds?      no: block1(a)
//!                                        block2:
//!                                          places apart and inside the memory?
//!                                                              no: block1(a)
//!                                        block3:
//!                                          s = splat x; jump block4(a)
//!                                        block4(i):
//!                                          v = load.f64x2 base + i
//!                                          store (fmul v, s), other + i
//!                                          k = i + 16
//!                                          enough rounds?      yes: block4(k)
//!   block1(i):                           block1(i):
//!     v = load.f64 base + i                as before
//!     store (fmul v, x), other + i
//!     j = i + 8
//!     brif (icmp ne j, n), block1(j), ..
//! ```
//!
//! **Sound.** As long as [`count`](super::count) says that enough rounds are left, a turn of the body
//! stands for so many rounds of the loop, whose test it also shows to stay; the loop itself does what is
//! left, at least one round, so what is used behind it is still what it computed. The rounds consist of
//! accesses to the memory, pure operations and sums that step, nothing else. The test before the loop
//! ([`reach`]) says that no access in any of the rounds that turns stand for can trap, so which comes
//! first cannot be told by one that does; loads whose value no store needs may be left out.
//!
//! What remains is the order of accesses to the same bytes. Two of different groups never touch the same
//! bytes, by that test, unless both load. Two of one group keep their distance, and in a turn all loads
//! come before all stores: so no store of a round may touch bytes that a later load of the turn reads
//! ([`ordered`]), nor those of another store. Turns follow each other as their rounds did.
//!
//! Operations on vectors do in each lane what the operation does: IEEE 754 and modulo 2^n, nothing is
//! associated anew. In narrow lanes only what makes low bits from low bits is done. Of a NaN that an
//! operation makes, sign and payload may be others than in the round by itself, where wasm leaves the choice:
//! minimum and maximum of vectors choose otherwise, and operands may be exchanged. Where NaNs are to be
//! canonical, comparisons follow the operations, and such loops stay as they are.
//!
//! Other accesses than those of the memory behind the function's first parameter are none of this pass's
//! loops, and that memory is never shared, and does not shrink: nothing else writes it, or its length,
//! meanwhile.

mod pack;
mod reach;

use super::bits::Bits;
use super::code::{def, is_pure, plus_const, signed, terminator};
use super::count::Counted;
use super::loops::{arguments, edge, entry, innermost, is_outside, passed, way_in};
use super::memory::redirect;
use super::{Facts, Unit};
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, MemFlagsData, Value};
use cranelift_codegen::loop_analysis::Loop;
use pack::{BYTES, Packed, Packer, place};
use reach::{Addresses, Next, Reach, Variables};
use std::cell::OnceCell;

/// Most accesses of one loop.
const MAX_ACCESSES: usize = 48;
/// Most of all rounds of a turn together.
const MAX_LANES: usize = 512;
/// Turns that compute up to so many vectors get twice as many rounds.
const SMALL: usize = 5;
/// Turns of so many rounds do not get more.
const MANY: u32 = 8;
/// Stores that must be left for the test before the loop to be worth it.
const WORTH: usize = 8;
/// Variables of one loop.
const MAX_VARIABLES: usize = 32;
/// How many rounds ago what a variable is may have been loaded.
const MAX_AGO: u32 = 3;
/// Most loops of one function.
const MAX_LOOPS: usize = 32;

/// A loop that can be done so.
struct Plan {
    header: Block,
    /// What leads into the loop.
    before: Inst,
    counted: Counted,
    variables: Variables,
    reach: Reach,
    packed: Packed,
    /// The rounds that a turn stands for.
    rounds: u32,
    /// The rounds that must be left at first.
    least: usize,
}

/// Rewrites the function of `context`, whose loops are known; the headers of the loops it did.
pub(super) fn run(context: &mut Context, facts: Facts) -> Vec<Block> {
    if facts.length.is_none() {
        return Vec::new();
    }
    let unit = Unit::of(context, facts);
    let bits = OnceCell::new();
    let plans: Vec<Plan> = innermost(&unit)
        .into_iter()
        .filter_map(|(inside, blocks)| plan(&unit, inside, &blocks, &bits))
        .take(MAX_LOOPS)
        .collect();
    let mut done = Vec::new();
    for plan in &plans {
        let Some(()) = rewrite(&mut context.func, facts, plan) else {
            unreachable!("a plan has all it takes");
        };
        done.push(plan.header);
    }
    if !plans.is_empty() {
        context.flowgraph();
        context.compute_loop_analysis();
    }
    done
}

fn plan(unit: &Unit<'_>, inside: Loop, blocks: &[Block], bits: &OnceCell<Bits>) -> Option<Plan> {
    let func = &*unit.func;
    let [header] = *blocks else { return None };
    let outside = |value| is_outside(unit, inside, value);
    let last = terminator(func, header)?;
    // The quickest way out: most loops store nothing.
    let stores = |inst| func.dfg.insts[inst].opcode().can_store();
    if !func.layout.block_insts(header).any(stores) {
        return None;
    }
    let counted = Counted::of(func, header, outside)?;
    let before = entry(unit, inside)?;
    let variables = variables(func, header, last, arguments(func, before, header)?)?;
    let mut reach = Reach::default();
    for inst in func.layout.block_insts(header).filter(|inst| *inst != last) {
        let op = func.dfg.insts[inst].opcode();
        if !op.can_load() && !op.can_store() {
            is_pure(func, inst).then_some(())?;
        } else if reach.accesses.len() == MAX_ACCESSES {
            return None;
        } else {
            reach.add(unit, &variables, &outside, inst)?;
        }
    }
    reach.add_earlier(&variables)?;
    reach.can_be_tested(&counted).then_some(())?;
    let (rounds, packed) = pack(func, header, &variables, &reach)?;
    reach.fits(func, rounds).then_some(())?;
    let possible = |value| bits.get_or_init(|| Bits::of(func)).possible(func, value);
    let most = counted.most(func, variables.first[counted.param], possible);
    let stores = reach.accesses.iter().filter(|access| access.is_store);
    let least = (rounds as usize).max(WORTH / stores.count().max(1));
    (most > least as u64 * 2).then_some(Plan {
        header,
        before,
        counted,
        variables,
        reach,
        packed,
        rounds,
        least,
    })
}

/// What the header's parameters are and become, if all are sums or were loaded.
fn variables(func: &Function, header: Block, last: Inst, first: Vec<Value>) -> Option<Variables> {
    let params = func.dfg.block_params(header).to_vec();
    if params.len() > MAX_VARIABLES {
        return None;
    }
    let handed = |at| passed(func, last, header, at).next().flatten();
    let mut next = Vec::new();
    for (at, param) in params.iter().enumerate() {
        let ty = func.dfg.value_type(*param);
        let value = handed(at)?;
        let step = if value == *param {
            Some(0)
        } else {
            let sum = plus_const(&func.dfg, value).filter(|(from, _)| from == param);
            sum.map(|(_, step)| signed(step, ty))
        };
        next.push(match step {
            Some(step) => Next::Step(step),
            None => loaded(func, header, &params, handed, value)?,
        });
    }
    Some(Variables {
        params,
        first,
        next,
    })
}

/// The load in the loop that `value` came from, through other parameters.
fn loaded(
    func: &Function,
    header: Block,
    params: &[Value],
    handed: impl Fn(usize) -> Option<Value>,
    mut value: Value,
) -> Option<Next> {
    for ago in 1..=MAX_AGO {
        if let Some(at) = params.iter().position(|param| *param == value) {
            value = handed(at)?;
            continue;
        }
        let inst = def(&func.dfg, value)?;
        let inside = func.layout.inst_block(inst) == Some(header);
        let loads = inside && func.dfg.insts[inst].opcode().can_load();
        return loads.then_some(Next::Loaded(inst, ago));
    }
    None
}

/// The fewest rounds that make whole vectors, or more of them if these are few.
fn pack(
    func: &Function,
    header: Block,
    variables: &Variables,
    reach: &Reach,
) -> Option<(u32, Packed)> {
    let body = |rounds: u32| {
        let fits = reach.accesses.len() * rounds as usize <= MAX_LANES;
        (fits && ordered(variables, reach, rounds))
            .then(|| Packer::new(func, header, variables, reach).pack(rounds))
            .flatten()
    };
    let (mut rounds, mut packed) = [1, 2, 4, 8, BYTES]
        .into_iter()
        .find_map(|rounds| Some((rounds, body(rounds)?)))?;
    while packed.weight() <= SMALL
        && rounds < MANY
        && let Some(more) = body(rounds * 2)
    {
        (rounds, packed) = (rounds * 2, more);
    }
    Some((rounds, packed))
}

/// Whether loads may come before stores in a turn of so many rounds: no store touches bytes that a later
/// load reads, or those of another store, in their group.
fn ordered(variables: &Variables, reach: &Reach, rounds: u32) -> bool {
    let stores = reach
        .accesses
        .iter()
        .enumerate()
        .filter(|(_, access)| access.is_store);
    for (at, store) in stores {
        let step = reach.step(store);
        if step == 0 {
            return false;
        }
        let (from, end) = (store.constant, store.constant + i64::from(store.ty.bytes()));
        for (other_at, other) in reach.accesses.iter().enumerate() {
            if other.group != store.group {
                continue;
            }
            // The other access so many rounds later; the same store only in other rounds.
            for later in 1 - i64::from(rounds)..i64::from(rounds) {
                let (other_from, is_after) =
                    (other.constant + later * step, (later, other_at) > (0, at));
                let meet = other_from < end && from < other_from + i64::from(other.ty.bytes());
                let itself = later == 0 && other_at == at;
                if meet && !itself && (other.is_store || is_after) {
                    return false;
                }
            }
        }
    }
    // What is loaded again must be what was loaded rounds before.
    let touched = |next: &Next| match next {
        Next::Step(_) => false,
        Next::Loaded(inst, ago) => reach.is_stored_to(*inst, rounds + ago),
    };
    !variables.next.iter().any(touched)
}

fn rewrite(func: &mut Function, facts: Facts, plan: &Plan) -> Option<()> {
    let (header, counted) = (plan.header, &plan.counted);
    let (rounds, first) = (plan.rounds as usize, &plan.variables.first);
    let location = func.srcloc(plan.before);
    let block = |func: &mut Function| {
        let block = func.dfg.make_block();
        func.layout.insert_block(block, header);
        block
    };
    let before = way_in(func, plan.before, header);
    let [test, ready, body] = [(); 3].map(|()| block(func));
    let args = edge(first);

    let mut cursor = FuncCursor::new(func).at_inst(before);
    cursor.set_srcloc(location);
    let bound = counted.bound(&mut cursor, plan.least);
    let enough = counted.enough(&mut cursor, first[counted.param], bound, plan.least);
    func.replace(before).brif(enough, test, &[], header, &args);

    let mut cursor = FuncCursor::new(func).at_bottom(test);
    cursor.set_srcloc(location);
    let reach = &plan.reach;
    let apart = reach.test(&mut cursor, facts, header, &plan.variables, counted)?;
    if plan.carries() {
        let equal = cursor.func.dfg.make_block();
        cursor.ins().brif(apart, equal, &[], header, &args);
        cursor.func.layout.insert_block(equal, ready);
        cursor.goto_bottom(equal);
        let same = plan.carries_what_is_there(&mut cursor)?;
        cursor.ins().brif(same, ready, &[], header, &args);
    } else {
        cursor.ins().brif(apart, ready, &[], header, &args);
    }

    cursor.goto_bottom(ready);
    let mut addresses = Addresses::new(header, &plan.variables, first);
    let done = plan.packed.before(&mut cursor, &mut addresses)?;
    let bound = counted.bound(&mut cursor, rounds);
    cursor.ins().jump(body, &edge(&plan.steps(first)));

    // What was loaded in earlier rounds is loaded again, and needs no parameter.
    let mut params = first.clone();
    for (param, next) in params.iter_mut().zip(&plan.variables.next) {
        if matches!(next, Next::Step(_)) {
            let ty = cursor.func.dfg.value_type(*param);
            *param = cursor.func.dfg.append_block_param(body, ty);
        }
    }
    cursor.goto_bottom(body);
    let mut addresses = Addresses::new(header, &plan.variables, &params);
    let step = |inst| plan.step(inst);
    plan.packed.body(&mut cursor, &mut addresses, done, step)?;
    let next = plan.next(&mut cursor, &params);
    let enough = counted.enough(&mut cursor, next[counted.param], bound, rounds);
    let (steps, all) = (edge(&plan.steps(&next)), edge(&next));
    if plan.carries() {
        let out = cursor.func.dfg.make_block();
        cursor.ins().brif(enough, body, &steps, out, &[]);
        cursor.func.layout.insert_block(out, header);
        cursor.goto_bottom(out);
        let again = plan.again(&mut cursor, &next)?;
        let last = next.iter().zip(again);
        let last: Vec<Value> = last.map(|(next, now)| now.unwrap_or(*next)).collect();
        cursor.ins().jump(header, &edge(&last));
    } else {
        cursor.ins().brif(enough, body, &steps, header, &all);
    }
    Some(())
}

impl Plan {
    /// Whether a variable was loaded in an earlier round.
    fn carries(&self) -> bool {
        let mut next = self.variables.next.iter();
        next.any(|next| matches!(next, Next::Loaded(..)))
    }

    /// Whether such variables are what they would have been loaded as before the first round.
    fn carries_what_is_there(&self, cursor: &mut FuncCursor<'_>) -> Option<Value> {
        let first = &self.variables.first;
        let mut same = None;
        for (now, then) in self.again(cursor, first)?.into_iter().zip(first) {
            let Some(now) = now else { continue };
            let [now, then] = [now, *then].map(|value| bits_of(cursor, value));
            let is = cursor.ins().icmp(IntCC::Equal, now, then);
            same = Some(match same {
                Some(all) => cursor.ins().band(all, is),
                None => is,
            });
        }
        same
    }

    /// For each variable that was loaded in an earlier round, a load from there, when the variables are
    /// `values`.
    fn again(&self, cursor: &mut FuncCursor<'_>, values: &[Value]) -> Option<Vec<Option<Value>>> {
        let mut addresses = Addresses::new(self.header, &self.variables, values);
        let mut all = Vec::new();
        for next in &self.variables.next {
            let Next::Loaded(inst, ago) = *next else {
                all.push(None);
                continue;
            };
            let (address, _, offset) = place(cursor.func, inst)?;
            let address = addresses.address(cursor, address)?;
            let ago = self.step(inst) * i64::from(ago);
            let offset = i32::try_from(i64::from(offset) - ago).ok()?;
            let again = cursor.func.dfg.clone_inst(inst);
            redirect(cursor.func, again, address, offset);
            cursor.insert_inst(again);
            all.push(Some(cursor.func.dfg.first_result(again)));
        }
        Some(all)
    }

    /// Those of the variables' values that go round with the body.
    fn steps(&self, values: &[Value]) -> Vec<Value> {
        let pairs = values.iter().zip(&self.variables.next);
        let steps = pairs.filter(|(_, next)| matches!(next, Next::Step(_)));
        steps.map(|(value, _)| *value).collect()
    }

    /// What the variables are after a turn.
    fn next(&self, cursor: &mut FuncCursor<'_>, params: &[Value]) -> Vec<Value> {
        let mut next = params.to_vec();
        for (value, what) in next.iter_mut().zip(&self.variables.next) {
            if let Next::Step(step @ (..=-1 | 1..)) = *what {
                let ty = cursor.func.dfg.value_type(*value);
                let all = step.wrapping_mul(i64::from(self.rounds));
                let all = cursor.ins().iconst(ty, signed(all as u64, ty));
                *value = cursor.ins().iadd(*value, all);
            }
        }
        next
    }

    /// The bytes by which the place of an access moves in a round.
    fn step(&self, inst: Inst) -> i64 {
        let access = self.reach.access(inst);
        access.map_or(0, |access| self.reach.step(access))
    }
}

/// The bits of a number as an integer.
fn bits_of(cursor: &mut FuncCursor<'_>, value: Value) -> Value {
    let ty = cursor.func.dfg.value_type(value);
    if ty.is_int() {
        return value;
    }
    let flags = MemFlagsData::new();
    cursor.ins().bitcast(ty.as_int(), flags, value)
}

#[cfg(test)]
mod tests;
