;; What must not change when a call becomes its callee's body. Every function here is small enough
;; to be inlined wherever it is called.

(module
  (import "spectest" "print" (func $host))
  (type $v (func))
  (tag $e (param i32))
  (memory 1)
  (table $t 4 funcref)
  (elem (table $t) (i32.const 0) func $add $count)
  (global $calls (mut i32) (i32.const 0))

  (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))

  ;; Locals start at zero at every entry, also in a loop and when another body used them before.
  (func $fresh (param i32) (result i32) (local i32 i64 f64)
    (local.set 1 (i32.add (local.get 1) (local.get 0)))
    (local.set 2 (i64.const 77)) (local.set 3 (f64.const 5))
    (local.get 1))
  (func $fresh_too (param i32) (result i32) (local i32 i64)
    (i32.add (i32.wrap_i64 (local.get 2)) (i32.add (local.get 1) (local.get 0))))
  (func (export "fresh") (result i32) (local $i i32) (local $sum i32)
    (loop $l
      (local.set $sum (i32.add (local.get $sum) (call $fresh (i32.const 3))))
      (local.set $sum (i32.add (local.get $sum) (call $fresh_too (i32.const 1))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10))))
    (local.get $sum))

  ;; A callee may change its parameters without the caller noticing.
  (func $change (param i32) (result i32)
    (local.set 0 (i32.mul (local.get 0) (i32.const 2))) (local.get 0))
  (func (export "change") (param i32) (result i32)
    (i32.add (call $change (local.get 0)) (i32.mul (i32.const 100) (local.get 0))))

  ;; `return` and branches to the function's own label leave the callee alone.
  (func $early (param i32) (result i32)
    (block (block (br_if 0 (i32.eqz (local.get 0))) (return (i32.const 10)))
      (br_if 1 (i32.const 20) (i32.const 1)) (drop))
    (i32.const 30))
  (func $table_out (param i32) (result i32)
    (block $a (result i32)
      (br_table $a 1 $a (i32.const 7) (local.get 0)))
    (i32.const 1) (i32.add))
  (func (export "early") (param i32) (result i32)
    (i32.add (i32.const 1) (call $early (local.get 0))))
  (func (export "table out") (param i32) (result i32)
    (i32.add (i32.const 100) (call $table_out (local.get 0))))

  ;; Operands below the arguments survive.
  (func $two (param i32 i64) (result i64 i32)
    (i64.add (local.get 1) (i64.const 1)) (i32.add (local.get 0) (i32.const 1)))
  (func (export "operands") (result i32 i64 i32 i32)
    (i32.const 11) (i32.const 22) (i64.const 33) (call $two) (i32.const 44))
  ;; More results than there are registers.
  (func $many (result i32 i32 i32 i32 i32 i32 i32 i32 i64)
    (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4) (i32.const 5) (i32.const 6)
    (i32.const 7) (i32.const 8) (i64.const 9))
  (func (export "many") (result i32 i32 i32 i32 i32 i32 i32 i32 i64) (call $many))

  ;; A callee that never returns.
  (func $never (result i32) (unreachable))
  (func $never_loop (result i32) (loop $l (br_if $l (i32.eqz (i32.const 1)))) (unreachable))
  (func (export "never") (result i32) (i32.add (i32.const 1) (call $never)))
  (func (export "never if") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $never_loop)) (else (i32.const 5))))

  ;; Exceptions that leave an inlined body meet the caller's handlers, those inside its own.
  (func $throws (param i32) (throw $e (local.get 0)))
  (func $throws_if (param i32) (result i32)
    (if (local.get 0) (then (throw $e (local.get 0)))) (i32.const -1))
  (func $catches (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h) (call $throws (local.get 0)))
      (i32.const -2))
    (i32.add (i32.const 1000)))
  (func (export "caught outside") (param i32) (result i32)
    (block $h (result i32)
      (try_table (result i32) (catch $e $h) (call $throws_if (local.get 0)))))
  (func (export "caught inside") (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h)
        (call $throws (call $catches (local.get 0))))
      (unreachable)))
  (func (export "not caught") (param i32) (call $throws (local.get 0)))
  (func $rethrows (param i32)
    (block $h (result exnref)
      (try_table (catch_all_ref $h) (call $throws (local.get 0)))
      (return))
    (throw_ref))
  (func (export "rethrown") (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $e $h) (call $rethrows (local.get 0)))
      (i32.const 0)))

  ;; Recursion, followed a few levels or not at all.
  (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                     (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "fib of ten") (result i32) (call $fib (i32.const 10)))
  (func $even (export "even") (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))
      (else (call $odd (i32.sub (local.get 0) (i32.const 1))))))
  (func $odd (param i32) (result i32)
    (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
      (else (call $even (i32.sub (local.get 0) (i32.const 1))))))
  (func $loops (export "loops") (param i32) (result i32) (local i32)
    (loop $l
      (if (local.get 0)
        (then
          (local.set 1 (i32.add (local.get 1) (i32.add (i32.const 1)
            (call $loops (i32.sub (local.get 0) (i32.const 1))))))
          (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
          (br $l))))
    (local.get 1))
  (func $forever (export "forever") (param i32) (result i32)
    (i32.add (i32.const 1) (call $forever (i32.add (local.get 0) (i32.const 1)))))

  ;; Tail calls in callees and of callees.
  (func $tail (param i32) (result i32) (return_call $add (local.get 0) (i32.const 5)))
  (func (export "tail") (param i32) (result i32) (i32.mul (i32.const 2) (call $tail (local.get 0))))
  (func $count (param i32 i32) (result i32)
    (if (result i32) (local.get 0)
      (then (return_call $count (i32.sub (local.get 0) (i32.const 1)) (i32.add (local.get 1) (i32.const 1))))
      (else (local.get 1))))
  (func (export "count") (param i32) (result i32) (call $count (local.get 0) (i32.const 0)))

  ;; Traps and effects in the callee's order.
  (func $div (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func $bump (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
  (func (export "order") (param i32) (result i32)
    (call $div (call $bump) (local.get 0)))
  (func (export "calls") (result i32) (global.get $calls))
  (func $load (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "load") (param i32) (result i32) (call $load (local.get 0)))

  ;; References stay alive across calls inside inlined bodies.
  (func $hold (param externref) (result externref) (local externref)
    (local.set 1 (local.get 0)) (call $host) (drop (memory.grow (i32.const 0))) (local.get 1))
  (func (export "hold") (param externref) (result externref) (local i32)
    (loop $l
      (local.set 0 (call $hold (local.get 0)))
      (br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 3))))
    (local.get 0))

  ;; Chains of callees, deeper than inlining goes.
  (func $c0 (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $c1 (param i32) (result i32) (call $c0 (call $c0 (local.get 0))))
  (func $c2 (param i32) (result i32) (call $c1 (call $c1 (local.get 0))))
  (func $c3 (param i32) (result i32) (call $c2 (call $c2 (local.get 0))))
  (func $c4 (param i32) (result i32) (call $c3 (call $c3 (local.get 0))))
  (func $c5 (param i32) (result i32) (call $c4 (call $c4 (local.get 0))))
  (func $c6 (param i32) (result i32) (call $c5 (call $c5 (local.get 0))))
  (func (export "chain") (param i32) (result i32) (call $c6 (local.get 0)))

  ;; Indirect calls reach a function that is inlined elsewhere.
  (type $ii (func (param i32 i32) (result i32)))
  (func (export "indirect") (result i32)
    (i32.add (call $add (i32.const 1) (i32.const 2))
             (call_indirect $t (type $ii) (i32.const 3) (i32.const 4) (i32.const 0)))))

(assert_return (invoke "fresh") (i32.const 40))
(assert_return (invoke "change" (i32.const 3)) (i32.const 306))
(assert_return (invoke "early" (i32.const 0)) (i32.const 21))
(assert_return (invoke "early" (i32.const 1)) (i32.const 11))
(assert_return (invoke "table out" (i32.const 0)) (i32.const 108))
(assert_return (invoke "table out" (i32.const 1)) (i32.const 107))
(assert_return (invoke "table out" (i32.const 9)) (i32.const 108))
(assert_return (invoke "operands") (i32.const 11) (i64.const 34) (i32.const 23) (i32.const 44))
(assert_return (invoke "many") (i32.const 1) (i32.const 2) (i32.const 3) (i32.const 4)
  (i32.const 5) (i32.const 6) (i32.const 7) (i32.const 8) (i64.const 9))
(assert_trap (invoke "never") "unreachable")
(assert_trap (invoke "never if" (i32.const 1)) "unreachable")
(assert_return (invoke "never if" (i32.const 0)) (i32.const 5))
(assert_return (invoke "caught outside" (i32.const 42)) (i32.const 42))
(assert_return (invoke "caught outside" (i32.const 0)) (i32.const -1))
(assert_return (invoke "caught inside" (i32.const 7)) (i32.const 1007))
(assert_exception (invoke "not caught" (i32.const 1)))
(assert_return (invoke "rethrown" (i32.const 9)) (i32.const 9))
(assert_return (invoke "fib" (i32.const 20)) (i32.const 6765))
(assert_return (invoke "fib of ten") (i32.const 55))
(assert_return (invoke "even" (i32.const 101)) (i32.const 0))
(assert_return (invoke "loops" (i32.const 8)) (i32.const 255))
(assert_exhaustion (invoke "forever" (i32.const 0)) "call stack exhausted")
(assert_return (invoke "tail" (i32.const 1)) (i32.const 12))
(assert_return (invoke "count" (i32.const 1000000)) (i32.const 1000000))
(assert_return (invoke "order" (i32.const 1)) (i32.const 1))
(assert_trap (invoke "order" (i32.const 0)) "integer divide by zero")
(assert_return (invoke "calls") (i32.const 2))
(assert_trap (invoke "load" (i32.const 65533)) "out of bounds memory access")
(assert_return (invoke "hold" (ref.extern 5)) (ref.extern 5))
(assert_return (invoke "chain" (i32.const 0)) (i32.const 64))
(assert_return (invoke "indirect") (i32.const 10))

;; An error in a body that is inlined before it is reached is that body's error.
(assert_invalid
  (module
    (func (export "a") (result i32) (call $bad))
    (func $bad (result i32) (i64.const 1)))
  "type mismatch")
(assert_invalid
  (module
    (func (export "a") (result i32) (call $bad))
    (func $unused (result i32) (f32.const 1))
    (func $bad (result i32) (i32.const 1)))
  "type mismatch")
