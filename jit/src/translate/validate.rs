//! Drives one function body: each operator is validated, then translated if it can be reached.
//!
//! It must never translate an operator that the validator has not accepted.

use super::{FuncEnv, FuncTranslator, Shape};
use crate::error::{CompileError, CompileErrorKind};
use crate::module::{convert_val_type, met};
use cranelift_codegen::ir::{Function, SourceLoc};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::FunctionBuilderContext;
use wasmparser::{
    BinaryReaderError, FrameKind, FrameStack, FuncValidator, FunctionBody, ValidatorResources,
    VisitOperator, VisitSimdOperator,
};

/// Validates `body`, function `index` of the module, and translates it into `func`.
pub(crate) fn translate_function(
    env: FuncEnv<'_>,
    index: u32,
    body: &FunctionBody<'_>,
    validator: &mut FuncValidator<ValidatorResources>,
    func: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) -> Result<Shape, CompileError> {
    let malformed =
        |e: BinaryReaderError| CompileError::from_parser(&e, CompileErrorKind::Malformed);
    let mut reader = body.get_binary_reader();
    validator
        .read_locals(&mut reader)
        .map_err(|e| CompileError::from_parser(&e, CompileErrorKind::Invalid))?;
    let mut translator = FuncTranslator::new(env, index, func, context);
    for local in env.module.func_type(index).params.len() as u32..validator.len_locals() {
        let ty = validator
            .get_local_type(local)
            .and_then(convert_val_type)
            .ok_or_else(|| {
                CompileError::new(
                    CompileErrorKind::Unsupported,
                    format!("local {local} has an unsupported type"),
                )
            })?;
        translator.declare_locals(1, ty);
    }
    let mut visitor = ValidateThenTranslate {
        validator,
        translator,
        offset: 0,
    };
    while !reader.eof() {
        visitor.offset = reader.original_position();
        let location = SourceLoc::new(visitor.offset as u32);
        visitor.translator.builder.set_srcloc(location);
        reader
            .visit_operator(&mut visitor)
            .map_err(malformed)?
            .map_err(|e| CompileError::from_parser(&e, CompileErrorKind::Invalid))?;
        if let Some(mut error) = visitor.translator.error.take() {
            error.offset.get_or_insert(visitor.offset);
            return Err(error);
        }
    }
    visitor.offset = reader.original_position();
    reader.finish_expression(&visitor).map_err(malformed)?;
    Ok(visitor.translator.finish(config))
}

/// The visitor that [`translate_function`] feeds with operators.
struct ValidateThenTranslate<'v, 'a> {
    validator: &'v mut FuncValidator<ValidatorResources>,
    translator: FuncTranslator<'a>,
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
