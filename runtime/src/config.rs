//! How an engine compiles and runs code. It must never know what the choices are used for.

pub use craneway_jit::OptLevel;
use craneway_jit::{PassId, Settings};

/// Wasm stack of a call unless configured otherwise.
const DEFAULT_STACK: usize = 1 << 20;
/// Frames that a backtrace shows unless configured otherwise.
const DEFAULT_FRAMES: usize = 256;

/// Choices for an [`Engine`](crate::Engine).
///
/// ```
/// use craneway::{Config, Engine, OptLevel};
/// let mut config = Config::new();
/// config.wasm_threads(false).cranelift_opt_level(OptLevel::Speed).max_wasm_stack(2 << 20);
/// let engine = Engine::new(&config)?;
/// # Ok::<(), craneway::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) settings: Settings,
    pub(crate) stack_bytes: usize,
    pub(crate) max_frames: Option<usize>,
    pub(crate) install_handlers: bool,
    pub(crate) huge_pages: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

macro_rules! features {
    ($($(#[$doc:meta])* $setter:ident $field:ident;)*) => {$(
        $(#[$doc])*
        pub fn $setter(&mut self, enable: bool) -> &mut Config {
            self.settings.features.$field = enable;
            self
        }
    )*};
}

impl Config {
    /// Offset in a memory, in bytes, from which on it may have huge pages; see
    /// [`memory_huge_pages`](Config::memory_huge_pages).
    pub const HUGE_PAGES_FROM: usize = crate::vm::HUGE_PAGES_FROM;

    /// The defaults: every language feature this build has, full optimisation, mitigations against
    /// speculative execution, 1 MiB of wasm stack for each call.
    pub fn new() -> Config {
        Config {
            settings: Settings::default(),
            stack_bytes: DEFAULT_STACK,
            max_frames: Some(DEFAULT_FRAMES),
            install_handlers: true,
            huge_pages: false,
        }
    }

    features! {
        /// Whether modules may import and export mutable globals. On by default.
        wasm_mutable_global mutable_global;
        /// Whether modules may use `i32.extend8_s` and its kin. On by default.
        wasm_sign_extension sign_extension;
        /// Whether modules may use `i32.trunc_sat_f32_s` and its kin. On by default.
        wasm_saturating_float_to_int saturating_float_to_int;
        /// Whether functions and blocks may have several results. On by default.
        wasm_multi_value multi_value;
        /// Whether modules may use `memory.copy`, passive segments and their kin. On by default.
        wasm_bulk_memory bulk_memory;
        /// Whether modules may use `externref`, several tables and table instructions. On by default.
        wasm_reference_types reference_types;
        /// Whether modules may use 128-bit vectors. On by default.
        wasm_simd simd;
        /// Whether constant expressions may add, subtract and multiply. On by default.
        wasm_extended_const extended_const;
        /// Whether modules may have several memories. On by default.
        wasm_multi_memory multi_memory;
        /// Whether modules may use `return_call` and its kin. On by default.
        wasm_tail_call tail_call;
        /// Whether memories and tables may have 64-bit indices. On by default.
        wasm_memory64 memory64;
        /// Whether modules may throw and catch exceptions (`try_table`, `exnref`). On by default.
        wasm_exceptions exceptions;
        /// Whether modules may use the atomic instructions, on memories that are not shared. On by default.
        wasm_threads threads;
    }

    /// How hard the compiler tries. [`OptLevel::Speed`] by default.
    pub fn cranelift_opt_level(&mut self, level: OptLevel) -> &mut Config {
        self.settings.opt_level = level;
        self
    }

    /// Switches one of the compiler's own optimisation passes, which are all on by default and
    /// run at [`OptLevel::Speed`] only. For measuring what a pass is worth, and for finding out
    /// whether one is to blame; [`PassId::ALL`](crate::PassId::ALL) lists them.
    ///
    /// # Errors
    /// When there is no pass of that name; the message lists those there are.
    pub fn cranelift_pass(&mut self, name: &str, enable: bool) -> crate::Result<&mut Config> {
        let pass = PassId::from_name(name).map_err(crate::Error::msg)?;
        self.settings.passes.set(pass, enable);
        Ok(self)
    }

    /// Whether NaN results are made canonical, so that they are the same on every machine. Off by default.
    pub fn cranelift_nan_canonicalization(&mut self, enable: bool) -> &mut Config {
        self.settings.nan_canonicalization = enable;
        self
    }

    /// Whether the compiler checks its own intermediate code. Slow; on by default in debug builds.
    pub fn cranelift_debug_verifier(&mut self, enable: bool) -> &mut Config {
        self.settings.verify_ir = enable;
        self
    }

    /// Whether bounds checks also hold under speculative execution. On by default.
    pub fn spectre_mitigations(&mut self, enable: bool) -> &mut Config {
        self.settings.spectre = enable;
        self
    }

    /// Whether DWARF is kept, so that backtraces show files and lines. Off by default.
    pub fn debug_info(&mut self, enable: bool) -> &mut Config {
        self.settings.debug_info = enable;
        self
    }

    /// Bytes of stack that the wasm code of one call may use. 1 MiB by default; memory is used as
    /// it is touched.
    pub fn max_wasm_stack(&mut self, bytes: usize) -> &mut Config {
        self.stack_bytes = bytes;
        self
    }

    /// Whether functions of a module are compiled on several threads. On by default.
    pub fn parallel_compilation(&mut self, enable: bool) -> &mut Config {
        self.settings.parallel = enable;
        self
    }

    /// Accepted for the sake of code written for other runtimes; every engine can do both sync
    /// and async calls.
    pub fn async_support(&mut self, _enable: bool) -> &mut Config {
        self
    }

    /// Whether the first store installs handlers for `SIGSEGV`, `SIGBUS`, `SIGFPE` and `SIGILL`, by
    /// which traps are found; they pass what is not theirs on to the handlers that were there before.
    /// On by default. A process that owns its signals switches it off and calls
    /// [`try_handle_signal`](crate::try_handle_signal) from its handlers: without either, a trap ends
    /// the process. Handlers that another engine installed stay.
    pub fn install_handlers(&mut self, enable: bool) -> &mut Config {
        self.install_handlers = enable;
        self
    }

    /// Whether the system is asked to provide memories beyond their first
    /// [`HUGE_PAGES_FROM`](Config::HUGE_PAGES_FROM) bytes in pages of 2 MiB where it can (on Linux:
    /// unless `/sys/kernel/mm/transparent_hugepage/enabled` says `never`). Programs that work on much
    /// memory take fewer page faults and misses of the address translation. It changes nothing else
    /// that a guest can see; a guest that touches a little of each 2 MiB uses all of them. Off by
    /// default, because it loses where the host is a virtual machine that gives free memory back at
    /// once: the first use of each 2 MiB waits for them then.
    pub fn memory_huge_pages(&mut self, enable: bool) -> &mut Config {
        self.huge_pages = enable;
        self
    }

    /// Most wasm frames that errors carry; `None` carries no backtrace at all. 256 by default.
    pub fn wasm_backtrace_max_frames(&mut self, limit: Option<usize>) -> &mut Config {
        self.max_frames = limit;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    #[test]
    fn passes_are_switched_by_name() {
        let mut config = Config::new();
        for pass in PassId::ALL {
            config.cranelift_pass(pass.name(), false).unwrap();
            assert!(!config.settings.passes.has(*pass));
        }
        let message = config.cranelift_pass("sroa", true).unwrap_err().to_string();
        assert!(message.contains("`sroa`") && message.contains("inline"));
    }

    #[test]
    fn an_image_made_with_other_passes_is_refused() {
        let engine = Engine::default();
        let bytes = engine.precompile_module(b"(module)").unwrap();
        let mut config = Config::new();
        config.cranelift_pass("inline", false).unwrap();
        let other = Engine::new(&config).unwrap();
        // SAFETY: the bytes come from `precompile_module`.
        let refused = unsafe { crate::Module::deserialize(&other, &bytes) };
        let message = refused.unwrap_err().to_string();
        assert!(message.contains("optimisation passes"), "{message}");
    }
}
