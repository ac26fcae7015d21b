//! Our own passes over Cranelift IR, run between its mid-end and its backend.
//!
//! A pass is a file in this folder with its soundness argument at the top and golden tests at the
//! bottom; it joins [`PASSES`] in the order in which it is to run. Passes see IR whose aliases are
//! resolved and may change instructions, layout and memory flags, but never a signature; the
//! control-flow graph and dominators are computed anew afterwards. No pass may carry a value
//! derived from a collected reference across a call.
//!
//! It must never know about wasm: what a pass relies on has to be in the IR.

use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::TargetIsa;

/// One transformation of a function.
pub(crate) trait Pass: Sync {
    /// The name, for traces.
    fn name(&self) -> &'static str;

    /// Changes `func`; whether it did.
    fn run(&self, func: &mut Function, isa: &dyn TargetIsa) -> bool;
}

/// The passes after the mid-end, in order.
pub(crate) const PASSES: &[&dyn Pass] = &[];

/// Runs all passes on a function that the mid-end has optimised.
pub(crate) fn run(func: &mut Function, isa: &dyn TargetIsa) {
    for pass in PASSES {
        let changed = pass.run(func, isa);
        tracing::trace!(pass = pass.name(), changed, "pass");
    }
}
