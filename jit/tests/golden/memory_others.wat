;; passes:
;; Memories that are not the instance's own memory 0 go through their descriptor.
(module
  (import "" "m" (memory $imported 1))
  (memory $second 1) (memory $wide i64 1)
  (func $imported (param i32) (result i32) (i32.load $imported (local.get 0)))
  (func $second (param i32) (result i32) (i32.load $second offset=4 (local.get 0)))
  (func $wide (param i64) (result i32) (i32.load $wide offset=4 (local.get 0)))
  (func $size (result i32) (memory.size $second)))
