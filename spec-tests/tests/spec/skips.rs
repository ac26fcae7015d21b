//! What is left out of files that do run, each with its reason: the only place where assertions may be
//! skipped. This file must never know how a script is executed.
//!
//! [`ASSERTIONS`] lists every assertion that is skipped, by its line: one more or one less fails the run.
//! `docs/spec.md` shows the same list with what each needs.

use craneway_spec_tests::SkipRule;

/// A skip in one file of one suite.
pub(crate) struct Skip {
    pub(crate) suite: &'static str,
    pub(crate) file: &'static str,
    pub(crate) rule: SkipRule,
}

const fn skip(
    suite: &'static str,
    file: &'static str,
    pattern: &'static str,
    reason: &'static str,
) -> Skip {
    Skip {
        suite,
        file,
        rule: SkipRule { pattern, reason },
    }
}

const RECURSIVE: &str = "types of the garbage collection proposal, not claimed yet";
const TYPED: &str = "typed function references, not claimed yet";
const WAIT: &str = "waiting needs a shared memory, not claimed yet; on an unshared one it traps";

/// Every skip there is.
pub(crate) const SKIPS: &[Skip] = &[
    skip("exceptions", "tag.wast", "(rec", RECURSIVE),
    skip(
        "exceptions",
        "tag.wast",
        "(tag (import \"M\" \"tag\")",
        RECURSIVE,
    ),
    skip(
        "exceptions",
        "try_table.wast",
        "(elem declare func $dummy)",
        TYPED,
    ),
    skip(
        "bulk-memory",
        "table-sub.wast",
        "(table $t2 10 (ref null $t))",
        TYPED,
    ),
    skip(
        "bulk-memory",
        "table_init.wast",
        "(mut arrayref)",
        RECURSIVE,
    ),
    skip(
        "reference-types",
        "unreached-invalid.wast",
        "$type-br_table-label-num-vs-label-num-after-unreachable",
        "valid since 2.0: unreachable code has no one type; the files of wasm-v2 say so",
    ),
    skip(
        "threads",
        "atomic.wast",
        "assert_return (invoke \"memory.atomic.wait",
        WAIT,
    ),
];

/// The lines of the assertions that are skipped: suite, file, lines. In all other files none may be.
pub(crate) const ASSERTIONS: &[(&str, &str, &[usize])] = &[
    ("exceptions", "tag.wast", &[48, 59]),
    ("exceptions", "try_table.wast", &[464, 465, 466, 467, 468]),
    ("bulk-memory", "table_init.wast", &[2286]),
    ("reference-types", "unreached-invalid.wast", &[539]),
    ("threads", "atomic.wast", &[434, 435]),
];

/// The lines of the assertions that are skipped in a file.
pub(crate) fn skipped_assertions(suite: &str, file: &str) -> &'static [usize] {
    ASSERTIONS
        .iter()
        .find(|(in_suite, in_file, _)| *in_suite == suite && *in_file == file)
        .map_or(&[], |(_, _, lines)| lines)
}

/// Text that is replaced before a script runs: suite, file, old, new.
///
/// The atomic instructions behave the same on unshared memories, so their file runs on those until shared
/// ones exist.
pub(crate) const REWRITES: &[(&str, &str, &str, &str)] = &[(
    "threads",
    "atomic.wast",
    "(memory 1 1 shared)",
    "(memory 1 1)",
)];
