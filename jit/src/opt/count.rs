//! How a loop counts, and a test that so many iterations will not leave it.
//!
//! The loop's test stays in the loop while `t ? limit` holds, where `t` is the variable `x` at the top
//! of the iteration or `x + step`, in n bits, and `limit` comes from outside. Let `way` be the steps'
//! sum over all iterations of the body, `factor * |step|`. All tests of so many iterations hold if at
//! the top
//!
//! ```text
//!   x != limit     upwards: limit - x >u way        downwards: x - limit >u way
//!   x <  limit     upwards:   x < max(limit, least + way) - way
//!   x >  limit     downwards: x > min(limit, most - way) + way
//! ```
//!
//! For the first: the distance modulo 2^n falls by `|step|` each time without going below zero, and
//! is more than zero after the last, so none of the tested values is the limit. For the others:
//! `x + way < limit` without a wrap, whether the bound was cut off or not (then nothing is less than
//! it), and all values tested lie between.

use super::code::{def, int_const, mask, plus_const, signed, terminator};
use cranelift_codegen::cursor::FuncCursor;
use cranelift_codegen::ir::condcodes::{CondCode, IntCC};
use cranelift_codegen::ir::{
    Block, BlockCall, Function, Inst, InstBuilder, InstructionData, Opcode, Type, Value, ValueDef,
    types,
};

/// Larger steps could come round: the way of a body stays far below half of any type's range.
const MAX_STEP: u64 = 1 << 16;

/// The test that a loop ends with.
pub(super) struct Counted {
    /// The position of the header's parameter that counts.
    pub(super) param: usize,
    /// The type in which it is tested: its own, or 32 of its 64 bits.
    pub(super) ty: Type,
    /// What each iteration adds.
    pub(super) step: i64,
    /// When it goes on: `NotEqual`, or an order without `OrEqual`, which asks for more.
    stays: IntCC,
    /// What it is compared with.
    pub(super) limit: Limit,
}

/// What a loop's variable is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// A constant, wherever it stands.
    Constant(u64),
    /// A value from outside the loop.
    Outside(Value),
}

impl Counted {
    /// How the loop of the one block `header` counts, if it does.
    pub(super) fn of(
        func: &Function,
        header: Block,
        is_outside: impl Fn(Value) -> bool,
    ) -> Option<Counted> {
        let branch = terminator(func, header)?;
        let InstructionData::Brif { arg, blocks, .. } = func.dfg.insts[branch] else {
            return None;
        };
        let lists = &func.dfg.value_lists;
        let (yes, no) = (blocks[0].block(lists), blocks[1].block(lists));
        let back = match (yes == header, no == header) {
            (true, false) => blocks[0],
            (false, true) => blocks[1],
            _ => return None,
        };
        let (stays, tested, limit) = test(func, arg, yes == header, &is_outside)?;
        let ty = func.dfg.value_type(tested);
        let (param, step) = variable(func, header, &back, tested)?;
        let upwards = step > 0;
        let stays = match stays {
            IntCC::NotEqual => IntCC::NotEqual,
            IntCC::UnsignedLessThan | IntCC::UnsignedLessThanOrEqual if upwards => {
                IntCC::UnsignedLessThan
            }
            IntCC::SignedLessThan | IntCC::SignedLessThanOrEqual if upwards => {
                IntCC::SignedLessThan
            }
            IntCC::UnsignedGreaterThan | IntCC::UnsignedGreaterThanOrEqual if !upwards => {
                IntCC::UnsignedGreaterThan
            }
            IntCC::SignedGreaterThan | IntCC::SignedGreaterThanOrEqual if !upwards => {
                IntCC::SignedGreaterThan
            }
            _ => return None,
        };
        Some(Counted {
            param,
            ty,
            step,
            stays,
            limit,
        })
    }

    /// At most how often the loop goes round if its variable starts at `first`; `possible` says which
    /// bits a value can have. Few rounds are those that compilers leave behind what they unrolled.
    pub(super) fn most(
        &self,
        func: &Function,
        first: Value,
        possible: impl Fn(Value) -> u64,
    ) -> u64 {
        let way = match (int_const(&func.dfg, first), self.limit) {
            (Some(first), Limit::Constant(limit)) if self.step > 0 => limit.wrapping_sub(first),
            (Some(first), Limit::Constant(limit)) => first.wrapping_sub(limit),
            (Some(0), Limit::Outside(limit)) => possible(limit),
            (None, Limit::Constant(0)) => possible(first),
            _ => u64::MAX,
        };
        (way & mask(self.ty)) / self.step.unsigned_abs()
    }

    /// What [`Counted::enough`] compares with, computed once.
    pub(super) fn bound(&self, cursor: &mut FuncCursor<'_>, factor: usize) -> Value {
        let ty = self.ty;
        let constant =
            |cursor: &mut FuncCursor<'_>, bits: u64| cursor.ins().iconst(ty, signed(bits, ty));
        let limit = self.limit_value(cursor);
        if self.stays == IntCC::NotEqual {
            return limit;
        }
        let way = factor as u64 * self.step.unsigned_abs();
        let all = mask(ty);
        let half = all ^ (all >> 1);
        // The value that the bound is cut off at, and the last limit that needs no cut.
        let (end, last, keeps) = match self.stays {
            IntCC::UnsignedLessThan => (0, way, IntCC::UnsignedGreaterThanOrEqual),
            IntCC::SignedLessThan => (half, half + way, IntCC::SignedGreaterThanOrEqual),
            IntCC::UnsignedGreaterThan => (all, all - way, IntCC::UnsignedLessThanOrEqual),
            _ => (all >> 1, (all >> 1) - way, IntCC::SignedLessThanOrEqual),
        };
        let upwards = self.step > 0;
        let moved = constant(cursor, if upwards { way.wrapping_neg() } else { way });
        let moved = cursor.ins().iadd(limit, moved);
        let last = constant(cursor, last);
        let keeps = cursor.ins().icmp(keeps, limit, last);
        let end = constant(cursor, end);
        cursor.ins().select(keeps, moved, end)
    }

    /// How far, in 64 bits, the variable goes from `x` while [`Counted::enough`] says of each value
    /// on the way that iterations are left: at most so far, if it says so of `x`.
    pub(super) fn way(&self, cursor: &mut FuncCursor<'_>, x: Value) -> Value {
        let x = self.tested(cursor, x);
        let limit = self.limit_value(cursor);
        let way = if self.step > 0 {
            cursor.ins().isub(limit, x)
        } else {
            cursor.ins().isub(x, limit)
        };
        if self.ty == types::I64 {
            return way;
        }
        cursor.ins().uextend(types::I64, way)
    }

    /// The limit as a value.
    fn limit_value(&self, cursor: &mut FuncCursor<'_>) -> Value {
        match self.limit {
            Limit::Outside(limit) => limit,
            Limit::Constant(bits) => cursor.ins().iconst(self.ty, signed(bits, self.ty)),
        }
    }

    /// The variable in the type in which it is tested.
    fn tested(&self, cursor: &mut FuncCursor<'_>, x: Value) -> Value {
        if cursor.func.dfg.value_type(x) == self.ty {
            x
        } else {
            cursor.ins().ireduce(self.ty, x)
        }
    }

    /// Whether, with the variable `x` at the top, `factor` iterations stay in the loop.
    pub(super) fn enough(
        &self,
        cursor: &mut FuncCursor<'_>,
        x: Value,
        bound: Value,
        factor: usize,
    ) -> Value {
        let x = self.tested(cursor, x);
        if self.stays != IntCC::NotEqual {
            return cursor.ins().icmp(self.stays, x, bound);
        }
        let left = match (self.step > 0, self.limit) {
            (true, _) => cursor.ins().isub(bound, x),
            (false, Limit::Constant(0)) => x,
            (false, _) => cursor.ins().isub(x, bound),
        };
        let way = factor as i64 * self.step.abs();
        let way = cursor.ins().iconst(self.ty, way);
        cursor.ins().icmp(IntCC::UnsignedGreaterThan, left, way)
    }
}

/// When the loop goes on: the comparison, what it tests, what with. `stays_if` is the condition's
/// value with which it does.
fn test(
    func: &Function,
    condition: Value,
    stays_if: bool,
    is_outside: impl Fn(Value) -> bool,
) -> Option<(IntCC, Value, Limit)> {
    let compare = def(&func.dfg, condition).map(|inst| func.dfg.insts[inst]);
    let Some(InstructionData::IntCompare { args, cond, .. }) = compare else {
        let number = func.dfg.value_type(condition).is_int() && stays_if;
        return number.then_some((IntCC::NotEqual, condition, Limit::Constant(0)));
    };
    let ty = func.dfg.value_type(args[0]);
    if ty != types::I32 && ty != types::I64 {
        return None;
    }
    let cond = if stays_if { cond } else { cond.complement() };
    let limit = |value| match int_const(&func.dfg, value) {
        Some(bits) => Some(Limit::Constant(bits)),
        None => is_outside(value).then_some(Limit::Outside(value)),
    };
    match (limit(args[0]), limit(args[1])) {
        (None, Some(limit)) => Some((cond, args[0], limit)),
        (Some(limit), None) => Some((cond.swap_args(), args[1], limit)),
        _ => None,
    }
}

/// The position of the parameter that `tested` is, or is the next value of, and its step.
fn variable(
    func: &Function,
    header: Block,
    back: &BlockCall,
    tested: Value,
) -> Option<(usize, i64)> {
    let ty = func.dfg.value_type(tested);
    if ty != types::I32 && ty != types::I64 {
        return None;
    }
    let position = |value: Value| match func.dfg.value_def(value) {
        ValueDef::Param(block, position) if block == header => Some(position),
        _ => None,
    };
    // Directly, as the low half, as the sum's low half, as the low half's sum.
    let param = position(whole(func, tested)).or_else(|| {
        let (from, _) = plus_const(&func.dfg, whole(func, tested))?;
        position(whole(func, from))
    })?;
    let next = back.args(&func.dfg.value_lists).nth(param)?.as_value()?;
    let (from, step) = plus_const(&func.dfg, next)?;
    let step = signed(step, ty);
    let same = position(from) == Some(param);
    let offset = match position(whole(func, tested)) {
        Some(_) => 0,
        None => {
            let (_, offset) = plus_const(&func.dfg, whole(func, tested))?;
            signed(offset, ty)
        }
    };
    let tests_it = offset == 0 || offset == step;
    (same && tests_it && step != 0 && step.unsigned_abs() <= MAX_STEP).then_some((param, step))
}

/// What a 32-bit value is the low half of, or the value.
fn whole(func: &Function, value: Value) -> Value {
    match def(&func.dfg, value).map(|inst: Inst| func.dfg.insts[inst]) {
        Some(InstructionData::Unary {
            opcode: Opcode::Ireduce,
            arg,
        }) => arg,
        _ => value,
    }
}
