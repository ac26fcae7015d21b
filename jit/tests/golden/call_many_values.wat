;; passes:
;; Six integer and eight vector results travel in registers, more through a buffer.
(module
  (func $six (result i32 i32 i32 i32 i32 i32) (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6))
  (func $seven (result i32 i32 i32 i32 i32 i32 i32) (call $six) (i32.const 7))
  (func $use (result i32) (call $seven) (drop) (drop) (drop) (drop) (drop) (drop)))
