//! Files and lines of wasm offsets, from a module's DWARF. It must never know machine code.

use craneway_jit::module::Module;
use gimli::{EndianArcSlice, LittleEndian};
use std::sync::{Arc, Mutex};

type Reader = EndianArcSlice<LittleEndian>;

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) function: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) column: Option<u32>,
}

/// The line tables of one module.
pub(crate) struct Lines {
    /// The lookup fills caches inside.
    context: Mutex<addr2line::Context<Reader>>,
    /// DWARF of wasm counts from the start of the code section's content.
    code_start: u64,
}

impl Lines {
    /// The module's line tables; `None` if it kept none, or they cannot be read.
    pub(crate) fn new(module: &Module) -> Option<Lines> {
        if module.debug_sections.is_empty() {
            return None;
        }
        let section = |id: gimli::SectionId| -> Result<Reader, gimli::Error> {
            let found = module.debug_sections.iter().find(|s| s.0 == id.name());
            let bytes: Arc<[u8]> = found.map_or(&[][..], |s| &s.1).into();
            Ok(EndianArcSlice::new(bytes, LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(section).ok()?;
        let context = addr2line::Context::from_dwarf(dwarf).ok()?;
        Some(Lines {
            context: Mutex::new(context),
            code_start: module.code_section_offset,
        })
    }

    /// What the instruction at `offset` of the binary comes from, innermost inlined frame first.
    pub(crate) fn find(&self, offset: u32) -> Vec<Location> {
        let Some(address) = u64::from(offset).checked_sub(self.code_start) else {
            return Vec::new();
        };
        let context = self.context.lock().unwrap_or_else(|e| e.into_inner());
        let Ok(mut frames) = context.find_frames(address).skip_all_loads() else {
            return Vec::new();
        };
        let mut found = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let name = frame
                .function
                .as_ref()
                .and_then(|f| f.demangle().ok().map(|n| n.into_owned()));
            let location = frame.location.as_ref();
            found.push(Location {
                function: name,
                file: location.and_then(|l| l.file).map(str::to_owned),
                line: location.and_then(|l| l.line),
                column: location.and_then(|l| l.column),
            });
        }
        found
    }
}
