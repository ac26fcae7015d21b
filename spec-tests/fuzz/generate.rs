//! From a seed to a module: shape, features, how it is bounded and how its NaNs are tamed.
//!
//! Features are those that both engines have, or, for some seeds, those that only ours has. This file must never know how modules are run.

use std::fmt;

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};
use wasmparser::{Operator, Parser, Payload};

use super::rng::Rng;

/// How a module is kept from running for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// The module counts loop iterations and calls itself and traps.
    Inside,
    /// The oracle counts instructions; what runs out of fuel there is not run here.
    Oracle,
}

/// How NaNs are made comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nans {
    /// The module makes them canonical itself.
    Module,
    /// Both engines do.
    Engines,
}

/// A module and how to run it.
pub(super) struct Case {
    pub(super) wasm: Vec<u8>,
    pub(super) bound: Bound,
    pub(super) nans: Nans,
    /// Compile with optimisation.
    pub(super) optimise: bool,
    /// Serialize and deserialize before running.
    pub(super) reload: bool,
    /// Uses features that the oracle does not have: compared with our own unoptimised code instead.
    pub(super) own: bool,
    /// The oracle is known to run this wrongly (see [`Traits::zero_test_select`]).
    pub(super) beyond_oracle: bool,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.wasm.len();
        let Self {
            bound,
            nans,
            optimise,
            reload,
            ..
        } = self;
        if self.own {
            return write!(f, "{size} bytes, against unoptimised code, reload {reload}");
        }
        write!(
            f,
            "{size} bytes, bound {bound:?}, NaNs by {nans:?}, optimise {optimise}, reload {reload}"
        )
    }
}

/// The case of a seed: every eighth goes beyond the oracle's features.
pub(super) fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    if seed % 8 == 7 {
        own_case(&mut rng)
    } else {
        oracle_case(&mut rng)
    }
}

/// A module with exceptions and atomic instructions.
fn own_case(rng: &mut Rng) -> Case {
    let mut config = config(rng, Nans::Engines);
    config.exceptions_enabled = true;
    config.threads_enabled = rng.once_in(3);
    let fuel = rng.pick(&[50, 500, 5000]);
    Case {
        wasm: module(config, &dna(rng), Some(fuel)),
        bound: Bound::Inside,
        nans: Nans::Engines,
        optimise: true,
        reload: rng.once_in(3),
        own: true,
        beyond_oracle: false,
    }
}

/// The bytes that a module is made from.
fn dna(rng: &mut Rng) -> Vec<u8> {
    let size = rng.pick(&[256, 1024, 4096, 16384]);
    (0..size / 8)
        .flat_map(|_| rng.next().to_le_bytes())
        .collect()
}

fn oracle_case(rng: &mut Rng) -> Case {
    let bound = if rng.once_in(3) {
        Bound::Oracle
    } else {
        Bound::Inside
    };
    let mut nans = if rng.once_in(3) {
        Nans::Module
    } else {
        Nans::Engines
    };
    let optimise = !rng.once_in(4);
    let reload = rng.once_in(8);
    let mut config = config(rng, nans);
    let bytes = dna(rng);
    let fuel = (bound == Bound::Inside).then(|| rng.pick(&[50, 500, 5000]));
    let mut wasm = module(config.clone(), &bytes, fuel);
    let mut traits = Traits::of(&wasm);
    if traits.zero_test_select && config.disallow_traps {
        // The guards of divisions are what the oracle gets wrong: do without guards.
        config.disallow_traps = false;
        wasm = module(config, &bytes, fuel);
        traits = Traits::of(&wasm);
    }
    if traits.converts_floats {
        nans = Nans::Engines;
    }
    Case {
        wasm,
        bound,
        nans,
        optimise,
        reload,
        own: false,
        beyond_oracle: traits.zero_test_select,
    }
}

fn module(config: Config, bytes: &[u8], fuel: Option<u32>) -> Vec<u8> {
    match Module::new(config, &mut Unstructured::new(bytes)) {
        Ok(mut module) => {
            if let Some(fuel) = fuel {
                // Fails for function bodies of raw bytes alone, which the configuration rules out.
                let _ = module.ensure_termination(fuel);
            }
            module.to_bytes()
        }
        // The bytes did not suffice; an empty module stands for that.
        Err(_) => b"\0asm\x01\0\0\0".to_vec(),
    }
}

/// What a module's code holds that decides how it can be compared.
#[derive(Default)]
struct Traits {
    /// Conversions between the float formats: the generator does not make the NaNs of these canonical, so the
    /// engines have to.
    converts_floats: bool,
    /// A `select` right behind `i32.eqz`, `i32.eq` or `i32.ne`: where that compares a local with zero, wasmi 2.0.0
    /// drops the comparison, but goes on to test its result, which is then whatever was in the register.
    zero_test_select: bool,
}

impl Traits {
    /// Looks through the code of `wasm`. What does not parse is left to the oracle to refuse.
    fn of(wasm: &[u8]) -> Self {
        let mut traits = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let Ok(Payload::CodeSectionEntry(body)) = payload else {
                continue;
            };
            let Ok(operators) = body.get_operators_reader() else {
                continue;
            };
            let mut compared = false;
            for operator in operators.into_iter().flatten() {
                match operator {
                    Operator::Nop => continue,
                    Operator::F32DemoteF64
                    | Operator::F64PromoteF32
                    | Operator::F32x4DemoteF64x2Zero
                    | Operator::F64x2PromoteLowF32x4 => traits.converts_floats = true,
                    Operator::Select | Operator::TypedSelect { .. } => {
                        traits.zero_test_select |= compared;
                    }
                    _ => {}
                }
                compared = matches!(
                    operator,
                    Operator::I32Eqz | Operator::I32Eq | Operator::I32Ne
                );
            }
        }
        traits
    }
}

fn config(rng: &mut Rng, nans: Nans) -> Config {
    const PAGE: u64 = 65536;
    let mut config = Config::default();
    // Not in both engines.
    config.gc_enabled = false;
    config.exceptions_enabled = false;
    config.threads_enabled = false;
    config.shared_everything_threads_enabled = false;
    config.relaxed_simd_enabled = false;
    config.wide_arithmetic_enabled = false;
    config.compact_imports_enabled = false;
    config.custom_page_sizes_enabled = false;
    config.custom_descriptors_enabled = false;
    config.acquire_release_atomics_enabled = false;
    config.multibyte_array_access_enabled = false;
    // In both; left out now and then so that others come up more often.
    config.simd_enabled = !rng.once_in(3);
    config.memory64_enabled = rng.once_in(3);
    config.tail_call_enabled = !rng.once_in(3);
    config.extended_const_enabled = true;
    config.allow_floats = !rng.once_in(6);
    config.disallow_traps = rng.once_in(3);
    config.canonicalize_nans = nans == Nans::Module;
    // Growth must not depend on an engine's own limits.
    config.memory_max_size_required = true;
    config.table_max_size_required = true;
    config.max_memory32_bytes = PAGE * rng.between(1, 24);
    config.max_memory64_bytes = u128::from(PAGE * rng.between(1, 24));
    config.max_table_elements = rng.between(1, 300);
    config.max_memories = rng.pick(&[1, 1, 3]);
    config.max_tables = rng.pick(&[1, 3]);
    config.min_funcs = 1;
    config.max_funcs = rng.pick(&[4, 16]);
    config.max_instructions = rng.pick(&[30, 150, 800]);
    config.max_imports = rng.pick(&[0, 4, 10]);
    config.max_types = 16;
    config.max_globals = 12;
    config.max_data_segments = 6;
    config.max_element_segments = 6;
    config.max_elements = 20;
    config.export_everything = true;
    config
}
