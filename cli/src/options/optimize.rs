//! Keys of `-O`: how hard the compiler tries, and how memory is provided.
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

/// How memories are provided.
const HUGE_PAGES: Key = Key {
    name: "memory-huge-pages",
    kind: Kind::Switch(|settings, on| {
        settings.config.memory_huge_pages(on);
    }),
    help: "use pages of 2 MiB for memories beyond 8 MiB where the system has them (default: n)",
};

/// The level, one key for each of the compiler's passes, and what is not about code.
static KEYS: [Key; 2 + PassId::ALL.len()] = {
    let mut keys = [LEVEL; 2 + PassId::ALL.len()];
    keys[1 + PassId::ALL.len()] = HUGE_PAGES;
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
