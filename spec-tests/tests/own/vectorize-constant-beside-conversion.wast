;; Neighbouring stores, one of a number cut off and one of a constant: the pass `vectorize` asked the constant for
;; its operand, and panicked.
(module
  (memory (export "m") 1)
  (data (i32.const 1024) "\01\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\03\00\00\00\00\00\00\00\04")
  (func (export "f") (param $from i32) (param $to i32) (param $n i32)
    (loop
      (i32.store (local.get $to)
        (i32.wrap_i64 (i64.add (i64.load (local.get $from)) (i64.const 7))))
      (i32.store offset=4 (local.get $to) (i32.const 9))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (local.set $to (i32.add (local.get $to) (i32.const 8)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "g") (param $from i32) (param $to i32) (param $n i32)
    (loop
      (i32.store8 (local.get $to) (i32.wrap_i64 (i64.load8_u (local.get $from))))
      (i32.store8 offset=1 (local.get $to) (i32.const 9))
      (local.set $from (i32.add (local.get $from) (i32.const 8)))
      (local.set $to (i32.add (local.get $to) (i32.const 2)))
      (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func (export "load") (param i32) (result i64)
    (i64.load (local.get 0))))

(invoke "f" (i32.const 1024) (i32.const 4096) (i32.const 40))
(assert_return (invoke "load" (i32.const 4096)) (i64.const 0x9_0000_0008))
(assert_return (invoke "load" (i32.const 4120)) (i64.const 0x9_0000_000b))
(assert_return (invoke "load" (i32.const 4408)) (i64.const 0x9_0000_0007))
(assert_return (invoke "load" (i32.const 4416)) (i64.const 0))

(invoke "g" (i32.const 1024) (i32.const 8192) (i32.const 40))
(assert_return (invoke "load" (i32.const 8192)) (i64.const 0x0904_0903_0902_0901))
(assert_return (invoke "load" (i32.const 8264)) (i64.const 0x0900_0900_0900_0900))
(assert_return (invoke "load" (i32.const 8272)) (i64.const 0))
