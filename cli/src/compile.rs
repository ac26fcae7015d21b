//! `craneway compile`: machine code ahead of time, into a file that `run --allow-precompiled` takes.
//! Must never know what is in that file.

use crate::args::CompileArgs;
use crate::input::{Input, plain};
use crate::logging;
use crate::output;
use crate::report::Failure;
use crate::settings::Settings;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Compiles one module.
pub(crate) fn execute(args: &CompileArgs) -> Result<i32, Failure> {
    let out = match &args.output {
        Some(out) => out.clone(),
        None if args.file == "-" => {
            return Err(Failure::usage(
                "a module from standard input has no name to derive the output's from",
            )
            .hint("say where to write: craneway compile - -o OUT"));
        }
        None => Path::new(&args.file).with_extension("cwasm"),
    };
    let settings = Settings::load(args.engine.assignments())?;
    logging::start(settings.logging);
    let engine = settings.engine()?;
    let input = Input::read(&args.file)?;
    let code = engine
        .precompile_module(&input.binary()?)
        .map_err(|err| input.invalid(&err))?;
    if out.as_os_str() == "-" {
        return output::print(&code);
    }
    write(&out, &code)
        .map_err(|err| Failure::new(format!("cannot write {}: {}", out.display(), plain(&err))))?;
    Ok(0)
}

/// Writes a file so that nobody ever sees half of it: beside its place first, then renamed.
fn write(out: &Path, code: &[u8]) -> io::Result<()> {
    // A device or pipe must be written to, not replaced.
    if fs::metadata(out).is_ok_and(|meta| !meta.is_file()) {
        return fs::write(out, code);
    }
    let mut name = out
        .file_name()
        .ok_or(io::ErrorKind::InvalidFilename)?
        .to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let beside: PathBuf = out.with_file_name(name);
    let result = fs::write(&beside, code).and_then(|()| fs::rename(&beside, out));
    if result.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    result
}
