//! What the seeds so far have come to.

use std::collections::BTreeMap;
use std::fmt;

/// Numbers of modules, calls and what became of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Modules generated.
    pub(crate) modules: u64,
    /// Modules that both engines instantiated at least once.
    pub(crate) instantiated: u64,
    /// Instantiations that trapped in both, the same way.
    pub(crate) start_traps: u64,
    /// Modules that the oracle does not accept.
    pub(crate) refused: u64,
    /// Modules that both refuse to instantiate.
    pub(crate) unlinked: u64,
    /// Calls that both engines ran to a result.
    pub(crate) results: u64,
    /// Calls that both engines ran to a trap, after more than ten instructions.
    pub(crate) traps: u64,
    /// Calls that both engines ran to a trap within ten instructions.
    pub(crate) early: u64,
    /// Calls given up because the oracle ran out of fuel.
    pub(crate) timeouts: u64,
    /// Calls given up because one engine ran out of stack or another resource.
    pub(crate) exhausted: u64,
    /// Executions compared with our own unoptimised code instead of the oracle.
    pub(crate) own: u64,
    /// Instructions executed by the oracle in calls that count.
    pub(crate) steps: u64,
    /// Modules that contain each instruction and ran at least one call that counts, by number.
    pub(crate) opcodes: Vec<u64>,
    /// Aimed modules with something that passes look for, of which at least one call counts, by what it is.
    pub(crate) shapes: BTreeMap<String, u64>,
    /// Counted executions by source: aimed, `wasm-smith`, mutated.
    pub(crate) by_source: [u64; 3],
}

impl Counts {
    /// Calls that both engines ran to an end: what was really compared.
    pub(crate) fn executions(&self) -> u64 {
        self.results + self.traps
    }

    /// All numbers but those by instruction, with names that stay the same for ever.
    pub(crate) fn fields(&mut self) -> Vec<(&'static str, &mut u64)> {
        let [aimed, smith, mutated] = &mut self.by_source;
        vec![
            ("modules", &mut self.modules),
            ("instantiated", &mut self.instantiated),
            ("start-traps", &mut self.start_traps),
            ("refused", &mut self.refused),
            ("unlinked", &mut self.unlinked),
            ("results", &mut self.results),
            ("traps", &mut self.traps),
            ("early", &mut self.early),
            ("timeouts", &mut self.timeouts),
            ("exhausted", &mut self.exhausted),
            ("own", &mut self.own),
            ("steps", &mut self.steps),
            ("aimed", aimed),
            ("smith", smith),
            ("mutated", mutated),
        ]
    }

    /// Adds what another run counted.
    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for ((_, sum), (_, more)) in self.fields().into_iter().zip(other.fields()) {
            *sum += *more;
        }
        self.opcodes
            .resize(self.opcodes.len().max(other.opcodes.len()), 0);
        for (sum, more) in self.opcodes.iter_mut().zip(other.opcodes) {
            *sum += more;
        }
        for (shape, more) in other.shapes {
            *self.shapes.entry(shape).or_default() += more;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [aimed, smith, mutated] = self.by_source;
        write!(
            f,
            "{} executions compared ({} results, {} traps; {aimed} aimed, {smith} smith, {mutated} mutated; {:.0} \
             instructions each) in {} modules; not counted: {} traps within ten instructions, {} out of fuel, {} out \
             of stack, {} trapping starts, {} unlinkable, {} refused by the oracle; {} executions of other features \
             compared between our own levels",
            self.executions(),
            self.results,
            self.traps,
            self.steps as f64 / self.executions().max(1) as f64,
            self.modules,
            self.early,
            self.timeouts,
            self.exhausted,
            self.start_traps,
            self.unlinked,
            self.refused,
            self.own,
        )
    }
}
