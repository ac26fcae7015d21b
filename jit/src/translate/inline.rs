//! Calls translated in place.
//!
//! ```text
//!   caller's operands … │ args      the call at `site`, chosen by crate::inline
//!        │ popped into fresh locals
//!        ▼
//!   callee's operators, one frame on the control stack; `return` branches to its end
//!        ▼
//!   caller's operands … │ results   the end block's parameters
//! ```
//! While a callee is translated, its code's locations are virtual: they count on from
//! [`INLINED_LOCATIONS`], one range for each inlined body, so that a location tells the whole chain
//! of calls ([`InlinedBody`]).

use super::frame::Frame;
use super::variables::Local;
use super::{FuncTranslator, signature, stack};
use crate::module::{FuncType, ValType};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::Variable;
use std::collections::HashMap;

/// Locations from here on belong to inlined bodies.
pub(crate) const INLINED_LOCATIONS: u32 = 1 << 31;

/// One body translated in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InlinedBody {
    /// Its first location.
    pub(crate) first: u32,
    /// The location behind its last.
    pub(crate) end: u32,
    /// The location of the call that it replaces; virtual if that call is in an inlined body.
    pub(crate) call: u32,
    /// The function it is of.
    pub(crate) function: u32,
    /// Offset in the binary of what has the location `first`.
    pub(crate) offset: u32,
}

/// Where the operators that are translated come from.
pub(super) struct Source {
    /// The function.
    pub(super) function: u32,
    /// Its frame's index on the control stack.
    pub(super) frame: usize,
    /// Location of an operator minus its offset in the binary.
    shift: u32,
}

/// The caller's state, kept while a callee is translated.
pub(super) struct Suspended<'a> {
    source: Source,
    results: &'a [ValType],
    locals: Vec<Local>,
    reused: usize,
}

/// What the translation of inlined bodies needs and leaves.
#[derive(Default)]
pub(super) struct Inlining {
    /// A call that was just met and is to be translated in place.
    pub(super) pending: Option<u32>,
    /// Functions whose bodies are open, outermost first.
    open: Vec<u32>,
    /// Bodies translated in place, in order.
    pub(super) bodies: Vec<InlinedBody>,
    next_location: u32,
    /// Variables of finished bodies, for the next: the frontend's tables grow with their number.
    free: HashMap<(Type, bool), Vec<Variable>>,
    /// Variables taken by open bodies, to be freed.
    taken: Vec<((Type, bool), Variable)>,
}

impl Inlining {
    /// Number of variables that inlined bodies use.
    pub(super) fn variables(&self) -> usize {
        self.taken.len() + self.free.values().map(Vec::len).sum::<usize>()
    }
}

impl Source {
    /// The function itself, not inlined.
    pub(super) fn root(function: u32) -> Source {
        Source {
            function,
            frame: 0,
            shift: 0,
        }
    }
}

impl<'a> FuncTranslator<'a> {
    /// The location of the operator at `offset` of the binary.
    pub(super) fn location(&self, offset: u32) -> u32 {
        offset.wrapping_add(self.source.shift)
    }

    /// Whether the function's own frame is not the one being translated.
    pub(super) fn is_inlined(&self) -> bool {
        !self.inlining.open.is_empty()
    }

    /// Whether the call of `callee` at the current point is to be translated in place.
    pub(super) fn inlines(&self, callee: u32) -> bool {
        let module = self.env.module;
        let (Some(caller), Some(defined)) = (
            module.defined_index(self.source.function),
            module.defined_index(callee),
        ) else {
            return false;
        };
        if !self.env.inline.inlines(caller, self.offset) {
            return false;
        }
        if callee != self.source.function {
            return true;
        }
        // Its own calls are followed only within itself, and a few levels only.
        let open = &self.inlining.open;
        open.iter().all(|f| *f == callee)
            && open.len() < usize::from(self.env.inline.unroll(defined))
    }

    /// Starts to translate `callee`, whose body's operators begin at `offset` of the binary and
    /// span `len` bytes, and whose further locals have the types `locals`.
    pub(super) fn enter_inlined(
        &mut self,
        callee: u32,
        (offset, len): (u32, u32),
        locals: &[ValType],
    ) -> Suspended<'a> {
        let ty: &'a FuncType = self.env.module.func_type(callee);
        let args = self.pop_many(ty.params.len());
        let call = self.location(self.offset);
        let first = self.inlining.next_location.max(INLINED_LOCATIONS);
        self.inlining.next_location = first.saturating_add(len);
        self.inlining.bodies.push(InlinedBody {
            first,
            end: self.inlining.next_location,
            call,
            function: callee,
            offset,
        });
        self.inlining.open.push(callee);
        let exit = self.block_with_params(&ty.results);
        let suspended = Suspended {
            source: std::mem::replace(
                &mut self.source,
                Source {
                    function: callee,
                    frame: self.control.len(),
                    shift: first.wrapping_sub(offset),
                },
            ),
            results: std::mem::replace(&mut self.results, &ty.results),
            locals: std::mem::take(&mut self.locals),
            reused: self.inlining.taken.len(),
        };
        let mut frame = Frame::function(exit, ty.results.len());
        frame.height = self.stack.len();
        self.control.push(frame);
        for (ty, value) in ty.params.iter().zip(args) {
            self.take_local(*ty, value);
        }
        for ty in locals {
            let zero = self.zero(*ty);
            self.take_local(*ty, zero);
        }
        suspended
    }

    /// Goes on with the caller; the callee's last `end` has been visited.
    pub(super) fn leave_inlined(&mut self, suspended: Suspended<'a>) {
        self.inlining.open.pop();
        self.source = suspended.source;
        self.results = suspended.results;
        self.locals = suspended.locals;
        for (kind, variable) in self.inlining.taken.split_off(suspended.reused) {
            self.inlining.free.entry(kind).or_default().push(variable);
        }
    }

    /// A local of an inlined body. It is defined here, before any use of it in this body, so what
    /// the variable was in an earlier body is never seen.
    fn take_local(&mut self, ty: ValType, value: Value) {
        let kind = (signature::clif_type(ty), stack::is_collected(ty));
        let variable = match self.inlining.free.get_mut(&kind).and_then(Vec::pop) {
            Some(variable) => variable,
            None => {
                let variable = self.builder.declare_var(kind.0);
                if kind.1 {
                    self.builder.declare_var_needs_stack_map(variable);
                }
                variable
            }
        };
        self.builder.def_var(variable, value);
        self.locals.push(Local::Values(variable));
        self.inlining.taken.push((kind, variable));
    }

    /// `return` of an inlined body.
    pub(super) fn return_to_caller(&mut self, results: &[Value]) {
        let warm = self.is_warm_to(self.source.frame);
        let frame = &mut self.control[self.source.frame];
        frame.end_used = true;
        frame.end_warm |= warm;
        let end = frame.end.expect("the frame of a body has an end");
        let args: Vec<_> = results.iter().map(|v| (*v).into()).collect();
        self.ins().jump(end, &args);
    }
}
