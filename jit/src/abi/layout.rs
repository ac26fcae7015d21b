//! Field layout below vmctx, and the structures that both sides read.
//!
//! ```text
//!   low                                                                     high
//!   … guard │ S: sealed, read-only                        │ M: read-write  │ memory 0 … │ guard
//!           │ fixed tables, consts, globals' addresses,   │ globals, length│
//!           │ tables, memories, tags, imports, ids, calls │                │
//!           P - M - S                                     P - M            P = vmctx
//! ```
//! S and M are rounded to the page size. All offsets are negative displacements from P. What is
//! reachable by a wrong index must not be a code pointer that can be overwritten: hence S is sealed
//! and tables, descriptors and records lie in slabs farther than any 32-bit index reaches.

use super::Builtin;
use crate::module::{ConstOp, ElementItems, ExternKind, Module, SegmentMode};
use serde::{Deserialize, Serialize};
use std::mem::{offset_of, size_of};

/// Reserved, never accessible bytes behind (and before) an ordinary memory's 4 GiB: memarg offsets
/// below 2 GiB, with any access width, need no check.
pub const WASM_GUARD_BYTES: u64 = (2 << 30) + (64 << 10);

/// Bytes of address space from the base of a guarded memory to the end of its guard.
pub const fn ordinary_reservation() -> u64 {
    (4 << 30) + WASM_GUARD_BYTES
}

/// Generated code adds constants below this to the index of an access that has executed, instead of
/// computing the sum in 32 bits: a direct memory ends at least that far below 4 GiB, so an index
/// inside it does not wrap.
pub const FOLD_LIMIT: u64 = 64 << 10;

/// Largest length in bytes of a direct memory whose minimum is `min_bytes`. Only one that is 4 GiB
/// from the start may reach them; folding is off in its code.
pub const fn direct_memory_limit(min_bytes: u64) -> u64 {
    let limit = (4 << 30) - FOLD_LIMIT;
    if min_bytes > limit { 4 << 30 } else { limit }
}

/// Limit for S and M together.
pub const MAX_FIELD_BYTES: u32 = (2 << 20) - (64 << 10);

/// Bytes of one exception argument in a payload area.
pub const PAYLOAD_SLOT: u32 = 16;

/// A function reference: the address of one of these is the value of a funcref.
///
/// Immutable, in store memory, one per (instance, escaping function) or host function.
#[derive(Debug)]
#[repr(C)]
pub struct FuncRecord {
    /// Callable with any vmctx: sets the callee's own, then jumps to `code`.
    pub thunk: usize,
    /// The body, callable with `vmctx` only.
    pub code: usize,
    /// The owning instance's vmctx, 0 for a host function.
    pub vmctx: usize,
    /// Engine-wide canonical signature.
    pub sig_id: u32,
    /// Function index in the owning module, `u32::MAX` for a host function.
    pub func_index: u32,
}

/// An element of a funcref table, as indirect calls see it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TableEntry {
    /// Callable with the vmctx of whoever can read the table; 0 if null or pristine.
    pub code: usize,
    /// The function's signature, [`SIG_UNINIT`] or [`SIG_NULL`].
    pub sig_id: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bytes of a [`TableEntry`].
pub const TABLE_ENTRY: u32 = size_of::<TableEntry>() as u32;
/// `sig_id` of an element that was never materialised.
pub const SIG_UNINIT: u32 = 0;
/// `sig_id` of a null element.
pub const SIG_NULL: u32 = 1;
/// Smallest id of a real signature.
pub const FIRST_SIG_ID: u32 = 2;
/// In the array of references beside a funcref table: null (0 is "not materialised", else record | 1).
pub const REF_NULL: u64 = 1;

/// What generated code knows of a memory that is not the vmctx's own.
#[derive(Debug)]
#[repr(C)]
pub struct MemoryDescriptor {
    /// Address of byte 0.
    pub base: usize,
    /// Current length in bytes.
    pub length: usize,
}

impl MemoryDescriptor {
    /// Offset of `base`.
    pub const BASE: i32 = offset_of!(MemoryDescriptor, base) as i32;
    /// Offset of `length`.
    pub const LENGTH: i32 = offset_of!(MemoryDescriptor, length) as i32;
}

/// The current size of a table; its arrays never move.
#[derive(Debug)]
#[repr(C)]
pub struct TableDescriptor {
    /// Current size in elements.
    pub length: u64,
}

/// The fields in S for one table that is not fixed.
#[derive(Debug)]
#[repr(C)]
pub struct TableField {
    /// Funcref tables: array of [`TableEntry`]. Others: array of `u64`, a handle each.
    pub entries: usize,
    /// Funcref tables: array of `u64` (0, [`REF_NULL`], or record | 1). Others: 0.
    pub refs: usize,
    /// Address of its [`TableDescriptor`].
    pub descriptor: usize,
}

impl TableField {
    /// Offset of `entries`.
    pub const ENTRIES: i32 = offset_of!(TableField, entries) as i32;
    /// Offset of `refs`.
    pub const REFS: i32 = offset_of!(TableField, refs) as i32;
    /// Offset of `descriptor`.
    pub const DESCRIPTOR: i32 = offset_of!(TableField, descriptor) as i32;
}

/// The fields in S for one imported function.
#[derive(Debug)]
#[repr(C)]
pub struct FuncImport {
    /// A thunk or a host stub: callable with the importer's vmctx.
    pub code: usize,
    /// Its record, so that a re-export keeps its identity.
    pub record: usize,
}

impl FuncImport {
    /// Offset of `code`.
    pub const CODE: i32 = offset_of!(FuncImport, code) as i32;
    /// Offset of `record`.
    pub const RECORD: i32 = offset_of!(FuncImport, record) as i32;
}

/// Where a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TablePlace {
    /// Nothing writes it and nobody else sees it: its entries lie in S at this offset, filled at
    /// instantiation.
    Fixed {
        /// Offset of entry 0 from P.
        offset: i32,
        /// Number of entries.
        length: u32,
    },
    /// In a slab of the store, reached through a [`TableField`] at this offset.
    Field {
        /// Offset of the field from P.
        offset: i32,
    },
}

/// Where a memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemoryPlace {
    /// vmctx is its base; its length is mirrored at [`VmLayout::MEMORY_LENGTH`].
    Direct,
    /// The address of its [`MemoryDescriptor`] lies in S at this offset.
    Descriptor {
        /// Offset of the address from P.
        offset: i32,
    },
}

/// Where a global is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GlobalPlace {
    /// Immutable, not visible outside, initialised by one constant: in the code.
    Constant,
    /// Immutable, not visible outside, of a number type: a slot in S.
    Sealed(i32),
    /// Mutable, not visible outside, of a number type: a slot in M.
    Mutable(i32),
    /// All others: the address of a 16-byte cell in a slab of the store lies in S.
    Cell(i32),
}

/// The layout of one module's instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmLayout {
    /// Bytes of M, a multiple of the page size.
    pub m_bytes: u32,
    /// Bytes of S, a multiple of the page size.
    pub s_bytes: u32,
    /// Page size that the fields are rounded to.
    pub page_size: u32,
    builtins: i32,
    sig_ids: i32,
    func_imports: i32,
    tags: i32,
    /// Where each table is.
    pub tables: Vec<TablePlace>,
    /// Where each memory is.
    pub memories: Vec<MemoryPlace>,
    /// Where each global is.
    pub globals: Vec<GlobalPlace>,
}

/// Hands out space downwards from P.
struct Cursor(u32);

impl Cursor {
    fn take(&mut self, bytes: u64, align: u64) -> Option<i32> {
        let end = (u64::from(self.0) + bytes).div_ceil(align) * align;
        if end > u64::from(MAX_FIELD_BYTES) {
            return None;
        }
        self.0 = end as u32;
        Some(-(end as i32))
    }

    fn round(&mut self, page: u32) {
        self.0 = self.0.div_ceil(page) * page;
    }
}

impl VmLayout {
    /// Offset of the mirrored length in bytes of the direct memory 0.
    pub const MEMORY_LENGTH: i32 = -8;

    /// Lays out `module`'s fields.
    ///
    /// # Errors
    /// A message when they exceed [`MAX_FIELD_BYTES`] even with all fixed tables made ordinary.
    pub fn new(module: &Module, page_size: u32) -> Result<VmLayout, String> {
        let build = |fixed| Self::build(module, page_size, fixed);
        build(true).or_else(|| build(false)).ok_or_else(|| {
            format!(
                "the module's imports, types, globals and tables need more than {MAX_FIELD_BYTES} bytes of instance fields"
            )
        })
    }

    fn build(module: &Module, page_size: u32, allow_fixed: bool) -> Option<VmLayout> {
        let mut layout = VmLayout {
            page_size,
            ..VmLayout::default()
        };
        let mut at = Cursor(16);
        layout.place_mutable_globals(module, &mut at)?;
        at.round(page_size);
        layout.m_bytes = at.0;
        layout.builtins = at.take(8 * Builtin::ALL.len() as u64, 8)?;
        layout.sig_ids = at.take(4 * module.types.len() as u64, 8)?;
        layout.func_imports = at.take(16 * u64::from(module.imported_functions), 8)?;
        layout.tags = at.take(8 * module.tags.len() as u64, 8)?;
        layout.place_sealed_globals(module, &mut at)?;
        for index in 0..module.memories.len() {
            let direct = index == 0 && module.has_direct_memory();
            layout.memories.push(if direct {
                MemoryPlace::Direct
            } else {
                MemoryPlace::Descriptor {
                    offset: at.take(8, 8)?,
                }
            });
        }
        for index in 0..module.tables.len() as u32 {
            let fixed = allow_fixed && is_fixed(module, index);
            let length = module.tables[index as usize].ty.limits.min;
            layout.tables.push(if fixed {
                let offset = at.take(length * u64::from(TABLE_ENTRY), 16)?;
                TablePlace::Fixed {
                    offset,
                    length: length as u32,
                }
            } else {
                TablePlace::Field {
                    offset: at.take(size_of::<TableField>() as u64, 8)?,
                }
            });
        }
        at.round(page_size);
        layout.s_bytes = at.0 - layout.m_bytes;
        (at.0 <= MAX_FIELD_BYTES).then_some(layout)
    }

    fn place_mutable_globals(&mut self, module: &Module, at: &mut Cursor) -> Option<()> {
        for (index, global) in module.globals.iter().enumerate() {
            let bytes = u64::from(global.ty.content.slot_bytes());
            let number = !matches!(global.ty.content, crate::module::ValType::Ref(_));
            let private = number && !global_is_visible(module, index as u32);
            let constant = global.init.as_ref().and_then(|i| i.single());
            self.globals.push(match (private, global.ty.mutable) {
                (true, true) => GlobalPlace::Mutable(at.take(bytes, bytes)?),
                (true, false) if constant.is_some_and(|c| !matches!(c, ConstOp::GlobalGet(_))) => {
                    GlobalPlace::Constant
                }
                // The offsets are filled in once M is closed.
                (true, false) => GlobalPlace::Sealed(0),
                (false, _) => GlobalPlace::Cell(0),
            });
        }
        Some(())
    }

    fn place_sealed_globals(&mut self, module: &Module, at: &mut Cursor) -> Option<()> {
        for (place, global) in self.globals.iter_mut().zip(&module.globals) {
            let bytes = u64::from(global.ty.content.slot_bytes());
            match place {
                GlobalPlace::Sealed(offset) => *offset = at.take(bytes, bytes)?,
                GlobalPlace::Cell(offset) => *offset = at.take(8, 8)?,
                GlobalPlace::Constant | GlobalPlace::Mutable(_) => {}
            }
        }
        Some(())
    }

    /// Offset of the builtin's address.
    pub fn builtin(&self, builtin: Builtin) -> i32 {
        self.builtins + 8 * builtin as i32
    }

    /// Offset of the canonical id of type `index`.
    pub fn sig_id(&self, index: u32) -> i32 {
        self.sig_ids + 4 * index as i32
    }

    /// Offset of the [`FuncImport`] of imported function `index`.
    pub fn func_import(&self, index: u32) -> i32 {
        self.func_imports + 16 * index as i32
    }

    /// Offset of the address of tag `index`'s record.
    pub fn tag(&self, index: u32) -> i32 {
        self.tags + 8 * index as i32
    }

    /// Bytes of S and M together.
    pub fn field_bytes(&self) -> u32 {
        self.s_bytes.saturating_add(self.m_bytes)
    }
}

fn global_is_visible(module: &Module, index: u32) -> bool {
    index < module.imported_globals
        || module
            .exports
            .iter()
            .any(|e| e.kind == ExternKind::Global(index))
}

/// Whether the entries of table `index` are known before any code runs and never change.
fn is_fixed(module: &Module, index: u32) -> bool {
    let table = &module.tables[index as usize];
    let plain = table.ty.element.is_func()
        && table.init.is_none()
        && !table.written
        && !table.ty.is_64
        && table.ty.limits.min <= u64::from(MAX_FIELD_BYTES / TABLE_ENTRY)
        && !module.table_is_visible(index);
    plain
        && module.elements.iter().all(|segment| match &segment.mode {
            SegmentMode::Active {
                index: table_index,
                offset,
            } if *table_index == index => {
                let end = offset
                    .constant_offset()
                    .map(|o| o.saturating_add(segment.items.len() as u64));
                end.is_some_and(|end| end <= table.ty.limits.min)
                    && matches!(segment.items, ElementItems::Functions(_))
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::{FuncType, Global, GlobalType, ValType};

    #[test]
    fn structures_have_the_documented_sizes() {
        assert_eq!(size_of::<TableEntry>(), 16);
        assert_eq!(size_of::<FuncImport>(), 16);
        assert_eq!(size_of::<FuncRecord>(), 32);
        assert_eq!(size_of::<TableField>(), 24);
    }

    #[test]
    fn fields_do_not_overlap_and_vectors_are_aligned() {
        let mut module = Module {
            types: vec![FuncType::default(); 3],
            ..Module::default()
        };
        for content in [ValType::I32, ValType::V128, ValType::I64] {
            module.globals.push(Global {
                ty: GlobalType {
                    content,
                    mutable: true,
                },
                init: Some(crate::module::ConstExpr(vec![ConstOp::I32(0)])),
            });
        }
        let layout = VmLayout::new(&module, 4096).unwrap();
        assert_eq!(layout.globals[0], GlobalPlace::Mutable(-24));
        assert_eq!(layout.globals[1], GlobalPlace::Mutable(-48));
        assert_eq!(layout.globals[2], GlobalPlace::Mutable(-56));
        assert_eq!(layout.m_bytes, 4096);
        assert!(layout.builtin(Builtin::ALL[0]) < -4096);
    }
}
