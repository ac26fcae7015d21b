;; passes:
;; What traps by itself and what is checked.
(module
  (func $unreachable (unreachable))
  (func $div_s (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func $rem_s (param i64 i64) (result i64) (i64.rem_s (local.get 0) (local.get 1)))
  (func $div_u_constant (param i32) (result i32) (i32.div_u (local.get 0) (i32.const 10)))
  (func $trunc (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))
  (func $trunc_sat (param f32) (result i64) (i64.trunc_sat_f32_u (local.get 0))))
