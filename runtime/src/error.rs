//! What errors of this crate carry: wasm backtraces, thrown exceptions, everything that did not link.
//!
//! An error is an [`Error`](crate::Error); these are found in it with `downcast_ref`.

use crate::types::Provided;
use crate::vm::{CallError, LoadedModule, RawFrame, Store as Core, Unwind};
use crate::{Error, ExnRef, ExternType, Rooted, Trap};
use std::fmt;
use std::sync::Arc;

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
    symbols: Vec<FrameSymbol>,
}

/// A source position of a frame, from the module's debug information.
#[derive(Clone, Debug)]
pub struct FrameSymbol {
    name: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
}

impl FrameSymbol {
    /// Function name in the source.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Source file.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// Line, from 1.
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// Column, from 1.
    pub fn column(&self) -> Option<u32> {
        self.column
    }
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
    fn new(raw: RawFrame) -> FrameInfo {
        let mut frame = FrameInfo {
            module: raw.module,
            func_index: raw.func_index,
            wasm_offset: raw.wasm_offset,
            symbols: Vec::new(),
        };
        frame.symbols = frame.look_up_symbols().unwrap_or_default();
        frame
    }

    fn look_up_symbols(&self) -> Option<Vec<FrameSymbol>> {
        let module = self.module.module();
        if module.debug_sections.is_empty() {
            return None;
        }
        let section = |id: gimli::SectionId| -> Result<gimli::EndianSlice<'_, gimli::LittleEndian>, gimli::Error> {
            let bytes = module.debug_sections.iter().find(|s| s.0 == id.name()).map_or(&[][..], |s| &s.1);
            Ok(gimli::EndianSlice::new(bytes, gimli::LittleEndian))
        };
        let context = addr2line::Context::from_dwarf(gimli::Dwarf::load(section).ok()?).ok()?;
        // DWARF in wasm counts from the start of the code section's content.
        let address = u64::from(self.wasm_offset?).checked_sub(module.code_section_offset)?;
        let mut frames = context.find_frames(address).skip_all_loads().ok()?;
        let mut symbols = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame
                .function
                .and_then(|f| f.demangle().ok().map(|n| n.into_owned()));
            let location = frame.location.as_ref();
            symbols.push(FrameSymbol {
                name,
                file: location.and_then(|l| l.file.map(str::to_string)),
                line: location.and_then(|l| l.line),
                column: location.and_then(|l| l.column),
            });
        }
        Some(symbols)
    }

    /// Index of the function in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// Name of the function, from the name section.
    pub fn func_name(&self) -> Option<&str> {
        self.module.module().function_name(self.func_index)
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
    pub fn symbols(&self) -> &[FrameSymbol] {
        &self.symbols
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
            for symbol in &frame.symbols {
                if let (Some(file), Some(line)) = (&symbol.file, symbol.line) {
                    write!(f, "\n                    at {file}:{line}")?;
                    if let Some(column) = symbol.column {
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
    let frames = error
        .frames
        .into_iter()
        .take(limit)
        .map(FrameInfo::new)
        .collect();
    cause.context(WasmBacktrace { frames })
}
