//! The differential fuzzer for hours: see [`USAGE`].
//!
//! Prints a line of progress every ten seconds and a summary. A mismatch is made small and saved as a script that
//! can join the regressions. This file must never know what is compared.

#[path = "../fuzz/mod.rs"]
mod fuzz;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuzz::{Counts, Lab, Totals, Watch, report, save_small};

struct Args {
    seconds: u64,
    seed: Option<u64>,
    jobs: usize,
    keep_going: bool,
    minimise: bool,
    totals: Option<PathBuf>,
    one: Option<u64>,
}

const USAGE: &str = "usage: soak [--time SECONDS] [--seed S] [--jobs J] [--keep-going] [--no-minimise] [--totals FILE]
       soak --one SEED [--no-minimise]
Runs seed after seed, from S or from where FILE ends, until the time is over or a mismatch is found; with
--keep-going until the time is over. FILE collects the counts of many runs. --one repeats one seed.";

fn args() -> Result<Args, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut args = Args {
        seconds: 60,
        seed: None,
        jobs,
        keep_going: false,
        minimise: true,
        totals: None,
        one: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
        };
        let number = |text: String| -> Result<u64, String> {
            text.parse()
                .map_err(|_| format!("{text}: not a number\n{USAGE}"))
        };
        match word.as_str() {
            "--time" => args.seconds = number(value()?)?,
            "--seed" => args.seed = Some(number(value()?)?),
            "--jobs" => args.jobs = number(value()?)?.max(1) as usize,
            "--one" => args.one = Some(number(value()?)?),
            "--totals" => args.totals = Some(value()?.into()),
            "--keep-going" => args.keep_going = true,
            "--no-minimise" => args.minimise = false,
            _ => return Err(format!("{word}: no such option\n{USAGE}")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let run = args().and_then(|args| match args.one {
        Some(seed) => one(seed, args.minimise),
        None => soak(&args),
    });
    match run {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

/// Repeats one seed; saves the module even if all is well.
fn one(seed: u64, minimise: bool) -> Result<bool, String> {
    println!("{}", report(seed));
    let mut counts = Counts::default();
    let lab = Lab::new();
    let Err(mismatch) = lab.run(seed, &mut counts) else {
        println!("{counts}");
        return Ok(true);
    };
    println!("{}", mismatch.message);
    if minimise {
        println!("{}", save_small(&lab, &mismatch));
    }
    Ok(false)
}

/// What the workers share.
struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    mismatches: AtomicU64,
    counts: Mutex<Counts>,
    began: Instant,
    end: Instant,
}

impl Shared {
    fn total(&self) -> Counts {
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn soak(args: &Args) -> Result<bool, String> {
    let mut totals = match &args.totals {
        Some(path) => Totals::read(path)?,
        None => Totals::default(),
    };
    let first = args.seed.unwrap_or(totals.next_seed.max(1));
    let began = Instant::now();
    let shared = Shared {
        next: AtomicU64::new(first),
        stop: AtomicBool::new(false),
        mismatches: AtomicU64::new(0),
        counts: Mutex::default(),
        began,
        end: began + Duration::from_secs(args.seconds),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs)
            .map(|index| {
                let shared = &shared;
                scope.spawn(move || work(index, shared, args))
            })
            .collect();
        let mut shown = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            if shown.elapsed() >= Duration::from_secs(10) {
                shown = Instant::now();
                println!("{:>6} s: {}", began.elapsed().as_secs(), shared.total());
            }
        }
        for worker in workers {
            worker
                .join()
                .map_err(|_| "a worker panicked".to_owned())??;
        }
        Ok::<(), String>(())
    })?;
    let mismatches = shared.mismatches.load(Ordering::Relaxed);
    let counts = shared.total();
    let next = shared.next.load(Ordering::Relaxed);
    println!(
        "{mismatches} mismatches in {:.0} s, seeds {first} to {}",
        began.elapsed().as_secs_f64(),
        next - 1
    );
    println!("{counts}");
    totals.add(&counts, next);
    println!("{}", totals.coverage());
    if let Some(path) = &args.totals {
        totals.write(path)?;
        println!("in all: {}", totals.counts);
    }
    Ok(mismatches == 0 && counts.executions() > 0)
}

fn work(index: usize, shared: &Shared, args: &Args) -> Result<(), String> {
    let lab = Lab::new();
    let watch = Watch::new(index).map_err(|error| format!("no folder for evidence: {error}"))?;
    while Instant::now() < shared.end && !shared.stop.load(Ordering::Relaxed) {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        let mut counts = Counts::default();
        let result = watch.during(seed, || lab.run(seed, &mut counts));
        shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&counts);
        if let Err(mismatch) = result {
            shared.mismatches.fetch_add(1, Ordering::Relaxed);
            println!("found after {:.1} s", shared.began.elapsed().as_secs_f64());
            println!("{}\n{}", mismatch.message, report(seed));
            if args.minimise {
                println!("{}", save_small(&lab, &mismatch));
            }
            shared.stop.store(!args.keep_going, Ordering::Relaxed);
        }
    }
    Ok(())
}
