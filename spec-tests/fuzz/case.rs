//! From a seed to a case: a module, how it is run, and how its NaNs are made comparable.
//!
//! Three sources take turns: modules aimed at our passes, modules of `wasm-smith`, and official modules after
//! random changes. Features are those that both engines have, or, for some seeds, those that only ours has.
//! This file must never know how modules are run.

use std::collections::BTreeSet;
use std::fmt;

use super::rng::Rng;
use super::{aimed, mutate, smith};

/// Where a module comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Our own generator ([`aimed`]).
    Aimed,
    /// `wasm-smith`.
    Smith,
    /// `wasm-smith`, with features that the oracle does not have: compared with our own unoptimised code.
    Own,
    /// `wasm-mutate` on an official module.
    Mutated,
}

/// How a module is kept from running for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// The module ends by itself.
    Inside,
    /// The oracle counts instructions; what runs out of fuel there is not run here.
    Oracle,
}

/// How the subject compiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Settings {
    /// With optimisation.
    pub(super) optimise: bool,
    /// The passes that are on, by their place in the list of all passes.
    pub(super) passes: u64,
    /// NaNs are made canonical by the engines; else by the module.
    pub(super) canonical: bool,
    /// Bounds checks hold under speculation too.
    pub(super) spectre: bool,
    /// The compiler checks its intermediate code.
    pub(super) verify: bool,
    /// Serialize and deserialize before running.
    pub(super) reload: bool,
}

impl Settings {
    /// Half of the time everything is on, as users have it; else passes are drawn, or all but one, or only one.
    ///
    /// `passes` is how many there are.
    fn draw(rng: &mut Rng, passes: usize) -> Self {
        let one = 1u64 << rng.below(passes as u64);
        let passes = match rng.below(8) {
            0..=3 => u64::MAX,
            4 | 5 => rng.next(),
            6 => !one,
            _ => one,
        };
        Self {
            optimise: !rng.once_in(8),
            passes,
            canonical: true,
            spectre: !rng.once_in(4),
            verify: rng.once_in(16),
            reload: rng.once_in(16),
        }
    }
}

/// Everything on, but for the checks of the compiler itself.
#[cfg(test)]
pub(super) fn settings_of_users() -> Settings {
    Settings {
        optimise: true,
        passes: u64::MAX,
        canonical: false,
        spectre: true,
        verify: false,
        reload: false,
    }
}

/// A module and how to run it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) wasm: Vec<u8>,
    pub(super) source: Source,
    pub(super) bound: Bound,
    pub(super) settings: Settings,
    /// What is in an aimed module that passes look for.
    pub(super) shapes: BTreeSet<&'static str>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            wasm,
            source,
            bound,
            settings,
            shapes: _,
        } = self;
        write!(
            f,
            "{} bytes, {source:?}, bound {bound:?}, {settings:?}",
            wasm.len()
        )
    }
}

/// The case of a seed, for a compiler with so many `passes`. The module does not depend on their number.
pub(super) fn case(seed: u64, passes: usize) -> Case {
    let mut settings = Settings::draw(&mut Rng::new(!seed), passes);
    let mut rng = Rng::new(seed);
    let mut shapes = BTreeSet::new();
    let (source, bound, wasm) = match seed % 16 {
        0..=9 => {
            let made = aimed::module(&mut rng);
            shapes = made.shapes;
            settings.canonical = made.canonical;
            (Source::Aimed, Bound::Inside, made.wasm)
        }
        10..=12 => {
            let made = smith::module(&mut rng);
            settings.canonical = made.canonical;
            (Source::Smith, made.bound, made.wasm)
        }
        13 => {
            settings.optimise = true;
            (Source::Own, Bound::Inside, smith::own_module(&mut rng))
        }
        _ => (Source::Mutated, Bound::Oracle, mutate::module(&mut rng)),
    };
    Case {
        wasm,
        source,
        bound,
        settings,
        shapes,
    }
}
