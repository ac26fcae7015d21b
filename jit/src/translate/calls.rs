//! Calls: direct, imported, indirect, and their tail forms.
//!
//! A call inside a `try_table` becomes a `try_call`, whatever its form; a tail call never does,
//! because it leaves the frame that the handlers belong to.

use super::flags::scratch;
use super::signature::{self, clif_type};
use super::{FuncTranslator, tables};
use crate::abi::{Builtin, CallAbi, FuncImport, Loc, ResultsAbi};
use crate::module::{FuncType, ValType};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    BlockArg, ExceptionTableData, ExtFuncData, ExternalName, FuncRef, InstBuilder, SigRef,
    UserExternalName, Value, types,
};

/// What a call transfers to.
#[derive(Clone, Copy)]
pub(super) enum Callee {
    /// A function of this module.
    Direct(FuncRef),
    /// An address.
    Address(Value),
}

impl<'a> FuncTranslator<'a> {
    fn signature_of(&mut self, type_index: u32) -> SigRef {
        if let Some(known) = self.signatures.get(&type_index) {
            return *known;
        }
        let ty = self.type_at(type_index);
        let new = self
            .builder
            .import_signature(signature::wasm(ty, &CallAbi::new(ty)));
        self.signatures.insert(type_index, new);
        new
    }

    fn type_at(&self, type_index: u32) -> &'a FuncType {
        &self.env.module.types[type_index as usize]
    }

    /// What a call of function `index` transfers to.
    fn callee(&mut self, index: u32, signature: SigRef) -> Callee {
        if index < self.env.module.imported_functions {
            let offset = self.env.layout.func_import(index) + FuncImport::CODE;
            return Callee::Address(self.sealed_for_call(types::I64, offset));
        }
        if let Some(known) = self.functions.get(&index) {
            return Callee::Direct(*known);
        }
        let name = UserExternalName {
            namespace: 0,
            index,
        };
        let name = self.builder.func.declare_imported_user_function(name);
        let function = self.builder.import_function(ExtFuncData {
            name: ExternalName::user(name),
            signature,
            colocated: true,
            patchable: false,
        });
        self.functions.insert(index, function);
        Callee::Direct(function)
    }

    /// Emits the call, with an edge to every handler in force, and continues behind it.
    pub(super) fn emit_call(
        &mut self,
        callee: Callee,
        signature: SigRef,
        args: &[Value],
    ) -> Vec<Value> {
        let items = self.handler_items();
        if items.is_empty() {
            let call = match callee {
                Callee::Direct(function) => self.ins().call(function, args),
                Callee::Address(address) => self.ins().call_indirect(signature, address, args),
            };
            return self.builder.inst_results(call).to_vec();
        }
        let next = self.builder.create_block();
        let returns: Vec<_> = self.builder.func.dfg.signatures[signature]
            .returns
            .iter()
            .map(|r| r.value_type)
            .collect();
        let results = returns
            .iter()
            .map(|ty| self.builder.append_block_param(next, *ty))
            .collect();
        let passed: Vec<_> = (0..returns.len() as u32)
            .map(BlockArg::TryCallRet)
            .collect();
        let normal = self.builder.func.dfg.block_call(next, &passed);
        let table = ExceptionTableData::new(signature, normal, items);
        let table = self.builder.func.dfg.exception_tables.push(table);
        match callee {
            Callee::Direct(function) => self.ins().try_call(function, args, table),
            Callee::Address(address) => self.ins().try_call_indirect(address, args, table),
        };
        self.start_block(next);
        results
    }

    /// Pops the arguments of a call to a function of type `ty`, with `leading` before them.
    fn call_args(&mut self, ty: &FuncType, leading: &[Value]) -> Vec<Value> {
        let mut args = leading.to_vec();
        args.append(&mut self.pop_many(ty.params.len()));
        args
    }

    /// Calls `callee`, whose arguments are on the operand stack, and pushes the results.
    fn wasm_call(&mut self, type_index: u32, callee: Callee) {
        let signature = self.signature_of(type_index);
        let ty = self.type_at(type_index);
        let vmctx = self.vmctx;
        let results = match CallAbi::new(ty).results {
            ResultsAbi::Regs(_) => {
                let args = self.call_args(ty, &[vmctx]);
                self.emit_call(callee, signature, &args)
            }
            ResultsAbi::Buffer { locs, bytes } => {
                let (slot, buffer) = self.scratch_slot(bytes);
                let args = self.call_args(ty, &[vmctx, buffer]);
                self.emit_call(callee, signature, &args);
                let buffer = self.ins().stack_addr(types::I64, slot, 0);
                self.load_slots(&ty.results, &locs, buffer)
            }
        };
        for (ty, value) in ty.results.iter().zip(results) {
            self.note_reference(*ty, value);
            self.push1(value);
        }
    }

    /// Loads values of these types from their places in a buffer.
    fn load_slots(&mut self, types: &[ValType], locs: &[Loc], buffer: Value) -> Vec<Value> {
        let mut values = Vec::with_capacity(types.len());
        for (ty, loc) in types.iter().zip(locs) {
            if let Loc::Stack(offset) = loc {
                values.push(
                    self.ins()
                        .load(clif_type(*ty), scratch(), buffer, *offset as i32),
                );
            }
        }
        values
    }

    /// Leaves the frame for `callee`, whose arguments are on the operand stack. The result types
    /// are the function's own, so its own result buffer serves the callee.
    fn wasm_tail_call(&mut self, type_index: u32, callee: Callee) {
        let signature = self.signature_of(type_index);
        let ty = self.type_at(type_index);
        let mut leading = vec![self.vmctx];
        leading.extend(self.result_buffer);
        let args = self.call_args(ty, &leading);
        match callee {
            Callee::Direct(function) => self.ins().return_call(function, &args),
            Callee::Address(address) => self.ins().return_call_indirect(signature, address, &args),
        };
        self.reachable = false;
    }

    /// Pops the index of an indirect call; the address of code that is safe to call with the
    /// vmctx of this function, and whose type is the one wanted.
    fn indirect_callee(&mut self, type_index: u32, table: u32) -> Callee {
        let index = self.pop1();
        let entry = self.entry_address(table, index);
        let flags = self.table_flags();
        let id_at = self.env.layout.sig_id(type_index);
        let wanted = self.sealed_for_call(types::I32, id_at);
        let code = self
            .ins()
            .load(types::I64, flags, entry, tables::ENTRY_CODE);
        // The last load becomes the compare's memory operand.
        let found = self
            .ins()
            .load(types::I32, flags, entry, tables::ENTRY_SIG_ID);
        let matches = self.ins().icmp(IntCC::Equal, wanted, found);
        let (miss, call) = (self.builder.create_block(), self.builder.create_block());
        let target = self.builder.append_block_param(call, types::I64);
        self.builder.set_cold_block(miss);
        self.ins().brif(matches, call, &[code.into()], miss, &[]);
        self.start_block(miss);
        let (operand, index) = (self.const_i32(table), self.zero_extend(index));
        let type_index = self.const_i32(type_index);
        let code = self
            .call_builtin(Builtin::IndirectMiss, &[operand, index, type_index])
            .expect("declared with a result");
        self.ins().jump(call, &[code.into()]);
        self.start_block(call);
        Callee::Address(target)
    }

    pub(super) fn visit_call(&mut self, function_index: u32) {
        if self.inlines(function_index) {
            self.inlining.pending = Some(function_index);
            return;
        }
        let type_index = self.env.module.functions[function_index as usize];
        let signature = self.signature_of(type_index);
        let callee = self.callee(function_index, signature);
        self.wasm_call(type_index, callee);
    }

    pub(super) fn visit_call_indirect(&mut self, type_index: u32, table_index: u32) {
        let callee = self.indirect_callee(type_index, table_index);
        self.wasm_call(type_index, callee);
    }

    pub(super) fn visit_return_call(&mut self, function_index: u32) {
        let type_index = self.env.module.functions[function_index as usize];
        let signature = self.signature_of(type_index);
        let callee = self.callee(function_index, signature);
        self.wasm_tail_call(type_index, callee);
    }

    pub(super) fn visit_return_call_indirect(&mut self, type_index: u32, table_index: u32) {
        let callee = self.indirect_callee(type_index, table_index);
        self.wasm_tail_call(type_index, callee);
    }
}
