//! Function types. They must never know where a function's arguments travel.

use super::ValType;
use crate::Engine;
use craneway_jit::module as wasm;
use std::fmt;
use std::sync::Arc;

/// Parameter and result types of a function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType(Arc<wasm::FuncType>);

impl FuncType {
    /// A function type of these parameters and results.
    ///
    /// The engine is taken for the sake of types that belong to one; those of today belong to none.
    pub fn new(
        _engine: &Engine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> FuncType {
        FuncType::from_types(params, results)
    }

    pub(crate) fn from_types(
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> FuncType {
        FuncType(Arc::new(wasm::FuncType {
            params: params.into_iter().map(ValType::to_wasm).collect(),
            results: results.into_iter().map(ValType::to_wasm).collect(),
        }))
    }

    pub(crate) fn from_wasm(ty: Arc<wasm::FuncType>) -> FuncType {
        FuncType(ty)
    }

    pub(crate) fn as_wasm(&self) -> &wasm::FuncType {
        &self.0
    }

    /// The parameter types in order.
    pub fn params(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.params.iter().map(|ty| ValType::from_wasm(*ty))
    }

    /// The result types in order.
    pub fn results(&self) -> impl ExactSizeIterator<Item = ValType> + '_ {
        self.0.results.iter().map(|ty| ValType::from_wasm(*ty))
    }

    /// The type of parameter `index`.
    pub fn param(&self, index: usize) -> Option<ValType> {
        self.0.params.get(index).map(|ty| ValType::from_wasm(*ty))
    }

    /// The type of result `index`.
    pub fn result(&self, index: usize) -> Option<ValType> {
        self.0.results.get(index).map(|ty| ValType::from_wasm(*ty))
    }

    /// Whether a function of this type may stand where one of `other` is expected. Function types
    /// are final for now, so that is equality.
    pub fn matches(&self, other: &FuncType) -> bool {
        self == other
    }

    /// Whether both are the same type.
    #[allow(
        clippy::should_implement_trait,
        reason = "the name that the wasmtime crate has"
    )]
    pub fn eq(a: &FuncType, b: &FuncType) -> bool {
        a == b
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_the_text_format() {
        let ty = FuncType::from_types([ValType::I32, ValType::EXTERNREF], [ValType::F64]);
        assert_eq!(ty.to_string(), "(func (param i32 externref) (result f64))");
        assert_eq!(FuncType::from_types([], []).to_string(), "(func)");
        assert_eq!(ty.param(1), Some(ValType::EXTERNREF));
        assert_eq!(ty.result(1), None);
    }
}
