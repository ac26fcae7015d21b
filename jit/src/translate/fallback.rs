//! TEMPORARY: answers for operators whose translation is still being written.
use super::FuncTranslator;
use crate::error::{CompileError, CompileErrorKind};
macro_rules! define {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        #[allow(unused_variables)]
        pub(super) trait Fallback<'a> {
            fn missing(&mut self, op: &str);
            $( fn $visit(&mut self $($(, $arg: $argty)*)?) { self.missing(stringify!($visit)) } )*
        }
    };
}
wasmparser::for_each_operator!(define);
impl<'a> Fallback<'a> for FuncTranslator<'_> {
    fn missing(&mut self, op: &str) {
        self.error = Some(CompileError::new(
            CompileErrorKind::Unsupported,
            format!("{op} not written yet"),
        ));
    }
}
