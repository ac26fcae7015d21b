//! Trap codes: what a trap record says about the instruction at its offset.

macro_rules! trap_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Why an instruction may trap. The discriminants are stored in images.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum TrapCode { $($(#[$doc])* $name = $code,)* }

        impl TrapCode {
            /// All codes.
            pub const ALL: &'static [TrapCode] = &[$(TrapCode::$name),*];

            /// The code with this discriminant.
            pub fn from_u8(code: u8) -> Option<TrapCode> {
                match code { $($code => Some(TrapCode::$name),)* _ => None }
            }
        }
    };
}

trap_codes! {
    /// The wasm stack is used up.
    StackOverflow = 1,
    /// A memory access outside the memory.
    HeapOutOfBounds = 2,
    /// An atomic access that is not aligned.
    HeapMisaligned = 3,
    /// A table access outside the table.
    TableOutOfBounds = 4,
    /// A call through a null table element.
    IndirectCallToNull = 5,
    /// An indirect call whose function has another type.
    BadSignature = 6,
    /// Signed division overflow.
    IntegerOverflow = 7,
    /// Division by zero.
    IntegerDivisionByZero = 8,
    /// A float that no integer of the type represents.
    BadConversionToInteger = 9,
    /// `unreachable` was executed.
    Unreachable = 10,
    /// A null reference where one was needed.
    NullReference = 11,
    /// `memory.atomic.wait` on an unshared memory.
    AtomicWaitNonShared = 12,
    /// A function that could not be compiled was called.
    NotCompiled = 13,
}
