//! Commands that users of Wasmtime will look for and that are not here: what to use instead.
//! Must never know the commands that do exist.

use crate::report::Failure;
use std::ffi::OsString;

const ABSENT: &[(&str, &str)] = &[
    (
        "config",
        "defaults are read from $CRANEWAY_CONFIG or ~/.config/craneway/config.toml, which docs/cli.md describes; there is no cache to configure yet",
    ),
    (
        "explore",
        "it is not there yet; `craneway inspect FILE` shows what a module contains",
    ),
    (
        "hot-blocks",
        "it is not there yet; RUST_LOG=debug shows what takes how long",
    ),
    (
        "objdump",
        "it is not there yet; `craneway inspect FILE` shows sizes, and GNU objdump reads machine code: objdump -b binary -m i386:x86-64 -D FILE.cwasm",
    ),
    (
        "serve",
        "components and HTTP are not there yet; `craneway run FILE` runs a core module that serves by itself",
    ),
    (
        "settings",
        "the settings of the compiler are the keys that `craneway run -C help` and `-O help` list",
    ),
    (
        "wizer",
        "pre-initialising modules is not there yet; `craneway compile FILE` saves the time of compiling",
    ),
];

/// The failure for a command that does not exist, if the command line starts with one.
pub(crate) fn advice(argv: &[OsString]) -> Option<Failure> {
    let first = argv.get(1)?;
    let (name, advice) = ABSENT.iter().find(|(name, _)| first == name)?;
    Some(
        Failure::usage(format!("craneway has no command `{name}`: {advice}"))
            .hint(format!("to run a file of that name: craneway run {name}")),
    )
}
