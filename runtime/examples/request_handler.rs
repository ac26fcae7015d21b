//! A request handler: bytes in and bytes out by pointer and length, a fresh instance for each
//! request, in parallel on as many threads as there are.
//!
//! `cargo run -p craneway --example request_handler`
//!
//! The guest's side: `alloc(len) -> ptr`, and `handle(ptr, len) -> (ptr << 32) | len`.

use craneway::{Engine, InstancePre, Linker, Memory, Module, Result, Store, ensure, format_err};
use std::time::Instant;

/// Answers with the request in capitals between brackets.
const HANDLER: &str = r#"(module
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func $alloc (export "alloc") (param $len i32) (result i32)
        (global.get $free)
        (global.set $free (i32.add (global.get $free) (local.get $len))))
    (func (export "handle") (param $from i32) (param $len i32) (result i64)
        (local $to i32) (local $n i32) (local $c i32)
        (local.set $to (call $alloc (i32.add (local.get $len) (i32.const 2))))
        (i32.store8 (local.get $to) (i32.const 91))
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $n) (local.get $len)))
            (local.set $c (i32.load8_u (i32.add (local.get $from) (local.get $n))))
            (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))
                (then (local.set $c (i32.sub (local.get $c) (i32.const 32)))))
            (i32.store8 offset=1 (i32.add (local.get $to) (local.get $n)) (local.get $c))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br $next)))
        (i32.store8 offset=1 (i32.add (local.get $to) (local.get $n)) (i32.const 93))
        (i64.or
            (i64.shl (i64.extend_i32_u (local.get $to)) (i64.const 32))
            (i64.extend_i32_u (i32.add (local.get $len) (i32.const 2))))))"#;

/// Most bytes of a request or a response.
const LIMIT: usize = 32 << 10;

/// Handles one request. Nothing of it is left when it returns: the instance dies with its store.
fn handle(handler: &InstancePre<()>, request: &[u8]) -> Result<Vec<u8>> {
    ensure!(
        request.len() <= LIMIT,
        "a request of {} bytes",
        request.len()
    );
    let mut store = Store::new(handler.module().engine(), ());
    let instance = handler.instantiate(&mut store)?;
    let memory: Memory = instance
        .get_memory(&mut store, "memory")
        .ok_or_else(|| format_err!("the handler exports no memory"))?;
    let alloc = instance.get_typed_func::<u32, u32>(&mut store, "alloc")?;
    let handle = instance.get_typed_func::<(u32, u32), u64>(&mut store, "handle")?;

    let len = request.len() as u32;
    let at = alloc.call(&mut store, len)?;
    memory.write(&mut store, at as usize, request)?;
    let packed = handle.call(&mut store, (at, len))?;
    // Pointer and length come from the guest: they are checked before anything is taken.
    let (at, len) = ((packed >> 32) as usize, packed as u32 as usize);
    ensure!(len <= LIMIT, "a response of {len} bytes");
    let mut response = vec![0; len];
    memory.read(&store, at, &mut response)?;
    Ok(response)
}

fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, HANDLER)?;
    let handler = Linker::new(&engine).instantiate_pre(&module)?;
    assert_eq!(handle(&handler, b"hello")?, b"[HELLO]");
    assert_eq!(handle(&handler, b"")?, b"[]");
    assert!(handle(&handler, &[0; LIMIT + 1]).is_err());

    const EACH: usize = 2_000;
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get().min(8));
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let handler = &handler;
                scope.spawn(move || -> Result<()> {
                    for n in 0..EACH {
                        let response = handle(handler, format!("get /{thread}/{n}").as_bytes())?;
                        ensure!(
                            response == format!("[GET /{thread}/{n}]").as_bytes(),
                            "a wrong response"
                        );
                    }
                    Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().unwrap_or_else(|p| std::panic::resume_unwind(p)))
    })?;
    let took = started.elapsed();
    let count = threads * EACH;
    println!(
        "{count} requests on {threads} threads, an instance each: {:?} per request",
        took / count as u32
    );
    Ok(())
}

#[test]
fn the_example_runs() -> Result<()> {
    main()
}
