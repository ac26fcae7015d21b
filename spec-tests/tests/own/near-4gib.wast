;; The largest memory that accesses without bounds checks may assume, and sums that end just below
;; 4 GiB or beyond it: what is folded into an address must wrap where the 32-bit sum does.

(module
  (memory 65535)

  ;; A value of less than 64 KiB added to an index that was accessed: cannot wrap.
  (func (export "near") (param $x i32) (param $v i32) (result i32)
    (i32.store (local.get $x) (i32.const 7))
    (i32.load (i32.add (local.get $x) (i32.and (local.get $v) (i32.const 0xffff)))))

  ;; One bit more: can.
  (func (export "far") (param $x i32) (param $v i32) (result i32)
    (i32.store (local.get $x) (i32.const 7))
    (i32.load (i32.add (local.get $x) (i32.and (local.get $v) (i32.const 0x1ffff)))))

  ;; The same with constants.
  (func (export "constant") (param $x i32) (result i32)
    (i32.store (local.get $x) (i32.const 9))
    (i32.load (i32.add (local.get $x) (i32.const 0x10004))))

  ;; Scaled: up to 4 * 0xffff.
  (func (export "scaled") (param $x i32) (param $v i32) (result i32)
    (i32.store (local.get $x) (i32.const 11))
    (i32.load
      (i32.add
        (local.get $x)
        (i32.shl (i32.and (local.get $v) (i32.const 0xffff)) (i32.const 2)))))

  ;; A loop that starts at $x, then a sum with $x: proven only if the loop's access always runs.
  (func (export "loop") (param $x i32) (param $n i32) (param $v i32) (result i32)
    (local $i i32)
    (loop $again
      (i32.store8 (i32.add (local.get $x) (local.get $i)) (i32.const 3))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
    (i32.load8_u (i32.add (local.get $x) (i32.and (local.get $v) (i32.const 0x3ffff)))))

  (func (export "set") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
)

(invoke "set" (i32.const 0) (i32.const 42))
(assert_return (invoke "near" (i32.const 0xfffefffc) (i32.const 0)) (i32.const 7))
(assert_trap (invoke "near" (i32.const 0xfffefffc) (i32.const 4)) "out of bounds memory access")
(assert_trap (invoke "near" (i32.const 0xfffefffc) (i32.const 0xffff)) "out of bounds memory access")
(assert_return (invoke "far" (i32.const 0xfffefffc) (i32.const 0x10004)) (i32.const 42))
(assert_trap (invoke "far" (i32.const 0xfffefffc) (i32.const 0x10003)) "out of bounds memory access")
(assert_return (invoke "constant" (i32.const 0xfffefffc)) (i32.const 42))
(assert_return (invoke "scaled" (i32.const 0xfffefffc) (i32.const 0x4001)) (i32.const 42))
(assert_trap (invoke "scaled" (i32.const 0xfffefffc) (i32.const 0x4000)) "out of bounds memory access")
(assert_return (invoke "loop" (i32.const 0xfffefffc) (i32.const 4) (i32.const 3)) (i32.const 3))
(assert_return (invoke "loop" (i32.const 0xfffefffc) (i32.const 4) (i32.const 0x10004)) (i32.const 42))
(assert_trap (invoke "loop" (i32.const 0xfffefffc) (i32.const 5) (i32.const 0)) "out of bounds memory access")
