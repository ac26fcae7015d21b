//! What the option groups decide: engine configuration, limits of the store, what WASI grants.
//! Must never know how options are spelt.

use crate::config;
use crate::options::{Assignment, Assignments};
use crate::report::Failure;
use craneway::{Config, Engine, StoreLimits, StoreLimitsBuilder};
use std::net::SocketAddr;

/// Stack of the guest unless `-W max-wasm-stack` says otherwise: what a native tool has on Linux.
const WASM_STACK: usize = 8 << 20;

/// Everything that `-W`, `-C`, `-O`, `-D` and `-S` can change.
pub(crate) struct Settings {
    /// How the engine compiles and runs.
    pub(crate) config: Config,
    /// What the guest may use up.
    pub(crate) limits: Limits,
    /// What WASI grants.
    pub(crate) wasi: WasiSettings,
    /// Whether a missing import becomes a function that traps.
    pub(crate) unknown_imports_trap: bool,
    /// Whether `RUST_LOG` is obeyed.
    pub(crate) logging: bool,
}

/// Limits of a store; `None` leaves the library's default.
#[derive(Default)]
pub(crate) struct Limits {
    /// Bytes of each memory.
    pub(crate) memory_size: Option<usize>,
    /// Elements of each table.
    pub(crate) table_elements: Option<usize>,
    /// Number of instances.
    pub(crate) instances: Option<usize>,
    /// Number of tables.
    pub(crate) tables: Option<usize>,
    /// Number of memories.
    pub(crate) memories: Option<usize>,
    /// Whether a refused growth traps.
    pub(crate) trap_on_grow_failure: bool,
}

/// What WASI grants, beyond what `--dir` and `--env` name.
pub(crate) struct WasiSettings {
    /// Whether WASI is linked at all.
    pub(crate) enabled: bool,
    /// Whether the guest sees the whole environment.
    pub(crate) inherit_env: bool,
    /// Whether the guest's standard input is ours.
    pub(crate) inherit_stdin: bool,
    /// Whether the guest's standard output is ours.
    pub(crate) inherit_stdout: bool,
    /// Whether the guest's standard error is ours.
    pub(crate) inherit_stderr: bool,
    /// Where to listen for the guest.
    pub(crate) listen: Vec<SocketAddr>,
}

impl Settings {
    /// The command's defaults, then those of the configuration file, then the given assignments, later ones winning.
    pub(crate) fn load<'a>(
        groups: impl IntoIterator<Item = &'a Assignments>,
    ) -> Result<Settings, Failure> {
        let mut settings = Settings::new([]);
        for assignment in config::read()? {
            assignment.apply(&mut settings);
        }
        settings.apply(groups);
        Ok(settings)
    }

    /// The command's defaults with the given assignments on top, whatever the configuration file says.
    pub(crate) fn new<'a>(groups: impl IntoIterator<Item = &'a Assignments>) -> Settings {
        let mut config = Config::new();
        config.max_wasm_stack(WASM_STACK);
        let mut settings = Settings {
            config,
            limits: Limits::default(),
            wasi: WasiSettings {
                enabled: true,
                inherit_env: false,
                inherit_stdin: true,
                inherit_stdout: true,
                inherit_stderr: true,
                listen: Vec::new(),
            },
            unknown_imports_trap: false,
            logging: true,
        };
        settings.apply(groups);
        settings
    }

    /// Carries assignments out.
    fn apply<'a>(&mut self, groups: impl IntoIterator<Item = &'a Assignments>) {
        let all = groups.into_iter().flat_map(|group| &group.0);
        all.for_each(|assignment: &Assignment| assignment.apply(self));
    }

    /// Switches every proposal that has a key.
    pub(crate) fn all_proposals(&mut self, on: bool) {
        self.config
            .wasm_bulk_memory(on)
            .wasm_exceptions(on)
            .wasm_extended_const(on)
            .wasm_memory64(on)
            .wasm_multi_memory(on)
            .wasm_multi_value(on)
            .wasm_reference_types(on)
            .wasm_simd(on)
            .wasm_tail_call(on)
            .wasm_threads(on);
    }

    /// The engine that the settings ask for.
    pub(crate) fn engine(&self) -> Result<Engine, Failure> {
        Engine::new(&self.config)
            .map_err(|err| Failure::usage(format!("these settings are not possible: {err:#}")))
    }
}

impl Limits {
    /// The limiter that enforces them.
    pub(crate) fn build(&self) -> StoreLimits {
        let mut builder = StoreLimitsBuilder::new().trap_on_grow_failure(self.trap_on_grow_failure);
        if let Some(n) = self.memory_size {
            builder = builder.memory_size(n);
        }
        if let Some(n) = self.table_elements {
            builder = builder.table_elements(n);
        }
        if let Some(n) = self.instances {
            builder = builder.instances(n);
        }
        if let Some(n) = self.tables {
            builder = builder.tables(n);
        }
        if let Some(n) = self.memories {
            builder = builder.memories(n);
        }
        builder.build()
    }
}
