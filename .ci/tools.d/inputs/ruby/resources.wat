;; Handles for Ruby's values: a handle is the index of what it stands for.
(module
  (memory 4)
  (global $next (mut i32) (i32.const 1))
  (func (export "resource_new_rb-abi-value") (param i32) (result i32)
    (i32.store (i32.mul (global.get $next) (i32.const 4)) (local.get 0))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (i32.const 1))))
  (func (export "resource_get_rb-abi-value") (param i32) (result i32)
    (i32.load (i32.mul (local.get 0) (i32.const 4))))
  (func (export "resource_drop_js-abi-value") (param i32)))
