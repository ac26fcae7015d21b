//! `craneway compile`, and running what it wrote.

use crate::guests;
use crate::support::Bench;

fn compiled() -> Bench {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    bench.run(&["compile", "args.wat"]).prints("");
    bench
}

#[test]
fn a_compiled_module_runs_like_its_source() {
    let bench = compiled();
    bench
        .run(&["run", "--allow-precompiled", "args.cwasm", "a"])
        .prints("args.cwasm\0a\0");
    bench
        .run(&["compile", "args.wat", "-o", "out/none.cwasm"])
        .fails(1, &["out/none.cwasm", "no such file"]);
    bench
        .run(&["compile", "args.wat", "-o", "x.bin"])
        .prints("");
    bench
        .run(&["--allow-precompiled", "x.bin"])
        .prints("x.bin\0");
    let names: Vec<_> = std::fs::read_dir(bench.path("."))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn compiled_code_can_come_and_go_through_pipes() {
    let bench = compiled();
    bench
        .run_with(&["compile", "-"], guests::ARGS.as_bytes(), &[])
        .fails(2, &["-o OUT"]);
    bench
        .run_with(
            &["compile", "-", "-o", "piped.cwasm"],
            guests::ARGS.as_bytes(),
            &[],
        )
        .prints("");
    bench
        .run_with(
            &["--allow-precompiled", "-", "b"],
            &bench.read("piped.cwasm"),
            &[],
        )
        .prints("-\0b\0");
}

#[test]
fn compiled_code_needs_permission() {
    let bench = compiled();
    bench
        .run(&["args.cwasm"])
        .fails(1, &["args.cwasm is precompiled", "--allow-precompiled"]);
    bench
        .run(&["compile", "args.cwasm"])
        .fails(1, &["already compiled"]);
    // The permission does not turn other files into modules.
    bench
        .run(&["--allow-precompiled", "args.wat"])
        .prints("args.wat\0");
}

#[test]
fn code_compiled_with_other_settings_names_the_setting() {
    let bench = compiled();
    bench
        .run(&[
            "--allow-precompiled",
            "-W",
            "nan-canonicalization",
            "args.cwasm",
        ])
        .fails(
            1,
            &["args.cwasm", "NaN canonicalization", "compile it again"],
        );
    bench
        .run(&["--allow-precompiled", "-W", "simd=n", "args.cwasm"])
        .fails(1, &["args.cwasm", "simd"]);
    bench
        .run(&["compile", "-W", "simd=n", "args.wat"])
        .prints("");
    bench
        .run(&["--allow-precompiled", "-W", "simd=n", "args.cwasm"])
        .prints("args.cwasm\0");
}

#[test]
fn damaged_compiled_code_is_refused() {
    let bench = compiled();
    let code = bench.read("args.cwasm");
    for length in [32, 64, code.len() / 2, code.len() - 1] {
        bench.write("cut.cwasm", &code[..length]);
        bench
            .run(&["--allow-precompiled", "cut.cwasm"])
            .fails(1, &["cut.cwasm"]);
    }
}

#[test]
fn compiled_code_can_be_looked_at_without_permission() {
    let module = r#"(module $demo (import "env" "f" (func (param i32 f64) (result i64)))
      (memory (export "memory") 2 16) (data (i32.const 0) "hello")
      (func (export "pair") (result i32 i32) (i32.const 1) (i32.const 2)))"#;
    let bench = Bench::new(&[("demo.wat", module)]);
    // Another setting than the command's own makes no difference.
    bench
        .run(&["compile", "-W", "simd=n", "demo.wat"])
        .prints("");
    let ran = bench.run(&["inspect", "demo.cwasm"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for part in [
        "demo.cwasm: compiled module of ",
        "named \"demo\"",
        "features: multi-value",
        "env.f  func (param i32 f64) (result i64)",
        "memory  memory 2 16",
        "pair    func (result i32 i32)",
        "0: 2 pages (128 KiB), at most 16 (1 MiB)",
        "machine code of 1 functions",
        "5  data",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in:\n{}", ran.stdout);
    }
    for (setting, value) in [("simd", "false"), ("page size", "4096")] {
        let is_it = |line: &str| line.trim().strip_prefix(setting).map(str::trim) == Some(value);
        assert!(ran.stdout.lines().any(is_it), "{setting}:\n{}", ran.stdout);
    }
    let ran = bench.run(&["inspect", "--json", "demo.cwasm"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["kind"], "compiled");
    assert_eq!(report["settings"]["simd"], "false");
    assert_eq!(report["contents"]["exports"][1]["name"], "pair");
    assert_eq!(report["contents"]["sizes"]["data"], 5);
    let code = bench.read("demo.cwasm");
    for length in [40, code.len() / 2, code.len() - 1] {
        bench.write("cut.cwasm", &code[..length]);
        bench
            .run(&["inspect", "cut.cwasm"])
            .fails(1, &["cut.cwasm", "truncated"]);
    }
}
