;; passes:
;; Vectors: loads are as wide as the operator says, never wider.
(module (memory 1)
  (func $load (param i32) (result v128) (v128.load offset=16 (local.get 0)))
  (func $splat (param i32) (result v128) (v128.load32_splat (local.get 0)))
  (func $lane (param i32 v128) (result v128) (v128.load8_lane 3 (local.get 0) (local.get 1)))
  (func $add (param v128 v128) (result v128) (i32x4.add (local.get 0) (local.get 1)))
  (func $sum (param i32) (result i32) (i32x4.extract_lane 0 (i32x4.add (v128.load (local.get 0)) (v128.load offset=16 (local.get 0)))))
  (func $shuffle (param v128 v128) (result v128) (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get 0) (local.get 1)))
  (func $constant (result v128) (v128.const i32x4 1 2 3 4))
  (func $store (param i32 v128) (v128.store (local.get 0) (local.get 1))))
