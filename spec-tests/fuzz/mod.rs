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
//!   compare      calls under both; results, traps, memories, globals and tables after each
//!   counts       what the seeds came to
//! ```
//! A seed decides everything: the module, how it is compiled, the arguments. This file drives one seed; it must
//! never know either engine's API.

mod aimed;
mod case;
mod compare;
mod counts;
mod host;
mod instrument;
mod mutate;
mod opcodes;
mod oracle;
mod rng;
mod smith;
mod subject;
mod value;
mod watch;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use case::{Bound, Case, Source};
use compare::{Effort, Pair, Stop};
use rng::Rng;

pub(crate) use counts::Counts;
pub(crate) use opcodes::NAMES as OPCODES;
pub(crate) use watch::Watch;

/// The engines agree no more.
#[derive(Debug)]
pub(crate) struct Mismatch {
    /// The seed that shows it.
    pub(crate) seed: u64,
    /// What differs, and at which call.
    pub(crate) message: String,
    /// The module.
    pub(crate) wasm: Vec<u8>,
}

/// Both engines, made once for many seeds.
pub(crate) struct Lab {
    oracle: oracle::Oracle,
    subject: subject::Subject,
}

/// The names of the passes, and how many functions each has changed in this process.
pub(crate) fn passes() -> Vec<(&'static str, u64)> {
    subject::passes().into_iter().zip(subject::changed()).collect()
}

/// The case that `seed` stands for.
fn case(seed: u64) -> Case {
    case::case(seed, subject::passes().len())
}

impl Lab {
    /// Engines for any number of seeds.
    pub(crate) fn new() -> Self {
        Self {
            oracle: oracle::Oracle::new(),
            subject: subject::Subject::default(),
        }
    }

    /// The module that `seed` stands for.
    pub(crate) fn module(seed: u64) -> Vec<u8> {
        case(seed).wasm
    }

    /// Runs the module of `seed` under both engines and compares.
    pub(crate) fn run(&self, seed: u64, counts: &mut Counts) -> Result<(), Mismatch> {
        let case = case(seed);
        match self.compare(&case, seed, counts) {
            Ok(()) | Err(Stop::Enough) => Ok(()),
            Err(Stop::Differs(message)) => {
                let message = format!("seed {seed} ({case}): {message}");
                Err(Mismatch {
                    seed,
                    message,
                    wasm: case.wasm,
                })
            }
        }
    }

    /// Runs a case, with arguments that `seed` decides.
    fn compare(&self, case: &Case, seed: u64, counts: &mut Counts) -> Result<(), Stop> {
        counts.modules += 1;
        let mut rng = Rng::new(seed ^ 0x5eed);
        // A panic in an engine is a finding like any other.
        catch_unwind(AssertUnwindSafe(|| match case.source {
            Source::Own => self.compare_own(case, &mut rng, counts),
            _ => self.compare_oracle(case, &mut rng, counts),
        }))
        .unwrap_or_else(|panic| Err(Stop::Differs(format!("panicked: {}", words(&panic)))))
    }

    fn compare_oracle(&self, case: &Case, rng: &mut Rng, counts: &mut Counts) -> Result<(), Stop> {
        let Ok(instrumented) = instrument::instrument(&case.wasm) else {
            counts.refused += 1;
            return Err(Stop::Enough);
        };
        let Ok(oracle) = self.oracle.compile(&instrumented.wasm) else {
            counts.refused += 1;
            return Err(Stop::Enough);
        };
        let subject = self.subject.compile(&case.wasm, case.settings).map_err(Stop::Differs)?;
        let mut pair = Pair {
            oracle: &|| self.oracle.start(&oracle),
            subject: &|| self.subject.start(&subject),
            made: Vec::new(),
        };
        let mut own = Counts::default();
        let result = pair.run(effort(case), rng, &mut own);
        let source = match case.source {
            Source::Aimed => 0,
            Source::Smith | Source::Own => 1,
            Source::Mutated => 2,
        };
        own.by_source[source] = own.executions();
        if own.executions() > 0 {
            own.opcodes = instrumented.contains.iter().map(|n| u64::from(*n > 0)).collect();
        }
        counts.add(&own);
        result
    }

    /// Our optimised code against our unoptimised code, for features that the oracle does not have.
    fn compare_own(&self, case: &Case, rng: &mut Rng, counts: &mut Counts) -> Result<(), Stop> {
        // What is not supported, such as a shared memory, is refused at any level.
        let Ok(plain) = self.subject.compile_plain(&case.wasm, case.settings) else {
            return Err(Stop::Enough);
        };
        let subject = self.subject.compile(&case.wasm, case.settings).map_err(Stop::Differs)?;
        let mut pair = Pair {
            oracle: &|| self.subject.start(&plain),
            subject: &|| self.subject.start(&subject),
            made: Vec::new(),
        };
        let mut own = Counts::default();
        let result = pair.run(effort(case), rng, &mut own);
        counts.own += own.executions() + own.early;
        result
    }
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

/// Saves a mismatch and says where and how to repeat it.
pub(crate) fn report(mismatch: &Mismatch) -> String {
    let path = watch::folder().join(format!("seed-{}.wasm", mismatch.seed));
    let place = match save(&path, &mismatch.wasm) {
        Ok(()) => format!("module in {} and .wat", path.display()),
        Err(error) => format!("the module cannot be saved in {}: {error}", path.display()),
    };
    format!(
        "{}\n{place}\nrepeat: cargo run -p craneway-spec-tests --example soak -- --one {}",
        mismatch.message, mismatch.seed
    )
}

fn save(path: &Path, wasm: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(watch::folder())?;
    std::fs::write(path, wasm)?;
    let text = wasmprinter::print_bytes(wasm).unwrap_or_else(|error| format!(";; {error:#}"));
    std::fs::write(path.with_extension("wat"), text)
}
