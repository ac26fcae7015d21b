//! Writing results to standard output, where failing to is an error and not a panic.
//! Must never know what is written.

use crate::input::plain;
use crate::report::Failure;
use std::io::Write as _;

/// Writes the bytes. The number is the exit code of a command that had nothing else to do.
pub(crate) fn print(bytes: &[u8]) -> Result<i32, Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map(|()| 0)
        .map_err(|err| Failure::new(format!("cannot write to standard output: {}", plain(&err))))
}
