//! Which direct calls are translated in place of being emitted.
//!
//! ```text
//!   scan    one body: how much code it is, its direct calls, whether they lie in loops
//!   graph   strongly connected components of the call graph, callees before callers
//!   plan    the decision for each call, from sizes that include what was decided below it
//! ```
//! Inlining happens while wasm is translated ([`crate::translate`]): the callee's operators are
//! translated at the call, so no IR is copied, and none is kept for a caller that comes later. The
//! plan is made before any function is translated, from wasm alone, and is the same however many
//! threads work.
//!
//! # Soundness
//! Only calls whose callee is known and belongs to the same instance are inlined, so the vmctx is
//! the caller's. The callee's locals are initialised at every entry, its labels and operands lie on
//! the caller's stacks above what it may reach, its `return` is a branch to the end of its frame,
//! and the caller's handlers are those that an exception leaving the callee would meet. A callee
//! with a tail call is never inlined: the frame it would replace is not there. What changes is the
//! depth at which a recursion exhausts the stack, which the specification leaves open.
//!
//! It must never know how code is generated.

mod graph;
mod plan;
mod scan;

use crate::module::{FunctionBody, Module};
use rayon::prelude::*;

/// The calls to inline, and the functions that still need code of their own.
#[derive(Debug, Default)]
pub(crate) struct InlinePlan {
    /// By defined function: offsets in the binary of the calls to inline, sorted.
    sites: Vec<Box<[u32]>>,
    /// By defined function: how often its own calls of itself are followed.
    unroll: Vec<u8>,
    /// By defined function: whether anything still calls or references it.
    needed: Vec<bool>,
}

impl InlinePlan {
    /// A plan that inlines nothing.
    pub(crate) fn nothing() -> InlinePlan {
        InlinePlan::default()
    }

    /// Decides for every call of the module.
    pub(crate) fn new(module: &Module, bodies: &[FunctionBody<'_>], parallel: bool) -> InlinePlan {
        let imported = module.imported_functions;
        let scan = |(defined, body): (usize, &FunctionBody<'_>)| {
            scan::scan(&body.body, defined as u32, imported)
        };
        let summaries: Vec<scan::Summary> = if parallel {
            bodies.par_iter().enumerate().map(scan).collect()
        } else {
            bodies.iter().enumerate().map(scan).collect()
        };
        let mut referenced: Vec<bool> = module
            .escaping
            .get(imported as usize..)
            .map(<[bool]>::to_vec)
            .unwrap_or_default();
        referenced.resize(bodies.len(), true);
        if let Some(start) = module.start.and_then(|f| module.defined_index(f)) {
            referenced[start as usize] = true;
        }
        plan::plan(&summaries, &referenced)
    }

    /// Whether the call at `offset` of the binary, in the body of function `defined`, is inlined.
    pub(crate) fn inlines(&self, defined: u32, offset: u32) -> bool {
        self.sites
            .get(defined as usize)
            .is_some_and(|sites| sites.binary_search(&offset).is_ok())
    }

    /// How many levels of its own calls function `defined` inlines into itself.
    pub(crate) fn unroll(&self, defined: u32) -> u8 {
        self.unroll.get(defined as usize).copied().unwrap_or(0)
    }

    /// Whether function `defined` needs code: otherwise every call of it is inlined.
    pub(crate) fn needs_code(&self, defined: u32) -> bool {
        self.needed.get(defined as usize).copied().unwrap_or(true)
    }
}
