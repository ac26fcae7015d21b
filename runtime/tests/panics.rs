//! Panics of host code go through wasm to whoever called it, with their payload; the store can be used
//! afterwards.

use craneway::{
    Caller, Engine, Error, Extern, ExternRef, Func, FuncType, Instance, Linker, MaybeAsync, Module,
    ResourceLimiter, Result, Store, Val, ValType,
};
use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// A payload that only its own type describes.
#[derive(Debug, PartialEq)]
struct Payload(u32);

fn boom(n: u32) -> ! {
    std::panic::panic_any(Payload(n))
}

/// The payload of the panic that `body` ends with.
fn payload<R>(body: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => payload,
    }
}

fn assert_payload<R>(n: u32, body: impl FnOnce() -> R) {
    let payload = payload(body);
    assert_eq!(payload.downcast_ref(), Some(&Payload(n)));
}

/// Polls until it is ready.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    loop {
        if let Poll::Ready(r) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return r;
        }
    }
}

#[test]
fn every_sort_of_host_function() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    let ty = FuncType::new(&engine, [ValType::I32], []);
    linker.func_wrap("h", "typed", |n: u32| {
        if n > 0 {
            boom(n)
        }
    })?;
    linker.func_new("h", "untyped", ty.clone(), |_, params, _| match params[0] {
        Val::I32(0) => Ok(()),
        _ => boom(params[0].unwrap_i32() as u32),
    })?;
    linker.func_wrap_maybe_async("h", "maybe", |_: Caller<'_, ()>, (n,): (u32,)| {
        if n > 0 {
            boom(n)
        }
        MaybeAsync::Ready(Ok(()))
    })?;
    linker.func_wrap_async("h", "first", |_: Caller<'_, ()>, (n,): (u32,)| {
        if n > 0 {
            boom(n)
        }
        Box::new(async {})
    })?;
    linker.func_wrap_async("h", "later", |_: Caller<'_, ()>, (n,): (u32,)| {
        Box::new(async move {
            tokio::task::yield_now().await;
            if n > 0 {
                boom(n)
            }
        })
    })?;
    linker.func_new_async("h", "later_untyped", ty, |_, params, _| {
        Box::new(async move {
            tokio::task::yield_now().await;
            match params[0] {
                Val::I32(0) => Ok(()),
                _ => boom(params[0].unwrap_i32() as u32),
            }
        })
    })?;
    let names = [
        "typed",
        "untyped",
        "maybe",
        "first",
        "later",
        "later_untyped",
    ];
    for name in names {
        let module = Module::new(
            &engine,
            format!(
                r#"(module (import "h" "{name}" (func $f (param i32))) (memory 1) (func (export "direct") (param i32) (call $f (local.get 0)))
                (func $inner (param i32) (call $f (local.get 0)) (i32.store (i32.const 0) (i32.const 1)))
                (func (export "deep") (param i32) (result i32) (call $inner (local.get 0)) (i32.load (i32.const 0))))"#
            ),
        )?;
        let mut store = Store::new(&engine, ());
        let instance = block_on(linker.instantiate_async(&mut store, &module))?;
        let direct = instance.get_typed_func::<u32, ()>(&mut store, "direct")?;
        let deep = instance.get_typed_func::<u32, u32>(&mut store, "deep")?;
        let host = linker
            .get(&mut store, "h", name)
            .and_then(Extern::into_func)
            .unwrap();
        let host = host.typed::<u32, ()>(&store)?;
        let waits = name.starts_with("later");
        for n in 1..4 {
            if !waits {
                assert_payload(n, || direct.call(&mut store, n));
                assert_payload(n, || deep.call(&mut store, n));
                assert_payload(n, || host.call(&mut store, n));
                direct.call(&mut store, 0)?;
            }
            assert_payload(n, || block_on(direct.call_async(&mut store, n)));
            assert_payload(n, || block_on(deep.call_async(&mut store, n)));
            assert_payload(n, || block_on(host.call_async(&mut store, n)));
            block_on(direct.call_async(&mut store, 0))?;
        }
        assert_eq!(block_on(deep.call_async(&mut store, 0))?, 1, "{name}");
    }
    Ok(())
}

#[test]
fn through_several_levels_and_past_those_who_catch_it() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<Vec<i32>> = Linker::new(&engine);
    // Below 0 it panics; at 5 the panic is caught and becomes a result.
    linker.func_wrap(
        "h",
        "down",
        |mut caller: Caller<'_, Vec<i32>>, n: i32| -> Result<i32> {
            if n == 0 {
                boom(99)
            }
            let go = caller.get_export("go").and_then(Extern::into_func).unwrap();
            let go = go.typed::<i32, i32>(&caller)?;
            let _root = ExternRef::new(&mut caller, n)?;
            if n != 5 {
                return go.call(&mut caller, n - 1);
            }
            let payload = payload(|| go.call(&mut caller, n - 1));
            assert_eq!(payload.downcast_ref(), Some(&Payload(99)));
            caller.data_mut().push(n);
            Ok(7)
        },
    )?;
    let module = Module::new(
        &engine,
        r#"(module (import "h" "down" (func $down (param i32) (result i32)))
            (func (export "go") (param i32) (result i32) (i32.add (call $down (local.get 0)) (i32.const 100))))"#,
    )?;
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module)?;
    let go = instance.get_typed_func::<i32, i32>(&mut store, "go")?;
    for _ in 0..10 {
        assert_payload(99, || go.call(&mut store, 4));
        assert_payload(99, || block_on(go.call_async(&mut store, 3)));
        assert_eq!(go.call(&mut store, 8)?, 407);
    }
    assert_eq!(store.data(), &[5; 10]);
    store.gc();
    assert_eq!(
        store.live_references(),
        0,
        "scopes of functions that panicked have ended"
    );
    Ok(())
}

#[test]
fn in_start_functions_and_the_store_takes_other_instances() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, r#"(module (import "h" "f" (func $f)) (start $f))"#)?;
    let mut store = Store::new(&engine, ());
    let bad = Func::wrap(&mut store, || -> () { boom(3) });
    let good = Func::wrap(&mut store, || {});
    for _ in 0..3 {
        assert_payload(3, || Instance::new(&mut store, &module, &[bad.into()]));
        let imports = [bad.into()];
        let instance = Instance::new_async(&mut store, &module, &imports);
        assert_payload(3, || block_on(instance));
        Instance::new(&mut store, &module, &[good.into()])?;
    }
    Ok(())
}

/// A limiter that panics when it is told to.
#[derive(Default)]
struct Touchy(bool);

impl ResourceLimiter for Touchy {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        if self.0 { boom(1) } else { Ok(true) }
    }
    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        if self.0 { boom(2) } else { Ok(true) }
    }
    fn memory_grow_failed(&mut self, _: Error) -> Result<()> {
        boom(3)
    }
}

#[test]
fn in_limiters_asked_by_wasm_by_the_host_and_by_instantiation() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (memory (export "m") 1 5) (table (export "t") 1 funcref)
            (func (export "memory") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"#,
    )?;
    let mut store = Store::new(&engine, Touchy::default());
    store.limiter(|data| data);
    let instance = Instance::new(&mut store, &module, &[])?;
    let memory = instance.get_typed_func::<i32, i32>(&mut store, "memory")?;
    let table = instance.get_typed_func::<i32, i32>(&mut store, "table")?;
    let m = instance.get_memory(&mut store, "m").unwrap();
    for round in 1..4 {
        store.data_mut().0 = true;
        assert_payload(1, || memory.call(&mut store, 1));
        assert_payload(2, || table.call(&mut store, 1));
        assert_payload(1, || m.grow(&mut store, 1));
        assert_payload(1, || Instance::new(&mut store, &module, &[]));
        store.data_mut().0 = false;
        assert_payload(3, || memory.call(&mut store, 100));
        Instance::new(&mut store, &module, &[])?;
        assert_eq!(
            (memory.call(&mut store, 1)?, table.call(&mut store, 1)?),
            (round, round)
        );
    }
    Ok(())
}

/// Never ready, and panics when it is dropped.
struct BadDrop;

impl Future for BadDrop {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for BadDrop {
    fn drop(&mut self) {
        boom(5)
    }
}

#[test]
fn when_a_future_that_was_given_up_is_dropped() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap_async("h", "f", |_: Caller<'_, ()>, (): ()| Box::new(BadDrop))?;
    let wat = r#"(module (import "h" "f" (func $f)) (func (export "hang") (call $f)) (func (export "seven") (result i32) (i32.const 7)))"#;
    let module = Module::new(&engine, wat)?;
    let mut store = Store::new(&engine, ());
    let instance = block_on(linker.instantiate_async(&mut store, &module))?;
    let hang = instance.get_typed_func::<(), ()>(&mut store, "hang")?;
    let seven = instance.get_typed_func::<(), i32>(&mut store, "seven")?;
    for _ in 0..3 {
        let mut call = Box::pin(hang.call_async(&mut store, ()));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_payload(5, || drop(call));
        assert_eq!(seven.call(&mut store, ())?, 7);
        assert_eq!(block_on(seven.call_async(&mut store, ()))?, 7);
    }
    Ok(())
}
