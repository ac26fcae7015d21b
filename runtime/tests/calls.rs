//! Calls in every direction: host to wasm, wasm to host, nested, suspended, trapping.

use craneway::{
    Caller, Engine, Error, Func, Instance, Linker, Module, Result, Store, Trap, Val, WasmBacktrace,
};

fn instance(wat: &str) -> Result<(Store<()>, Instance)> {
    let engine = Engine::default();
    let module = Module::new(&engine, wat)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    Ok((store, instance))
}

#[test]
fn returns_a_constant_and_runs_a_loop() -> Result<()> {
    let (mut store, instance) = instance(
        r#"(module
            (func (export "answer") (result i32) i32.const 42)
            (func (export "sum") (param i64) (result i64) (local i64)
                loop
                    local.get 1 local.get 0 i64.add local.set 1
                    local.get 0 i64.const 1 i64.sub local.tee 0
                    i64.const 0 i64.ne br_if 0
                end
                local.get 1))"#,
    )?;
    assert_eq!(
        instance
            .get_typed_func::<(), i32>(&mut store, "answer")?
            .call(&mut store, ())?,
        42
    );
    assert_eq!(
        instance
            .get_typed_func::<i64, i64>(&mut store, "sum")?
            .call(&mut store, 1000)?,
        500_500
    );
    Ok(())
}

#[test]
fn memory_is_grown_and_bounds_trap() -> Result<()> {
    let (mut store, instance) = instance(
        r#"(module (memory (export "memory") 1)
            (func (export "load") (param i32) (result i32) local.get 0 i32.load offset=8)
            (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))"#,
    )?;
    let load = instance.get_typed_func::<i32, i32>(&mut store, "load")?;
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    memory.write(&mut store, 16, &7i32.to_le_bytes())?;
    assert_eq!(load.call(&mut store, 8)?, 7);
    for bad in [65536 - 11, 65536, -1, i32::MIN] {
        let error = load.call(&mut store, bad).unwrap_err();
        assert_eq!(
            error.downcast_ref::<Trap>(),
            Some(&Trap::MemoryOutOfBounds),
            "{error:?}"
        );
        assert_eq!(
            error
                .downcast_ref::<WasmBacktrace>()
                .unwrap()
                .frames()
                .len(),
            1
        );
    }
    assert_eq!(
        instance
            .get_typed_func::<i32, i32>(&mut store, "grow")?
            .call(&mut store, 1)?,
        1
    );
    assert_eq!(load.call(&mut store, 65536)?, 0);
    assert_eq!(memory.size(&store), 2);
    Ok(())
}

#[test]
fn host_functions_see_their_caller_and_may_call_back() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "twice" (func $twice (param i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "inc") (param i32) (result i32) local.get 0 i32.const 1 i32.add)
            (func (export "run") (param i32) (result i32) local.get 0 call $twice i32.const 100 i32.add))"#,
    )?;
    let mut store = Store::new(&engine, 0u32);
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "host",
        "twice",
        |mut caller: Caller<'_, u32>, x: i32| -> Result<i32> {
            *caller.data_mut() += 1;
            assert!(caller.memory().is_some());
            let inc = caller
                .get_export("inc")
                .unwrap()
                .into_func()
                .unwrap()
                .typed::<i32, i32>(&caller)?;
            let once = inc.call(&mut caller, x)?;
            inc.call(&mut caller, once)
        },
    )?;
    let instance = linker.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run")?;
    assert_eq!(run.call(&mut store, 5)?, 107);
    assert_eq!(*store.data(), 1);
    Ok(())
}

#[test]
fn infinite_recursion_and_host_errors_leave_cleanly() -> Result<()> {
    let (mut store, instance) = instance(
        r#"(module (func $f (export "f") (param i32) (result i32) local.get 0 i32.const 1 i32.add call $f i32.const 2 i32.mul))"#,
    )?;
    let f = instance.get_typed_func::<i32, i32>(&mut store, "f")?;
    for _ in 0..20 {
        let error = f.call(&mut store, 0).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::StackOverflow));
        assert!(
            error
                .downcast_ref::<WasmBacktrace>()
                .unwrap()
                .frames()
                .len()
                > 100
        );
    }
    #[derive(Debug)]
    struct Mine;
    impl std::fmt::Display for Mine {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("mine")
        }
    }
    impl std::error::Error for Mine {}
    let fails = Func::wrap(&mut store, || -> Result<()> { Err(Error::new(Mine)) });
    let error = fails.call(&mut store, &[], &mut []).unwrap_err();
    assert!(error.downcast_ref::<Mine>().is_some());
    Ok(())
}

#[test]
fn many_values_survive_the_way() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = Module::new(
        &engine,
        r#"(module
            (import "h" "f" (func $f (param i32 i64 f32 f64 i32 i64 i32 i64 f64) (result i64 f64 i32 i32 i32 i32 i32 i32)))
            (func (export "go") (param i32 i64 f32 f64 i32 i64 i32 i64 f64) (result i64 f64 i32 i32 i32 i32 i32 i32)
                local.get 0 local.get 1 local.get 2 local.get 3 local.get 4 local.get 5 local.get 6 local.get 7 local.get 8
                call $f))"#,
    )?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap(
        "h",
        "f",
        |a: i32, b: i64, c: f32, d: f64, e: i32, f: i64, g: i32, h: i64, i: f64| {
            (b + f + h, f64::from(c) + d + i, a, e, g, 1i32, 2i32, 3i32)
        },
    )?;
    let instance = linker.instantiate(&mut store, &module)?;
    type P = (i32, i64, f32, f64, i32, i64, i32, i64, f64);
    type R = (i64, f64, i32, i32, i32, i32, i32, i32);
    let go = instance.get_typed_func::<P, R>(&mut store, "go")?;
    let out = go.call(&mut store, (1, 20, 0.5, 0.25, 5, 60, 7, 800, 9.0))?;
    assert_eq!(out, (880, 9.75, 1, 5, 7, 1, 2, 3));
    let mut results = [Val::I32(0); 8];
    let params = [
        1.into(),
        20i64.into(),
        0.5f32.into(),
        0.25f64.into(),
        5.into(),
        60i64.into(),
        7.into(),
        800i64.into(),
        9.0f64.into(),
    ];
    go.func().call(&mut store, &params, &mut results)?;
    assert_eq!(results[0].i64(), Some(880));
    assert_eq!(results[1].f64(), Some(9.75));
    assert_eq!(results[7].i32(), Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_host_function_suspends_the_call() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "h" "sleep" (func $s (param i32) (result i32)))
            (func (export "go") (param i32) (result i32) (local i32)
                loop
                    local.get 1 local.get 0 call $s i32.add local.set 1
                    local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0
                end
                local.get 1))"#,
    )?;
    let mut linker: Linker<u32> = Linker::new(&engine);
    linker.func_wrap_async("h", "sleep", |mut caller: Caller<'_, u32>, (x,): (i32,)| {
        Box::new(async move {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            tokio::task::yield_now().await;
            *caller.data_mut() += 1;
            x
        })
    })?;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (linker, module, engine) = (linker.clone(), module.clone(), engine.clone());
        tasks.push(tokio::spawn(async move {
            let mut store = Store::new(&engine, 0);
            let instance = linker.instantiate_async(&mut store, &module).await?;
            let go = instance.get_typed_func::<i32, i32>(&mut store, "go")?;
            let sum = go.call_async(&mut store, 20).await?;
            assert_eq!(*store.data(), 20);
            Result::<i32>::Ok(sum)
        }));
    }
    for task in tasks {
        assert_eq!(task.await??, 210);
    }
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate_async(&mut store, &module).await?;
    let go = instance.get_typed_func::<i32, i32>(&mut store, "go")?;
    let error = go.call(&mut store, 1).unwrap_err();
    assert!(
        error.to_string().contains("call_async") || format!("{error:#}").contains("call_async"),
        "{error:#}"
    );
    // A dropped call leaves the store usable.
    {
        let call = go.call_async(&mut store, 5);
        tokio::select! { biased; _ = call => panic!("it sleeps"), () = std::future::ready(()) => {} }
    }
    assert_eq!(go.call_async(&mut store, 2).await?, 3);
    Ok(())
}
