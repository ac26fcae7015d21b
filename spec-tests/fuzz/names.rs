//! Numbers for functions, so that two engines can say of a reference which function it is.
//!
//! Neither engine tells the index of a function, but both tell whether two references are to the same one. The
//! imported functions are numbered first, then the exported ones in the order of their names, then any other when
//! it is first seen. What is looked at is the same under both engines and in the same order, so a number that
//! differs is another function. This file must never know either engine's API.

use std::cell::RefCell;

/// The functions of one store that have numbers.
pub(super) struct Names<F>(RefCell<Vec<F>>);

impl<F> Default for Names<F> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<F: PartialEq> Names<F> {
    /// The number of a function; the next one if it is new.
    pub(super) fn number(&self, function: F) -> u32 {
        let mut known = self.0.borrow_mut();
        let at = known.iter().position(|other| *other == function);
        let at = at.unwrap_or_else(|| {
            known.push(function);
            known.len() - 1
        });
        at as u32
    }
}
