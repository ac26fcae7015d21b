//! Expected errors: the kind of trap that a script's text stands for, and how texts are compared.
//!
//! The specification fixes what is rejected or trapped, not the words, so the kind decides and the words
//! are only counted. This file must never know about values or modules.

use craneway::{Error, ThrownException, Trap};

/// Texts of the official scripts, by prefix, and the traps that each stands for. The first match counts.
const TRAPS: &[(&str, &[Trap])] = &[
    ("unreachable", &[Trap::UnreachableCodeReached]),
    ("integer divide by zero", &[Trap::IntegerDivisionByZero]),
    ("integer overflow", &[Trap::IntegerOverflow]),
    (
        "invalid conversion to integer",
        &[Trap::BadConversionToInteger],
    ),
    ("out of bounds memory access", &[Trap::MemoryOutOfBounds]),
    ("out of bounds table access", &[Trap::TableOutOfBounds]),
    (
        "out of bounds",
        &[Trap::MemoryOutOfBounds, Trap::TableOutOfBounds],
    ),
    ("undefined", &[Trap::TableOutOfBounds]),
    ("uninitialized", &[Trap::IndirectCallToNull]),
    ("indirect call", &[Trap::BadSignature]),
    ("null", &[Trap::NullReference, Trap::IndirectCallToNull]),
    ("unaligned atomic", &[Trap::HeapMisaligned]),
    ("expected shared memory", &[Trap::AtomicWaitNonSharedMemory]),
    ("call stack exhausted", &[Trap::StackOverflow]),
];

/// What an error has to say about a script's text.
pub(crate) enum Verdict {
    /// The error is of the expected kind and says it in the script's words.
    Same,
    /// The error is of the expected kind, in other words.
    OtherWords,
    /// The error is of another kind.
    Wrong(String),
}

/// Judges an error that should be the trap called `expected`.
pub(crate) fn trap(error: &Error, expected: &str) -> Verdict {
    let Some(trap) = error.downcast_ref::<Trap>() else {
        return Verdict::Wrong(format!("expected the trap `{expected}`, got: {error:#}"));
    };
    let kinds = TRAPS
        .iter()
        .find(|(prefix, _)| expected.starts_with(prefix))
        .map(|(_, kinds)| *kinds);
    let same_words = trap.to_string().contains(expected);
    match kinds {
        Some(kinds) if !kinds.contains(trap) => Verdict::Wrong(format!(
            "expected the trap `{expected}`, got the trap `{trap}`"
        )),
        None if !same_words => Verdict::Wrong(format!(
            "expected the trap `{expected}`, got the trap `{trap}`"
        )),
        _ if same_words => Verdict::Same,
        _ => Verdict::OtherWords,
    }
}

/// Judges an error that should refuse to link for the reason `expected`.
pub(crate) fn unlinkable(error: &Error, expected: &str) -> Verdict {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return Verdict::Wrong(format!(
            "expected a link error `{expected}`, got the trap `{trap}`"
        ));
    }
    words(&format!("{error:#}"), expected)
}

/// Judges an error that should be an uncaught exception.
pub(crate) fn exception(error: &Error) -> Verdict {
    if error.downcast_ref::<ThrownException>().is_some() {
        Verdict::Same
    } else {
        Verdict::Wrong(format!("expected an uncaught exception, got: {error:#}"))
    }
}

/// Compares words alone: any rejection is right.
pub(crate) fn words(got: &str, expected: &str) -> Verdict {
    if got.contains(expected) {
        Verdict::Same
    } else {
        Verdict::OtherWords
    }
}
