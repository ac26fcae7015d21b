;; The variable of a counted loop steps by half of its range, the largest step that there is and one that has no
;; positive counterpart: it alternates between two values, and the loop ends with the first or the second round.
(module
  (memory (export "m") 1)
  (func (export "rounds") (param $x i64) (param $limit i64) (result i64)
    (local $rounds i64)
    (loop $again
      (local.set $rounds (i64.add (local.get $rounds) (i64.const 1)))
      (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (i64.const 1)))
      (local.set $x (i64.add (local.get $x) (i64.const 0x8000000000000000)))
      (br_if $again (i64.ne (local.get $x) (local.get $limit))))
    (local.get $rounds))
  (func (export "stored") (result i64) (i64.load (i32.const 16))))
(assert_return (invoke "rounds" (i64.const 0) (i64.const 0x8000000000000000)) (i64.const 1))
(assert_return (invoke "stored") (i64.const 1))
(assert_return (invoke "rounds" (i64.const 5) (i64.const 5)) (i64.const 2))
(assert_return (invoke "stored") (i64.const 3))
