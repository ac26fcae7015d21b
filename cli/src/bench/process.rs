//! Runs one command line to its end and measures it from outside: clocks, peak memory, output.
//! Must never know what is run.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A command line: the program, then its arguments.
pub(crate) type Line = Vec<OsString>;

/// How much of standard error a message repeats.
const QUOTED: usize = 300;

/// Where a run's streams come from and go to.
pub(crate) struct Streams {
    /// What it reads; nothing if not given.
    pub(crate) stdin: Option<PathBuf>,
    /// A directory of our own for what it writes. A pipe would need a reader, which would take time itself.
    pub(crate) dir: PathBuf,
    /// When to end it.
    pub(crate) limit: Duration,
}

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    /// Milliseconds from starting the process to its end.
    pub(crate) wall: f64,
    /// Milliseconds of CPU time, user and system, all threads.
    pub(crate) cpu: f64,
    /// Peak of resident memory, in KiB. Never less than this process has itself, from which it is started.
    pub(crate) peak: u64,
}

/// How a run ended and what it printed: what must be the same in every engine.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// Exit code, or the signal that ended it.
    pub(crate) end: End,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It left with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Code(code) => write!(f, "exit code {code}"),
            End::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// One run.
pub(crate) struct Ran {
    /// What it cost.
    pub(crate) cost: Cost,
    /// What it did.
    pub(crate) output: Output,
    /// The beginning of what it wrote on standard error, for messages.
    pub(crate) complaint: String,
}

/// Runs a command line; the error is a sentence.
pub(crate) fn run(line: &[OsString], streams: &Streams) -> Result<Ran, String> {
    let (out, err) = (streams.dir.join("stdout"), streams.dir.join("stderr"));
    let create = |path: &Path| File::create(path).map_err(|e| format!("{}: {e}", path.display()));
    let stdin = match &streams.stdin {
        None => Stdio::null(),
        Some(path) => File::open(path)
            .map_err(|e| format!("{}: {e}", path.display()))?
            .into(),
    };
    let (program, args) = line.split_first().ok_or("there is no command to run")?;
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(stdin)
        .stdout(create(&out)?)
        .stderr(create(&err)?);
    let start = Instant::now();
    let child = command
        .spawn()
        .map_err(|e| format!("{} cannot be started: {e}", Path::new(program).display()))?;
    let pid = i32::try_from(child.id()).map_err(|_| "a process number out of range")?;
    let (ended, late) = with_limit(pid, streams.limit, || wait_without_reaping(pid));
    let wall = start.elapsed();
    ended.map_err(|e| format!("waiting for it: {e}"))?;
    let (status, usage) = reap(pid).map_err(|e| format!("waiting for it: {e}"))?;
    if late {
        return Err(format!(
            "ended after {} s, see --timeout",
            streams.limit.as_secs()
        ));
    }
    let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    Ok(Ran {
        cost: Cost {
            wall: wall.as_secs_f64() * 1e3,
            cpu: milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime),
            peak: u64::try_from(usage.ru_maxrss).unwrap_or(0),
        },
        output: Output {
            end: match status.signal() {
                Some(signal) => End::Signal(signal),
                None => End::Code(status.code().unwrap_or(0)),
            },
            stdout: read(&out)?,
        },
        complaint: beginning(&read(&err)?),
    })
}

/// Runs a command line that prepares something and prints nothing of interest.
pub(crate) fn prepare(line: &[OsString], streams: &Streams) -> Result<(), String> {
    let ran = run(line, streams)?;
    match ran.output.end {
        End::Code(0) => Ok(()),
        end => Err(format!("{}: {end}: {}", shown(line), ran.complaint)),
    }
}

/// What a command prints first, as for `--version`.
pub(crate) fn first_line(line: &[OsString], streams: &Streams) -> Option<String> {
    let ran = run(line, streams).ok()?;
    let text = String::from_utf8_lossy(&ran.output.stdout).into_owned();
    text.lines()
        .next()
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
}

/// A command line as one would type it.
pub(crate) fn shown(line: &[OsString]) -> String {
    let quoted = |word: &OsString| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        match !word.is_empty() && word.chars().all(plain) {
            true => word.into_owned(),
            false => format!("'{}'", word.replace('\'', "'\\''")),
        }
    };
    line.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Words of a command line.
pub(crate) fn words<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(words: I) -> Line {
    words.into_iter().map(|w| w.as_ref().to_owned()).collect()
}

/// The beginning of an error, on one line.
fn beginning(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(QUOTED) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn milliseconds(time: libc::timeval) -> f64 {
    time.tv_sec as f64 * 1e3 + time.tv_usec as f64 * 1e-3
}

/// Waits by `wait`; kills the process when it takes longer than `limit`. The process must not be reaped by `wait`, so
/// that its number cannot have become another's when it is killed.
fn with_limit<T>(pid: i32, limit: Duration, wait: impl FnOnce() -> T) -> (T, bool) {
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let late = waiting.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                kill(pid);
            }
            late
        });
        let result = wait();
        drop(done);
        (result, watch.join().unwrap_or(false))
    })
}

#[allow(
    unsafe_code,
    reason = "a `Child` cannot be shared by the thread that watches and the one that waits"
)]
fn kill(pid: i32) {
    // SAFETY: no memory is involved; `pid` is a child of ours that nobody has reaped yet.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
    }
}

/// Waits until the process has ended, and leaves it to be reaped.
#[allow(
    unsafe_code,
    reason = "the standard library only waits and reaps at once"
)]
fn wait_without_reaping(pid: i32) -> io::Result<()> {
    loop {
        // SAFETY: all zeros is a valid value of this plain C structure.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: `info` is valid for writing and outlives the call.
        let result = unsafe {
            libc::waitid(
                libc::P_PID,
                pid.unsigned_abs(),
                &mut info,
                libc::WEXITED | libc::WNOWAIT,
            )
        };
        if result == 0 {
            return Ok(());
        }
        let err = io::Error::last_os_error();
        if err.kind() != io::ErrorKind::Interrupted {
            return Err(err);
        }
    }
}

/// Takes the status and the account of a process that has ended.
#[allow(
    unsafe_code,
    reason = "the standard library drops the account of what a child used"
)]
fn reap(pid: i32) -> io::Result<(ExitStatus, libc::rusage)> {
    let mut status = 0;
    // SAFETY: all zeros is a valid value of this plain C structure.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both places are valid for writing and outlive the call. `Child` is never waited for, so it reaps nothing.
    let result = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
    match result == pid {
        true => Ok((ExitStatus::from_raw(status), usage)),
        false => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(dir: &Path, limit: u64) -> Streams {
        Streams {
            stdin: None,
            dir: dir.to_owned(),
            limit: Duration::from_secs(limit),
        }
    }

    #[test]
    fn a_run_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let line = words(["sh", "-c", "printf hello; echo oops >&2; exit 3"]);
        let ran = run(&line, &streams(dir.path(), 60)).unwrap();
        assert_eq!(ran.output.stdout, b"hello");
        assert_eq!(ran.output.end, End::Code(3));
        assert_eq!(ran.complaint, "oops");
        assert!(ran.cost.wall > 0.0 && ran.cost.peak > 0, "{:?}", ran.cost);
    }

    #[test]
    fn a_run_that_takes_too_long_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let err = run(&words(["sleep", "100"]), &streams(dir.path(), 1)).err();
        assert!(err.is_some_and(|err| err.contains("--timeout")));
    }

    #[test]
    fn signals_are_told_from_codes() {
        let dir = tempfile::tempdir().unwrap();
        let ran = run(&words(["sh", "-c", "kill -9 $$"]), &streams(dir.path(), 60)).unwrap();
        assert_eq!(ran.output.end, End::Signal(9));
    }

    #[test]
    fn command_lines_can_be_typed_again() {
        assert_eq!(
            shown(&words(["a b", "--c=d", "it's", ""])),
            "'a b' --c=d 'it'\\''s' ''"
        );
    }
}
