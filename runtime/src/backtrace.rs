//! Where wasm code was when a call failed. It must never know why it failed.

use crate::module::Location;
use crate::vm::RawFrame;
use crate::{Engine, Error, Module};
use std::fmt;
use std::sync::OnceLock;

/// The wasm functions that were running, innermost first.
///
/// Errors that come out of calls carry one: `err.downcast_ref::<WasmBacktrace>()`.
#[derive(Debug)]
pub struct WasmBacktrace {
    frames: Vec<FrameInfo>,
}

/// One wasm function that was running.
pub struct FrameInfo {
    module: Module,
    func_index: u32,
    offset: Option<u32>,
    name: OnceLock<Option<String>>,
    symbols: OnceLock<Vec<FrameSymbol>>,
}

/// A place in the source that a frame's instruction comes from; several where functions were inlined.
#[derive(Clone, Debug)]
pub struct FrameSymbol(Location);

impl FrameSymbol {
    /// The function's name in the source.
    pub fn name(&self) -> Option<&str> {
        self.0.function.as_deref()
    }

    /// The source file.
    pub fn file(&self) -> Option<&str> {
        self.0.file.as_deref()
    }

    /// The line, from 1.
    pub fn line(&self) -> Option<u32> {
        self.0.line
    }

    /// The column, from 1.
    pub fn column(&self) -> Option<u32> {
        self.0.column
    }
}

impl WasmBacktrace {
    /// The frames, innermost first.
    pub fn frames(&self) -> &[FrameInfo] {
        &self.frames
    }

    /// Attaches the frames to an error. One that passed through an inner call already has that
    /// call's frames; these follow them.
    pub(crate) fn attach(
        mut error: Error,
        frames: Vec<RawFrame>,
        max: Option<usize>,
        engine: &Engine,
        find: impl Fn(&RawFrame) -> Option<Module>,
    ) -> Error {
        let Some(max) = max else { return error };
        let describe = |frame: RawFrame| FrameInfo {
            module: find(&frame).unwrap_or_else(|| Module::from_loaded(engine, frame.module.clone())),
            func_index: frame.func_index,
            offset: frame.wasm_offset,
            name: OnceLock::new(),
            symbols: OnceLock::new(),
        };
        match error.downcast_mut::<WasmBacktrace>() {
            // The inner call's backtrace already went on through the outer frames.
            Some(inner) if !inner.frames.is_empty() => error,
            Some(inner) => {
                inner.frames = frames.into_iter().take(max).map(describe).collect();
                error
            }
            None if frames.is_empty() => error,
            None => error.context(WasmBacktrace { frames: frames.into_iter().take(max).map(describe).collect() }),
        }
    }
}

impl FrameInfo {
    /// The function's index in its module.
    pub fn func_index(&self) -> u32 {
        self.func_index
    }

    /// The function's name from the module's name section, demangled if it is a Rust name.
    pub fn func_name(&self) -> Option<&str> {
        let name = self.name.get_or_init(|| {
            let raw = self.module.compiled().module.function_name(self.func_index)?;
            // The alternate form leaves out the hash at the end.
            Some(format!("{:#}", rustc_demangle::demangle(raw)))
        });
        name.as_deref()
    }

    /// Offset of the instruction in the wasm binary.
    pub fn module_offset(&self) -> Option<usize> {
        self.offset.map(|o| o as usize)
    }

    /// Offset of the instruction from the first one of its function.
    pub fn func_offset(&self) -> Option<usize> {
        let compiled = self.module.compiled();
        let defined = compiled.module.defined_index(self.func_index)?;
        let start = compiled.image.functions.get(defined as usize)?.start;
        let first = compiled.image.location_at(start)?;
        self.offset?.checked_sub(first).map(|o| o as usize)
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Places in the source, innermost first; none unless the engine keeps debug information and
    /// the module has it.
    pub fn symbols(&self) -> &[FrameSymbol] {
        self.symbols.get_or_init(|| match self.offset {
            Some(offset) => self.module.source_locations(offset).into_iter().map(FrameSymbol).collect(),
            None => Vec::new(),
        })
    }
}

impl fmt::Debug for FrameInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameInfo")
            .field("func_index", &self.func_index)
            .field("func_name", &self.func_name())
            .field("module_offset", &self.offset)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for WasmBacktrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wasm backtrace (innermost call first):")?;
        for (number, frame) in self.frames.iter().enumerate() {
            write!(f, "\n  {number:>3}: ")?;
            if let Some(offset) = frame.offset {
                write!(f, "{offset:#8x} ")?;
            }
            write!(f, "{}!", frame.module.name().unwrap_or("<unnamed>"))?;
            match frame.func_name() {
                Some(name) => f.write_str(name)?,
                None => write!(f, "<function {}>", frame.func_index)?,
            }
            for symbol in frame.symbols() {
                let Some(file) = symbol.file() else { continue };
                write!(f, "\n         at {file}")?;
                if let Some(line) = symbol.line() {
                    write!(f, ":{line}")?;
                }
            }
        }
        Ok(())
    }
}
