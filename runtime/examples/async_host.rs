//! An asynchronous host function: the guest waits for a timer of tokio and holds no thread.
//!
//! `cargo run -p craneway --example async_host`

use craneway::{Caller, Engine, Linker, MaybeAsync, Module, Result, Store};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const GUESTS: u64 = 100;
const SLEEPS: u64 = 5;

/// A cache that is slow to ask the first time.
type Cache = HashMap<i32, i32>;

// One thread runs all guests.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<Cache> = Linker::new(&engine);
    linker.func_wrap_async(
        "host",
        "sleep",
        |_caller: Caller<'_, Cache>, (ms,): (u64,)| {
            Box::new(async move { tokio::time::sleep(Duration::from_millis(ms)).await })
        },
    )?;
    // Where an answer is mostly there at once, nothing is allocated and no executor is involved.
    linker.func_wrap_maybe_async(
        "host",
        "square",
        |mut caller: Caller<'_, Cache>, (x,): (i32,)| {
            if let Some(known) = caller.data().get(&x) {
                return MaybeAsync::Ready(Ok(*known));
            }
            MaybeAsync::Pending(Box::pin(async move {
                tokio::task::yield_now().await;
                let square = x.wrapping_mul(x);
                caller.data_mut().insert(x, square);
                Ok(square)
            }))
        },
    )?;
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "sleep" (func $sleep (param i64)))
            (import "host" "square" (func $square (param i32) (result i32)))
            (func (export "work") (param $times i64) (result i32) (local $sum i32)
                (loop $again
                    (call $sleep (i64.const 20))
                    (local.set $sum (i32.add (local.get $sum) (call $square (i32.const 3))))
                    (local.set $times (i64.sub (local.get $times) (i64.const 1)))
                    (br_if $again (i64.ne (local.get $times) (i64.const 0))))
                (local.get $sum)))"#,
    )?;
    let guest = linker.instantiate_pre(&module)?;

    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..GUESTS {
        let (engine, guest) = (engine.clone(), guest.clone());
        running.spawn(async move {
            let mut store = Store::new(&engine, Cache::new());
            let instance = guest.instantiate_async(&mut store).await?;
            let work = instance.get_typed_func::<u64, i32>(&mut store, "work")?;
            work.call_async(&mut store, SLEEPS).await
        });
    }
    while let Some(sum) = running.join_next().await {
        assert_eq!(sum??, 9 * SLEEPS as i32);
    }
    let took = started.elapsed();
    println!("{GUESTS} guests slept {SLEEPS} times 20 ms each; together they took {took:?}");
    // One after the other they would take ten seconds.
    assert!(took < Duration::from_secs(5));

    // A call can be given up at any time: dropping its future frees what it holds.
    let mut store = Store::new(&engine, Cache::new());
    let instance = guest.instantiate_async(&mut store).await?;
    let work = instance.get_typed_func::<u64, i32>(&mut store, "work")?;
    let hour = work.call_async(&mut store, 180_000);
    let late = tokio::time::timeout(Duration::from_millis(50), hour).await;
    assert!(late.is_err());
    assert_eq!(work.call_async(&mut store, 1).await?, 9);
    println!("a call that would take an hour was given up, and the store still works");
    Ok(())
}

#[test]
fn the_example_runs() -> Result<()> {
    main()
}
