//! Keys of `-C`: how machine code is produced.
//! Must never know how a setting is realised, only which function of the public API takes it.

use super::{Group, Key, Kind};

/// The `-C` group.
pub(crate) static CODEGEN: Group = Group {
    letter: 'C',
    about: "code generation",
    keys: &[
        Key {
            name: "parallel-compilation",
            kind: Kind::Switch(|settings, on| {
                settings.config.parallel_compilation(on);
            }),
            help: "compile on all cores (default: y)",
        },
        Key {
            name: "spectre-mitigations",
            kind: Kind::Switch(|settings, on| {
                settings.config.spectre_mitigations(on);
            }),
            help: "guard table and bounds checks against speculation (default: y)",
        },
        Key {
            name: "cranelift-debug-verifier",
            kind: Kind::Switch(|settings, on| {
                settings.config.cranelift_debug_verifier(on);
            }),
            help: "check the compiler's own work at every step; slow (default: n)",
        },
        Key {
            name: "compiler",
            kind: Kind::Choice(&["cranelift"], |_, _| {}),
            help: "the compiler",
        },
        Key {
            name: "cache",
            kind: Kind::Choice(&["n"], |_, _| {}),
            help: "no cache of compiled code exists yet; see `craneway compile`",
        },
    ],
};
