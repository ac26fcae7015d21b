//! Tracing, runs that repeat, sockets, the environment, files started by the system: what `run` does around WASI.

use crate::guests;
use crate::support::{Bench, committed};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn tracing_shows_one_line_for_each_call() {
    let bench = Bench::new(&[("create.wat", guests::CREATE), ("data/x", "")]);
    let ran = bench.run(&["--trace-wasi", "--dir", "data::/data", "create.wat"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ran.stderr);
    assert!(
        lines[0].starts_with("path_open(3</data>, 0, \"new.txt\", CREAT, "),
        "{}",
        lines[0]
    );
    assert!(lines[0].contains(" = 4</data/new.txt> <0."), "{}", lines[0]);
    assert!(
        lines[1].starts_with("fd_write(4</data/new.txt>, [3 bytes]) = 3 <0."),
        "{}",
        lines[1]
    );
}

#[test]
fn tracing_shows_errors_and_the_end() {
    let bench = Bench::new(&[("create.wat", guests::CREATE), ("data/x", "")]);
    let ran = bench.run(&["--trace-wasi", "--dir", "data::/data::ro", "create.wat"]);
    assert_eq!(ran.code, 69);
    assert!(ran.stderr.contains(" = EROFS ("), "{}", ran.stderr);
    assert!(ran.stderr.contains("proc_exit(69) = ? ("), "{}", ran.stderr);
}

#[test]
fn tracing_follows_names() {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    let count = |flag: &str| bench.run(&[flag, "args.wat", "a"]).stderr.lines().count();
    assert_eq!(count("--trace-wasi"), 3);
    assert_eq!(count("--trace-wasi=args_*"), 2);
    assert_eq!(count("--trace-wasi=fd_write"), 1);
    assert_eq!(count("--trace-wasi=!args_get"), 2);
    assert_eq!(count("--trace-wasi=path_open"), 0);
    bench
        .run(&["--trace-wasi=fd_wriet", "args.wat"])
        .fails(2, &["fd_wriet", "fd_*"]);
    let quiet = bench.run(&["args.wat"]);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn deterministic_runs_are_the_same_byte_for_byte() {
    let bench = Bench::new(&[]);
    bench.write("chance.wasm", &wat::parse_str(guests::CHANCE).unwrap());
    let run = |flags: &[&str]| {
        let args: Vec<&str> = flags.iter().copied().chain(["chance.wasm"]).collect();
        let out = bench.command(&args).stdin(Stdio::null()).output().unwrap();
        assert!(out.status.success(), "{out:?}");
        assert_eq!(out.stdout.len(), 80);
        out.stdout
    };
    let first = run(&["--deterministic", "--seed", "7"]);
    assert_eq!(first, run(&["--deterministic", "--seed", "7"]));
    assert_ne!(first[..64], run(&["--deterministic", "--seed", "8"])[..64]);
    assert_eq!(
        run(&["--deterministic"]),
        run(&["--deterministic", "--seed", "0"])
    );
    assert_ne!(run(&[]), run(&[]));
    bench
        .run(&["--seed", "1", "chance.wasm"])
        .fails(2, &["--deterministic"]);
}

#[test]
fn sleeping_takes_no_time_in_a_deterministic_run() {
    let bench = Bench::new(&[("wait.wat", &guests::waiting("sleep"))]);
    let begin = Instant::now();
    bench
        .run(&["--deterministic", "wait.wat"])
        .prints("ready\n");
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "the guest slept an hour"
    );
}

#[test]
fn the_environment_is_inherited_by_a_flag() {
    let bench = Bench::new(&[("env.wat", guests::ENV)]);
    let ours = [("GRANTED_A", "1"), ("GRANTED_B", "2")];
    let ran = bench.run_with(
        &["--env-inherit", "--env", "GRANTED_A=3", "env.wat"],
        b"",
        &ours,
    );
    let mut seen: Vec<&str> = ran
        .stdout
        .split('\0')
        .filter(|v| v.starts_with("GRANTED_"))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, ["GRANTED_A=3", "GRANTED_B=2"]);
}

/// A port that nobody uses now.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

fn connect(port: u16) -> TcpStream {
    let begin = Instant::now();
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => return stream,
            Err(err) if begin.elapsed() > Duration::from_secs(20) => {
                panic!("nobody listens: {err}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

#[test]
fn a_guest_serves_a_connection() {
    let expected = std::fs::read_to_string(committed("expected/wasi_sock-peer.txt")).unwrap();
    for (flag, prefix) in [("--listen", "tcp:"), ("-S", "tcplisten=")] {
        let bench = Bench::new(&[]);
        let port = free_port();
        let address = format!("{prefix}127.0.0.1:{port}");
        let child = bench
            .command(&["run", flag, &address, &committed("wasi_sock.wasm"), "peer"])
            .spawn()
            .unwrap();
        let mut peer = connect(port);
        peer.write_all(b"hello, guest").unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "hello, host\nand this by fd_write\n");
        peer.write_all(b"the end").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&out.stdout),
            expected,
            "{flag}: {out:?}"
        );
        assert!(out.status.success());
    }
}

#[test]
fn addresses_that_cannot_be_listened_on_are_named() {
    let bench = Bench::new(&[("args.wat", guests::ARGS)]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp:{}", taken.local_addr().unwrap());
    bench
        .run(&["--listen", &address, "args.wat"])
        .fails(1, &["--listen", &address, "address already in use"]);
    bench
        .run(&["--listen", "127.0.0.1:1", "args.wat"])
        .fails(2, &["tcp:ADDRESS:PORT"]);
}

#[test]
fn a_file_may_name_its_interpreter() {
    use std::os::unix::fs::PermissionsExt as _;
    let line = format!("#!{}\n", env!("CARGO_BIN_EXE_craneway"));
    let bench = Bench::new(&[("text", &(line.clone() + guests::ARGS))]);
    let binary = wat::parse_str(guests::ARGS).unwrap();
    bench.write("binary", &[line.as_bytes(), &binary].concat());
    for name in ["text", "binary"] {
        bench.run(&[name, "a"]).prints(&format!("{name}\0a\0"));
        bench.run(&["validate", name]).prints("");
        let path = bench.path(name);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let out = std::process::Command::new(&path)
            .args(["-x", "--help"])
            .output()
            .unwrap();
        let expected = format!("{name}\0-x\0--help\0");
        assert_eq!(String::from_utf8_lossy(&out.stdout), expected, "{out:?}");
    }
    bench.write("only", b"#!/bin/sh");
    bench
        .run(&["run", "only"])
        .fails(1, &["only", "not WebAssembly"]);
}
