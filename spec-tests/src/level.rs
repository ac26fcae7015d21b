//! Language levels: which features of WebAssembly a suite assumes, as an engine configuration.
//!
//! Suites assert that features newer than themselves are rejected, so each runs at its own level. This file
//! must never know which files belong to which suite.

use craneway::Config;

/// The features that a script may use; everything else must be rejected by validation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Level {
    /// Everything that WebAssembly 2.0 added to 1.0, vectors excepted.
    pub v2: bool,
    /// Fixed-width vectors (part of 2.0).
    pub simd: bool,
    /// Arithmetic in constant expressions.
    pub extended_const: bool,
    /// More than one memory.
    pub multi_memory: bool,
    /// `return_call` and `return_call_indirect`.
    pub tail_call: bool,
    /// 64-bit memories and tables.
    pub memory64: bool,
    /// Exceptions with `exnref`.
    pub exceptions: bool,
    /// The atomic instructions.
    pub threads: bool,
}

impl Level {
    /// WebAssembly 1.0.
    pub const V1: Self = Self {
        v2: false,
        simd: false,
        extended_const: false,
        multi_memory: false,
        tail_call: false,
        memory64: false,
        exceptions: false,
        threads: false,
    };

    /// WebAssembly 2.0.
    pub const V2: Self = Self {
        v2: true,
        simd: true,
        ..Self::V1
    };

    /// Everything this runtime claims, atomics excepted: the part of 3.0 that exists here.
    pub const V3: Self = Self {
        extended_const: true,
        multi_memory: true,
        tail_call: true,
        memory64: true,
        exceptions: true,
        ..Self::V2
    };

    /// An engine configuration with exactly these features.
    pub fn config(self) -> Config {
        let mut config = Config::new();
        self.apply(&mut config);
        config
    }

    /// Switches every feature of `config` to this level and leaves its other settings alone.
    pub fn apply(self, config: &mut Config) {
        config
            // Imported and exported mutable globals are in the final text of 1.0.
            .wasm_mutable_global(true)
            .wasm_sign_extension(self.v2)
            .wasm_saturating_float_to_int(self.v2)
            .wasm_multi_value(self.v2)
            .wasm_bulk_memory(self.v2)
            .wasm_reference_types(self.v2)
            .wasm_simd(self.simd)
            .wasm_extended_const(self.extended_const)
            .wasm_multi_memory(self.multi_memory)
            .wasm_tail_call(self.tail_call)
            .wasm_memory64(self.memory64)
            .wasm_exceptions(self.exceptions)
            .wasm_threads(self.threads);
    }
}
