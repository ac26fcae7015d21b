//! Measures one engine from inside its process: compile, start-up, execution and calls, each with its own clock.
//!
//! The same file is compiled against Craneway and, in `benches/peers`, against Wasmtime: `crate::engine` is the one or
//! the other, so both do exactly the same work. It uses what both crates offer alike, and brings a WASI of a few lines,
//! so that no engine's own WASI is part of a figure. It must never know which engine it measures.

use crate::engine::{
    Caller, Config, Engine, Error, Extern, FuncType, Instance, Linker, Module, Result, Store, Val,
    ValType,
};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// What the guest's WASI needs: its arguments, and what it wrote.
#[derive(Default)]
struct World {
    args: Vec<String>,
    written: Vec<u8>,
    exit: Option<i32>,
}

/// Wall clock and CPU time of this thread since `start`.
struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch {
            wall: Instant::now(),
            cpu: thread_cpu(),
        }
    }

    /// Milliseconds: (wall, thread CPU).
    fn stop(&self) -> (f64, f64) {
        let cpu = thread_cpu() - self.cpu;
        (self.wall.elapsed().as_secs_f64() * 1e3, cpu * 1e3)
    }
}

/// Seconds of CPU that this thread has used.
fn thread_cpu() -> f64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec that outlives the call, and the clock exists on every Linux.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut now) };
    assert_eq!(status, 0, "CLOCK_THREAD_CPUTIME_ID");
    now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
}

/// `probe run FILE [ARGS…]`, `probe compile FILE`, `probe calls`, `probe instantiate`: one JSON object on stderr.
pub fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("run") if args.len() > 1 => run(&args[1..]),
        Some("compile") if args.len() == 2 => compile(&args[1]),
        Some("calls") => calls(),
        Some("instantiate") => instantiate(),
        _ => {
            eprintln!(
                "usage: probe run FILE [ARGS...] | probe compile FILE | probe calls | probe instantiate"
            );
            return std::process::ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:?}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Defaults, but for exceptions, which real tools need and Wasmtime 48 leaves off.
fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_exceptions(true);
    crate::configure(&mut config)?;
    Engine::new(&config)
}

/// Compiles a whole module as for a file, on as many threads as the engine likes; memory is measured from outside.
fn compile(file: &str) -> Result<()> {
    let bytes = std::fs::read(file)?;
    let engine = engine()?;
    let wall = Instant::now();
    let image = engine.precompile_module(&bytes)?;
    let wall = wall.elapsed().as_secs_f64();
    eprintln!(
        "{{\"wall_s\": {wall:.3}, \"image_bytes\": {}}}",
        image.len()
    );
    Ok(())
}

/// Runs a program once; its output goes to stdout after the clock has stopped.
fn run(args: &[String]) -> Result<()> {
    let bytes = std::fs::read(&args[0])?;
    let engine = engine()?;
    let watch = Stopwatch::start();
    let module = Module::new(&engine, &bytes)?;
    let (compile, _) = watch.stop();
    let mut store = Store::new(
        &engine,
        World {
            args: args.to_vec(),
            ..World::default()
        },
    );
    let mut linker = Linker::new(&engine);
    add_wasi(&mut linker)?;
    let watch = Stopwatch::start();
    let instance = linker.instantiate(&mut store, &module)?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    let (instantiate, _) = watch.stop();
    let watch = Stopwatch::start();
    let ended = start.call(&mut store, ());
    let (wall, cpu) = watch.stop();
    let world = store.data();
    std::io::Write::write_all(&mut std::io::stdout(), &world.written)?;
    match (ended, world.exit) {
        (Err(_), Some(0)) | (Ok(()), _) => {}
        (Err(error), _) => return Err(error),
    }
    eprintln!(
        "{{\"compile_ms\": {compile:.3}, \"instantiate_ms\": {instantiate:.4}, \"wall_ms\": {wall:.3}, \"cpu_ms\": {cpu:.3}}}"
    );
    Ok(())
}

/// The guest's memory, and the world.
fn memory<'a>(caller: &'a mut Caller<'_, World>) -> Result<(&'a mut [u8], &'a mut World)> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err(Error::msg("the guest exports no memory"));
    };
    Ok(memory.data_and_store_mut(caller))
}

fn word(memory: &[u8], at: u32) -> Result<u32> {
    let bytes = memory.get(at as usize..).and_then(|m| m.first_chunk::<4>());
    bytes
        .map(|b| u32::from_le_bytes(*b))
        .ok_or_else(|| Error::msg("a pointer outside the guest's memory"))
}

fn put(memory: &mut [u8], at: u32, bytes: &[u8]) -> Result<()> {
    let place = (at as usize)
        .checked_add(bytes.len())
        .map(|end| at as usize..end);
    let place = place.and_then(|range| memory.get_mut(range));
    place
        .ok_or_else(|| Error::msg("a pointer outside the guest's memory"))?
        .copy_from_slice(bytes);
    Ok(())
}

/// The few functions of WASI that the kernels import.
fn add_wasi(linker: &mut Linker<World>) -> Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    const BAD_DESCRIPTOR: i32 = 8;
    linker.func_wrap(
        WASI,
        "args_sizes_get",
        |mut caller: Caller<'_, World>, count: u32, size: u32| -> Result<i32> {
            let (memory, world) = memory(&mut caller)?;
            let bytes: usize = world.args.iter().map(|a| a.len() + 1).sum();
            put(memory, count, &(world.args.len() as u32).to_le_bytes())?;
            put(memory, size, &(bytes as u32).to_le_bytes())?;
            Ok(0)
        },
    )?;
    linker.func_wrap(
        WASI,
        "args_get",
        |mut caller: Caller<'_, World>, mut list: u32, mut text: u32| -> Result<i32> {
            let (memory, world) = memory(&mut caller)?;
            for arg in &world.args {
                put(memory, list, &text.to_le_bytes())?;
                put(memory, text, arg.as_bytes())?;
                put(memory, text + arg.len() as u32, &[0])?;
                list += 4;
                text += arg.len() as u32 + 1;
            }
            Ok(0)
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, World>,
         _fd: i32,
         iovs: u32,
         count: u32,
         written: u32|
         -> Result<i32> {
            let (memory, world) = memory(&mut caller)?;
            let mut total = 0;
            for i in 0..count {
                let (at, len) = (word(memory, iovs + 8 * i)?, word(memory, iovs + 8 * i + 4)?);
                let part = memory.get(at as usize..at as usize + len as usize);
                world.written.extend_from_slice(
                    part.ok_or_else(|| Error::msg("a buffer outside the guest's memory"))?,
                );
                total += len;
            }
            put(memory, written, &total.to_le_bytes())?;
            Ok(0)
        },
    )?;
    linker.func_wrap(WASI, "fd_close", |_fd: i32| -> i32 { 0 })?;
    linker.func_wrap(WASI, "fd_seek", |_: i32, _: i64, _: i32, _: i32| -> i32 {
        BAD_DESCRIPTOR
    })?;
    linker.func_wrap(
        WASI,
        "fd_fdstat_get",
        |mut caller: Caller<'_, World>, _fd: i32, stat: u32| -> Result<i32> {
            let (memory, _) = memory(&mut caller)?;
            let mut record = [0_u8; 24];
            // A character device, so that the C library buffers by line.
            record[0] = 2;
            put(memory, stat, &record)?;
            Ok(0)
        },
    )?;
    linker.func_wrap(
        WASI,
        "proc_exit",
        |mut caller: Caller<'_, World>, code: i32| -> Result<()> {
            caller.data_mut().exit = Some(code);
            Err(Error::msg("the guest ended itself"))
        },
    )?;
    Ok(())
}

/// Calls in both directions.
const CALLS: &str = r#"(module
  (import "host" "nop" (func $nop))
  (import "host" "add" (func $add (param i32 i32) (result i32)))
  (import "host" "untyped" (func $untyped (param i32 i32) (result i32)))
  (func (export "nothing"))
  (func (export "sum") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "call_nop") (param i32) (result i32)
    (loop $l (call $nop)
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.const 0))
  (func (export "call_add") (param i32) (result i32) (local $s i32)
    (loop $l (local.set $s (call $add (local.get $s) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $s))
  (func (export "call_untyped") (param i32) (result i32) (local $s i32)
    (loop $l (local.set $s (call $untyped (local.get $s) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $s)))"#;

/// A module of its own, because an engine may refuse synchronous calls where an async host function is linked.
const ASYNC_CALLS: &str = r#"(module
  (import "host" "async" (func $async (param i32 i32) (result i32)))
  (func (export "sum") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "call_async") (param i32) (result i32) (local $s i32)
    (loop $l (local.set $s (call $async (local.get $s) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $s)))"#;

type Figures = Vec<(&'static str, f64)>;

/// Drives a future that never waits for anything outside.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// The smallest of several rounds, in nanoseconds a call.
fn fastest(calls: u32, mut round: impl FnMut(u32) -> Result<()>) -> Result<f64> {
    let mut best = f64::INFINITY;
    round(calls / 10)?;
    for _ in 0..7 {
        let watch = Stopwatch::start();
        round(calls)?;
        best = best.min(watch.stop().1 * 1e6 / f64::from(calls));
    }
    Ok(best)
}

/// Nanoseconds of a call from the host and of a call to the host.
fn calls() -> Result<()> {
    let engine = engine()?;
    let mut figures = Figures::new();
    sync_calls(&engine, &mut figures)?;
    async_calls(&engine, &mut figures)?;
    print_figures(&figures);
    Ok(())
}

fn sync_calls(engine: &Engine, figures: &mut Figures) -> Result<()> {
    const N: u32 = 2_000_000;
    let module = Module::new(engine, CALLS)?;
    let mut linker: Linker<u64> = Linker::new(engine);
    linker.func_wrap("host", "nop", || {})?;
    linker.func_wrap("host", "add", |a: i32, b: i32| -> i32 { a.wrapping_add(b) })?;
    let binary = FuncType::new(engine, [ValType::I32, ValType::I32], [ValType::I32]);
    linker.func_new("host", "untyped", binary, |_caller, params, results| {
        let (Val::I32(a), Val::I32(b)) = (&params[0], &params[1]) else {
            return Err(Error::msg("not integers"));
        };
        results[0] = Val::I32(a.wrapping_add(*b));
        Ok(())
    })?;
    let mut store = Store::new(engine, 0_u64);
    let instance = linker.instantiate(&mut store, &module)?;
    host_to_wasm(&mut store, &instance, N, figures)?;
    for (name, export) in [
        ("wasm to host, typed, no values", "call_nop"),
        ("wasm to host, typed (i32, i32) -> i32", "call_add"),
        ("wasm to host, untyped (i32, i32) -> i32", "call_untyped"),
    ] {
        let func = instance.get_typed_func::<i32, i32>(&mut store, export)?;
        let time = fastest(N, |n| func.call(&mut store, n as i32).map(drop))?;
        figures.push((name, time));
    }
    Ok(())
}

fn host_to_wasm(
    store: &mut Store<u64>,
    instance: &Instance,
    n: u32,
    figures: &mut Figures,
) -> Result<()> {
    let nothing = instance.get_typed_func::<(), ()>(&mut *store, "nothing")?;
    let sum = instance.get_typed_func::<(i32, i32), i32>(&mut *store, "sum")?;
    let untyped = instance.get_func(&mut *store, "sum");
    let untyped = untyped.ok_or_else(|| Error::msg("an export is missing"))?;
    let time = fastest(n, |n| {
        (0..n).try_for_each(|_| nothing.call(&mut *store, ()))
    })?;
    figures.push(("host to wasm, typed, no values", time));
    let time = fastest(n, |n| {
        let mut total = 0;
        for i in 0..n {
            total = sum.call(&mut *store, (total, i as i32))?;
        }
        Ok(())
    })?;
    figures.push(("host to wasm, typed (i32, i32) -> i32", time));
    let time = fastest(n, |n| {
        let mut out = [Val::I32(0)];
        (0..n).try_for_each(|i| {
            untyped.call(&mut *store, &[Val::I32(1), Val::I32(i as i32)], &mut out)
        })
    })?;
    figures.push(("host to wasm, untyped (i32, i32) -> i32", time));
    Ok(())
}

fn async_calls(engine: &Engine, figures: &mut Figures) -> Result<()> {
    const N: u32 = 500_000;
    let module = Module::new(engine, ASYNC_CALLS)?;
    let mut linker: Linker<u64> = Linker::new(engine);
    linker.func_wrap_async("host", "async", |_caller, (a, b): (i32, i32)| {
        Box::new(async move { a.wrapping_add(b) })
    })?;
    let mut store = Store::new(engine, 0_u64);
    let instance = block_on(linker.instantiate_async(&mut store, &module))?;
    let sum = instance.get_typed_func::<(i32, i32), i32>(&mut store, "sum")?;
    let time = fastest(N, |n| {
        let mut total = 0;
        for i in 0..n {
            total = block_on(sum.call_async(&mut store, (total, i as i32)))?;
        }
        Ok(())
    })?;
    figures.push(("host to wasm, async (i32, i32) -> i32", time));
    let func = instance.get_typed_func::<i32, i32>(&mut store, "call_async")?;
    let time = fastest(N, |n| {
        block_on(func.call_async(&mut store, n as i32)).map(drop)
    })?;
    figures.push(("wasm to host, async and ready", time));
    Ok(())
}

/// A store, an instance with 1 MiB of data, one call, and all dropped again.
fn instantiate() -> Result<()> {
    let engine = engine()?;
    let data = "\\01\\02\\03\\04\\05\\06\\07\\08".repeat(131_072);
    let text = format!(
        "(module (memory (export \"memory\") 32) (data (i32.const 0) \"{data}\")
           (func (export \"touch\") (result i32) (i32.load (i32.const 70000))))"
    );
    let module = Module::new(&engine, &text)?;
    let linker: Linker<u64> = Linker::new(&engine);
    let prepared = linker.instantiate_pre(&module)?;
    let time = fastest(2_000, |n| {
        for _ in 0..n {
            let mut store = Store::new(&engine, 0_u64);
            let instance = prepared.instantiate(&mut store)?;
            let touch = instance.get_typed_func::<(), i32>(&mut store, "touch")?;
            if touch.call(&mut store, ())? == 0 {
                return Err(Error::msg("the data is not there"));
            }
        }
        Ok(())
    })?;
    print_figures(&[("instantiate, call, drop; 1 MiB of data", time)]);
    Ok(())
}

fn print_figures(figures: &[(&str, f64)]) {
    let fields: Vec<String> = figures
        .iter()
        .map(|(name, ns)| format!("\"{name}\": {ns:.2}"))
        .collect();
    eprintln!("{{{}}}", fields.join(", "));
}
