//! Modules: compiled code with what it imports and exports.
//! This folder must never know stores or instances.

mod dwarf;
pub(crate) mod serialize;
pub(crate) mod text;

pub(crate) use dwarf::Location;

use crate::types::{ExportType, ExternType, ImportType};
use crate::vm::LoadedModule;
use crate::{Context as _, Engine, Result};
use craneway_jit::CompiledModule;
use craneway_jit::module::ExternKind;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// A compiled module. Cloning it is cheap; it can be instantiated any number of times, in any store
/// of its engine, on any thread.
///
/// ```
/// use craneway::{Engine, Module};
/// let engine = Engine::default();
/// let module = Module::new(&engine, r#"(module (import "host" "log" (func (param i32))))"#)?;
/// let import = module.imports().next().unwrap();
/// assert_eq!((import.module(), import.name()), ("host", "log"));
/// assert_eq!(import.ty().to_string(), "(func (param i32))");
/// # craneway::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Module {
    inner: Arc<ModuleInner>,
}

struct ModuleInner {
    engine: Engine,
    loaded: Arc<LoadedModule>,
    /// Positions in the list of exports, by name.
    exports: HashMap<String, usize>,
    dwarf: OnceLock<Option<dwarf::Lines>>,
}

/// How large a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleStats {
    /// Functions that it defines.
    pub functions: usize,
    /// Functions that it imports.
    pub imported_functions: usize,
    /// Bytes of its code section.
    pub wasm_code_bytes: u64,
    /// Bytes of machine code.
    pub text_bytes: usize,
    /// Bytes of its data segments.
    pub data_bytes: usize,
    /// Pages that its own memories start with.
    pub memory_pages: u64,
    /// Elements that its own tables start with.
    pub table_elements: u64,
}

/// What an instance of a module needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcesRequired {
    /// Memories that it defines.
    pub num_memories: u32,
    /// Pages of the largest of them at the start.
    pub max_initial_memory_size: Option<u64>,
    /// Tables that it defines.
    pub num_tables: u32,
    /// Elements of the largest of them at the start.
    pub max_initial_table_size: Option<u64>,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Compiles a module given in the binary or the text format; the content tells which.
    ///
    /// # Errors
    /// A [`CompileError`](crate::CompileError) that says what is wrong with it and where.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        Module::from_binary(engine, &text::to_binary(bytes.as_ref())?)
    }

    /// Compiles a module given in the binary format.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_binary(engine: &Engine, binary: &[u8]) -> Result<Module> {
        Module::load(engine, engine.compile(binary)?)
    }

    /// Compiles the module in a file, binary or text.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`Module::new`].
    pub fn from_file(engine: &Engine, file: impl AsRef<Path>) -> Result<Module> {
        let file = file.as_ref();
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        Module::new(engine, bytes).with_context(|| format!("in {}", file.display()))
    }

    /// Checks a module, binary or text, without compiling it.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn validate(engine: &Engine, bytes: &[u8]) -> Result<()> {
        Ok(engine.compiler().validate(&text::to_binary(bytes)?)?)
    }

    /// The compiled module as bytes, for [`Module::deserialize`].
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        serialize::write(&self.inner.engine, self.compiled())
    }

    /// Takes a module that was compiled before, by [`Module::serialize`] or
    /// [`Engine::precompile_module`].
    ///
    /// # Errors
    /// When the bytes are damaged, or were made by another version, on another machine or with
    /// another configuration; the error names the difference.
    ///
    /// # Safety
    /// The bytes hold machine code that is run as it is. They must come from this crate, and
    /// nobody else may have been able to change them: the checks find accidents, not attacks.
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        let bytes = bytes.as_ref();
        let _span =
            tracing::debug_span!(target: "craneway", "deserialize", bytes = bytes.len()).entered();
        Module::load(engine, serialize::read(engine, bytes)?)
    }

    /// As [`Module::deserialize`], from a file.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`Module::deserialize`].
    ///
    /// # Safety
    /// As [`Module::deserialize`].
    pub unsafe fn deserialize_file(engine: &Engine, file: impl AsRef<Path>) -> Result<Module> {
        let file = file.as_ref();
        let bytes =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        // SAFETY: the caller vouches for the file's content.
        unsafe { Module::deserialize(engine, bytes) }
            .with_context(|| format!("in {}", file.display()))
    }

    fn load(engine: &Engine, compiled: CompiledModule) -> Result<Module> {
        let loaded = LoadedModule::new(compiled, engine.signatures())?;
        Ok(Module::from_loaded(engine, loaded))
    }

    pub(crate) fn from_loaded(engine: &Engine, loaded: Arc<LoadedModule>) -> Module {
        let names = loaded.module().exports.iter().enumerate();
        let exports = names
            .map(|(at, export)| (export.name.clone(), at))
            .collect();
        let inner = ModuleInner {
            engine: engine.clone(),
            loaded,
            exports,
            dwarf: OnceLock::new(),
        };
        Module {
            inner: Arc::new(inner),
        }
    }

    pub(crate) fn loaded(&self) -> &Arc<LoadedModule> {
        &self.inner.loaded
    }

    pub(crate) fn compiled(&self) -> &CompiledModule {
        self.inner.loaded.compiled()
    }

    fn declared(&self) -> &craneway_jit::module::Module {
        self.inner.loaded.module()
    }

    /// The exported item called `name`.
    pub(crate) fn export_kind(&self, name: &str) -> Option<ExternKind> {
        let at = *self.inner.exports.get(name)?;
        Some(self.declared().exports[at].kind)
    }

    /// File, line and function names of an offset in the wasm binary, innermost inlined frame first.
    pub(crate) fn source_locations(&self, offset: u32) -> Vec<Location> {
        let lines = self
            .inner
            .dwarf
            .get_or_init(|| dwarf::Lines::new(self.declared()));
        lines
            .as_ref()
            .map_or_else(Vec::new, |lines| lines.find(offset))
    }

    /// The engine it was compiled by.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Whether both are the same compiled module (clones of each other).
    pub fn same(a: &Module, b: &Module) -> bool {
        Arc::ptr_eq(&a.inner.loaded, &b.inner.loaded)
    }

    /// Its name, if the binary has one for it.
    pub fn name(&self) -> Option<&str> {
        self.declared().name.as_deref()
    }

    /// What it imports, in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> + '_ {
        let declared = self.declared();
        declared.imports.iter().map(move |import| ImportType {
            module: &import.module,
            name: &import.name,
            ty: ExternType::of(declared, import.kind),
        })
    }

    /// What it exports, in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> + '_ {
        let declared = self.declared();
        declared.exports.iter().map(move |export| ExportType {
            name: &export.name,
            ty: ExternType::of(declared, export.kind),
        })
    }

    /// The type of the export called `name`.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        Some(ExternType::of(self.declared(), self.export_kind(name)?))
    }

    /// Names of the proposals beyond WebAssembly 1.0 that it uses.
    pub fn required_features(&self) -> Vec<&str> {
        self.declared()
            .used_features
            .iter()
            .map(String::as_str)
            .collect()
    }

    /// How large it is.
    pub fn stats(&self) -> ModuleStats {
        let (module, image) = (self.declared(), &self.compiled().image);
        let own_memories = &module.memories[module.imported_memories as usize..];
        let own_tables = &module.tables[module.imported_tables as usize..];
        ModuleStats {
            functions: image.functions.len(),
            imported_functions: module.imported_functions as usize,
            wasm_code_bytes: module.code_bytes,
            text_bytes: image.text.len(),
            data_bytes: module.data.len(),
            memory_pages: own_memories
                .iter()
                .map(|m| m.limits.min)
                .fold(0, u64::saturating_add),
            table_elements: own_tables
                .iter()
                .map(|t| t.ty.limits.min)
                .fold(0, u64::saturating_add),
        }
    }

    /// What an instance of it needs.
    pub fn resources_required(&self) -> ResourcesRequired {
        let module = self.declared();
        let own_memories = &module.memories[module.imported_memories as usize..];
        let own_tables = &module.tables[module.imported_tables as usize..];
        ResourcesRequired {
            num_memories: own_memories.len() as u32,
            max_initial_memory_size: own_memories.iter().map(|m| m.limits.min).max(),
            num_tables: own_tables.len() as u32,
            max_initial_table_size: own_tables.iter().map(|t| t.ty.limits.min).max(),
        }
    }
}
