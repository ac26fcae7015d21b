//! Escape tests: a hostile guest tries every trick with paths while the host and a second guest swap what they lead through.
//!
//! What lies outside of the grant is watched by the kernel and compared with what it was, and whatever the guest is told is
//! searched for it. The same run finds out a resolver that is weak on purpose, so silence means something. The quick mode
//! runs with the other tests; the whole one is
//!
//! ```text
//! cargo test --release -p craneway-wasi --lib escape -- --ignored --nocapture
//! ```

#[path = "../tests/interface/guest.rs"]
#[allow(dead_code, reason = "the tests of the interface use more of it")]
mod guest;
mod racers;
mod tricks;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Resolver;
use racers::Swaps;
use tricks::Hostile;
use world::World;

/// What one run came to.
#[derive(Debug, Default)]
struct Report {
    attempts: u64,
    /// Attempts during which at least one swap was completed.
    raced: u64,
    swaps: u64,
    /// Calls that gave the guest something, so that the tricks are not all refused at once.
    succeeded: u64,
    /// Attempts by which something outside was reached.
    caught: u64,
    /// What of the outside was reached, and how it was noticed. The first few.
    escapes: Vec<String>,
}

/// When a run ends.
#[derive(Clone, Copy)]
struct Limits {
    attempts: u64,
    time: Duration,
    /// Whether the first escape ends it.
    until_escape: bool,
}

/// How many escapes are told.
const TOLD: usize = 8;

/// Runs a hostile guest against a resolver.
fn run(resolver: Resolver, seed: u64, limits: Limits) -> Report {
    let world = World::new();
    let observer = world.observe();
    let (stop, swaps) = (AtomicBool::new(false), Swaps::default());
    let mut report = Report::default();
    std::thread::scope(|scope| {
        scope.spawn(|| racers::host(&world, &swaps, &stop));
        scope.spawn(|| racers::second_guest(&world, resolver, &swaps, &stop));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut hostile = Hostile::new(&world, resolver, seed).await;
            let started = Instant::now();
            while report.attempts < limits.attempts
                && started.elapsed() < limits.time
                && (!limits.until_escape || report.escapes.is_empty())
            {
                let before = swaps.count();
                let attempt = hostile.attempt().await;
                report.attempts += 1;
                report.raced += u64::from(swaps.count() != before);
                report.succeeded += u64::from(attempt.succeeded);
                let seen = attempt.found.into_iter().chain(observer.events());
                let seen: Vec<_> = seen.collect();
                report.caught += u64::from(!seen.is_empty());
                for found in seen {
                    if report.escapes.len() < TOLD {
                        report.escapes.push(format!("{found}, by {}", attempt.told));
                    }
                }
            }
        });
        stop.store(true, Ordering::Relaxed);
    });
    report.swaps = swaps.count();
    report.escapes.extend(observer.events());
    report.escapes.extend(world.changes());
    report
}

/// Fails if a run reached anything, or did not race.
fn judge(name: &str, report: &Report) {
    println!(
        "{name}: {} attempts, {} with a swap inside ({:.1} %), {} swaps, {} calls succeeded, {} escapes",
        report.attempts,
        report.raced,
        100.0 * report.raced as f64 / report.attempts.max(1) as f64,
        report.swaps,
        report.succeeded,
        report.escapes.len(),
    );
    assert!(report.escapes.is_empty(), "{name}: {:#?}", report.escapes);
    assert!(
        report.raced > 0 && report.succeeded > 0,
        "{name}: nothing was tried"
    );
}

const QUICK: Limits = Limits {
    attempts: u64::MAX,
    time: Duration::from_millis(2500),
    until_escape: false,
};

/// How long the weak resolver gets to be found out.
const CONTROL: Limits = Limits {
    attempts: u64::MAX,
    time: Duration::from_secs(30),
    until_escape: true,
};

#[test]
fn the_kernels_resolver_lets_nobody_out() {
    judge("kernel", &run(Resolver::Auto, 1, QUICK));
}

#[test]
fn the_resolver_by_steps_lets_nobody_out() {
    judge("steps", &run(Resolver::Steps, 2, QUICK));
}

#[test]
fn a_weak_resolver_is_found_out() {
    let report = run(Resolver::Weak, 3, CONTROL);
    println!(
        "weak: found out after {} attempts, {report:#?}",
        report.attempts
    );
    assert!(!report.escapes.is_empty(), "{report:?}");
}

#[test]
#[ignore = "up to half an hour; the three tests above always run, for seconds each: \
            cargo test --release -p craneway-wasi --lib escape -- --ignored --nocapture"]
fn a_hundred_thousand_attempts_and_more() {
    let whole = Limits {
        attempts: 150_000,
        time: Duration::from_secs(600),
        until_escape: false,
    };
    for (name, resolver) in [("kernel", Resolver::Auto), ("steps", Resolver::Steps)] {
        let report = run(resolver, 11, whole);
        judge(name, &report);
        assert!(report.attempts >= 100_000, "{name}: {}", report.attempts);
    }
    // Positive control, for as long: how many of its attempts the same observers catch.
    let report = run(Resolver::Weak, 11, whole);
    println!(
        "weak: {} attempts, {} with a swap inside, {} caught, such as {:#?}",
        report.attempts,
        report.raced,
        report.caught,
        &report.escapes[..report.escapes.len().min(4)]
    );
    assert!(!report.escapes.is_empty());
}
