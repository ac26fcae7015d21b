//! What a compilation depends on besides the module: language features and code generation choices.

use crate::opt::Passes;
use serde::{Deserialize, Serialize};

/// The version of the code generator, for `--version` and image headers.
pub fn cranelift_version() -> &'static str {
    cranelift_codegen::VERSION
}

/// How hard the code generator tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptLevel {
    /// Fast compilation, no optimisation passes.
    None,
    /// All passes.
    Speed,
}

macro_rules! features {
    ($($(#[$doc:meta])* $name:ident = $default:literal, $text:literal;)*) => {
        /// Language features, each switchable; all on by default where this build has them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Features { $($(#[$doc])* pub $name: bool,)* }

        impl Default for Features {
            fn default() -> Features { Features { $($name: $default,)* } }
        }

        impl Features {
            /// Name and state of every feature.
            pub fn list(&self) -> Vec<(&'static str, bool)> { vec![$(($text, self.$name)),*] }
        }
    };
}

features! {
    /// Import and export of mutable globals.
    mutable_global = true, "mutable-global";
    /// `i32.extend8_s` and its kin.
    sign_extension = true, "sign-extension";
    /// `i32.trunc_sat_f32_s` and its kin.
    saturating_float_to_int = true, "saturating-float-to-int";
    /// Several results and block parameters.
    multi_value = true, "multi-value";
    /// `memory.copy`, passive segments and their kin.
    bulk_memory = true, "bulk-memory";
    /// `externref`, several tables, table instructions.
    reference_types = true, "reference-types";
    /// 128-bit vectors.
    simd = true, "simd";
    /// Arithmetic in constant expressions.
    extended_const = true, "extended-const";
    /// Several memories.
    multi_memory = true, "multi-memory";
    /// `return_call` and its kin.
    tail_call = true, "tail-call";
    /// 64-bit memories and tables.
    memory64 = true, "memory64";
    /// Exceptions with `exnref`.
    exceptions = true, "exceptions";
    /// Atomic instructions (on unshared memories).
    threads = true, "threads";
}

/// Everything that decides the code of an image besides the module's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Language features.
    pub features: Features,
    /// Optimisation level.
    pub opt_level: OptLevel,
    /// Our own passes that run at [`OptLevel::Speed`].
    pub passes: Passes,
    /// Replace NaN results by the canonical NaN.
    pub nan_canonicalization: bool,
    /// Guard bounds checks against speculative execution.
    pub spectre: bool,
    /// Keep DWARF sections for file and line in backtraces.
    pub debug_info: bool,
    /// Run Cranelift's verifier (tests).
    pub verify_ir: bool,
    /// Compile functions on several threads (does not change the code).
    pub parallel: bool,
    /// The machine's page size, which instance fields are rounded to.
    pub page_size: u32,
}

impl Settings {
    /// The passes that are to run: none without optimisation.
    pub fn enabled_passes(&self) -> Passes {
        match self.opt_level {
            OptLevel::None => Passes::NONE,
            OptLevel::Speed => self.passes,
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            features: Features::default(),
            opt_level: OptLevel::Speed,
            passes: Passes::ALL,
            nan_canonicalization: false,
            spectre: true,
            debug_info: false,
            verify_ir: cfg!(debug_assertions),
            parallel: true,
            page_size: 4096,
        }
    }
}
