//! The interface by which Sightglass, the benchmark recorder of the Bytecode Alliance, drives an engine: five functions in
//! C, of which the recorder finds one set in Craneway's shared library and one in Wasmtime's, and runs both.
//!
//! ```text
//! cargo build --release -p craneway-sightglass
//! sightglass-cli benchmark --engine target/release/libcraneway_sightglass.so -- BENCHMARK.wasm
//! ```
//!
//! Order of calls: create, then compile, then instantiate and execute as often as wanted, then free; all on one thread.
//! Zero is success; everything else, a panic of ours included, is -1 with a message on standard error. This crate knows
//! the public API only, and must never know what a benchmark does.

mod bench;
mod config;

use bench::Bench;
pub use config::{Callback, WasmBenchConfig};
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

const OK: c_int = 0;
const FAILED: c_int = -1;

/// Carries out one call. No panic may leave through C, and none does.
fn guarded(what: &str, call: impl FnOnce() -> craneway::Result<()>) -> c_int {
    // Whatever a panic leaves half-done is in a `Bench`, on which the recorder gives up when a call fails.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => OK,
        Ok(Err(err)) => {
            eprintln!("craneway cannot {what}: {err:#}");
            FAILED
        }
        Err(_) => {
            eprintln!("craneway cannot {what}: it panicked, see above");
            FAILED
        }
    }
}

/// The object behind the pointer that the recorder holds.
///
/// # Safety
/// `state` is null, or comes from [`wasm_bench_create`], is not freed yet, and is not used by another call now.
unsafe fn bench<'a>(state: *mut c_void) -> craneway::Result<&'a mut Bench> {
    // SAFETY: the caller's promise; null becomes none.
    unsafe { state.cast::<Bench>().as_mut() }
        .ok_or_else(|| craneway::Error::msg("the state is null: wasm_bench_create makes one"))
}

/// Makes an engine, and the state for what follows.
///
/// # Safety
/// All pointers in `config` are null or point to as many bytes as stand beside them; its functions may be called with
/// the values beside them until the state is freed. `out` is null or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_bench_create(
    config: WasmBenchConfig,
    out: *mut *mut c_void,
) -> c_int {
    guarded("make an engine", || {
        craneway::ensure!(!out.is_null(), "there is no place for the state");
        // SAFETY: the caller's promise about the pointers in `config`.
        let settings = unsafe { config.read() }?;
        let state = Box::into_raw(Box::new(Bench::new(settings)?));
        // SAFETY: the caller's promise, and not null.
        unsafe { out.write(state.cast()) };
        Ok(())
    })
}

/// Compiles a module, between the two calls of the compilation timer.
///
/// # Safety
/// `state` is as [`wasm_bench_create`] gave it; `bytes` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_bench_compile(
    state: *mut c_void,
    bytes: *const u8,
    length: usize,
) -> c_int {
    guarded("compile", || {
        craneway::ensure!(!bytes.is_null(), "there is no module");
        // SAFETY: the caller's promises.
        let (bench, bytes) = unsafe { (bench(state)?, std::slice::from_raw_parts(bytes, length)) };
        bench.compile(bytes)
    })
}

/// Makes an instance, between the two calls of the instantiation timer.
///
/// # Safety
/// `state` is as [`wasm_bench_create`] gave it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_bench_instantiate(state: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    guarded("instantiate", || unsafe { bench(state)? }.instantiate())
}

/// Runs `_start` of the instance. The benchmark itself calls the execution timer, through its imports from `bench`.
///
/// # Safety
/// `state` is as [`wasm_bench_create`] gave it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_bench_execute(state: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    guarded("execute", || unsafe { bench(state)? }.execute())
}

/// Gives back everything that belongs to the state. Null is accepted.
///
/// # Safety
/// `state` is null, or as [`wasm_bench_create`] gave it and not used afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasm_bench_free(state: *mut c_void) {
    guarded("free its state", || {
        if !state.is_null() {
            // SAFETY: the caller's promise; the box was made by `wasm_bench_create`.
            drop(unsafe { Box::from_raw(state.cast::<Bench>()) });
        }
        Ok(())
    });
}
