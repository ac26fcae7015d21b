;; Exceptions across frames, instances, tables and tail calls; what survives in the frame that catches.

(module $lib
  (tag $all (export "all") (param i32 i64 f32 f64 v128 externref funcref))
  (tag $e (export "e") (param i32))
  (func $f (export "f"))
  (func (export "throw all") (param externref)
    (throw $all (i32.const 1) (i64.const -2) (f32.const 3.5) (f64.const -4.25)
      (v128.const i32x4 5 6 7 8) (local.get 0) (ref.func $f)))
  (func $deep (export "deep") (param i32)
    (if (i32.eqz (local.get 0)) (then (throw $e (i32.const 77))))
    (call $deep (i32.sub (local.get 0) (i32.const 1))))
  (func (export "trap") (unreachable))
  (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0))))
(register "lib")

(assert_exception (invoke "deep" (i32.const 0)))
(assert_exception (invoke "deep" (i32.const 2000)))

(module
  (type $v (func))
  (import "lib" "all" (tag $all (param i32 i64 f32 f64 v128 externref funcref)))
  (import "lib" "e" (tag $e (param i32)))
  (import "lib" "throw all" (func $throw_all (param externref)))
  (import "lib" "deep" (func $deep (param i32)))
  (import "lib" "trap" (func $trap))
  (import "lib" "divide" (func $divide (param i32) (result i32)))
  (tag $own (param i32))
  (tag $empty)
  (table funcref (elem $throw_own $trap $nothing))
  (global $g (mut i32) (i32.const 0))
  (func $nothing)
  (func $throw_own (throw $own (i32.const 5)))

  ;; Every type arrives.
  (func (export "all") (param externref) (result i32 i64 f32 f64 v128 externref i32)
    (block $h (result i32 i64 f32 f64 v128 externref funcref)
      (try_table (catch $all $h) (call $throw_all (local.get 0)))
      (unreachable))
    (ref.is_null))

  ;; Locals and values below the handler are those of before the throw or of the last write.
  (func (export "survive") (param i32 i64 f64 v128) (result i32 i64 f64 v128 i32)
    (local $x i32)
    (local.set $x (i32.const 1))
    (local.get 0) (local.get 1) (local.get 2) (local.get 3)
    (block $h (result i32)
      (try_table (catch $e $h)
        (local.set $x (i32.const 100))
        (call $deep (i32.const 30))
        (local.set $x (i32.const 200)))
      (i32.const 0))
    (i32.add (local.get $x)))

  ;; The innermost handler with the tag takes it; others are passed by.
  (func (export "nested") (param i32) (result i32)
    (block $outer (result i32)
      (try_table (result i32) (catch $e $outer)
        (block $inner (result i32)
          (try_table (result i32) (catch $own $inner)
            (if (local.get 0) (then (throw $e (i32.const 10))) (else (throw $own (i32.const 20))))
            (i32.const 0)))
        (i32.add (i32.const 1)))))

  ;; A trap is not an exception.
  (func (export "trap") (block $h (try_table (catch_all $h) (call $trap))))
  (func (export "divide") (param i32) (result i32)
    (block $h (try_table (catch_all $h) (return (call $divide (local.get 0)))))
    (i32.const 99))
  (func (export "null") (param i32)
    (block $h
      (try_table (catch_all $h) (throw_ref (ref.null exn)))))

  ;; An exception of a tail call has left this frame.
  (func $tail (block $h (try_table (catch_all $h) (return_call $throw_own))))
  (func (export "tail") (result i32)
    (block $h (result i32) (try_table (catch $own $h) (call $tail)) (i32.const 0)))

  ;; Through a table.
  (func (export "indirect") (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $own $h) (call_indirect (type $v) (local.get 0)))
      (i32.const -1)))

  ;; Caught, kept and thrown again, by identity.
  (func (export "again") (result i32)
    (local $x exnref)
    (block $h (result i32 exnref)
      (try_table (catch_ref $own $h) (call $throw_own))
      (unreachable))
    (local.set $x) (drop)
    (block $h2 (result i32)
      (try_table (catch $e $h2) (catch $own $h2) (throw_ref (local.get $x)))
      (unreachable)))

  ;; Many exceptions, held and dropped: they must not accumulate.
  (func (export "many") (param i32) (result i32)
    (local $x exnref) (local $sum i32)
    (loop $l
      (block $h (result i32 exnref)
        (try_table (catch_ref $e $h) (throw $e (local.get 0)))
        (unreachable))
      (local.set $x)
      (local.set $sum (i32.add (local.get $sum)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (drop (local.get $x))
    (local.get $sum))

  ;; A handler inside a loop that leaves the loop by the exception.
  (func (export "loop") (param i32) (result i32)
    (block $h
      (try_table (catch $empty $h)
        (loop $l
          (global.set $g (i32.add (global.get $g) (i32.const 1)))
          (if (i32.eq (global.get $g) (local.get 0)) (then (throw $empty)))
          (br $l))))
    (global.get $g))
  (func (export "uncaught") (throw $own (i32.const 1))))

(assert_return (invoke "all" (ref.extern 9))
  (i32.const 1) (i64.const -2) (f32.const 3.5) (f64.const -4.25) (v128.const i32x4 5 6 7 8) (ref.extern 9) (i32.const 0))
(assert_return (invoke "survive" (i32.const 1) (i64.const 2) (f64.const 3) (v128.const i64x2 4 5))
  (i32.const 1) (i64.const 2) (f64.const 3) (v128.const i64x2 4 5) (i32.const 177))
(assert_return (invoke "nested" (i32.const 1)) (i32.const 10))
(assert_return (invoke "nested" (i32.const 0)) (i32.const 21))
(assert_trap (invoke "trap") "unreachable")
(assert_trap (invoke "divide" (i32.const 0)) "integer divide by zero")
(assert_return (invoke "divide" (i32.const 1)) (i32.const 1))
(assert_trap (invoke "null" (i32.const 0)) "null")
(assert_return (invoke "tail") (i32.const 5))
(assert_return (invoke "indirect" (i32.const 0)) (i32.const 5))
(assert_trap (invoke "indirect" (i32.const 1)) "unreachable")
(assert_return (invoke "indirect" (i32.const 2)) (i32.const -1))
(assert_trap (invoke "indirect" (i32.const 3)) "undefined element")
(assert_return (invoke "again") (i32.const 5))
(assert_return (invoke "many" (i32.const 100000)) (i32.const 705082704))
(assert_return (invoke "loop" (i32.const 1000)) (i32.const 1000))
(assert_exception (invoke "uncaught"))
(assert_return (invoke "tail") (i32.const 5))

;; A start function may throw, or catch.
(assert_exception (module (tag $e) (func $s (throw $e)) (start $s)))
(module
  (import "lib" "e" (tag $e (param i32)))
  (import "lib" "deep" (func $deep (param i32)))
  (global $g (export "g") (mut i32) (i32.const 0))
  (func $s
    (block $h (result i32) (try_table (catch $e $h) (call $deep (i32.const 3))) (i32.const 0))
    (global.set $g))
  (start $s))
(assert_return (get "g") (i32.const 77))
(assert_unlinkable (module (import "lib" "e" (tag (param i64)))) "incompatible import type")
(assert_unlinkable (module (import "lib" "f" (tag))) "incompatible import type")
