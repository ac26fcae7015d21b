//! From bytes to a [`CompiledModule`]: parse, then each function validated, translated, optimised
//! and compiled, in parallel, then linked.

use crate::abi::VmLayout;
use crate::codegen::{CompiledFunction, Isas, Worker};
use crate::error::{CompileError, CompileErrorKind};
use crate::image::Image;
use crate::inline::InlinePlan;
use crate::link;
use crate::module::{FunctionBody, Module, parse};
use crate::opt::PassId;
use crate::settings::Settings;
use crate::translate::FuncEnv;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use wasmparser::FuncValidatorAllocations;

/// A compiled module: what it declares, how its instances are laid out, and its code.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CompiledModule {
    /// What the module declares.
    pub module: Module,
    /// Layout of its instances' fields.
    pub layout: VmLayout,
    /// Its code.
    pub image: Image,
}

/// A compiler for one machine and one choice of settings; cheap to share between threads.
pub struct Compiler {
    settings: Settings,
    isas: Isas,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Compiler {
    /// A compiler for the machine this runs on.
    ///
    /// # Errors
    /// When the machine lacks what the code generator needs.
    pub fn new(settings: Settings) -> Result<Compiler, CompileError> {
        let isas = Isas::new(&settings)?;
        Ok(Compiler { settings, isas })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Target triple and the CPU features that the code relies on, as one line: images from a
    /// compiler with another line do not run here.
    pub fn target_description(&self) -> String {
        self.isas.description()
    }

    /// Parses and validates without generating code.
    ///
    /// # Errors
    /// The first thing that is wrong with the module.
    pub fn validate(&self, wasm: &[u8]) -> Result<(), CompileError> {
        let parsed = tracing::debug_span!("parse").in_scope(|| parse(wasm, &self.settings))?;
        let _span = tracing::debug_span!("validate", functions = parsed.bodies.len()).entered();
        let module = &parsed.module;
        self.each(
            &parsed.bodies,
            FuncValidatorAllocations::default,
            |allocations, body| validate_body(allocations, body, module),
        )?;
        Ok(())
    }

    /// Compiles `wasm`, a binary module.
    ///
    /// # Errors
    /// The first thing that is wrong with the module.
    pub fn compile(&self, wasm: &[u8]) -> Result<CompiledModule, CompileError> {
        let parsed = tracing::debug_span!("parse").in_scope(|| parse(wasm, &self.settings))?;
        let mut module = parsed.module;
        let layout = VmLayout::new(&module, self.settings.page_size)
            .map_err(|message| CompileError::new(CompileErrorKind::Limit, message))?;
        let inline = if self.settings.enabled_passes().has(PassId::Inline) {
            tracing::debug_span!("plan inlining")
                .in_scope(|| InlinePlan::new(&module, &parsed.bodies, self.settings.parallel))
        } else {
            InlinePlan::nothing()
        };
        let env = FuncEnv {
            module: &module,
            layout: &layout,
            settings: &self.settings,
            bodies: &parsed.bodies,
            hints: &parsed.hints,
            inline: &inline,
        };
        let functions = {
            // A body is validated operator by operator while it is translated: one time for both.
            let _validate =
                tracing::debug_span!("validate", bodies = parsed.bodies.len()).entered();
            let _compile = tracing::debug_span!("compile").entered();
            self.each(&parsed.bodies, Worker::new, |worker, body| {
                worker.compile(env, &self.isas, body)
            })?
        };
        let proposals = functions
            .iter()
            .fold(0, |all, f: &CompiledFunction| all | f.proposals);
        let image = tracing::debug_span!("link")
            .in_scope(|| link::link(&functions, module.imported_functions))?;
        module.used_features = crate::module::used_features(&module, proposals);
        Ok(CompiledModule {
            module,
            layout,
            image,
        })
    }

    /// Maps all bodies, on several threads if the settings say so. Of several errors the one in
    /// the first function is returned, whatever the order in which they were met.
    fn each<'b, W, R: Send>(
        &self,
        bodies: &'b [FunctionBody<'b>],
        worker: impl Fn() -> W + Sync + Send,
        map: impl Fn(&mut W, &'b FunctionBody<'b>) -> Result<R, CompileError> + Sync + Send,
    ) -> Result<Vec<R>, CompileError> {
        let results: Vec<Result<R, CompileError>> = if self.settings.parallel && bodies.len() > 1 {
            bodies.par_iter().map_init(worker, map).collect()
        } else {
            let mut worker = worker();
            bodies.iter().map(|body| map(&mut worker, body)).collect()
        };
        // An error in an inlined body appears in each caller, with the function it is in.
        let function = |e: &CompileError| e.function.as_ref().map(|f| f.0);
        match results
            .iter()
            .filter_map(|r| r.as_ref().err())
            .min_by_key(|e| function(e))
        {
            Some(first) => Err(first.clone()),
            None => results.into_iter().collect(),
        }
    }
}

/// Validates one body.
fn validate_body(
    allocations: &mut FuncValidatorAllocations,
    body: &FunctionBody<'_>,
    module: &Module,
) -> Result<(), CompileError> {
    let index = body.to_validate.index;
    let mut validator = body.validator(std::mem::take(allocations));
    let result = validator.validate(&body.body);
    *allocations = validator.into_allocations();
    result.map_err(|e| {
        CompileError::from_parser(&e, CompileErrorKind::Invalid)
            .in_function(index, module.function_name(index))
    })
}
