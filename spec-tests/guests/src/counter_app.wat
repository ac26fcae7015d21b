;; Imports everything that counter_lib exports. Run with --preload counter=counter_lib.wasm.
(module
  (type $unary (func (param i32) (result i32)))
  (import "counter" "bump" (func $bump (result i32)))
  (import "counter" "memory" (memory 1))
  (import "counter" "step" (global $step (mut i32)))
  (import "counter" "table" (table 2 funcref))
  ;; 3, then 3 + 10 after the step changed, plus the same word read through the shared memory.
  (func (export "run") (result i32)
    (drop (call $bump))
    (global.set $step (i32.const 10))
    (i32.add (call $bump) (i32.load (i32.const 0))))
  (func (export "apply") (param $which i32) (param $x i32) (result i32)
    (call_indirect (type $unary) (local.get $x) (local.get $which))))
