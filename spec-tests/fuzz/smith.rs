//! Modules of `wasm-smith`: shape, features, how they are bounded and how their NaNs are tamed.
//!
//! Features are those that both engines have, or, on demand, also those that only ours has. This file must never
//! know how modules are run.

use arbitrary::Unstructured;
use wasm_smith::{Config, Module};
use wasmparser::{Operator, Parser, Payload};

use super::case::Bound;
use super::rng::Rng;

/// A module, how it ends, and whether the engines have to make its NaNs canonical.
pub(super) struct Made {
    pub(super) wasm: Vec<u8>,
    pub(super) bound: Bound,
    pub(super) canonical: bool,
}

/// A module with exceptions and atomic instructions; the engine makes its NaNs canonical.
pub(super) fn own_module(rng: &mut Rng) -> Vec<u8> {
    let mut config = config(rng, true);
    config.exceptions_enabled = true;
    config.threads_enabled = rng.once_in(3);
    let fuel = rng.pick(&[50, 500, 5000]);
    generate(config, &dna(rng), Some(fuel))
}

/// The bytes that a module is made from.
fn dna(rng: &mut Rng) -> Vec<u8> {
    let size = rng.pick(&[256, 1024, 4096, 16384]);
    (0..size / 8)
        .flat_map(|_| rng.next().to_le_bytes())
        .collect()
}

/// A module that the oracle runs too.
pub(super) fn module(rng: &mut Rng) -> Made {
    let bound = if rng.once_in(3) {
        Bound::Oracle
    } else {
        Bound::Inside
    };
    let mut canonical = !rng.once_in(3);
    let config = config(rng, canonical);
    let bytes = dna(rng);
    let fuel = (bound == Bound::Inside).then(|| rng.pick(&[50, 500, 5000]));
    let wasm = generate(config, &bytes, fuel);
    canonical |= converts_floats(&wasm);
    Made {
        wasm,
        bound,
        canonical,
    }
}

fn generate(config: Config, bytes: &[u8], fuel: Option<u32>) -> Vec<u8> {
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

/// Whether the code converts between the float formats: the generator does not make the NaNs of these canonical,
/// so the engines have to. What does not parse is left to the oracle to refuse.
fn converts_floats(wasm: &[u8]) -> bool {
    let bodies = Parser::new(0).parse_all(wasm).flatten();
    let mut operators = bodies
        .filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => body.get_operators_reader().ok(),
            _ => None,
        })
        .flat_map(|reader| reader.into_iter().flatten());
    operators.any(|operator| {
        matches!(
            operator,
            Operator::F32DemoteF64
                | Operator::F64PromoteF32
                | Operator::F32x4DemoteF64x2Zero
                | Operator::F64x2PromoteLowF32x4
        )
    })
}

#[allow(
    clippy::field_reassign_with_default,
    reason = "the type is non-exhaustive in spirit: one line a choice"
)]
fn config(rng: &mut Rng, canonical: bool) -> Config {
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
    config.canonicalize_nans = !canonical;
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
