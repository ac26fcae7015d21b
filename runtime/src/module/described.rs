//! What a compiled file says of itself, for those who want to look at it without running it.
//! Must never load code, nor trust what the file says.

use super::{ModuleStats, serialize};
use crate::{ExportType, ExternType, ImportType, MemoryType, Result};
use craneway_jit::module::{ExternKind, Module as Declared};

/// Description of the bytes that [`Module::serialize`](crate::Module::serialize) returned.
///
/// Nothing of them can run through it, so reading one is safe wherever the bytes come from, and it
/// does not matter which settings, or which machine, they were compiled for.
#[derive(Clone, Debug)]
pub struct SerializedModule {
    settings: serialize::Key,
    contents: Option<SerializedContents>,
}

/// What the module declares, and its sizes.
#[derive(Clone, Debug)]
pub struct SerializedContents {
    module: Declared,
    stats: ModuleStats,
}

impl SerializedModule {
    /// Reads a description. All bytes are checked, as [`Module::deserialize`](crate::Module::deserialize)
    /// does it.
    ///
    /// # Errors
    /// When the bytes are no compiled module, of another version of the format, or damaged.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<SerializedModule> {
        let (settings, contents) = serialize::describe(bytes.as_ref())?;
        let contents = match contents {
            Some((module, stats)) => {
                crate::ensure!(
                    is_consistent(&module),
                    "the compiled module is damaged: its declarations contradict each other"
                );
                Some(SerializedContents { module, stats })
            }
            None => None,
        };
        Ok(SerializedModule { settings, contents })
    }

    /// Name and value of everything that an engine must have in common with the one that compiled it.
    pub fn settings(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.settings.iter().map(|s| (s.0.as_str(), s.1.as_str()))
    }

    /// What it contains; `None` if another version of this crate has written it.
    pub fn contents(&self) -> Option<&SerializedContents> {
        self.contents.as_ref()
    }
}

impl SerializedContents {
    /// The module's name, from its name section.
    pub fn name(&self) -> Option<&str> {
        self.module.name.as_deref()
    }

    /// Its imports in order.
    pub fn imports(&self) -> impl ExactSizeIterator<Item = ImportType<'_>> {
        self.module.imports.iter().map(|i| ImportType {
            module: &i.module,
            name: &i.name,
            ty: ExternType::of(&self.module, i.kind),
        })
    }

    /// Its exports in order.
    pub fn exports(&self) -> impl ExactSizeIterator<Item = ExportType<'_>> {
        self.module.exports.iter().map(|e| ExportType {
            name: &e.name,
            ty: ExternType::of(&self.module, e.kind),
        })
    }

    /// Types of all its memories, imported ones first.
    pub fn memories(&self) -> impl ExactSizeIterator<Item = MemoryType> {
        self.module
            .memories
            .iter()
            .map(|ty| MemoryType::from_wasm(*ty))
    }

    /// Its sizes.
    pub fn stats(&self) -> ModuleStats {
        self.stats
    }

    /// Names of the proposals beyond Wasm 1.0 that it uses, as far as was noticed.
    pub fn required_features(&self) -> impl ExactSizeIterator<Item = &str> {
        self.module.used_features.iter().map(String::as_str)
    }
}

/// Whether every index that a description follows leads somewhere, and sizes are sizes: the checksum
/// finds accidents only.
fn is_consistent(module: &Declared) -> bool {
    let within = |index: u32, length: usize| (index as usize) < length;
    let types = module.types.len();
    let kinds = module.imports.iter().map(|i| i.kind);
    let mut kinds = kinds.chain(module.exports.iter().map(|e| e.kind));
    module.functions.iter().all(|ty| within(*ty, types))
        && module.memories.iter().all(|ty| ty.page_size_log2 < 64)
        && module.tags.iter().all(|tag| within(tag.ty, types))
        && kinds.all(|kind| match kind {
            ExternKind::Func(i) => within(i, module.functions.len()),
            ExternKind::Table(i) => within(i, module.tables.len()),
            ExternKind::Memory(i) => within(i, module.memories.len()),
            ExternKind::Global(i) => within(i, module.globals.len()),
            ExternKind::Tag(i) => within(i, module.tags.len()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Engine, Module};

    const WAT: &str = r#"(module $named
        (import "env" "f" (func (param i32)))
        (memory (export "memory") 2 9) (data (i32.const 0) "hello")
        (func (export "g") (result i64) (i64.const 1)))"#;

    #[test]
    fn a_description_is_that_of_the_module_whatever_its_settings() {
        let other = Engine::new(Config::new().spectre_mitigations(false)).unwrap();
        let module = Module::new(&other, WAT).unwrap();
        let described = SerializedModule::new(module.serialize().unwrap()).unwrap();
        assert!(
            described
                .settings()
                .any(|s| s == ("Spectre mitigations", "false"))
        );
        let contents = described.contents().unwrap();
        assert_eq!(contents.name(), Some("named"));
        assert_eq!(contents.stats(), module.stats());
        assert_eq!(contents.stats().data_bytes, 5);
        let imports: Vec<_> = contents.imports().map(|i| i.ty().to_string()).collect();
        assert_eq!(imports, ["(func (param i32))"]);
        let exports: Vec<_> = contents.exports().map(|e| e.name().to_owned()).collect();
        assert_eq!(exports, ["memory", "g"]);
        assert_eq!(contents.memories().next().unwrap().maximum(), Some(9));
    }

    #[test]
    fn damage_is_an_error_and_indices_are_not_followed_blindly() {
        let engine = Engine::default();
        let good = Module::new(&engine, WAT).unwrap().serialize().unwrap();
        for length in [0, 7, 50, good.len() / 2, good.len() - 1] {
            assert!(SerializedModule::new(&good[..length]).is_err(), "{length}");
        }
        for at in (0..good.len()).step_by(101) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(SerializedModule::new(bad).is_err(), "{at}");
        }
        let (_, contents) = serialize::describe(&good).unwrap();
        let (module, _) = contents.unwrap();
        assert!(is_consistent(&module));
        for spoil in [
            (|m: &mut Declared| m.functions[0] = 77) as fn(&mut Declared),
            |m| m.exports[0].kind = ExternKind::Memory(1),
            |m| m.imports[0].kind = ExternKind::Tag(0),
            |m| m.memories[0].page_size_log2 = 64,
        ] {
            let mut bad = module.clone();
            spoil(&mut bad);
            assert!(!is_consistent(&bad));
        }
    }
}
