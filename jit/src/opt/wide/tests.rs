//! The pass on what compilers emit, and on what only looks like it; both compared number by number.

use super::super::code::{mask, sweep};
use super::super::testing::check;
use super::*;
use expect_test::expect;
use std::collections::HashMap;

/// Operands at which carries come and go.
const EDGES: [u64; 16] = [
    0,
    1,
    2,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    1 << 32,
    (1 << 32) + 1,
    0xffff_fffe_0000_0001,
    0x7fff_ffff_ffff_ffff,
    1 << 63,
    0x8000_0000_ffff_ffff,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_fffe,
    u64::MAX,
];

/// Pairs of operands: all edges with each other, and others that are drawn.
fn operands() -> Vec<[u64; 2]> {
    let mut all: Vec<[u64; 2]> = Vec::new();
    for a in EDGES {
        all.extend(EDGES.map(|b| [a, b]));
    }
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let word = state ^ state >> 29;
        match word >> 61 {
            0 => word | 0xffff_ffff,
            1 => word | 0xffff_ffff_0000_0000,
            2 => word & 0xffff_ffff,
            _ => word,
        }
    };
    all.extend((0..2000).map(|_| [draw(), draw()]));
    all
}

/// All values of a function without branches and memory.
fn evaluate(func: &Function, params: [u64; 2]) -> HashMap<Value, u64> {
    let dfg = &func.dfg;
    let entry = func.layout.entry_block().expect("a block");
    let mut values: HashMap<Value, u64> = HashMap::new();
    for (at, param) in dfg.block_params(entry).iter().enumerate() {
        values.insert(*param, params[at] & mask(dfg.value_type(*param)));
    }
    for inst in func.layout.block_insts(entry) {
        let result = match *dfg.inst_results(inst) {
            [result] => result,
            [low, high] => {
                let (a, b) = extended(dfg, inst);
                let product = u128::from(values[&a]) * u128::from(values[&b]);
                values.insert(low, product as u64);
                values.insert(high, (product >> 64) as u64);
                continue;
            }
            _ => continue,
        };
        // Of 128 bits there is one sort of product only, and it is split at once.
        if dfg.value_type(result).bits() > 64 {
            continue;
        }
        let args: Vec<u64> = dfg.inst_args(inst).iter().map(|v| values[v]).collect();
        let wide = |value: u64| u128::from(value);
        let signed = |value: u64| i128::from(value as i64);
        let computed = match dfg.insts[inst].opcode() {
            Opcode::Iconst => int_const(dfg, result).expect("a constant"),
            Opcode::Iadd => args[0].wrapping_add(args[1]),
            Opcode::Imul => args[0].wrapping_mul(args[1]),
            Opcode::Umulhi => ((wide(args[0]) * wide(args[1])) >> 64) as u64,
            Opcode::Smulhi => ((signed(args[0]) * signed(args[1])) >> 64) as u64,
            Opcode::Band => args[0] & args[1],
            Opcode::Bor => args[0] | args[1],
            Opcode::Ushr => args[0] >> (args[1] & 63),
            Opcode::Sshr => ((args[0] as i64) >> (args[1] & 63)) as u64,
            Opcode::Ishl => args[0] << (args[1] & 63),
            Opcode::Uextend | Opcode::Ireduce => args[0],
            Opcode::Select => args[if args[0] != 0 { 1 } else { 2 }],
            Opcode::Icmp => match dfg.insts[inst] {
                InstructionData::IntCompare { cond, .. } => match cond {
                    IntCC::UnsignedLessThan => u64::from(args[0] < args[1]),
                    IntCC::UnsignedGreaterThan => u64::from(args[0] > args[1]),
                    other => panic!("{other}"),
                },
                _ => unreachable!("a comparison"),
            },
            other => panic!("{other}"),
        };
        values.insert(result, computed & mask(dfg.value_type(result)));
    }
    values
}

/// The numbers whose product of 128 bits is split here.
fn extended(dfg: &DataFlowGraph, split: Inst) -> (Value, Value) {
    let from = |value| def(dfg, value).expect("an operation");
    assert_eq!(dfg.insts[split].opcode(), Opcode::Isplit);
    let product = from(dfg.inst_args(split)[0]);
    let (a, b) = binary(dfg, product, Opcode::Imul).expect("a product");
    let [a, b] = [a, b].map(|value| {
        let extension = from(value);
        assert_eq!(dfg.insts[extension].opcode(), Opcode::Uextend);
        dfg.inst_args(extension)[0]
    });
    (a, b)
}

/// What the function returns.
fn returned(func: &Function, params: [u64; 2]) -> Vec<u64> {
    let values = evaluate(func, params);
    let entry = func.layout.entry_block().expect("a block");
    let last = func.layout.last_inst(entry).expect("a return");
    func.dfg.inst_args(last).iter().map(|v| values[v]).collect()
}

/// Every form that the pass finds in a function is an equation that holds.
fn forms_hold(func: &Function) {
    let users = users(func);
    for pair in seeds(func)
        .into_iter()
        .flat_map(|seed| pairs(func, &users, seed))
    {
        let low = Form::low_half(whole(pair)).expect("has a form");
        let forms = follow(func, &users, pair, &low);
        for params in operands() {
            let values = evaluate(func, params);
            let a = values[&pair.0];
            let b = match pair.1 {
                Operand::Value(b) => values[&b],
                Operand::Constant(b) => b,
            };
            let (al, ah, bl, bh) = (a & LOW, a >> 32, b & LOW, b >> 32);
            for (value, form) in &forms {
                let (sum, scale) = form.at([al * bl, al * bh, ah * bl, ah * bh]);
                let is = u128::from(values[value]);
                assert_eq!(is << scale, sum, "{value} of {params:x?}: {form:?}");
                assert!(is <= form.max(), "{value} of {params:x?}: {form:?}");
            }
        }
    }
}

/// The pass and what is swept away after it, with all values compared.
fn compared(unit: &mut Unit<'_>) -> bool {
    let before = unit.func.clone();
    forms_hold(&before);
    let changed = run(unit);
    if changed {
        sweep(unit.func, unit.domtree);
    }
    for params in operands() {
        assert_eq!(
            returned(&before, params),
            returned(unit.func, params),
            "{params:x?}"
        );
    }
    changed
}

/// `body` after the four products: v8 of the low halves, v9 of low and high, v10 of high and low, v11 of the
/// high ones.
fn after_products(body: &str) -> String {
    format!(
        "function %f(i64, i64) -> i64, i64 {{
        block0(v0: i64, v1: i64):
            v2 = iconst.i64 32
            v3 = iconst.i64 0xffff_ffff
            v4 = band v0, v3
            v5 = ushr v0, v2
            v6 = band v1, v3
            v7 = ushr v1, v2
            v8 = imul v4, v6
            v9 = imul v4, v7
            v10 = imul v5, v6
            v11 = imul v5, v7
            {body}
        }}"
    )
}

#[test]
fn the_library_function() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v20, v10
            v22 = ushr v21, v2
            v23 = band v21, v3
            v24 = iadd v23, v9
            v25 = iadd v11, v22
            v26 = ushr v24, v2
            v27 = iadd v25, v26
            v28 = ishl v24, v2
            v29 = band v8, v3
            v30 = bor v28, v29
            return v27, v30",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v31 = uextend.i128 v0
                v32 = uextend.i128 v1
                v33 = imul v31, v32
                v34, v35 = isplit v33
                return v35, v34
            }
        "#]],
    );
}

#[test]
fn a_middle_of_three() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = band v9, v3
            v22 = band v10, v3
            v23 = iadd v20, v21
            v24 = iadd v23, v22
            v25 = ushr v9, v2
            v26 = ushr v10, v2
            v27 = ushr v24, v2
            v28 = iadd v25, v11
            v29 = iadd v26, v28
            v30 = iadd v27, v29
            v31 = ishl v24, v2
            v32 = band v8, v3
            v33 = iadd v31, v32
            return v30, v33",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v34 = uextend.i128 v0
                v35 = uextend.i128 v1
                v36 = imul v34, v35
                v37, v38 = isplit v36
                return v38, v37
            }
        "#]],
    );
}

#[test]
fn a_middle_that_overflows() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v9, v20
            v22 = iadd v21, v10
            v23 = icmp ult v22, v10
            v24 = iconst.i64 0x1_0000_0000
            v25 = iadd v11, v24
            v26 = select v23, v25, v11
            v27 = ushr v22, v2
            v28 = iadd v26, v27
            v29 = ishl v22, v2
            v30 = band v8, v3
            v31 = iadd v29, v30
            return v28, v31",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v32 = uextend.i128 v0
                v33 = uextend.i128 v1
                v34 = imul v32, v33
                v35, v36 = isplit v34
                return v36, v35
            }
        "#]],
    );
}

#[test]
fn carries_that_are_compared() {
    check(
        compared,
        &after_products(
            "v20 = ishl v9, v2
            v21 = iadd v8, v20
            v22 = icmp ult v21, v8
            v23 = uextend.i64 v22
            v24 = ishl v10, v2
            v25 = iadd v21, v24
            v26 = icmp ugt v21, v25
            v27 = uextend.i64 v26
            v28 = ushr v9, v2
            v29 = ushr v10, v2
            v30 = iadd v11, v28
            v31 = iadd v30, v29
            v32 = iadd v23, v27
            v33 = iadd v31, v32
            return v33, v25",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v34 = uextend.i128 v0
                v35 = uextend.i128 v1
                v36 = imul v34, v35
                v37, v38 = isplit v36
                return v38, v37
            }
        "#]],
    );
}

#[test]
fn a_low_half_that_is_known() {
    check(
        compared,
        &after_products(
            "v20 = imul v1, v0
            v21 = iadd v9, v10
            v22 = icmp ult v21, v9
            v23 = iconst.i64 0x1_0000_0000
            v24 = iconst.i64 0
            v25 = select v22, v23, v24
            v26 = ishl v21, v2
            v27 = icmp ult v20, v26
            v28 = uextend.i64 v27
            v29 = ushr v21, v2
            v30 = iadd v29, v11
            v31 = iadd v30, v25
            v32 = iadd v31, v28
            return v32, v20",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v20 = imul v1, v0
                v32 = umulhi v0, v1
                return v32, v20
            }
        "#]],
    );
}

#[test]
fn what_else_is_added() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v20, v10
            v22 = ushr v21, v2
            v23 = band v21, v3
            v24 = iadd v23, v9
            v25 = iadd v0, v11
            v26 = iadd v25, v22
            v27 = iadd v26, v1
            v28 = ushr v24, v2
            v29 = iadd v27, v28
            v30 = ishl v24, v2
            v31 = band v8, v3
            v32 = iadd v31, v1
            v33 = iadd v30, v32
            return v29, v33",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v34 = uextend.i128 v0
                v35 = uextend.i128 v1
                v36 = imul v34, v35
                v37, v38 = isplit v36
                v39 = iadd v0, v1
                v29 = iadd v38, v39
                v33 = iadd v37, v1
                return v29, v33
            }
        "#]],
    );
}

#[test]
fn signs_make_it_signed() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v20, v10
            v22 = ushr v21, v2
            v23 = band v21, v3
            v24 = iadd v23, v9
            v25 = iconst.i64 63
            v26 = sshr v0, v25
            v27 = imul v26, v1
            v28 = sshr v1, v25
            v29 = imul v0, v28
            v30 = iadd v27, v29
            v31 = iadd v30, v11
            v32 = iadd v31, v22
            v33 = ushr v24, v2
            v34 = iadd v32, v33
            return v34, v0",
        ),
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v34 = smulhi v0, v1
                return v34, v0
            }
        "#]],
    );
}

#[test]
fn a_carry_that_is_missing() {
    check(
        compared,
        &after_products(
            "v20 = ushr v9, v2
            v21 = ushr v10, v2
            v22 = iadd v11, v20
            v23 = iadd v22, v21
            return v23, v8",
        ),
        expect![[r#"
            unchanged
        "#]],
    );
}

#[test]
fn a_middle_that_loses_its_carry() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v9, v20
            v22 = iadd v21, v10
            v23 = ushr v22, v2
            v24 = iadd v11, v23
            return v24, v0",
        ),
        expect![[r#"
            unchanged
        "#]],
    );
}

#[test]
fn a_comparison_with_the_wrong_part() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v9, v20
            v22 = iadd v21, v10
            v23 = icmp ult v22, v20
            v24 = iconst.i64 0x1_0000_0000
            v25 = iadd v11, v24
            v26 = select v23, v25, v11
            v27 = ushr v22, v2
            v28 = iadd v26, v27
            return v28, v0",
        ),
        expect![[r#"
            unchanged
        "#]],
    );
}

#[test]
fn a_mask_of_31_bits() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v20, v10
            v22 = ushr v21, v2
            v23 = iconst.i64 0x7fff_ffff
            v24 = band v21, v23
            v25 = iadd v24, v9
            v26 = iadd v11, v22
            v27 = ushr v25, v2
            v28 = iadd v26, v27
            return v28, v0",
        ),
        expect![[r#"
            unchanged
        "#]],
    );
}

#[test]
fn a_part_that_is_added_twice() {
    check(
        compared,
        &after_products(
            "v20 = ushr v8, v2
            v21 = iadd v20, v10
            v22 = ushr v21, v2
            v23 = band v21, v3
            v24 = iadd v23, v9
            v25 = iadd v11, v22
            v26 = ushr v24, v2
            v27 = iadd v25, v22
            v28 = iadd v27, v26
            return v28, v8",
        ),
        expect![[r#"
            unchanged
        "#]],
    );
}

#[test]
fn a_square() {
    check(
        compared,
        "function %f(i64, i64) -> i64, i64 {
            block0(v0: i64, v1: i64):
                v2 = iconst.i64 32
                v3 = iconst.i64 0xffff_ffff
                v4 = band v0, v3
                v5 = ushr v0, v2
                v6 = imul v4, v4
                v7 = imul v4, v5
                v8 = imul v5, v4
                v9 = imul v5, v5
                v10 = ushr v6, v2
                v11 = iadd v10, v7
                v12 = ushr v11, v2
                v13 = band v11, v3
                v14 = iadd v13, v8
                v15 = iadd v9, v12
                v16 = ushr v14, v2
                v17 = iadd v15, v16
                v18 = ishl v14, v2
                v19 = band v6, v3
                v20 = bor v18, v19
                return v17, v20
            }",
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v21 = uextend.i128 v0
                v22 = uextend.i128 v0
                v23 = imul v21, v22
                v24, v25 = isplit v23
                return v25, v24
            }
        "#]],
    );
}

#[test]
fn a_constant_in_two_halves() {
    check(
        compared,
        "function %f(i64, i64) -> i64, i64 {
            block0(v0: i64, v1: i64):
                v2 = iconst.i64 32
                v3 = iconst.i64 0xffff_ffff
                v4 = band v0, v3
                v5 = ushr v0, v2
                v6 = iconst.i64 0x9e37_79b9
                v7 = iconst.i64 0x7f4a_7c15
                v21 = iconst.i64 77
                v22 = imul v5, v21
                v8 = imul v4, v7
                v9 = imul v4, v6
                v10 = imul v5, v7
                v11 = imul v5, v6
                v12 = ushr v8, v2
                v13 = iadd v12, v10
                v14 = ushr v13, v2
                v15 = band v13, v3
                v16 = iadd v15, v9
                v17 = iadd v11, v14
                v18 = ushr v16, v2
                v19 = iadd v17, v18
                return v19, v22
            }",
        expect![[r#"
            function %f(i64, i64) -> i64, i64 fast {
            block0(v0: i64, v1: i64):
                v2 = iconst.i64 32
                v5 = ushr v0, v2  ; v2 = 32
                v21 = iconst.i64 77
                v22 = imul v5, v21  ; v21 = 77
                v23 = iconst.i64 -7046029254386353131
                v19 = umulhi v0, v23  ; v23 = -7046029254386353131
                return v19, v22
            }
        "#]],
    );
}

#[test]
fn halves_of_32_bits() {
    check(
        compared,
        "function %f(i64, i32) -> i64, i64 {
            block0(v0: i64, v1: i32):
                v2 = iconst.i64 32
                v3 = uextend.i64 v1
                v4 = ireduce.i32 v0
                v5 = uextend.i64 v4
                v6 = ushr v0, v2
                v7 = ushr v3, v2
                v8 = imul v5, v3
                v9 = imul v5, v7
                v10 = imul v6, v3
                v11 = imul v6, v7
                v12 = ushr v8, v2
                v13 = iadd v12, v9
                v14 = ushr v13, v2
                v15 = ireduce.i32 v13
                v16 = uextend.i64 v15
                v17 = iadd v16, v10
                v18 = iadd v11, v14
                v19 = ushr v17, v2
                v20 = iadd v18, v19
                return v20, v0
            }",
        expect![[r#"
            function %f(i64, i32) -> i64, i64 fast {
            block0(v0: i64, v1: i32):
                v3 = uextend.i64 v1
                v20 = umulhi v0, v3
                return v20, v0
            }
        "#]],
    );
}
