//! How the command exits: codes, traps, signals.

use crate::guests;
use crate::support::Bench;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

#[test]
fn the_exit_code_is_the_guests() {
    for code in [0, 1, 3, 42, 255] {
        let bench = Bench::new(&[("exit.wat", &guests::exit(code))]);
        let ran = bench.run(&["exit.wat"]);
        assert_eq!(
            (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
            (code, "", "")
        );
    }
}

#[test]
fn every_trap_exits_134_with_a_backtrace() {
    for (body, text) in [
        ("unreachable", "unreachable"),
        (
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
            "integer divide by zero",
        ),
        (
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
            "integer overflow",
        ),
        (
            "(drop (i32.trunc_f32_s (f32.const nan)))",
            "invalid conversion to integer",
        ),
        (
            "(drop (i32.load (i32.const -1)))",
            "out of bounds memory access",
        ),
        (
            "(drop (table.get 0 (i32.const 9)))",
            "out of bounds table access",
        ),
        (
            "(call_indirect (type $v) (i32.const 0))",
            "uninitialized element",
        ),
        (
            "(call_indirect (type $v) (i32.const 7))",
            "undefined element",
        ),
    ] {
        let bench = Bench::new(&[("trap.wat", &guests::program(body))]);
        bench.run(&["trap.wat"]).fails(
            134,
            &[
                "trap.wat trapped",
                text,
                "wasm backtrace",
                "app!inner",
                "app!outer",
                "0x",
            ],
        );
    }
}

#[test]
fn a_start_function_may_trap() {
    let bench = Bench::new(&[(
        "start.wat",
        "(module (func $begin unreachable) (start $begin))",
    )]);
    bench
        .run(&["start.wat"])
        .fails(134, &["unreachable", "begin"]);
}

#[test]
fn endless_recursion_is_a_trap_with_a_short_backtrace() {
    let bench = Bench::new(&[(
        "deep.wat",
        "(module (func $f (export \"_start\") (call $f) (call $f)))",
    )]);
    let ran = bench.run(&["deep.wat"]);
    ran.fails(134, &["call stack exhausted", "-W max-wasm-stack"]);
    assert!(ran.stderr.lines().count() < 12, "{}", ran.stderr);
}

#[test]
fn the_stack_can_be_made_larger() {
    let deep = "(module (func $f (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1)))))
          (else (i32.const 0))))
      (func (export \"run\") (param i32) (result i32) (call $f (local.get 0))))";
    let bench = Bench::new(&[("deep.wat", deep)]);
    bench
        .run(&["--invoke", "run", "deep.wat", "20000"])
        .prints("20000\n");
    bench
        .run(&[
            "-W",
            "max-wasm-stack=64k",
            "--invoke",
            "run",
            "deep.wat",
            "20000",
        ])
        .fails(134, &["call stack exhausted"]);
    bench
        .run(&[
            "-W",
            "max-wasm-stack=60MiB",
            "--invoke",
            "run",
            "deep.wat",
            "400000",
        ])
        .prints("400000\n");
    bench
        .run(&[
            "-W",
            "max-wasm-stack=1TiB",
            "--invoke",
            "run",
            "deep.wat",
            "1",
        ])
        .fails(2, &["max_wasm_stack", "at most"]);
}

#[test]
fn an_uncaught_exception_is_like_an_abort() {
    let bench = Bench::new(&[(
        "throw.wat",
        "(module (tag $t) (func (export \"_start\") (throw $t)))",
    )]);
    bench
        .run(&["throw.wat"])
        .fails(134, &["exception", "throw.wat"]);
}

#[test]
fn a_closed_output_ends_the_command_quietly() {
    let bench = Bench::new(&[("yes.wat", guests::YES)]);
    let mut child = bench
        .command(&["yes.wat"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut head = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut head).unwrap();
    assert_eq!(&head, b"yes\nyes\n");
    // The pipe is closed now.
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.signal(), Some(13), "{:?}", out.status);
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}

#[test]
fn the_commands_own_output_may_be_closed_too() {
    let bench = Bench::new(&[("lib.wat", guests::LIBRARY)]);
    for args in [
        &["--invoke", "add", "lib.wat", "1", "2"][..],
        &["inspect", "lib.wat"],
        &["completion", "bash"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let out = bench
            .command(args)
            .stdin(Stdio::null())
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(out.status.signal(), Some(13), "{args:?}: {:?}", out.status);
        assert_eq!(String::from_utf8_lossy(&out.stderr), "", "{args:?}");
    }
}
