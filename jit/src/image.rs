//! The result of compiling a module: code and the tables that explain it.
//!
//! All offsets are bytes from the start of `text`, which is position-independent: it may be copied
//! into executable memory or mapped from a file, at any page-aligned address.

use crate::abi::TrapCode;
use serde::{Deserialize, Serialize};

/// Where a defined function's code lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FuncRange {
    /// First byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// Which exceptions a handler takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandlerTag {
    /// Those of this tag of the module (by tag index).
    Tag(u32),
    /// All.
    Any,
}

/// One handler of a call site; the first that matches is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handler {
    /// Which exceptions it takes.
    pub tag: HandlerTag,
    /// Where it starts; the exception handle arrives in the first payload register.
    pub target: u32,
}

/// A call inside a try region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// Return address.
    pub ret: u32,
    /// Frame pointer minus stack pointer at the call.
    pub frame_offset: u32,
    /// Bytes from the stack pointer at which the frame keeps its vmctx (the tags' context).
    pub context_offset: u32,
    /// Handlers, innermost first.
    pub handlers: Vec<Handler>,
}

/// The collected references that are live in a frame across a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackMap {
    /// Return address of the call.
    pub ret: u32,
    /// Bytes from the frame pointer down to the stack pointer at the call.
    pub frame_offset: u32,
    /// Offsets of 32-bit handles from the stack pointer.
    pub slots: Vec<u32>,
}

/// The location of code that comes from no operator.
pub(crate) const NO_LOCATION: u32 = u32::MAX;

/// A function body that was compiled as a part of another function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlinedRange {
    /// Its first location; the next entry's is the end.
    pub first: u32,
    /// The location of the call that it replaces.
    pub call: u32,
    /// The function that the body is of.
    pub function: u32,
    /// The offset in the wasm binary that `first` stands for.
    pub offset: u32,
}

/// A frame as wasm has it: the function, unless it is the one that the code belongs to, and the
/// offset in the wasm binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeFrame {
    /// The inlined function; `None` for the function whose code it is.
    pub inlined: Option<u32>,
    /// The offset in the wasm binary, if the code comes from an operator.
    pub wasm_offset: Option<u32>,
}

/// Compiled code and its tables, each sorted by offset.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Machine code.
    #[serde(skip)]
    pub text: Vec<u8>,
    /// One range per defined function.
    pub functions: Vec<FuncRange>,
    /// Offsets of instructions that may trap, with [`TrapCode`] discriminants.
    pub traps: Vec<(u32, u8)>,
    /// Starts of code runs and the location of each: the offset in the wasm binary that it comes
    /// from, a location in one of `inlined`, or `u32::MAX` for none.
    pub locations: Vec<(u32, u32)>,
    /// Inlined bodies, by their locations, which are those from 2^31.
    pub inlined: Vec<InlinedRange>,
    /// Number of locations that inlined bodies have.
    pub inlined_locations: u32,
    /// By defined function: offset in the wasm binary of its first operator.
    pub first_offsets: Vec<u32>,
    /// Calls with exception handlers.
    pub call_sites: Vec<CallSite>,
    /// Stack maps of calls.
    pub stack_maps: Vec<StackMap>,
    /// Defined functions (by defined index) that could not be compiled; their code traps.
    pub failed: Vec<u32>,
}

impl Image {
    /// The trap record of the instruction at `offset`.
    pub fn trap_at(&self, offset: u32) -> Option<TrapCode> {
        let at = self.traps.binary_search_by_key(&offset, |t| t.0).ok()?;
        TrapCode::from_u8(self.traps[at].1)
    }

    /// The defined function whose code contains `offset`.
    pub fn function_at(&self, offset: u32) -> Option<u32> {
        // Placement may reorder functions, so the ranges are searched in address order by the
        // runtime's index; this linear form serves tests and listings.
        let inside = |f: &FuncRange| offset.wrapping_sub(f.start) < f.len;
        self.functions.iter().position(inside).map(|i| i as u32)
    }

    /// The frames that the code at `offset` stands for, innermost first: those of inlined bodies,
    /// and at last that of the function itself.
    pub fn frames_at(&self, offset: u32) -> Vec<CodeFrame> {
        let next = self.locations.partition_point(|l| l.0 <= offset);
        let found = next.checked_sub(1).and_then(|at| self.locations.get(at));
        let mut location = found.map(|l| l.1).filter(|l| *l != NO_LOCATION);
        let mut frames = Vec::new();
        while let Some(body) = location.and_then(|l| self.inlined_at(l)) {
            frames.push(CodeFrame {
                inlined: Some(body.function),
                wasm_offset: location.map(|l| l - body.first + body.offset),
            });
            location = Some(body.call);
        }
        frames.push(CodeFrame {
            inlined: None,
            wasm_offset: location,
        });
        frames
    }

    /// The inlined body that has `location`. The call that it replaces has a smaller one.
    fn inlined_at(&self, location: u32) -> Option<&InlinedRange> {
        if location < crate::translate::INLINED_LOCATIONS {
            return None;
        }
        let next = self.inlined.partition_point(|b| b.first <= location);
        self.inlined.get(next.checked_sub(1)?)
    }

    /// The offset in the wasm binary that the code at `offset` comes from, in whatever function.
    pub fn location_at(&self, offset: u32) -> Option<u32> {
        self.frames_at(offset)[0].wasm_offset
    }

    /// The call site that returns to `offset`, if it has handlers.
    pub fn call_site_at(&self, offset: u32) -> Option<&CallSite> {
        let at = self
            .call_sites
            .binary_search_by_key(&offset, |c| c.ret)
            .ok()?;
        Some(&self.call_sites[at])
    }

    /// The stack map of the call that returns to `offset`.
    pub fn stack_map_at(&self, offset: u32) -> Option<&StackMap> {
        let at = self
            .stack_maps
            .binary_search_by_key(&offset, |m| m.ret)
            .ok()?;
        Some(&self.stack_maps[at])
    }
}
