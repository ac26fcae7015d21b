//! Calling one function, reactors, modules that import from others, and modules with nothing to run.

use crate::guests;
use crate::support::Bench;

fn library() -> Bench {
    Bench::new(&[("lib.wat", guests::LIBRARY)])
}

#[test]
fn values_of_every_type_go_in_and_out() {
    let bench = library();
    for (args, out) in [
        (&["add", "lib.wat", "2", "3"][..], "5\n"),
        (&["add", "lib.wat", "-2", "0xffffffff"], "-3\n"),
        (
            &["neg", "lib.wat", "9223372036854775807"],
            "-9223372036854775807\n",
        ),
        (&["neg", "lib.wat", "-1"], "1\n"),
        (&["half", "lib.wat", "3"], "1.5\n"),
        (&["half", "lib.wat", "inf"], "inf\n"),
        (&["half", "lib.wat", "nan"], "NaN\n"),
        (&["twice", "lib.wat", "-1.25"], "-2.5\n"),
        (
            &["same", "lib.wat", "0x0123456789abcdef0123456789abcdef"],
            "1512366075204170929049582354406559215\n",
        ),
        (&["extern", "lib.wat", "null"], "<null externref>\n"),
        (&["func", "lib.wat", "null"], "<null funcref>\n"),
        (&["itself", "lib.wat"], "<funcref>\n"),
        (&["pair", "lib.wat", "5"], "5\n7\n"),
        (&["nothing", "lib.wat"], ""),
    ] {
        let mut line = vec!["run", "--invoke"];
        line.extend(args);
        bench.run(&line).prints(out);
    }
}

#[test]
fn wrong_arguments_say_what_the_function_takes() {
    let bench = library();
    bench.run(&["--invoke", "add", "lib.wat", "1"]).fails(
        1,
        &[
            "`add` takes 2 arguments, but 1 was given",
            "(i32, i32) -> i32",
        ],
    );
    bench
        .run(&["--invoke", "nothing", "lib.wat", "1"])
        .fails(1, &["takes 0 arguments"]);
    bench
        .run(&["--invoke", "add", "lib.wat", "1", "x"])
        .fails(1, &["argument 2 of `add` is `x`", "i32"]);
    bench
        .run(&["--invoke", "add", "lib.wat", "1", "4294967296"])
        .fails(1, &["32 bits"]);
    bench
        .run(&["--invoke", "half", "lib.wat", "one"])
        .fails(1, &["f64", "a number"]);
    bench
        .run(&["--invoke", "extern", "lib.wat", "5"])
        .fails(1, &["null"]);
}

#[test]
fn an_unknown_function_is_answered_with_the_list() {
    let bench = library();
    bench.run(&["--invoke", "ad", "lib.wat"]).fails(
        1,
        &[
            "lib.wat has no export `ad`",
            "did you mean `add`?",
            "half  (f64) -> f64",
            "pair  (i32) -> i32, i64",
        ],
    );
    bench
        .run(&["--invoke", "memory", "lib.wat"])
        .fails(1, &["`memory` is no function", "memory"]);
}

#[test]
fn a_trap_in_a_called_function_is_a_trap() {
    library()
        .run(&["--invoke", "div", "lib.wat", "1", "0"])
        .fails(134, &["integer divide by zero"]);
}

#[test]
fn a_library_has_nothing_to_run() {
    library().run(&["lib.wat"]).fails(
        1,
        &[
            "nothing to run",
            "--invoke NAME lib.wat",
            "add  (i32, i32) -> i32",
        ],
    );
}

#[test]
fn a_start_function_is_enough() {
    let bench = Bench::new(&[("start.wat", "(module (func $f) (start $f))")]);
    bench.run(&["start.wat"]).prints("");
}

const REACTOR: &str = r#"(module
  (memory (export "memory") 1)
  (global $ready (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $ready (i32.const 41)))
  (func (export "answer") (result i32) (i32.add (global.get $ready) (i32.const 1))))"#;

#[test]
fn a_reactor_is_initialised_before_a_call() {
    let bench = Bench::new(&[("reactor.wat", REACTOR)]);
    bench
        .run(&["--invoke", "answer", "reactor.wat"])
        .prints("42\n");
    let once = REACTOR
        .replace(
            "(i32.const 41)",
            "(i32.add (global.get $ready) (i32.const 1))",
        )
        .replace(
            "(global.set $ready",
            "(if (global.get $ready) (then unreachable)) (global.set $ready",
        );
    bench.write("once.wat", once.as_bytes());
    bench
        .run(&["--invoke", "_initialize", "once.wat"])
        .prints("");
    let ran = bench.run(&["reactor.wat"]);
    ran.fails(0, &["note:", "reactor", "answer  () -> i32"]);
}

#[test]
fn another_module_provides_imports() {
    let app = r#"(module
      (import "math" "answer" (func $answer (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "_start") (call $exit (call $answer))))"#;
    let bench = Bench::new(&[("app.wat", app), ("math.wat", REACTOR)]);
    assert_eq!(
        bench.run(&["--preload", "math=math.wat", "app.wat"]).code,
        42
    );
    bench
        .run(&["app.wat"])
        .fails(1, &["app.wat", "math", "answer", "--preload"]);
    bench
        .run(&["--preload", "math", "app.wat"])
        .fails(2, &["NAME=FILE"]);
    bench
        .run(&["--preload", "math=none.wat", "app.wat"])
        .fails(1, &["none.wat"]);
}

#[test]
fn wasi_is_there_for_called_functions() {
    let exits = r#"(module
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "leave") (param i32) (call $exit (local.get 0))))"#;
    let bench = Bench::new(&[("exits.wat", exits)]);
    assert_eq!(bench.run(&["--invoke", "leave", "exits.wat", "9"]).code, 9);
}
