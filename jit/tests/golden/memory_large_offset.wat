;; passes:
;; An offset that the guard does not cover is checked against the memory's length.
(module (memory 1)
  (func $load (param i32) (result i32) (i32.load offset=0x7fff0000 (local.get 0)))
  (func $load_beyond (param i32) (result i32) (i32.load offset=0x80000000 (local.get 0)))
  (func $store_beyond (param i32 i64) (i64.store offset=0xfffffff0 (local.get 0) (local.get 1))))
