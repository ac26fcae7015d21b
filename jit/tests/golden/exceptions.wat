;; passes:
;; Calls in a try_table have edges to its handlers; others cost nothing.
(module (tag $e (param i32)) (func $f (param i32) (throw $e (local.get 0)))
  (func $catch (param i32) (result i32)
    (block $h (result i32) (try_table (catch $e $h) (call $f (local.get 0))) (i32.const 0)))
  (func $catch_all (param i32)
    (block $h (try_table (catch_all $h) (call $f (local.get 0)) (call $f (i32.const 2)))))
  (func $rethrow (param i32)
    (block $h (result exnref) (try_table (catch_all_ref $h) (call $f (local.get 0))) (return)) (throw_ref)))
