//! A rare choice that the next iteration waits for becomes a branch.
//!
//! A `select` waits for its condition and both values. Where the condition is known late, because it
//! compares what was just loaded, and the result is what the loop goes on with, every iteration
//! waits for the load and the comparison before the next one can begin:
//!
//! ```text
//!   block1(p):                           block1(p):
//!     c = uload8 p                         c = uload8 p
//!     e = icmp eq c, '\\'                  e = icmp eq c, '\\'
//!     n = select e, 2, 1                   brif e, block2, block3
//!     q = iadd p, n                      block2 (cold):  q2 = iadd p, 2;  jump block4(q2)
//!     brif .., block1(q), ..             block3:         q1 = iadd p, 1;  jump block4(q1)
//!                                        block4(q):
//!                                          brif .., block1(q), ..
//! ```
//!
//! A branch is predicted instead. That pays if the prediction is mostly right, so only equalities
//! with a constant count, which are rarely true; of two loaded values either may be the larger.
//!
//! **Sound** because what follows gets the value that the select would have given; an addition that
//! moves into both arms is pure and has no other user.

use super::code::{def, int_const, terminator};
use cranelift_codegen::Context;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, BlockArg, Function, Inst, InstBuilder, InstructionData, Opcode, Value,
};
use cranelift_codegen::loop_analysis::{Loop, LoopAnalysis};

/// So many operations are followed from a choice to the next iteration.
const MAX_STEPS: u32 = 4;
/// Most choices of one function that become branches.
const MAX_CHOICES: usize = 64;

/// A select that is worth a branch.
struct Choice {
    select: Inst,
    /// The only user of the select, if it is an addition in its block, which the arms do instead.
    sum: Option<Inst>,
}

/// Rewrites the function of `context`, whose loops are known; whether it changed anything.
pub(super) fn run(context: &mut Context) -> bool {
    let (func, loops) = (&mut context.func, &context.loop_analysis);
    let choices = choices(func, loops);
    for choice in &choices {
        split(func, choice);
    }
    if !choices.is_empty() {
        context.flowgraph();
        context.compute_loop_analysis();
    }
    !choices.is_empty()
}

/// The choices of innermost loops, in program order, at most one in a block.
fn choices(func: &Function, loops: &LoopAnalysis) -> Vec<Choice> {
    let has_select = |block: &Block| {
        let in_loop = loops.innermost_loop(*block).is_some();
        in_loop
            && func
                .layout
                .block_insts(*block)
                .any(|inst| is_select(func, inst))
    };
    if !func.layout.blocks().any(|block| has_select(&block)) {
        return Vec::new();
    }
    let uses = Uses::of(func, loops);
    let blocks = func.layout.blocks().filter(has_select);
    let first_of = |block: Block| {
        let mut insts = func.layout.block_insts(block);
        insts.find_map(|inst| choice(func, loops, block, inst, &uses))
    };
    blocks.filter_map(first_of).take(MAX_CHOICES).collect()
}

fn is_select(func: &Function, inst: Inst) -> bool {
    func.dfg.insts[inst].opcode() == Opcode::Select
}

/// Who uses which value, and what loops hand to their next iteration.
struct Uses {
    by: SecondaryMap<Value, Users>,
    handed: SecondaryMap<Value, bool>,
    /// For parameters of loop headers, something that the loop hands to them.
    next: SecondaryMap<Value, Option<Value>>,
}

impl Uses {
    fn of(func: &Function, loops: &LoopAnalysis) -> Uses {
        let mut uses = Uses {
            by: SecondaryMap::new(),
            handed: SecondaryMap::new(),
            next: SecondaryMap::new(),
        };
        for block in func.layout.blocks() {
            for inst in func.layout.block_insts(block) {
                for value in func.dfg.inst_values(inst) {
                    uses.by[value].add(inst);
                }
            }
            if let Some(last) = terminator(func, block) {
                uses.follow(func, loops, block, last);
            }
        }
        uses
    }

    /// Notes what `branch` hands to headers of loops around it.
    fn follow(&mut self, func: &Function, loops: &LoopAnalysis, block: Block, branch: Inst) {
        let calls = func.dfg.insts[branch]
            .branch_destination(&func.dfg.jump_tables, &func.dfg.exception_tables);
        for call in calls {
            let to = call.block(&func.dfg.value_lists);
            let back = loops
                .innermost_loop(to)
                .is_some_and(|l| loops.loop_header(l) == to && loops.is_in_loop(block, l));
            if !back {
                continue;
            }
            let params = func.dfg.block_params(to);
            for (param, arg) in params.iter().zip(call.args(&func.dfg.value_lists)) {
                if let Some(value) = arg.as_value() {
                    self.handed[value] = true;
                    self.next[*param] = Some(value);
                }
            }
        }
    }
}

/// Who uses a value.
#[derive(Clone, Copy, Default)]
enum Users {
    #[default]
    None,
    One(Inst),
    More,
}

impl Users {
    fn add(&mut self, user: Inst) {
        *self = match self {
            Users::None => Users::One(user),
            _ => Users::More,
        };
    }

    fn only(self) -> Option<Inst> {
        match self {
            Users::One(inst) => Some(inst),
            _ => None,
        }
    }
}

fn choice(
    func: &Function,
    loops: &LoopAnalysis,
    block: Block,
    select: Inst,
    uses: &Uses,
) -> Option<Choice> {
    let InstructionData::Ternary {
        opcode: Opcode::Select,
        args: [condition, ..],
    } = func.dfg.insts[select]
    else {
        return None;
    };
    let inside = loops.innermost_loop(block)?;
    let result = func.dfg.first_result(select);
    if !func.dfg.value_type(result).is_int() || !is_rare(func, loops, inside, uses, condition) {
        return None;
    }
    let user = uses.by[result].only()?;
    let is_sum = func.dfg.insts[user].opcode() == Opcode::Iadd
        && func.layout.inst_block(user) == Some(block);
    let sum = is_sum.then_some(user);
    carried(func, uses, sum.unwrap_or(select)).then_some(Choice { select, sum })
}

/// Whether the condition compares something loaded in the loop with a constant for equality.
fn is_rare(
    func: &Function,
    loops: &LoopAnalysis,
    inside: Loop,
    uses: &Uses,
    condition: Value,
) -> bool {
    let compare = def(&func.dfg, condition).map(|inst| func.dfg.insts[inst]);
    let Some(InstructionData::IntCompare { args, cond, .. }) = compare else {
        return false;
    };
    matches!(cond, IntCC::Equal | IntCC::NotEqual)
        && int_const(&func.dfg, args[1]).is_some()
        && is_loaded(func, loops, inside, uses, args[0])
}

/// Whether `value` was loaded in the loop, in this iteration or the one before.
fn is_loaded(
    func: &Function,
    loops: &LoopAnalysis,
    inside: Loop,
    uses: &Uses,
    mut value: Value,
) -> bool {
    for _ in 0..MAX_STEPS {
        let Some(inst) = def(&func.dfg, value) else {
            match uses.next[value] {
                Some(handed) => value = handed,
                None => return false,
            }
            continue;
        };
        let op = func.dfg.insts[inst].opcode();
        if op.can_load() && !op.is_call() {
            let home = func.layout.inst_block(inst);
            return home.is_some_and(|home| loops.is_in_loop(home, inside));
        }
        match op {
            Opcode::Band | Opcode::Ireduce | Opcode::Uextend | Opcode::Sextend => {
                value = func.dfg.inst_args(inst)[0];
            }
            _ => return false,
        }
    }
    false
}

/// Whether what `inst` computes is handed to the next iteration, after a few operations.
fn carried(func: &Function, uses: &Uses, inst: Inst) -> bool {
    let mut value = func.dfg.first_result(inst);
    for _ in 0..MAX_STEPS {
        if uses.handed[value] {
            return true;
        }
        match uses.by[value].only() {
            Some(user) if func.dfg.inst_results(user).len() == 1 => {
                value = func.dfg.first_result(user);
            }
            _ => return false,
        }
    }
    false
}

/// Ends the block of the choice with a branch, and begins another with its result.
fn split(func: &mut Function, choice: &Choice) {
    let InstructionData::Ternary {
        args: [condition, yes, no],
        ..
    } = func.dfg.insts[choice.select]
    else {
        return;
    };
    let result = func.dfg.first_result(choice.select);
    let last = choice.sum.unwrap_or(choice.select);
    let Some(before) = func.layout.inst_block(last) else {
        return;
    };
    let chosen = func.dfg.first_result(last);
    let equal = matches!(
        def(&func.dfg, condition).map(|inst| func.dfg.insts[inst]),
        Some(InstructionData::IntCompare {
            cond: IntCC::Equal,
            ..
        })
    );
    let location = func.srcloc(choice.select);
    let rest = func.dfg.make_block();
    let arms = [func.dfg.make_block(), func.dfg.make_block()];
    func.layout.split_block(rest, last);
    for arm in arms {
        func.layout.insert_block(arm, rest);
    }
    let other = choice.sum.map(|sum| {
        let args = func.dfg.inst_args(sum);
        if args[0] == result { args[1] } else { args[0] }
    });
    func.layout.remove_inst(last);
    if choice.sum.is_some() {
        func.layout.remove_inst(choice.select);
    }
    func.dfg.detach_inst_results(last);
    func.dfg.attach_block_param(rest, chosen);
    let mut cursor = FuncCursor::new(func).at_bottom(before);
    cursor.set_srcloc(location);
    cursor.ins().brif(condition, arms[0], &[], arms[1], &[]);
    for (arm, value) in arms.into_iter().zip([yes, no]) {
        cursor.goto_bottom(arm);
        let value = match other {
            Some(other) => cursor.ins().iadd(other, value),
            None => value,
        };
        cursor.ins().jump(rest, &[BlockArg::Value(value)]);
    }
    cursor.func.layout.set_cold(arms[usize::from(!equal)]);
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check_context;
    use expect_test::expect;

    /// A scan to a quote that steps over what follows a backslash; `compare` is how the byte is
    /// compared, `handed` what the next iteration gets.
    fn scan(compare: &str, handed: &str) -> String {
        format!(
            "function %f(i64, i64) -> i64 {{
            block0(v0: i64, v9: i64):
                v1 = iconst.i64 2
                v2 = iconst.i64 1
                v10 = uload8.i32 v0
                jump block1(v0, v10)
            block1(v3: i64, v4: i32):
                v5 = iconst.i32 92
                v6 = {compare}
                v7 = select v6, v1, v2
                v8 = iadd v3, v7
                v11 = uload8.i32 v8
                v12 = iconst.i32 34
                v13 = icmp eq v11, v12
                brif v13, block2, block1({handed}, v11)
            block2:
                return v8
            }}"
        )
    }

    #[test]
    fn a_step_that_depends_on_a_loaded_byte_is_a_branch() {
        check_context(
            super::run,
            &scan("icmp eq v4, v5", "v8"),
            expect![[r#"
                function %f(i64, i64) -> i64 fast {
                block0(v0: i64, v9: i64):
                    v1 = iconst.i64 2
                    v2 = iconst.i64 1
                    v10 = uload8.i32 v0
                    jump block1(v0, v10)

                block1(v3: i64, v4: i32):
                    v5 = iconst.i32 92
                    v6 = icmp eq v4, v5  ; v5 = 92
                    brif v6, block4, block5

                block4 cold:
                    v14 = iadd.i64 v3, v1  ; v1 = 2
                    jump block3(v14)

                block5:
                    v15 = iadd.i64 v3, v2  ; v2 = 1
                    jump block3(v15)

                block3(v8: i64):
                    v11 = uload8.i32 v8
                    v12 = iconst.i32 34
                    v13 = icmp eq v11, v12  ; v12 = 34
                    brif v13, block2, block1(v8, v11)

                block2:
                    return v8
                }
            "#]],
        );
    }

    #[test]
    fn orders_and_what_the_loop_does_not_go_on_with_are_left_alone() {
        let unchanged = || expect![["unchanged\n"]];
        check_context(super::run, &scan("icmp ult v4, v5", "v8"), unchanged());
        check_context(super::run, &scan("icmp eq v4, v5", "v9"), unchanged());
        check_context(super::run, &scan("icmp eq v5, v4", "v8"), unchanged());
        // A value from outside is the same in every iteration.
        check_context(
            super::run,
            "function %f(i32, i32) -> i32 {
            block0(v0: i32, v1: i32):
                jump block1(v0)
            block1(v2: i32):
                v3 = iconst.i32 7
                v4 = icmp eq v1, v3
                v5 = select v4, v0, v1
                v6 = iadd v2, v5
                brif v6, block1(v6), block2
            block2:
                return v6
            }",
            unchanged(),
        );
    }

    #[test]
    fn a_choice_without_a_sum_is_handed_on_as_it_is() {
        check_context(
            super::run,
            "function %f(i64) -> i64 {
            block0(v0: i64):
                jump block1(v0)
            block1(v1: i64):
                v2 = load.i64 v1
                v3 = iconst.i64 0
                v4 = icmp ne v2, v3
                v5 = select v4, v2, v0
                brif v4, block1(v5), block2
            block2:
                return v1
            }",
            expect![[r#"
                function %f(i64) -> i64 fast {
                block0(v0: i64):
                    jump block1(v0)

                block1(v1: i64):
                    v2 = load.i64 v1
                    v3 = iconst.i64 0
                    v4 = icmp ne v2, v3  ; v3 = 0
                    brif v4, block4, block5

                block4:
                    jump block3(v2)

                block5 cold:
                    jump block3(v0)

                block3(v5: i64):
                    brif.i8 v4, block1(v5), block2

                block2:
                    return v1
                }
            "#]],
        );
    }
}
