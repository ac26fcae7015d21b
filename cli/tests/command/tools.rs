//! The commands beside `run` and `compile`: inspect, wast, completion, help, version.

use crate::guests;
use crate::support::Bench;

#[test]
fn inspect_shows_what_a_module_has() {
    let module = r#"(module $demo
      (import "env" "f" (func (param i32 f64) (result i64)))
      (import "env" "g" (global (mut i32)))
      (memory (export "memory") 2 16)
      (table (export "table") 3 funcref)
      (func (export "_start") (drop (i8x16.splat (i32.const 0))))
      (func (export "pair") (result i32 i32) (i32.const 1) (i32.const 2))
      (data (i32.const 0) "hello"))"#;
    let bench = Bench::new(&[("demo.wat", module)]);
    let ran = bench.run(&["inspect", "demo.wat"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for part in [
        "demo.wat: command",
        "named \"demo\"",
        "features: multi-value, mutable-global, simd",
        "env.f  func (param i32 f64) (result i64)",
        "env.g  global (mut i32)",
        "memory  memory 2 16",
        "table   table 3 funcref",
        "pair    func (result i32 i32)",
        "0: 2 pages (128 KiB), at most 16 (1 MiB), exported as memory",
        "5  data in 1 segments",
    ] {
        assert!(ran.stdout.contains(part), "no {part:?} in:\n{}", ran.stdout);
    }
}

#[test]
fn inspect_prints_json_for_programs() {
    let bench = Bench::new(&[("lib.wat", guests::LIBRARY)]);
    let ran = bench.run(&["inspect", "--json", "lib.wat"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["kind"], "library");
    assert_eq!(report["memories"][0]["initial_pages"], 1);
    assert_eq!(report["memories"][0]["exported_as"][0], "memory");
    assert_eq!(report["exports"][1]["name"], "add");
    assert_eq!(
        report["exports"][1]["type"],
        "func (param i32 i32) (result i32)"
    );
    assert_eq!(report["unsupported_features"], serde_json::json!([]));
    assert_eq!(
        report["features"],
        serde_json::json!(["multi-value", "reference-types", "simd"])
    );
}

#[test]
fn inspect_finds_every_feature() {
    for (module, feature) in [
        (
            "(module (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))) (memory 1))",
            "bulk-memory",
        ),
        ("(module (tag))", "exceptions"),
        (
            "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
            "extended-const",
        ),
        ("(module (memory i64 1))", "memory64"),
        ("(module (memory 1) (memory 1))", "multi-memory"),
        (
            "(module (type (func (param i32))) (func i32.const 0 (block (type 0) drop)))",
            "multi-value",
        ),
        ("(module (table 1 externref))", "reference-types"),
        (
            "(module (func (drop (i32.trunc_sat_f32_s (f32.const 0)))))",
            "saturating-float-to-int",
        ),
        (
            "(module (func (drop (i32.extend8_s (i32.const 0)))))",
            "sign-extension",
        ),
        ("(module (func $f (return_call $f)))", "tail-call"),
        (
            "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
            "threads",
        ),
        ("(module (type (struct)))", "gc (not supported yet)"),
        ("(module (func))", "none beyond WebAssembly 1.0"),
    ] {
        let bench = Bench::new(&[("m.wat", module)]);
        let ran = bench.run(&["inspect", "m.wat"]);
        assert!(
            ran.stdout.contains(&format!("features: {feature}")),
            "no {feature} in:\n{}",
            ran.stdout
        );
    }
}

#[test]
fn wast_runs_scripts() {
    let script = r#"
      (module (func (export "one") (result i32) (i32.const 1)))
      (assert_return (invoke "one") (i32.const 1))
      (assert_invalid (module (func (result i32))) "type mismatch")"#;
    let wrong = script.replace(
        "(invoke \"one\") (i32.const 1)",
        "(invoke \"one\") (i32.const 2)",
    );
    let bench = Bench::new(&[("good.wast", script), ("wrong.wast", &wrong)]);
    let good = bench.run(&["wast", "good.wast"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(
        good.stdout.contains("good.wast: 2 of 2 assertions passed"),
        "{}",
        good.stdout
    );
    let wrong = bench.run(&["wast", "good.wast", "wrong.wast"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.stdout.contains("wrong.wast:3:"), "{}", wrong.stdout);
}

#[test]
fn completion_knows_commands_flags_and_keys() {
    let bench = Bench::new(&[]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = bench.run(&["completion", shell]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for word in ["inspect", "allow-precompiled"] {
            assert!(ran.stdout.contains(word), "{shell}: no {word}");
        }
    }
    assert!(
        bench
            .run(&["completion", "bash"])
            .stdout
            .contains("max-memory-size")
    );
    bench.run(&["completion", "tcsh"]).fails(2, &["bash"]);
}

#[test]
fn commands_of_wasmtime_that_are_not_here_say_so() {
    let bench = Bench::new(&[]);
    for name in ["serve", "explore", "objdump", "settings", "wizer", "config"] {
        bench.run(&[name, "x"]).fails(
            2,
            &[
                &format!("no command `{name}`"),
                &format!("craneway run {name}"),
            ],
        );
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    let bench = Bench::new(&[]);
    let version = bench.run(&["--version"]);
    assert_eq!((version.code, version.stderr.as_str()), (0, ""));
    for part in ["craneway ", "target: ", "Cranelift 0."] {
        assert!(version.stdout.contains(part), "{}", version.stdout);
    }
    for args in [&["--help"][..], &["run", "--help"], &["help", "compile"]] {
        let help = bench.run(args);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{args:?}");
        assert!(help.stdout.contains("Usage: craneway"), "{}", help.stdout);
    }
    assert!(bench.run(&["--help"]).stdout.contains("Examples:"));
}
