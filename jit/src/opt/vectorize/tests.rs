use crate::opt::memory::Facts;
use crate::opt::testing::{after_context, check_context};
use cranelift_codegen::Context;
use expect_test::{Expect, expect};

fn pass(context: &mut Context) -> bool {
    let facts = Facts {
        region: 1,
        length: Some(-8),
        ..Facts::default()
    };
    !super::run(context, facts).is_empty()
}

/// A loop over `v10`, a number of bytes from 0 to `v3`, with `body`; `v0` is the memory, `v4` and `v5` are two
/// places in it, `v6` to `v8` numbers.
fn text(step: u32, body: &str) -> String {
    format!(
        "function %f(i64, i32, i32, i64, f64, f32, i32) {{
            region0 = 1 \"memory\"
        block0(v0: i64, v1: i32, v2: i32, v3: i64, v6: f64, v7: f32, v8: i32):
            v90 = uextend.i64 v1
            v4 = iadd v0, v90
            v91 = uextend.i64 v2
            v5 = iadd v0, v91
            v92 = iconst.i64 0
            jump block1(v92)
        block1(v10: i64):
            v11 = iadd v4, v10
            v12 = iadd v5, v10
            {body}
            v93 = iconst.i64 {step}
            v94 = iadd v10, v93
            v95 = icmp ne v94, v3
            brif v95, block1(v94), block2
        block2:
            return
        }}"
    )
}

/// What the pass makes of it, looked at in part.
fn after(step: u32, body: &str) -> String {
    after_context(pass, &text(step, body))
}

fn unchanged(step: u32, body: &str) {
    assert_eq!(after(step, body), "unchanged\n", "{body}");
}

fn check(text: &str, expected: Expect) {
    check_context(pass, text, expected);
}

/// The lines of the block that goes round on vectors.
fn body(function: &str) -> String {
    let lines: Vec<&str> = function.lines().map(str::trim).collect();
    let blocks = lines.split(|line| line.is_empty());
    let vectors = |block: &&[&str]| {
        block
            .iter()
            .any(|line| line.starts_with("store") && !line.contains("istore"))
    };
    let mut with = blocks.filter(|block| block.len() > 3).filter(vectors);
    with.next()
        .map_or(String::new(), |block| block.join("\n") + "\n")
}

fn check_body(step: u32, text: &str, expected: Expect) {
    expected.assert_eq(&body(&after(step, text)));
}

#[test]
fn a_row_is_scaled_and_added_two_at_a_time() {
    check(
        &text(
            8,
            "v20 = load.f64 little region0 v11
             v21 = fmul v20, v6
             v22 = load.f64 little region0 v12+16
             v23 = fadd v21, v22
             store little region0 v23, v12+16",
        ),
        expect![[r#"
            function %f(i64, i32, i32, i64, f64, f32, i32) fast {
                region0 = 1 "memory"

            block0(v0: i64, v1: i32, v2: i32, v3: i64, v6: f64, v7: f32, v8: i32):
                v90 = uextend.i64 v1
                v4 = iadd v0, v90
                v91 = uextend.i64 v2
                v5 = iadd v0, v91
                v92 = iconst.i64 0
                v96 = isub v3, v92  ; v92 = 0
                v97 = iconst.i64 64
                v98 = icmp ugt v96, v97  ; v97 = 64
                brif v98, block3, block1(v92)  ; v92 = 0

            block3:
                v99 = isub.i64 v3, v92  ; v92 = 0
                v100 = iconst.i64 8
                v101 = iadd.i64 v4, v100  ; v100 = 8
                v102 = iadd v101, v99
                v103 = iconst.i64 16
                v104 = iadd.i64 v5, v103  ; v103 = 16
                v105 = iconst.i64 24
                v106 = iadd.i64 v5, v105  ; v105 = 24
                v107 = iadd v106, v99
                v108 = load.i64 notrap aligned v0-8
                v109 = isub.i64 v4, v0
                v110 = umax v99, v109
                v111 = isub v102, v0
                v112 = umax v110, v111
                v113 = isub v104, v0
                v114 = umax v112, v113
                v115 = isub v107, v0
                v116 = umax v114, v115
                v117 = icmp ule v116, v108
                v118 = icmp ule v107, v4
                v119 = icmp ule v102, v104
                v120 = bor v118, v119
                v121 = band v117, v120
                brif v121, block4, block1(v92)  ; v92 = 0

            block4:
                v122 = splat.f64x2 v6
                jump block5(v92)  ; v92 = 0

            block5(v123: i64):
                v124 = iadd.i64 v4, v123
                v125 = load.f64x2 little region0 v124
                v126 = fmul v125, v122
                v127 = iadd.i64 v5, v123
                v128 = load.f64x2 little region0 v127+16
                v129 = fadd v126, v128
                v130 = load.f64x2 little region0 v124+16
                v131 = fmul v130, v122
                v132 = load.f64x2 little region0 v127+32
                v133 = fadd v131, v132
                store little region0 v129, v127+16
                store little region0 v133, v127+32
                v134 = iconst.i64 32
                v135 = iadd v123, v134  ; v134 = 32
                v136 = isub.i64 v3, v135
                v137 = iconst.i64 32
                v138 = icmp ugt v136, v137  ; v137 = 32
                brif v138, block5(v135), block1(v135)

            block1(v10: i64):
                v11 = iadd.i64 v4, v10
                v12 = iadd.i64 v5, v10
                v20 = load.f64 little region0 v11
                v21 = fmul v20, v6
                v22 = load.f64 little region0 v12+16
                v23 = fadd v21, v22
                store little region0 v23, v12+16
                v93 = iconst.i64 8
                v94 = iadd v10, v93  ; v93 = 8
                v95 = icmp ne v94, v3
                brif v95, block1(v94), block2

            block2:
                return
            }
        "#]],
    );
}

#[test]
fn what_a_compiler_unrolled_is_packed_with_operands_in_either_order() {
    check_body(
        8,
        "v20 = load.f32 little region0 v11
         v21 = fmul v20, v7
         store little region0 v21, v12
         v30 = load.f32 little region0 v11+4
         v31 = fmul v7, v30
         store little region0 v31, v12+4",
        expect![[r#"
            block5(v121: i64):
            v122 = iadd.i64 v4, v121
            v123 = load.f32x4 little region0 v122
            v124 = fmul v123, v120
            v125 = load.f32x4 little region0 v122+16
            v126 = fmul v125, v120
            v127 = load.f32x4 little region0 v122+32
            v128 = fmul v127, v120
            v129 = load.f32x4 little region0 v122+48
            v130 = fmul v129, v120
            v131 = iadd.i64 v5, v121
            store little region0 v124, v131
            store little region0 v126, v131+16
            store little region0 v128, v131+32
            store little region0 v130, v131+48
            v132 = iconst.i64 64
            v133 = iadd v121, v132  ; v132 = 64
            v134 = isub.i64 v3, v133
            v135 = iconst.i64 64
            v136 = icmp ugt v134, v135  ; v135 = 64
            brif v136, block5(v133), block1(v133)
        "#]],
    );
}

#[test]
fn the_same_constant_may_stand_in_several_places() {
    let text = |other: u32| {
        format!(
            "v20 = load.i32 little region0 v11
             v21 = iconst.i32 7
             v22 = imul v20, v21
             store little region0 v22, v12
             v30 = load.i32 little region0 v11+4
             v31 = iconst.i32 {other}
             v32 = imul v30, v31
             store little region0 v32, v12+4"
        )
    };
    assert!(after(8, &text(7)).contains("splat.i32x4"));
    unchanged(8, &text(8));
}

#[test]
fn bytes_are_combined_sixteen_at_a_time() {
    check_body(
        1,
        "v20 = uload8.i32 little region0 v11
         v21 = sload8.i32 little region0 v12
         v22 = bxor v20, v21
         v23 = iadd v22, v8
         istore8 little region0 v23, v12",
        expect![[r#"
            block5(v122: i64):
            v123 = iadd.i64 v4, v122
            v124 = load.i8x16 little region0 v123
            v125 = iadd.i64 v5, v122
            v126 = load.i8x16 little region0 v125
            v127 = bxor v124, v126
            v128 = iadd v127, v121
            store little region0 v128, v125
            v129 = iconst.i64 16
            v130 = iadd v122, v129  ; v129 = 16
            v131 = isub.i64 v3, v130
            v132 = iconst.i64 16
            v133 = icmp ugt v131, v132  ; v132 = 16
            brif v133, block5(v130), block1(v130)
        "#]],
    );
}

#[test]
fn a_neighbourhood_keeps_its_offsets_and_what_never_moves_is_loaded_once() {
    check_body(
        8,
        "v20 = load.f64 little region0 v11
         v21 = load.f64 little region0 v11+16
         v22 = fadd v20, v21
         v23 = load.f64 little region0 v5+4096
         v24 = fmul v22, v23
         store little region0 v24, v12+8",
        expect![[r#"
            block5(v136: i64):
            v137 = iadd.i64 v4, v136
            v138 = load.f64x2 little region0 v137
            v139 = load.f64x2 little region0 v137+16
            v140 = fadd v138, v139
            v141 = fmul v140, v135
            v142 = load.f64x2 little region0 v137+32
            v143 = fadd v139, v142
            v144 = fmul v143, v135
            v145 = iadd.i64 v5, v136
            store little region0 v141, v145+8
            store little region0 v144, v145+24
            v146 = iconst.i64 32
            v147 = iadd v136, v146  ; v146 = 32
            v148 = isub.i64 v3, v147
            v149 = iconst.i64 32
            v150 = icmp ugt v148, v149  ; v149 = 32
            brif v150, block5(v147), block1(v147)
        "#]],
    );
}

#[test]
fn shifts_by_the_same_are_packed() {
    check_body(
        4,
        "v20 = load.i32 little region0 v11
         v21 = ishl v20, v8
         store little region0 v21, v11",
        expect![[r#"
            block5(v109: i64):
            v110 = iadd.i64 v4, v109
            v111 = load.i32x4 little region0 v110
            v112 = ishl v111, v8
            v113 = load.i32x4 little region0 v110+16
            v114 = ishl v113, v8
            store little region0 v112, v110
            store little region0 v114, v110+16
            v115 = iconst.i64 32
            v116 = iadd v109, v115  ; v115 = 32
            v117 = isub.i64 v3, v116
            v118 = iconst.i64 32
            v119 = icmp ugt v117, v118  ; v118 = 32
            brif v119, block5(v116), block1(v116)
        "#]],
    );
}

/// A loop in which `v13` is what `v20` was in the round before.
fn carried() -> String {
    text(
        8,
        "v20 = load.f64 little region0 v11+8
         v21 = fadd v13, v20
         store little region0 v21, v12",
    )
    .replace("block1(v92)", "block1(v92, v6)")
    .replace("block1(v10: i64)", "block1(v10: i64, v13: f64)")
    .replace("block1(v94)", "block1(v94, v20)")
}

#[test]
fn what_was_loaded_in_the_round_before_is_loaded_again_if_it_is_what_is_there() {
    check(
        &carried(),
        expect![[r#"
        function %f(i64, i32, i32, i64, f64, f32, i32) fast {
            region0 = 1 "memory"

        block0(v0: i64, v1: i32, v2: i32, v3: i64, v6: f64, v7: f32, v8: i32):
            v90 = uextend.i64 v1
            v4 = iadd v0, v90
            v91 = uextend.i64 v2
            v5 = iadd v0, v91
            v92 = iconst.i64 0
            v96 = isub v3, v92  ; v92 = 0
            v97 = iconst.i64 64
            v98 = icmp ugt v96, v97  ; v97 = 64
            brif v98, block3, block1(v92, v6)  ; v92 = 0

        block3:
            v99 = isub.i64 v3, v92  ; v92 = 0
            v100 = iconst.i64 16
            v101 = iadd.i64 v4, v100  ; v100 = 16
            v102 = iadd v101, v99
            v103 = iconst.i64 8
            v104 = iadd.i64 v5, v103  ; v103 = 8
            v105 = iadd v104, v99
            v106 = load.i64 notrap aligned v0-8
            v107 = isub.i64 v4, v0
            v108 = umax v99, v107
            v109 = isub v102, v0
            v110 = umax v108, v109
            v111 = isub.i64 v5, v0
            v112 = umax v110, v111
            v113 = isub v105, v0
            v114 = umax v112, v113
            v115 = icmp ule v114, v106
            v116 = icmp ule v105, v4
            v117 = icmp ule v102, v5
            v118 = bor v116, v117
            v119 = band v115, v118
            brif v119, block6, block1(v92, v6)  ; v92 = 0

        block6:
            v120 = load.f64 little region0 v4
            v121 = bitcast.i64 v120
            v122 = bitcast.i64 v6
            v123 = icmp eq v121, v122
            brif v123, block4, block1(v92, v6)  ; v92 = 0

        block4:
            jump block5(v92)  ; v92 = 0

        block5(v124: i64):
            v125 = iadd.i64 v4, v124
            v126 = load.f64x2 little region0 v125
            v127 = load.f64x2 little region0 v125+8
            v128 = fadd v126, v127
            v129 = load.f64x2 little region0 v125+16
            v130 = load.f64x2 little region0 v125+24
            v131 = fadd v129, v130
            v132 = iadd.i64 v5, v124
            store little region0 v128, v132
            store little region0 v131, v132+16
            v133 = iconst.i64 32
            v134 = iadd v124, v133  ; v133 = 32
            v135 = isub.i64 v3, v134
            v136 = iconst.i64 32
            v137 = icmp ugt v135, v136  ; v136 = 32
            brif v137, block5(v134), block7

        block7:
            v138 = iadd.i64 v4, v134
            v139 = load.f64 little region0 v138
            jump block1(v134, v139)

        block1(v10: i64, v13: f64):
            v11 = iadd.i64 v4, v10
            v12 = iadd.i64 v5, v10
            v20 = load.f64 little region0 v11+8
            v21 = fadd v13, v20
            store little region0 v21, v12
            v93 = iconst.i64 8
            v94 = iadd v10, v93  ; v93 = 8
            v95 = icmp ne v94, v3
            brif v95, block1(v94, v20), block2

        block2:
            return
        }
    "#]],
    );
}

#[test]
fn not_where_a_store_feeds_a_load_of_the_same_turn() {
    let sum = |from: i32, to: i32| {
        format!(
            "v20 = load.f64 little region0 v11+{from}
             v21 = fadd v20, v6
             store little region0 v21, v11+{to}"
        )
    };
    unchanged(8, &sum(0, 8));
    // Far enough for one turn of two rounds, not for one of four.
    assert!(!after(8, &sum(0, 24)).contains("+16"));
    // What is stored has been read; or is read in a later turn, for which it need not wait.
    assert_ne!(after(8, &sum(8, 0)), "unchanged\n");
    assert_ne!(after(8, &sum(0, 0)), "unchanged\n");
    assert!(after(8, &sum(0, 64)).contains("+16"));
}

#[test]
fn not_where_what_was_carried_is_stored_to() {
    let text = carried().replace("v21, v12", "v21, v11");
    let mut context = crate::opt::testing::context_of(&text);
    assert!(!pass(&mut context));
}

#[test]
fn not_what_is_not_the_same_in_all_rounds() {
    // A variable as a number, a sum over the rounds, places with gaps, and backwards.
    unchanged(8, "store little region0 v10, v11");
    unchanged(
        16,
        "v20 = load.f64 little region0 v11
         store little region0 v20, v12",
    );
    let down = text(
        8,
        "v20 = load.f64 little region0 v11
         v21 = fadd v20, v6
         store little region0 v21, v12",
    );
    let down = down.replace("v93 = iconst.i64 8", "v93 = iconst.i64 -8");
    assert!(!pass(&mut crate::opt::testing::context_of(&down)));
    unchanged(
        8,
        "v20 = load.f32 little region0 v11
         v21 = fmul v20, v7
         store little region0 v21, v12
         v30 = load.f32 little region0 v11+4
         v31 = fadd v30, v7
         store little region0 v31, v12+4",
    );
}

#[test]
fn not_in_narrow_lanes_what_needs_the_high_bits() {
    unchanged(
        1,
        "v20 = uload8.i32 little region0 v11
         v21 = ushr v20, v8
         istore8 little region0 v21, v12",
    );
}

#[test]
fn not_with_other_effects_or_other_memories() {
    let scaled = "v20 = load.f64 little region0 v11
         v21 = fmul v20, v6
         store little region0 v21, v12";
    unchanged(8, &scaled.replacen("region0 ", "", 1));
    unchanged(8, &format!("{scaled}\n trapz v8, user1"));
    unchanged(8, &format!("{scaled}\n v30 = sdiv v8, v8"));
}
