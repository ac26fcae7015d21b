;; Throws and catches ten million times, every second time keeping the exception's reference and
;; throwing it again: memory must not grow with the number of exceptions.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (tag $t (param i64))

  (func $thrower (param $value i64)
    (throw $t (local.get $value)))

  (func $rethrower (param $value i64)
    (local $e exnref)
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught)
        (call $thrower (local.get $value)))
      (return))
    (local.set $e)
    (throw_ref (local.get $e)))

  (func $run (export "run") (param $times i64) (result i64)
    (local $i i64) (local $sum i64)
    (loop $again
      (block $caught (result i64)
        (try_table (catch $t $caught)
          (if (i64.eqz (i64.and (local.get $i) (i64.const 1)))
            (then (call $thrower (local.get $i)))
            (else (call $rethrower (local.get $i)))))
        (i64.const 0))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br_if $again (i64.lt_u (local.get $i) (local.get $times))))
    (local.get $sum))

  (func (export "_start")
    (if (i64.ne (call $run (i64.const 10000000)) (i64.const 49999995000000))
      (then (call $exit (i32.const 1))))))
