;; passes:
;; Atomic accesses check alignment, then access.
(module (memory 1)
  (func $load (param i32) (result i32) (i32.atomic.load (local.get 0)))
  (func $add (param i32 i32) (result i32) (i32.atomic.rmw.add offset=4 (local.get 0) (local.get 1)))
  (func $exchange (param i32 i64 i64) (result i64) (i64.atomic.rmw.cmpxchg (local.get 0) (local.get 1) (local.get 2)))
  (func $notify (param i32) (result i32) (memory.atomic.notify (local.get 0) (i32.const 1))))
