//! What the recorder passes in, in the layout that it has in C, and what is read from it.
//! Must never know what is done with the settings.

use craneway::{Config, OptLevel, Result};
use std::path::PathBuf;

/// A function of the recorder's; it is called with the value that stands beside it.
pub type Callback = extern "C" fn(*mut u8);

/// The recorder's structure, passed by value. Texts are pointers and lengths, not ended by zero.
#[repr(C)]
pub struct WasmBenchConfig {
    /// The directory that the benchmark may use, as `.`.
    pub working_dir_ptr: *const u8,
    /// Its length.
    pub working_dir_len: usize,
    /// The file to make for standard output.
    pub stdout_path_ptr: *const u8,
    /// Its length.
    pub stdout_path_len: usize,
    /// The file to make for standard error.
    pub stderr_path_ptr: *const u8,
    /// Its length.
    pub stderr_path_len: usize,
    /// The file for standard input; null for none.
    pub stdin_path_ptr: *const u8,
    /// Its length.
    pub stdin_path_len: usize,
    /// For the two functions that follow.
    pub compilation_timer: *mut u8,
    /// Called before compiling.
    pub compilation_start: Callback,
    /// Called after compiling.
    pub compilation_end: Callback,
    /// For the two functions that follow.
    pub instantiation_timer: *mut u8,
    /// Called before instantiating.
    pub instantiation_start: Callback,
    /// Called after instantiating.
    pub instantiation_end: Callback,
    /// For the two functions that follow.
    pub execution_timer: *mut u8,
    /// Called by the benchmark.
    pub execution_start: Callback,
    /// Called by the benchmark.
    pub execution_end: Callback,
    /// Flags of the engine, separated by blanks; null for none.
    pub execution_flags_ptr: *const u8,
    /// Their length.
    pub execution_flags_len: usize,
}

/// A pair of functions around something.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    value: *mut u8,
    start: Callback,
    end: Callback,
}

// SAFETY: the pointer is only passed back to the recorder's functions, and only from the thread that calls this library:
// the interface has one thread, and host functions run on the thread that calls the guest.
unsafe impl Send for Timer {}
// SAFETY: as above.
unsafe impl Sync for Timer {}

impl Timer {
    /// It begins.
    pub(crate) fn start(&self) {
        (self.start)(self.value);
    }

    /// It is over.
    pub(crate) fn end(&self) {
        (self.end)(self.value);
    }
}

/// What was read from the recorder's structure.
pub(crate) struct Settings {
    /// The directory that the benchmark may use.
    pub(crate) working_dir: PathBuf,
    /// Where its output goes.
    pub(crate) stdout: PathBuf,
    /// Where its error output goes.
    pub(crate) stderr: PathBuf,
    /// Where its input comes from.
    pub(crate) stdin: Option<PathBuf>,
    /// Around compiling.
    pub(crate) compilation: Timer,
    /// Around instantiating.
    pub(crate) instantiation: Timer,
    /// Around what the benchmark measures.
    pub(crate) execution: Timer,
    /// The engine's configuration, with the flags applied.
    pub(crate) config: Config,
}

impl WasmBenchConfig {
    /// Copies everything.
    ///
    /// # Safety
    /// Every pointer to text is null or points to as many bytes as stand beside it.
    pub(crate) unsafe fn read(&self) -> Result<Settings> {
        // SAFETY: the caller's promise.
        let read = |at, len, what: &str| unsafe { text(at, len, what) };
        let path = |at, len, what: &str| -> Result<PathBuf> {
            let given = read(at, len, what)?;
            given
                .map(PathBuf::from)
                .ok_or_else(|| craneway::format_err!("{what} is missing"))
        };
        let flags = read(
            self.execution_flags_ptr,
            self.execution_flags_len,
            "the flags",
        )?;
        let working_dir = path(
            self.working_dir_ptr,
            self.working_dir_len,
            "the working directory",
        )?;
        let mut config = Config::new();
        apply(&mut config, flags.unwrap_or(""))?;
        Ok(Settings {
            // What the recorder takes for the directory of a file that is named without one.
            working_dir: match working_dir.as_os_str().is_empty() {
                true => PathBuf::from("."),
                false => working_dir,
            },
            stdout: path(
                self.stdout_path_ptr,
                self.stdout_path_len,
                "the file for standard output",
            )?,
            stderr: path(
                self.stderr_path_ptr,
                self.stderr_path_len,
                "the file for standard error",
            )?,
            stdin: read(
                self.stdin_path_ptr,
                self.stdin_path_len,
                "the file for standard input",
            )?
            .map(PathBuf::from),
            compilation: Timer {
                value: self.compilation_timer,
                start: self.compilation_start,
                end: self.compilation_end,
            },
            instantiation: Timer {
                value: self.instantiation_timer,
                start: self.instantiation_start,
                end: self.instantiation_end,
            },
            execution: Timer {
                value: self.execution_timer,
                start: self.execution_start,
                end: self.execution_end,
            },
            config,
        })
    }
}

/// A text of the recorder's; none if it is null.
///
/// # Safety
/// `at` is null or points to `len` bytes that stay as they are while the result is used.
unsafe fn text<'a>(at: *const u8, len: usize, what: &str) -> Result<Option<&'a str>> {
    if at.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise, and not null.
    let bytes = unsafe { std::slice::from_raw_parts(at, len) };
    let text = std::str::from_utf8(bytes);
    text.map(Some).map_err(|_| {
        craneway::format_err!("{what} is not UTF-8: {}", String::from_utf8_lossy(bytes))
    })
}

/// Applies `-O KEY=VALUE[,…]`: the level and the passes of the optimiser, as the command has them.
fn apply(config: &mut Config, flags: &str) -> Result<()> {
    // Exceptions are on, as they are in the command.
    config.wasm_exceptions(true);
    let mut words = flags.split_whitespace();
    while let Some(word) = words.next() {
        let list = match word.strip_prefix("-O").or(word.strip_prefix("--optimize=")) {
            Some("") => words.next(),
            Some(list) => Some(list.trim_start_matches('=')),
            None => craneway::bail!("flag `{word}` is not known here; -O KEY=VALUE is"),
        };
        let list = list.ok_or_else(|| craneway::format_err!("`{word}` needs KEY=VALUE"))?;
        for key in list.split(',') {
            match key.split_once('=').unwrap_or((key, "y")) {
                ("opt-level", level) => {
                    let none = level == "0";
                    config.cranelift_opt_level(if none {
                        OptLevel::None
                    } else {
                        OptLevel::Speed
                    });
                }
                (pass, "y") => drop(config.cranelift_pass(pass, true)?),
                (pass, "n") => drop(config.cranelift_pass(pass, false)?),
                (key, value) => craneway::bail!("-O {key}={value}: expected y or n"),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_the_command() {
        let applied = |flags: &str| apply(&mut Config::new(), flags).map_err(|err| err.to_string());
        for good in [
            "",
            "-O opt-level=0",
            "-Oinline=n",
            "-O inline=n,reschedule=y",
            "--optimize=inline=n",
        ] {
            assert_eq!(applied(good), Ok(()), "{good}");
        }
        assert!(applied("-W simd").unwrap_err().contains("not known"));
        assert!(applied("-O inline=x").unwrap_err().contains("y or n"));
        assert!(applied("-O nonsense=n").unwrap_err().contains("inline"));
        assert!(applied("-O").unwrap_err().contains("KEY=VALUE"));
    }
}
