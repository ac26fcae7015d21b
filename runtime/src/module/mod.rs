//! Modules: compiled code with everything that is declared, ready to be instantiated in any store.

mod described;
mod serialize;

pub use described::{SerializedContents, SerializedModule};
pub(crate) use serialize::is_serialized;

use crate::vm::{FileMap, LoadedModule, Parts};
use crate::{Context, Engine, ExportType, ExternType, ImportType, Result};
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// A compiled module. Cheap to clone; clones share the code.
#[derive(Clone, Debug)]
pub struct Module {
    engine: Engine,
    loaded: Arc<LoadedModule>,
}

/// Sizes of a compiled module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleStats {
    /// Defined functions.
    pub functions: usize,
    /// Bytes of wasm function bodies.
    pub wasm_code_bytes: u64,
    /// Bytes of machine code.
    pub text_bytes: usize,
    /// Bytes of data segments.
    pub data_bytes: usize,
    /// Bytes of an instance's fields.
    pub field_bytes: usize,
}

impl Module {
    /// Compiles a module from its binary or text format, told apart by content.
    ///
    /// # Errors
    /// What is wrong with the module, with function and offset where there are any.
    pub fn new(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        let wasm = to_binary(bytes.as_ref())?;
        Module::from_binary(engine, &wasm)
    }

    /// As [`Module::new`], for a module in the binary format.
    ///
    /// # Errors
    /// As [`Module::new`].
    pub fn from_binary(engine: &Engine, wasm: &[u8]) -> Result<Module> {
        let span = tracing::info_span!(target: "craneway", "compile", bytes = wasm.len());
        let compiled = span.in_scope(|| engine.compiler().compile(wasm))?;
        Ok(Module::load(engine, Parts::new(compiled)?))
    }

    /// As [`Module::new`], from a file.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`Module::new`].
    pub fn from_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Module::new(engine, bytes).with_context(|| format!("cannot compile {}", path.display()))
    }

    fn load(engine: &Engine, parts: Parts) -> Module {
        Module {
            engine: engine.clone(),
            loaded: LoadedModule::new(parts, engine.signatures()),
        }
    }

    /// Parses and validates a binary module without compiling it.
    ///
    /// # Errors
    /// What is wrong with the module.
    pub fn validate(engine: &Engine, wasm: &[u8]) -> Result<()> {
        Ok(engine.compiler().validate(wasm)?)
    }

    /// The compiled module as bytes for [`Module::deserialize`], now or in another process.
    ///
    /// # Errors
    /// When it is too large for the format.
    pub fn serialize(&self) -> Result<Vec<u8>> {
        serialize::write(&self.engine, &self.loaded)
    }

    /// Loads what [`Module::serialize`] wrote. All of the bytes are checked and then copied;
    /// [`Module::deserialize_file`] does neither.
    ///
    /// # Errors
    /// When the bytes are damaged, or were written with other settings: the error names the one.
    ///
    /// # Safety
    /// The bytes hold machine code that will run: they must come from `serialize`, unchanged.
    pub unsafe fn deserialize(engine: &Engine, bytes: impl AsRef<[u8]>) -> Result<Module> {
        let parts = serialize::read(engine, bytes.as_ref())?;
        Ok(Module::load(engine, parts))
    }

    /// Maps a file that holds what [`Module::serialize`] returned, and runs from the mapping: only the
    /// pages that are used are ever read, and processes that run the same file share them.
    ///
    /// The file's header, settings, metadata and length are checked. Code and data are not read, so
    /// damage to them is not noticed; `deserialize` of the same bytes would notice it.
    ///
    /// # Errors
    /// When the file cannot be read, is cut short or damaged in what is checked, or was written with
    /// other settings: the error names the one.
    ///
    /// # Safety
    /// The file holds machine code that will run: it must hold exactly what `serialize` returned. And
    /// as long as the module, its clones and its instances live, nobody may change or truncate the
    /// file. To replace it, write another file and rename it over the first, which then stays as it
    /// was. A change in place is undefined behaviour; where the file was cut off, the process aborts.
    pub unsafe fn deserialize_file(engine: &Engine, path: impl AsRef<Path>) -> Result<Module> {
        let path = path.as_ref();
        let open = || -> Result<Parts> {
            let mut file = std::fs::File::open(path)?;
            let about = file.metadata()?;
            if about.is_file() && about.len() > 0 {
                // SAFETY: the caller's promise about the file.
                serialize::map(engine, unsafe { FileMap::new(file)? })
            } else {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                serialize::read(engine, &bytes)
            }
        };
        let parts = open().with_context(|| format!("cannot load {}", path.display()))?;
        Ok(Module::load(engine, parts))
    }

    /// The module's name, from its name section.
    pub fn name(&self) -> Option<&str> {
        self.loaded.module().name.as_deref()
    }

    /// The engine that compiled it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Its imports in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        let module = self.loaded.module();
        module.imports.iter().map(|i| ImportType {
            module: &i.module,
            name: &i.name,
            ty: ExternType::of(module, i.kind),
        })
    }

    /// Its exports in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        let module = self.loaded.module();
        module.exports.iter().map(|e| ExportType {
            name: &e.name,
            ty: ExternType::of(module, e.kind),
        })
    }

    /// The type of the export `name`.
    pub fn get_export(&self, name: &str) -> Option<ExternType> {
        self.loaded
            .export(name)
            .map(|kind| ExternType::of(self.loaded.module(), kind))
    }

    /// Its sizes.
    pub fn stats(&self) -> ModuleStats {
        let (loaded, module) = (&self.loaded, self.loaded.module());
        ModuleStats {
            functions: loaded.image().functions(),
            wasm_code_bytes: module.code_bytes,
            text_bytes: loaded.text().len(),
            data_bytes: loaded.data_bytes() as usize,
            field_bytes: loaded.layout().field_bytes() as usize,
        }
    }

    /// Names of the proposals beyond Wasm 1.0 that it uses, as far as was noticed.
    pub fn required_features(&self) -> Vec<&str> {
        self.loaded
            .module()
            .used_features
            .iter()
            .map(String::as_str)
            .collect()
    }

    pub(crate) fn loaded(&self) -> &Arc<LoadedModule> {
        &self.loaded
    }
}

/// The binary format of `bytes`, which may be text.
fn to_binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if bytes.starts_with(b"\0asm") {
        return Ok(Cow::Borrowed(bytes));
    }
    crate::ensure!(!bytes.is_empty(), "the module is empty: 0 bytes");
    crate::ensure!(
        !is_serialized(bytes),
        "this is a module that was compiled before, not WebAssembly: load it with `Module::deserialize`"
    );
    crate::ensure!(
        std::str::from_utf8(bytes).is_ok(),
        "not WebAssembly: the magic bytes `\\0asm` are missing, and it is no text either"
    );
    Ok(wat::parse_bytes(bytes)?)
}
