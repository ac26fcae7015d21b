//! Keys of `-D`: what helps to find out what went wrong.
//! Must never know how a setting is realised, only which function of the public API takes it.

use super::{Group, Key, Kind};

/// The `-D` group.
pub(crate) static DEBUG: Group = Group {
    letter: 'D',
    about: "debugging",
    keys: &[
        Key {
            name: "debug-info",
            kind: Kind::Switch(|settings, on| {
                settings.config.debug_info(on);
            }),
            help: "file and line in backtraces, from the module's DWARF",
        },
        Key {
            name: "max-backtrace",
            kind: Kind::Count(|settings, n| {
                settings.config.wasm_backtrace_max_frames(Some(n));
            }),
            help: "how many frames a backtrace holds; 0 for none",
        },
        Key {
            name: "logging",
            kind: Kind::Switch(|settings, on| settings.logging = on),
            help: "obey RUST_LOG (default: y)",
        },
    ],
};
