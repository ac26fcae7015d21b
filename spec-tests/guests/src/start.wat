;; A module whose start function runs before anything is called; it fills memory and a global.
(module
  (memory (export "memory") 1)
  (global $ran (mut i32) (i32.const 0))
  (func $begin
    (global.set $ran (i32.add (global.get $ran) (i32.const 1)))
    (i32.store (i32.const 16) (i32.const 1234)))
  (start $begin)
  (func (export "ran") (result i32) (global.get $ran))
  (func (export "stored") (result i32) (i32.load (i32.const 16)))
  (func (export "both") (result i32 i32) (global.get $ran) (i32.load (i32.const 16))))
