//! `craneway inspect`: what a module imports, exports, contains and needs, without compiling it.
//! Must never make an engine: a module that cannot run here can still be looked at.

mod compiled;
mod contents;
mod features;
mod json;
mod text;
mod types;

use crate::args::InspectArgs;
use crate::input::Input;
use crate::output;
use crate::report::Failure;
use contents::Contents;

/// Prints a report on one module.
pub(crate) fn execute(args: &InspectArgs) -> Result<i32, Failure> {
    let input = Input::read(&args.file)?;
    if input.is_precompiled() {
        return output::print(compiled::report(&input, args.json)?.as_bytes());
    }
    let binary = input.binary()?;
    let contents = Contents::read(&binary).map_err(|err| {
        Failure::new(format!(
            "{}: {} at offset {:#x}",
            input.name,
            err.message(),
            err.offset()
        ))
        .hint("the file is damaged or not complete: fetch or build it again")
    })?;
    let report = match args.json {
        true => json::render(&input.name, &contents),
        false => text::render(&input.name, &contents),
    };
    output::print(report.as_bytes())
}
