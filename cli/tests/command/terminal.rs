//! A terminal at the guest's ends: it is seen as one, its end of input and Ctrl-C work, and it is left as it was.

use crate::guests;
use crate::signals::end_of;
use crate::support::Bench;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};

/// Both ends of a terminal. The near end is what a person sees and types on.
struct Terminal {
    near: File,
    far: File,
}

impl Terminal {
    fn new() -> Terminal {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a terminal");
        grantpt(&near).expect("a terminal");
        unlockpt(&near).expect("a terminal");
        let name = ptsname(&near, Vec::new()).expect("a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let far = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).expect("the far end");
        Terminal {
            near: near.into(),
            far: far.into(),
        }
    }

    fn end(&self) -> Stdio {
        Stdio::from(self.far.try_clone().expect("a copy"))
    }

    /// Starts the command as a shell does: in a session whose terminal this is.
    fn start(&self, bench: &Bench, args: &[&str]) -> Child {
        self.start_in_session(bench.command(args))
    }

    fn start_in_session(&self, mut command: Command) -> Child {
        command
            .stdin(self.end())
            .stdout(self.end())
            .stderr(self.end());
        // SAFETY: between fork and exec only system calls are made, on descriptor 0, which is the terminal by then.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        command.spawn().expect("the command starts")
    }

    fn types(&mut self, text: &str) {
        self.near.write_all(text.as_bytes()).expect("typed");
    }

    /// Reads until the terminal has shown this.
    fn shows(&mut self, wanted: &str) {
        let mut shown = String::new();
        let mut piece = [0; 256];
        while !shown.contains(wanted) {
            let mut ready = [PollFd::new(&self.near, PollFlags::IN)];
            let limit = Timespec {
                tv_sec: 20,
                tv_nsec: 0,
            };
            let count = rustix::event::poll(&mut ready, Some(&limit)).expect("a terminal");
            assert_eq!(count, 1, "no {wanted:?} after {shown:?}");
            let count = self.near.read(&mut piece).expect("the terminal is open");
            shown.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }

    /// What must be the same before and after: modes, size, and whether transfers wait.
    fn state(&self) -> (String, String, OFlags) {
        let modes: Termios = tcgetattr(&self.far).expect("a terminal");
        let size = rustix::termios::tcgetwinsize(&self.far).expect("a terminal");
        let flags = rustix::fs::fcntl_getfl(&self.far).expect("open");
        (format!("{modes:?}"), format!("{size:?}"), flags)
    }
}

#[test]
fn a_guest_knows_which_streams_are_terminals() {
    let bench = Bench::new(&[("terminals.wat", guests::TERMINALS)]);
    let terminal = Terminal::new();
    let run = |stdin: Stdio, stdout: Stdio, stderr: Stdio| {
        let mut command = bench.command(&["terminals.wat"]);
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        command.status().unwrap().code()
    };
    assert_eq!(run(terminal.end(), terminal.end(), terminal.end()), Some(7));
    assert_eq!(run(terminal.end(), Stdio::piped(), terminal.end()), Some(5));
    assert_eq!(run(Stdio::piped(), terminal.end(), Stdio::piped()), Some(2));
    // A device, but no terminal.
    assert_eq!(run(Stdio::null(), Stdio::null(), Stdio::null()), Some(0));
    let file = || {
        Stdio::from(
            File::options()
                .read(true)
                .write(true)
                .open(bench.path("terminals.wat"))
                .unwrap(),
        )
    };
    assert_eq!(run(file(), Stdio::piped(), file()), Some(0));
}

#[test]
fn lines_and_the_end_of_input_come_from_a_terminal() {
    let bench = Bench::new(&[("copy.wat", guests::COPY)]);
    let mut terminal = Terminal::new();
    let before = terminal.state();
    let mut child = terminal.start(&bench, &["copy.wat"]);
    terminal.types("first\n");
    // Once echoed by the terminal, once written by the guest.
    terminal.shows("first\r\nfirst\r\n");
    terminal.types("second\n");
    terminal.shows("second\r\nsecond\r\n");
    terminal.types("\u{4}");
    assert!(end_of(&mut child).success());
    assert_eq!(terminal.state(), before);
}

#[test]
fn ctrl_c_ends_the_command_and_leaves_the_terminal_as_it_was() {
    for how in ["loop", "sleep", "read"] {
        let bench = Bench::new(&[("wait.wat", &guests::waiting(how))]);
        let mut terminal = Terminal::new();
        let before = terminal.state();
        let mut child = terminal.start(&bench, &["wait.wat"]);
        terminal.shows("ready");
        terminal.types("\u{3}");
        let status = end_of(&mut child);
        assert_eq!(status.signal(), Some(2), "{how}: {status:?}");
        assert_eq!(terminal.state(), before, "{how}");
    }
}

#[test]
fn ctrl_backslash_and_hanging_up_end_it_too() {
    let bench = Bench::new(&[("wait.wat", &guests::waiting("read"))]);
    let mut terminal = Terminal::new();
    let mut child = terminal.start(&bench, &["wait.wat"]);
    terminal.shows("ready");
    terminal.types("\u{1c}");
    assert_eq!(end_of(&mut child).signal(), Some(3));

    let mut terminal = Terminal::new();
    let mut child = terminal.start(&bench, &["wait.wat"]);
    terminal.shows("ready");
    let Terminal { near, far } = terminal;
    drop(far);
    drop(near);
    assert_eq!(end_of(&mut child).signal(), Some(1));
}

#[test]
fn ctrl_z_stops_it_and_it_goes_on_where_it_was() {
    let bench = Bench::new(&[("copy.wat", guests::COPY)]);
    let mut terminal = Terminal::new();
    let before = terminal.state();
    // A shell with job control, as people have; 148 is what it says of a program that Ctrl-Z stopped.
    let script = format!(
        "set -m; '{}' copy.wat; echo stopped $?; fg >/dev/null; echo ended $?",
        env!("CARGO_BIN_EXE_craneway")
    );
    let mut shell = terminal.start_in_session(bench.shell(&script));
    terminal.types("before\n");
    terminal.shows("before\r\nbefore\r\n");
    terminal.types("\u{1a}");
    terminal.shows("stopped 148\r\n");
    assert_eq!(terminal.state(), before, "while it is stopped");
    terminal.types("after\n");
    terminal.shows("after\r\nafter\r\n");
    terminal.types("\u{4}");
    terminal.shows("ended 0\r\n");
    assert!(end_of(&mut shell).success());
    assert_eq!(terminal.state(), before);
}
