//! Our own passes over Cranelift IR, run between its mid-end and its backend.
//!
//! A pass is a file in this folder with its soundness argument at the top and golden tests at the
//! bottom; it has a name in [`switches`] and joins [`PASSES`] in the order in which it is to run.
//! Passes see IR whose aliases are resolved and may change instructions, layout and memory flags,
//! but never a signature; the control-flow graph and dominators are computed anew afterwards. No
//! pass may carry a value derived from a collected reference across a call.
//!
//! It must never know about wasm: what a pass relies on has to be in the IR.

mod switches;

pub use switches::{PassId, Passes};

use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;

/// One transformation of a function; whether it changed anything.
type Pass = fn(&mut Function, &dyn TargetIsa) -> bool;

/// The passes after the mid-end, in order.
const PASSES: &[(PassId, Pass)] = &[];

/// Runs the passes of `enabled` on a function that the mid-end has optimised.
pub(crate) fn run(func: &mut Function, isa: &dyn TargetIsa, enabled: Passes) {
    for (id, pass) in PASSES.iter().filter(|(id, _)| enabled.has(*id)) {
        let changed = pass(func, isa);
        if changed {
            id.count();
        }
        tracing::trace!(pass = id.name(), changed, "pass");
    }
}
