;; Loops that do the same to neighbouring places run on vectors: what they leave must be what rounds one by one leave,
;; wherever the places overlap, and where a round in the middle of a vector traps.
(module
  (memory (export "memory") 1 2)

  ;; Words 0 to 99 at `at` become their own numbers.
  (func $number (export "number") (param $at i32) (local $n i32)
    (loop $again
      (i32.store (i32.add (local.get $at) (i32.shl (local.get $n) (i32.const 2))) (local.get $n))
      (br_if $again (i32.ne (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100)))))

  ;; to[i] = from[i] + 1000, of `count` words
  (func $add (export "add") (param $from i32) (param $to i32) (param $count i32)
    (loop $again
      (i32.store (local.get $to) (i32.add (i32.load (local.get $from)) (i32.const 1000)))
      (local.set $from (i32.add (local.get $from) (i32.const 4)))
      (local.set $to (i32.add (local.get $to) (i32.const 4)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; to[i] = before + from[i], where before is from[i - 1], and what is given in the first round
  (func $pairs (export "pairs") (param $from i32) (param $to i32) (param $count i32) (param $before i32)
    (local $now i32)
    (loop $again
      (i32.store (local.get $to)
        (i32.add (local.get $before) (local.tee $now (i32.load (local.get $from)))))
      (local.set $before (local.get $now))
      (local.set $from (i32.add (local.get $from) (i32.const 4)))
      (local.set $to (i32.add (local.get $to) (i32.const 4)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (drop (local.get $before)))

  ;; to[i] ^= from[i] - 7, of `count` bytes
  (func $mix (export "mix") (param $from i32) (param $to i32) (param $count i32)
    (loop $again
      (i32.store8 (local.get $to)
        (i32.xor (i32.load8_u (local.get $to)) (i32.sub (i32.load8_s (local.get $from)) (i32.const 7))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $to (i32.add (local.get $to) (i32.const 1)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  ;; to[i] *= the word at `scale`, which may be among them
  (func $scale (export "scale") (param $to i32) (param $scale i32) (param $count i32)
    (loop $again
      (i32.store (local.get $to) (i32.mul (i32.load (local.get $to)) (i32.load (local.get $scale))))
      (local.set $to (i32.add (local.get $to) (i32.const 4)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  (func (export "word") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "set") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))

  ;; A sum of `count` words in which each counts differently.
  (func (export "sum") (param $at i32) (param $count i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum
        (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $again (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $sum)))

;; Apart.
(invoke "number" (i32.const 1000))
(invoke "add" (i32.const 1000) (i32.const 2000) (i32.const 100))
(assert_return (invoke "word" (i32.const 2000)) (i32.const 1000))
(assert_return (invoke "word" (i32.const 2396)) (i32.const 1099))
(assert_return (invoke "word" (i32.const 2400)) (i32.const 0))

;; The same place.
(invoke "add" (i32.const 2000) (i32.const 2000) (i32.const 99))
(assert_return (invoke "word" (i32.const 2392)) (i32.const 2098))
(assert_return (invoke "word" (i32.const 2396)) (i32.const 1099))

;; Each round reads what the one before stored: the first word goes through all of them.
(invoke "number" (i32.const 1000))
(invoke "add" (i32.const 1000) (i32.const 1004) (i32.const 99))
(assert_return (invoke "word" (i32.const 1004)) (i32.const 1000))
(assert_return (invoke "word" (i32.const 1396)) (i32.const 99000))

;; Three words ahead, and one behind.
(invoke "number" (i32.const 1000))
(invoke "add" (i32.const 1000) (i32.const 1012) (i32.const 60))
(assert_return (invoke "word" (i32.const 1248)) (i32.const 20002))
(invoke "number" (i32.const 1000))
(invoke "add" (i32.const 1004) (i32.const 1000) (i32.const 60))
(assert_return (invoke "word" (i32.const 1000)) (i32.const 1001))
(assert_return (invoke "word" (i32.const 1236)) (i32.const 1060))
(assert_return (invoke "word" (i32.const 1240)) (i32.const 60))

;; Half a word ahead: no element lies on another.
(invoke "number" (i32.const 1000))
(invoke "add" (i32.const 1000) (i32.const 1002) (i32.const 40))
(assert_return (invoke "word" (i32.const 1002)) (i32.const 1000))
(assert_return (invoke "word" (i32.const 1006)) (i32.const 1000))

;; What was loaded in the round before, and what was not.
(invoke "number" (i32.const 1000))
(invoke "pairs" (i32.const 1004) (i32.const 3000) (i32.const 90) (i32.const 0))
(assert_return (invoke "word" (i32.const 3000)) (i32.const 1))
(assert_return (invoke "word" (i32.const 3356)) (i32.const 179))
(invoke "pairs" (i32.const 1004) (i32.const 3000) (i32.const 90) (i32.const 5000))
(assert_return (invoke "word" (i32.const 3000)) (i32.const 5001))
(assert_return (invoke "word" (i32.const 3004)) (i32.const 3))
(assert_return (invoke "word" (i32.const 3356)) (i32.const 179))
;; In place, it keeps what was there before the store.
(invoke "pairs" (i32.const 1004) (i32.const 1004) (i32.const 90) (i32.const 0))
(assert_return (invoke "word" (i32.const 1004)) (i32.const 1))
(assert_return (invoke "word" (i32.const 1360)) (i32.const 179))
;; And at the very start of memory, before which there is nothing.
(invoke "number" (i32.const 0))
(invoke "pairs" (i32.const 0) (i32.const 3000) (i32.const 50) (i32.const 9))
(assert_return (invoke "word" (i32.const 3000)) (i32.const 9))
(assert_return (invoke "word" (i32.const 3196)) (i32.const 97))

;; Bytes, which wrap.
(invoke "number" (i32.const 1000))
(invoke "set" (i32.const 4000) (i32.const -1))
(invoke "mix" (i32.const 1000) (i32.const 4000) (i32.const 100))
(assert_return (invoke "word" (i32.const 4000)) (i32.const 0x06060606))
(assert_return (invoke "word" (i32.const 4004)) (i32.const 0xf9f9f9fa))
(assert_return (invoke "word" (i32.const 4096)) (i32.const 0xf9f9f911))
(assert_return (invoke "word" (i32.const 4100)) (i32.const 0))

;; A factor that the loop itself changes halfway.
(invoke "number" (i32.const 1000))
(invoke "set" (i32.const 5000) (i32.const 3))
(invoke "scale" (i32.const 1000) (i32.const 5000) (i32.const 100))
(assert_return (invoke "word" (i32.const 1396)) (i32.const 297))
(invoke "number" (i32.const 1000))
(invoke "scale" (i32.const 1000) (i32.const 1200) (i32.const 100))
(assert_return (invoke "word" (i32.const 1196)) (i32.const 2450))
(assert_return (invoke "word" (i32.const 1200)) (i32.const 2500))
(assert_return (invoke "word" (i32.const 1204)) (i32.const 127500))

;; The end of memory: all rounds before the one that traps have stored, whatever the vectors' size.
(invoke "number" (i32.const 1000))
(assert_trap (invoke "add" (i32.const 1000) (i32.const 65492) (i32.const 50)) "out of bounds memory access")
(assert_return (invoke "word" (i32.const 65492)) (i32.const 1000))
(assert_return (invoke "word" (i32.const 65532)) (i32.const 1010))
(invoke "set" (i32.const 65532) (i32.const 77))
(assert_trap (invoke "add" (i32.const 65488) (i32.const 6000) (i32.const 50)) "out of bounds memory access")
(assert_return (invoke "word" (i32.const 6044)) (i32.const 1077))
(assert_return (invoke "word" (i32.const 6048)) (i32.const 0))
;; Up to it, exactly.
(invoke "add" (i32.const 1000) (i32.const 65336) (i32.const 50))
(assert_return (invoke "word" (i32.const 65532)) (i32.const 1049))
;; Behind it, once it has grown.
(assert_return (invoke "grow" (i32.const 1)) (i32.const 1))
(invoke "add" (i32.const 1000) (i32.const 65492) (i32.const 50))
(assert_return (invoke "word" (i32.const 65688)) (i32.const 1049))
;; Where the addresses wrap.
(assert_trap (invoke "add" (i32.const 1000) (i32.const -40) (i32.const 50)) "out of bounds memory access")
(assert_trap (invoke "add" (i32.const 131000) (i32.const 1000) (i32.const 0)) "out of bounds memory access")
(assert_return (invoke "word" (i32.const 1000)) (i32.const 1000))
