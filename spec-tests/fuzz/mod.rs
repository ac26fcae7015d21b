//! Differential testing: generated modules run under craneway and under `wasmi`, and everything that can be
//! observed must agree.
//!
//! ```text
//!   case         from a seed to a module and the settings that it is compiled with
//!   aimed/       modules aimed at what our passes touch
//!   smith        modules of wasm-smith
//!   mutate       official modules after random changes
//!   instrument   the oracle's version of a module, which counts instructions
//!   oracle       wasmi
//!   subject      craneway, with passes on and off
//!   names        numbers for functions, by which both say which one a reference is to
//!   compare      calls under both; results, traps, memories, globals and tables after each
//!   panics       counts panics, also those that the compiler catches
//!   counts       what the seeds came to; totals sums them over many runs
//!   minimise     makes a module small that shows a failure; script makes a regression of it
//! ```
//! A seed decides everything: the module, how it is compiled, the arguments. This file drives one seed; it must
//! never know either engine's API.

mod aimed;
mod case;
mod compare;
mod counts;
mod host;
mod instrument;
mod minimise;
mod mutate;
mod names;
mod opcodes;
mod oracle;
mod panics;
mod rng;
mod script;
mod smith;
mod subject;
#[cfg(test)]
mod testing;
mod totals;
mod value;
mod watch;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use case::{Bound, Case, Source};
use compare::{Call, Effort, Made, Pair, Stop};
use rng::Rng;
use script::Seen;
use value::Outcome;

pub(crate) use counts::Counts;
pub(crate) use opcodes::NAMES as OPCODES;
pub(crate) use totals::Totals;
pub(crate) use watch::Watch;

/// The engines agree no more.
pub(crate) struct Mismatch {
    /// What differs, and at which call.
    pub(crate) message: String,
    seed: u64,
    case: Box<Case>,
    /// The calls of the instance that differed.
    calls: Vec<Call>,
}

/// Both engines, made once for many seeds.
pub(crate) struct Lab {
    oracle: oracle::Oracle,
    subject: subject::Subject,
}

/// The names of the passes, and how many functions each has changed in this process.
pub(crate) fn passes() -> Vec<(&'static str, u64)> {
    subject::passes()
        .into_iter()
        .zip(subject::changed())
        .collect()
}

/// The module that `seed` stands for.
#[cfg(test)]
pub(crate) fn module(seed: u64) -> Vec<u8> {
    case(seed).wasm
}

/// The case that `seed` stands for.
fn case(seed: u64) -> Case {
    case::case(seed, subject::passes().len())
}

impl Lab {
    /// Engines for any number of seeds.
    pub(crate) fn new() -> Self {
        panics::watch();
        Self {
            oracle: oracle::Oracle::new(),
            subject: subject::Subject::default(),
        }
    }

    /// Runs the module of `seed` under both engines and compares.
    pub(crate) fn run(&self, seed: u64, counts: &mut Counts) -> Result<(), Mismatch> {
        let case = case(seed);
        counts.modules += 1;
        let mut rng = Rng::new(seed ^ 0x5eed);
        let mut own = Counts::default();
        let mut calls = Vec::new();
        let result = self.with(&case, &mut |mut pair| {
            // A panic in an engine is a finding like any other.
            let result = guarded(|| pair.run(effort(&case), &mut rng, &mut own));
            calls = pair
                .made
                .into_iter()
                .map(|made| (made.name, made.args))
                .collect();
            result
        });
        count(&case, own, counts);
        match result {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Refused) => {
                counts.refused += 1;
                Ok(())
            }
            Err(Stop::Differs(message)) => Err(Mismatch {
                message: format!("seed {seed} ({case}): {message}"),
                seed,
                case: Box::new(case),
                calls,
            }),
        }
    }

    /// Compiles a case for both engines and hands them to `work`.
    fn with(
        &self,
        case: &Case,
        work: &mut dyn FnMut(Pair<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let compile = || {
            let before = panics::count();
            let compiled = guarded(|| {
                self.subject
                    .compile(&case.wasm, case.settings)
                    .map_err(Stop::Differs)
            })?;
            match panics::count() - before {
                0 => Ok(compiled),
                n => Err(Stop::Differs(format!(
                    "the compiler panicked {n} times and made do with less optimisation"
                ))),
            }
        };
        if case.source == Source::Own {
            // What is not supported, such as a shared memory, is refused at any level.
            let Ok(plain) = self.subject.compile_plain(&case.wasm, case.settings) else {
                return Err(Stop::Enough);
            };
            let subject = compile()?;
            return work(Pair {
                oracle: &|| self.subject.start(&plain),
                subject: &|| self.subject.start(&subject),
                made: Vec::new(),
                host_calls: 0,
            });
        }
        let Ok(instrumented) = instrument::instrument(&case.wasm) else {
            return Err(Stop::Refused);
        };
        let Ok(oracle) = self.oracle.compile(&instrumented) else {
            return Err(Stop::Refused);
        };
        let subject = compile()?;
        work(Pair {
            oracle: &|| self.oracle.start(&oracle),
            subject: &|| self.subject.start(&subject),
            made: Vec::new(),
            host_calls: 0,
        })
    }

    /// How these calls of a case end, if they differ: what was made and what the state ought to be.
    fn replay(&self, case: &Case, calls: &[Call]) -> Option<Replayed> {
        let mut found = None;
        let mut compiled = false;
        let result = self.with(case, &mut |mut pair| {
            compiled = true;
            let (result, seen) = pair.replay(calls);
            // What neither engine can call any more is no failure.
            let called = |made: &Made| !matches!(made.want, Outcome::Broken(_));
            if matches!(result, Err(Stop::Differs(_))) && pair.made.iter().all(called) {
                found = Some(Replayed {
                    made: pair.made,
                    seen,
                    host_calls: pair.host_calls,
                });
            }
            result
        });
        if !compiled && matches!(result, Err(Stop::Differs(_))) {
            // It is the compiler that fails.
            found = Some(Replayed {
                made: Vec::new(),
                seen: Vec::new(),
                host_calls: 0,
            });
        }
        found
    }
}

/// How calls went that differ again.
struct Replayed {
    made: Vec<Made>,
    /// What the state ought to be.
    seen: Vec<Seen>,
    host_calls: u64,
}

/// Adds the counts of one module.
fn count(case: &Case, mut own: Counts, counts: &mut Counts) {
    let executions = own.executions();
    match case.source {
        Source::Own => {
            counts.own += executions + own.early;
            return;
        }
        Source::Aimed => own.by_source[0] = executions,
        Source::Smith => own.by_source[1] = executions,
        Source::Mutated => own.by_source[2] = executions,
    }
    if executions > 0 {
        own.opcodes = opcodes::contained(&case.wasm);
        let shapes = case.shapes.iter();
        own.shapes = shapes.map(|shape| ((*shape).to_owned(), 1)).collect();
    }
    counts.add(&own);
}

/// A panic becomes a difference.
fn guarded<R>(work: impl FnOnce() -> Result<R, Stop>) -> Result<R, Stop> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Stop::Differs(format!("panicked: {}", words(&panic)))))
}

/// Time that making a module small may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Makes a mismatch small and saves it as a script among the regressions; says where.
pub(crate) fn save_small(lab: &Lab, mismatch: &Mismatch) -> String {
    let mut case = (*mismatch.case).clone();
    let all = &mismatch.calls[..];
    let last = &all[all.len().saturating_sub(1)..];
    let calls = match [last, all]
        .into_iter()
        .find(|calls| lab.replay(&case, calls).is_some())
    {
        Some(calls) => calls,
        None => return "it does not fail again in a fresh instance: nothing is saved".into(),
    };
    for pass in 0..subject::passes().len() {
        let mut without = case.clone();
        without.settings.passes &= !(1 << pass);
        if lab.replay(&without, calls).is_some() {
            case = without;
        }
    }
    let fails = |wasm: &[u8]| {
        let smaller = Case {
            wasm: wasm.to_vec(),
            ..case.clone()
        };
        lab.replay(&smaller, calls).is_some()
    };
    case.wasm = minimise::minimise(&case.wasm, &fails, Instant::now() + PATIENCE);
    let needed = subject::passes().into_iter().enumerate();
    let needed: Vec<&str> = needed
        .filter(|(at, _)| case.settings.passes >> at & 1 != 0)
        .map(|(_, name)| name)
        .collect();
    let heading = format!(
        "Found by the differential fuzzer: {}\nPasses that it takes: {}.",
        mismatch.message,
        needed.join(", ")
    );
    let Some(last) = lab.replay(&case, calls) else {
        return "it does not fail again: nothing is saved".into();
    };
    let text = match last.host_calls {
        0 => script::script(&case.wasm, &heading, &last.made, &last.seen),
        _ => Err("the host's results matter, which a script cannot give".to_owned()),
    };
    match text {
        Ok(text) => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(format!("tests/own/fuzz-{}.wast", mismatch.seed));
            match std::fs::write(&path, text) {
                Ok(()) => format!(
                    "made small: {}; passes that it takes: {}",
                    path.display(),
                    needed.join(", ")
                ),
                Err(error) => format!("{} cannot be written: {error}", path.display()),
            }
        }
        Err(why) => format!(
            "there is no script, because {why}; the module made small is\n{}",
            print(&case.wasm)
        ),
    }
}

fn print(wasm: &[u8]) -> String {
    wasmprinter::print_bytes(wasm).unwrap_or_else(|error| format!(";; {error:#}"))
}

fn effort(case: &Case) -> Effort {
    match (case.source, case.bound) {
        (Source::Aimed, _) => Effort {
            instances: 2,
            calls: 80,
            leave_after_trap: false,
        },
        (_, Bound::Inside) => Effort {
            instances: 8,
            calls: 64,
            leave_after_trap: true,
        },
        (_, Bound::Oracle) => Effort {
            instances: 2,
            calls: 48,
            leave_after_trap: false,
        },
    }
}

fn words(panic: &Box<dyn Any + Send>) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// Saves the module of a seed and says where, and how to repeat it.
pub(crate) fn report(seed: u64) -> String {
    let path = watch::folder().join(format!("seed-{seed}.wasm"));
    let place = match save(&path, &case(seed).wasm) {
        Ok(()) => format!("module in {} and .wat", path.display()),
        Err(error) => format!("the module cannot be saved in {}: {error}", path.display()),
    };
    format!("{place}\nrepeat: cargo run -p craneway-spec-tests --example soak -- --one {seed}")
}

fn save(path: &Path, wasm: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(watch::folder())?;
    std::fs::write(path, wasm)?;
    std::fs::write(path.with_extension("wat"), print(wasm))
}
