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
/// Locals times blocks beyond which liveness itself is too large for it.
const MAX_LOCALS_TIMES_BLOCKS: u64 = 200_000_000;

/// A way to compile, from the most ambitious to the most robust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// All optimisations.
    Speed,
    /// None, but the default register allocator.
    None,
    /// As `None`, with the locals in the frame: few values live from block to block.
    InFrame,
    /// As `InFrame`, with a register allocator whose time is linear (frames can be large).
    SinglePass,
}

impl Plan {
    /// What to try first. `heavy` is what [`super::burden`] says of the register allocator; where the
    /// locals are the reason, `InFrame` relieves it.
    pub(super) fn first(opt_level: OptLevel, shape: Shape, heavy: bool) -> Plan {
        let values = u64::from(shape.locals) * u64::from(shape.blocks);
        if heavy || shape.block_params > MAX_BLOCK_PARAMS || values > MAX_LOCALS_TIMES_BLOCKS {
            Plan::InFrame
        } else if opt_level == OptLevel::None || shape.loop_depth > MAX_OPTIMISED_LOOP_DEPTH {
            Plan::None
        } else {
            Plan::Speed
        }
    }

    /// What to try after this one failed.
    pub(super) fn next(self) -> Option<Plan> {
        match self {
            Plan::Speed => Some(Plan::None),
            Plan::None => Some(Plan::InFrame),
            Plan::InFrame => Some(Plan::SinglePass),
            Plan::SinglePass => None,
        }
    }

    /// Whether the function is to be translated with its locals in the frame.
    pub(super) fn locals_in_frame(self) -> bool {
        matches!(self, Plan::InFrame | Plan::SinglePass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explosive_shapes_are_compiled_modestly() {
        let first = |shape| Plan::first(OptLevel::Speed, shape, false);
        let small = Shape {
            loop_depth: 3,
            locals: 50,
            block_params: 20,
            blocks: 500,
            proposals: 0,
            tables_tested: false,
        };
        assert_eq!(first(small), Plan::Speed);
        assert_eq!(Plan::first(OptLevel::None, small, false), Plan::None);
        assert_eq!(Plan::first(OptLevel::Speed, small, true), Plan::InFrame);
        let deep = Shape {
            loop_depth: 8000,
            ..small
        };
        assert_eq!(first(deep), Plan::None);
        let wide = Shape {
            block_params: 10_000,
            ..small
        };
        assert_eq!(first(wide), Plan::InFrame);
    }
}
