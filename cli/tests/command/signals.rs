//! Signals: what ends a native program ends the command, whatever the guest is doing.

use crate::guests;
use crate::support::Bench;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Waits until the guest has written `ready`.
pub(crate) fn until_ready(child: &mut Child) {
    let mut line = [0; 6];
    child
        .stdout
        .as_mut()
        .expect("a pipe")
        .read_exact(&mut line)
        .expect("the guest starts");
    assert_eq!(&line, b"ready\n");
}

/// How the child ends; it has to do so soon.
pub(crate) fn end_of(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        if begin.elapsed() > Duration::from_secs(20) {
            child.kill().expect("a child");
            panic!("the command did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("the child is there");
}

#[test]
fn every_signal_ends_every_wait() {
    for how in ["loop", "sleep", "read", "write"] {
        let bench = Bench::new(&[("wait.wat", &guests::waiting(how))]);
        for signal in [
            Signal::INT,
            Signal::TERM,
            Signal::HUP,
            Signal::QUIT,
            Signal::KILL,
        ] {
            let mut child = bench.command(&["wait.wat"]).spawn().unwrap();
            until_ready(&mut child);
            send(&child, signal);
            let status = end_of(&mut child);
            assert_eq!(status.signal(), Some(signal.as_raw()), "{how}: {status:?}");
            let mut stderr = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut stderr)
                .unwrap();
            assert_eq!(stderr, "", "{how}");
        }
    }
}

#[test]
fn a_signal_that_was_ignored_stays_so() {
    let bench = Bench::new(&[("wait.wat", &guests::waiting("sleep"))]);
    let script = format!(
        "trap '' INT; exec '{}' wait.wat",
        env!("CARGO_BIN_EXE_craneway")
    );
    let mut child = bench.shell(&script).spawn().unwrap();
    until_ready(&mut child);
    send(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(100));
    assert!(
        child.try_wait().unwrap().is_none(),
        "the command was told to ignore it"
    );
    send(&child, Signal::TERM);
    assert_eq!(end_of(&mut child).signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_stopped_guest_goes_on() {
    let bench = Bench::new(&[("copy.wat", guests::COPY)]);
    let mut child = bench.command(&["copy.wat"]).spawn().unwrap();
    send(&child, Signal::STOP);
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"ready\n").unwrap();
    send(&child, Signal::CONT);
    until_ready(&mut child);
    drop(child.stdin.take());
    assert!(end_of(&mut child).success());
}
