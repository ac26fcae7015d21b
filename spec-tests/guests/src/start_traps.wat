;; A module whose start function traps: instantiation must fail with the trap.
(module
  (func $begin unreachable)
  (start $begin)
  (func (export "never") (result i32) (i32.const 1)))
