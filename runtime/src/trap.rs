//! Why wasm code was stopped. It must never know where.

use craneway_jit::abi::TrapCode;
use std::fmt;

macro_rules! traps {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The reason for which wasm code was stopped.
        ///
        /// Errors that come out of calls can be asked for it: `err.downcast_ref::<Trap>()`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Trap { $($(#[$doc])* $name,)* }

        impl Trap {
            fn text(self) -> &'static str {
                match self { $(Trap::$name => $text,)* }
            }
        }
    };
}

traps! {
    /// The wasm stack, or what was left of the thread's own, is used up.
    StackOverflow = "call stack exhausted",
    /// An access outside a memory.
    MemoryOutOfBounds = "out of bounds memory access",
    /// An atomic access at an address that is not a multiple of its width.
    HeapMisaligned = "unaligned atomic",
    /// An access outside a table.
    TableOutOfBounds = "undefined element: out of bounds table access",
    /// An indirect call through a null element.
    IndirectCallToNull = "uninitialized element",
    /// An indirect call of a function of another type.
    BadSignature = "indirect call type mismatch",
    /// The result of a division or remainder does not fit.
    IntegerOverflow = "integer overflow",
    /// Division by zero.
    IntegerDivisionByZero = "integer divide by zero",
    /// A float that is NaN or out of range was converted to an integer.
    BadConversionToInteger = "invalid conversion to integer",
    /// `unreachable` was executed.
    UnreachableCodeReached = "wasm `unreachable` instruction executed",
    /// The host stopped the code.
    Interrupt = "interrupt",
    /// The fuel is used up.
    OutOfFuel = "all fuel consumed by WebAssembly",
    /// Null where an instruction needs a reference.
    NullReference = "null reference",
    /// A wait on a memory that is not shared would never end.
    AtomicWaitNonSharedMemory = "atomic wait on non-shared memory: expected shared memory",
    /// The function is one that the compiler had to give up on.
    FunctionNotCompiled = "a function that could not be compiled was called",
}

impl Trap {
    pub(crate) fn from_code(code: TrapCode) -> Trap {
        match code {
            TrapCode::StackOverflow => Trap::StackOverflow,
            TrapCode::HeapOutOfBounds => Trap::MemoryOutOfBounds,
            TrapCode::HeapMisaligned => Trap::HeapMisaligned,
            TrapCode::TableOutOfBounds => Trap::TableOutOfBounds,
            TrapCode::IndirectCallToNull => Trap::IndirectCallToNull,
            TrapCode::BadSignature => Trap::BadSignature,
            TrapCode::IntegerOverflow => Trap::IntegerOverflow,
            TrapCode::IntegerDivisionByZero => Trap::IntegerDivisionByZero,
            TrapCode::BadConversionToInteger => Trap::BadConversionToInteger,
            TrapCode::Unreachable => Trap::UnreachableCodeReached,
            TrapCode::NullReference => Trap::NullReference,
            TrapCode::AtomicWaitNonShared => Trap::AtomicWaitNonSharedMemory,
            TrapCode::NotCompiled => Trap::FunctionNotCompiled,
        }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wasm trap: {}", self.text())
    }
}

impl std::error::Error for Trap {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_contain_those_of_the_specification() {
        for (code, expected) in [
            (TrapCode::Unreachable, "unreachable"),
            (TrapCode::IntegerDivisionByZero, "integer divide by zero"),
            (TrapCode::TableOutOfBounds, "undefined element"),
            (TrapCode::TableOutOfBounds, "out of bounds table access"),
            (TrapCode::AtomicWaitNonShared, "expected shared memory"),
        ] {
            assert!(
                Trap::from_code(code).to_string().contains(expected),
                "{expected}"
            );
        }
    }

    #[test]
    fn every_code_has_a_trap_of_its_own() {
        let mut traps: Vec<String> = TrapCode::ALL
            .iter()
            .map(|c| Trap::from_code(*c).to_string())
            .collect();
        traps.sort();
        traps.dedup();
        assert_eq!(traps.len(), TrapCode::ALL.len());
    }
}
