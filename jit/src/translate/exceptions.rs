//! Exceptions: `try_table`, `throw`, `throw_ref`.
//!
//! Code inside a `try_table` pays nothing but the edges of its calls. A handler block receives the
//! exception's handle, fetches the arguments from the runtime, and branches to the clause's label.

use super::FuncTranslator;
use super::calls::Callee;
use super::flags::scratch;
use super::frame::{Catches, Handler};
use super::signature::clif_type;
use super::trap::to_clif;
use crate::abi::{Builtin, PAYLOAD_SLOT, TrapCode};
use crate::module::ValType;
use cranelift_codegen::ir::{
    BlockArg, ExceptionTableItem, ExceptionTag, InstBuilder, Value, types,
};
use wasmparser::{Catch, TryTable};

impl<'a> FuncTranslator<'a> {
    /// Types of a tag's arguments.
    fn tag_params(&self, tag: u32) -> &'a [ValType] {
        let ty = self.env.module.tags[tag as usize].ty;
        &self.env.module.types[ty as usize].params
    }

    pub(super) fn visit_try_table(&mut self, try_table: TryTable) {
        if self.open_dead() {
            return;
        }
        let (params, results) = self.block_types(try_table.ty);
        self.open_block(params.len(), &results);
        let outside = self.handlers.len();
        // Handlers are searched from the end, and the first clause is to be met first.
        for clause in try_table.catches.iter().rev() {
            let block = self.builder.create_block();
            self.builder.append_block_param(block, types::I64);
            let tag = match clause {
                Catch::One { tag, .. } | Catch::OneRef { tag, .. } => Some(*tag),
                Catch::All { .. } | Catch::AllRef { .. } => None,
            };
            self.handlers.push(Handler {
                tag,
                block,
                used: false,
            });
        }
        let catches = Catches {
            outside,
            clauses: try_table.catches,
        };
        self.innermost().catches = Some(catches);
    }

    /// The handlers in force for a call, innermost first, without those that an inner one hides.
    pub(super) fn handler_items(&mut self) -> Vec<ExceptionTableItem> {
        if self.handlers.is_empty() {
            return Vec::new();
        }
        let mut items = vec![ExceptionTableItem::Context(self.vmctx)];
        let mut seen = Vec::new();
        for handler in self.handlers.iter_mut().rev() {
            if handler.tag.is_some_and(|tag| seen.contains(&tag)) {
                continue;
            }
            handler.used = true;
            let call = self
                .builder
                .func
                .dfg
                .block_call(handler.block, &[BlockArg::TryCallExn(0)]);
            match handler.tag {
                Some(tag) => {
                    seen.push(tag);
                    items.push(ExceptionTableItem::Tag(ExceptionTag::from_u32(tag), call));
                }
                None => {
                    items.push(ExceptionTableItem::Default(call));
                    break;
                }
            }
        }
        items
    }

    /// Emits the handler blocks of a `try_table` whose frame has just been popped.
    pub(super) fn close_handlers(&mut self, catches: Catches) {
        let handlers = self.handlers.split_off(catches.outside);
        for (clause, handler) in catches.clauses.iter().zip(handlers.iter().rev()) {
            if !handler.used {
                continue;
            }
            self.cold = true;
            self.start_block(handler.block);
            let wide = self.builder.block_params(handler.block)[0];
            let exception = self.ins().ireduce(types::I32, wide);
            self.builder.declare_value_needs_stack_map(exception);
            self.emit_clause(*clause, exception);
            self.reachable = false;
        }
    }

    /// Branches to the label of a catch clause with the exception's arguments and handle.
    fn emit_clause(&mut self, clause: Catch, exception: Value) {
        let (tag, label, with_ref) = match clause {
            Catch::One { tag, label } => (Some(tag), label, false),
            Catch::OneRef { tag, label } => (Some(tag), label, true),
            Catch::All { label } => (None, label, false),
            Catch::AllRef { label } => (None, label, true),
        };
        let mut args: Vec<BlockArg> = Vec::new();
        let params = tag.map_or(&[][..], |tag| self.tag_params(tag));
        if !params.is_empty() {
            let (slot, area) = self.scratch_slot(PAYLOAD_SLOT * params.len() as u32);
            self.call_builtin(Builtin::ExnPayload, &[exception, area]);
            let area = self.ins().stack_addr(types::I64, slot, 0);
            for (i, ty) in params.iter().enumerate() {
                let offset = PAYLOAD_SLOT as i32 * i as i32;
                let value = self.ins().load(clif_type(*ty), scratch(), area, offset);
                self.note_reference(*ty, value);
                args.push(value.into());
            }
        }
        if with_ref {
            args.push(exception.into());
        }
        let (target, _) = self.label(label);
        self.ins().jump(target, &args);
    }

    pub(super) fn visit_throw(&mut self, tag_index: u32) {
        let params = self.tag_params(tag_index);
        let args = self.pop_many(params.len());
        let (_, area) = self.scratch_slot(PAYLOAD_SLOT * params.len() as u32);
        for (i, value) in args.into_iter().enumerate() {
            self.ins()
                .store(scratch(), value, area, PAYLOAD_SLOT as i32 * i as i32);
        }
        let tag = self.const_i32(tag_index);
        self.throw_builtin(Builtin::Throw, &[tag, area]);
    }

    pub(super) fn visit_throw_ref(&mut self) {
        let exception = self.pop1();
        self.trapz(exception, TrapCode::NullReference);
        self.throw_builtin(Builtin::ThrowRef, &[exception]);
    }

    /// Calls a builtin that does not return but may continue at a handler of this function.
    fn throw_builtin(&mut self, builtin: Builtin, args: &[Value]) {
        let (signature, callee) = self.builtin_callee(builtin);
        let mut all = vec![self.vmctx];
        all.extend_from_slice(args);
        self.emit_call(Callee::Address(callee), signature, &all);
        self.ins().trap(to_clif(TrapCode::Unreachable));
        self.reachable = false;
    }
}
