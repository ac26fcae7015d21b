//! The names of the optimisation passes, the set of those that are on, and how often each did
//! anything.
//!
//! A pass is declared here once; the settings, the image's key, the API, the command's `-O` and the
//! fuzzer's coverage table all read this list.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! passes {
    ($($id:ident $name:literal $about:literal;)*) => {
        /// An optimisation of our own, which can be switched off.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum PassId { $(#[doc = $about] $id,)* }

        impl PassId {
            /// All passes, in the order in which they run.
            pub const ALL: &'static [PassId] = &[$(PassId::$id),*];

            /// The name by which the pass is switched.
            pub const fn name(self) -> &'static str {
                match self { $(PassId::$id => $name,)* }
            }

            /// What the pass does, in one line.
            pub const fn about(self) -> &'static str {
                match self { $(PassId::$id => $about,)* }
            }
        }
    };
}

passes! {
    Inline "inline" "translate calls of small functions in place";
    Tables "tables" "short br_tables to two labels become a comparison and a test of a bit";
    Branch "branch" "a rare choice that the next iteration waits for becomes a branch";
    Loads "loads" "loads that nothing in an inner loop can change leave it";
    Wide "wide" "the high half of a 64-bit product is one multiplication instead of four";
    Induction "induction" "loop variables that index memory have 64 bits and need no address arithmetic";
    Anchor "anchor" "constants added to an index go to the offset where an access proves it does not wrap";
    Compare "compare" "loop exits compare the value handed to the next iteration";
    Extend "extend" "zero-extend indices where that costs nothing: loads and block parameters have 64 bits";
    Vectors "vectors" "operations on vectors take the form that is lowered best";
    Forms "forms" "immediates, memory operands and masks take the form the machine does best";
    Hoist "hoist" "cheap operations on values from outside a loop are computed before it";
    Floats "floats" "float constants of inner loops stay in registers";
    Vectorize "vectorize" "counted loops that do the same to neighbouring places do it to vectors";
    Unroll "unroll" "small counted loops do several iterations a turn";
    Reschedule "reschedule" "compute as soon as that frees a register";
    Split "split" "inner loops that are short of registers get copies of what comes from outside";
    Order "order" "what leaves a loop is placed behind it";
    Place "place" "functions start where their inner loops lie in the fewest cache lines";
}

impl PassId {
    /// The pass of this name. The error lists the names there are.
    ///
    /// # Errors
    /// When no pass has the name.
    pub fn from_name(name: &str) -> Result<PassId, String> {
        let found = PassId::ALL.iter().find(|pass| pass.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = PassId::ALL.iter().map(|pass| pass.name()).collect();
            format!(
                "there is no optimisation pass `{name}`; there are {}",
                names.join(", ")
            )
        })
    }

    /// Counts one function that the pass changed.
    pub(crate) fn count(self) {
        CHANGED[self as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How many functions the pass has changed in this process.
    pub fn changed(self) -> u64 {
        CHANGED[self as usize].load(Ordering::Relaxed)
    }
}

static CHANGED: [AtomicU64; PassId::ALL.len()] = [const { AtomicU64::new(0) }; PassId::ALL.len()];

/// A set of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passes(u64);

impl Passes {
    /// Every pass.
    pub const ALL: Passes = Passes((1 << PassId::ALL.len()) - 1);
    /// No pass.
    pub const NONE: Passes = Passes(0);

    /// Whether `pass` is on.
    pub const fn has(self, pass: PassId) -> bool {
        self.0 >> pass as u8 & 1 != 0
    }

    /// Switches `pass`.
    pub fn set(&mut self, pass: PassId, on: bool) {
        self.0 = self.0 & !(1 << pass as u8) | u64::from(on) << pass as u8;
    }

    /// The names of those that are on, in order.
    pub fn names(self) -> Vec<&'static str> {
        let on = PassId::ALL.iter().filter(|pass| self.has(**pass));
        on.map(|pass| pass.name()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_what_was_put_in() {
        for pass in PassId::ALL {
            assert_eq!(PassId::from_name(pass.name()), Ok(*pass));
            let mut set = Passes::ALL;
            set.set(*pass, false);
            assert!(!set.has(*pass) && !set.names().contains(&pass.name()));
            set.set(*pass, true);
            assert_eq!(set, Passes::ALL);
            let mut only = Passes::NONE;
            only.set(*pass, true);
            assert_eq!(only.names(), [pass.name()]);
        }
    }

    #[test]
    fn names_are_unique_and_an_unknown_one_is_answered_with_them() {
        for (at, pass) in PassId::ALL.iter().enumerate() {
            assert!(PassId::ALL[..at].iter().all(|p| p.name() != pass.name()));
            let answer = PassId::from_name("nonsense").unwrap_err();
            assert!(answer.contains(pass.name()), "{answer}");
        }
    }

    #[test]
    fn changes_are_counted() {
        let before = PassId::Inline.changed();
        PassId::Inline.count();
        assert!(PassId::Inline.changed() > before);
    }
}
