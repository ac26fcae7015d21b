//! Files that cannot be run: each gets one clear message that names the file, and exit code 1.

use crate::guests;
use crate::support::Bench;

#[test]
fn what_is_not_wasm_is_named() {
    let bench = Bench::new(&[]);
    for (name, bytes, expected) in [
        ("empty", &b""[..], "it is empty"),
        ("elf", b"\x7fELF\x02\x01\x01", "ELF"),
        ("gz", b"\x1f\x8b\x08\0\0", "gzip"),
        ("html", b"<!DOCTYPE html><html>", "HTML"),
        (
            "text",
            b"hello\n",
            "text, but not of the WebAssembly text format",
        ),
        ("script", b"#!/bin/sh\n", "a script"),
        ("bits", b"\x80\x81\x82\x83", "unknown kind"),
        ("cut", b"\0asm\x01", "cut off"),
    ] {
        bench.write(name, bytes);
        bench.run(&[name]).fails(
            1,
            &[
                &format!("error: {name} is not WebAssembly"),
                expected,
                "hint:",
            ],
        );
        bench.run(&["inspect", name]).fails(1, &[expected]);
        bench.run(&["compile", name]).fails(1, &[expected]);
    }
    bench.write("version", b"\0asm\x09\0\0\0");
    bench.run(&["version"]).fails(1, &["version 0x9"]);
}

#[test]
fn a_component_is_told_from_a_module() {
    let bench = Bench::new(&[("component.wat", "(component)")]);
    bench.write("component.wasm", b"\0asm\x0d\0\x01\0");
    bench
        .run(&["component.wasm"])
        .fails(1, &["component.wasm is a component", "core modules"]);
    bench.run(&["component.wat"]).fails(1, &["component"]);
}

#[test]
fn damaged_modules_are_refused() {
    let binary = wat::parse_str(guests::LIBRARY).unwrap();
    let bench = Bench::new(&[]);
    for length in 8..binary.len() {
        // Cutting between two sections may leave a valid module, so only the manner of failing counts.
        if length % 7 == 0 {
            bench.write("cut.wasm", &binary[..length]);
            let ran = bench.run(&["validate", "cut.wasm"]);
            assert!(
                ran.code == 0 || (ran.code == 1 && ran.stderr.contains("cut.wasm")),
                "{length}: {ran:?}"
            );
        }
    }
    bench.write("cut.wasm", &binary[..binary.len() - 10]);
    bench
        .run(&["cut.wasm"])
        .fails(1, &["error: cut.wasm", "offset"]);
    // local.get 0, local.get 1, i32.div_s, end: the division becomes an instruction that does not exist.
    let division = b"\x20\x00\x20\x01\x6d\x0b";
    let at = binary
        .windows(division.len())
        .position(|bytes| bytes == division)
        .unwrap();
    let mut corrupt = binary.clone();
    corrupt[at + 4] = 0xff;
    bench.write("corrupt.wasm", &corrupt);
    bench
        .run(&["corrupt.wasm"])
        .fails(1, &["error: corrupt.wasm"]);
    bench
        .run(&["compile", "corrupt.wasm"])
        .fails(1, &["error: corrupt.wasm"]);
    assert!(!bench.path("corrupt.cwasm").exists());
}

#[test]
fn invalid_code_names_the_function_and_the_offset() {
    let bench = Bench::new(&[(
        "bad.wat",
        "(module (func $fine) (func $wrong (result i32) (i64.const 1)))",
    )]);
    bench
        .run(&["bad.wat"])
        .fails(1, &["bad.wat", "type mismatch", "0x"]);
}

#[test]
fn errors_of_the_text_format_have_a_place() {
    let bench = Bench::new(&[("bad.wat", "(module\n  (func (i32.cons 1)))")]);
    for command in ["run", "inspect", "compile", "validate"] {
        bench
            .run(&[command, "bad.wat"])
            .fails(1, &["bad.wat", "i32.cons", "2:"]);
    }
}

#[test]
fn files_that_cannot_be_read() {
    let bench = Bench::new(&[("dir/x", "")]);
    bench
        .run(&["none.wasm"])
        .fails(1, &["cannot read none.wasm: no such file or directory"]);
    bench
        .run(&["dir"])
        .fails(1, &["cannot read dir: is a directory"]);
    bench
        .run(&["dir/x/y"])
        .fails(1, &["cannot read dir/x/y: not a directory"]);
    bench.run(&["complie"]).fails(1, &["craneway compile"]);
    bench
        .run(&["-W", "simd", "inspect", "x"])
        .fails(1, &["before all flags"]);
}

#[test]
fn all_missing_imports_are_listed() {
    let app = r#"(module
      (import "env" "one" (func (param i32) (result i64)))
      (import "env" "two" (global (mut f32)))
      (import "other" "three" (memory 1 2))
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (func (export "_start")))"#;
    let bench = Bench::new(&[("app.wat", app)]);
    let ran = bench.run(&["app.wat"]);
    ran.fails(
        1,
        &[
            "app.wat cannot be linked",
            "one",
            "two",
            "three",
            "--preload",
        ],
    );
    assert!(!ran.stderr.contains("fd_write"), "{}", ran.stderr);
}

#[test]
fn mistyped_imports_say_what_was_expected() {
    let app = r#"(module
      (import "lib" "add" (func (param i64) (result i64)))
      (import "lib" "memory" (func))
      (func (export "_start")))"#;
    let bench = Bench::new(&[("app.wat", app), ("lib.wat", guests::LIBRARY)]);
    bench.run(&["--preload", "lib=lib.wat", "app.wat"]).fails(
        1,
        &["app.wat cannot be linked", "add", "i64", "i32", "memory"],
    );
}

#[test]
fn builds_for_other_hosts_are_recognised() {
    let bench = Bench::new(&[
        (
            "object.wat",
            r#"(module (import "env" "__linear_memory" (memory 1)))"#,
        ),
        (
            "go.wat",
            r#"(module (import "gojs" "runtime.wasmExit" (func (param i32))))"#,
        ),
        (
            "bindgen.wat",
            r#"(module (import "wbg" "__wbg_log" (func (param i32))))"#,
        ),
    ]);
    bench
        .run(&["object.wat"])
        .fails(1, &["object file", "wasm-ld"]);
    bench.run(&["go.wat"]).fails(1, &["GOOS=wasip1"]);
    bench.run(&["bindgen.wat"]).fails(1, &["wasm-bindgen"]);
}

#[test]
fn a_start_of_the_wrong_type_is_refused() {
    let bench = Bench::new(&[("odd.wat", "(module (func (export \"_start\") (param i32)))")]);
    bench.run(&["odd.wat"]).fails(1, &["`_start`", "i32"]);
}

#[test]
fn modules_over_limits_name_the_limit() {
    let bench = Bench::new(&[]);
    let function = |inner: &str| format!("(module (func (export \"_start\") {inner}))");
    for (name, text, expected) in [
        (
            "locals.wat",
            function(&format!("(local {})", "i32 ".repeat(50_001))),
            "locals",
        ),
        (
            "params.wat",
            function(&format!("(param {})", "i32 ".repeat(1_001))),
            "params",
        ),
        ("pages.wat", "(module (memory 65537))".to_owned(), "65536"),
        (
            "table.wat",
            "(module (table 4294967295 funcref))".to_owned(),
            "4294967295 elements",
        ),
    ] {
        bench.write(name, text.as_bytes());
        bench
            .run(&[name])
            .fails(1, &[&format!("error: {name}"), expected]);
    }
    // One type, then more functions than there may be.
    let mut functions = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03".to_vec();
    functions.extend(b"\xc4\x84\x3d\xc1\x84\x3d");
    functions.resize(functions.len() + 1_000_001, 0);
    bench.write("functions.wasm", &functions);
    bench
        .run(&["functions.wasm"])
        .fails(1, &["functions.wasm", "functions", "1000000"]);
}

#[test]
fn deep_nesting_is_no_trouble() {
    let nest = |depth: usize| {
        format!(
            "(module (func (export \"_start\") {} {}))",
            "block ".repeat(depth),
            "end ".repeat(depth)
        )
    };
    let bench = Bench::new(&[("deep.wat", &nest(5_000))]);
    bench.run(&["deep.wat"]).prints("");
    let parens = format!(
        "(module (func (export \"_start\") {}{}))",
        "(block ".repeat(10_000),
        ")".repeat(10_000)
    );
    bench.write("parens.wat", parens.as_bytes());
    let ran = bench.run(&["parens.wat"]);
    assert!(
        ran.code == 0 || (ran.code == 1 && ran.stderr.contains("parens.wat")),
        "{ran:?}"
    );
}

#[test]
fn segments_that_do_not_fit_trap() {
    let bench = Bench::new(&[(
        "data.wat",
        "(module (memory 1) (data (i32.const 65535) \"ab\"))",
    )]);
    bench
        .run(&["data.wat"])
        .fails(134, &["data.wat trapped", "out of bounds memory access"]);
}
