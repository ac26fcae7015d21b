//! What came of running a script: counts, failures with their place, skips with their reason.
//!
//! Plain data and its rendering; this file must never know how a directive is executed.

use std::fmt;

/// A directive that did not behave as the script demands.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Line in the script, counted from 1.
    pub line: usize,
    /// Column in the script, counted from 1.
    pub column: usize,
    /// The directive's keyword, for example `assert_return`.
    pub directive: String,
    /// What was expected and what was got.
    pub message: String,
}

/// A directive that was not executed.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Line in the script, counted from 1.
    pub line: usize,
    /// Whether it is an assertion, as opposed to a module or a plain action.
    pub assertion: bool,
    /// Why it was not executed.
    pub reason: String,
}

/// A rejection or trap that is right in kind, but whose text does not contain the text of the script.
#[derive(Clone, Debug)]
pub struct Wording {
    /// Line in the script, counted from 1.
    pub line: usize,
    /// The text in the script.
    pub expected: String,
    /// Our text.
    pub got: String,
}

/// The outcome of one script.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The script's name as the caller gave it.
    pub name: String,
    /// `assert_*` directives in the script.
    pub assertions: usize,
    /// Assertions that held.
    pub passed: usize,
    /// Modules, actions and registrations: directives that assert nothing by name.
    pub commands: usize,
    /// Every directive that failed.
    pub failures: Vec<Failure>,
    /// Every directive that was skipped.
    pub skipped: Vec<Skipped>,
    /// Rejections that are right, in other words than the script's.
    pub wordings: Vec<Wording>,
}

impl Summary {
    /// Whether no directive failed. Skipped ones do not count as failed.
    pub fn success(&self) -> bool {
        self.failures.is_empty()
    }

    /// The number of assertions (not commands) that were skipped.
    pub fn skipped_assertions(&self) -> usize {
        self.skipped.iter().filter(|skip| skip.assertion).count()
    }
}

impl fmt::Display for Summary {
    /// Failures first, one `file:line:column` each, then one line of counts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            let Failure {
                line,
                column,
                directive,
                message,
            } = failure;
            writeln!(f, "{}:{line}:{column}: {directive}: {message}", self.name)?;
        }
        write!(
            f,
            "{}: {} of {} assertions passed, {} directives failed, {} skipped",
            self.name,
            self.passed,
            self.assertions,
            self.failures.len(),
            self.skipped.len()
        )
    }
}
