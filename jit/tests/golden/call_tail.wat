;; passes:
;; Tail calls leave the frame.
(module (type $t (func (param i32) (result i32))) (table 1 1 funcref)
  (func $f (param i32) (result i32) (local.get 0))
  (func $direct (param i32) (result i32) (return_call $f (local.get 0)))
  (func $indirect (param i32) (result i32) (return_call_indirect (type $t) (local.get 0) (i32.const 0)))
  (func $many (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (return_call $f (local.get 7))))
