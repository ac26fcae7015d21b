//! The engine: one configuration, one compiler, one numbering of function types.
//! It must never know stores or instances.

use crate::config::Config;
use crate::module::serialize;
use crate::vm::{self, Signatures};
use crate::{Context as _, Result};
use craneway_jit::Compiler;
use std::sync::Arc;

/// Compiles modules and is the common ground of the stores that run them. Cloning it is cheap.
///
/// ```
/// let engine = craneway::Engine::default();
/// let wasm = br#"(module (func (export "answer") (result i32) i32.const 42))"#;
/// let module = craneway::Module::new(&engine, wasm)?;
/// assert_eq!(module.exports().len(), 1);
/// # craneway::Result::Ok(())
/// ```
#[derive(Clone)]
pub struct Engine {
    inner: Arc<EngineInner>,
}

struct EngineInner {
    config: Config,
    compiler: Compiler,
    signatures: Arc<Signatures>,
}

/// What precompiled bytes hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precompiled {
    /// A module.
    Module,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("config", &self.inner.config)
            .finish()
    }
}

impl Default for Engine {
    /// An engine with [`Config::new`].
    ///
    /// # Panics
    /// On a machine that the compiler cannot generate code for; [`Engine::new`] reports that as an error.
    fn default() -> Engine {
        match Engine::new(&Config::new()) {
            Ok(engine) => engine,
            Err(error) => panic!("no engine with the default configuration: {error:#}"),
        }
    }
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    /// A choice that cannot be had, or a machine that the compiler cannot generate code for.
    pub fn new(config: &Config) -> Result<Engine> {
        let mut config = config.clone();
        crate::ensure!(
            (4096..=vm::MAX_STACK_BYTES).contains(&config.stack_bytes),
            "max_wasm_stack is {} bytes; it must be between 4096 and {}",
            config.stack_bytes,
            vm::MAX_STACK_BYTES
        );
        config.settings.page_size =
            u32::try_from(vm::page_size()).context("the machine's page size")?;
        let compiler = Compiler::new(config.settings)?;
        let signatures = Arc::new(Signatures::default());
        Ok(Engine {
            inner: Arc::new(EngineInner {
                config,
                compiler,
                signatures,
            }),
        })
    }

    /// The configuration it was made with.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Whether both are the same engine (clones of each other).
    pub fn same(a: &Engine, b: &Engine) -> bool {
        Arc::ptr_eq(&a.inner, &b.inner)
    }

    /// Compiles a module, binary or text, to bytes that [`Module::deserialize`](crate::Module::deserialize)
    /// of an engine with the same configuration takes.
    ///
    /// # Errors
    /// When the bytes are no valid module.
    pub fn precompile_module(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let wasm = crate::module::text::to_binary(bytes)?;
        let compiled = self.compile(&wasm)?;
        serialize::write(self, &compiled)
    }

    /// What these bytes hold, if they are precompiled (by any version, for any machine).
    pub fn detect_precompiled(bytes: &[u8]) -> Option<Precompiled> {
        serialize::is_image(bytes).then_some(Precompiled::Module)
    }

    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<craneway_jit::CompiledModule> {
        let _span =
            tracing::debug_span!(target: "craneway", "compile", bytes = wasm.len()).entered();
        Ok(self.inner.compiler.compile(wasm)?)
    }

    pub(crate) fn compiler(&self) -> &Compiler {
        &self.inner.compiler
    }

    pub(crate) fn signatures(&self) -> &Arc<Signatures> {
        &self.inner.signatures
    }
}
