//! Float constants of inner loops stay in registers.
//!
//! The code generator reads a float constant from memory in the instruction that uses it, which
//! takes no register but one of the few loads that a cycle can do, and where an instruction needs it
//! in a register, one more instruction each time. In an innermost loop that leaves registers free,
//! the constant is loaded once before the loop. It is written as the cast of an integer, because a
//! constant would be folded into its users again wherever it stands.
//!
//! ```text
//!   loop: y = fmul x, 0.5        becomes      k = bitcast.f64 0x3fe0…     loop: y = fmul x, k
//! ```
//!
//! **Sound**: the cast has the constant's bits, and the block before the loop dominates it.

use super::Unit;
use super::loops::{entry, innermost, pressure};
use super::lowering::Reads;
use cranelift_codegen::cursor::{Cursor, FuncCursor};
use cranelift_codegen::ir::{
    Block, Function, Inst, InstBuilder, InstructionData, MemFlagsData, Type, Value, types,
};
use std::collections::HashMap;

/// Vector registers that a loop may take with its constants; the allocator needs the rest.
const REGISTERS: usize = 14;

pub(super) fn run(unit: &mut Unit<'_>) -> bool {
    let mut changed = false;
    for (inside, blocks) in innermost(unit) {
        if let Some(before) = entry(unit, inside) {
            changed |= visit(unit, &blocks, before);
        }
    }
    changed
}

/// A float constant: its type and bits.
fn constant(func: &Function, value: Value) -> Option<(Type, u64)> {
    match func.dfg.insts[func.dfg.value_def(value).inst()?] {
        InstructionData::UnaryIeee32 { imm, .. } => Some((types::F32, imm.bits().into())),
        InstructionData::UnaryIeee64 { imm, .. } => Some((types::F64, imm.bits())),
        _ => None,
    }
}

/// The values in vector registers that `inst` reads, without the constants that the loop might keep.
fn vectors(func: &Function, inst: Inst) -> Reads {
    let mut read: Reads = func.dfg.inst_values(inst).collect();
    read.retain(|value| {
        let ty = func.dfg.value_type(*value);
        (ty.is_float() || ty.is_vector()) && constant(func, *value).is_none()
    });
    read
}

fn visit(unit: &mut Unit<'_>, blocks: &[Block], before: Inst) -> bool {
    let func = &*unit.func;
    let mut uses: Vec<((Type, u64), Vec<Inst>)> = Vec::new();
    let mut places: HashMap<(Type, u64), usize> = HashMap::new();
    for block in blocks {
        for inst in func.layout.block_insts(*block) {
            if func.dfg.insts[inst].opcode().is_call() {
                return false;
            }
            for value in func.dfg.inst_args(inst) {
                // Zero costs an instruction that takes no time.
                let Some(constant) = constant(func, *value).filter(|(_, bits)| *bits != 0) else {
                    continue;
                };
                let place = *places.entry(constant).or_insert_with(|| {
                    uses.push((constant, Vec::new()));
                    uses.len() - 1
                });
                uses[place].1.push(inst);
            }
        }
    }
    if uses.is_empty() {
        return false;
    }
    uses.sort_by_key(|(_, users)| std::cmp::Reverse(users.len()));
    uses.truncate(REGISTERS.saturating_sub(pressure(func, blocks, vectors)));
    for ((ty, bits), users) in &uses {
        let func = &mut *unit.func;
        let mut cursor = FuncCursor::new(func).at_inst(before);
        cursor.set_srcloc(cursor.func.srcloc(before));
        let word = if *ty == types::F32 {
            types::I32
        } else {
            types::I64
        };
        let integer = cursor.ins().iconst(word, *bits as i64);
        let kept = cursor.ins().bitcast(*ty, MemFlagsData::new(), integer);
        for user in users {
            let is_it: Vec<Value> = func.dfg.inst_args(*user).to_vec();
            let is_it =
                |value| is_it.contains(&value) && constant(func, value) == Some((*ty, *bits));
            let replaced: Vec<Value> = func
                .dfg
                .inst_args(*user)
                .iter()
                .map(|value| if is_it(*value) { kept } else { *value })
                .collect();
            func.dfg.inst_args_mut(*user).copy_from_slice(&replaced);
        }
    }
    !uses.is_empty()
}

#[cfg(test)]
mod tests {
    use crate::opt::testing::check;
    use expect_test::expect;

    /// A loop over a float, with `body` computing the next one, `v9`.
    fn text(body: &str) -> String {
        format!(
            "function %f(i64, i32, f64) -> f64 {{
                sig0 = (f64) -> f64
                fn0 = %g sig0
            block0(v0: i64, v1: i32, v2: f64):
                jump block1(v1, v2)
            block1(v3: i32, v4: f64):
                v5 = f64const 0x1.8p3
                v6 = fmul v4, v5
                v7 = f64const 0.0
                v8 = fadd v6, v7
                {body}
                v10 = iconst.i32 1
                v11 = isub v3, v10
                brif v11, block1(v11, v9), block2
            block2:
                return v9
            }}"
        )
    }

    #[test]
    fn constants_are_kept_in_registers() {
        check(
            super::run,
            &text("v12 = f64const 0x1.8p3\n v9 = fdiv v12, v8"),
            expect![[r#"
                function %f(i64, i32, f64) -> f64 fast {
                    sig0 = (f64) -> f64 fast
                    fn0 = %g sig0

                block0(v0: i64, v1: i32, v2: f64):
                    v13 = iconst.i64 0x4028_0000_0000_0000
                    v14 = bitcast.f64 v13  ; v13 = 0x4028_0000_0000_0000
                    jump block1(v1, v2)

                block1(v3: i32, v4: f64):
                    v5 = f64const 0x1.8000000000000p3
                    v6 = fmul v4, v14
                    v7 = f64const 0.0
                    v8 = fadd v6, v7  ; v7 = 0.0
                    v12 = f64const 0x1.8000000000000p3
                    v9 = fdiv.f64 v14, v8
                    v10 = iconst.i32 1
                    v11 = isub v3, v10  ; v10 = 1
                    brif v11, block1(v11, v9), block2

                block2:
                    return v9
                }
            "#]],
        );
    }

    #[test]
    fn not_around_calls() {
        check(
            super::run,
            &text("v9 = call fn0(v8)"),
            expect![["unchanged\n"]],
        );
    }

    #[test]
    fn not_where_registers_are_short() {
        let mut body = String::new();
        for n in 20..36 {
            body += &format!("v{n} = load.f64 v0+{}\n", n * 8);
        }
        body += "v40 = fadd v20, v8\n";
        for n in 1..16 {
            body += &format!("v{} = fadd v{}, v{}\n", 40 + n, 39 + n, 20 + n);
        }
        body += "v9 = fadd v55, v8\n";
        check(super::run, &text(&body), expect![["unchanged\n"]]);
    }
}
