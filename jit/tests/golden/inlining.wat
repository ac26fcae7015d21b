;; passes: inline
;; Small callees become part of their callers, recursion is followed twice.
(module (memory 1)
  (func $get (param i32) (result i32) (i32.load offset=8 (local.get 0)))
  (func $both (export "both") (param i32 i32) (result i32) (i32.add (call $get (local.get 0)) (call $get (local.get 1))))
  (func $early (param i32) (result i32) (if (local.get 0) (then (return (i32.const 1)))) (i32.const 2))
  (func $branches (export "branches") (param i32) (result i32) (call $early (local.get 0)))
  (func $sum (export "sum") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (i32.add (local.get 0) (call $sum (i32.sub (local.get 0) (i32.const 1))))) (else (i32.const 0)))))
