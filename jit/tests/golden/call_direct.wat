;; passes:
;; Direct calls are relative; imports are called through their slot in the sealed fields.
(module (import "" "f" (func $f (param i32) (result i32)))
  (func $g (param i32) (result i32) (local.get 0))
  (func $direct (param i32) (result i32) (call $g (local.get 0)))
  (func $import (param i32) (result i32) (call $f (local.get 0)))
  (func $loop (param i32) (loop $l (drop (call $f (local.get 0))) (br_if $l (call $g (local.get 0))))))
