//! Calling one exported function with arguments from the command line.
//! Must never know how the instance came to be.

use crate::host::Host;
use crate::nearest::nearest;
use crate::output;
use crate::report::Failure;
use crate::values;
use craneway::{ExternType, Func, FuncType, Instance, Module, Store, Val};
use std::ffi::OsString;

/// The function that `--invoke` names, or a failure that lists those there are.
pub(crate) fn find(
    store: &mut Store<Host>,
    instance: &Instance,
    module: &Module,
    file: &str,
    name: &str,
) -> Result<Func, Failure> {
    if let Some(func) = instance.get_func(&mut *store, name) {
        return Ok(func);
    }
    Err(match module.get_export(name) {
        Some(other) => Failure::new(format!(
            "{file}: the export `{name}` is no function: it is {other}"
        )),
        None => Failure::new(format!("{file} has no export `{name}`")),
    }
    .hint(suggestion(module, name)))
}

/// The exports near the name, or all that can be called.
fn suggestion(module: &Module, name: &str) -> String {
    let exports = exported_functions(module);
    match nearest(name, exports.iter().map(|(name, _)| name.as_str())) {
        Some(near) => format!("did you mean `{near}`?\n{}", list(module)),
        None => list(module),
    }
}

/// Names and types of all exported functions.
fn exported_functions(module: &Module) -> Vec<(String, FuncType)> {
    module
        .exports()
        .filter_map(|export| match export.ty() {
            ExternType::Func(ty) => Some((export.name().to_owned(), ty)),
            _ => None,
        })
        .collect()
}

/// The functions that `--invoke` can call, as a list for a message.
pub(crate) fn list(module: &Module) -> String {
    const SHOWN: usize = 40;
    let exports = exported_functions(module);
    if exports.is_empty() {
        return "it exports no functions".to_owned();
    }
    let mut text = "it exports these functions, which --invoke can call:".to_owned();
    for (name, ty) in exports.iter().take(SHOWN) {
        text.push_str(&format!("\n  {name}  {}", signature(ty)));
    }
    if exports.len() > SHOWN {
        text.push_str(&format!(
            "\n  ... and {} more: craneway inspect FILE",
            exports.len() - SHOWN
        ));
    }
    text
}

/// A function's type on one line.
fn signature(ty: &FuncType) -> String {
    let types = |list: Vec<String>| list.join(", ");
    let params = types(ty.params().map(|ty| ty.to_string()).collect());
    let results = types(ty.results().map(|ty| ty.to_string()).collect());
    match results.is_empty() {
        true => format!("({params})"),
        false => format!("({params}) -> {results}"),
    }
}

/// Reads the arguments by the function's type.
pub(crate) fn arguments(name: &str, ty: &FuncType, args: &[OsString]) -> Result<Vec<Val>, Failure> {
    let wanted = ty.params().len();
    if args.len() != wanted {
        return Err(Failure::new(format!(
            "`{name}` takes {wanted} argument{}, but {} {} given",
            if wanted == 1 { "" } else { "s" },
            args.len(),
            if args.len() == 1 { "was" } else { "were" },
        ))
        .hint(format!("its type is {}", signature(ty))));
    }
    ty.params()
        .zip(args)
        .enumerate()
        .map(|(index, (ty, arg))| {
            let text = arg.to_string_lossy();
            values::parse(&ty, &text).map_err(|expected| {
                Failure::new(format!(
                    "argument {} of `{name}` is `{text}`, but its type {ty} needs {expected}",
                    index + 1
                ))
            })
        })
        .collect()
}

/// Calls the function and prints its results, one a line.
pub(crate) async fn call(
    store: &mut Store<Host>,
    func: Func,
    name: &str,
    file: &str,
    args: &[OsString],
) -> Result<i32, Failure> {
    let ty = func.ty(&*store);
    let args = arguments(name, &ty, args)?;
    let mut results = vec![Val::I32(0); ty.results().len()];
    if let Err(err) = func.call_async(&mut *store, &args, &mut results).await {
        return crate::run::exit_code(file, &err);
    }
    let lines: String = results
        .iter()
        .map(|val| values::format(val) + "\n")
        .collect();
    output::print(lines.as_bytes())
}
