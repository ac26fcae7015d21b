//! The official suites as tests: one per file and mode, and a table at the end.
//!
//! `SPEC_ISOLATE=1` runs every file in a process of its own, so that one that dies does not end the run.
//! `SPEC_FAILURES=PATH` writes every failure, one a line, to PATH. Which suites exist and what is skipped is in
//! the files beside this one; this one must never know.

#![forbid(unsafe_code)]

mod child;
mod lists;
mod skips;
mod suites;
mod table;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use craneway::Engine;
use craneway_spec_tests::{Failure, Mode, Options, Summary, run_script};
use libtest_mimic::{Arguments, Failed, Trial};

use skips::{REWRITES, SKIPS, skipped_assertions};
use suites::{SUITES, Source, Suite};
use table::Outcome;

/// How many failures of one file are shown; `SPEC_FAILURES` has them all.
const SHOWN: usize = 12;

/// Outcomes of the files that ran, gathered from all test threads.
type Outcomes = Arc<Mutex<Vec<Outcome>>>;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let outcomes = Outcomes::default();
    let isolate = std::env::var_os("SPEC_ISOLATE").is_some();
    let mut trials = Vec::new();
    for (index, suite) in SUITES.iter().enumerate() {
        for file in suite.contents() {
            if suite.left_out(file.name()).is_some() {
                continue;
            }
            for mode in Mode::ALL {
                let stem = file.name().trim_end_matches(".wast");
                let name = format!("{}::{}::{stem}", mode.name(), suite.name);
                let run = Run {
                    index,
                    file: file.name().to_owned(),
                    text: file.raw(),
                    mode,
                };
                let outcomes = outcomes.clone();
                trials.push(if isolate {
                    Trial::test(name.clone(), move || run.run_apart(&name, &outcomes))
                } else {
                    Trial::test(name, move || run.run(&outcomes))
                });
            }
        }
    }
    trials.push(Trial::test("lists", || {
        lists::check().map_err(Failed::from)
    }));
    let conclusion = libtest_mimic::run(&args, trials);
    let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    if !args.list && !outcomes.is_empty() && !child::is_child() {
        table::print(&outcomes);
    }
    if let Some(path) = std::env::var_os("SPEC_FAILURES")
        && let Err(error) = std::fs::write(&path, all_failures(&outcomes))
    {
        eprintln!("cannot write {}: {error}", path.to_string_lossy());
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// One file in one mode.
struct Run {
    index: usize,
    file: String,
    text: &'static str,
    mode: Mode,
}

impl Run {
    fn run(self, outcomes: &Outcomes) -> Result<(), Failed> {
        let suite = &SUITES[self.index];
        let mut config = suite.level.config();
        if matches!(suite.source, Source::Own) {
            // What makes the compiler fall back on less optimisation is to fail here.
            config.cranelift_debug_verifier(true);
        }
        let engine = Engine::new(&config)
            .map_err(|error| format!("the engine cannot be made: {error:#}"))?;
        let mut options = Options::new(engine);
        options.mode = self.mode;
        options.skips = SKIPS
            .iter()
            .filter(|skip| skip.suite == suite.name && skip.file == self.file)
            .map(|skip| skip.rule)
            .collect();
        let name = format!("{}/{}", suite.name, self.file);
        let summary = run_script(&name, &rewritten(suite, &self.file, self.text), &options);
        let mut skipped: Vec<usize> = summary
            .skipped
            .iter()
            .filter(|skip| skip.assertion)
            .map(|skip| skip.line)
            .collect();
        skipped.sort_unstable();
        let listed = skipped_assertions(suite.name, &self.file);
        let verdict = if !summary.success() {
            Err(complaint(&summary).into())
        } else if skipped != listed {
            Err(format!(
                "the assertions skipped are in the lines {skipped:?}, but skips.rs lists {listed:?}"
            )
            .into())
        } else {
            Ok(())
        };
        child::leave(&summary)?;
        self.keep(summary, outcomes);
        verdict
    }

    fn run_apart(self, name: &str, outcomes: &Outcomes) -> Result<(), Failed> {
        let (summary, verdict) = child::run(name);
        let dead = || Summary {
            name: format!("{}/{}", SUITES[self.index].name, self.file),
            failures: vec![Failure {
                line: 0,
                column: 0,
                directive: "process".to_owned(),
                message: verdict
                    .as_ref()
                    .err()
                    .map_or_else(String::new, |text| first_line(text)),
            }],
            ..Summary::default()
        };
        let summary = summary.unwrap_or_else(dead);
        self.keep(summary, outcomes);
        verdict.map_err(Failed::from)
    }

    fn keep(self, summary: Summary, outcomes: &Outcomes) {
        let outcome = Outcome {
            suite: self.index,
            file: self.file,
            mode: self.mode,
            summary,
        };
        outcomes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(outcome);
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn rewritten(suite: &Suite, file: &str, text: &str) -> String {
    REWRITES
        .iter()
        .filter(|(in_suite, in_file, ..)| *in_suite == suite.name && *in_file == file)
        .fold(text.to_owned(), |text, (_, _, old, new)| {
            text.replace(old, new)
        })
}

fn complaint(summary: &Summary) -> String {
    let mut short = summary.clone();
    short.failures.truncate(SHOWN);
    let left = summary.failures.len() - short.failures.len();
    let more = if left == 0 {
        String::new()
    } else {
        format!("\n... and {left} more failures")
    };
    format!("{short}{more}")
}

fn all_failures(outcomes: &[Outcome]) -> String {
    let mut lines = String::new();
    for Outcome { mode, summary, .. } in outcomes {
        for failure in &summary.failures {
            let place = format!("{}:{}:{}", summary.name, failure.line, failure.column);
            let message = failure.message.replace('\n', " ");
            lines += &format!(
                "{} {place}: {}: {message}\n",
                mode.name(),
                failure.directive
            );
        }
    }
    lines
}
