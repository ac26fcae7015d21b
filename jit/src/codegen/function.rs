//! One function: translated, optimised, compiled, with retries.

use super::burden;
use super::isa::Isas;
use super::placement::start_in_line;
use super::plan::Plan;
use crate::error::{CompileError, CompileErrorKind};
use crate::module::FunctionBody;
use crate::opt::{self, Facts, PassId, Passes};
use crate::settings::OptLevel;
use crate::translate::{FuncEnv, InlinedBody, MEMORY_REGION, Translated, translate_function};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::{ExternalName, Function};
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{CompiledCode, Context, FinalizedRelocTarget};
use cranelift_frontend::FunctionBuilderContext;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasmparser::FuncValidatorAllocations;

/// Targets in the tables of a function whose code comes with a list of its blocks.
const MAX_LISTED_TARGETS: usize = 10_000;

/// A function's machine code with everything the linker needs.
pub(crate) struct CompiledFunction {
    /// Function index in the module.
    pub(crate) index: u32,
    /// The code and its tables; none if every call of it is inlined.
    pub(crate) code: Option<CompiledCode>,
    /// How many bytes behind the start of a cache line it is to start.
    pub(crate) start_in_line: u32,
    /// Places that refer to other functions.
    pub(crate) relocations: Vec<Relocation>,
    /// Bodies inlined into it.
    pub(crate) inlined: Vec<InlinedBody>,
    /// Offset in the binary of its first operator.
    pub(crate) first_offset: u32,
    /// Proposals whose operators it uses ([`crate::module::met`]).
    pub(crate) proposals: u16,
}

/// A place in a function's code that refers to another function.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relocation {
    /// Offset in the function's code.
    pub(crate) offset: u32,
    /// How the place is written.
    pub(crate) kind: Reloc,
    /// The function referred to, by its index in the module.
    pub(crate) target: u32,
    /// Added to the target's address.
    pub(crate) addend: i64,
}

/// What a thread reuses from function to function.
pub(crate) struct Worker {
    /// Called with the name of each stage that the context has come through.
    pub(super) see: See,
    context: Context,
    builder: FunctionBuilderContext,
    validation: FuncValidatorAllocations,
}

/// Why an attempt gave no code.
enum Failure {
    /// The function is wrong: no other attempt will do better.
    Module(CompileError),
    /// The code generator gave up.
    Generator(String),
    /// The mid-end made something of it that would take the register allocator too long: what it
    /// moves out of a loop lives through all of the loop. Left in the loop, it would read the same
    /// few values so often that the allocator takes as long over them.
    Heavy,
}

impl Worker {
    /// A worker with nothing allocated yet.
    pub(crate) fn new() -> Worker {
        Worker {
            see: trace_stage,
            context: Context::new(),
            builder: FunctionBuilderContext::new(),
            validation: FuncValidatorAllocations::default(),
        }
    }

    /// Compiles a body, with as many attempts as it takes.
    ///
    /// # Errors
    /// What is wrong with the body, or that every attempt failed.
    pub(crate) fn compile(
        &mut self,
        env: FuncEnv<'_>,
        isas: &Isas,
        body: &FunctionBody<'_>,
    ) -> Result<CompiledFunction, CompileError> {
        let index = body.to_validate.index;
        let name = env.module.function_name(index);
        if !env.inline.needs_code(index - env.module.imported_functions) {
            return self.only_validate(env, body);
        }
        let _span = tracing::trace_span!("function", index, name).entered();
        let mut plan = None;
        loop {
            let (failure, tried) = match self.attempt(env, isas, body, plan) {
                Ok(done) => return Ok(done),
                Err((Failure::Heavy, tried)) => {
                    tracing::debug!(index, ?tried, "too heavy once it is optimised");
                    plan = Some(Plan::InFrame);
                    continue;
                }
                Err((Failure::Module(error), _)) => {
                    *self = Worker::new();
                    return Err(error.in_function(index, name));
                }
                Err((Failure::Generator(why), tried)) => (why, tried),
            };
            assert!(
                !env.settings.verify_ir,
                "the code generator gave up on function {index} ({name:?}) with {tried:?}: {failure}"
            );
            // What a panic left behind is not to be trusted.
            *self = Worker::new();
            tracing::debug!(index, ?tried, failure, "the code generator gave up");
            plan = tried.next();
            if plan.is_none() {
                let message = format!("the code generator gave up with every fallback ({failure})");
                return Err(
                    CompileError::new(CompileErrorKind::TooLarge, message).in_function(index, name)
                );
            }
        }
    }

    /// A function that only exists inside its callers: they translate it, and it is validated here,
    /// so that an error in it is reported wherever it is inlined.
    fn only_validate(
        &mut self,
        env: FuncEnv<'_>,
        body: &FunctionBody<'_>,
    ) -> Result<CompiledFunction, CompileError> {
        let index = body.to_validate.index;
        let mut validator = body.validator(std::mem::take(&mut self.validation));
        let result = validator.validate(&body.body);
        self.validation = validator.into_allocations();
        let operators = body.body.get_operators_reader();
        result.map_err(|e| {
            CompileError::from_parser(&e, CompileErrorKind::Invalid)
                .in_function(index, env.module.function_name(index))
        })?;
        Ok(CompiledFunction {
            index,
            code: None,
            start_in_line: 0,
            relocations: Vec::new(),
            inlined: Vec::new(),
            first_offset: operators.map_or(0, |r| r.original_position() as u32),
            proposals: 0,
        })
    }

    /// Translates and compiles once, by `plan` or by the plan that the function's shape asks for.
    fn attempt(
        &mut self,
        env: FuncEnv<'_>,
        isas: &Isas,
        body: &FunctionBody<'_>,
        plan: Option<Plan>,
    ) -> Result<CompiledFunction, (Failure, Plan)> {
        let mut current = plan.unwrap_or(Plan::Speed);
        let index = body.to_validate.index;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let in_frame = plan.is_some_and(Plan::locals_in_frame);
            let translate = |worker: &mut Worker, in_frame| {
                let done = worker.translate(env, isas, body, in_frame);
                done.map_err(Failure::Module)
            };
            let mut translated = translate(self, in_frame)?;
            if plan.is_none() {
                let heavy = burden::is_heavy(&self.context.func);
                current = Plan::first(env.settings.opt_level, translated.shape, heavy);
                if current == Plan::Speed && burden::is_deep(&mut self.context) {
                    current = Plan::None;
                }
                if current.locals_in_frame() {
                    translated = translate(self, true)?;
                }
                if current != Plan::Speed && env.settings.opt_level != OptLevel::None {
                    tracing::debug!(index, ?current, shape = ?translated.shape, "a large function");
                }
            }
            if current == Plan::InFrame && burden::is_heavy(&self.context.func) {
                current = Plan::SinglePass;
            }
            let passes = env.settings.enabled_passes();
            let facts = Facts {
                region: MEMORY_REGION,
                fold_limit: env.module.fold_limit(),
                readable: env.module.least_length(),
                length: env.module.memory_length_at(),
            };
            generate(&mut self.context, isas, current, passes, facts, self.see)?;
            self.finish(index, translated, passes)
                .map_err(Failure::Module)
        }));
        match result {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(failure)) => Err((failure, current)),
            Err(panic) => Err((Failure::Generator(panic_text(&*panic)), current)),
        }
    }

    fn translate(
        &mut self,
        env: FuncEnv<'_>,
        isas: &Isas,
        body: &FunctionBody<'_>,
        locals_in_frame: bool,
    ) -> Result<Translated, CompileError> {
        self.context.clear();
        let mut validator = body.validator(std::mem::take(&mut self.validation));
        let translated = translate_function(
            env,
            body.to_validate.index,
            &body.body,
            &mut validator,
            &mut self.context.func,
            &mut self.builder,
            isas.none.frontend_config(),
            locals_in_frame,
        );
        self.validation = validator.into_allocations();
        translated
    }

    /// Takes the compiled code out of the context.
    fn finish(
        &mut self,
        index: u32,
        translated: Translated,
        passes: Passes,
    ) -> Result<CompiledFunction, CompileError> {
        let code = self.context.take_compiled_code().ok_or_else(|| {
            CompileError::new(
                CompileErrorKind::TooLarge,
                "the code generator returned no code",
            )
        })?;
        let relocations = relocations(&self.context.func, &code)?;
        if !translated.inlined.is_empty() {
            PassId::Inline.count();
        }
        if translated.shape.tables_tested {
            PassId::Tables.count();
        }
        let start_in_line = if passes.has(PassId::Place) {
            start_in_line(&code)
        } else {
            0
        };
        if start_in_line != 0 {
            PassId::Place.count();
        }
        Ok(CompiledFunction {
            index,
            code: Some(code),
            start_in_line,
            relocations,
            inlined: translated.inlined,
            first_offset: translated.first_offset,
            proposals: translated.shape.proposals,
        })
    }
}

/// Sees a function at the end of a stage.
pub(super) type See = fn(&str, &mut Context);

/// The IR of every stage, for who follows what becomes of a function
/// (`RUST_LOG=craneway_jit::ir=trace`).
fn trace_stage(stage: &str, context: &mut Context) {
    tracing::trace!(target: "craneway_jit::ir", "{stage}:\n{}", context.func.display());
}

/// Optimises and compiles what the context holds.
fn generate(
    context: &mut Context,
    isas: &Isas,
    plan: Plan,
    passes: Passes,
    facts: Facts,
    see: See,
) -> Result<(), Failure> {
    see("translated", context);
    let mut control = ControlPlane::default();
    let tables = context.func.dfg.jump_tables.values();
    let listed = tables.map(|t| t.as_slice().len()).sum::<usize>() <= MAX_LISTED_TARGETS;
    let compile = if listed { &isas.none } else { &isas.unlisted };
    let (prepare, finish): (&dyn TargetIsa, &dyn TargetIsa) = match plan {
        Plan::Speed => (&*isas.speed, &**compile),
        Plan::None | Plan::InFrame => (&*isas.plain, &**compile),
        Plan::SinglePass => (&*isas.plain, &*isas.single_pass),
    };
    context
        .optimize(prepare, &mut control)
        .map_err(|e| Failure::Generator(e.to_string()))?;
    if plan == Plan::Speed {
        opt::after_mid_end(context, passes, facts);
        if burden::is_heavy(&context.func) {
            return Err(Failure::Heavy);
        }
    }
    see("optimised", context);
    context
        .compile(finish, &mut control)
        .map_err(|e| Failure::Generator(e.inner.to_string()))?;
    see("compiled", context);
    Ok(())
}

/// The relocations of compiled code; all name functions of the module, whatever else is an error.
fn relocations(func: &Function, code: &CompiledCode) -> Result<Vec<Relocation>, CompileError> {
    let mut all = Vec::with_capacity(code.buffer.relocs().len());
    for reloc in code.buffer.relocs() {
        let target = match &reloc.target {
            FinalizedRelocTarget::ExternalName(ExternalName::User(name)) => {
                func.params.user_named_funcs().get(*name).map(|n| n.index)
            }
            _ => None,
        };
        let Some(target) = target else {
            return Err(CompileError::new(
                CompileErrorKind::Unsupported,
                format!(
                    "the code generator wants something that images cannot refer to: {:?}",
                    reloc.target
                ),
            ));
        };
        all.push(Relocation {
            offset: reloc.offset,
            kind: reloc.kind,
            target,
            addend: reloc.addend,
        });
    }
    Ok(all)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panicked".to_string())
}
