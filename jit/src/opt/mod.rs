//! Our own passes over Cranelift IR, run around its mid-end.
//!
//! A pass is a file or folder here with its soundness argument at the top and golden tests at the
//! bottom; it has a name in [`switches`] and joins [`AFTER`] in the order in which it is to run.
//! Passes see IR whose aliases are resolved and may change instructions, layout and memory flags,
//! but never a signature, and only [`branch`], [`vectorize`] and [`unroll`] change blocks and edges.
//! No pass may carry a value derived from a collected reference across a call.
//!
//! ```text
//!   switches    names of passes, sets of them, counters
//!   code        reading instructions: constants, purity, uses
//!   bits        which bits a value can have
//!   memory      accesses to memory, indices as sums
//!   loops       reading loops and edges: outside, entry, what is passed, pressure
//!   count       how a loop counts, and a test that it stays for so many iterations
//!   lowering    which values a machine instruction reads
//!   branch      a rare choice in a loop becomes a branch
//!   loads       loads that an inner loop cannot change leave it
//!   wide        the high half of a 64-bit product is one multiplication
//!   induction   loop variables that index memory have 64 bits
//!   anchor      constants in indices go to offsets
//!   compare     loop exits compare the next value, which lives anyway
//!   extend      indices are zero-extended where that is free
//!   vectors     forms of vector operations that are lowered well
//!   lanes       what is known of vectors: constants, casts, bits
//!   forms       immediates, memory operands, masks
//!   hoist       cheap operations leave loops
//!   floats      float constants of inner loops stay in registers
//!   vectorize   counted loops over neighbouring places use vectors
//!   unroll      small counted loops do several iterations a turn
//!   reschedule  pure operations move up to where an operand dies
//!   split       inner loops short of registers get copies of what comes from outside
//!   order       what leaves a loop is placed behind it
//! ```
//! It must never know about wasm: what a pass relies on has to be in the IR.

mod anchor;
mod bits;
mod branch;
mod code;
mod compare;
mod count;
mod extend;
mod floats;
mod forms;
mod hoist;
mod induction;
mod lanes;
mod loads;
mod loops;
mod lowering;
mod memory;
mod order;
mod reschedule;
mod split;
mod switches;
#[cfg(test)]
mod testing;
mod unroll;
mod vectorize;
mod vectors;
mod wide;

pub(crate) use code::is_pure;
pub(crate) use memory::Facts;
pub use switches::{PassId, Passes};

use cranelift_codegen::Context;
use cranelift_codegen::dominator_tree::DominatorTree;
use cranelift_codegen::flowgraph::ControlFlowGraph;
use cranelift_codegen::ir::Function;
use cranelift_codegen::loop_analysis::LoopAnalysis;

/// A function and what is known of its shape.
struct Unit<'a> {
    func: &'a mut Function,
    cfg: &'a ControlFlowGraph,
    domtree: &'a DominatorTree,
    loops: &'a LoopAnalysis,
    facts: Facts,
}

impl<'a> Unit<'a> {
    /// The function of `context`, whose loops are known.
    fn of(context: &'a mut Context, facts: Facts) -> Unit<'a> {
        Unit {
            func: &mut context.func,
            cfg: &context.cfg,
            domtree: &context.domtree,
            loops: &context.loop_analysis,
            facts,
        }
    }
}

/// One transformation of a function; whether it changed anything.
type Pass = fn(&mut Unit<'_>) -> bool;

/// The passes after the mid-end, in order.
const AFTER: &[(PassId, Pass)] = &[
    (PassId::Loads, loads::run),
    (PassId::Wide, wide::run),
    (PassId::Induction, induction::run),
    (PassId::Anchor, anchor::run),
    (PassId::Compare, compare::run),
    (PassId::Extend, extend::run),
    (PassId::Vectors, vectors::run),
    (PassId::Forms, forms::run),
    (PassId::Hoist, hoist::run),
    (PassId::Floats, floats::run),
];

/// What comes last, for the register allocator.
const LAST: &[(PassId, Pass)] = &[
    (PassId::Reschedule, reschedule::run),
    (PassId::Split, split::run),
    (PassId::Order, order::run),
];

/// Runs the passes of `enabled` on a function that the mid-end has optimised.
pub(crate) fn after_mid_end(context: &mut Context, enabled: Passes, facts: Facts) {
    if enabled == Passes::NONE {
        return;
    }
    code::forget_removed_branches(&mut context.func);
    context.compute_loop_analysis();
    if enabled.has(PassId::Branch) && branch::run(context) {
        PassId::Branch.count();
    }
    if run(context, AFTER, enabled, facts) {
        code::sweep(&mut context.func, &context.domtree);
    }
    let mut done = Vec::new();
    if enabled.has(PassId::Vectorize) {
        done = vectorize::run(context, facts);
        if !done.is_empty() {
            PassId::Vectorize.count();
            code::sweep(&mut context.func, &context.domtree);
        }
    }
    if enabled.has(PassId::Unroll) && unroll::run(context, facts, &done) {
        PassId::Unroll.count();
        code::sweep(&mut context.func, &context.domtree);
    }
    if run(context, LAST, enabled, facts) {
        // The order in which blocks are visited is part of the dominator tree.
        context.flowgraph();
    }
}

fn run(context: &mut Context, passes: &[(PassId, Pass)], enabled: Passes, facts: Facts) -> bool {
    let mut unit = Unit::of(context, facts);
    let mut any = false;
    for (id, pass) in passes.iter().filter(|(id, _)| enabled.has(*id)) {
        let changed = pass(&mut unit);
        any |= changed;
        if changed {
            id.count();
        }
        tracing::trace!(pass = id.name(), changed, "pass");
    }
    any
}
