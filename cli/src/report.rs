//! How the command says that something went wrong: one message, its causes, a hint, an exit code.
//! Must never know which command failed.

use crate::backtrace;
use craneway::{Error, ThrownException, Trap, WasmBacktrace};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

/// Exit code of a guest that trapped: what a shell reports for a process ended by SIGABRT.
const TRAPPED: i32 = 134;
/// Exit code for a command line that cannot be understood.
const USAGE: i32 = 2;
/// Exit code for every other failure.
const FAILED: i32 = 1;

/// Why the command ends without having done what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: i32,
}

impl Failure {
    /// A failure that is not the command line's fault.
    pub(crate) fn new(message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            hint: None,
            code: FAILED,
        }
    }

    /// A command line that cannot be understood.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure {
            message: message.into(),
            hint: None,
            code: USAGE,
        }
    }

    /// A failure reported by the library, with all its causes.
    pub(crate) fn from_error(what: &str, err: &Error) -> Failure {
        Failure::new(format!("{what}: {}", causes(err)))
    }

    /// What became of guest code that did not return: a trap, an uncaught exception or a host error.
    pub(crate) fn from_guest(name: &str, err: &Error) -> Failure {
        let trap = err.downcast_ref::<Trap>().copied();
        let thrown = err.downcast_ref::<ThrownException>().is_some();
        let mut message = match trap {
            Some(trap) => format!("{name} trapped: {trap}"),
            None if thrown => format!("{name} threw an exception that nothing caught"),
            None => format!("{name} failed: {}", causes(err)),
        };
        if let Some(trace) = err.downcast_ref::<WasmBacktrace>() {
            backtrace::write(&mut message, trace.frames());
        }
        let failure = Failure {
            message,
            hint: None,
            code: if trap.is_some() || thrown {
                TRAPPED
            } else {
                FAILED
            },
        };
        match trap {
            Some(Trap::StackOverflow) => {
                failure.hint("endless recursion, or more stack is needed: -W max-wasm-stack=32MiB")
            }
            _ => failure,
        }
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint if there is one.
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Failure {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// Prints the failure on standard error and says what to exit with.
    pub(crate) fn print(&self) -> i32 {
        let mut err = std::io::stderr().lock();
        let colour = err.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let (red, blue, off) = if colour {
            ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let mut text = format!("{red}error:{off} {}\n", self.message.trim_end());
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{blue}hint:{off} {}", hint.trim_end());
        }
        // Nobody is left to tell when standard error is gone.
        let _ = err.write_all(text.as_bytes());
        self.code
    }
}

/// The error and its causes, outermost first, without the backtrace and without repetitions.
fn causes(err: &Error) -> String {
    let trace = err.downcast_ref::<WasmBacktrace>().map(ToString::to_string);
    let mut texts: Vec<String> = Vec::new();
    for cause in err.chain() {
        let text = cause.to_string().trim_end().to_owned();
        let repeated = texts.last().is_some_and(|last| last.ends_with(&text));
        if !repeated && trace.as_deref().map(str::trim_end) != Some(text.as_str()) {
            texts.push(text);
        }
    }
    texts.join("\n  caused by: ")
}
