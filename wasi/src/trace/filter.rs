//! Which functions are traced, as people write it.
//!
//! Knows names only.

use std::collections::BTreeSet;

use super::functions;

/// A set of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(BTreeSet<&'static str>);

/// A name in a filter that no function has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no WASI function is called `{0}`; give names such as `path_open`, beginnings such as `fd_*`, or `!` and either to leave out"
)]
pub struct UnknownFunction(String);

impl Filter {
    /// All functions.
    pub fn all() -> Filter {
        Filter(functions().collect())
    }

    /// The functions that a list names, between commas: `path_open`, all that begin so (`fd_*`), or all but some
    /// (`!clock_time_get,!fd_*`). Later entries win. A list that begins by leaving out begins with all, so does an empty one.
    pub fn parse(list: &str) -> Result<Filter, UnknownFunction> {
        let entries = || {
            list.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
        };
        let mut names = match entries().next() {
            Some(first) if !first.starts_with('!') => BTreeSet::new(),
            _ => functions().collect(),
        };
        for entry in entries() {
            let (pattern, wanted) = match entry.strip_prefix('!') {
                Some(pattern) => (pattern, false),
                None => (entry, true),
            };
            let mut known = false;
            for name in functions().filter(|name| matches(pattern, name)) {
                known = true;
                if wanted {
                    names.insert(name);
                } else {
                    names.remove(name);
                }
            }
            if !known {
                return Err(UnknownFunction(pattern.to_owned()));
            }
        }
        Ok(Filter(names))
    }

    /// Whether a function is in the set.
    pub fn has(&self, function: &str) -> bool {
        self.0.contains(function)
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_begin_and_leave_out() {
        assert_eq!(Filter::parse(""), Ok(Filter::all()));
        assert_eq!(Filter::parse("*"), Ok(Filter::all()));
        let some = Filter::parse("path_*, fd_read,!path_open").expect("known names");
        assert!(some.has("fd_read") && some.has("path_rename"));
        assert!(!some.has("path_open") && !some.has("fd_write"));
        let most = Filter::parse("!clock_time_get").expect("known names");
        assert!(most.has("proc_exit") && !most.has("clock_time_get"));
        for unknown in ["fd_raed", "socket_*", "!x", "fd_read*x"] {
            let error = Filter::parse(unknown).expect_err("an unknown name");
            assert!(error.to_string().contains(unknown.trim_start_matches('!')));
        }
    }
}
