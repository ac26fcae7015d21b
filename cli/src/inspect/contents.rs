//! One pass over a binary module that collects what a report shows.
//! Must never know how it is shown.

use super::features::Features;
use super::types;
use wasmparser::{
    BinaryReaderError, CompositeInnerType, ConstExpr, DataKind, ElementItems, ElementKind,
    ExternalKind, FuncType, GlobalType, KnownCustom, MemoryType, Name, Parser, Payload, TableType,
    TypeRef,
};

type Result<T> = std::result::Result<T, BinaryReaderError>;

/// An import or export.
pub(crate) struct Item {
    /// The module that is imported from; empty for exports.
    pub(crate) module: String,
    /// The name.
    pub(crate) name: String,
    /// `func`, `memory`, `table`, `global` or `tag`.
    pub(crate) kind: &'static str,
    /// The type in the words of the text format.
    pub(crate) ty: String,
    /// The index among its kind.
    pub(crate) index: usize,
}

/// What a module contains.
#[derive(Default)]
pub(crate) struct Contents {
    /// Its own name, if it has one.
    pub(crate) name: Option<String>,
    /// Bytes of the binary format.
    pub(crate) bytes: usize,
    /// What it imports.
    pub(crate) imports: Vec<Item>,
    /// What it exports.
    pub(crate) exports: Vec<Item>,
    /// Types of all memories, imported ones first.
    pub(crate) memories: Vec<MemoryType>,
    /// Types of all tables, imported ones first.
    pub(crate) tables: Vec<TableType>,
    /// Types of all globals, imported ones first.
    pub(crate) globals: Vec<GlobalType>,
    /// Number of functions that it defines.
    pub(crate) functions: usize,
    /// Whether it has a start function.
    pub(crate) start: bool,
    /// Bytes of the code section.
    pub(crate) code_bytes: usize,
    /// Bytes of the largest function, and its index.
    pub(crate) largest: Option<(usize, usize)>,
    /// Bytes that data segments hold.
    pub(crate) data_bytes: usize,
    /// Number of data segments.
    pub(crate) data_segments: usize,
    /// Number of element segments.
    pub(crate) element_segments: usize,
    /// Names and sizes of custom sections.
    pub(crate) custom: Vec<(String, usize)>,
    /// The tools that made it, as they say themselves.
    pub(crate) producers: Vec<String>,
    /// The proposals that it uses.
    pub(crate) features: Features,
    /// Bodies seen so far.
    bodies: usize,
    types: Vec<Option<FuncType>>,
    func_types: Vec<u32>,
    tag_types: Vec<u32>,
}

impl Contents {
    /// Reads a binary module.
    pub(crate) fn read(binary: &[u8]) -> Result<Contents> {
        let mut contents = Contents {
            bytes: binary.len(),
            ..Contents::default()
        };
        for payload in Parser::new(0).parse_all(binary) {
            contents.payload(payload?)?;
        }
        contents
            .features
            .add_if(contents.memories.len() > 1, "multi-memory");
        contents
            .features
            .add_if(contents.tables.len() > 1, "reference-types");
        Ok(contents)
    }

    /// The number of imports of a kind.
    pub(crate) fn imported(&self, kind: &str) -> usize {
        self.imports.iter().filter(|item| item.kind == kind).count()
    }

    /// The names under which something is exported.
    pub(crate) fn exported_as(&self, kind: &str, index: usize) -> Vec<&str> {
        let same = |item: &&Item| item.kind == kind && item.index == index;
        self.exports
            .iter()
            .filter(same)
            .map(|item| item.name.as_str())
            .collect()
    }

    /// What `craneway run` would make of it.
    pub(crate) fn role(&self) -> &'static str {
        let exports = |name: &str| {
            self.exports
                .iter()
                .any(|item| item.kind == "func" && item.name == name)
        };
        match () {
            () if exports("_start") => "command",
            () if exports("_initialize") => "reactor",
            () => "library",
        }
    }

    fn payload(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group?.into_types() {
                        self.add_type(ty.composite_type.inner);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.add_import(import.module, import.name, import.ty);
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.func_types.push(ty?);
                    self.functions += 1;
                }
            }
            Payload::TableSection(section) => {
                for table in section {
                    let table = table?;
                    self.add_table(table.ty);
                }
            }
            Payload::MemorySection(section) => {
                for memory in section {
                    self.add_memory(memory?);
                }
            }
            Payload::TagSection(section) => {
                for tag in section {
                    self.tag_types.push(tag?.func_type_idx);
                    self.features.add("exceptions");
                }
            }
            Payload::GlobalSection(section) => {
                for global in section {
                    let global = global?;
                    self.add_global(global.ty);
                    self.const_expr(&global.init_expr)?;
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.add_export(export.name, export.kind, export.index as usize);
                }
            }
            Payload::StartSection { .. } => self.start = true,
            Payload::DataCountSection { .. } => self.features.add("bulk-memory"),
            _ => return self.segments_and_code(payload),
        }
        Ok(())
    }

    fn segments_and_code(&mut self, payload: Payload<'_>) -> Result<()> {
        match payload {
            Payload::ElementSection(section) => {
                for element in section {
                    let element = element?;
                    self.element_segments += 1;
                    match element.kind {
                        ElementKind::Active { offset_expr, .. } => self.const_expr(&offset_expr)?,
                        ElementKind::Passive => self.features.add("bulk-memory"),
                        ElementKind::Declared => self.features.add("reference-types"),
                    }
                    if let ElementItems::Expressions(ty, items) = element.items {
                        self.features.ref_type(ty);
                        for item in items {
                            self.const_expr(&item?)?;
                        }
                    }
                }
            }
            Payload::DataSection(section) => {
                for data in section {
                    let data = data?;
                    self.data_segments += 1;
                    self.data_bytes += data.data.len();
                    match data.kind {
                        DataKind::Active { offset_expr, .. } => self.const_expr(&offset_expr)?,
                        DataKind::Passive => self.features.add("bulk-memory"),
                    }
                }
            }
            Payload::CodeSectionStart { size, .. } => self.code_bytes = size as usize,
            Payload::CodeSectionEntry(body) => return self.function_body(&body),
            Payload::CustomSection(section) => {
                self.custom
                    .push((section.name().to_owned(), section.data().len()));
                self.known_custom(section.as_known());
            }
            _ => {}
        }
        Ok(())
    }

    fn function_body(&mut self, body: &wasmparser::FunctionBody<'_>) -> Result<()> {
        let size = body.as_bytes().len();
        let index = self.func_types.len() - self.functions + self.bodies;
        self.bodies += 1;
        if self.largest.is_none_or(|(largest, _)| size > largest) {
            self.largest = Some((size, index));
        }
        for local in body.get_locals_reader()? {
            self.features.val_type(local?.1);
        }
        for op in body.get_operators_reader()? {
            self.features.operator(&op?);
        }
        Ok(())
    }

    fn add_type(&mut self, ty: CompositeInnerType) {
        let func = match ty {
            CompositeInnerType::Func(ty) => Some(ty),
            _ => {
                self.features.add("gc");
                None
            }
        };
        if let Some(ty) = &func {
            for ty in ty.params().iter().chain(ty.results()) {
                self.features.val_type(*ty);
            }
            self.features.add_if(ty.results().len() > 1, "multi-value");
        }
        self.types.push(func);
    }

    fn add_import(&mut self, module: &str, name: &str, ty: TypeRef) {
        let (kind, ty, index) = match ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                self.func_types.push(ty);
                (
                    "func",
                    types::func(self.func_type(ty)),
                    self.func_types.len() - 1,
                )
            }
            TypeRef::Table(ty) => {
                self.add_table(ty);
                ("table", types::table(&ty), self.tables.len() - 1)
            }
            TypeRef::Memory(ty) => {
                self.add_memory(ty);
                ("memory", types::memory(&ty), self.memories.len() - 1)
            }
            TypeRef::Global(ty) => {
                self.add_global(ty);
                self.features.add_if(ty.mutable, "mutable-global");
                ("global", types::global(&ty), self.globals.len() - 1)
            }
            TypeRef::Tag(ty) => {
                self.features.add("exceptions");
                self.tag_types.push(ty.func_type_idx);
                (
                    "tag",
                    types::tag(self.func_type(ty.func_type_idx)),
                    self.tag_types.len() - 1,
                )
            }
        };
        self.imports.push(Item {
            module: module.to_owned(),
            name: name.to_owned(),
            kind,
            ty,
            index,
        });
    }

    fn add_export(&mut self, name: &str, kind: ExternalKind, index: usize) {
        let unknown = || "of an index that does not exist".to_owned();
        let (kind, ty) = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => (
                "func",
                types::func(
                    self.func_types
                        .get(index)
                        .and_then(|ty| self.func_type(*ty)),
                ),
            ),
            ExternalKind::Table => (
                "table",
                self.tables.get(index).map_or_else(unknown, types::table),
            ),
            ExternalKind::Memory => (
                "memory",
                self.memories.get(index).map_or_else(unknown, types::memory),
            ),
            ExternalKind::Global => {
                let mutable = self.globals.get(index).is_some_and(|ty| ty.mutable);
                self.features.add_if(mutable, "mutable-global");
                (
                    "global",
                    self.globals.get(index).map_or_else(unknown, types::global),
                )
            }
            ExternalKind::Tag => (
                "tag",
                types::tag(self.tag_types.get(index).and_then(|ty| self.func_type(*ty))),
            ),
        };
        self.exports.push(Item {
            module: String::new(),
            name: name.to_owned(),
            kind,
            ty,
            index,
        });
    }

    fn add_memory(&mut self, ty: MemoryType) {
        self.features.add_if(ty.memory64, "memory64");
        self.features.add_if(ty.shared, "threads");
        self.features
            .add_if(ty.page_size_log2.is_some(), "custom-page-sizes");
        self.memories.push(ty);
    }

    fn add_table(&mut self, ty: TableType) {
        self.features.add_if(ty.table64, "memory64");
        self.features.ref_type(ty.element_type);
        self.tables.push(ty);
    }

    fn add_global(&mut self, ty: GlobalType) {
        self.features.val_type(ty.content_type);
        self.globals.push(ty);
    }

    fn const_expr(&mut self, expr: &ConstExpr<'_>) -> Result<()> {
        for op in expr.get_operators_reader() {
            self.features.const_operator(&op?);
        }
        Ok(())
    }

    /// Custom sections are hints: one that is damaged is left out.
    fn known_custom(&mut self, custom: KnownCustom<'_>) {
        match custom {
            KnownCustom::Name(names) => {
                for name in names.into_iter().map_while(Result::ok) {
                    if let Name::Module { name, .. } = name {
                        self.name = Some(name.to_owned());
                    }
                }
            }
            KnownCustom::Producers(fields) => {
                for field in fields.into_iter().map_while(Result::ok) {
                    for value in field.values.into_iter().map_while(Result::ok) {
                        self.producers.push(
                            format!("{} {}", value.name, value.version)
                                .trim_end()
                                .to_owned(),
                        );
                    }
                }
            }
            _ => {}
        }
    }

    fn func_type(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)?.as_ref()
    }
}
