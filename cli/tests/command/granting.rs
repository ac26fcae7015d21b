//! What reaches the guest: arguments, environment, directories, standard input.

use crate::guests;
use crate::support::{Bench, committed};

#[test]
fn everything_after_the_file_is_for_the_guest() {
    let bench = Bench::new(&[("sub/args.wat", guests::ARGS)]);
    bench.run(&["sub/args.wat"]).prints("args.wat\0");
    bench
        .run(&[
            "sub/args.wat",
            "--help",
            "-W",
            "help",
            "--",
            "--dir",
            "x",
            "",
            "ü",
        ])
        .prints("args.wat\0--help\0-W\0help\0--\0--dir\0x\0\0ü\0");
    bench
        .run(&["run", "sub/args.wat", "run", "-V"])
        .prints("args.wat\0run\0-V\0");
    bench
        .run(&["run", "--", "sub/args.wat", "a"])
        .prints("args.wat\0a\0");
}

#[test]
fn the_guest_can_be_told_another_name() {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    bench
        .run(&["--argv0", "bin/tool", "args.wat", "x"])
        .prints("bin/tool\0x\0");
}

#[test]
fn arguments_that_wasi_cannot_express_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    let out = bench
        .command(&["args.wat"])
        .arg(OsStr::from_bytes(b"a\xff"))
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("not UTF-8"));
}

#[test]
fn the_environment_is_empty_unless_granted() {
    let bench = Bench::new(&[("env.wat", guests::ENV)]);
    let ours = [("GRANTED_A", "1"), ("GRANTED_B", "2")];
    bench.run_with(&["env.wat"], b"", &ours).prints("");
    bench
        .run_with(&["--env", "X=y=z", "--env", "E=", "env.wat"], b"", &ours)
        .prints("X=y=z\0E=\0");
    bench
        .run_with(
            &["--env", "GRANTED_B", "--env", "GRANTED_NONE", "env.wat"],
            b"",
            &ours,
        )
        .prints("GRANTED_B=2\0");
    bench
        .run_with(&["--env", "X=1", "--env", "X=2", "env.wat"], b"", &ours)
        .prints("X=2\0");
    let all = bench.run_with(
        &["-S", "inherit-env", "--env", "GRANTED_A=3", "env.wat"],
        b"",
        &ours,
    );
    let mut seen: Vec<&str> = all
        .stdout
        .split('\0')
        .filter(|v| v.starts_with("GRANTED_"))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, ["GRANTED_A=3", "GRANTED_B=2"]);
}

#[test]
fn a_directory_is_granted_by_name_and_rights() {
    let bench = Bench::new(&[
        ("create.wat", guests::CREATE),
        ("data/x", ""),
        ("name.wat", guests::PREOPEN),
    ]);
    bench.run(&["--dir", "data", "create.wat"]).prints("");
    assert_eq!(bench.read("data/new.txt"), b"hi\n");

    std::fs::remove_file(bench.path("data/new.txt")).unwrap();
    let refused = bench.run(&["--dir", "data::/data::ro", "create.wat"]);
    assert_ne!(refused.code, 0);
    assert!(!bench.path("data/new.txt").exists());

    // 8 is EBADF: without --dir there is no descriptor 3.
    assert_eq!(bench.run(&["create.wat"]).code, 8);
    bench
        .run(&["--dir", "data::/abcd", "name.wat"])
        .prints("/abcd");
}

#[test]
fn a_directory_that_cannot_be_granted_is_named() {
    let bench = Bench::new(&[("create.wat", guests::CREATE)]);
    bench
        .run(&["--dir", "none", "create.wat"])
        .fails(1, &["--dir none: no such file or directory"]);
    bench
        .run(&["--dir", "create.wat::/in/..", "create.wat"])
        .fails(1, &["--dir create.wat", "/in/.."]);
    bench
        .run(&["--dir", "", "create.wat"])
        .fails(2, &["the host directory is empty"]);
    bench
        .run(&["--dir", "a::b::rx", "create.wat"])
        .fails(2, &["ro or rw"]);
}

#[test]
fn a_single_file_is_granted_and_nothing_beside_it() {
    let wc = committed("wc.wasm");
    let bench = Bench::new(&[("data/a.txt", "one two\n"), ("data/b.txt", "three\n")]);
    let granted = bench.run(&["run", "--dir", "data/a.txt::/in/a", &wc, "/in/a"]);
    granted.prints("      1       2       8 /in/a\n");
    for beside in ["/in/b.txt", "/in/../b.txt", "data/a.txt"] {
        let ran = bench.run(&["run", "--dir", "data/a.txt::/in/a", &wc, beside]);
        assert_eq!(ran.code, 1, "{beside}: {ran:?}");
    }
    let same_name = bench.run(&["run", "--dir", "data/a.txt", &wc, "data/a.txt"]);
    same_name.prints("      1       2       8 data/a.txt\n");
    // Two files under one directory, and writing only where it is granted.
    let cp = committed("cp.wasm");
    let both = |mode: &str| {
        let target = format!("data/b.txt::/in/b{mode}");
        bench.run(&[
            "run",
            "--dir",
            "data/a.txt::/in/a::ro",
            "--dir",
            &target,
            &cp,
            "/in/a",
            "/in/b",
        ])
    };
    assert_ne!(both("::ro").code, 0);
    assert_eq!(bench.read("data/b.txt"), b"three\n");
    both("").prints("");
    assert_eq!(bench.read("data/b.txt"), b"one two\n");
}

#[test]
fn standard_input_is_the_guests_or_the_module() {
    let bench = Bench::new(&[("cat.wat", guests::CAT)]);
    let long = "0123456789".repeat(1000);
    bench
        .run_with(&["cat.wat"], long.as_bytes(), &[])
        .prints(&long);
    bench
        .run_with(&["-S", "inherit-stdin=n", "cat.wat"], b"abc", &[])
        .prints("");
    bench
        .run_with(&["-S", "inherit-stdout=n", "cat.wat"], b"abc", &[])
        .prints("");
    bench
        .run_with(&["-", "a"], guests::ARGS.as_bytes(), &[])
        .prints("-\0a\0");
    let binary = wat::parse_str(guests::ARGS).unwrap();
    bench.run_with(&["run", "-"], &binary, &[]).prints("-\0");
}

#[test]
fn the_format_is_told_by_content() {
    let bench = Bench::new(&[("text.wasm", guests::ARGS)]);
    bench.write("binary.wat", &wat::parse_str(guests::ARGS).unwrap());
    bench.run(&["text.wasm"]).prints("text.wasm\0");
    bench.run(&["binary.wat"]).prints("binary.wat\0");
}
