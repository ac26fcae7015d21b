;; passes:
;; Blocks, loops, br_table, select.
(module
  (func $if (param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 3)) (else (i32.const 5))))
  (func $count (param i32) (result i32) (local i32)
    (loop $l (local.set 1 (i32.add (local.get 1) (i32.const 3))) (br_if $l (i32.ne (local.get 1) (local.get 0)))) (local.get 1))
  (func $table (param i32) (result i32)
    (block $c (block $b (block $a (br_table $a $b $c (local.get 0))) (return (i32.const 1))) (return (i32.const 2))) (i32.const 3))
  (func $select (param i32 i32 i32) (result i32) (select (local.get 0) (local.get 1) (local.get 2)))
  (func $no_blocks (param i32) (result i32) (block (result i32) (block (result i32) (local.get 0)) (i32.const 1) (i32.add))))
