//! Keys of `-O`: how hard the compiler tries.
//! Must never know how a setting is realised, only which function of the public API takes it.

use super::{Group, Key, Kind};
use craneway::{OptLevel, PassId};

/// The `-O` group.
pub(crate) static OPTIMIZE: Group = Group {
    letter: 'O',
    about: "optimisation",
    keys: &KEYS,
};

/// How hard the compiler tries at all.
const LEVEL: Key = Key {
    name: "opt-level",
    kind: Kind::Choice(&["0", "1", "2", "s"], |settings, level| {
        let level = match level {
            "0" => OptLevel::None,
            _ => OptLevel::Speed,
        };
        settings.config.cranelift_opt_level(level);
    }),
    help: "0 compiles fastest; 1, 2 and s all mean full optimisation (default: 2)",
};

/// The level, then one key for each of the compiler's passes.
static KEYS: [Key; 1 + PassId::ALL.len()] = {
    let mut keys = [LEVEL; 1 + PassId::ALL.len()];
    let mut at = 0;
    while at < PassId::ALL.len() {
        let pass = PassId::ALL[at];
        keys[1 + at] = Key {
            name: pass.name(),
            kind: Kind::Named(|settings, name, on| {
                settings
                    .config
                    .cranelift_pass(name, on)
                    .expect("the table is made from the list of passes");
            }),
            help: pass.about(),
        };
        at += 1;
    }
    keys
};
