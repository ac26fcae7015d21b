//! An engine: one choice of settings, its compiler and its signature ids; shared by many stores.
//! It must never know modules' instances.

use crate::vm::Signatures;
use crate::{Config, Module, Result};
use craneway_jit::{Compiler, Settings};
use std::sync::Arc;

/// What a file of compiled code holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precompiled {
    /// A compiled module, for [`Module::deserialize`].
    Module,
}

/// Compiles modules and is the home of stores. Cheap to clone; clones are the same engine.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    compiler: Compiler,
    signatures: Arc<Signatures>,
}

impl Engine {
    /// An engine of this configuration.
    ///
    /// # Errors
    /// When the machine lacks what the code generator needs, or the wasm stack is too large.
    pub fn new(config: &Config) -> Result<Engine> {
        crate::ensure!(
            config.stack_bytes <= crate::vm::MAX_STACK_BYTES,
            "max_wasm_stack is {} bytes; at most {} are possible",
            config.stack_bytes,
            crate::vm::MAX_STACK_BYTES
        );
        let settings = Settings {
            page_size: crate::vm::page_size() as u32,
            ..config.settings
        };
        let compiler = Compiler::new(settings)?;
        let inner = Inner {
            config: config.clone(),
            compiler,
            signatures: Arc::default(),
        };
        Ok(Engine {
            inner: Arc::new(inner),
        })
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Compiles a module to bytes for [`Module::deserialize`]. Text or binary, told by content.
    ///
    /// # Errors
    /// What is wrong with the module.
    pub fn precompile_module(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        Module::new(self, bytes)?.serialize()
    }

    /// What sort of precompiled bytes these are, if they are any.
    pub fn detect_precompiled(bytes: &[u8]) -> Option<Precompiled> {
        crate::module::is_serialized(bytes).then_some(Precompiled::Module)
    }

    /// Target and CPU features that this engine compiles for, as one line.
    pub fn target(&self) -> String {
        self.compiler().target_description()
    }

    /// Whether both are the same engine.
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.inner, &b.inner)
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.inner.compiler
    }

    pub(crate) fn signatures(&self) -> &Arc<Signatures> {
        &self.inner.signatures
    }
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new(&Config::new())
            .unwrap_or_else(|e| panic!("this machine cannot run compiled code: {e:#}"))
    }
}
