;; passes:
;; References: handles that stack maps list, function records.
(module (import "" "f" (func $f)) (table $t 10 20 externref) (table $g 3 10 funcref) (elem declare func $here)
  (func $here)
  (func $across_call (param externref) (result externref) (call $f) (local.get 0))
  (func $table (param i32 externref) (result externref) (table.set $t (local.get 0) (local.get 1)) (table.get $t (i32.const 0)))
  (func $func_table (param i32) (result funcref) (table.get $g (local.get 0)))
  (func $ref_func (result funcref) (ref.func $here))
  (func $is_null (param externref) (result i32) (ref.is_null (local.get 0))))
