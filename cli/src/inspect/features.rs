//! Which WebAssembly proposals a module uses, beyond the first version of the language.
//! Must never know where in a module something stands, only what it is.

use crate::options::WASM;
use std::collections::BTreeSet;
use wasmparser::{BlockType, Operator, RefType, ValType};

/// Proposals that are always on, so that no key of `-W` names them.
const ALWAYS_ON: &[&str] = &[
    "mutable-global",
    "saturating-float-to-int",
    "sign-extension",
];

/// The proposals seen so far.
#[derive(Default)]
pub(crate) struct Features(BTreeSet<&'static str>);

/// Generates the function that names the proposal an instruction belongs to.
macro_rules! define_proposal_of {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        fn proposal_of(op: &Operator<'_>) -> &'static str {
            match op {
                $( Operator::$op { .. } => stringify!($proposal), )*
                _ => "unknown",
            }
        }
    };
}
wasmparser::for_each_operator!(define_proposal_of);

impl Features {
    /// Notes a proposal by its name.
    pub(crate) fn add(&mut self, name: &'static str) {
        self.0.insert(name);
    }

    /// Notes a proposal if the condition holds.
    pub(crate) fn add_if(&mut self, condition: bool, name: &'static str) {
        if condition {
            self.add(name);
        }
    }

    /// Notes what an instruction needs.
    pub(crate) fn operator(&mut self, op: &Operator<'_>) {
        match op {
            Operator::Block {
                blockty: BlockType::FuncType(_),
            }
            | Operator::Loop {
                blockty: BlockType::FuncType(_),
            }
            | Operator::If {
                blockty: BlockType::FuncType(_),
            } => self.add("multi-value"),
            Operator::CallIndirect { table_index, .. } if *table_index > 0 => {
                self.add("reference-types")
            }
            _ => {}
        }
        match proposal_of(op) {
            "mvp" => {}
            "bulk_memory" => self.add("bulk-memory"),
            "exceptions" => self.add("exceptions"),
            "function_references" => self.add("function-references"),
            "gc" => self.gc_operator(op),
            "legacy_exceptions" => self.add("legacy-exceptions"),
            "reference_types" => self.add("reference-types"),
            "relaxed_simd" => self.add("relaxed-simd"),
            "saturating_float_to_int" => self.add("saturating-float-to-int"),
            "sign_extension" => self.add("sign-extension"),
            "simd" => self.add("simd"),
            "stack_switching" => self.add("stack-switching"),
            "tail_call" => self.add("tail-call"),
            "threads" => self.add("threads"),
            "wide_arithmetic" => self.add("wide-arithmetic"),
            other => self.add(other),
        }
    }

    /// Notes what an instruction of a constant expression needs.
    pub(crate) fn const_operator(&mut self, op: &Operator<'_>) {
        use Operator::{I32Add, I32Mul, I32Sub, I64Add, I64Mul, I64Sub};
        self.operator(op);
        self.add_if(
            matches!(op, I32Add | I32Sub | I32Mul | I64Add | I64Sub | I64Mul),
            "extended-const",
        );
    }

    /// Notes what a value type needs.
    pub(crate) fn val_type(&mut self, ty: ValType) {
        match ty {
            ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64 => {}
            ValType::V128 => self.add("simd"),
            ValType::Ref(ty) => {
                self.add("reference-types");
                self.ref_type(ty);
            }
        }
    }

    /// Notes what a reference type needs beyond plain references.
    pub(crate) fn ref_type(&mut self, ty: RefType) {
        if ty == RefType::EXNREF {
            self.add("exceptions");
        } else if ty == RefType::EXTERNREF {
            self.add("reference-types");
        } else if ty != RefType::FUNCREF {
            self.add(if ty.is_concrete_type_ref() || !ty.is_nullable() {
                "function-references"
            } else {
                "gc"
            });
        }
    }

    /// The parser files references that are older than garbage collection under it as well.
    fn gc_operator(&mut self, op: &Operator<'_>) {
        match op {
            Operator::RefNull { .. } | Operator::RefIsNull | Operator::RefFunc { .. } => {
                self.add("reference-types")
            }
            _ => self.add("gc"),
        }
    }

    /// The names in alphabetical order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().copied()
    }
}

/// Whether this runtime can run modules that use the proposal.
pub(crate) fn is_supported(name: &str) -> bool {
    ALWAYS_ON.contains(&name) || WASM.keys.iter().any(|key| key.name == name)
}
