use crate::opt::Facts;
use crate::opt::testing::check_context;
use expect_test::{Expect, expect};

fn check(text: &str, expected: Expect) {
    check_context(
        |context| super::run(context, Facts::default(), &[]),
        text,
        expected,
    );
}

/// A loop that adds a value to words at `v4`, which steps by `step`, and stays while `test` says so.
fn words(step: i64, test: &str) -> String {
    format!(
        "function %f(i64, i64, i32, i64) -> i32 {{
        block0(v0: i64, v1: i64, v2: i32, v3: i64):
            jump block1(v1, v2)
        block1(v4: i64, v5: i32):
            v6 = iadd v0, v4
            v7 = load.i32 v6+4
            v8 = imul v7, v5
            store v8, v6+4
            v9 = iconst.i64 {step}
            v10 = iadd v4, v9
            {test}
        block2:
            return v8
        }}"
    )
}

#[test]
fn a_loop_to_zero_tests_what_is_left() {
    let test = "v11 = ireduce.i32 v10\n brif v11, block1(v10, v8), block2";
    check(
        &words(8, test),
        expect![[r#"
            function %f(i64, i64, i32, i64) -> i32 fast {
                                            block0(v0: i64, v1: i64, v2: i32, v3: i64):
                                                v12 = iconst.i32 0
                                                jump block3(v1, v2)

                                            block3(v13: i64, v14: i32):
                                                v15 = ireduce.i32 v13
                                                v16 = isub.i32 v12, v15  ; v12 = 0
                                                v17 = iconst.i32 64
                                                v18 = icmp ugt v16, v17  ; v17 = 64
                                                brif v18, block4, block1(v13, v14)

                                            block4:
                                                v19 = iadd.i64 v0, v13
                                                v20 = load.i32 v19+4
                                                v21 = imul v20, v14
                                                store v21, v19+4
                                                v22 = iconst.i64 8
                                                v23 = ireduce.i32 v13
                                                v24 = load.i32 v19+12
                                                v25 = imul v24, v21
                                                store v25, v19+12
                                                v26 = load.i32 v19+20
                                                v27 = imul v26, v25
                                                store v27, v19+20
                                                v28 = load.i32 v19+28
                                                v29 = imul v28, v27
                                                store v29, v19+28
                                                v30 = load.i32 v19+36
                                                v31 = imul v30, v29
                                                store v31, v19+36
                                                v32 = load.i32 v19+44
                                                v33 = imul v32, v31
                                                store v33, v19+44
                                                v34 = load.i32 v19+52
                                                v35 = imul v34, v33
                                                store v35, v19+52
                                                v36 = load.i32 v19+60
                                                v37 = imul v36, v35
                                                store v37, v19+60
                                                v38 = iconst.i64 64
                                                v39 = iadd.i64 v13, v38  ; v38 = 64
                                                jump block3(v39, v37)

                                            block1(v4: i64, v5: i32):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.i32 v6+4
                                                v8 = imul v7, v5
                                                store v8, v6+4
                                                v9 = iconst.i64 8
                                                v10 = iadd v4, v9  ; v9 = 8
                                                v11 = ireduce.i32 v10
                                                brif v11, block1(v10, v8), block2

                                            block2:
                                                return v8
            }
        "#]],
    );
}

#[test]
fn downwards_the_distance_is_the_variable() {
    let test = "v11 = ireduce.i32 v10\n brif v11, block1(v10, v8), block2";
    check(
        &words(-4, test),
        expect![[r#"
            function %f(i64, i64, i32, i64) -> i32 fast {
                                            block0(v0: i64, v1: i64, v2: i32, v3: i64):
                                                v12 = iconst.i32 0
                                                jump block3(v1, v2)

                                            block3(v13: i64, v14: i32):
                                                v15 = ireduce.i32 v13
                                                v16 = iconst.i32 32
                                                v17 = icmp ugt v15, v16  ; v16 = 32
                                                brif v17, block4, block1(v13, v14)

                                            block4:
                                                v18 = iadd.i64 v0, v13
                                                v19 = load.i32 v18+4
                                                v20 = imul v19, v14
                                                store v20, v18+4
                                                v21 = iconst.i64 -4
                                                v22 = ireduce.i32 v13
                                                v23 = load.i32 v18
                                                v24 = imul v23, v20
                                                store v24, v18
                                                v25 = load.i32 v18-4
                                                v26 = imul v25, v24
                                                store v26, v18-4
                                                v27 = load.i32 v18-8
                                                v28 = imul v27, v26
                                                store v28, v18-8
                                                v29 = load.i32 v18-12
                                                v30 = imul v29, v28
                                                store v30, v18-12
                                                v31 = load.i32 v18-16
                                                v32 = imul v31, v30
                                                store v32, v18-16
                                                v33 = load.i32 v18-20
                                                v34 = imul v33, v32
                                                store v34, v18-20
                                                v35 = load.i32 v18-24
                                                v36 = imul v35, v34
                                                store v36, v18-24
                                                v37 = iconst.i64 -32
                                                v38 = iadd.i64 v13, v37  ; v37 = -32
                                                jump block3(v38, v36)

                                            block1(v4: i64, v5: i32):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.i32 v6+4
                                                v8 = imul v7, v5
                                                store v8, v6+4
                                                v9 = iconst.i64 -4
                                                v10 = iadd v4, v9  ; v9 = -4
                                                v11 = ireduce.i32 v10
                                                brif v11, block1(v10, v8), block2

                                            block2:
                                                return v8
            }
        "#]],
    );
}

#[test]
fn an_order_is_compared_with_a_bound_that_does_not_wrap() {
    let test = "v12 = icmp ult v10, v3\n brif v12, block1(v10, v8), block2";
    check(
        &words(4, test),
        expect![[r#"
            function %f(i64, i64, i32, i64) -> i32 fast {
                                            block0(v0: i64, v1: i64, v2: i32, v3: i64):
                                                v13 = iconst.i64 -32
                                                v14 = iadd v3, v13  ; v13 = -32
                                                v15 = iconst.i64 32
                                                v16 = icmp uge v3, v15  ; v15 = 32
                                                v17 = iconst.i64 0
                                                v18 = select v16, v14, v17  ; v17 = 0
                                                jump block3(v1, v2)

                                            block3(v19: i64, v20: i32):
                                                v21 = icmp ult v19, v18
                                                brif v21, block4, block1(v19, v20)

                                            block4:
                                                v22 = iadd.i64 v0, v19
                                                v23 = load.i32 v22+4
                                                v24 = imul v23, v20
                                                store v24, v22+4
                                                v25 = iconst.i64 4
                                                v26 = iconst.i64 4
                                                v27 = iadd.i64 v19, v26  ; v26 = 4
                                                v28 = icmp ult v27, v3
                                                v29 = load.i32 v22+8
                                                v30 = imul v29, v24
                                                store v30, v22+8
                                                v31 = iconst.i64 8
                                                v32 = iadd.i64 v19, v31  ; v31 = 8
                                                v33 = icmp ult v32, v3
                                                v34 = load.i32 v22+12
                                                v35 = imul v34, v30
                                                store v35, v22+12
                                                v36 = iconst.i64 12
                                                v37 = iadd.i64 v19, v36  ; v36 = 12
                                                v38 = icmp ult v37, v3
                                                v39 = load.i32 v22+16
                                                v40 = imul v39, v35
                                                store v40, v22+16
                                                v41 = iconst.i64 16
                                                v42 = iadd.i64 v19, v41  ; v41 = 16
                                                v43 = icmp ult v42, v3
                                                v44 = load.i32 v22+20
                                                v45 = imul v44, v40
                                                store v45, v22+20
                                                v46 = iconst.i64 20
                                                v47 = iadd.i64 v19, v46  ; v46 = 20
                                                v48 = icmp ult v47, v3
                                                v49 = load.i32 v22+24
                                                v50 = imul v49, v45
                                                store v50, v22+24
                                                v51 = iconst.i64 24
                                                v52 = iadd.i64 v19, v51  ; v51 = 24
                                                v53 = icmp ult v52, v3
                                                v54 = load.i32 v22+28
                                                v55 = imul v54, v50
                                                store v55, v22+28
                                                v56 = iconst.i64 28
                                                v57 = iadd.i64 v19, v56  ; v56 = 28
                                                v58 = icmp ult v57, v3
                                                v59 = load.i32 v22+32
                                                v60 = imul v59, v55
                                                store v60, v22+32
                                                v61 = iconst.i64 32
                                                v62 = iadd.i64 v19, v61  ; v61 = 32
                                                v63 = icmp ult v62, v3
                                                jump block3(v62, v60)

                                            block1(v4: i64, v5: i32):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.i32 v6+4
                                                v8 = imul v7, v5
                                                store v8, v6+4
                                                v9 = iconst.i64 4
                                                v10 = iadd v4, v9  ; v9 = 4
                                                v12 = icmp ult v10, v3
                                                brif v12, block1(v10, v8), block2

                                            block2:
                                                return v8
            }
        "#]],
    );
    let test = "v12 = icmp sle v10, v3\n brif v12, block1(v10, v8), block2";
    check(
        &words(4, test),
        expect![[r#"
            function %f(i64, i64, i32, i64) -> i32 fast {
                                            block0(v0: i64, v1: i64, v2: i32, v3: i64):
                                                v13 = iconst.i64 -32
                                                v14 = iadd v3, v13  ; v13 = -32
                                                v15 = iconst.i64 -9223372036854775776
                                                v16 = icmp sge v3, v15  ; v15 = -9223372036854775776
                                                v17 = iconst.i64 -9223372036854775808
                                                v18 = select v16, v14, v17  ; v17 = -9223372036854775808
                                                jump block3(v1, v2)

                                            block3(v19: i64, v20: i32):
                                                v21 = icmp slt v19, v18
                                                brif v21, block4, block1(v19, v20)

                                            block4:
                                                v22 = iadd.i64 v0, v19
                                                v23 = load.i32 v22+4
                                                v24 = imul v23, v20
                                                store v24, v22+4
                                                v25 = iconst.i64 4
                                                v26 = iconst.i64 4
                                                v27 = iadd.i64 v19, v26  ; v26 = 4
                                                v28 = icmp sle v27, v3
                                                v29 = load.i32 v22+8
                                                v30 = imul v29, v24
                                                store v30, v22+8
                                                v31 = iconst.i64 8
                                                v32 = iadd.i64 v19, v31  ; v31 = 8
                                                v33 = icmp sle v32, v3
                                                v34 = load.i32 v22+12
                                                v35 = imul v34, v30
                                                store v35, v22+12
                                                v36 = iconst.i64 12
                                                v37 = iadd.i64 v19, v36  ; v36 = 12
                                                v38 = icmp sle v37, v3
                                                v39 = load.i32 v22+16
                                                v40 = imul v39, v35
                                                store v40, v22+16
                                                v41 = iconst.i64 16
                                                v42 = iadd.i64 v19, v41  ; v41 = 16
                                                v43 = icmp sle v42, v3
                                                v44 = load.i32 v22+20
                                                v45 = imul v44, v40
                                                store v45, v22+20
                                                v46 = iconst.i64 20
                                                v47 = iadd.i64 v19, v46  ; v46 = 20
                                                v48 = icmp sle v47, v3
                                                v49 = load.i32 v22+24
                                                v50 = imul v49, v45
                                                store v50, v22+24
                                                v51 = iconst.i64 24
                                                v52 = iadd.i64 v19, v51  ; v51 = 24
                                                v53 = icmp sle v52, v3
                                                v54 = load.i32 v22+28
                                                v55 = imul v54, v50
                                                store v55, v22+28
                                                v56 = iconst.i64 28
                                                v57 = iadd.i64 v19, v56  ; v56 = 28
                                                v58 = icmp sle v57, v3
                                                v59 = load.i32 v22+32
                                                v60 = imul v59, v55
                                                store v60, v22+32
                                                v61 = iconst.i64 32
                                                v62 = iadd.i64 v19, v61  ; v61 = 32
                                                v63 = icmp sle v62, v3
                                                jump block3(v62, v60)

                                            block1(v4: i64, v5: i32):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.i32 v6+4
                                                v8 = imul v7, v5
                                                store v8, v6+4
                                                v9 = iconst.i64 4
                                                v10 = iadd v4, v9  ; v9 = 4
                                                v12 = icmp sle v10, v3
                                                brif v12, block1(v10, v8), block2

                                            block2:
                                                return v8
            }
        "#]],
    );
    let test = "v12 = icmp uge v3, v10\n brif v12, block2, block1(v10, v8)";
    check(
        &words(-4, test),
        expect![[r#"
            function %f(i64, i64, i32, i64) -> i32 fast {
                                            block0(v0: i64, v1: i64, v2: i32, v3: i64):
                                                v13 = iconst.i64 32
                                                v14 = iadd v3, v13  ; v13 = 32
                                                v15 = iconst.i64 -33
                                                v16 = icmp ule v3, v15  ; v15 = -33
                                                v17 = iconst.i64 -1
                                                v18 = select v16, v14, v17  ; v17 = -1
                                                jump block3(v1, v2)

                                            block3(v19: i64, v20: i32):
                                                v21 = icmp ugt v19, v18
                                                brif v21, block4, block1(v19, v20)

                                            block4:
                                                v22 = iadd.i64 v0, v19
                                                v23 = load.i32 v22+4
                                                v24 = imul v23, v20
                                                store v24, v22+4
                                                v25 = iconst.i64 -4
                                                v26 = iconst.i64 -4
                                                v27 = iadd.i64 v19, v26  ; v26 = -4
                                                v28 = icmp.i64 uge v3, v27
                                                v29 = load.i32 v22
                                                v30 = imul v29, v24
                                                store v30, v22
                                                v31 = iconst.i64 -8
                                                v32 = iadd.i64 v19, v31  ; v31 = -8
                                                v33 = icmp.i64 uge v3, v32
                                                v34 = load.i32 v22-4
                                                v35 = imul v34, v30
                                                store v35, v22-4
                                                v36 = iconst.i64 -12
                                                v37 = iadd.i64 v19, v36  ; v36 = -12
                                                v38 = icmp.i64 uge v3, v37
                                                v39 = load.i32 v22-8
                                                v40 = imul v39, v35
                                                store v40, v22-8
                                                v41 = iconst.i64 -16
                                                v42 = iadd.i64 v19, v41  ; v41 = -16
                                                v43 = icmp.i64 uge v3, v42
                                                v44 = load.i32 v22-12
                                                v45 = imul v44, v40
                                                store v45, v22-12
                                                v46 = iconst.i64 -20
                                                v47 = iadd.i64 v19, v46  ; v46 = -20
                                                v48 = icmp.i64 uge v3, v47
                                                v49 = load.i32 v22-16
                                                v50 = imul v49, v45
                                                store v50, v22-16
                                                v51 = iconst.i64 -24
                                                v52 = iadd.i64 v19, v51  ; v51 = -24
                                                v53 = icmp.i64 uge v3, v52
                                                v54 = load.i32 v22-20
                                                v55 = imul v54, v50
                                                store v55, v22-20
                                                v56 = iconst.i64 -28
                                                v57 = iadd.i64 v19, v56  ; v56 = -28
                                                v58 = icmp.i64 uge v3, v57
                                                v59 = load.i32 v22-24
                                                v60 = imul v59, v55
                                                store v60, v22-24
                                                v61 = iconst.i64 -32
                                                v62 = iadd.i64 v19, v61  ; v61 = -32
                                                v63 = icmp.i64 uge v3, v62
                                                jump block3(v62, v60)

                                            block1(v4: i64, v5: i32):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.i32 v6+4
                                                v8 = imul v7, v5
                                                store v8, v6+4
                                                v9 = iconst.i64 -4
                                                v10 = iadd v4, v9  ; v9 = -4
                                                v12 = icmp.i64 uge v3, v10
                                                brif v12, block2, block1(v10, v8)

                                            block2:
                                                return v8
            }
        "#]],
    );
}

#[test]
fn what_does_not_count_towards_its_limit_is_left_alone() {
    // Away from the limit, equality as the way to stay, a limit that moves, long steps.
    for (step, test) in [
        (
            4,
            "v12 = icmp ugt v10, v3\n brif v12, block1(v10, v8), block2",
        ),
        (
            4,
            "v12 = icmp eq v10, v3\n brif v12, block1(v10, v8), block2",
        ),
        (
            4,
            "v12 = icmp ne v10, v6\n brif v12, block1(v10, v8), block2",
        ),
        (
            4096,
            "v12 = icmp ult v10, v3\n brif v12, block1(v10, v8), block2",
        ),
        (
            1 << 20,
            "v12 = icmp ult v10, v3\n brif v12, block1(v10, v8), block2",
        ),
    ] {
        check(&words(step, test), expect![["unchanged\n"]]);
    }
}

#[test]
fn a_loop_that_is_known_to_be_short_is_left_alone() {
    let test = "v12 = icmp ne v10, v3\n brif v12, block1(v10, v8), block2";
    let short = words(1, test)
        .replace(
            "jump block1(v1, v2)",
            "v20 = iconst.i64 0\n v21 = iconst.i64 3\n v22 = band v3, v21\n jump block1(v20, v2)",
        )
        .replace("icmp ne v10, v3", "icmp ne v10, v22");
    check(&short, expect![["unchanged\n"]]);
}

#[test]
fn the_edge_of_a_branch_gets_a_block() {
    let test = "v12 = icmp ne v10, v3\n brif v12, block1(v10, v8), block2";
    let guarded = words(4, test)
        .replace(
            "jump block1(v1, v2)",
            "v8 = iconst.i32 0\n brif v2, block1(v1, v2), block2",
        )
        .replace("v8 = imul v7, v5", "v18 = imul v7, v5")
        .replace("store v8", "store v18")
        .replace("(v10, v8)", "(v10, v18)");
    check(
        &guarded,
        expect![[r#"
            function %f(i64, i64, i32, i64) -> i32 fast {
                                            block0(v0: i64, v1: i64, v2: i32, v3: i64):
                                                v8 = iconst.i32 0
                                                brif v2, block5, block2

                                            block3(v19: i64, v20: i32):
                                                v21 = isub.i64 v3, v19
                                                v22 = iconst.i64 32
                                                v23 = icmp ugt v21, v22  ; v22 = 32
                                                brif v23, block4, block1(v19, v20)

                                            block4:
                                                v24 = iadd.i64 v0, v19
                                                v25 = load.i32 v24+4
                                                v26 = imul v25, v20
                                                store v26, v24+4
                                                v27 = iconst.i64 4
                                                v28 = iconst.i64 4
                                                v29 = iadd.i64 v19, v28  ; v28 = 4
                                                v30 = icmp ne v29, v3
                                                v31 = load.i32 v24+8
                                                v32 = imul v31, v26
                                                store v32, v24+8
                                                v33 = iconst.i64 8
                                                v34 = iadd.i64 v19, v33  ; v33 = 8
                                                v35 = icmp ne v34, v3
                                                v36 = load.i32 v24+12
                                                v37 = imul v36, v32
                                                store v37, v24+12
                                                v38 = iconst.i64 12
                                                v39 = iadd.i64 v19, v38  ; v38 = 12
                                                v40 = icmp ne v39, v3
                                                v41 = load.i32 v24+16
                                                v42 = imul v41, v37
                                                store v42, v24+16
                                                v43 = iconst.i64 16
                                                v44 = iadd.i64 v19, v43  ; v43 = 16
                                                v45 = icmp ne v44, v3
                                                v46 = load.i32 v24+20
                                                v47 = imul v46, v42
                                                store v47, v24+20
                                                v48 = iconst.i64 20
                                                v49 = iadd.i64 v19, v48  ; v48 = 20
                                                v50 = icmp ne v49, v3
                                                v51 = load.i32 v24+24
                                                v52 = imul v51, v47
                                                store v52, v24+24
                                                v53 = iconst.i64 24
                                                v54 = iadd.i64 v19, v53  ; v53 = 24
                                                v55 = icmp ne v54, v3
                                                v56 = load.i32 v24+28
                                                v57 = imul v56, v52
                                                store v57, v24+28
                                                v58 = iconst.i64 28
                                                v59 = iadd.i64 v19, v58  ; v58 = 28
                                                v60 = icmp ne v59, v3
                                                v61 = load.i32 v24+32
                                                v62 = imul v61, v57
                                                store v62, v24+32
                                                v63 = iconst.i64 32
                                                v64 = iadd.i64 v19, v63  ; v63 = 32
                                                v65 = icmp ne v64, v3
                                                jump block3(v64, v62)

                                            block5:
                                                jump block3(v1, v2)

                                            block1(v4: i64, v5: i32):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.i32 v6+4
                                                v18 = imul v7, v5
                                                store v18, v6+4
                                                v9 = iconst.i64 4
                                                v10 = iadd v4, v9  ; v9 = 4
                                                v12 = icmp ne v10, v3
                                                brif v12, block1(v10, v18), block2

                                            block2:
                                                return v8  ; v8 = 0
            }
        "#]],
    );
}

#[test]
fn a_sum_of_loads_is_tested_at_the_top() {
    check(
        "function %f(i64, i64, i64) -> f64 {
        block0(v0: i64, v1: i64, v2: i64):
            v3 = f64const 0.0
            jump block1(v1, v3)
        block1(v4: i64, v5: f64):
            v6 = iadd v0, v4
            v7 = load.f64 v6
            v8 = fadd v5, v7
            v9 = iconst.i64 8
            v10 = iadd v4, v9
            v11 = icmp ne v10, v2
            brif v11, block1(v10, v8), block2
        block2:
            return v8
        }",
        expect![[r#"
            function %f(i64, i64, i64) -> f64 fast {
                                            block0(v0: i64, v1: i64, v2: i64):
                                                v3 = f64const 0.0
                                                jump block3(v1, v3)  ; v3 = 0.0

                                            block3(v12: i64, v13: f64):
                                                v14 = isub.i64 v2, v12
                                                v15 = iconst.i64 64
                                                v16 = icmp ugt v14, v15  ; v15 = 64
                                                brif v16, block4, block1(v12, v13)

                                            block4:
                                                v17 = iadd.i64 v0, v12
                                                v18 = load.f64 v17
                                                v19 = fadd.f64 v13, v18
                                                v20 = iconst.i64 8
                                                v21 = iconst.i64 8
                                                v22 = iadd.i64 v12, v21  ; v21 = 8
                                                v23 = icmp ne v22, v2
                                                v24 = load.f64 v17+8
                                                v25 = fadd v19, v24
                                                v26 = iconst.i64 16
                                                v27 = iadd.i64 v12, v26  ; v26 = 16
                                                v28 = icmp ne v27, v2
                                                v29 = load.f64 v17+16
                                                v30 = fadd v25, v29
                                                v31 = iconst.i64 24
                                                v32 = iadd.i64 v12, v31  ; v31 = 24
                                                v33 = icmp ne v32, v2
                                                v34 = load.f64 v17+24
                                                v35 = fadd v30, v34
                                                v36 = iconst.i64 32
                                                v37 = iadd.i64 v12, v36  ; v36 = 32
                                                v38 = icmp ne v37, v2
                                                v39 = load.f64 v17+32
                                                v40 = fadd v35, v39
                                                v41 = iconst.i64 40
                                                v42 = iadd.i64 v12, v41  ; v41 = 40
                                                v43 = icmp ne v42, v2
                                                v44 = load.f64 v17+40
                                                v45 = fadd v40, v44
                                                v46 = iconst.i64 48
                                                v47 = iadd.i64 v12, v46  ; v46 = 48
                                                v48 = icmp ne v47, v2
                                                v49 = load.f64 v17+48
                                                v50 = fadd v45, v49
                                                v51 = iconst.i64 56
                                                v52 = iadd.i64 v12, v51  ; v51 = 56
                                                v53 = icmp ne v52, v2
                                                v54 = load.f64 v17+56
                                                v55 = fadd v50, v54
                                                v56 = iconst.i64 64
                                                v57 = iadd.i64 v12, v56  ; v56 = 64
                                                v58 = icmp ne v57, v2
                                                jump block3(v57, v55)

                                            block1(v4: i64, v5: f64):
                                                v6 = iadd.i64 v0, v4
                                                v7 = load.f64 v6
                                                v8 = fadd v5, v7
                                                v9 = iconst.i64 8
                                                v10 = iadd v4, v9  ; v9 = 8
                                                v11 = icmp ne v10, v2
                                                brif v11, block1(v10, v8), block2

                                            block2:
                                                return v8
            }
        "#]],
    );
}
