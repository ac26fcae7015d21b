//! Reads a binary into a [`Module`] and its function bodies, validating every section on the way.
//!
//! Function bodies are only outlined here; each is validated when it is translated. It must never
//! know how code is generated.

use super::convert::{self, unsupported};
use super::{
    BranchHints, ConstOp, DataSegment, ElementItems, ElementSegment, Export, ExternKind, Global,
    Import, Module, SegmentMode, Table, TagType, hints, names, scan,
};
use crate::error::{CompileError, CompileErrorKind};
use crate::settings::{Features, Settings};
use wasmparser::{
    CompositeInnerType, DataKind, ElementKind, Encoding, ExternalKind, FuncToValidate,
    FuncValidator, FuncValidatorAllocations, KnownCustom, Parser, Payload, TableInit, TypeRef,
    ValidPayload, Validator, ValidatorResources, WasmFeatures,
};

/// A function body that is still to be validated.
pub(crate) struct FunctionBody<'a> {
    /// What validates it.
    pub(crate) to_validate: FuncToValidate<ValidatorResources>,
    /// Its bytes.
    pub(crate) body: wasmparser::FunctionBody<'a>,
}

impl FunctionBody<'_> {
    /// A validator at the start of the body.
    pub(crate) fn validator(
        &self,
        allocations: FuncValidatorAllocations,
    ) -> FuncValidator<ValidatorResources> {
        let from = &self.to_validate;
        let to_validate = FuncToValidate {
            resources: from.resources.clone(),
            index: from.index,
            ty: from.ty,
            features: from.features,
        };
        to_validate.into_validator(allocations)
    }
}

/// A module whose sections are valid, and its bodies, which are still to be.
pub(crate) struct ParsedModule<'a> {
    /// What it declares.
    pub(crate) module: Module,
    /// The bodies of the defined functions in order.
    pub(crate) bodies: Vec<FunctionBody<'a>>,
    /// What it says of its branches.
    pub(crate) hints: BranchHints,
}

/// The validator's features for ours.
fn wasm_features(features: &Features) -> WasmFeatures {
    let pairs = [
        (features.mutable_global, WasmFeatures::MUTABLE_GLOBAL),
        (features.sign_extension, WasmFeatures::SIGN_EXTENSION),
        (
            features.saturating_float_to_int,
            WasmFeatures::SATURATING_FLOAT_TO_INT,
        ),
        (features.multi_value, WasmFeatures::MULTI_VALUE),
        (features.bulk_memory, WasmFeatures::BULK_MEMORY),
        (features.reference_types, WasmFeatures::REFERENCE_TYPES),
        (features.simd, WasmFeatures::SIMD),
        (features.extended_const, WasmFeatures::EXTENDED_CONST),
        (features.multi_memory, WasmFeatures::MULTI_MEMORY),
        (features.tail_call, WasmFeatures::TAIL_CALL),
        (features.memory64, WasmFeatures::MEMORY64),
        (features.exceptions, WasmFeatures::EXCEPTIONS),
        (features.threads, WasmFeatures::THREADS),
    ];
    let mut all = WasmFeatures::MVP;
    for (on, feature) in pairs {
        all.set(feature, on);
    }
    all
}

fn malformed(e: wasmparser::BinaryReaderError) -> CompileError {
    CompileError::from_parser(&e, CompileErrorKind::Malformed)
}

fn invalid(e: wasmparser::BinaryReaderError) -> CompileError {
    CompileError::from_parser(&e, CompileErrorKind::Invalid)
}

/// Reads and validates everything but the bodies.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn parse<'a>(
    wasm: &'a [u8],
    settings: &Settings,
) -> Result<ParsedModule<'a>, CompileError> {
    let features = wasm_features(&settings.features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    let mut reader = Reader {
        settings,
        module: Module::default(),
        bodies: Vec::new(),
        hints: None,
    };
    for payload in parser.parse_all(wasm) {
        let payload = payload.map_err(malformed)?;
        if let Payload::Version {
            encoding: Encoding::Component,
            ..
        } = payload
        {
            return Err(unsupported(
                "this is a component, not a core module; craneway runs core modules",
                0,
            ));
        }
        match validator.payload(&payload).map_err(invalid)? {
            ValidPayload::Func(to_validate, body) => {
                reader.module.code_bytes += body.as_bytes().len() as u64;
                reader.bodies.push(FunctionBody { to_validate, body });
            }
            ValidPayload::Ok | ValidPayload::End(_) | ValidPayload::Parser(_) => {
                reader.section(payload)?
            }
        }
    }
    let Reader {
        mut module,
        bodies,
        hints,
        ..
    } = reader;
    mark_escaping(&mut module);
    let plain: Vec<_> = bodies.iter().map(|b| b.body.clone()).collect();
    scan::mark_written_tables(&mut module, &plain, settings.parallel);
    let hints = BranchHints::new(&hints.unwrap_or_default(), &module, &bodies);
    Ok(ParsedModule {
        module,
        bodies,
        hints,
    })
}

struct Reader<'a, 's> {
    settings: &'s Settings,
    module: Module,
    bodies: Vec<FunctionBody<'a>>,
    /// Hints as read, once a section of them was.
    hints: Option<Vec<(u32, u32, bool)>>,
}

impl Reader<'_, '_> {
    /// Takes a section that the validator has accepted.
    fn section(&mut self, payload: Payload<'_>) -> Result<(), CompileError> {
        match payload {
            Payload::TypeSection(reader) => self.types(reader),
            Payload::ImportSection(reader) => self.imports(reader),
            Payload::FunctionSection(reader) => {
                for ty in reader {
                    self.module.functions.push(ty.map_err(malformed)?);
                }
                Ok(())
            }
            Payload::TableSection(reader) => self.tables(reader),
            Payload::MemorySection(reader) => {
                for ty in reader {
                    self.module
                        .memories
                        .push(convert::memory_type(&ty.map_err(malformed)?));
                }
                Ok(())
            }
            Payload::TagSection(reader) => {
                for tag in reader {
                    self.module.tags.push(TagType {
                        ty: tag.map_err(malformed)?.func_type_idx,
                    });
                }
                Ok(())
            }
            Payload::GlobalSection(reader) => self.globals(reader),
            Payload::ExportSection(reader) => self.exports(reader),
            Payload::StartSection { func, .. } => {
                self.module.start = Some(func);
                Ok(())
            }
            Payload::ElementSection(reader) => self.elements(reader),
            Payload::DataSection(reader) => self.data(reader),
            Payload::CodeSectionStart {
                unchecked_range, ..
            } => {
                self.module.code_section_offset = unchecked_range.start;
                Ok(())
            }
            Payload::CustomSection(section) => {
                match section.as_known() {
                    KnownCustom::Name(reader) => names::read(&mut self.module, reader),
                    KnownCustom::BranchHints(reader) if self.hints.is_none() => {
                        self.hints = hints::read(reader);
                    }
                    _ if self.settings.debug_info && section.name().starts_with(".debug_") => {
                        self.module
                            .debug_sections
                            .push((section.name().to_string(), section.data().to_vec()));
                    }
                    _ => {}
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn types(&mut self, reader: wasmparser::TypeSectionReader<'_>) -> Result<(), CompileError> {
        for group in reader.into_iter_with_offsets() {
            let (offset, group) = group.map_err(malformed)?;
            for ty in group.into_types() {
                let CompositeInnerType::Func(ty) = &ty.composite_type.inner else {
                    return Err(unsupported("only function types are implemented", offset));
                };
                self.module.types.push(convert::func_type(ty, offset)?);
            }
        }
        Ok(())
    }

    fn imports(&mut self, reader: wasmparser::ImportSectionReader<'_>) -> Result<(), CompileError> {
        let module = &mut self.module;
        for import in reader.into_imports_with_offsets() {
            let (offset, import) = import.map_err(malformed)?;
            let kind = match import.ty {
                TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                    module.functions.push(ty);
                    module.imported_functions += 1;
                    ExternKind::Func(module.imported_functions - 1)
                }
                TypeRef::Table(ty) => {
                    let ty = convert::table_type(&ty, offset)?;
                    module.tables.push(Table {
                        ty,
                        init: None,
                        written: false,
                    });
                    module.imported_tables += 1;
                    ExternKind::Table(module.imported_tables - 1)
                }
                TypeRef::Memory(ty) => {
                    module.memories.push(convert::memory_type(&ty));
                    module.imported_memories += 1;
                    ExternKind::Memory(module.imported_memories - 1)
                }
                TypeRef::Global(ty) => {
                    module.globals.push(Global {
                        ty: convert::global_type(&ty, offset)?,
                        init: None,
                    });
                    module.imported_globals += 1;
                    ExternKind::Global(module.imported_globals - 1)
                }
                TypeRef::Tag(ty) => {
                    module.tags.push(TagType {
                        ty: ty.func_type_idx,
                    });
                    module.imported_tags += 1;
                    ExternKind::Tag(module.imported_tags - 1)
                }
            };
            module.imports.push(Import {
                module: import.module.to_string(),
                name: import.name.to_string(),
                kind,
            });
        }
        Ok(())
    }

    fn tables(&mut self, reader: wasmparser::TableSectionReader<'_>) -> Result<(), CompileError> {
        for table in reader.into_iter_with_offsets() {
            let (offset, table) = table.map_err(malformed)?;
            let init = match &table.init {
                TableInit::RefNull => None,
                TableInit::Expr(expr) => Some(convert::const_expr(expr)?),
            };
            let ty = convert::table_type(&table.ty, offset)?;
            self.module.tables.push(Table {
                ty,
                init,
                written: false,
            });
        }
        Ok(())
    }

    fn globals(&mut self, reader: wasmparser::GlobalSectionReader<'_>) -> Result<(), CompileError> {
        for global in reader.into_iter_with_offsets() {
            let (offset, global) = global.map_err(malformed)?;
            let init = Some(convert::const_expr(&global.init_expr)?);
            self.module.globals.push(Global {
                ty: convert::global_type(&global.ty, offset)?,
                init,
            });
        }
        Ok(())
    }

    fn exports(&mut self, reader: wasmparser::ExportSectionReader<'_>) -> Result<(), CompileError> {
        for export in reader {
            let export = export.map_err(malformed)?;
            let kind = match export.kind {
                ExternalKind::Func | ExternalKind::FuncExact => ExternKind::Func(export.index),
                ExternalKind::Table => ExternKind::Table(export.index),
                ExternalKind::Memory => ExternKind::Memory(export.index),
                ExternalKind::Global => ExternKind::Global(export.index),
                ExternalKind::Tag => ExternKind::Tag(export.index),
            };
            self.module.exports.push(Export {
                name: export.name.to_string(),
                kind,
            });
        }
        Ok(())
    }

    fn elements(
        &mut self,
        reader: wasmparser::ElementSectionReader<'_>,
    ) -> Result<(), CompileError> {
        for segment in reader.into_iter_with_offsets() {
            let (offset, segment) = segment.map_err(malformed)?;
            let mode = match &segment.kind {
                ElementKind::Passive => SegmentMode::Passive,
                ElementKind::Declared => SegmentMode::Declared,
                ElementKind::Active {
                    table_index,
                    offset_expr,
                } => SegmentMode::Active {
                    index: table_index.unwrap_or(0),
                    offset: convert::const_expr(offset_expr)?,
                },
            };
            let (ty, items) = match segment.items {
                wasmparser::ElementItems::Functions(functions) => {
                    let functions = functions
                        .into_iter()
                        .collect::<Result<Vec<u32>, _>>()
                        .map_err(malformed)?;
                    (super::RefType::FUNCREF, ElementItems::Functions(functions))
                }
                wasmparser::ElementItems::Expressions(ty, exprs) => {
                    let mut items = Vec::new();
                    for expr in exprs {
                        items.push(convert::const_expr(&expr.map_err(malformed)?)?);
                    }
                    (
                        convert::ref_type(ty, offset)?,
                        ElementItems::Expressions(items),
                    )
                }
            };
            self.module
                .elements
                .push(ElementSegment { mode, ty, items });
        }
        Ok(())
    }

    fn data(&mut self, reader: wasmparser::DataSectionReader<'_>) -> Result<(), CompileError> {
        for segment in reader {
            let segment = segment.map_err(malformed)?;
            let mode = match &segment.kind {
                DataKind::Passive => SegmentMode::Passive,
                DataKind::Active {
                    memory_index,
                    offset_expr,
                } => SegmentMode::Active {
                    index: *memory_index,
                    offset: convert::const_expr(offset_expr)?,
                },
            };
            let start = self.module.data.len();
            self.module.data.extend_from_slice(segment.data);
            let end = u32::try_from(self.module.data.len()).map_err(|_| {
                CompileError::new(
                    CompileErrorKind::Limit,
                    "the data segments hold more than 4 GiB together",
                )
            })?;
            self.module.data_segments.push(DataSegment {
                mode,
                range: (start as u32, end),
            });
        }
        Ok(())
    }
}

/// Sets which functions may be referenced: exported ones, and those in segments and initialisers
/// (`ref.func` in a body is valid only for a function that one of these names).
fn mark_escaping(module: &mut Module) {
    let mut escaping = vec![false; module.functions.len()];
    let mut mark = |function: u32| {
        if let Some(flag) = escaping.get_mut(function as usize) {
            *flag = true;
        }
    };
    for export in &module.exports {
        if let ExternKind::Func(function) = export.kind {
            mark(function);
        }
    }
    let mut exprs = Vec::new();
    exprs.extend(module.globals.iter().filter_map(|g| g.init.as_ref()));
    exprs.extend(module.tables.iter().filter_map(|t| t.init.as_ref()));
    for segment in &module.elements {
        match &segment.items {
            ElementItems::Functions(functions) => functions.iter().copied().for_each(&mut mark),
            ElementItems::Expressions(list) => exprs.extend(list),
        }
    }
    for op in exprs.into_iter().flat_map(|e| &e.0) {
        if let ConstOp::RefFunc(function) = op {
            mark(*function);
        }
    }
    module.escaping = escaping;
}
