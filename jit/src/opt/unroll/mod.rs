//! Small counted loops do several iterations a turn.
//!
//! A loop that adds to a variable and tests it pays for that in every iteration, and for a jump
//! back. Where it is known at its top that a number of iterations will not leave it, they run as
//! one body, which steps and tests once, and whose accesses differ in their offsets alone:
//!
//! ```text
//!   block0:                              block0:
//!     jump block1(a)                       t = icmp ugt (n - a), 16
//!                                          brif t, block3(a), block1(a)
//!                                        block3(i):
//!                                          v = load base + i;      store v, other + i
//!                                          w = load base + i + 8;  store w, other + i + 8
//!                                          k = i + 16
//!                                          t = icmp ugt (n - k), 16
//!                                          brif t, block3(k), block1(k)
//!   block1(i):                           block1(i):
//!     v = load base + i                    as before: one iteration at least
//!     store v, other + i
//!     j = i + 8
//!     brif (icmp ne j, n), block1(j), ..
//! ```
//!
//! Where sums of what is loaded go round, the test gets a block at the top instead.
//!
//! **Sound**: the copies do what the iterations do, in the same order, less the tests, which
//! [`count`](super::count) shows to stay in the loop; the original loop does the last iteration, so whatever is
//! used behind the loop is still what it computed. [`copy`] keeps sums with constants as such, which
//! is exact modulo the width of their type, and an access at `a + d` is the same access at `a` with
//! `d` in its offset: addresses have 64 bits, and so has the machine's sum.

mod copy;

use super::Unit;
use super::bits::Bits;
use super::code::{def, is_const, is_pure, plus_const, signed, terminator};
use super::count::Counted;
use super::loops::{arguments, edge, entry, innermost, is_outside, params_like, passed, way_in};
use copy::Copier;
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{Block, Function, Inst, InstBuilder, Opcode, Value};
use cranelift_codegen::loop_analysis::Loop;
use std::cell::OnceCell;

/// So many operations in the unrolled body, address arithmetic not counted.
const MAX_BODY: usize = 64;
/// So many with it.
const MAX_LENGTH: usize = 6 * MAX_BODY;
/// Most iterations in one.
const MAX_FACTOR: usize = 8;
/// Steps of so many bytes are long: a few of these cross a page.
const MAX_STRIDE: u64 = 2048;
/// How far behind a sum loads are looked for.
const MAX_DEPTH: usize = 4;
/// Most loops of one function.
const MAX_LOOPS: usize = 64;

/// A loop that is worth it.
struct Plan {
    header: Block,
    /// What leads into the loop.
    before: Inst,
    counted: Counted,
    factor: usize,
    /// The test stands in a block of its own at the top.
    top: bool,
}

/// Rewrites the function of `context`, whose loops are known; whether it changed anything.
///
/// The loops of the headers `done` are left as they are.
pub(super) fn run(context: &mut Context, facts: super::Facts, done: &[Block]) -> bool {
    let unit = Unit::of(context, facts);
    let bits = OnceCell::new();
    let plans: Vec<Plan> = innermost(&unit)
        .into_iter()
        .filter(|(_, blocks)| !blocks.iter().any(|block| done.contains(block)))
        .filter_map(|(inside, blocks)| plan(&unit, inside, &blocks, &bits))
        .take(MAX_LOOPS)
        .collect();
    for plan in &plans {
        unroll(&mut context.func, plan);
    }
    if !plans.is_empty() {
        context.flowgraph();
        context.compute_loop_analysis();
    }
    !plans.is_empty()
}

fn plan(unit: &Unit<'_>, inside: Loop, blocks: &[Block], bits: &OnceCell<Bits>) -> Option<Plan> {
    let func = &*unit.func;
    let [header] = *blocks else { return None };
    if strides(func, header) {
        return None;
    }
    let factor = factor(func, header)?;
    let counted = Counted::of(func, header, |value| is_outside(unit, inside, value))?;
    let before = entry(unit, inside)?;
    let first = arguments(func, before, header)?;
    let possible = |value| bits.get_or_init(|| Bits::of(func)).possible(func, value);
    let most = counted.most(func, first[counted.param], possible);
    (most > factor as u64 * 2).then_some(Plan {
        header,
        before,
        top: sums_loads(func, header, counted.param),
        counted,
        factor,
    })
}

/// Whether a sum goes round that takes operands from memory. At the end of the body it would have
/// two users, the next turn and the loop behind; the code generator takes that for all of the sum's
/// operands, and makes none of the loads part of its user. Parameters of a block at the top may have
/// as many users as there are.
fn sums_loads(func: &Function, header: Block, counts: usize) -> bool {
    let Some(last) = terminator(func, header) else {
        return false;
    };
    let count = func.dfg.block_params(header).len();
    (0..count)
        .filter(|at| *at != counts)
        .filter_map(|at| passed(func, last, header, at).next()?)
        .any(|value| takes_load(func, header, value, MAX_DEPTH))
}

/// Whether an operand of `value`, or of these, is loaded in the block.
fn takes_load(func: &Function, block: Block, value: Value, depth: usize) -> bool {
    let here = |value| def(&func.dfg, value).filter(|i| func.layout.inst_block(*i) == Some(block));
    let Some(inst) = here(value).filter(|inst| depth > 0 && is_pure(func, *inst)) else {
        return false;
    };
    func.dfg.inst_args(inst).iter().any(|arg| {
        here(*arg).is_some_and(|inst| func.dfg.insts[inst].opcode().can_load())
            || takes_load(func, block, *arg, depth - 1)
    })
}

/// Whether a variable of the loop takes long steps. The processor fetches ahead what one instruction
/// reads in equal steps, if these are short enough; copies of the instruction each take longer ones.
fn strides(func: &Function, header: Block) -> bool {
    let Some(last) = terminator(func, header) else {
        return false;
    };
    let params = func.dfg.block_params(header);
    params.iter().enumerate().any(|(at, param)| {
        let next = passed(func, last, header, at).next().flatten();
        let sum = next.and_then(|next| plus_const(&func.dfg, next));
        sum.is_some_and(|(from, step)| {
            let step = signed(step, func.dfg.value_type(*param));
            from == *param && step.unsigned_abs() >= MAX_STRIDE
        })
    })
}

/// How many iterations fit in a body, if more than one.
fn factor(func: &Function, block: Block) -> Option<usize> {
    let last = terminator(func, block)?;
    let (mut weight, mut length) = (0, 0);
    let (mut accesses, mut floats) = (false, false);
    for inst in func.layout.block_insts(block).filter(|inst| *inst != last) {
        let op = func.dfg.insts[inst].opcode();
        let results = func.dfg.inst_results(inst);
        if op.is_call() || results.len() > 1 {
            return None;
        }
        accesses |= op.can_load() || op.can_store();
        floats |= results
            .iter()
            .map(|value| func.dfg.value_type(*value))
            .any(|ty| ty.is_float() || ty.is_vector());
        let counts = !matches!(op, Opcode::Iadd | Opcode::Ireduce) && !is_const(func, inst);
        weight += usize::from(counts);
        length += 1;
    }
    let fits = (MAX_BODY / weight.max(1))
        .min(MAX_LENGTH / length.max(1))
        .min(MAX_FACTOR);
    // Powers of two, so that whole lines and common lengths come out even.
    let factor = 1 << fits.checked_ilog2()?;
    let least = if floats { 2 } else { 4 };
    (accesses && factor >= least).then_some(factor)
}

fn unroll(func: &mut Function, plan: &Plan) {
    let Some(first) = arguments(func, plan.before, plan.header) else {
        return;
    };
    let top = plan.top.then(|| {
        let top = func.dfg.make_block();
        func.layout.insert_block(top, plan.header);
        top
    });
    let body = func.dfg.make_block();
    func.layout.insert_block(body, plan.header);
    let location = func.srcloc(plan.before);
    let before = way_in(func, plan.before, plan.header);
    let mut cursor = FuncCursor::new(func).at_inst(before);
    cursor.set_srcloc(location);
    let bound = plan.counted.bound(&mut cursor, plan.factor);
    let args = edge(&first);
    if let Some(top) = top {
        func.replace(before).jump(top, &args);
        let params = params_like(func, plan.header, top);
        test(func, plan, bound, (top, &params), (body, &[]));
        let next = Copier::new(func, plan.header, params, body).copies(plan.factor);
        let mut cursor = FuncCursor::new(func).at_bottom(body);
        cursor.set_srcloc(location);
        cursor.ins().jump(top, &edge(&next));
    } else {
        let enough =
            plan.counted
                .enough(&mut cursor, first[plan.counted.param], bound, plan.factor);
        func.replace(before)
            .brif(enough, body, &args, plan.header, &args);
        let params = params_like(func, plan.header, body);
        let next = Copier::new(func, plan.header, params, body).copies(plan.factor);
        test(func, plan, bound, (body, &next), (body, &next));
    }
}

/// Ends the block `at` with the test whether there are enough iterations for another body, given what
/// the loop's parameters are; the block `more` gets its arguments, the loop what they are.
fn test(
    func: &mut Function,
    plan: &Plan,
    bound: Value,
    (at, values): (Block, &[Value]),
    (more, args): (Block, &[Value]),
) {
    let location = func.srcloc(plan.before);
    let mut cursor = FuncCursor::new(func).at_bottom(at);
    cursor.set_srcloc(location);
    let enough = plan
        .counted
        .enough(&mut cursor, values[plan.counted.param], bound, plan.factor);
    let (args, rest) = (edge(args), edge(values));
    cursor.ins().brif(enough, more, &args, plan.header, &rest);
}

#[cfg(test)]
mod tests;
