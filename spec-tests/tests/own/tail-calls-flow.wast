;; Tail calls that change the number of stack arguments, leave the instance, or reach the host: none may grow
;; the stack.

(module $far
  (import "spectest" "print_i32" (func $print (param i32)))
  (type $t (func (param i32 i64) (result i64)))
  (table (export "table") 4 funcref)
  (func $count (export "count") (param $n i32) (param $sum i64) (result i64)
    (if (result i64) (i32.eqz (local.get $n))
      (then (local.get $sum))
      (else
        (return_call_indirect (type $t)
          (i32.sub (local.get $n) (i32.const 1)) (i64.add (local.get $sum) (i64.const 1))
          (i32.const 1)))))
  (elem (i32.const 0) $count)
  (func (export "print") (param i32) (return_call $print (local.get 0))))
(register "far")

(module
  (type $t (func (param i32 i64) (result i64)))
  (import "far" "table" (table 4 funcref))
  (import "far" "count" (func $count (param i32 i64) (result i64)))
  (import "far" "print" (func $print (param i32)))
  (global $me i64 (i64.const 1000000))
  ;; Back and forth between two instances: each must find its own globals.
  (func $back (param $n i32) (param $sum i64) (result i64)
    (if (result i64) (i32.eqz (local.get $n))
      (then (i64.add (local.get $sum) (global.get $me)))
      (else
        (return_call $count (i32.sub (local.get $n) (i32.const 1)) (local.get $sum)))))
  (elem (i32.const 1) $back)
  (func (export "ping-pong") (param i32) (result i64)
    (return_call $back (local.get 0) (i64.const 0)))
  (func (export "host") (return_call $print (i32.const 1)))

  ;; More stack arguments at each step, then fewer.
  (func $few (param $n i32) (result i64)
    (if (result i64) (i32.eqz (local.get $n))
      (then (i64.const 0))
      (else (return_call $many (i32.sub (local.get $n) (i32.const 1))
        (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6) (i64.const 7)
        (i64.const 8) (i64.const 9) (i64.const 10) (i64.const 11) (f64.const 12) (f32.const 13)
        (v128.const i64x2 14 15)))))
  (func $many (param $n i32) (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (param f64 f32 v128) (result i64)
    (if (result i64) (i32.eqz (local.get $n))
      (then
        (i64.add (i64.mul (local.get 11) (i64.const 1000))
          (i64.add (i64.trunc_f64_s (local.get 12)) (i64x2.extract_lane 1 (local.get 14)))))
      (else (return_call $few (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "few and many") (param i32) (result i64) (call $few (local.get 0)))

  ;; Results that travel in memory, handed on by every callee.
  (func $wide (param $n i32) (result i32 i64 f32 f64 v128 i32 i64 i32 i64 i32 i64 i32 i64 i32 i64)
    (if (i32.eqz (local.get $n))
      (then (return (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (v128.const i64x2 5 6)
        (i32.const 7) (i64.const 8) (i32.const 9) (i64.const 10) (i32.const 11) (i64.const 12)
        (i32.const 13) (i64.const 14) (i32.const 15) (i64.const 16))))
    (return_call $wide (i32.sub (local.get $n) (i32.const 1))))
  (func (export "wide") (param i32) (result i32 i64 f32 f64 v128 i32 i64 i32 i64 i32 i64 i32 i64 i32 i64)
    (return_call $wide (local.get 0)))

  ;; Traps of the call itself.
  (func (export "bad") (param i32) (result i64)
    (return_call_indirect (type $t) (i32.const 0) (i64.const 0) (local.get 0)))
  (func $other)
  (elem (i32.const 2) $other))

(assert_return (invoke "ping-pong" (i32.const 0)) (i64.const 1000000))
(assert_return (invoke "ping-pong" (i32.const 1)) (i64.const 0))
(assert_return (invoke "ping-pong" (i32.const 1000000)) (i64.const 1500000))
(assert_return (invoke "host"))
(assert_return (invoke "few and many" (i32.const 0)) (i64.const 0))
(assert_return (invoke "few and many" (i32.const 1)) (i64.const 11027))
(assert_return (invoke "few and many" (i32.const 1000000)) (i64.const 0))
(assert_return (invoke "few and many" (i32.const 1000001)) (i64.const 11027))
(assert_return (invoke "wide" (i32.const 1000000))
  (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (v128.const i64x2 5 6) (i32.const 7) (i64.const 8)
  (i32.const 9) (i64.const 10) (i32.const 11) (i64.const 12) (i32.const 13) (i64.const 14) (i32.const 15) (i64.const 16))
(assert_return (invoke "bad" (i32.const 1)) (i64.const 1000000))
(assert_trap (invoke "bad" (i32.const 2)) "indirect call type mismatch")
(assert_trap (invoke "bad" (i32.const 3)) "uninitialized element")
(assert_trap (invoke "bad" (i32.const 4)) "undefined element")
(assert_trap (invoke "bad" (i32.const -1)) "undefined element")
