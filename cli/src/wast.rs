//! `craneway wast`: runs WebAssembly test scripts and prints what held and what did not.
//! Must never know the script language; the crate with the official suites does.

use crate::args::WastArgs;
use crate::input::Input;
use crate::report::Failure;
use crate::settings::Settings;
use crate::{logging, output};
use craneway_spec_tests::{Options, run_script};

/// Runs every script; a failed assertion in any of them makes the exit code 1.
pub(crate) fn execute(args: &WastArgs) -> Result<i32, Failure> {
    let settings = Settings::new(args.engine.assignments());
    logging::start(settings.logging);
    let mut options = Options::new(settings.engine()?);
    options.print = true;
    let mut code = 0;
    for file in &args.files {
        let input = Input::read(file)?;
        let text = std::str::from_utf8(&input.bytes).map_err(|err| {
            Failure::new(format!(
                "{} is not a test script: not UTF-8 from byte {} on",
                input.name,
                err.valid_up_to()
            ))
            .hint("scripts are text; to run a module: craneway run FILE")
        })?;
        let summary = run_script(&input.name, text, &options);
        output::print(format!("{summary}\n").as_bytes())?;
        if !summary.success() {
            code = 1;
        }
    }
    Ok(code)
}
