//! Differential testing: generated modules run under craneway and under `wasmi`, and everything that can be
//! observed must agree.
//!
//! A seed decides everything: the module, how it is kept from running for ever, how NaNs are made comparable,
//! the arguments. This file drives one seed; it must never know either engine's API.

mod generate;
mod host;
mod oracle;
mod rng;
mod subject;
mod value;
mod watch;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use generate::Case;
use rng::Rng;
use value::{Kind, Outcome, Running, Start, Value};

pub(crate) use watch::Watch;

/// Calls of one module after which no more are made.
const CALLS: usize = 64;

/// What the seeds so far have come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Modules generated.
    pub(crate) modules: u64,
    /// Modules that both engines instantiated at least once.
    pub(crate) instantiated: u64,
    /// Modules whose instantiation trapped in both, the same way.
    pub start_traps: u64,
    /// Modules that the oracle does not accept, though they are meant to be valid.
    pub(crate) refused: u64,
    /// Calls that both engines ran to a result.
    pub(crate) results: u64,
    /// Calls that both engines ran to a trap.
    pub(crate) traps: u64,
    /// Of those traps, the ones that are not `unreachable`.
    pub other_traps: u64,
    /// Calls given up because the oracle ran out of fuel.
    pub(crate) timeouts: u64,
    /// Executions compared with our own unoptimised code instead of the oracle.
    pub(crate) own: u64,
    /// Modules not run because the oracle is known to run them wrongly.
    pub(crate) beyond_oracle: u64,
    /// Calls given up because one engine ran out of stack or another resource.
    pub(crate) exhausted: u64,
}

impl Counts {
    /// Calls and instantiations that both engines ran to an end: what was really compared.
    pub(crate) fn executions(&self) -> u64 {
        self.results + self.traps + self.start_traps
    }

    /// Adds what another thread counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.modules += other.modules;
        self.instantiated += other.instantiated;
        self.start_traps += other.start_traps;
        self.refused += other.refused;
        self.results += other.results;
        self.traps += other.traps;
        self.other_traps += other.other_traps;
        self.timeouts += other.timeouts;
        self.own += other.own;
        self.beyond_oracle += other.beyond_oracle;
        self.exhausted += other.exhausted;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} executions compared ({} results, {} traps of which {} not unreachable, {} trapping starts) \
             in {} modules; given up: {} modules refused by the oracle, {} calls out of fuel, {} out of stack, \
             {} modules beyond the oracle; {} executions of other features compared between our own levels",
            self.executions(),
            self.results,
            self.traps,
            self.other_traps,
            self.start_traps,
            self.modules,
            self.refused,
            self.timeouts,
            self.exhausted,
            self.beyond_oracle,
            self.own
        )
    }
}

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

/// Why the work on a module ended early, without fault.
enum Stop {
    Enough,
    Differs(String),
}

impl Lab {
    /// Engines for any number of seeds.
    pub(crate) fn new() -> Result<Self, String> {
        Ok(Self {
            oracle: oracle::Oracle::new(),
            subject: subject::Subject::new()?,
        })
    }

    /// The module that `seed` stands for.
    pub(crate) fn module(seed: u64) -> Vec<u8> {
        generate::case(seed).wasm
    }

    /// Runs the module of `seed` under both engines and compares.
    pub(crate) fn run(&self, seed: u64, counts: &mut Counts) -> Result<(), Mismatch> {
        let case = generate::case(seed);
        counts.modules += 1;
        if case.beyond_oracle {
            counts.beyond_oracle += 1;
            return Ok(());
        }
        let mut rng = Rng::new(seed ^ 0x5eed);
        // A panic in an engine is a finding like any other.
        let compared = catch_unwind(AssertUnwindSafe(|| {
            if !case.own {
                return self.compare(&case, &mut rng, counts);
            }
            let mut own = Counts::default();
            let compared = self.compare_own(&case, &mut rng, &mut own);
            counts.own += own.executions();
            compared
        }))
        .unwrap_or_else(|panic| Err(Stop::Differs(format!("panicked: {}", words(&panic)))));
        match compared {
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

    fn compare(&self, case: &Case, rng: &mut Rng, counts: &mut Counts) -> Result<(), Stop> {
        let Ok(oracle) = self.oracle.compile(&case.wasm) else {
            counts.refused += 1;
            return Err(Stop::Enough);
        };
        let subject = self.subject.compile(case).map_err(Stop::Differs)?;
        let oracle = || self.oracle.start(&oracle);
        run_both(&oracle, &|| self.subject.start(&subject), rng, counts)
    }

    /// Our optimised code against our unoptimised code, for features that the oracle does not have.
    fn compare_own(&self, case: &Case, rng: &mut Rng, counts: &mut Counts) -> Result<(), Stop> {
        // What is not supported, such as a shared memory, is refused at any level.
        let Ok(plain) = self.subject.compile_plain(case) else {
            return Err(Stop::Enough);
        };
        let subject = self.subject.compile(case).map_err(Stop::Differs)?;
        let plain = || self.subject.start(&plain);
        run_both(&plain, &|| self.subject.start(&subject), rng, counts)
    }
}

/// Instantiates and calls under both, again and again.
fn run_both(
    oracle: &dyn Fn() -> Start,
    subject: &dyn Fn() -> Start,
    rng: &mut Rng,
    counts: &mut Counts,
) -> Result<(), Stop> {
    let mut calls = 0;
    // A trap may mean that the module's own fuel is gone: go on with a fresh instance.
    for instance in 0..8 {
        let (mut oracle, mut subject) = started(oracle(), subject, counts)?;
        counts.instantiated += u64::from(instance == 0);
        let functions = oracle.functions();
        if functions.is_empty() {
            return same_state(&mut *oracle, &mut *subject);
        }
        let first = rng.below(functions.len() as u64) as usize;
        for index in 0..functions.len() {
            let (name, params) = &functions[(first + index) % functions.len()];
            calls += 1;
            let args: Vec<Value> = params.iter().map(|ty| value::argument(*ty, rng)).collect();
            let ended = call(&mut *oracle, &mut *subject, name, &args, counts)?;
            if ended || calls >= CALLS {
                break;
            }
        }
        same_state(&mut *oracle, &mut *subject)?;
        if calls >= CALLS {
            break;
        }
    }
    Ok(())
}

fn words(panic: &Box<dyn Any + Send>) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

type Pair = (Box<dyn Running>, Box<dyn Running>);

/// Instantiates under the subject what the oracle did not have to give up, and compares.
fn started(oracle: Start, subject: &dyn Fn() -> Start, counts: &mut Counts) -> Result<Pair, Stop> {
    match oracle {
        Start::Trap(Kind::Fuel) => {
            counts.timeouts += 1;
            return Err(Stop::Enough);
        }
        Start::Trap(Kind::Resources) => {
            counts.exhausted += 1;
            return Err(Stop::Enough);
        }
        _ => {}
    }
    match (oracle, subject()) {
        (Start::Running(oracle), Start::Running(subject)) => Ok((oracle, subject)),
        (_, Start::Trap(Kind::Resources)) => {
            counts.exhausted += 1;
            Err(Stop::Enough)
        }
        (Start::Trap(want), Start::Trap(got)) if want == got => {
            counts.start_traps += 1;
            Err(Stop::Enough)
        }
        (Start::Refused(_), Start::Refused(_)) => {
            counts.refused += 1;
            Err(Stop::Enough)
        }
        (want, got) => Err(Stop::Differs(format!(
            "instantiation: wasmi {want}, craneway {got}"
        ))),
    }
}

/// One call under both. True if it trapped.
fn call(
    oracle: &mut dyn Running,
    subject: &mut dyn Running,
    name: &str,
    args: &[Value],
    counts: &mut Counts,
) -> Result<bool, Stop> {
    let want = oracle.call(name, args);
    match &want {
        Outcome::Trap(Kind::Fuel) => {
            counts.timeouts += 1;
            return Err(Stop::Enough);
        }
        Outcome::Trap(Kind::Resources) => {
            counts.exhausted += 1;
            return Err(Stop::Enough);
        }
        _ => {}
    }
    let got = subject.call(name, args);
    if matches!(got, Outcome::Trap(Kind::Resources)) {
        counts.exhausted += 1;
        return Err(Stop::Enough);
    }
    if want != got {
        let message = format!("`{name}`({args:x?}): wasmi {want:x?}, craneway {got:x?}");
        return Err(Stop::Differs(message));
    }
    if oracle.trace() != subject.trace() {
        let (want, got) = (oracle.trace(), subject.trace());
        let message =
            format!("`{name}`({args:x?}): host calls differ: wasmi {want:x?}, craneway {got:x?}");
        return Err(Stop::Differs(message));
    }
    match want {
        Outcome::Values(_) => counts.results += 1,
        Outcome::Trap(kind) => {
            counts.traps += 1;
            counts.other_traps += u64::from(kind != Kind::Unreachable);
            return Ok(true);
        }
        Outcome::Broken(message) => {
            return Err(Stop::Differs(format!("`{name}` fails in both: {message}")));
        }
    }
    Ok(false)
}

/// Compares exported globals, memories and tables.
fn same_state(oracle: &mut dyn Running, subject: &mut dyn Running) -> Result<(), Stop> {
    let (want, got) = (oracle.state(), subject.state());
    for ((name, want), (other, got)) in want.iter().zip(&got) {
        if name != other {
            return Err(Stop::Differs(format!(
                "exports differ: wasmi `{name}`, craneway `{other}`"
            )));
        }
        if let Some(difference) = want.difference(got) {
            return Err(Stop::Differs(format!(
                "after the calls, `{name}`: {difference}"
            )));
        }
    }
    if want.len() != got.len() {
        return Err(Stop::Differs(
            "the engines list different numbers of exports".into(),
        ));
    }
    Ok(())
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
