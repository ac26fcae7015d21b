//! `craneway validate`: whether modules are valid under the given features.
//! Must never know how validation works.

use crate::args::ValidateArgs;
use crate::input::Input;
use crate::logging;
use crate::report::Failure;
use crate::settings::Settings;
use craneway::{Engine, Module};

/// Checks every file, and reports each that fails.
pub(crate) fn execute(args: &ValidateArgs) -> Result<i32, Failure> {
    let settings = Settings::load(args.engine.assignments())?;
    logging::start(settings.logging);
    let engine = settings.engine()?;
    let mut code = 0;
    for file in &args.files {
        if let Err(failure) = Input::read(file).and_then(|input| check(&engine, &input)) {
            code = failure.print();
        }
    }
    Ok(code)
}

/// Checks one file.
fn check(engine: &Engine, input: &Input) -> Result<(), Failure> {
    let binary = input.binary()?;
    Module::validate(engine, &binary).map_err(|err| input.invalid(&err))
}
