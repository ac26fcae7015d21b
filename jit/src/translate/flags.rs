//! Memory flags and alias regions of every kind of access that generated code makes.
//!
//! The ids of regions are fixed for all modules, because an inliner merges regions by id.

use super::FuncTranslator;
use super::trap::to_clif;
use crate::abi::TrapCode;
use cranelift_codegen::ir::{AliasRegion, AliasRegionData, Endianness, MemFlagsData};
use cranelift_frontend::FunctionBuilder;

/// The alias region of linear memory, which passes know by this id.
pub(crate) const HEAP: u32 = 1;
const LENGTHS: u32 = 2;
const TABLES: u32 = 3;
const CELLS: u32 = 4;
const SEALED: u32 = 5;
const GLOBALS: u32 = 8;
/// Globals with a region of their own; the others share the last one.
const GLOBAL_REGIONS: u32 = 7;

fn region(
    builder: &mut FunctionBuilder<'_>,
    user_id: u32,
    description: &'static str,
) -> AliasRegion {
    let data = AliasRegionData {
        user_id,
        description: description.into(),
    };
    builder.func.dfg.alias_regions.insert(data)
}

/// The region of all linear memories (two indices may name one memory).
pub(super) fn heap_region(builder: &mut FunctionBuilder<'_>) -> AliasRegion {
    region(builder, HEAP, "memory")
}

/// Reads of S: they never fault and never change while the code can run.
pub(super) fn sealed() -> MemFlagsData {
    MemFlagsData::trusted().with_readonly().with_can_move()
}

/// Reads of S for a call that follows at once. What they read never changes, but saying so would
/// let them be hoisted out of loops, and then the call that follows spills what was read: they stay
/// where they are, most as the memory operand of the instruction that needs them.
pub(super) fn sealed_for_call(builder: &mut FunctionBuilder<'_>) -> MemFlagsData {
    let region = region(builder, SEALED, "sealed");
    MemFlagsData::trusted().with_alias_region(Some(region))
}

/// Accesses to scratch areas in the function's own frame or a result buffer.
pub(super) fn scratch() -> MemFlagsData {
    MemFlagsData::trusted()
}

impl FuncTranslator<'_> {
    /// Accesses to linear memory: little-endian, unaligned, may fault.
    pub(super) fn heap_flags(&self) -> MemFlagsData {
        MemFlagsData::new()
            .with_endianness(Endianness::Little)
            .with_trap_code(Some(to_clif(TrapCode::HeapOutOfBounds)))
            .with_alias_region(Some(self.heap_region))
    }

    /// Lengths and bases in descriptors, and the mirrored length of memory 0.
    pub(super) fn length_flags(&mut self) -> MemFlagsData {
        let region = region(&mut self.builder, LENGTHS, "lengths");
        MemFlagsData::trusted().with_alias_region(Some(region))
    }

    /// Table elements; an index that failed its (guarded) bounds check faults here.
    pub(super) fn table_flags(&mut self) -> MemFlagsData {
        let region = region(&mut self.builder, TABLES, "tables");
        MemFlagsData::new()
            .with_trap_code(Some(to_clif(TrapCode::TableOutOfBounds)))
            .with_alias_region(Some(region))
    }

    /// Globals in cells outside the instance: two indices may name one cell.
    pub(super) fn cell_flags(&mut self) -> MemFlagsData {
        let region = region(&mut self.builder, CELLS, "global cells");
        MemFlagsData::trusted().with_alias_region(Some(region))
    }

    /// The mutable global `index` in M.
    pub(super) fn global_flags(&mut self, index: u32) -> MemFlagsData {
        let region = region(
            &mut self.builder,
            GLOBALS + index.min(GLOBAL_REGIONS),
            "globals",
        );
        MemFlagsData::trusted().with_alias_region(Some(region))
    }
}
