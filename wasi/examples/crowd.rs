//! A crowd: a thousand guests, each behind a socket of its own, answer on two threads.
//!
//! ```text
//! cargo run --release -p craneway-wasi --example crowd -- [ROUNDS]
//! ```
//!
//! Prints what one answer costs: a write to the guest's socket, its wake-up, its read and write, and our read. The best of
//! the rounds counts. `benches/wasi-load` runs it, too.

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use craneway::{Engine, Linker, Module, Store};
use craneway_wasi::{Stdin, Stdout, WasiCtx, WasiCtxBuilder, p1};

type Outcome<T> = Result<T, Box<dyn Error>>;

const GUESTS: usize = 1000;
/// How often each guest answers.
const ANSWERS: usize = 100;

/// Guests that send back what they are sent, all at once.
const ECHO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 1024))
    (loop $more
      (i32.store (i32.const 4) (i32.const 64))
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return)))
      (br $more))))"#;

/// A thousand guests, each behind a socket; every one answers a hundred times. On two threads.
fn echoes(engine: &Engine) -> Outcome<Duration> {
    let module = Module::new(engine, ECHO)?;
    let mut linker = Linker::new(engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let guest = linker.instantiate_pre(&module)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut ends = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..GUESTS {
        let (ours, theirs) = UnixStream::pair()?;
        let reading = OwnedFd::from(theirs);
        let writing = reading.try_clone()?;
        let mut builder = WasiCtxBuilder::new();
        builder
            .stdin(Stdin::from_fd(reading))
            .stdout(Stdout::from_fd(writing));
        let (guest, ctx) = (guest.clone(), builder.build());
        let engine = engine.clone();
        tasks.push(runtime.spawn(async move {
            let mut store = Store::new(&engine, ctx);
            let instance = guest.instantiate_async(&mut store).await?;
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            start.call_async(&mut store, ()).await
        }));
        ends.push(ours);
    }
    let started = Instant::now();
    for _ in 0..ANSWERS {
        for end in &mut ends {
            end.write_all(b"sixteen bytes ..")?;
        }
        for end in &mut ends {
            end.read_exact(&mut [0; 16])?;
        }
    }
    let took = started.elapsed();
    drop(ends);
    for task in tasks {
        runtime.block_on(task)??;
    }
    Ok(took / (GUESTS * ANSWERS) as u32)
}

fn main() -> Outcome<()> {
    let rounds: u32 = std::env::args().nth(1).map_or(Ok(3), |text| text.parse())?;
    let engine = Engine::default();
    let mut best = Duration::MAX;
    for _ in 0..rounds {
        best = best.min(echoes(&engine)?);
    }
    println!(
        "Echo of 16 bytes by {GUESTS} guests on sockets, on two threads: {} ns each.",
        best.as_nanos()
    );
    Ok(())
}
