//! Pipes at both ends: large ones, closed ones, empty ones, and guests that wait for them.

use crate::guests;
use crate::support::{Bench, committed};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::Stdio;

const GIBIBYTE: usize = 1 << 30;

/// Bytes that differ from place to place.
fn pattern() -> Vec<u8> {
    (0..(1_usize << 20))
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8)
        .collect()
}

#[test]
fn a_gibibyte_goes_through_both_pipes() {
    let bench = Bench::new(&[("copy.wat", guests::COPY)]);
    let mut child = bench.command(&["copy.wat"]).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = child.stdout.take().unwrap();
    let piece = pattern();
    let source = piece.clone();
    let feeder = std::thread::spawn(move || {
        for _ in 0..GIBIBYTE / source.len() {
            to.write_all(&source).expect("the guest reads");
        }
    });
    let mut read = vec![0; piece.len()];
    for index in 0..GIBIBYTE / piece.len() {
        from.read_exact(&mut read).expect("the guest writes");
        assert!(read == piece, "mebibyte {index} differs");
    }
    assert_eq!(
        from.read(&mut read).unwrap(),
        0,
        "no more comes out than went in"
    );
    feeder.join().unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_stops_in_the_middle_ends_the_guest() {
    let bench = Bench::new(&[("copy.wat", guests::COPY)]);
    let mut child = bench.command(&["copy.wat"]).spawn().unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut from = child.stdout.take().unwrap();
    let feeder = std::thread::spawn(move || while to.write_all(&[7; 65536]).is_ok() {});
    from.read_exact(&mut vec![0; 1 << 20]).unwrap();
    drop(from);
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&out.status),
        Some(13)
    );
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
}

#[test]
fn an_input_at_its_end_reads_as_empty() {
    let bench = Bench::new(&[("copy.wat", guests::COPY)]);
    for stdin in [
        Stdio::null(),
        Stdio::from(std::fs::File::open(bench.path("copy.wat")).unwrap()),
    ] {
        let out = bench.command(&["copy.wat"]).stdin(stdin).output().unwrap();
        assert!(out.status.success());
        assert!(out.stdout.is_empty() || out.stdout == guests::COPY.as_bytes());
    }
    // Closed altogether, which only a shell can do.
    let script = format!("exec '{}' copy.wat <&-", env!("CARGO_BIN_EXE_craneway"));
    let out = bench.shell(&script).output().unwrap();
    assert_eq!(
        (out.status.code(), out.stdout.len(), out.stderr.len()),
        (Some(0), 0, 0)
    );
    let script = format!(
        "exec '{}' copy.wat >&- 2>&-",
        env!("CARGO_BIN_EXE_craneway")
    );
    let out = bench.shell(&script).stdin(Stdio::null()).output().unwrap();
    assert_eq!(out.status.code(), Some(0));
}

#[test]
fn standard_input_can_be_kept_back() {
    let bench = Bench::new(&[("cat.wat", guests::CAT)]);
    bench
        .run_with(&["--no-stdin", "cat.wat"], b"abc", &[])
        .prints("");
    bench
        .run_with(
            &["--no-stdin", "-S", "inherit-stdin", "cat.wat"],
            b"abc",
            &[],
        )
        .prints("");
}

#[test]
fn a_guest_polls_a_pipe_and_a_clock() {
    let bench = Bench::new(&[]);
    let mut child = bench
        .command(&["run", &committed("wasi_poll.wasm"), "pipe"])
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert_eq!(
        next(),
        "a pipe with nothing in it, and a clock: success, 1 events"
    );
    assert_eq!(next(), "  2: success, type 0, 0 bytes, flags 0");
    to.write_all(b"abc").unwrap();
    assert_eq!(next(), "a pipe in which something comes: success, 1 events");
    assert_eq!(next(), "  1: success, type 1, 3 bytes, flags 0");
    assert_eq!(next(), "read: success");
    assert_eq!(next(), "  abc");
    drop(to);
    assert_eq!(next(), "a pipe that is closed: success, 1 events");
    assert_eq!(next(), "  1: success, type 1, 0 bytes, flags 1");
    assert_eq!(next(), "read: success");
    assert_eq!(next(), "  0 bytes");
    assert_eq!(next(), "standard output: success, 1 events");
    assert!(next().starts_with("  3: success, type 2, "));
    assert!(child.wait().unwrap().success());
}
