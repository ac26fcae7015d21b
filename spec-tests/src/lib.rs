//! Runs WebAssembly test scripts (`.wast`) against craneway.
//!
//! This library is the interpreter of the script language: it is shared by the official suites under
//! `tests/` and by the command `craneway wast`. It uses nothing but the public API of the runtime, and it
//! must never know how code is generated or where a script came from.

mod expect;
mod level;
mod matching;
mod report;
mod script;
mod spectest;

pub use level::Level;
pub use report::{Failure, Skipped, Summary, Wording};
pub use script::{Mode, Options, SkipRule, run_script};
pub use spectest::define_spectest;
