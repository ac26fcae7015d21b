//! A time-boxed run of the differential fuzzer: every seed must agree with the oracle.
//!
//! `CRANEWAY_FUZZ_SECONDS` (default 15) and `CRANEWAY_FUZZ_SEED` (default 1) override how long and from where.
//! The soak example runs the same for hours. This file must never know what is generated or compared.

#[path = "../fuzz/mod.rs"]
mod fuzz;

use std::time::{Duration, Instant};

use fuzz::{Counts, Lab, Totals, Watch, module, passes, report, save_small};

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
        Err(_) => default,
    }
}

#[test]
fn generated_modules_agree_with_the_oracle() {
    let end = Instant::now() + Duration::from_secs(setting("CRANEWAY_FUZZ_SECONDS", 15));
    let mut seed = setting("CRANEWAY_FUZZ_SEED", 1);
    let lab = Lab::new();
    let watch = Watch::new(0).expect("a folder for evidence");
    let mut counts = Counts::default();
    // Even a slow machine gets through some seeds before anything is concluded.
    while Instant::now() < end || counts.modules < 20 {
        let mut count = Counts::default();
        if let Err(mismatch) = watch.during(seed, || lab.run(seed, &mut count)) {
            let small = save_small(&lab, &mismatch);
            panic!("{}\n{}\n{small}", mismatch.message, report(seed));
        }
        counts.add(&count);
        seed += 1;
    }
    let mut totals = Totals::default();
    totals.add(&counts, seed);
    println!("{counts}\n{}", totals.coverage());
    assert!(
        counts.results > 0 && counts.traps > 0,
        "nothing was compared: {counts}"
    );
    assert!(
        counts.refused * 20 <= counts.modules,
        "the oracle refuses too much: {counts}"
    );
    assert!(
        counts.early * 5 <= counts.executions(),
        "too many calls trap at once: {counts}"
    );
    // A slow machine may not get to what gives the rarer passes something to do.
    for (name, changed) in passes() {
        assert!(
            changed > 0 || counts.modules < 300,
            "no module gave the pass `{name}` anything to do"
        );
    }
}

#[test]
fn a_seed_always_makes_the_same_module() {
    for seed in [1, 2, 3, 1 << 40] {
        assert_eq!(module(seed), module(seed));
    }
    assert_ne!(module(1), module(2));
}
