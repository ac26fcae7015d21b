//! Counts panics: a compiler that catches its own and goes on with less optimisation is a finding all the same.
//! This file must never know what panics.

use std::cell::Cell;
use std::sync::Once;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Counts from now on.
pub(super) fn watch() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            COUNT.set(COUNT.get() + 1);
            before(info);
        }));
    });
}

/// Panics of this thread so far.
pub(super) fn count() -> u64 {
    COUNT.get()
}

#[cfg(test)]
mod tests {
    #[test]
    fn caught_panics_count() {
        super::watch();
        let before = super::count();
        let caught = std::panic::catch_unwind(|| panic!("on purpose"));
        assert!(caught.is_err());
        assert_eq!(super::count() - before, 1);
    }
}
