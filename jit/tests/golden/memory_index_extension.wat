;; passes:
;; An i32 index is zero-extended: the upper half of its register may hold anything.
(module (memory 1)
  (func $param (param i32) (result i32) (i32.load (local.get 0)))
  (func $wrapped (param i64) (result i32) (i32.load (i32.wrap_i64 (local.get 0))))
  (func $wraps_around (param i32) (result i32) (i32.load (i32.sub (local.get 0) (i32.const 16))))
  (func $loaded (param i32) (result i32) (i32.load (i32.load (local.get 0)))))
