//! Drives one function body: each operator is validated, then translated if it can be reached.
//!
//! It must never translate an operator that the validator has not accepted.

use super::{FuncEnv, FuncTranslator, Translated};
use crate::error::{CompileError, CompileErrorKind};
use crate::module::{ValType, convert_val_type, met};
use cranelift_codegen::ir::{Function, SourceLoc};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::FunctionBuilderContext;
use wasmparser::{
    BinaryReader, BinaryReaderError, FrameKind, FrameStack, FuncValidator,
    FuncValidatorAllocations, FunctionBody, ValidatorResources, VisitOperator, VisitSimdOperator,
};

/// Validates `body`, function `index` of the module, and translates it into `func`.
#[expect(
    clippy::too_many_arguments,
    reason = "what is read, what is written, what is reused"
)]
pub(crate) fn translate_function(
    env: FuncEnv<'_>,
    index: u32,
    body: &FunctionBody<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
    func: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
    locals_in_frame: bool,
) -> Result<Translated, CompileError> {
    let mut reader = body.get_binary_reader();
    let locals = read_locals(env, index, &mut reader, validator)?;
    let mut translator = FuncTranslator::new(env, index, func, context, locals_in_frame);
    for ty in locals {
        translator.declare_zero_local(ty);
    }
    let first_offset = reader.original_position() as u32;
    drive(&mut reader, validator, &mut translator)?;
    let (shape, inlined) = translator.finish(config);
    Ok(Translated {
        shape,
        inlined,
        first_offset,
    })
}

fn malformed(e: BinaryReaderError) -> CompileError {
    CompileError::from_parser(&e, CompileErrorKind::Malformed)
}

fn invalid(e: BinaryReaderError) -> CompileError {
    CompileError::from_parser(&e, CompileErrorKind::Invalid)
}

/// Validates the declarations of a body's locals; their types, without the parameters.
fn read_locals(
    env: FuncEnv<'_>,
    index: u32,
    reader: &mut BinaryReader<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
) -> Result<Vec<ValType>, CompileError> {
    validator.read_locals(reader).map_err(invalid)?;
    let params = env.module.func_type(index).params.len() as u32;
    (params..validator.len_locals())
        .map(|local| {
            let ty = validator.get_local_type(local).and_then(convert_val_type);
            ty.ok_or_else(|| {
                CompileError::new(
                    CompileErrorKind::Unsupported,
                    format!("local {local} has an unsupported type"),
                )
            })
        })
        .collect()
}

/// Feeds the operators that `reader` has left to the validator and the translator.
fn drive<'a>(
    reader: &mut BinaryReader<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
    translator: &mut FuncTranslator<'a>,
) -> Result<(), CompileError> {
    let mut visitor = ValidateThenTranslate {
        validator,
        translator,
        offset: 0,
    };
    while !reader.eof() {
        visitor.offset = reader.original_position();
        visitor.translator.offset = visitor.offset as u32;
        let location = visitor.translator.location(visitor.offset as u32);
        visitor
            .translator
            .builder
            .set_srcloc(SourceLoc::new(location));
        reader
            .visit_operator(&mut visitor)
            .map_err(malformed)?
            .map_err(invalid)?;
        if let Some(mut error) = visitor.translator.error.take() {
            error.offset.get_or_insert(visitor.offset);
            return Err(error);
        }
        if let Some(callee) = visitor.translator.inlining.pending.take() {
            let name = visitor.translator.env.module.function_name(callee);
            translate_inlined(visitor.translator, callee)
                .map_err(|e| e.in_function(callee, name))?;
        }
    }
    visitor.offset = reader.original_position();
    reader.finish_expression(&visitor).map_err(malformed)
}

/// Translates the body of `callee` in place of a call of it. The depth of nesting is bounded by the
/// plan.
fn translate_inlined(translator: &mut FuncTranslator<'_>, callee: u32) -> Result<(), CompileError> {
    let env = translator.env;
    let defined = callee - env.module.imported_functions;
    let body = &env.bodies[defined as usize];
    let mut validator = body.validator(FuncValidatorAllocations::default());
    let mut reader = body.body.get_binary_reader();
    let locals = read_locals(env, callee, &mut reader, &mut validator)?;
    let operators = (
        reader.original_position() as u32,
        reader.bytes_remaining() as u32,
    );
    let suspended = translator.enter_inlined(callee, operators, &locals);
    drive(&mut reader, &mut validator, translator)?;
    translator.leave_inlined(suspended);
    Ok(())
}

/// The visitor that [`drive`] feeds with operators.
struct ValidateThenTranslate<'v, 'a> {
    validator: &'v mut FuncValidator<ValidatorResources>,
    translator: &'v mut FuncTranslator<'a>,
    offset: u64,
}

impl FrameStack for ValidateThenTranslate<'_, '_> {
    fn current_frame(&self) -> Option<FrameKind> {
        self.validator.get_control_frame(0).map(|frame| frame.kind)
    }
}

/// Calls the translator for an operator of a proposal that is implemented.
macro_rules! translate {
    (mvp $self:ident visit_block($($arg:ident),*)) => { $self.translator.visit_block($($arg),*) };
    (mvp $self:ident visit_loop($($arg:ident),*)) => { $self.translator.visit_loop($($arg),*) };
    (mvp $self:ident visit_if($($arg:ident),*)) => { $self.translator.visit_if($($arg),*) };
    (mvp $self:ident visit_else()) => { $self.translator.visit_else() };
    (mvp $self:ident visit_end()) => { $self.translator.visit_end() };
    (exceptions $self:ident visit_try_table($($arg:ident),*)) => { $self.translator.visit_try_table($($arg),*) };
    (mvp $($rest:tt)*) => { translate!(@reachable $($rest)*) };
    (sign_extension $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::SIGN_EXTENSION;
        translate!(@reachable $self $($rest)*);
    }};
    (saturating_float_to_int $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::SATURATING_FLOAT_TO_INT;
        translate!(@reachable $self $($rest)*);
    }};
    (bulk_memory $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::BULK_MEMORY;
        translate!(@reachable $self $($rest)*);
    }};
    (reference_types $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::REFERENCE_TYPES;
        translate!(@reachable $self $($rest)*);
    }};
    (tail_call $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::TAIL_CALL;
        translate!(@reachable $self $($rest)*);
    }};
    (threads $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::THREADS;
        translate!(@reachable $self $($rest)*);
    }};
    (exceptions $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::EXCEPTIONS;
        translate!(@reachable $self $($rest)*);
    }};
    (simd $self:ident $($rest:tt)*) => {{
        $self.translator.proposals |= met::SIMD;
        translate!(@reachable $self $($rest)*);
    }};
    (@reachable $self:ident $visit:ident($($arg:ident),*)) => {
        if $self.translator.reachable {
            $self.translator.$visit($($arg),*);
        }
    };
    ($proposal:ident $self:ident $visit:ident($($arg:ident),*)) => {{
        $(let _ = &$arg;)*
        let operator = stringify!($visit).trim_start_matches("visit_");
        $self.translator.error = Some(CompileError::new(
            CompileErrorKind::Unsupported,
            format!("the operator {operator} ({} proposal) is not implemented", stringify!($proposal)),
        ));
    }};
}

macro_rules! define_visits {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        $(
            #[inline]
            fn $visit(&mut self $($(, $arg: $argty)*)?) -> Self::Output {
                self.validator.simd_visitor(self.offset).$visit($($($arg.clone()),*)?)?;
                translate!($proposal self $visit($($($arg),*)?));
                Ok(())
            }
        )*
    };
}

#[allow(
    clippy::clone_on_copy,
    reason = "one macro serves operators with immediates of all types"
)]
impl<'a> VisitOperator<'a> for ValidateThenTranslate<'_, '_> {
    type Output = Result<(), BinaryReaderError>;

    fn simd_visitor(&mut self) -> Option<&mut dyn VisitSimdOperator<'a, Output = Self::Output>> {
        Some(self)
    }

    wasmparser::for_each_visit_operator!(define_visits);
}

#[allow(
    clippy::clone_on_copy,
    reason = "one macro serves operators with immediates of all types"
)]
impl VisitSimdOperator<'_> for ValidateThenTranslate<'_, '_> {
    wasmparser::for_each_visit_simd_operator!(define_visits);
}
