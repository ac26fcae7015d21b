use crate::opt::testing::check;
use expect_test::expect;

#[test]
fn casts_of_casts_and_of_constants_are_folded() {
    check(
        super::run,
        "function %f(i16x8, i8x16) -> i16x8, i32x4, f32x4, i16x8, i64x2 {
            const0 = 0x000102030405060708090a0b0c0d0e0f
        block0(v0: i16x8, v1: i8x16):
            v2 = bitcast.i8x16 little v0
            v3 = bitcast.i16x8 little v2
            v4 = bitcast.i32x4 little v2
            v5 = vconst.i8x16 const0
            v6 = bitcast.f32x4 little v5
            v7 = bitcast.i16x8 little v1
            v8 = bitcast.f32x4 v4
            v9 = bitcast.i64x2 little v8
            return v3, v4, v6, v7, v9
        }",
        expect![[r#"
            function %f(i16x8, i8x16) -> i16x8, i32x4, f32x4, i16x8, i64x2 fast {
                const0 = 0x000102030405060708090a0b0c0d0e0f

            block0(v0: i16x8, v1: i8x16):
                v2 = bitcast.i8x16 little v0
                v3 = bitcast.i16x8 little v2
                v4 = bitcast.i32x4 little v0
                v5 = vconst.i8x16 const0
                v6 = vconst.f32x4 const0
                v7 = bitcast.i16x8 little v1
                v8 = bitcast.f32x4 v4
                v9 = bitcast.i64x2 little v8
                return v0, v4, v6, v7, v9  ; v6 = const0
            }
        "#]],
    );
}

#[test]
fn shuffles_of_one_operand_read_one() {
    check(
        super::run,
        "function %f(i8x16, i8x16) -> i8x16, i8x16, i8x16, i8x16 {
        block0(v0: i8x16, v1: i8x16):
            v2 = shuffle v0, v1, 0x00000000000000000e0c0a0806040200
            v3 = shuffle v0, v1, 0x1f1f1f1f1f1f1f1f1e1c1a1816141210
            v4 = shuffle v0, v1, 0x10000000000000000e0c0a0806040200
            v5 = shuffle v0, v1, 0x1f1e1d1c1b1a19181716151413121110
            v6 = shuffle v5, v2, 0x0f0e0d0c0b0a09080706050403020100
            return v2, v3, v4, v6
        }",
        expect![[r#"
            function %f(i8x16, i8x16) -> i8x16, i8x16, i8x16, i8x16 fast {
            block0(v0: i8x16, v1: i8x16):
                v2 = shuffle v0, v0, 0x00000000000000000e0c0a0806040200
                v3 = shuffle v1, v1, 0x0f0f0f0f0f0f0f0f0e0c0a0806040200
                v4 = shuffle v0, v1, 0x10000000000000000e0c0a0806040200
                v5 = shuffle v0, v1, 0x1f1e1d1c1b1a19181716151413121110
                v6 = shuffle v1, v2, 0x0f0e0d0c0b0a09080706050403020100
                return v2, v3, v4, v1
            }
        "#]],
    );
}

#[test]
fn comparisons_with_constants_need_no_inversion() {
    check(
        super::run,
        "function %f(i16x8, i64x2, i8x16) -> i16x8, i16x8, i64x2, i64x2, i8x16, i8x16 {
            const0 = 0x00ff00ff00ff00ff00ff00ff00ff00ff
            const1 = 0x00000000000000010000000000000001
            const2 = 0xff000000000000000000000000000000
            const3 = 0x01010101010101010101010101010101
        block0(v0: i16x8, v1: i64x2, v2: i8x16):
            v3 = vconst.i16x8 const0
            v4 = icmp ugt v0, v3
            v5 = icmp ugt v3, v0
            v6 = vconst.i64x2 const1
            v7 = icmp sge v1, v6
            v8 = icmp sle v1, v6
            v9 = vconst.i8x16 const2
            v10 = icmp ugt v2, v9
            v11 = vconst.i8x16 const3
            v12 = icmp ult v2, v11
            return v4, v5, v7, v8, v10, v12
        }",
        expect![[r#"
            function %f(i16x8, i64x2, i8x16) -> i16x8, i16x8, i64x2, i64x2, i8x16, i8x16 fast {
                const0 = 0x00ff00ff00ff00ff00ff00ff00ff00ff
                const1 = 0x00000000000000010000000000000001
                const2 = 0xff000000000000000000000000000000
                const3 = 0x01010101010101010101010101010101
                const4 = 0x01000100010001000100010001000100
                const5 = 0x00fe00fe00fe00fe00fe00fe00fe00fe
                const6 = 0x00000000000000000000000000000000
                const7 = 0x00000000000000020000000000000002

            block0(v0: i16x8, v1: i64x2, v2: i8x16):
                v13 = vconst.i16x8 const4
                v14 = vconst.i16x8 const5
                v3 = vconst.i16x8 const0
                v4 = icmp uge v0, v13  ; v13 = const4
                v5 = icmp ule v0, v14  ; v14 = const5
                v15 = vconst.i64x2 const6
                v16 = vconst.i64x2 const7
                v6 = vconst.i64x2 const1
                v7 = icmp sgt v1, v15  ; v15 = const6
                v8 = icmp slt v1, v16  ; v16 = const7
                v9 = vconst.i8x16 const2
                v10 = icmp ugt v2, v9  ; v9 = const2
                v17 = vconst.i8x16 const6
                v11 = vconst.i8x16 const3
                v12 = icmp ule v2, v17  ; v17 = const6
                return v4, v5, v7, v8, v10, v12
            }
        "#]],
    );
}

#[test]
fn choices_and_masks_take_the_complement() {
    check(
        super::run,
        "function %f(i16x8, i16x8, i8x16, i8x16) -> i8x16, i8x16, i8x16, i16x8 {
        block0(v0: i16x8, v1: i16x8, v2: i8x16, v3: i8x16):
            v4 = icmp ugt v0, v1
            v5 = bitcast.i8x16 little v4
            v6 = bitselect v5, v2, v3
            v7 = icmp ne v2, v3
            v8 = band v2, v7
            v9 = icmp sgt v2, v3
            v10 = bitselect v9, v2, v3
            v11 = icmp ult v0, v1
            v12 = bitselect v11, v0, v1
            v13 = bor v12, v11
            v14 = icmp ne v0, v1
            v15 = bitcast.i8x16 little v14
            v16 = bitselect v15, v2, v3
            v17 = bor v10, v16
            jump block1(v14)
        block1(v18: i16x8):
            return v6, v8, v17, v18
        }",
        expect![[r#"
            function %f(i16x8, i16x8, i8x16, i8x16) -> i8x16, i8x16, i8x16, i16x8 fast {
            block0(v0: i16x8, v1: i16x8, v2: i8x16, v3: i8x16):
                v4 = icmp ule v0, v1
                v5 = bitcast.i8x16 little v4
                v6 = bitselect v5, v3, v2
                v7 = icmp eq v2, v3
                v19 = bnot v7
                v8 = band v2, v19
                v9 = icmp sgt v2, v3
                v10 = bitselect v9, v2, v3
                v11 = icmp ult v0, v1
                v12 = bitselect v11, v0, v1
                v13 = bor v12, v11
                v14 = icmp ne v0, v1
                v15 = bitcast.i8x16 little v14
                v16 = bitselect v15, v2, v3
                v17 = bor v10, v16
                jump block1(v14)

            block1(v18: i16x8):
                return v6, v8, v17, v18
            }
        "#]],
    );
}

#[test]
fn swizzles_with_small_indices_need_no_limit() {
    check(
        super::run,
        "function %f(i8x16, i8x16) -> i8x16, i8x16, i8x16, i8x16 {
            const0 = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f8f
            const1 = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f1f
        block0(v0: i8x16, v1: i8x16):
            v2 = vconst.i8x16 const0
            v3 = band v1, v2
            v4 = swizzle v0, v3
            v5 = iconst.i32 4
            v6 = ushr v1, v5
            v7 = swizzle v0, v6
            v8 = vconst.i8x16 const1
            v9 = band v1, v8
            v10 = swizzle v0, v9
            v11 = bitcast.i16x8 little v1
            v12 = ushr v11, v5
            v13 = bitcast.i8x16 little v12
            v14 = bor v3, v6
            v15 = bxor v13, v14
            v16 = swizzle v0, v15
            return v4, v7, v10, v16
        }",
        expect![[r#"
            function %f(i8x16, i8x16) -> i8x16, i8x16, i8x16, i8x16 fast {
                const0 = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f8f
                const1 = 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f1f

            block0(v0: i8x16, v1: i8x16):
                v2 = vconst.i8x16 const0
                v3 = band v1, v2  ; v2 = const0
                v4 = x86_pshufb v0, v3
                v5 = iconst.i32 4
                v6 = ushr v1, v5  ; v5 = 4
                v7 = x86_pshufb v0, v6
                v8 = vconst.i8x16 const1
                v9 = band v1, v8  ; v8 = const1
                v10 = swizzle v0, v9
                v11 = bitcast.i16x8 little v1
                v12 = ushr v11, v5  ; v5 = 4
                v13 = bitcast.i8x16 little v12
                v14 = bor v3, v6
                v15 = bxor v13, v14
                v16 = swizzle v0, v15
                return v4, v7, v10, v16
            }
        "#]],
    );
}

#[test]
fn the_lowest_lane_comes_from_the_vectors_register() {
    check(
        super::run,
        "function %f(i64, i64x2, i32x4, i16x8, i8x16) -> i32, i16, i8, i32 {
        block0(v0: i64, v1: i64x2, v2: i32x4, v3: i16x8, v4: i8x16):
            v5 = extractlane v1, 0
            store v5, v0+8
            v6 = extractlane v1, 1
            store v6, v0+16
            v7 = extractlane v3, 0
            store v7, v0
            v8 = extractlane v2, 0
            v9 = extractlane v3, 0
            v10 = extractlane v4, 0
            v11 = extractlane v2, 1
            return v8, v9, v10, v11
        }",
        expect![[r#"
            function %f(i64, i64x2, i32x4, i16x8, i8x16) -> i32, i16, i8, i32 fast {
            block0(v0: i64, v1: i64x2, v2: i32x4, v3: i16x8, v4: i8x16):
                v5 = extractlane v1, 0
                v12 = bitcast.f64x2 little v1
                v13 = extractlane v12, 0
                store v13, v0+8
                v6 = extractlane v1, 1
                store v6, v0+16
                v7 = extractlane v3, 0
                store v7, v0
                v14 = bitcast.f32x4 little v2
                v15 = extractlane v14, 0
                v16 = bitcast.i32 v15
                v8 = extractlane v2, 0
                v17 = bitcast.f32x4 little v3
                v18 = extractlane v17, 0
                v19 = bitcast.i32 v18
                v20 = ireduce.i16 v19
                v9 = extractlane v3, 0
                v21 = bitcast.f32x4 little v4
                v22 = extractlane v21, 0
                v23 = bitcast.i32 v22
                v24 = ireduce.i8 v23
                v10 = extractlane v4, 0
                v11 = extractlane v2, 1
                return v16, v20, v24, v11
            }
        "#]],
    );
}

#[test]
fn unions_of_all_lanes_are_tested_at_once() {
    check(
        super::run,
        "function %f(i32x4, i64x2) -> i8, i8, i32 {
        block0(v0: i32x4, v1: i64x2):
            v2 = extractlane v0, 1
            v3 = extractlane v0, 2
            v4 = extractlane v0, 3
            v5 = extractlane v0, 0
            v6 = bor v2, v3
            v7 = bor v4, v5
            v8 = bor v6, v7
            v9 = iconst.i32 0
            v10 = icmp eq v8, v9
            v11 = bor v6, v4
            v12 = icmp ne v11, v9
            v13 = extractlane v1, 1
            v14 = extractlane v1, 0
            v15 = bor v13, v14
            brif v15, block1, block2
        block1:
            return v10, v12, v9
        block2:
            v16 = icmp ne v8, v9
            return v16, v12, v9
        }",
        expect![[r#"
            function %f(i32x4, i64x2) -> i8, i8, i32 fast {
            block0(v0: i32x4, v1: i64x2):
                v2 = extractlane v0, 1
                v3 = extractlane v0, 2
                v4 = extractlane v0, 3
                v17 = bitcast.f32x4 little v0
                v18 = extractlane v17, 0
                v19 = bitcast.i32 v18
                v5 = extractlane v0, 0
                v6 = bor v2, v3
                v7 = bor v4, v19
                v8 = bor v6, v7
                v9 = iconst.i32 0
                v20 = vany_true v0
                v21 = iconst.i8 0
                v10 = icmp eq v20, v21  ; v21 = 0
                v11 = bor v6, v4
                v12 = icmp ne v11, v9  ; v9 = 0
                v13 = extractlane v1, 1
                v22 = bitcast.f64x2 little v1
                v23 = extractlane v22, 0
                v24 = bitcast.i64 v23
                v14 = extractlane v1, 0
                v15 = bor v13, v24
                v25 = vany_true v1
                brif v25, block1, block2

            block1:
                return v10, v12, v9  ; v9 = 0

            block2:
                v16 = vany_true.i32x4 v0
                return v16, v12, v9  ; v9 = 0
            }
        "#]],
    );
}
