//! The table at the end of a run: per suite what ran, passed and was skipped, and every file that did not
//! run. Rendering only; this file must never know how a script is executed.

use std::collections::BTreeMap;

use craneway_spec_tests::{Mode, Summary};

use crate::suites::SUITES;

/// What came of one file in one mode.
pub(crate) struct Outcome {
    pub(crate) suite: usize,
    pub(crate) file: String,
    pub(crate) mode: Mode,
    pub(crate) summary: Summary,
}

#[derive(Default)]
struct Row {
    files: usize,
    assertions: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    commands: usize,
    wordings: usize,
}

impl Row {
    fn add(&mut self, summary: &Summary) {
        self.files += 1;
        self.assertions += summary.assertions;
        self.passed += summary.passed;
        self.skipped += summary.skipped_assertions();
        self.failed += summary.failures.len();
        self.commands += summary.commands;
        self.wordings += summary.wordings.len();
    }

    fn print(&self, name: &str, mode: &str) {
        let Self {
            files,
            assertions,
            passed,
            failed,
            skipped,
            commands,
            wordings,
        } = self;
        println!(
            "{name:<26} {mode:<7} {files:>5} {assertions:>10} {passed:>8} {skipped:>8} {failed:>7} {commands:>9} {wordings:>12}"
        );
    }
}

/// Prints the table of what ran, the reasons of skips, and what of the crate did not run.
pub(crate) fn print(outcomes: &[Outcome]) {
    println!(
        "\n{:<26} {:<7} {:>5} {:>10} {:>8} {:>8} {:>7} {:>9} {:>12}",
        "suite",
        "mode",
        "files",
        "assertions",
        "passed",
        "skipped",
        "failed",
        "commands",
        "other words"
    );
    let mut total = Row::default();
    for (index, suite) in SUITES.iter().enumerate() {
        for mode in Mode::ALL {
            let mut row = Row::default();
            for outcome in outcomes
                .iter()
                .filter(|o| o.suite == index && o.mode == mode)
            {
                row.add(&outcome.summary);
                total.add(&outcome.summary);
            }
            if row.files > 0 {
                row.print(suite.name, mode.name());
            }
        }
    }
    total.print("all", "");
    print_skips(outcomes);
    print_left_out();
}

fn print_skips(outcomes: &[Outcome]) {
    let mut skips: BTreeMap<(usize, &str, &str), (usize, usize)> = BTreeMap::new();
    for outcome in outcomes.iter().filter(|o| o.mode == Mode::Eager) {
        for skip in &outcome.summary.skipped {
            let reason = match skip.reason.split_once(", which is skipped") {
                Some(_) => "needs a directive that is skipped",
                None => &skip.reason,
            };
            let count = skips
                .entry((outcome.suite, &outcome.file, reason))
                .or_default();
            if skip.assertion {
                count.0 += 1;
            } else {
                count.1 += 1;
            }
        }
    }
    if skips.is_empty() {
        return;
    }
    println!("\nSkipped in files that ran (assertions + other directives, once per mode):");
    for ((suite, file, reason), (assertions, commands)) in skips {
        println!(
            "  {}/{file}: {assertions} + {commands}: {reason}",
            SUITES[suite].name
        );
    }
}

fn print_left_out() {
    println!("\nFiles of the crate that did not run:");
    for suite in SUITES {
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for file in suite.contents() {
            if let Some(why) = suite.left_out(file.name()) {
                by_reason
                    .entry(why)
                    .or_default()
                    .push(file.name().to_owned());
            }
        }
        for (why, mut files) in by_reason {
            files.sort();
            println!(
                "  {} ({}): {why}: {}",
                suite.name,
                files.len(),
                files.join(" ")
            );
        }
    }
}
