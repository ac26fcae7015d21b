//! Calls that suspend: values, errors, exceptions and panics across a suspension, calls given up
//! half-way, and what synchronous calls make of functions that are not ready.

use craneway::{
    Caller, Engine, ExnRef, Extern, ExternRef, Func, FuncType, Instance, Linker, MaybeAsync,
    Module, Result, Rooted, Store, Tag, TagType, ThrownException, Trap, V128, Val, ValType,
    WasmBacktrace, format_err,
};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Waits so that the call leaves to the executor `times` times.
async fn wait(times: usize) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

async fn instantiate<T: Send>(
    store: &mut Store<T>,
    linker: &Linker<T>,
    wat: &str,
) -> Result<Instance> {
    let module = Module::new(store.engine(), wat)?;
    linker.instantiate_async(store, &module).await
}

#[tokio::test]
async fn many_values_survive_a_suspension() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    type Args = (i32, i64, f32, f64, V128, i64, i32, i64, i32, i64);
    type Results = (i64, i32, i64, i32, i64, V128, f64, f32, i64, i32);
    linker.func_wrap_async("h", "reverse", |_: Caller<'_, ()>, a: Args| {
        Box::new(async move {
            wait(3).await;
            (a.9, a.8, a.7, a.6, a.5, a.4, a.3, a.2, a.1, a.0)
        })
    })?;
    let ty = "(param i32 i64 f32 f64 v128 i64 i32 i64 i32 i64) (result i64 i32 i64 i32 i64 v128 f64 f32 i64 i32)";
    let gets: String = (0..10).map(|n| format!("local.get {n} ")).collect();
    let wat = format!(
        r#"(module (import "h" "reverse" (func $r {ty})) (table funcref (elem $r))
            (type $t (func {ty}))
            (func (export "direct") {ty} {gets} call $r)
            (func (export "indirect") {ty} {gets} i32.const 0 call_indirect (type $t))
            (func (export "tail") {ty} {gets} return_call $r))"#
    );
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &linker, &wat).await?;
    let args: Args = (
        -1,
        2 << 40,
        3.5,
        -4.25,
        V128::from(5 << 100),
        6,
        7,
        8,
        i32::MIN,
        i64::MAX,
    );
    for name in ["direct", "indirect", "tail"] {
        let f = instance.get_typed_func::<Args, Results>(&mut store, name)?;
        for _ in 0..3 {
            let r = f.call_async(&mut store, args).await?;
            let back = (r.9, r.8, r.7, r.6, r.5, r.4, r.3, r.2, r.1, r.0);
            assert_eq!(back, args, "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn errors_and_traps_after_a_suspension_have_backtraces() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<u32> = Linker::new(&engine);
    linker.func_wrap_async("h", "f", |mut caller: Caller<'_, u32>, (fail,): (i32,)| {
        Box::new(async move {
            wait(2).await;
            *caller.data_mut() += 1;
            if fail != 0 {
                Err(format_err!("the host failed"))
            } else {
                Ok(())
            }
        })
    })?;
    let wat = r#"(module (import "h" "f" (func $f (param i32)))
        (func $inner (param i32) (call $f (local.get 0)) unreachable)
        (func (export "outer") (param i32) (call $inner (local.get 0))))"#;
    let mut store = Store::new(&engine, 0);
    let instance = instantiate(&mut store, &linker, wat).await?;
    let outer = instance.get_typed_func::<i32, ()>(&mut store, "outer")?;
    for round in 1..4 {
        let error = outer.call_async(&mut store, 1).await.unwrap_err();
        assert_eq!(error.root_cause().to_string(), "the host failed");
        assert_eq!(
            error
                .downcast_ref::<WasmBacktrace>()
                .unwrap()
                .frames()
                .len(),
            2
        );
        let error = outer.call_async(&mut store, 0).await.unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::UnreachableCodeReached));
        assert_eq!(
            error
                .downcast_ref::<WasmBacktrace>()
                .unwrap()
                .frames()
                .len(),
            2
        );
        assert_eq!(*store.data(), 2 * round);
    }
    Ok(())
}

#[tokio::test]
async fn exceptions_thrown_after_a_suspension_are_caught_by_wasm() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let tag = Tag::new(
        &mut store,
        &TagType::new(FuncType::new(&engine, [ValType::I32], [])),
    )?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.define(&store, "h", "tag", tag)?;
    linker.func_wrap_async(
        "h",
        "throws",
        move |mut caller: Caller<'_, ()>, (x,): (i32,)| {
            Box::new(async move {
                wait(2).await;
                let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(x)])?;
                Result::<()>::Err(ThrownException::new(exn).into())
            })
        },
    )?;
    let wat = r#"(module (import "h" "tag" (tag $t (param i32))) (import "h" "throws" (func $f (param i32)))
        (func $middle (param i32) (call $f (local.get 0)))
        (func (export "uncaught") (param i32) (call $middle (local.get 0)))
        (func (export "caught") (param i32) (result i32)
            (block $c (result i32)
                (try_table (catch $t $c) (call $middle (local.get 0)))
                (i32.const -1))
            (call $f_quiet) (i32.add))
        (func $f_quiet (result i32) (i32.const 1)))"#;
    let instance = instantiate(&mut store, &linker, wat).await?;
    let caught = instance.get_typed_func::<i32, i32>(&mut store, "caught")?;
    let uncaught = instance.get_typed_func::<i32, ()>(&mut store, "uncaught")?;
    for x in 0..20 {
        assert_eq!(caught.call_async(&mut store, x).await?, x + 1);
    }
    let error = uncaught.call_async(&mut store, 8).await.unwrap_err();
    let exn = error.downcast_ref::<ThrownException>().unwrap().exception();
    assert_eq!(exn.fields(&mut store)?[0].unwrap_i32(), 8);
    Ok(())
}

#[tokio::test]
async fn a_panic_after_a_suspension_reaches_the_caller() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap_async("h", "f", |_: Caller<'_, ()>, (waits, fail): (i32, i32)| {
        Box::new(async move {
            wait(waits as usize).await;
            assert!(fail == 0, "async host panic");
        })
    })?;
    let wat = r#"(module (import "h" "f" (func $f (param i32 i32)))
        (func (export "g") (param i32 i32) (call $f (local.get 0) (local.get 1))))"#;
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &linker, wat).await?;
    let g = instance.get_typed_func::<(i32, i32), ()>(&mut store, "g")?;
    for waits in [0, 1, 4] {
        let call = Box::pin(g.call_async(&mut store, (waits, 1)));
        let panic = CatchUnwind(call).await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"async host panic"));
        g.call_async(&mut store, (waits, 0)).await?;
    }
    Ok(())
}

/// A future whose panics are its result.
struct CatchUnwind<F>(std::pin::Pin<Box<F>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Self::Output> {
        let poll = AssertUnwindSafe(|| self.0.as_mut().poll(cx));
        match std::panic::catch_unwind(poll) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    }
}

/// Counts how many are alive.
struct Guard(Arc<AtomicUsize>);

impl Guard {
    fn new(count: &Arc<AtomicUsize>) -> Guard {
        count.fetch_add(1, Ordering::Relaxed);
        Guard(count.clone())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_call_given_up_half_way_frees_what_it_held() -> Result<()> {
    let engine = Engine::default();
    let alive = Arc::new(AtomicUsize::new(0));
    let mut linker: Linker<()> = Linker::new(&engine);
    let count = alive.clone();
    linker.func_wrap_async("h", "forever", move |mut caller: Caller<'_, ()>, (): ()| {
        let guard = Guard::new(&count);
        Box::new(async move {
            let _guard = guard;
            let _reference = ExternRef::new(&mut caller, 1u8)?;
            std::future::pending::<()>().await;
            Result::<()>::Ok(())
        })
    })?;
    linker.func_wrap("h", "ready", || 7)?;
    let wat = r#"(module (import "h" "forever" (func $f)) (import "h" "ready" (func $r (result i32)))
        (func (export "hang") call $f) (func (export "go") (result i32) call $r))"#;
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &linker, wat).await?;
    let hang = instance.get_typed_func::<(), ()>(&mut store, "hang")?;
    let go = instance.get_typed_func::<(), i32>(&mut store, "go")?;
    for _ in 0..50 {
        // Never polled, polled once, polled again.
        drop(hang.call_async(&mut store, ()));
        for polls in 1..3 {
            let mut call = Box::pin(hang.call_async(&mut store, ()));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            for _ in 0..polls {
                assert!(call.as_mut().poll(&mut cx).is_pending());
            }
            assert_eq!(alive.load(Ordering::Relaxed), 1);
            drop(call);
            assert_eq!(alive.load(Ordering::Relaxed), 0);
        }
        assert_eq!(go.call(&mut store, ())?, 7);
        assert_eq!(go.call_async(&mut store, ()).await?, 7);
    }
    store.gc();
    assert_eq!(store.live_references(), 0, "roots of calls given up");
    Ok(())
}

/// A future that is ready when it is first polled never leaves the place where it was made; one that is
/// not waits in the activation. Wasm cannot tell them apart, and neither is left when it goes on.
#[tokio::test]
async fn ready_and_pending_futures_take_turns() -> Result<()> {
    let engine = Engine::default();
    let alive = Arc::new(AtomicUsize::new(0));
    let mut linker: Linker<()> = Linker::new(&engine);
    let count = alive.clone();
    linker.func_wrap_async(
        "h",
        "step",
        move |mut caller: Caller<'_, ()>, (n, x): (i32, f64)| {
            let guard = Guard::new(&count);
            Box::new(async move {
                let _guard = guard;
                let _reference = ExternRef::new(&mut caller, n)?;
                wait(if n % 3 == 1 { 2 } else { 0 }).await;
                if n >= 1000 {
                    return Err(format_err!("step {n}"));
                }
                assert!(n < 500, "step panics");
                Ok(f64::from(n) + x)
            })
        },
    )?;
    let count = alive.clone();
    linker.func_wrap("h", "alive", move || count.load(Ordering::Relaxed) as i32)?;
    let wat = r#"(module (import "h" "step" (func $step (param i32 f64) (result f64)))
        (import "h" "alive" (func $alive (result i32)))
        (func (export "go") (param $from i32) (param $to i32) (result f64) (local $sum f64)
            (loop
                (local.set $sum (call $step (local.get $from) (local.get $sum)))
                (if (call $alive) (then (unreachable)))
                (br_if 0 (i32.lt_s (local.tee $from (i32.add (local.get $from) (i32.const 1))) (local.get $to))))
            (local.get $sum)))"#;
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &linker, wat).await?;
    let go = instance.get_typed_func::<(i32, i32), f64>(&mut store, "go")?;
    for _ in 0..3 {
        assert_eq!(go.call_async(&mut store, (0, 100)).await?, 4950.0);
        // Steps that fail at once, and after a wait.
        for n in [1000, 1003, 1002] {
            let error = go.call_async(&mut store, (n, n + 1)).await.unwrap_err();
            assert!(format!("{error:?}").contains(&format!("step {n}")));
        }
        for n in [500, 501, 502, 503] {
            let call = Box::pin(go.call_async(&mut store, (n, n + 1)));
            let panic = CatchUnwind(call).await.unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"step panics"));
        }
        // Given up where the first wait is, after steps that were ready.
        let mut call = Box::pin(go.call_async(&mut store, (2, 9)));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert_eq!(alive.load(Ordering::Relaxed), 1);
        drop(call);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
        // A synchronous call does as long as nothing waits.
        assert_eq!(go.call(&mut store, (2, 4))?, 5.0);
        let error = go.call(&mut store, (2, 5)).unwrap_err();
        assert!(
            format!("{error:?}").contains("use `call_async`"),
            "{error:?}"
        );
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
    store.gc();
    assert_eq!(store.live_references(), 0, "roots of steps that are over");
    Ok(())
}

#[tokio::test]
async fn a_store_may_be_dropped_with_a_call_given_up() -> Result<()> {
    let engine = Engine::default();
    let alive = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let guard = Guard::new(&alive);
        let mut store = Store::new(&engine, guard);
        let mut linker: Linker<Guard> = Linker::new(&engine);
        linker.func_wrap_async("h", "f", |_: Caller<'_, Guard>, (): ()| {
            Box::new(async { tokio::time::sleep(Duration::from_secs(3600)).await })
        })?;
        let wat = r#"(module (import "h" "f" (func $f)) (func (export "g") call $f))"#;
        let instance = instantiate(&mut store, &linker, wat).await?;
        let g = instance.get_typed_func::<(), ()>(&mut store, "g")?;
        let task = tokio::spawn(async move { g.call_async(&mut store, ()).await });
        tokio::task::yield_now().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }
    Ok(())
}

#[tokio::test]
async fn a_suspended_function_may_call_back_and_suspend_there() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<u32> = Linker::new(&engine);
    linker.func_wrap_async("h", "down", |mut caller: Caller<'_, u32>, (n,): (i32,)| {
        Box::new(async move {
            wait(1).await;
            *caller.data_mut() += 1;
            if n == 0 {
                return Ok(0);
            }
            let run = caller.get_export("run").and_then(Extern::into_func);
            let run = run
                .ok_or_else(|| format_err!("no export `run`"))?
                .typed::<i32, i32>(&caller)?;
            // The future holds a future of itself, so it must be boxed.
            let below = Box::pin(run.call_async(&mut caller, n - 1)).await?;
            wait(1).await;
            Result::<i32>::Ok(below + n)
        })
    })?;
    let wat = r#"(module (import "h" "down" (func $down (param i32) (result i32)))
        (func (export "run") (param i32) (result i32) (call $down (local.get 0))))"#;
    let mut store = Store::new(&engine, 0);
    let instance = instantiate(&mut store, &linker, wat).await?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    assert_eq!(run.call_async(&mut store, 10).await?, 55);
    assert_eq!(*store.data(), 11);
    // Given up while several levels are suspended.
    for polls in 1..12 {
        let mut call = Box::pin(run.call_async(&mut store, 10));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..polls {
            assert!(call.as_mut().poll(&mut cx).is_pending());
        }
    }
    assert_eq!(run.call_async(&mut store, 3).await?, 6);
    Ok(())
}

#[tokio::test]
async fn references_live_across_suspensions_and_collections() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    type Ref = Option<Rooted<ExternRef>>;
    linker.func_wrap_async("h", "same", |mut caller: Caller<'_, ()>, (r,): (Ref,)| {
        Box::new(async move {
            wait(1).await;
            for n in 0..5000u32 {
                ExternRef::new(&mut caller, n)?;
            }
            wait(1).await;
            Result::<Ref>::Ok(r)
        })
    })?;
    let wat = r#"(module (import "h" "same" (func $same (param externref) (result externref)))
        (func (export "f") (param $a externref) (param $b externref) (result externref externref)
            (call $same (local.get $a)) (call $same (local.get $b)) (drop) (local.get $b)))"#;
    let mut store = Store::new(&engine, ());
    let instance = instantiate(&mut store, &linker, wat).await?;
    let f = instance.get_typed_func::<(Ref, Ref), (Ref, Ref)>(&mut store, "f")?;
    let (a, b) = (
        ExternRef::new(&mut store, "a")?,
        ExternRef::new(&mut store, "b")?,
    );
    for _ in 0..3 {
        let (x, y) = f.call_async(&mut store, (Some(a), Some(b))).await?;
        for (got, want) in [(x, "a"), (y, "b")] {
            let data = got
                .unwrap()
                .data(&store)?
                .and_then(|d| d.downcast_ref::<&str>())
                .copied();
            assert_eq!(data, Some(want));
        }
    }
    store.gc();
    assert!(store.live_references() < 100, "{}", store.live_references());
    Ok(())
}

#[tokio::test]
async fn values_of_any_type_suspend_too() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, 0);
    let types = [ValType::I32, ValType::F64, ValType::EXTERNREF];
    let ty = FuncType::new(&engine, types, types);
    let f = Func::new_async(
        &mut store,
        ty.clone(),
        |mut caller: Caller<'_, i32>, params, results| {
            Box::new(async move {
                wait(2).await;
                *caller.data_mut() += params[0].unwrap_i32();
                results.copy_from_slice(params);
                Ok(())
            })
        },
    );
    let reference = ExternRef::new(&mut store, 9)?;
    let params = [Val::I32(4), Val::from(2.5f64), Val::from(reference)];
    let mut results = [Val::I32(0); 3];
    f.call_async(&mut store, &params, &mut results).await?;
    assert_eq!((results[0].unwrap_i32(), results[1].unwrap_f64()), (4, 2.5));
    assert_eq!(*store.data(), 4);
    let wrong = Func::new_async(&mut store, ty, |_, _, _| Box::new(async { Ok(()) }));
    // Results that were left as they were are zero and null, which have the right types.
    wrong.call_async(&mut store, &params, &mut results).await?;
    assert_eq!(results[0].unwrap_i32(), 0);
    Ok(())
}

fn not_ready(engine: &Engine) -> Result<(Store<()>, Instance)> {
    let mut linker: Linker<()> = Linker::new(engine);
    linker.func_wrap_maybe_async("h", "f", |_: Caller<'_, ()>, (ready, x): (i32, i32)| {
        if ready != 0 {
            return MaybeAsync::Ready(if x < 0 {
                Err(format_err!("negative"))
            } else {
                Ok(x)
            });
        }
        MaybeAsync::Pending(Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            Ok(x)
        }))
    })?;
    let module = Module::new(
        engine,
        r#"(module (import "h" "f" (func $f (param i32 i32) (result i32)))
            (func (export "g") (param i32 i32) (result i32) (call $f (local.get 0) (local.get 1))))"#,
    )?;
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    Ok((store, instance))
}

#[test]
fn a_synchronous_call_waits_on_the_runtime_it_was_given() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut store, instance) = not_ready(&Engine::default())?;
    let g = instance.get_typed_func::<(i32, i32), i32>(&mut store, "g")?;
    assert_eq!(g.call(&mut store, (1, 5))?, 5);
    assert_eq!(
        g.call(&mut store, (1, -5))
            .unwrap_err()
            .root_cause()
            .to_string(),
        "negative"
    );
    // A timer needs a runtime even to be asked, so that its absence is found out inside the future.
    let _entered = runtime.enter();
    let error = g.call(&mut store, (0, 5)).unwrap_err();
    assert!(format!("{error:#}").contains("call_async"), "{error:#}");
    drop(_entered);
    assert_eq!(g.call(&mut store, (1, 6))?, 6);
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let handle = runtime.handle().clone();
    let driver = std::thread::spawn(move || {
        runtime.block_on(async {
            while receiver.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    });
    store.set_runtime(handle);
    assert_eq!(g.call(&mut store, (0, 7))?, 7);
    assert_eq!(g.call(&mut store, (0, 8))?, 8);
    drop(sender);
    driver.join().unwrap();
    Ok(())
}
