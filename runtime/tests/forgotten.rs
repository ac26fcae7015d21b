//! Calls whose future is forgotten while they are suspended: the store refuses to be entered, says why,
//! and everything that does not run wasm still works.

use craneway::{Caller, Engine, Extern, Func, Instance, Linker, Module, Result, Store};
use std::future::Future;
use std::task::{Context, Waker};

fn suspended(engine: &Engine) -> Result<(Store<u32>, Instance)> {
    let mut linker: Linker<u32> = Linker::new(engine);
    linker.func_wrap_async("h", "never", |_: Caller<'_, u32>, (): ()| {
        Box::new(std::future::pending::<()>())
    })?;
    let wat = r#"(module (import "h" "never" (func $n)) (memory (export "memory") 1)
        (func (export "hang") (call $n)) (func (export "seven") (result i32) (i32.const 7)))"#;
    let module = Module::new(engine, wat)?;
    let mut store = Store::new(engine, 5);
    let instance = linker.instantiate(&mut store, &module)?;
    Ok((store, instance))
}

fn poll_once(call: impl Future) -> bool {
    let mut call = Box::pin(call);
    let pending = call
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending();
    std::mem::forget(call);
    pending
}

#[test]
fn the_store_refuses_entry_and_says_why() -> Result<()> {
    let engine = Engine::default();
    let (mut store, instance) = suspended(&engine)?;
    let hang = instance.get_typed_func::<(), ()>(&mut store, "hang")?;
    let seven = instance.get_typed_func::<(), i32>(&mut store, "seven")?;
    // One that was never polled has not begun.
    std::mem::forget(Box::pin(hang.call_async(&mut store, ())));
    assert_eq!(seven.call(&mut store, ())?, 7);
    assert!(poll_once(hang.call_async(&mut store, ())));
    let refused = |e: craneway::Error| {
        let text = format!("{e:#}");
        assert!(
            text.contains("suspended call whose future was forgotten"),
            "{text}"
        );
    };
    for _ in 0..3 {
        refused(seven.call(&mut store, ()).unwrap_err());
        refused(
            seven
                .func()
                .call(&mut store, &[], &mut [craneway::Val::I32(0)])
                .unwrap_err(),
        );
        let call = Box::pin(seven.call_async(&mut store, ()));
        refused(futures_ready(call).unwrap_err());
        let host = Func::wrap(&mut store, || {});
        refused(host.call(&mut store, &[], &mut []).unwrap_err());
        let module = Module::new(&engine, "(module (func $f) (start $f))")?;
        refused(Instance::new(&mut store, &module, &[]).unwrap_err());
    }
    // What runs no wasm goes on.
    let memory = instance
        .get_export(&mut store, "memory")
        .and_then(Extern::into_memory)
        .unwrap();
    memory.write(&mut store, 0, b"still")?;
    assert_eq!(memory.grow(&mut store, 1)?, 1);
    store.gc();
    assert_eq!(store.into_data(), 5);
    // Other stores do not notice.
    let (mut other, instance) = suspended(&engine)?;
    let seven = instance.get_typed_func::<(), i32>(&mut other, "seven")?;
    assert_eq!(seven.call(&mut other, ())?, 7);
    Ok(())
}

/// The result of a call that is ready at once.
fn futures_ready<F: Future + Unpin>(mut call: F) -> F::Output {
    match std::pin::Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("it was suspended"),
    }
}

#[test]
fn a_store_may_be_dropped_with_a_forgotten_call() -> Result<()> {
    let engine = Engine::default();
    for _ in 0..20 {
        let (mut store, instance) = suspended(&engine)?;
        let hang = instance.get_typed_func::<(), ()>(&mut store, "hang")?;
        assert!(poll_once(hang.call_async(&mut store, ())));
    }
    Ok(())
}

/// A forgotten call inside a host function blocks the call that is running, not more.
#[test]
fn a_host_function_that_forgets_a_call_of_its_own() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap_async("h", "never", |_: Caller<'_, ()>, (): ()| {
        Box::new(std::future::pending::<()>())
    })?;
    linker.func_wrap("h", "forgets", |mut caller: Caller<'_, ()>| -> Result<()> {
        let hang = caller
            .get_export("hang")
            .and_then(Extern::into_func)
            .unwrap();
        let hang = hang.typed::<(), ()>(&caller)?;
        assert!(poll_once(hang.call_async(&mut caller, ())));
        hang.call(&mut caller, ())
    })?;
    let wat = r#"(module (import "h" "never" (func $n)) (import "h" "forgets" (func $f))
        (func (export "hang") (call $n)) (func (export "go") (call $f)))"#;
    let module = Module::new(&engine, wat)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let go = instance.get_typed_func::<(), ()>(&mut store, "go")?;
    let text = format!("{:#}", go.call(&mut store, ()).unwrap_err());
    assert!(
        text.contains("suspended call whose future was forgotten"),
        "{text}"
    );
    Ok(())
}
