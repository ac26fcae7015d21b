//! The `craneway` command: reads the command line, hands over to one command, exits with its code.
//! It must never know how a command works, and no part of the crate uses anything but public APIs.
#![deny(unsafe_code)]

mod absent;
mod args;
mod backtrace;
mod bench;
mod clock;
mod compile;
mod completion;
mod config;
mod hints;
mod host;
mod input;
mod inspect;
mod invoke;
mod logging;
mod nearest;
mod options;
mod output;
mod report;
mod run;
mod settings;
mod sigpipe;
mod sniff;
mod validate;
mod values;
mod version;
mod wast;

use args::{Cli, Command};
use clap::Parser as _;
use report::Failure;

fn main() {
    sigpipe::restore();
    let argv: Vec<_> = std::env::args_os().collect();
    let result = match absent::advice(&argv) {
        Some(failure) => Err(failure),
        None => match Cli::try_parse_from(args::with_run(argv)) {
            Ok(cli) => dispatch(cli.command),
            Err(err) => match options::requested_list(&err) {
                Some(list) => output::print(list.as_bytes()),
                None => err.exit(),
            },
        },
    };
    let code = match result {
        Ok(code) => code,
        Err(failure) => failure.print(),
    };
    // Not by returning: a thread that waits for standard input must not keep the process alive.
    std::process::exit(code);
}

/// Runs one command; the number is the exit code.
fn dispatch(command: Command) -> Result<i32, Failure> {
    match command {
        Command::Run(args) => run::execute(&args),
        Command::Compile(args) => compile::execute(&args),
        Command::Inspect(args) => inspect::execute(&args),
        Command::Validate(args) => validate::execute(&args),
        Command::Bench(args) => bench::execute(&args),
        Command::Wast(args) => wast::execute(&args),
        Command::Completion(args) => completion::execute(&args),
    }
}
