//! The oracle's version of a module: the same, but it counts the instructions that it executes.
//!
//! A global is added that nothing else sees but an export under a name of its own. Before every instruction at
//! which control may come, go or end, it grows by the number of instructions since the last such place, so that
//! it is exact whenever a call ends. The counting also separates comparisons from the `select` behind them: where
//! a comparison of a local with zero feeds a `select`, wasmi 2.0.0 drops the comparison, but goes on to test its
//! result, which is then whatever was in the register.

use std::convert::Infallible;

use wasm_encoder::reencode::{Error, Reencode};
use wasm_encoder::{
    CodeSection, ConstExpr, ExportKind, ExportSection, GlobalSection, GlobalType, Instruction,
    Module, SectionId, ValType,
};
use wasmparser::{
    ExportSectionReader, FunctionBody, GlobalSectionReader, Parser, Payload, TypeRef,
};

use super::opcodes;

/// The export that counts.
pub(super) const STEPS: &str = "instructions executed so far";

struct Instrumenter {
    counter: u32,
    has_globals: bool,
    has_exports: bool,
    flushes: Vec<bool>,
}

/// `wasm` with the counter; the error says why it cannot be read.
pub(super) fn instrument(wasm: &[u8]) -> Result<Vec<u8>, String> {
    let mut instrumenter = Instrumenter {
        counter: globals(wasm)?,
        has_globals: false,
        has_exports: false,
        flushes: (0..opcodes::NAMES.len()).map(opcodes::ends_run).collect(),
    };
    let mut module = Module::new();
    instrumenter
        .parse_core_module(&mut module, Parser::new(0), wasm)
        .map_err(|error| error.to_string())?;
    Ok(module.finish())
}

/// The number of globals, imported ones included.
fn globals(wasm: &[u8]) -> Result<u32, String> {
    let mut count = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.map_err(|error| error.to_string())?;
                    count += u32::from(matches!(import.ty, TypeRef::Global(_)));
                }
            }
            Payload::GlobalSection(globals) => count += globals.count(),
            _ => {}
        }
    }
    Ok(count)
}

impl Instrumenter {
    fn add_global(&mut self, globals: &mut GlobalSection) {
        let ty = GlobalType {
            val_type: ValType::I64,
            mutable: true,
            shared: false,
        };
        globals.global(ty, &ConstExpr::i64_const(0));
        self.has_globals = true;
    }

    fn add_export(&mut self, exports: &mut ExportSection) {
        exports.export(STEPS, ExportKind::Global, self.counter);
        self.has_exports = true;
    }
}

impl Reencode for Instrumenter {
    type Error = Infallible;

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        for global in section {
            self.parse_global(globals, global?)?;
        }
        self.add_global(globals);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error<Infallible>> {
        for export in section {
            self.parse_export(exports, export?)?;
        }
        self.add_export(exports);
        Ok(())
    }

    /// Adds the sections that the module does not have.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error<Infallible>> {
        let behind_exports = matches!(
            before,
            None | Some(
                SectionId::Start
                    | SectionId::Element
                    | SectionId::DataCount
                    | SectionId::Code
                    | SectionId::Data
            )
        );
        if !self.has_globals && (behind_exports || before == Some(SectionId::Export)) {
            let mut globals = GlobalSection::new();
            self.add_global(&mut globals);
            module.section(&globals);
        }
        if !self.has_exports && behind_exports {
            let mut exports = ExportSection::new();
            self.add_export(&mut exports);
            module.section(&exports);
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Infallible>> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        let mut reader = body.get_operators_reader()?;
        let mut since = 0;
        while !reader.eof() {
            let operator = reader.read()?;
            let number = opcodes::number(&operator);
            since += 1;
            if number.is_none_or(|number| self.flushes[number]) {
                function.instruction(&Instruction::GlobalGet(self.counter));
                function.instruction(&Instruction::I64Const(since));
                function.instruction(&Instruction::I64Add);
                function.instruction(&Instruction::GlobalSet(self.counter));
                since = 0;
            }
            let instruction = self.instruction(operator)?;
            function.instruction(&instruction);
        }
        code.function(&function);
        Ok(())
    }
}
