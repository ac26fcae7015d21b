//! What depends on the operating system: address space, protection, signals, threads.
//!
//! It must never know what the memory or the signals are for.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(not(unix))]
compile_error!(
    "craneway runs on unix so far; another system needs a folder in runtime/src/vm/sys/"
);
