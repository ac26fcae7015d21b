;; passes:
;; Loads and stores of memory 0: no base load, no bounds check, the constant offset in the instruction.
(module (memory 1 10)
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func $load_offset (param i32) (result i64) (i64.load offset=16 (local.get 0)))
  (func $load_bytes (param i32) (result i32) (i32.add (i32.load8_u (local.get 0)) (i32.load8_s offset=1 (local.get 0))))
  (func $store (param i32 i32) (i32.store offset=8 (local.get 0) (local.get 1)))
  (func $store_constant (param i32) (i32.store offset=4 (local.get 0) (i32.const 7)))
  (func $update (param i32) (i32.store (local.get 0) (i32.add (i32.load (local.get 0)) (i32.const 1))))
  (func $array (param i32 i32) (result i32) (i32.load offset=12 (i32.add (local.get 0) (i32.shl (local.get 1) (i32.const 2)))))
  (func $constant_address (result i32) (i32.load (i32.const 1024))))
