//! Errors: what calls, compilation and linking report, and what can be asked of them.
//! It must never know how a failure was noticed.

pub use anyhow::{Context, Error, bail, ensure, format_err};
pub use craneway_jit::{CompileError, CompileErrorKind};

use crate::{ExnRef, Rooted};
use std::fmt;

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Like `Ok`, with the error type of this crate: `craneway::Ok(x)` at the end of a closure saves
/// writing its return type.
#[allow(non_snake_case)]
pub fn Ok<T>(value: T) -> Result<T> {
    std::result::Result::Ok(value)
}

/// One import that cannot be satisfied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadImport {
    /// The module half of the name.
    pub module: String,
    /// The item half of the name.
    pub name: String,
    /// What the module expects there, as the text format writes it.
    pub expected: String,
    /// What was given instead; `None` if nothing was.
    pub found: Option<String>,
}

impl fmt::Display for BadImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadImport {
            module,
            name,
            expected,
            found,
        } = self;
        match found {
            Some(found) => write!(
                f,
                "`{module}::{name}` has an incompatible type: expected {expected}, found {found}"
            ),
            None => write!(f, "`{module}::{name}` is missing: expected {expected}"),
        }
    }
}

/// A module cannot be instantiated because of its imports. All that are missing or of another
/// type are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkError {
    module: Option<String>,
    imports: Vec<BadImport>,
}

impl LinkError {
    pub(crate) fn new(module: Option<&str>, imports: Vec<BadImport>) -> LinkError {
        LinkError {
            module: module.map(str::to_owned),
            imports,
        }
    }

    /// The imports at fault, in the module's order.
    pub fn imports(&self) -> &[BadImport] {
        &self.imports
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let missing = self.imports.iter().any(|i| i.found.is_none());
        let mistyped = self.imports.iter().any(|i| i.found.is_some());
        // "unknown import" and "incompatible import type" are the specification's words.
        let what = match (missing, mistyped) {
            (true, false) => "unknown import",
            (false, _) => "incompatible import type",
            (true, true) => "unknown import, incompatible import type",
        };
        match &self.module {
            Some(name) => write!(f, "cannot instantiate `{name}`: {what}")?,
            None => write!(f, "cannot instantiate the module: {what}")?,
        }
        for import in &self.imports {
            write!(f, "\n  {import}")?;
        }
        fmt::Result::Ok(())
    }
}

impl std::error::Error for LinkError {}

/// A wasm exception that nothing caught left a call.
///
/// A host function that returns an error with this in it throws the exception again.
#[derive(Clone, Copy, Debug)]
pub struct ThrownException {
    exn: Rooted<ExnRef>,
}

impl ThrownException {
    /// An error that throws `exn` when a host function returns it.
    pub fn new(exn: Rooted<ExnRef>) -> ThrownException {
        ThrownException { exn }
    }

    /// The exception.
    pub fn exception(&self) -> Rooted<ExnRef> {
        self.exn
    }
}

impl fmt::Display for ThrownException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("uncaught wasm exception")
    }
}

impl std::error::Error for ThrownException {}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(name: &str, found: Option<&str>) -> BadImport {
        BadImport {
            module: "env".into(),
            name: name.into(),
            expected: "(func)".into(),
            found: found.map(str::to_owned),
        }
    }

    #[test]
    fn all_imports_are_listed_with_what_was_expected() {
        let error = LinkError::new(
            Some("app"),
            vec![import("a", None), import("b", Some("(memory 1)"))],
        );
        assert_eq!(
            error.to_string(),
            "cannot instantiate `app`: unknown import, incompatible import type\n  \
             `env::a` is missing: expected (func)\n  \
             `env::b` has an incompatible type: expected (func), found (memory 1)"
        );
    }
}
