;; passes:
;; copysign from memory loads eight bytes, not sixteen; comparisons and min follow the specification on NaN.
(module (memory 1)
  (func $copysign (param i32 f64) (result f64) (f64.copysign (local.get 1) (f64.load (local.get 0))))
  (func $min (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1)))
  (func $less (param f64 f64) (result i32) (f64.lt (local.get 0) (local.get 1)))
  (func $convert (param i64) (result f64) (f64.convert_i64_u (local.get 0)))
  (func $nearest (param f64) (result f64) (f64.nearest (local.get 0))))
