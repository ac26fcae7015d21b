;; passes: tables
;; Tables of two labels: one entry that differs, a set of entries, a default of its own, a run from
;; the start, and one of three labels, which stays a table.
(module
  (func $one (param i32) (result i32)
    (block $a (block $b (br_table $a $a $b $a $a (local.get 0))) (return (i32.const 1)))
    (i32.const 2))
  (func $set (param i32) (result i32)
    (block $a (block $b (br_table $a $b $b $a $b $a (local.get 0))) (return (i32.const 1)))
    (i32.const 2))
  (func $apart (param i32) (result i32)
    (block $c (block $a (block $b (br_table $a $b $b $a $c (local.get 0))) (return (i32.const 1)))
      (return (i32.const 2)))
    (i32.const 3))
  (func $run (param i32) (result i32)
    (block $a (block $b (br_table $b $b $b $b $a (local.get 0))) (return (i32.const 1)))
    (i32.const 2))
  (func $three (param i32) (result i32)
    (block $c (block $a (block $b (br_table $a $b $c $a $c (local.get 0))) (return (i32.const 1)))
      (return (i32.const 2)))
    (i32.const 3))
  (export "one" (func $one)) (export "set" (func $set)) (export "apart" (func $apart))
  (export "run" (func $run)) (export "three" (func $three)))
