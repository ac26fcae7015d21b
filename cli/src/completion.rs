//! `craneway completion`: a script that completes commands, flags and keys of flags.
//! Must never know the command line's shape; it comes from its declaration.

use crate::args::{Cli, CompletionArgs};
use crate::output;
use crate::report::Failure;
use clap::CommandFactory as _;

/// Prints the script for the shell that is asked for.
pub(crate) fn execute(args: &CompletionArgs) -> Result<i32, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "craneway", &mut script);
    output::print(&script)
}
