//! The keys of -W, -C, -O, -D and -S: lists, errors, and what some of them do.

use crate::guests;
use crate::support::Bench;

#[test]
fn help_lists_the_keys_on_standard_output() {
    let bench = Bench::new(&[]);
    for (flag, keys) in [
        (
            "-W",
            &["simd[=y|n]", "max-memory-size=BYTES", "exceptions"][..],
        ),
        ("-C", &["parallel-compilation", "cache=n"]),
        (
            "-O",
            &[
                "opt-level=0|1|2|s",
                "inline[=y|n]",
                "memory-huge-pages[=y|n]",
            ],
        ),
        ("-D", &["debug-info", "logging"]),
        ("-S", &["inherit-env", "cli"]),
    ] {
        let ran = bench.run(&["run", flag, "help"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        for key in keys {
            assert!(ran.stdout.contains(key), "{flag} {key}: {}", ran.stdout);
        }
    }
}

#[test]
fn unknown_keys_and_values_are_usage_errors() {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    bench.run(&["-W", "sind", "args.wat"]).fails(
        2,
        &[
            "unknown key `sind`",
            "did you mean `simd`?",
            "128-bit vectors",
        ],
    );
    bench
        .run(&["-W", "simd=perhaps", "args.wat"])
        .fails(2, &["-W simd=perhaps", "y or n"]);
    bench
        .run(&["-W", "max-memory-size=big", "args.wat"])
        .fails(2, &["number of bytes"]);
    bench
        .run(&["-W", "max-memory-size", "args.wat"])
        .fails(2, &["needs a value"]);
    bench
        .run(&["-O", "opt-level=9", "args.wat"])
        .fails(2, &["0, 1, 2, s"]);
    bench
        .run(&["-C", "cache=y", "args.wat"])
        .fails(2, &["so far"]);
    bench
        .run(&["-S", "nonsense", "args.wat"])
        .fails(2, &["inherit-env"]);
    bench
        .run(&["--nonsense", "args.wat"])
        .fails(2, &["--nonsense"]);
    bench.run(&[]).fails(2, &["Usage", "Examples"]);
}

#[test]
fn every_key_is_accepted() {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    let wasm = "bulk-memory,exceptions,extended-const=y,memory64,multi-memory,multi-value,reference-types,simd,\
        tail-call,threads,all-proposals,nan-canonicalization,max-wasm-stack=1MiB,max-memory-size=64MiB,\
        max-table-elements=1000,max-instances=9,max-tables=9,max-memories=9,trap-on-grow-failure=n,unknown-imports-trap=n";
    bench
        .run(&[
            "-W",
            wasm,
            "-C",
            "parallel-compilation=n,spectre-mitigations=y,cranelift-debug-verifier,compiler=cranelift,cache=n",
            "-O",
            "opt-level=0,inline=n,memory-huge-pages=y",
            "-D",
            "debug-info=y,max-backtrace=5,logging=n",
            "-S",
            "cli,common,inherit-env=n,tcplisten=127.0.0.1:0",
            "args.wat",
        ])
        .prints("args.wat\0");
}

#[test]
fn a_feature_that_is_off_makes_modules_invalid() {
    let simd = "(module (func (export \"_start\") (drop (v128.const i64x2 0 0))))";
    let bench = Bench::new(&[("simd.wat", simd)]);
    bench.run(&["simd.wat"]).prints("");
    bench
        .run(&["-W", "simd=n", "simd.wat"])
        .fails(1, &["simd.wat", "craneway inspect"]);
    bench.run(&["validate", "simd.wat"]).prints("");
    bench
        .run(&["validate", "-W", "simd=n", "simd.wat"])
        .fails(1, &["simd.wat"]);
}

#[test]
fn limits_bound_what_the_guest_uses() {
    let grow = "(module (memory (export \"memory\") 1)
      (func (export \"grow\") (param i32) (result i32) (memory.grow (local.get 0))))";
    let bench = Bench::new(&[("grow.wat", grow)]);
    bench
        .run(&["--invoke", "grow", "grow.wat", "15"])
        .prints("1\n");
    bench
        .run(&[
            "-W",
            "max-memory-size=1MiB",
            "--invoke",
            "grow",
            "grow.wat",
            "15",
        ])
        .prints("1\n");
    bench
        .run(&[
            "-W",
            "max-memory-size=1MiB",
            "--invoke",
            "grow",
            "grow.wat",
            "16",
        ])
        .prints("-1\n");
    let trapped = bench.run(&[
        "-W",
        "max-memory-size=1MiB,trap-on-grow-failure",
        "--invoke",
        "grow",
        "grow.wat",
        "16",
    ]);
    assert_ne!(trapped.code, 0);
    assert_eq!(trapped.stdout, "");
}

#[test]
fn missing_imports_can_be_made_to_trap() {
    let app = r#"(module (import "env" "never" (func $never))
      (func (export "quiet"))
      (func (export "loud") (call $never)))"#;
    let bench = Bench::new(&[("app.wat", app)]);
    bench
        .run(&["-W", "unknown-imports-trap", "--invoke", "quiet", "app.wat"])
        .prints("");
    let loud = bench.run(&["-W", "unknown-imports-trap", "--invoke", "loud", "app.wat"]);
    assert_ne!(loud.code, 0);
    assert!(loud.stderr.contains("never"), "{}", loud.stderr);
}

#[test]
fn wasi_can_be_left_out() {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    bench
        .run(&["-S", "cli=n", "args.wat"])
        .fails(1, &["args_get", "args_sizes_get", "fd_write", "-S cli=n"]);
}

#[test]
fn logging_shows_the_stages() {
    let bench = Bench::new(&[("trap.wat", &guests::program("unreachable"))]);
    let quiet = bench.run(&["trap.wat"]);
    let ran = bench.run_with(&["trap.wat"], b"", &[("RUST_LOG", "trace")]);
    for stage in [
        "parse",
        "validate",
        "compile",
        "link",
        "instantiate",
        "trap",
    ] {
        assert!(ran.stderr.contains(stage), "no {stage} in:\n{}", ran.stderr);
    }
    assert!(ran.stderr.contains("time.busy"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("cranelift"), "{}", ran.stderr);
    let validated = bench.run_with(&["validate", "trap.wat"], b"", &[("RUST_LOG", "debug")]);
    assert!(
        validated.stderr.contains("validate{functions=3}"),
        "{}",
        validated.stderr
    );
    let off = bench.run_with(
        &["-D", "logging=n", "trap.wat"],
        b"",
        &[("RUST_LOG", "trace")],
    );
    assert_eq!(off.stderr, quiet.stderr);
}

#[test]
fn the_manual_names_every_key() {
    let manual =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    let bench = Bench::new(&[]);
    let mut keys = 0;
    for flag in ["-W", "-C", "-O", "-D", "-S"] {
        let list = bench.run(&["run", flag, "help"]).stdout;
        for line in list.lines().skip(1) {
            let word = line.split_whitespace().nth(1).unwrap();
            let key = word.split(['=', '[']).next().unwrap();
            let named = [format!("`{key}`"), format!("`{key}=")];
            assert!(
                named.iter().any(|name| manual.contains(name)),
                "docs/cli.md has no {key}"
            );
            keys += 1;
        }
    }
    assert!(keys > 30, "only {keys} keys were listed");
}

#[test]
fn the_manual_lists_every_key() {
    const MANUAL: &str = include_str!("../../../docs/cli.md");
    let bench = Bench::new(&[]);
    for group in ["W", "C", "O", "D", "S"] {
        let help = bench.run(&["run", &format!("-{group}"), "help"]).stdout;
        let flag = format!("-{group} ");
        let keys: Vec<&str> = help
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix(&flag))
            .filter_map(|line| line.split(['=', '[', ' ']).next())
            .collect();
        assert!(keys.len() >= 3, "{help}");
        for key in keys {
            let listed = ["`", "=", "["].map(|end| format!("`{key}{end}"));
            assert!(listed.iter().any(|text| MANUAL.contains(text)), "{key}");
        }
    }
}
