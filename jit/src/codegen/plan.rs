//! How ambitiously a function may be compiled.
//!
//! Cranelift's time is super-linear in some shapes and it cannot be interrupted, so shapes that
//! explode are recognised before it starts.

use crate::settings::OptLevel;
use crate::translate::Shape;

/// Loops nested deeper than this make the mid-end's loop analysis explode.
const MAX_OPTIMISED_LOOP_DEPTH: u32 = 200;
/// More values than this live across one block make the default register allocator explode.
const MAX_BLOCK_PARAMS: u32 = 1500;
/// More blocks than this make the mid-end quadratic: its scopes follow the dominator tree.
const MAX_OPTIMISED_BLOCKS: u32 = 30_000;
/// Locals times blocks beyond which liveness itself is too large for it.
const MAX_LOCALS_TIMES_BLOCKS: u64 = 200_000_000;

/// A way to compile, from the most ambitious to the most robust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// All optimisations.
    Speed,
    /// None, but the default register allocator.
    None,
    /// None, and a register allocator whose time is linear (frames can be large).
    SinglePass,
}

impl Plan {
    /// What to try first.
    pub(super) fn first(opt_level: OptLevel, shape: Shape) -> Plan {
        let values = u64::from(shape.locals) * u64::from(shape.blocks);
        if shape.block_params > MAX_BLOCK_PARAMS || values > MAX_LOCALS_TIMES_BLOCKS {
            Plan::SinglePass
        } else if opt_level == OptLevel::None
            || shape.loop_depth > MAX_OPTIMISED_LOOP_DEPTH
            || shape.blocks > MAX_OPTIMISED_BLOCKS
        {
            Plan::None
        } else {
            Plan::Speed
        }
    }

    /// What to try after this one failed.
    pub(super) fn next(self) -> Option<Plan> {
        match self {
            Plan::Speed => Some(Plan::None),
            Plan::None => Some(Plan::SinglePass),
            Plan::SinglePass => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explosive_shapes_are_compiled_modestly() {
        let small = Shape {
            loop_depth: 3,
            locals: 50,
            block_params: 20,
            blocks: 500,
            proposals: 0,
        };
        assert_eq!(Plan::first(OptLevel::Speed, small), Plan::Speed);
        assert_eq!(Plan::first(OptLevel::None, small), Plan::None);
        let deep = Shape {
            loop_depth: 8000,
            ..small
        };
        assert_eq!(Plan::first(OptLevel::Speed, deep), Plan::None);
        let long = Shape {
            blocks: 40_000,
            ..small
        };
        assert_eq!(Plan::first(OptLevel::Speed, long), Plan::None);
        let wide = Shape {
            block_params: 10_000,
            ..small
        };
        assert_eq!(Plan::first(OptLevel::Speed, wide), Plan::SinglePass);
    }
}
