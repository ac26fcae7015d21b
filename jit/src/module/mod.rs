//! What a module declares, in our own serialisable terms: the one representation that every
//! compiler of this crate and the runtime read.
//!
//! It must never know how code is generated, nor hold a parser's or Cranelift's types.

mod const_expr;
mod convert;
mod env;
mod features;
mod hints;
mod names;
mod scan;
mod types;

pub use const_expr::{ConstExpr, ConstOp};
pub(crate) use convert::{convert_heap_type, convert_val_type};
pub(crate) use env::{FunctionBody, parse};
pub(crate) use features::{met, used_features};
pub(crate) use hints::BranchHints;
pub use types::{
    ExternKind, FuncType, GlobalType, HeapType, Limits, MemoryType, RefType, TableType, TagType,
    ValType,
};

use crate::abi::{VmLayout, direct_memory_limit};
use serde::{Deserialize, Serialize};

/// One import, in declaration order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Module half of the two-level name.
    pub module: String,
    /// Item half of the two-level name.
    pub name: String,
    /// What is imported; the index is into the space of its kind.
    pub kind: ExternKind,
}

/// One export, in declaration order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Export {
    /// The exported name.
    pub name: String,
    /// What is exported; the index is into the space of its kind.
    pub kind: ExternKind,
}

/// A global of the module (imported ones have no initialiser).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Global {
    /// Its type.
    pub ty: GlobalType,
    /// The initialiser, `None` for an imported global.
    pub init: Option<ConstExpr>,
}

/// A table of the module (imported ones come first).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its type.
    pub ty: TableType,
    /// The explicit initial value of all elements, if the module gives one.
    pub init: Option<ConstExpr>,
    /// Whether an instruction of the module can write it (set, grow, fill, init, copy into).
    pub written: bool,
}

/// The elements of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ElementItems {
    /// Function indices, the common form.
    Functions(Vec<u32>),
    /// One constant expression per element.
    Expressions(Vec<ConstExpr>),
}

impl ElementItems {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            ElementItems::Functions(f) => f.len(),
            ElementItems::Expressions(e) => e.len(),
        }
    }

    /// Whether the segment holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// When a segment is applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SegmentMode {
    /// Copied at instantiation to the table or memory `index` at `offset`, then dropped.
    Active {
        /// The table or memory index.
        index: u32,
        /// Start of the destination.
        offset: ConstExpr,
    },
    /// Only reachable by `table.init` or `memory.init`.
    Passive,
    /// Element segments only: names functions for `ref.func`, dropped at instantiation.
    Declared,
}

/// An element segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElementSegment {
    /// When it is applied.
    pub mode: SegmentMode,
    /// Type of its elements.
    pub ty: RefType,
    /// Its elements.
    pub items: ElementItems,
}

/// A data segment; its bytes are `Module::data[range]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSegment {
    /// When it is applied.
    pub mode: SegmentMode,
    /// Where its bytes lie in [`Module::data`], start and end.
    pub range: (u32, u32),
}

/// Everything a module declares except its function bodies.
///
/// Every index space lists imports first, as the specification orders them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Module {
    /// The module's own name, from the name section.
    pub name: Option<String>,
    /// Function types, by type index.
    pub types: Vec<FuncType>,
    /// Imports in order.
    pub imports: Vec<Import>,
    /// Exports in order.
    pub exports: Vec<Export>,
    /// Type index of every function.
    pub functions: Vec<u32>,
    /// How many of `functions` are imported.
    pub imported_functions: u32,
    /// Whether each function may be referenced (exported, in a segment, `ref.func`).
    pub escaping: Vec<bool>,
    /// All tables.
    pub tables: Vec<Table>,
    /// How many of `tables` are imported.
    pub imported_tables: u32,
    /// All memories.
    pub memories: Vec<MemoryType>,
    /// How many of `memories` are imported.
    pub imported_memories: u32,
    /// All globals.
    pub globals: Vec<Global>,
    /// How many of `globals` are imported.
    pub imported_globals: u32,
    /// Type index of every tag.
    pub tags: Vec<TagType>,
    /// How many of `tags` are imported.
    pub imported_tags: u32,
    /// The start function.
    pub start: Option<u32>,
    /// Element segments.
    pub elements: Vec<ElementSegment>,
    /// Data segments.
    pub data_segments: Vec<DataSegment>,
    /// The bytes of all data segments, one after the other (kept raw, beside the metadata).
    #[serde(skip)]
    pub data: Vec<u8>,
    /// Function names from the name section, sorted by index.
    pub function_names: Vec<(u32, String)>,
    /// Size of the code section's bodies in bytes.
    pub code_bytes: u64,
    /// Offset of the code section's content in the binary; DWARF counts from there.
    pub code_section_offset: u64,
    /// Names of the proposals beyond Wasm 1.0 that the module uses, as far as was noticed.
    pub used_features: Vec<String>,
    /// DWARF sections (`.debug_*`) kept when `Settings::debug_info` is on: name and bytes.
    pub debug_sections: Vec<(String, Vec<u8>)>,
}

impl Module {
    /// The type of function `index`.
    ///
    /// # Panics
    /// If there is no such function.
    pub fn func_type(&self, index: u32) -> &FuncType {
        &self.types[self.functions[index as usize] as usize]
    }

    /// The function's index among the defined ones, `None` if it is imported.
    pub fn defined_index(&self, index: u32) -> Option<u32> {
        index.checked_sub(self.imported_functions)
    }

    /// The function's name from the name section.
    pub fn function_name(&self, index: u32) -> Option<&str> {
        let at = self
            .function_names
            .binary_search_by_key(&index, |n| n.0)
            .ok()?;
        Some(&self.function_names[at].1)
    }

    /// Whether memory 0 is the ordinary memory of the instance, whose base is the vmctx: its own,
    /// unshared, 32-bit, with 64 KiB pages.
    pub fn has_direct_memory(&self) -> bool {
        self.imported_memories == 0 && self.memories.first().is_some_and(MemoryType::is_ordinary)
    }

    /// How far constants may be added to indices of the direct memory that an access has proved to
    /// be inside: 0 if there is no such memory, or it may reach 4 GiB.
    pub fn fold_limit(&self) -> u64 {
        let min = self.memories.first().map_or(0, |m| m.limits.min);
        let max = direct_memory_limit(min.saturating_mul(64 << 10));
        if self.has_direct_memory() {
            (4 << 30) - max
        } else {
            0
        }
    }

    /// Where the direct memory's length is read, as an offset from vmctx.
    pub fn memory_length_at(&self) -> Option<i32> {
        self.has_direct_memory().then_some(VmLayout::MEMORY_LENGTH)
    }

    /// The least length in bytes that the direct memory has, 0 if there is none.
    pub fn least_length(&self) -> u64 {
        let min = self.memories.first().map_or(0, |m| m.limits.min);
        if self.has_direct_memory() {
            min.saturating_mul(64 << 10)
        } else {
            0
        }
    }

    /// Whether anything outside can see table `index`.
    pub fn table_is_visible(&self, index: u32) -> bool {
        index < self.imported_tables
            || self
                .exports
                .iter()
                .any(|e| e.kind == ExternKind::Table(index))
    }
}
