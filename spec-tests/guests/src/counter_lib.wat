;; A library for counter_app: a function, a memory, a global and a table that another module imports.
(module
  (memory (export "memory") 1)
  (global $step (export "step") (mut i32) (i32.const 3))
  (table (export "table") 2 funcref)
  (elem (i32.const 0) $twice $negate)
  (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $negate (param i32) (result i32) (i32.sub (i32.const 0) (local.get 0)))
  (func (export "bump") (result i32)
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (global.get $step)))
    (i32.load (i32.const 0))))
