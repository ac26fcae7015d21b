//! Files and lines of wasm offsets, from the DWARF that a module kept.
//! It must never know machine code or why somebody asks.

use crate::vm::LoadedModule;
use gimli::{EndianArcSlice, LittleEndian};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

type Context = addr2line::Context<EndianArcSlice<LittleEndian>>;

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

/// A module's line tables, parsed at the first question.
#[derive(Default)]
pub(crate) struct Lines {
    /// The lookup fills caches inside, hence the lock.
    context: OnceLock<Option<Mutex<Context>>>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parsed = self.context.get().is_some();
        f.debug_struct("Lines").field("parsed", &parsed).finish()
    }
}

impl Lines {
    /// What the instruction at `offset` of the binary comes from, innermost inlined function
    /// first. Nothing if the module has no debug information, or none that can be read.
    pub(crate) fn find(&self, module: &LoadedModule, offset: u32) -> Vec<FrameSymbol> {
        let context = self.context.get_or_init(|| parse(module).map(Mutex::new));
        let Some(context) = context else {
            return Vec::new();
        };
        // DWARF in wasm counts from the start of the code section's content.
        let Some(address) = u64::from(offset).checked_sub(module.module().code_section_offset)
        else {
            return Vec::new();
        };
        let context = context.lock().unwrap_or_else(|e| e.into_inner());
        let Ok(mut frames) = context.find_frames(address).skip_all_loads() else {
            return Vec::new();
        };
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
        symbols
    }
}

fn parse(module: &LoadedModule) -> Option<Context> {
    if !module.image().has_debug_sections() {
        return None;
    }
    let section = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let bytes: Arc<[u8]> = module.image().debug_section(id.name()).into();
        Ok(EndianArcSlice::new(bytes, LittleEndian))
    };
    Context::from_dwarf(gimli::Dwarf::load(section).ok()?).ok()
}
