//! `craneway bench`, with peers that are shell scripts: what it makes of them, not how fast anything is.

use crate::guests;
use crate::support::{Bench, Ran};
use serde_json::Value;
use std::io::Write as _;

/// A Wasmtime that "compiles" by copying and prints the arguments that the guest [`guests::ARGS`] would print.
const WASMTIME: &str = r#"#!/bin/sh
case "$1" in
  --version) echo "wasmtime 0.1 (a script)" ;;
  compile) while [ $# -gt 1 ]; do [ "$1" = -o ] && out=$2; shift; done; cp "$1" "$out" ;;
  run) case "$*" in *empty*) ;; *) printf 'args.wat\000a\000--help\000' ;; esac ;;
esac
"#;

/// A wasmi whose output is another.
const LIAR: &str = r#"#!/bin/sh
case "$*" in --version) echo liar ;; *empty*) ;; *) printf 'args.wat\000b\000' ;; esac
"#;

/// Writes an executable. By another process, for a file that is open for writing anywhere cannot be executed, and tests
/// that start processes beside this one would inherit it for a moment.
fn script(bench: &Bench, name: &str, text: &str) {
    let mut shell = bench.shell(&format!("cat > {name} && chmod +x {name}"));
    let mut child = shell.spawn().expect("a shell");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text.as_bytes()).expect("the script");
    drop(stdin);
    assert!(child.wait().expect("the shell ends").success());
}

fn with_scripts(scripts: &[(&str, &str)]) -> Bench {
    let bench = Bench::new(&[("args.wat", guests::ARGS), ("tmp/keep", "")]);
    for (name, text) in scripts {
        script(&bench, name, text);
    }
    bench
}

/// A measurement without warm-up, of one round unless said otherwise, that leaves nothing behind.
fn quick(bench: &Bench, more: &[&str]) -> Ran {
    let mut args = vec!["bench", "--warm-up", "0"];
    if !more.contains(&"--rounds") {
        args.extend(["--rounds", "1"]);
    }
    args.extend(more);
    let tmp = bench.path("tmp").display().to_string();
    let ran = bench.run_with(&args, b"", &[("TMPDIR", &tmp)]);
    let left = std::fs::read_dir(bench.path("tmp")).expect("a directory");
    assert_eq!(left.count(), 1, "files are left behind");
    ran
}

/// The line of a table that starts with these words, with single blanks.
fn line(ran: &Ran, start: &str) -> String {
    let mut lines = ran.stdout.lines();
    let found = lines.find(|line| line.starts_with(start));
    let found = found.unwrap_or_else(|| panic!("no {start:?} in {ran:?}"));
    found.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn engines_that_agree_are_compared() {
    let bench = with_scripts(&[("wasmtime", WASMTIME)]);
    let ran = quick(
        &bench,
        &[
            "--peers",
            "wasmtime=./wasmtime,wasm3=./wasm3",
            "args.wat",
            "a",
            "--help",
        ],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for row in [
        "craneway, cold",
        "craneway, precompiled",
        "wasmtime, cold",
        "wasmtime, precompiled",
        "wasmtime, inlining",
    ] {
        assert!(line(&ran, row).ends_with("same"), "{ran:?}");
    }
    assert_eq!(
        line(&ran, "wasm3"),
        "wasm3 not found: ./wasm3 is not a file"
    );
    assert!(ran.stdout.contains("wasmtime 0.1 (a script)"), "{ran:?}");
    assert!(!ran.stdout.contains("node"), "nobody asked for it: {ran:?}");
    assert!(line(&ran, "craneway, precompiled, by its own clock").contains("instantiate"));
}

#[test]
fn another_output_is_shown_and_fails() {
    let bench = with_scripts(&[("wasmtime", WASMTIME), ("liar", LIAR)]);
    let peers = "wasmtime=./wasmtime,wasmi=./liar";
    let ran = quick(&bench, &["--peers", peers, "args.wat", "a", "--help"]);
    ran.fails(
        1,
        &[
            "do not agree",
            "wasmi: exit code 0, 11 bytes: \"args.wat\\0b\\0\"",
            "from byte 9 on",
            "--peers",
        ],
    );
    assert!(line(&ran, "wasmi").ends_with("DIFFERS"), "{ran:?}");
    assert!(
        line(&ran, "wasmi").contains(" – "),
        "its times are compared: {ran:?}"
    );
    assert!(line(&ran, "craneway, cold").ends_with("same"), "{ran:?}");
}

#[test]
fn exit_codes_are_compared_too() {
    let bench = Bench::new(&[("exit.wat", &guests::exit(7)), ("tmp/keep", "")]);
    script(&bench, "seven", "#!/bin/sh\nexit 7\n");
    script(&bench, "zero", "#!/bin/sh\nexit 0\n");
    let ran = quick(
        &bench,
        &["--peers", "none", "--native", "seven", "exit.wat"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(line(&ran, "native").ends_with("same"), "{ran:?}");
    let ran = quick(&bench, &["--peers", "none", "--native", "zero", "exit.wat"]);
    ran.fails(
        1,
        &[
            "native: exit code 0, 0 bytes",
            "craneway, precompiled: exit code 7",
        ],
    );
}

#[test]
fn what_goes_wrong_with_a_peer_is_its_row() {
    let slow = "#!/bin/sh\n[ \"$1\" = --version ] || exec sleep 100\n";
    let broken = "#!/bin/sh\necho cannot do that >&2\nexit 9\n";
    let bench = with_scripts(&[("slow", slow), ("broken", broken)]);
    let ran = quick(
        &bench,
        &[
            "--timeout",
            "5",
            "--peers",
            "wasm3=./slow,wasmer=./broken",
            "args.wat",
        ],
    );
    assert_eq!(
        line(&ran, "wasm3"),
        "wasm3 not measured: ended after 5 s, see --timeout"
    );
    let wasmer = line(&ran, "wasmer, precompiled");
    assert!(
        wasmer.contains("not measured") && wasmer.ends_with("exit code 9: cannot do that"),
        "{wasmer}"
    );
    // Its cold run did end, with another exit code.
    ran.fails(1, &["wasmer, cold: exit code 9"]);
}

#[test]
fn json_has_every_sample() {
    let bench = with_scripts(&[("wasmtime", WASMTIME)]);
    let ran = quick(
        &bench,
        &[
            "--rounds",
            "2",
            "--json",
            "-",
            "--peers",
            "wasmtime=./wasmtime,wasmi=./wasmi",
            "args.wat",
            "a",
            "--help",
        ],
    );
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON and nothing else");
    assert_eq!(report["args"], serde_json::json!(["a", "--help"]));
    assert_eq!(report["outputs_agree"], true);
    assert_eq!(report["outputs"][0]["stdout"], "args.wat\0a\0--help\0");
    let row = |mode: &str| {
        let rows = report["rows"].as_array().expect("rows");
        let found = rows.iter().find(|row| row["mode"] == mode);
        found.unwrap_or_else(|| panic!("no row {mode}")).clone()
    };
    let ours = row("craneway, precompiled");
    assert_eq!(ours["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(ours["empty_runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(ours["own_clock"].as_array().map(Vec::len), Some(2));
    assert!(
        ours["cpu_over_wasmtime"].is_number()
            || row("wasmtime, precompiled")["median_cpu_ms"] == 0.0
    );
    let command = row("wasmtime, cold")["command"]
        .as_str()
        .expect("text")
        .to_owned();
    assert!(
        command.contains("run -C cache=n --argv0 args.wat"),
        "{command}"
    );
    assert_eq!(row("wasmi")["status"], "not found");
}

#[test]
fn a_page_is_written() {
    let bench = with_scripts(&[("wasmtime", WASMTIME)]);
    let ran = quick(
        &bench,
        &[
            "--html",
            "page.html",
            "--peers",
            "wasmtime=./wasmtime",
            "args.wat",
            "a",
            "--help",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let page = String::from_utf8(bench.read("page.html")).expect("text");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for part in [
        "<svg",
        "prefers-color-scheme: dark",
        "@media print",
        "wasmtime, inlining",
    ] {
        assert!(page.contains(part), "{part}");
    }
    quick(
        &bench,
        &["--html", "none/page.html", "--peers", "none", "args.wat"],
    )
    .fails(1, &["none/page.html", "no such file"]);
}

#[test]
fn what_the_program_may_use_reaches_it() {
    let bench = Bench::new(&[
        ("copy.wat", guests::COPY),
        ("env.wat", guests::ENV),
        ("in.txt", "some text"),
        ("tmp/keep", ""),
    ]);
    script(&bench, "text", "#!/bin/sh\ncat\n");
    let ran = quick(
        &bench,
        &[
            "--peers", "none", "--stdin", "in.txt", "--native", "text", "copy.wat",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = quick(
        &bench,
        &[
            "--peers", "none", "--env", "K=v w", "--json", "-", "env.wat",
        ],
    );
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(report["outputs"][0]["stdout"], "K=v w\0");
}

#[test]
fn variants_and_flags_are_ours_and_theirs() {
    let echo = "#!/bin/sh\ncase \"$1\" in --version) ;; *) case \"$*\" in *empty*) ;; *--strange*) printf 'args.wat\\000' ;; esac ;; esac\n";
    let bench = with_scripts(&[("wasmi", echo)]);
    let ran = quick(
        &bench,
        &[
            "--peers",
            "wasmi=./wasmi",
            "--flags",
            "wasmi=--strange",
            "--variant",
            "no inlining=-O inline=n",
            "args.wat",
        ],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        line(&ran, "craneway, no inlining").ends_with("same"),
        "{ran:?}"
    );
    let ran = quick(
        &bench,
        &["--peers", "none", "--variant", "odd=-O inlin=n", "args.wat"],
    );
    assert!(
        line(&ran, "craneway, odd").contains("unknown key `inlin`"),
        "{ran:?}"
    );
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let bench = Bench::new(&[
        ("args.wat", guests::ARGS),
        ("tmp/keep", ""),
        ("text.txt", "hello"),
    ]);
    let fails = |code: i32, args: &[&str], parts: &[&str]| quick(&bench, args).fails(code, parts);
    fails(
        2,
        &["--peers", "wastime", "args.wat"],
        &["no such peer", "wasmtime"],
    );
    fails(2, &["--rounds", "0", "args.wat"], &["--rounds"]);
    fails(2, &["--variant", "x", "args.wat"], &["NAME=FLAGS"]);
    fails(2, &["-"], &["standard input", "save it"]);
    fails(2, &[], &["FILE"]);
    fails(1, &["none.wasm"], &["cannot read none.wasm: no such file"]);
    fails(1, &["text.txt"], &["text.txt is not WebAssembly"]);
    fails(
        1,
        &["--stdin", "none.txt", "args.wat"],
        &["cannot read none.txt"],
    );
}

#[test]
fn help_teaches() {
    let ran = Bench::new(&[]).run(&["bench", "--help"]);
    assert_eq!(ran.code, 0);
    for part in [
        "Examples:",
        "precompiled",
        "--native",
        "A B C",
        "Exit status",
    ] {
        assert!(ran.stdout.contains(part), "{part}");
    }
}
