//! Keys of `-O`: how hard the compiler tries.
//! Must never know how a setting is realised, only which function of the public API takes it.

use super::{Group, Key, Kind};
use craneway::OptLevel;

/// The `-O` group.
pub(crate) static OPTIMIZE: Group = Group {
    letter: 'O',
    about: "optimisation",
    keys: &[Key {
        name: "opt-level",
        kind: Kind::Choice(&["0", "1", "2", "s"], |settings, level| {
            let level = match level {
                "0" => OptLevel::None,
                _ => OptLevel::Speed,
            };
            settings.config.cranelift_opt_level(level);
        }),
        help: "0 compiles fastest; 1, 2 and s all mean full optimisation (default: 2)",
    }],
};
