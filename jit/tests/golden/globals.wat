;; passes:
;; Constants are folded, own numeric globals lie below the memory, exported ones in cells.
(module (import "" "i" (global $i i32))
  (global $k i32 (i32.const 42)) (global $m (mut i32) (i32.const 0)) (global $x (export "x") (mut i64) (i64.const 0))
  (memory 1)
  (func $constant (result i32) (global.get $k))
  (func $imported (result i32) (global.get $i))
  (func $count (result i32) (global.set $m (i32.add (global.get $m) (i32.const 1))) (global.get $m))
  (func $shadow_stack (param i32) (result i32) (local i32)
    (global.set $m (local.tee 1 (i32.sub (global.get $m) (i32.const 16))))
    (i32.store offset=12 (local.get 1) (local.get 0))
    (i32.load offset=12 (local.get 1))
    (global.set $m (i32.add (local.get 1) (i32.const 16))))
  (func $exported (global.set $x (i64.add (global.get $x) (i64.const 1)))))
