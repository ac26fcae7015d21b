//! The differential fuzzer for hours: `soak [--seconds N] [--seed S] [--jobs J] [--keep-going] | --one SEED`.
//!
//! Prints a line of progress every ten seconds and a summary. Stops at the first mismatch unless told to keep
//! going; `--one` repeats one seed and saves its module. This file must never know what is compared.

#[path = "../fuzz/mod.rs"]
mod fuzz;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuzz::{Counts, Lab, Mismatch, Watch, report};

struct Args {
    seconds: u64,
    seed: u64,
    jobs: usize,
    keep_going: bool,
    one: Option<u64>,
}

const USAGE: &str = "usage: soak [--seconds N] [--seed S] [--jobs J] [--keep-going] | --one SEED";

fn args() -> Result<Args, String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut args = Args {
        seconds: 60,
        seed: 1,
        jobs,
        keep_going: false,
        one: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let text = words
                .next()
                .ok_or_else(|| format!("{word} needs a number\n{USAGE}"))?;
            text.parse()
                .map_err(|_| format!("{word} {text}: not a number\n{USAGE}"))
        };
        match word.as_str() {
            "--seconds" => args.seconds = number()?,
            "--seed" => args.seed = number()?,
            "--jobs" => args.jobs = number()?.max(1) as usize,
            "--one" => args.one = Some(number()?),
            "--keep-going" => args.keep_going = true,
            _ => return Err(format!("{word}: no such option\n{USAGE}")),
        }
    }
    Ok(args)
}

fn main() -> ExitCode {
    let run = args().and_then(|args| match args.one {
        Some(seed) => one(seed),
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
fn one(seed: u64) -> Result<bool, String> {
    let wasm = Lab::module(seed);
    println!(
        "{}",
        report(&Mismatch {
            seed,
            message: format!("seed {seed}"),
            wasm
        })
    );
    let mut counts = Counts::default();
    match Lab::new().run(seed, &mut counts) {
        Ok(()) => {
            println!("{counts}");
            Ok(true)
        }
        Err(mismatch) => {
            println!("{}", mismatch.message);
            Ok(false)
        }
    }
}

/// What the workers share.
struct Shared {
    next: AtomicU64,
    stop: AtomicBool,
    mismatches: AtomicU64,
    counts: Mutex<Counts>,
    end: Instant,
}

fn soak(args: &Args) -> Result<bool, String> {
    let began = Instant::now();
    let shared = Shared {
        next: AtomicU64::new(args.seed),
        stop: AtomicBool::new(false),
        mismatches: AtomicU64::new(0),
        counts: Mutex::default(),
        end: began + Duration::from_secs(args.seconds),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs)
            .map(|index| {
                scope.spawn({
                    let shared = &shared;
                    move || work(index, shared, args.keep_going)
                })
            })
            .collect();
        let mut shown = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            if shown.elapsed() >= Duration::from_secs(10) {
                shown = Instant::now();
                println!("{:>6} s: {}", began.elapsed().as_secs(), total(&shared));
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
    let seconds = began.elapsed().as_secs_f64();
    let counts = total(&shared);
    println!(
        "{mismatches} mismatches in {seconds:.0} s, seeds {} to {}",
        args.seed,
        shared.next.load(Ordering::Relaxed) - 1
    );
    println!("{counts}");
    Ok(mismatches == 0 && counts.executions() > 0)
}

fn total(shared: &Shared) -> Counts {
    shared.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn work(index: usize, shared: &Shared, keep_going: bool) -> Result<(), String> {
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
            println!("{}", report(&mismatch));
            shared.stop.store(!keep_going, Ordering::Relaxed);
        }
    }
    Ok(())
}
