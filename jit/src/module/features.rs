//! The names of the proposals beyond Wasm 1.0 that a module uses, for reports.
//!
//! Operators are noted while bodies are translated, the rest is read off the declarations.

use super::{ElementItems, ExternKind, Module, SegmentMode, ValType};

/// Proposals whose operators have been met, one bit each.
pub(crate) mod met {
    pub(crate) const SIGN_EXTENSION: u16 = 1;
    pub(crate) const SATURATING_FLOAT_TO_INT: u16 = 1 << 1;
    pub(crate) const BULK_MEMORY: u16 = 1 << 2;
    pub(crate) const REFERENCE_TYPES: u16 = 1 << 3;
    pub(crate) const TAIL_CALL: u16 = 1 << 4;
    pub(crate) const THREADS: u16 = 1 << 5;
    pub(crate) const EXCEPTIONS: u16 = 1 << 6;
    pub(crate) const SIMD: u16 = 1 << 7;
}

/// The names, in the order of [`crate::Features::list`].
pub(crate) fn used_features(module: &Module, operators: u16) -> Vec<String> {
    let vector = |ty: &ValType| *ty == ValType::V128;
    let reference = |ty: &ValType| matches!(ty, ValType::Ref(_));
    let any_type = |test: &dyn Fn(&ValType) -> bool| {
        module
            .types
            .iter()
            .any(|t| t.params.iter().chain(t.results.iter()).any(test))
            || module.globals.iter().any(|g| test(&g.ty.content))
    };
    let global = |index: u32| {
        module
            .globals
            .get(index as usize)
            .is_some_and(|g| g.ty.mutable)
    };
    let kinds = module
        .imports
        .iter()
        .map(|i| i.kind)
        .chain(module.exports.iter().map(|e| e.kind));
    let mutable_global = kinds
        .into_iter()
        .any(|k| matches!(k, ExternKind::Global(index) if global(index)));
    let passive = module
        .data_segments
        .iter()
        .any(|d| d.mode == SegmentMode::Passive)
        || module
            .elements
            .iter()
            .any(|e| e.mode == SegmentMode::Passive);
    let expressions = module
        .elements
        .iter()
        .any(|e| matches!(e.items, ElementItems::Expressions(_)));
    let extended = module
        .globals
        .iter()
        .filter_map(|g| g.init.as_ref())
        .any(|init| init.0.len() > 1);
    let is_64 = module.memories.iter().any(|m| m.is_64) || module.tables.iter().any(|t| t.ty.is_64);
    let found = [
        (mutable_global, "mutable-global"),
        (operators & met::SIGN_EXTENSION != 0, "sign-extension"),
        (
            operators & met::SATURATING_FLOAT_TO_INT != 0,
            "saturating-float-to-int",
        ),
        (
            module.types.iter().any(|t| t.results.len() > 1),
            "multi-value",
        ),
        (passive || operators & met::BULK_MEMORY != 0, "bulk-memory"),
        (
            any_type(&reference)
                || module.tables.len() > 1
                || expressions
                || operators & met::REFERENCE_TYPES != 0,
            "reference-types",
        ),
        (any_type(&vector) || operators & met::SIMD != 0, "simd"),
        (extended, "extended-const"),
        (module.memories.len() > 1, "multi-memory"),
        (operators & met::TAIL_CALL != 0, "tail-call"),
        (is_64, "memory64"),
        (
            !module.tags.is_empty() || operators & met::EXCEPTIONS != 0,
            "exceptions",
        ),
        (
            module.memories.iter().any(|m| m.shared) || operators & met::THREADS != 0,
            "threads",
        ),
    ];
    found
        .into_iter()
        .filter(|f| f.0)
        .map(|f| f.1.to_string())
        .collect()
}
