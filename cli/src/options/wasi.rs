//! Keys of `-S`: what of the system the guest gets.
//! Must never know how a setting is realised, only which field of the settings holds it.

use super::{Group, Key, Kind};

/// The `-S` group.
pub(crate) static WASI: Group = Group {
    letter: 'S',
    about: "system interface",
    keys: &[
        Key {
            name: "cli",
            kind: Kind::Switch(|settings, on| settings.wasi.enabled = on),
            help: "provide wasi_snapshot_preview1 and wasi_unstable (default: y)",
        },
        Key {
            name: "common",
            kind: Kind::Switch(|settings, on| settings.wasi.enabled = on),
            help: "another name for cli",
        },
        Key {
            name: "inherit-env",
            kind: Kind::Switch(|settings, on| settings.wasi.inherit_env = on),
            help: "pass on the whole environment; --env overrides single variables (default: n)",
        },
        Key {
            name: "inherit-stdin",
            kind: Kind::Switch(|settings, on| settings.wasi.inherit_stdin = on),
            help: "connect standard input (default: y)",
        },
        Key {
            name: "inherit-stdout",
            kind: Kind::Switch(|settings, on| settings.wasi.inherit_stdout = on),
            help: "connect standard output (default: y)",
        },
        Key {
            name: "inherit-stderr",
            kind: Kind::Switch(|settings, on| settings.wasi.inherit_stderr = on),
            help: "connect standard error (default: y)",
        },
        Key {
            name: "tcplisten",
            kind: Kind::Address(|settings, address| settings.wasi.listen.push(address)),
            help: "listen there and give the guest the socket; may be repeated",
        },
    ],
};
