//! Structured control: blocks, branches, return, unreachable, select.
//!
//! Every label has a Cranelift block whose parameters are what a branch carries. After a branch
//! the point is unreachable until the frame's `else` or `end`; frames opened there are dead.
//!
//! A point is cold if every way to it is: an arm or an edge that a hint calls unlikely, a handler. The
//! code generator moves the blocks of cold points to the function's end, as it does with those that
//! trap. What leaves a loop happens once where the loop goes round many times, and hints say no more
//! than that; so behind a loop it is as cold as before it, however it was left.

use super::frame::{Frame, FrameKind, OpenLoop};
use super::signature::clif_type;
use super::trap::to_clif;
use super::{FuncTranslator, flags};
use crate::abi::{CallAbi, Loc, ResultsAbi, TrapCode};
use crate::module::{ValType, convert_val_type};
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, JumpTableData, Value, types};
use std::borrow::Cow;
use std::collections::HashMap;
use wasmparser::{BlockType, BrTable};

/// So many entries of a `br_table` for one label share the way there; fewer have code of their own.
const SHARED_EDGE: u32 = 16;

type Types<'a> = Cow<'a, [ValType]>;

fn block_args(values: &[Value]) -> Vec<BlockArg> {
    values.iter().map(|v| BlockArg::Value(*v)).collect()
}

impl<'a> FuncTranslator<'a> {
    /// Parameter and result types of a block.
    pub(super) fn block_types(&self, ty: BlockType) -> (Types<'a>, Types<'a>) {
        let none = Cow::Borrowed(&[][..]);
        match ty {
            BlockType::Empty => (none.clone(), none),
            BlockType::Type(t) => (
                none,
                convert_val_type(t).map_or(Cow::Borrowed(&[]), |t| Cow::Owned(vec![t])),
            ),
            BlockType::FuncType(index) => {
                let ty = &self.env.module.types[index as usize];
                (Cow::Borrowed(&ty.params), Cow::Borrowed(&ty.results))
            }
        }
    }

    /// The innermost frame.
    pub(super) fn innermost(&mut self) -> &mut Frame {
        self.control
            .last_mut()
            .expect("the validator keeps blocks nested")
    }

    /// Leaves the innermost frame; of a loop, all ways back are known by now.
    fn close_frame(&mut self) -> Frame {
        let frame = self
            .control
            .pop()
            .expect("the validator keeps blocks nested");
        if let FrameKind::Loop { header } = frame.kind {
            self.builder.seal_block(header);
            self.loops.pop();
        }
        frame
    }

    /// Opens a frame whose label is its end.
    pub(super) fn open_block(&mut self, params: usize, results: &[ValType]) {
        let end = self.block_with_params(results);
        self.control.push(Frame {
            kind: FrameKind::Block,
            end: Some(end),
            height: self.stack.len() - params,
            branch_arity: results.len(),
            results: results.len(),
            end_used: false,
            end_warm: false,
            catches: None,
        });
    }

    /// Whether the point is unreachable; then a dead frame has been opened.
    pub(super) fn open_dead(&mut self) -> bool {
        if !self.reachable {
            self.control.push(Frame::dead(self.stack.len()));
        }
        !self.reachable
    }

    pub(super) fn visit_nop(&mut self) {}

    pub(super) fn visit_drop(&mut self) {
        self.pop1();
    }

    pub(super) fn visit_unreachable(&mut self) {
        self.ins().trap(to_clif(TrapCode::Unreachable));
        self.reachable = false;
    }

    pub(super) fn visit_block(&mut self, blockty: BlockType) {
        if self.open_dead() {
            return;
        }
        let (params, results) = self.block_types(blockty);
        self.open_block(params.len(), &results);
    }

    pub(super) fn visit_loop(&mut self, blockty: BlockType) {
        if self.open_dead() {
            return;
        }
        let (params, results) = self.block_types(blockty);
        let header = self.block_with_params(&params);
        let initial = self.pop_many(params.len());
        self.ins().jump(header, &block_args(&initial));
        self.mark_if_cold(header);
        self.builder.switch_to_block(header);
        self.builder.ensure_inserted_block();
        self.open_block(0, &results);
        let frame = self.innermost();
        frame.kind = FrameKind::Loop { header };
        frame.branch_arity = params.len();
        self.stack
            .extend_from_slice(self.builder.block_params(header));
        self.loops.push(OpenLoop {
            frame: self.control.len() - 1,
            cold: self.cold,
        });
        self.max_loop_depth = self.max_loop_depth.max(self.loops.len() as u32);
    }

    pub(super) fn visit_if(&mut self, blockty: BlockType) {
        if self.open_dead() {
            return;
        }
        let condition = self.pop1();
        let (params, results) = self.block_types(blockty);
        let then = self.builder.create_block();
        let otherwise = self.builder.create_block();
        let branch = self.ins().brif(condition, then, &[], otherwise, &[]);
        let hint = self.hint();
        let rarely = self.cold || hint == Some(true);
        self.cold |= hint == Some(false);
        self.start_block(then);
        self.open_block(params.len(), &results);
        let params = self.stack[self.stack.len() - params.len()..].to_vec();
        self.innermost().kind = FrameKind::If {
            otherwise,
            branch,
            rarely,
            params,
        };
    }

    pub(super) fn visit_else(&mut self) {
        self.fall_to_end();
        let frame = self.innermost();
        if let FrameKind::If {
            otherwise,
            params,
            rarely,
            ..
        } = std::mem::replace(&mut frame.kind, FrameKind::Block)
        {
            let height = frame.height;
            self.stack.truncate(height);
            self.stack.extend_from_slice(&params);
            self.cold = rarely;
            self.start_block(otherwise);
        } else {
            frame.kind = FrameKind::Dead;
        }
    }

    /// What a hint says of the condition of the current operator.
    fn hint(&self) -> Option<bool> {
        self.env.hints.likely(self.offset)
    }

    /// Has `block` moved out of the way if the current point is cold.
    pub(super) fn mark_if_cold(&mut self, block: Block) {
        if self.cold {
            self.builder.set_cold_block(block);
        }
    }

    /// Continues at `block`, all of whose predecessors are known.
    pub(super) fn start_block(&mut self, block: Block) {
        self.mark_if_cold(block);
        self.builder.switch_to_block(block);
        self.builder.seal_block(block);
        self.builder.ensure_inserted_block();
        self.reachable = true;
    }

    /// Jumps from a reachable point to the end of the innermost frame, with its results.
    fn fall_to_end(&mut self) {
        if self.reachable {
            let warm = !self.cold;
            let frame = self.innermost();
            frame.end_used = true;
            frame.end_warm |= warm;
            let (end, results) = (
                frame.end.expect("reachable frames have an end"),
                frame.results,
            );
            let results = self.pop_many(results);
            self.ins().jump(end, &block_args(&results));
            self.reachable = false;
        }
    }

    pub(super) fn visit_end(&mut self) {
        if self.only_falls_through() {
            return self.fall_through();
        }
        self.fall_to_end();
        let mut frame = self.close_frame();
        self.stack.truncate(frame.height);
        let Some(end) = frame.end else { return };
        match frame.kind {
            FrameKind::If {
                otherwise,
                branch,
                rarely,
                params,
            } => {
                // No else: the condition's other edge leads to the end.
                frame.end_used = true;
                frame.end_warm |= !rarely;
                if params.is_empty() {
                    self.builder.change_jump_destination(branch, otherwise, end);
                } else {
                    self.cold = rarely;
                    self.start_block(otherwise);
                    self.ins().jump(end, &block_args(&params));
                }
            }
            FrameKind::Block | FrameKind::Loop { .. } | FrameKind::Dead => {}
        }
        self.reachable = false;
        if let Some(catches) = frame.catches {
            self.close_handlers(catches);
        }
        if frame.end_used {
            self.cold = !frame.end_warm;
            self.start_block(end);
            self.stack.extend_from_slice(self.builder.block_params(end));
        }
    }

    /// Whether the innermost frame's end is reached from here and from nowhere else, so that it needs
    /// no block of its own.
    fn only_falls_through(&self) -> bool {
        let frame = self
            .control
            .last()
            .expect("the validator keeps blocks nested");
        self.reachable
            && !frame.end_used
            && frame.catches.is_none()
            && matches!(frame.kind, FrameKind::Block | FrameKind::Loop { .. })
    }

    /// Ends the innermost frame at a point that [`Self::only_falls_through`]: its results stay where
    /// they are, on top of the operands below the frame.
    fn fall_through(&mut self) {
        let before = self.loops.last().map(|l| l.cold);
        let frame = self.close_frame();
        if let FrameKind::Loop { .. } = frame.kind
            && before == Some(false)
            && self.cold
        {
            let behind = self.builder.create_block();
            self.ins().jump(behind, &[]);
            self.cold = false;
            self.start_block(behind);
        }
        debug_assert_eq!(self.stack.len(), frame.height + frame.results);
    }

    /// Whether a branch from here to the label of the frame at index `at` is not cold.
    pub(super) fn is_warm_to(&self, at: usize) -> bool {
        let inside = self.loops.partition_point(|l| l.frame <= at);
        !self.loops.get(inside).map_or(self.cold, |left| left.cold)
    }

    /// The block that a branch to the label `depth` goes to, and how many values it carries.
    pub(super) fn label(&mut self, depth: u32) -> (Block, usize) {
        let at = self.control.len() - 1 - depth as usize;
        let warm = self.is_warm_to(at);
        let frame = &mut self.control[at];
        match frame.kind {
            FrameKind::Loop { header } => (header, frame.branch_arity),
            _ => {
                frame.end_used = true;
                frame.end_warm |= warm;
                (
                    frame.end.expect("no live branch goes to a dead frame"),
                    frame.branch_arity,
                )
            }
        }
    }

    pub(super) fn visit_br(&mut self, relative_depth: u32) {
        let (target, arity) = self.label(relative_depth);
        let args = block_args(&self.pop_many(arity));
        self.ins().jump(target, &args);
        self.reachable = false;
    }

    pub(super) fn visit_br_if(&mut self, relative_depth: u32) {
        let condition = self.pop1();
        let (hint, here) = (self.hint(), self.cold);
        let at = self.control.len() - 1 - relative_depth as usize;
        let again = self.loops.last().is_some_and(|l| l.frame == at);
        self.cold = here || hint == Some(false);
        let (target, arity) = self.label(relative_depth);
        self.cold = here || hint == Some(true) && !again;
        let args = block_args(&self.stack[self.stack.len() - arity..]);
        let next = self.builder.create_block();
        self.ins().brif(condition, target, &args, next, &[]);
        self.start_block(next);
    }

    pub(super) fn visit_br_table(&mut self, targets: BrTable<'_>) {
        let index = self.pop1();
        let (_, arity) = self.label(targets.default());
        let args = block_args(&self.pop_many(arity));
        // The validator has read the same bytes.
        let depths = || targets.targets().map_while(Result::ok);
        let mut entries: HashMap<u32, u32> = HashMap::from([(targets.default(), 1)]);
        for depth in depths() {
            *entries.entry(depth).or_default() += 1;
        }
        // Labels that carry values or have many entries get one block each on the way, so that the
        // size of the table does not multiply with the number of operands, nor with that of the
        // locals that differ at the label.
        let mut edges: HashMap<u32, Block> = HashMap::new();
        let mut ordered = Vec::new();
        let mut entry = |translator: &mut Self, depth: u32| {
            *edges.entry(depth).or_insert_with(|| {
                if arity == 0 && entries[&depth] < SHARED_EDGE {
                    return translator.label(depth).0;
                }
                let edge = translator.builder.create_block();
                ordered.push((edge, depth));
                edge
            })
        };
        let default = entry(self, targets.default());
        let table: Vec<Block> = depths().map(|depth| entry(self, depth)).collect();
        self.emit_br_table(index, default, &table);
        for (edge, depth) in ordered {
            self.mark_if_cold(edge);
            self.builder.switch_to_block(edge);
            self.builder.seal_block(edge);
            let target = self.label(depth).0;
            self.ins().jump(target, &args);
        }
        self.reachable = false;
    }

    fn emit_br_table(&mut self, index: Value, default: Block, table: &[Block]) {
        if self.branch_by_bits(index, default, table) {
            return;
        }
        let dfg = &mut self.builder.func.dfg;
        let default = dfg.block_call(default, &[]);
        let table: Vec<_> = table.iter().map(|b| dfg.block_call(*b, &[])).collect();
        let table = self
            .builder
            .create_jump_table(JumpTableData::new(default, &table));
        self.ins().br_table(index, table);
    }

    pub(super) fn visit_return(&mut self) {
        let results = self.pop_many(self.results.len());
        if self.is_inlined() {
            self.return_to_caller(&results);
        } else {
            self.emit_return(&results);
        }
        self.reachable = false;
    }

    /// Returns from the function, through the result buffer if there is one.
    pub(super) fn emit_return(&mut self, results: &[Value]) {
        let Some(buffer) = self.result_buffer else {
            self.ins().return_(results);
            return;
        };
        if let ResultsAbi::Buffer { locs, .. } = CallAbi::from_slices(&[], self.results).results {
            for (loc, value) in locs.iter().zip(results) {
                if let Loc::Stack(offset) = loc {
                    self.ins()
                        .store(flags::scratch(), *value, buffer, *offset as i32);
                }
            }
        }
        self.ins().return_(&[]);
    }

    pub(super) fn visit_select(&mut self) {
        let (a, b, condition) = self.pop3();
        let value = self.ins().select(condition, a, b);
        self.push1(value);
    }

    pub(super) fn visit_typed_select(&mut self, ty: wasmparser::ValType) {
        self.visit_select();
        if let Some(ty) = convert_val_type(ty) {
            let value = self.peek1();
            debug_assert_eq!(self.builder.func.dfg.value_type(value), clif_type(ty));
            self.note_reference(ty, value);
        }
    }

    /// The validator refuses anything but one type here.
    pub(super) fn visit_typed_select_multi(&mut self, tys: Vec<wasmparser::ValType>) {
        if let [ty] = tys[..] {
            self.visit_typed_select(ty);
        }
    }

    /// A comparison's result as an i32 that is 0 or 1.
    pub(super) fn push_bool(&mut self, condition: Value) {
        let value = self.ins().uextend(types::I32, condition);
        self.push1(value);
    }
}
