//! Small guests in the text format.
//! Must never know how they are run.

/// Writes its arguments to standard output, each ended by a zero byte.
pub(crate) const ARGS: &str = r#"(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 12)))
    (drop (call $get (i32.const 1024) (i32.const 8192)))
    (i32.store (i32.const 8) (i32.const 8192))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))))"#;

/// Writes its environment to standard output, each variable ended by a zero byte.
pub(crate) const ENV: &str = r#"(module
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 12)))
    (drop (call $get (i32.const 1024) (i32.const 65536)))
    (i32.store (i32.const 8) (i32.const 65536))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)))))"#;

/// Copies standard input to standard output, 64 bytes at a time.
pub(crate) const CAT: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 64))
    (loop $more
      (i32.store (i32.const 4) (i32.const 64))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
      (if (i32.load (i32.const 4))
        (then
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (br $more))))))"#;

/// Copies standard input to standard output, 64 KiB at a time.
pub(crate) const COPY: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 65536))
    (loop $more
      (i32.store (i32.const 4) (i32.const 65536))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
      (if (i32.load (i32.const 4))
        (then
          (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
          (br $more))))))"#;

/// Leaves with a bit set for each standard stream that is a terminal, as libc tells them: character devices that cannot seek.
pub(crate) const TERMINALS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $terminal (param i32) (result i32)
    (drop (call $stat (local.get 0) (i32.const 0)))
    (i32.and
      (i32.eq (i32.load8_u (i32.const 0)) (i32.const 2))
      (i64.eqz (i64.and (i64.load (i32.const 8)) (i64.const 36)))))
  (func (export "_start")
    (call $exit (i32.or (i32.or
      (call $terminal (i32.const 0))
      (i32.shl (call $terminal (i32.const 1)) (i32.const 1)))
      (i32.shl (call $terminal (i32.const 2)) (i32.const 2))))))"#;

/// Writes `ready`, then waits: for ever in a loop, for an hour, for standard input, or for room on standard output.
pub(crate) fn waiting(how: &str) -> String {
    let wait = match how {
        "loop" => "(loop $again (br $again))",
        "sleep" => {
            "(drop (call $poll (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 160)))"
        }
        "read" => "(drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 160)))",
        "write" => {
            "(loop $again (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 160))) (br $again))"
        }
        other => panic!("no way to wait is called {other}"),
    };
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\06\00\00\00\00\04\00\00\00\10\00\00")
  (data (i32.const 32) "ready\n")
  (data (i32.const 80) "\01\00\00\00\00\00\00\00\00\a0\b8\30\46\03\00\00")
  (func (export "_start")
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 160)))
    {wait}))"#
    )
}

/// Writes 64 random bytes, the date and the monotonic clock to standard output.
pub(crate) const CHANCE: &str = r#"(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\20\00\00\00\50\00\00\00")
  (func (export "_start")
    (drop (call $random (i32.const 32) (i32.const 64)))
    (drop (call $time (i32.const 0) (i64.const 1) (i32.const 96)))
    (drop (call $time (i32.const 1) (i64.const 1) (i32.const 104)))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// In its first directory: creates `new.txt`, writes 3 bytes, and leaves with the first error it met.
pub(crate) const CREATE: &str = r#"(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "new.txt")
  (data (i32.const 32) "hi\n")
  (func $check (param i32)
    (if (local.get 0) (then (call $exit (local.get 0)))))
  (func (export "_start")
    (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 7)
      (i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 0)))
    (i32.store (i32.const 4) (i32.const 32))
    (i32.store (i32.const 8) (i32.const 3))
    (call $check (call $write (i32.load (i32.const 0)) (i32.const 4) (i32.const 1) (i32.const 12)))))"#;

/// Writes the name of its first directory, which must have 5 bytes, to standard output.
pub(crate) const PREOPEN: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (local i32)
    (local.set 0 (call $name (i32.const 3) (i32.const 32) (i32.const 5)))
    (if (local.get 0) (then (call $exit (local.get 0))))
    (i32.store (i32.const 0) (i32.const 32))
    (i32.store (i32.const 4) (i32.const 5))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

/// Writes lines for ever and does not look whether it succeeds.
pub(crate) const YES: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 32) "yes\n")
  (data (i32.const 0) "\20\00\00\00\04\00\00\00")
  (func (export "_start")
    (loop $more
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $more))))"#;

/// Leaves with the code that its export is named after.
pub(crate) fn exit(code: i32) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const {code})) unreachable))"#
    )
}

/// A program whose body is the instructions given, two calls deep.
pub(crate) fn program(body: &str) -> String {
    format!(
        "(module $app (memory (export \"memory\") 1 4) (table 1 funcref) (type $v (func))
  (func $inner {body})
  (func $outer (call $inner))
  (func (export \"_start\") (call $outer)))"
    )
}

/// Functions of every type.
pub(crate) const LIBRARY: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "neg") (param i64) (result i64) (i64.sub (i64.const 0) (local.get 0)))
  (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
  (func (export "twice") (param f32) (result f32) (f32.add (local.get 0) (local.get 0)))
  (func (export "same") (param v128) (result v128) (local.get 0))
  (func (export "extern") (param externref) (result externref) (local.get 0))
  (func $f (export "func") (param funcref) (result funcref) (local.get 0))
  (func (export "itself") (result funcref) (ref.func $f))
  (func (export "pair") (param i32) (result i32 i64) (local.get 0) (i64.const 7))
  (func (export "nothing"))
  (func (export "div") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1))))"#;
