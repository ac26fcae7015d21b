//! What can be wrong with a module, said with the function, offset and reason.

use std::fmt;

/// The sort of a [`CompileError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompileErrorKind {
    /// The bytes are not a well-formed module.
    Malformed,
    /// The module is well-formed but does not validate.
    Invalid,
    /// The module needs something that this build or configuration does not have.
    Unsupported,
    /// A limit of this implementation is exceeded.
    Limit,
    /// The code generator gave up on a function, with every fallback.
    TooLarge,
}

/// Why a module cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    /// The sort of error.
    pub kind: CompileErrorKind,
    /// What is wrong.
    pub message: String,
    /// Byte offset in the binary.
    pub offset: Option<u64>,
    /// Index and, if the name section has one, name of the function it is in.
    pub function: Option<(u32, Option<String>)>,
}

impl CompileError {
    /// An error without a place.
    pub fn new(kind: CompileErrorKind, message: impl Into<String>) -> CompileError {
        CompileError {
            kind,
            message: message.into(),
            offset: None,
            function: None,
        }
    }

    pub(crate) fn from_parser(
        e: &wasmparser::BinaryReaderError,
        kind: CompileErrorKind,
    ) -> CompileError {
        CompileError {
            kind,
            message: e.message().to_string(),
            offset: Some(e.offset()),
            function: None,
        }
    }

    /// An error in a body that is translated as a part of another function stays with its own.
    pub(crate) fn in_function(mut self, index: u32, name: Option<&str>) -> CompileError {
        self.function
            .get_or_insert_with(|| (index, name.map(str::to_string)));
        self
    }
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            CompileErrorKind::Malformed => "malformed module",
            CompileErrorKind::Invalid => "invalid module",
            CompileErrorKind::Unsupported => "unsupported module",
            CompileErrorKind::Limit => "module over a limit",
            CompileErrorKind::TooLarge => "function too large to compile",
        };
        write!(f, "{what}: {}", self.message)?;
        match &self.function {
            Some((index, Some(name))) => write!(f, ", in function {index} ({name})")?,
            Some((index, None)) => write!(f, ", in function {index}")?,
            None => {}
        }
        if let Some(offset) = self.offset {
            write!(f, " (at offset {offset:#x})")?;
        }
        Ok(())
    }
}
