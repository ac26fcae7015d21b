//! What errors of this crate carry: wasm backtraces, thrown exceptions, everything that did not link.
//!
//! An error is an [`Error`](crate::Error); these are found in it with `downcast_ref`.

use crate::symbols::{FrameSymbol, Lines};
use crate::types::Provided;
use crate::vm::{CallError, LoadedModule, RawFrame, Store as Core, Unwind};
use crate::{Error, ExnRef, ExternType, Rooted, Trap};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The wasm frames of a call that left, innermost first.
#[derive(Clone, Debug)]
pub struct WasmBacktrace {
    frames: Vec<FrameInfo>,
}

/// One frame of a [`WasmBacktrace`].
#[derive(Clone)]
pub struct FrameInfo {
    module: Arc<LoadedModule>,
    func_index: u32,
    wasm_offset: Option<u32>,
    /// Shared by the frames of one module in one backtrace.
    lines: Arc<Lines>,
    symbols: OnceLock<Vec<FrameSymbol>>,
}

impl fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameInfo")
            .field("func_index", &self.func_index)
            .field("func_name", &self.func_name())
            .field("module_offset", &self.wasm_offset)
            .finish()
    }
}

impl FrameInfo {
    fn new(raw: RawFrame, lines: Arc<Lines>) -> FrameInfo {
        FrameInfo {
            module: raw.module,
            func_index: raw.func_index,
            wasm_offset: raw.wasm_offset,
            lines,
            symbols: OnceLock::new(),
        }
    }

    /// Index of the function in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// Name of the function, from the name section.
    pub fn func_name(&self) -> Option<&str> {
        self.module.image().function_name(self.func_index)
    }

    /// Name of the module, from the name section.
    pub fn module_name(&self) -> Option<&str> {
        self.module.module().name.as_deref()
    }

    /// Offset of the instruction in the wasm binary.
    pub fn module_offset(&self) -> Option<usize> {
        self.wasm_offset.map(|o| o as usize)
    }

    /// Source positions, innermost inlined function first; needs [`Config::debug_info`](crate::Config::debug_info).
    ///
    /// Found when first asked for: most errors are never shown.
    pub fn symbols(&self) -> &[FrameSymbol] {
        self.symbols.get_or_init(|| {
            self.wasm_offset
                .map_or_else(Vec::new, |offset| self.lines.find(&self.module, offset))
        })
    }

    /// Offset of the instruction from the first instruction of its function, in the wasm binary.
    pub fn func_offset(&self) -> Option<usize> {
        let defined = self.module.module().defined_index(self.func_index)?;
        let first = self.module.image().first_offset(defined)?;
        self.wasm_offset?.checked_sub(first).map(|o| o as usize)
    }
}

impl WasmBacktrace {
    /// The frames, innermost first.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }
}

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error while executing at wasm backtrace:")?;
        for (i, frame) in self.frames.iter().enumerate() {
            write!(f, "\n  {i:>3}: ")?;
            if let Some(offset) = frame.wasm_offset {
                write!(f, "{offset:#8x} - ")?;
            }
            write!(f, "{}!", frame.module_name().unwrap_or("<unknown>"))?;
            match frame.func_name() {
                Some(name) => write!(f, "{:#}", rustc_demangle::demangle(name))?,
                None => write!(f, "<wasm function {}>", frame.func_index)?,
            }
            for symbol in frame.symbols() {
                if let (Some(file), Some(line)) = (symbol.file(), symbol.line()) {
                    write!(f, "\n                    at {file}:{line}")?;
                    if let Some(column) = symbol.column() {
                        write!(f, ":{column}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A wasm exception that nothing caught: the error of the call that it left.
///
/// A host function that returns it throws the exception again.
#[derive(Clone, Copy, Debug)]
pub struct ThrownException {
    pub(crate) exn: Rooted<ExnRef>,
}

impl ThrownException {
    /// Throws `exn` when a host function returns it as its error.
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
        f.write_str("thrown wasm exception: nothing caught it")
    }
}

impl std::error::Error for ThrownException {}

/// One import that could not be satisfied.
#[derive(Clone, Debug)]
pub struct LinkProblem {
    /// Module half of the import's name.
    pub module: String,
    /// Item half.
    pub name: String,
    /// What the module expects.
    pub expected: ExternType,
    /// What was there, `None` if nothing was.
    pub found: Option<String>,
}

impl fmt::Display for LinkProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}::{}`: expected {}",
            self.module, self.name, self.expected
        )?;
        match &self.found {
            Some(found) => write!(f, ", found {found} (incompatible import type)"),
            None => write!(f, ", which has not been defined (unknown import)"),
        }
    }
}

/// All imports of a module that are missing or of another type.
#[derive(Clone, Debug)]
pub struct LinkError {
    pub(crate) problems: Vec<LinkProblem>,
}

impl LinkError {
    /// Each import that could not be satisfied, in the module's order.
    pub fn problems(&self) -> &[LinkProblem] {
        &self.problems
    }

    pub(crate) fn check(
        problems: &mut Vec<LinkProblem>,
        module: &str,
        name: &str,
        expected: ExternType,
        found: Option<Provided>,
    ) {
        if found.as_ref().is_some_and(|f| f.matches(&expected)) {
            return;
        }
        let found = found.map(|f| f.to_string());
        problems.push(LinkProblem {
            module: module.into(),
            name: name.into(),
            expected,
            found,
        });
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [problem] = &self.problems[..] else {
            write!(f, "{} imports cannot be satisfied:", self.problems.len())?;
            return self.problems.iter().try_for_each(|p| write!(f, "\n  {p}"));
        };
        write!(f, "import {problem}")
    }
}

impl std::error::Error for LinkError {}

/// Turns a call that left into an error, or resumes a host function's panic.
pub(crate) fn from_call(core: &mut Core, max_frames: Option<usize>, error: CallError) -> Error {
    let cause = match error.cause {
        Unwind::Trap(code) => Error::new(Trap::from_code(code)),
        Unwind::Error(e) => e,
        Unwind::Panic(panic) => std::panic::resume_unwind(panic),
        Unwind::Exception(handle) => Error::new(ThrownException {
            exn: Rooted::new(core, handle),
        }),
    };
    let trap = cause.downcast_ref::<Trap>().copied();
    if let Some(trap) = trap {
        tracing::debug!(target: "craneway", %trap, frames = error.frames.len(), "trap");
    }
    let limit = max_frames.unwrap_or(0);
    if limit == 0 || error.frames.is_empty() || cause.downcast_ref::<WasmBacktrace>().is_some() {
        return cause;
    }
    let mut known: Vec<(*const LoadedModule, Arc<Lines>)> = Vec::new();
    let mut frames = Vec::with_capacity(error.frames.len().min(limit));
    for raw in error.frames.into_iter().take(limit) {
        let module = Arc::as_ptr(&raw.module);
        let lines = match known.iter().find(|k| k.0 == module) {
            Some((_, lines)) => lines.clone(),
            None => {
                let lines = Arc::<Lines>::default();
                known.push((module, lines.clone()));
                lines
            }
        };
        frames.push(FrameInfo::new(raw, lines));
    }
    cause.context(WasmBacktrace { frames })
}
