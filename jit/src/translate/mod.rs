//! From a validated function body to Cranelift IR.
//!
//! ```text
//!   validate    drives one body: every operator goes through the validator, then to the translator
//!   stack       operand stack and the small helpers that all operator families use
//!   frame       the control stack
//!   inline      a callee's body translated at its call
//!   control calls variables memory bulk tables refs exceptions numeric conversions simd atomics
//!               one file per family of operators
//!   signature trap flags
//!               the conventions of crate::abi in Cranelift's terms
//! ```
//! It must never know how code is optimised, compiled or linked, nor anything of a running store.

mod atomics;
mod bulk;
mod calls;
mod control;
mod conversions;
mod exceptions;
mod flags;
mod frame;
mod inline;
mod memory;
mod numeric;
mod refs;
mod signature;
mod simd;
mod stack;
mod switch;
mod tables;
mod trap;
mod validate;
mod variables;

pub(crate) use flags::HEAP as MEMORY_REGION;
pub(crate) use inline::{INLINED_LOCATIONS, InlinedBody};
pub(crate) use trap::from_clif as trap_from_clif;
pub(crate) use validate::translate_function;

use crate::abi::{Builtin, CallAbi, ResultsAbi, VmLayout};
use crate::error::CompileError;
use crate::inline::InlinePlan;
use crate::module::{BranchHints, FunctionBody, Module, ValType};
use crate::settings::Settings;
use cranelift_codegen::ir::{
    AliasRegion, Block, FuncRef, Function, SigRef, StackSlot, UserFuncName, Value,
};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use frame::{Frame, Handler, OpenLoop};
use inline::{Inlining, Source};
use std::collections::HashMap;
use variables::Local;

/// What the translation of a function reads of its module.
#[derive(Clone, Copy)]
pub(crate) struct FuncEnv<'a> {
    /// What the module declares.
    pub(crate) module: &'a Module,
    /// Where its instances' fields lie.
    pub(crate) layout: &'a VmLayout,
    /// What was asked for.
    pub(crate) settings: &'a Settings,
    /// The bodies of the defined functions.
    pub(crate) bodies: &'a [FunctionBody<'a>],
    /// What the module says of its branches.
    pub(crate) hints: &'a BranchHints,
    /// Which calls become their callees' bodies.
    pub(crate) inline: &'a InlinePlan,
}

/// A function translated: measures that decide how it may be compiled, and what explains its code.
#[derive(Debug, Default)]
pub(crate) struct Translated {
    /// Measures.
    pub(crate) shape: Shape,
    /// Bodies that were inlined, in the order of their locations.
    pub(crate) inlined: Vec<InlinedBody>,
    /// Offset in the binary of its first operator.
    pub(crate) first_offset: u32,
}

/// Measures of a function that decide how it may be compiled.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shape {
    /// Deepest nesting of loops.
    pub(crate) loop_depth: u32,
    /// Locals, parameters included.
    pub(crate) locals: u32,
    /// Most parameters of one block.
    pub(crate) block_params: u32,
    /// Number of blocks.
    pub(crate) blocks: u32,
    /// Proposals whose operators it uses ([`crate::module::met`]).
    pub(crate) proposals: u16,
    /// Whether a `br_table` became tests.
    pub(crate) tables_tested: bool,
}

/// Translates one function, operator by operator; [`validate`] feeds it.
///
/// Each operator is a method `visit_<op>` that expects a valid, reachable program point (the
/// control operators are called in unreachable code as well, to keep the nesting).
pub(super) struct FuncTranslator<'a> {
    pub(super) builder: FunctionBuilder<'a>,
    pub(super) env: FuncEnv<'a>,
    /// The instance: base of memory 0, above its fields.
    pub(super) vmctx: Value,
    /// Where the results go when they do not fit in registers.
    result_buffer: Option<Value>,
    /// Types of the results.
    results: &'a [ValType],
    stack: Vec<Value>,
    control: Vec<Frame>,
    /// Handlers of the `try_table`s around the current point, innermost last.
    handlers: Vec<Handler>,
    locals: Vec<Local>,
    /// Whether locals are kept in the frame rather than in values.
    locals_in_frame: bool,
    /// The body that is being translated.
    source: Source,
    inlining: Inlining,
    /// Offset in the binary of the current operator.
    offset: u32,
    /// Whether the current point can be reached.
    pub(super) reachable: bool,
    /// Whether the current point is rarely reached, as far as hints and handlers say.
    cold: bool,
    /// The first reason why the function cannot be translated.
    pub(super) error: Option<CompileError>,
    pub(super) proposals: u16,
    /// Whether a `br_table` became tests.
    pub(super) tables_tested: bool,
    /// The open loops, innermost last.
    loops: Vec<OpenLoop>,
    max_loop_depth: u32,
    heap_region: AliasRegion,
    signatures: HashMap<u32, SigRef>,
    builtin_signatures: HashMap<Builtin, SigRef>,
    functions: HashMap<u32, FuncRef>,
    /// Scratch stack slots by size: no two uses of one size overlap in time.
    slots: HashMap<u32, StackSlot>,
}

impl<'a> FuncTranslator<'a> {
    /// Starts function `index`: its signature, entry block and parameters.
    pub(super) fn new(
        env: FuncEnv<'a>,
        index: u32,
        func: &'a mut Function,
        context: &'a mut FunctionBuilderContext,
        locals_in_frame: bool,
    ) -> FuncTranslator<'a> {
        let ty = env.module.func_type(index);
        let abi = CallAbi::new(ty);
        func.signature = signature::wasm(ty, &abi);
        func.name = UserFuncName::user(0, index);
        let mut builder = FunctionBuilder::new(func, context);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        builder.ensure_inserted_block();
        let params = builder.block_params(entry).to_vec();
        let buffered = matches!(abi.results, ResultsAbi::Buffer { .. });
        let first = 1 + usize::from(buffered);
        let heap_region = flags::heap_region(&mut builder);
        let mut translator = FuncTranslator {
            builder,
            env,
            vmctx: params[0],
            result_buffer: buffered.then(|| params[1]),
            results: &ty.results,
            stack: Vec::new(),
            control: Vec::new(),
            handlers: Vec::new(),
            locals: Vec::new(),
            locals_in_frame,
            source: Source::root(index),
            inlining: Inlining::default(),
            offset: 0,
            reachable: true,
            cold: false,
            error: None,
            proposals: 0,
            tables_tested: false,
            loops: Vec::new(),
            max_loop_depth: 0,
            heap_region,
            signatures: HashMap::new(),
            builtin_signatures: HashMap::new(),
            functions: HashMap::new(),
            slots: HashMap::new(),
        };
        for (param, ty) in params[first..].iter().zip(&ty.params) {
            translator.declare_local(*ty, *param);
        }
        let exit = translator.block_with_params(&ty.results);
        translator
            .control
            .push(Frame::function(exit, ty.results.len()));
        translator
    }

    /// A new block whose parameters have these types.
    fn block_with_params(&mut self, types: &[ValType]) -> Block {
        let block = self.builder.create_block();
        for ty in types {
            let param = self
                .builder
                .append_block_param(block, signature::clif_type(*ty));
            self.note_reference(*ty, param);
        }
        block
    }

    /// Ends the function; all its operators have been visited.
    pub(super) fn finish(
        mut self,
        config: cranelift_codegen::isa::TargetFrontendConfig,
    ) -> (Shape, Vec<InlinedBody>) {
        debug_assert!(self.control.is_empty());
        if self.builder.current_block().is_some() && self.reachable {
            let results = self.stack.split_off(self.stack.len() - self.results.len());
            self.emit_return(&results);
        }
        let blocks = self.builder.func.layout.blocks().count() as u32;
        let locals = (self.locals.len() + self.inlining.variables()) as u32;
        let loop_depth = self.max_loop_depth;
        let block_params = self
            .builder
            .func
            .layout
            .blocks()
            .map(|b| self.builder.func.dfg.block_params(b).len() as u32)
            .max()
            .unwrap_or(0);
        self.builder.finalize(config);
        let shape = Shape {
            loop_depth,
            locals,
            block_params,
            blocks,
            proposals: self.proposals,
            tables_tested: self.tables_tested,
        };
        (shape, self.inlining.bodies)
    }
}
