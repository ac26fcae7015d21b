//! The control stack: one frame per open block, and the exception handlers around a point.

use cranelift_codegen::ir::{Block, Inst, Value};

/// What opened a frame.
pub(super) enum FrameKind {
    /// `block`, `try_table`, or the function's body.
    Block,
    /// `loop`: branches go to `header`.
    Loop {
        /// Where branches to the label go; its parameters are the loop's.
        header: Block,
    },
    /// `if`, until its `else`.
    If {
        /// Where control goes when the condition is zero.
        otherwise: Block,
        /// The branch that tested the condition.
        branch: Inst,
        /// Whether the condition is rarely zero.
        rarely: bool,
        /// The parameters, which both arms start with.
        params: Vec<Value>,
    },
    /// Opened in unreachable code: it only keeps the nesting.
    Dead,
}

/// One open block.
pub(super) struct Frame {
    /// What opened it.
    pub(super) kind: FrameKind,
    /// Where its `end` continues; the parameters are its results. None in dead frames.
    pub(super) end: Option<Block>,
    /// Operands below the frame's parameters.
    pub(super) height: usize,
    /// Number of values that a branch to the label carries.
    pub(super) branch_arity: usize,
    /// Number of results.
    pub(super) results: usize,
    /// Whether anything branches or falls to `end`.
    pub(super) end_used: bool,
    /// Whether anything does that is not cold.
    pub(super) end_warm: bool,
    /// Handlers that the frame added (`try_table`), and how many there were before.
    pub(super) catches: Option<Catches>,
}

impl Frame {
    /// The frame of the function's body.
    pub(super) fn function(exit: Block, results: usize) -> Frame {
        Frame {
            kind: FrameKind::Block,
            end: Some(exit),
            height: 0,
            branch_arity: results,
            results,
            end_used: false,
            end_warm: false,
            catches: None,
        }
    }

    /// A frame opened in unreachable code.
    pub(super) fn dead(height: usize) -> Frame {
        Frame {
            kind: FrameKind::Dead,
            end: None,
            height,
            branch_arity: 0,
            results: 0,
            end_used: false,
            end_warm: false,
            catches: None,
        }
    }
}

/// A loop around a point.
#[derive(Clone, Copy)]
pub(super) struct OpenLoop {
    /// Its frame's index on the control stack.
    pub(super) frame: usize,
    /// Whether it is entered from a cold point only.
    pub(super) cold: bool,
}

/// The catch clauses of a `try_table`, kept until its end.
pub(super) struct Catches {
    /// Number of handlers outside.
    pub(super) outside: usize,
    /// The clauses in order.
    pub(super) clauses: Vec<wasmparser::Catch>,
}

/// One catch clause that is in force.
#[derive(Clone, Copy)]
pub(super) struct Handler {
    /// The tag it takes, or all.
    pub(super) tag: Option<u32>,
    /// Its block; the parameter is the exception's handle, widened to 64 bits.
    pub(super) block: Block,
    /// Whether a call refers to it.
    pub(super) used: bool,
}
