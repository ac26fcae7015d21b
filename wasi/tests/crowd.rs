//! A thousand guests that sleep or wait for sockets share two threads. In a process of its own, because it counts threads.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use craneway::{Engine, InstancePre, Linker, Module, Store};
use craneway_wasi::{Stdin, Stdout, WasiCtx, WasiCtxBuilder, p1};

const EACH: usize = 500;

/// Guests that sleep, and guests that send back what they read.
const TEXT: &str = r#"
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sleep") (param $nanoseconds i64) (result i32)
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (local.get $nanoseconds))
    (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
  (func (export "echo") (param $unused i64) (result i32)
    (i32.store (i32.const 0) (i32.const 1024))
    (i32.store (i32.const 4) (i32.const 100))
    (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return (i32.const -1))))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
"#;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("Linux tells")
        .count()
}

/// Runs one function of a guest with this input and output.
async fn run(
    guest: InstancePre<WasiCtx>,
    ctx: WasiCtx,
    name: &'static str,
    argument: i64,
    begun: Arc<AtomicU32>,
) -> i32 {
    let mut store = Store::new(guest.module().engine(), ctx);
    let instance = guest
        .instantiate_async(&mut store)
        .await
        .expect("it instantiates");
    let function = instance
        .get_typed_func::<i64, i32>(&mut store, name)
        .expect("it is exported");
    begun.fetch_add(1, Ordering::Relaxed);
    function
        .call_async(&mut store, argument)
        .await
        .expect("no trap")
}

async fn crowd() {
    let engine = Engine::default();
    let module = Module::new(&engine, TEXT).expect("a valid module");
    let mut linker = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("functions link");
    let guest = linker.instantiate_pre(&module).expect("all is there");
    // The process, the test, two workers, and those that the compiler used.
    let before = threads();
    let begun = Arc::new(AtomicU32::new(0));
    let (mut tasks, mut ends) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for _ in 0..EACH {
        let (ours, theirs) = UnixStream::pair().expect("two descriptors");
        let reading = OwnedFd::from(theirs);
        let writing = reading.try_clone().expect("a third");
        let mut builder = WasiCtxBuilder::new();
        builder
            .stdin(Stdin::from_fd(reading))
            .stdout(Stdout::from_fd(writing));
        let (guest, begun) = (guest.clone(), begun.clone());
        tasks.push(tokio::spawn(run(guest, builder.build(), "echo", 0, begun)));
        ends.push(ours);
    }
    for _ in 0..EACH {
        let (guest, begun) = (guest.clone(), begun.clone());
        let ctx = WasiCtxBuilder::new().build();
        let half_a_second = 500_000_000;
        tasks.push(tokio::spawn(run(guest, ctx, "sleep", half_a_second, begun)));
    }
    while begun.load(Ordering::Relaxed) < 2 * EACH as u32 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Everybody waits, or will in a moment; those that read wait for ever.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!tasks[0].is_finished());
    assert_eq!(threads(), before, "waiting takes no thread");
    for end in &mut ends {
        end.write_all(b"hello").expect("room");
    }
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), 0);
    }
    for end in &mut ends {
        let mut answer = [0; 5];
        end.read_exact(&mut answer).expect("it answered");
        assert_eq!(&answer, b"hello");
    }
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(500), "they slept: {took:?}");
    assert!(took < Duration::from_secs(30), "all at once: {took:?}");
    assert_eq!(threads(), before, "nothing went to other threads");
}

#[test]
fn a_thousand_guests_share_two_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { tokio::spawn(crowd()).await.expect("it goes well") });
}
