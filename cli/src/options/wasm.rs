//! Keys of `-W`: which WebAssembly proposals are on, and what a guest may use up.
//! Must never know how a setting is realised, only which function of the public API takes it.

use super::{Group, Key, Kind};

/// A proposal that the engine can switch on and off.
macro_rules! proposal {
    ($name:literal, $setter:ident, $help:literal) => {
        Key {
            name: $name,
            kind: Kind::Switch(|settings, on| {
                settings.config.$setter(on);
            }),
            help: $help,
        }
    };
}

/// The `-W` group.
pub(crate) static WASM: Group = Group {
    letter: 'W',
    about: "WebAssembly features and limits",
    keys: &[
        proposal!(
            "bulk-memory",
            wasm_bulk_memory,
            "memory.copy, memory.fill, passive segments"
        ),
        proposal!("exceptions", wasm_exceptions, "try_table, throw and exnref"),
        proposal!(
            "extended-const",
            wasm_extended_const,
            "integer arithmetic in constant expressions"
        ),
        proposal!(
            "memory64",
            wasm_memory64,
            "memories and tables with 64-bit indices"
        ),
        proposal!(
            "multi-memory",
            wasm_multi_memory,
            "more than one memory in a module"
        ),
        proposal!(
            "multi-value",
            wasm_multi_value,
            "several results of functions and blocks"
        ),
        proposal!(
            "reference-types",
            wasm_reference_types,
            "externref, table instructions, several tables"
        ),
        proposal!("simd", wasm_simd, "128-bit vectors"),
        proposal!(
            "tail-call",
            wasm_tail_call,
            "return_call and return_call_indirect"
        ),
        proposal!(
            "threads",
            wasm_threads,
            "atomic instructions (shared memories are not supported yet)"
        ),
        Key {
            name: "all-proposals",
            kind: Kind::Switch(|settings, on| settings.all_proposals(on)),
            help: "every proposal above at once",
        },
        Key {
            name: "nan-canonicalization",
            kind: Kind::Switch(|settings, on| {
                settings.config.cranelift_nan_canonicalization(on);
            }),
            help: "make every NaN that an operation yields the canonical one (default: n)",
        },
        Key {
            name: "max-wasm-stack",
            kind: Kind::Bytes(|settings, bytes| {
                settings.config.max_wasm_stack(bytes);
            }),
            help: "stack of the guest (default: 8MiB)",
        },
        Key {
            name: "max-memory-size",
            kind: Kind::Bytes(|settings, bytes| settings.limits.memory_size = Some(bytes)),
            help: "how far each memory may grow; beyond it memory.grow returns -1",
        },
        Key {
            name: "max-table-elements",
            kind: Kind::Count(|settings, n| settings.limits.table_elements = Some(n)),
            help: "how far each table may grow; beyond it table.grow returns -1",
        },
        Key {
            name: "max-instances",
            kind: Kind::Count(|settings, n| settings.limits.instances = Some(n)),
            help: "how many instances there may be",
        },
        Key {
            name: "max-tables",
            kind: Kind::Count(|settings, n| settings.limits.tables = Some(n)),
            help: "how many tables there may be",
        },
        Key {
            name: "max-memories",
            kind: Kind::Count(|settings, n| settings.limits.memories = Some(n)),
            help: "how many memories there may be",
        },
        Key {
            name: "trap-on-grow-failure",
            kind: Kind::Switch(|settings, on| settings.limits.trap_on_grow_failure = on),
            help: "trap where memory.grow or table.grow would return -1 (default: n)",
        },
        Key {
            name: "unknown-imports-trap",
            kind: Kind::Switch(|settings, on| settings.unknown_imports_trap = on),
            help: "run although imports are missing; calling one traps (default: n)",
        },
    ],
};
