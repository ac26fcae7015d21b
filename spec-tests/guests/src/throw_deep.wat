;; Throws through 10,000 frames to the one that catches, a hundred times.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (tag $t (param i32))
  (global $entered (mut i32) (i32.const 0))
  (global $returned (mut i32) (i32.const 0))

  (func $dive (param $depth i32) (param $value i32)
    (global.set $entered (i32.add (global.get $entered) (i32.const 1)))
    (if (i32.eqz (local.get $depth)) (then (throw $t (local.get $value))))
    (call $dive (i32.sub (local.get $depth) (i32.const 1)) (local.get $value))
    ;; Only an unwinder that resumes in the wrong place comes here.
    (global.set $returned (i32.add (global.get $returned) (i32.const 1))))

  (func $once (export "once") (param $depth i32) (param $value i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $t $caught)
        (call $dive (local.get $depth) (local.get $value)))
      (i32.const -1)))

  (func (export "_start")
    (local $i i32)
    (loop $again
      (if (i32.ne (call $once (i32.const 10000) (local.get $i)) (local.get $i))
        (then (call $exit (i32.const 1))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (i32.const 100))))
    (if (i32.ne (global.get $entered) (i32.const 1000100)) (then (call $exit (i32.const 2))))
    (if (global.get $returned) (then (call $exit (i32.const 3))))))
