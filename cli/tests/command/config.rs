//! The configuration file: where it is looked for, what it sets, and how mistakes in it are told.

use crate::guests;
use crate::support::Bench;

const SIMD: &str = "(module (func (export \"_start\") (drop (v128.const i64x2 0 0))))";

#[test]
fn the_file_sets_defaults_that_flags_override() {
    let bench = Bench::new(&[
        ("simd.wat", SIMD),
        ("env.wat", guests::ENV),
        (
            "config.toml",
            "[wasm]\nsimd = false\n[wasi]\ninherit-env = true\n",
        ),
    ]);
    let env = [("CRANEWAY_CONFIG", "config.toml"), ("GRANTED_A", "1")];
    bench
        .run_with(&["simd.wat"], b"", &env)
        .fails(1, &["simd.wat", "SIMD"]);
    bench
        .run_with(&["validate", "simd.wat"], b"", &env)
        .fails(1, &["simd.wat"]);
    bench
        .run_with(&["-W", "simd=y", "simd.wat"], b"", &env)
        .prints("");
    let inherited = bench.run_with(&["env.wat"], b"", &env);
    assert!(inherited.stdout.contains("GRANTED_A=1\0"), "{inherited:?}");
    bench
        .run_with(&["-S", "inherit-env=n", "env.wat"], b"", &env)
        .prints("");
}

#[test]
fn the_file_lies_where_configuration_lies() {
    let bench = Bench::new(&[
        ("simd.wat", SIMD),
        (
            "home/.config/craneway/config.toml",
            "[wasm]\nsimd = false\n",
        ),
        ("other/craneway/config.toml", "[wasm]\nsimd = true\n"),
    ]);
    let run = |vars: &[(&str, &str)]| {
        let mut command = bench.command(&["simd.wat"]);
        command
            .env_remove("CRANEWAY_CONFIG")
            .env_remove("XDG_CONFIG_HOME");
        for (name, folder) in vars {
            command.env(name, bench.path(folder));
        }
        command.output().unwrap().status.code()
    };
    assert_eq!(run(&[("HOME", "home")]), Some(1));
    assert_eq!(
        run(&[("HOME", "home"), ("XDG_CONFIG_HOME", "other")]),
        Some(0)
    );
    assert_eq!(run(&[("HOME", "nowhere")]), Some(0));
}

#[test]
fn mistakes_name_the_file_and_the_key() {
    let bench = Bench::new(&[
        ("args.wat", guests::ARGS),
        ("table.toml", "[wasn]\nsimd = false\n"),
        ("key.toml", "[wasm]\nsind = false\n"),
        ("value.toml", "[wasm]\nmax-memory-size = \"big\"\n"),
        ("syntax.toml", "[wasm\n"),
    ]);
    for (file, parts) in [
        (
            "table.toml",
            &["table.toml", "`wasn`", "[wasm], [codegen]"][..],
        ),
        (
            "key.toml",
            &["key.toml", "[wasm] sind", "did you mean `simd`?"],
        ),
        (
            "value.toml",
            &["value.toml", "max-memory-size", "number of bytes"],
        ),
        ("syntax.toml", &["syntax.toml", "line 1"]),
    ] {
        bench
            .run_with(&["args.wat"], b"", &[("CRANEWAY_CONFIG", file)])
            .fails(2, parts);
    }
    bench
        .run_with(&["args.wat"], b"", &[("CRANEWAY_CONFIG", "none.toml")])
        .fails(1, &["none.toml", "no such file", "CRANEWAY_CONFIG="]);
}
