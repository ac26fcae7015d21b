;; passes:
;; A fixed table lies among the sealed fields with a constant bound; a table that can grow loads its
;; length; one signature compare serves null, type and laziness.
(module (type $t (func (param i32) (result i32)))
  (table $fixed 4 4 funcref) (table $grows 1 100 funcref) (table $seen (export "seen") 4 4 funcref)
  (elem (table $fixed) (i32.const 0) func $f $f)
  (func $f (param i32) (result i32) (local.get 0))
  (func $through_fixed (param i32 i32) (result i32) (call_indirect $fixed (type $t) (local.get 0) (local.get 1)))
  (func $through_growing (param i32 i32) (result i32) (call_indirect $grows (type $t) (local.get 0) (local.get 1)))
  (func $through_exported (param i32 i32) (result i32) (call_indirect $seen (type $t) (local.get 0) (local.get 1)))
  (func $grow (param i32) (result i32) (table.grow $grows (ref.null func) (local.get 0)))
  (func $loop (param i32 i32) (loop $l (br_if $l (call_indirect $fixed (type $t) (local.get 0) (local.get 1))))))
