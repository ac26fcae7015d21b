//! Running the built command on files in a temporary directory.
//! Must never know what a test is about.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory with files, in which the command is run.
pub(crate) struct Bench {
    dir: tempfile::TempDir,
}

/// What the command did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; negative for the signal that ended it.
    pub(crate) code: i32,
    /// What it wrote on standard output.
    pub(crate) stdout: String,
    /// What it wrote on standard error.
    pub(crate) stderr: String,
}

impl Bench {
    /// A directory with the files given; text is written as it is.
    pub(crate) fn new(files: &[(&str, &str)]) -> Bench {
        let bench = Bench {
            dir: tempfile::tempdir().expect("a temporary directory"),
        };
        for (name, content) in files {
            bench.write(name, content.as_bytes());
        }
        bench
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    /// Where a file is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What is in a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file to read")
    }

    /// Runs the command with these arguments and nothing on standard input.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, b"", &[])
    }

    /// Runs the command with standard input and further environment variables.
    pub(crate) fn run_with(&self, args: &[&str], stdin: &[u8], env: &[(&str, &str)]) -> Ran {
        let mut command = self.command(args);
        command.envs(env.iter().copied());
        let mut child = command.spawn().expect("the command starts");
        // A command that fails early does not read; that is its right.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin);
        let out = child.wait_with_output().expect("the command ends");
        let status = out.status;
        let ran = Ran {
            code: status
                .code()
                .unwrap_or_else(|| -status.signal().unwrap_or(0)),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        };
        assert!(
            !ran.stderr.contains("panicked at"),
            "{args:?} panicked:\n{}",
            ran.stderr
        );
        ran
    }

    /// A shell that runs a line, ready to be started with pipes at all its ends.
    pub(crate) fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        self.prepare(&mut command).args(["-c", script]);
        command
    }

    /// The command, ready to be started with pipes at all its ends.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_craneway")));
        self.prepare(&mut command).args(args);
        command
    }

    fn prepare<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .current_dir(self.dir.path())
            .env_remove("RUST_LOG")
            .env("CRANEWAY_CONFIG", "")
            .env("COLUMNS", "100")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
    }
}

/// Where the committed guests are.
pub(crate) fn committed(guest: &str) -> String {
    format!(
        "{}/../spec-tests/guests/{guest}",
        env!("CARGO_MANIFEST_DIR")
    )
}

impl Ran {
    /// Succeeded with this output and silence on standard error.
    #[track_caller]
    pub(crate) fn prints(&self, stdout: &str) {
        assert_eq!(
            (self.code, self.stdout.as_str(), self.stderr.as_str()),
            (0, stdout, "")
        );
    }

    /// Failed with this code and a message on standard error that has all these parts.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(
                self.stderr.contains(part),
                "no {part:?} in:\n{}",
                self.stderr
            );
        }
    }
}
