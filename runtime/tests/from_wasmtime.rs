//! The first examples of the `wasmtime` crate, written anew against this one: hello, gcd, memory,
//! linking, multi, multimemory, serialize, async. docs/from-wasmtime.md counts the edits.
//!
//! They use the API as its users write it (one glob import, `?` everywhere); what internals do is
//! tested elsewhere.

use craneway::*;
use craneway_wasi::{MemoryOutputPipe, WasiCtx, WasiCtxBuilder, p1};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const HELLO: &str = r#"(module
    (import "" "hello" (func $hello))
    (func (export "run") call $hello))"#;

#[test]
fn hello() -> Result<()> {
    let greetings = Arc::new(AtomicU32::new(0));
    let mut store = Store::<()>::default();
    let module = Module::new(store.engine(), HELLO)?;
    let counter = greetings.clone();
    let greet = Func::wrap(&mut store, move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let imports = [greet.into()];
    let instance = Instance::new(&mut store, &module, &imports)?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call(&mut store, ())?;
    run.call(&mut store, ())?;
    assert_eq!(greetings.load(Ordering::Relaxed), 2);
    Ok(())
}

#[test]
fn gcd() -> Result<()> {
    let mut store = Store::<()>::default();
    let module = Module::new(
        store.engine(),
        r#"(module
            (func (export "gcd") (param $a i32) (param $b i32) (result i32) (local $rest i32)
                (block $done
                    (loop $again
                        (br_if $done (i32.eqz (local.get $b)))
                        (local.set $rest (i32.rem_u (local.get $a) (local.get $b)))
                        (local.set $a (local.get $b))
                        (local.set $b (local.get $rest))
                        (br $again)))
                (local.get $a)))"#,
    )?;
    let instance = Instance::new(&mut store, &module, &[])?;
    let gcd = instance.get_typed_func::<(i32, i32), i32>(&mut store, "gcd")?;
    for (a, b, expected) in [
        (6, 27, 3),
        (27, 6, 3),
        (17, 5, 1),
        (0, 9, 9),
        (1 << 20, 1 << 12, 4096),
    ] {
        assert_eq!(gcd.call(&mut store, (a, b))?, expected, "gcd({a}, {b})");
    }
    Ok(())
}

#[test]
fn memory() -> Result<()> {
    let mut store: Store<()> = Store::default();
    let module = Module::new(
        store.engine(),
        r#"(module
            (memory (export "memory") 2 3)
            (func (export "size") (result i32) (memory.size))
            (func (export "load") (param i32) (result i32) (i32.load8_s (local.get 0)))
            (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
            (data (i32.const 0x1000) "\01\02\03\04"))"#,
    )?;
    let instance = Instance::new(&mut store, &module, &[])?;
    let memory = instance
        .get_memory(&mut store, "memory")
        .ok_or_else(|| format_err!("no export `memory`"))?;
    let size = instance.get_typed_func::<(), i32>(&mut store, "size")?;
    let load = instance.get_typed_func::<i32, i32>(&mut store, "load")?;
    let write = instance.get_typed_func::<(i32, i32), ()>(&mut store, "store")?;

    assert_eq!(
        (memory.size(&store), memory.data_size(&store)),
        (2, 0x20000)
    );
    assert_eq!(memory.data(&store)[0x1000..0x1005], [1, 2, 3, 4, 0]);
    assert_eq!(size.call(&mut store, ())?, 2);
    for (address, byte) in [(0, 0), (0x1000, 1), (0x1003, 4), (0x1ffff, 0)] {
        assert_eq!(load.call(&mut store, address)?, byte);
    }
    let trap = load.call(&mut store, 0x20000).unwrap_err();
    assert_eq!(trap.downcast_ref::<Trap>(), Some(&Trap::MemoryOutOfBounds));

    memory.data_mut(&mut store)[0x1003] = 5;
    write.call(&mut store, (0x1002, 6))?;
    assert!(write.call(&mut store, (0x20000, 0)).is_err());
    assert_eq!(memory.data(&store)[0x1002..0x1004], [6, 5]);
    let mut copy = [0; 2];
    memory.read(&store, 0x1002, &mut copy)?;
    assert_eq!(copy, [6, 5]);
    assert!(memory.read(&store, 0x1ffff, &mut copy).is_err());

    assert_eq!(memory.grow(&mut store, 1)?, 2);
    assert_eq!(
        (memory.size(&store), memory.data_size(&store)),
        (3, 0x30000)
    );
    assert_eq!(load.call(&mut store, 0x20000)?, 0);
    write.call(&mut store, (0x2ffff, 1))?;
    assert!(load.call(&mut store, 0x30000).is_err());
    assert!(memory.grow(&mut store, 1).is_err());
    assert_eq!(memory.grow(&mut store, 0)?, 3);

    let alone = Memory::new(&mut store, MemoryType::new(5, Some(5)))?;
    assert_eq!(alone.size(&store), 5);
    assert!(alone.grow(&mut store, 1).is_err());
    assert!(alone.grow(&mut store, 0).is_ok());
    Ok(())
}

/// Prints one line through WASI, by a memory and a printing function of another module.
const PRINTS: &str = r#"(module
    (import "printer" "print" (func $print (param i32 i32)))
    (import "printer" "memory" (memory 1))
    (data (i32.const 64) "linked\0a")
    (func (export "run") (call $print (i32.const 64) (i32.const 7))))"#;

const PRINTER: &str = r#"(module
    (type $write (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (type $write)))
    (memory (export "memory") 1)
    (func (export "print") (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))
            (then unreachable))))"#;

#[test]
fn linking() -> Result<()> {
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |wasi: &mut WasiCtx| wasi)?;
    let printer = Module::new(&engine, PRINTER)?;
    let prints = Module::new(&engine, PRINTS)?;

    let output = MemoryOutputPipe::new(1 << 10);
    let wasi = WasiCtxBuilder::new().stdout(output.clone()).build();
    let mut store = Store::new(&engine, wasi);

    let missing = linker.instantiate(&mut store, &prints).unwrap_err();
    let missing = missing.downcast_ref::<LinkError>().unwrap();
    let names: Vec<&str> = missing.problems().iter().map(|p| &*p.name).collect();
    assert_eq!(names, ["print", "memory"]);

    let printer = linker.instantiate(&mut store, &printer)?;
    linker.instance(&mut store, "printer", printer)?;
    let prints = linker.instantiate(&mut store, &prints)?;
    let run = prints.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call(&mut store, ())?;
    assert_eq!(output.contents(), b"linked\n");
    Ok(())
}

#[test]
fn multi() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let module = Module::new(
        &engine,
        r#"(module
            (import "" "swap" (func $swap (param i32 i64) (result i64 i32)))
            (func (export "g") (param i32 i64) (result i64 i32)
                (call $swap (local.get 0) (local.get 1)))
            (func (export "reverse") (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
                (result i64 i64 i64 i64 i64 i64 i64 i64 i64 i64)
                local.get 9 local.get 8 local.get 7 local.get 6 local.get 5
                local.get 4 local.get 3 local.get 2 local.get 1 local.get 0))"#,
    )?;
    let ty = FuncType::new(
        &engine,
        [ValType::I32, ValType::I64],
        [ValType::I64, ValType::I32],
    );
    let swap = Func::new(&mut store, ty, |_, args, results| {
        results[0] = Val::I64(args[1].unwrap_i64() + 1);
        results[1] = Val::I32(args[0].unwrap_i32() + 1);
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[swap.into()])?;

    let g = instance.get_func(&mut store, "g").unwrap();
    let mut results = [Val::I32(0), Val::I32(0)];
    g.call(&mut store, &[Val::I32(1), Val::I64(3)], &mut results)?;
    assert_eq!((results[0].unwrap_i64(), results[1].unwrap_i32()), (4, 2));
    let typed = g.typed::<(i32, i64), (i64, i32)>(&store)?;
    assert_eq!(typed.call(&mut store, (10, 20))?, (21, 11));

    let reverse = instance.get_func(&mut store, "reverse").unwrap();
    let args: Vec<Val> = (0..10).map(Val::I64).collect();
    let mut results = vec![Val::I32(0); 10];
    reverse.call(&mut store, &args, &mut results)?;
    let back: Vec<i64> = results.iter().rev().map(|v| v.unwrap_i64()).collect();
    assert_eq!(back, (0..10).collect::<Vec<i64>>());
    let typed = instance.get_typed_func::<
        (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64),
        (i64, i64, i64, i64, i64, i64, i64, i64, i64, i64),
    >(&mut store, "reverse")?;
    let results = typed.call(&mut store, (0, 1, 2, 3, 4, 5, 6, 7, 8, 9))?;
    assert_eq!(results, (9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    Ok(())
}

#[test]
fn multimemory() -> Result<()> {
    let mut config = Config::new();
    config.wasm_multi_memory(true);
    let engine = Engine::new(&config)?;
    let mut store = Store::new(&engine, ());
    let module = Module::new(
        &engine,
        r#"(module
            (memory $a (export "memory0") 2 3)
            (memory $b (export "memory1") 2 4)
            (data (memory $a) (i32.const 0x1000) "\01\02\03\04")
            (data (memory $b) (i32.const 0x1000) "\04\03\02\01")
            (func (export "size0") (result i32) (memory.size $a))
            (func (export "size1") (result i32) (memory.size $b))
            (func (export "load0") (param i32) (result i32) (i32.load8_s $a (local.get 0)))
            (func (export "load1") (param i32) (result i32) (i32.load8_s $b (local.get 0)))
            (func (export "store0") (param i32 i32) (i32.store8 $a (local.get 0) (local.get 1)))
            (func (export "store1") (param i32 i32) (i32.store8 $b (local.get 0) (local.get 1)))
            (func (export "across") (param i32 i32 i32)
                (memory.copy $a $b (local.get 0) (local.get 1) (local.get 2))))"#,
    )?;
    let instance = Instance::new(&mut store, &module, &[])?;
    for (n, bytes, max) in [(0, [1, 2, 3, 4], 3), (1, [4, 3, 2, 1], 4)] {
        let memory = instance
            .get_memory(&mut store, &format!("memory{n}"))
            .unwrap();
        let size = instance.get_typed_func::<(), i32>(&mut store, &format!("size{n}"))?;
        let load = instance.get_typed_func::<i32, i32>(&mut store, &format!("load{n}"))?;
        let write = instance.get_typed_func::<(i32, i32), ()>(&mut store, &format!("store{n}"))?;
        assert_eq!(size.call(&mut store, ())?, 2);
        assert_eq!(memory.data(&store)[0x1000..0x1004], bytes);
        for (address, byte) in (0x1000..).zip(bytes) {
            assert_eq!(load.call(&mut store, address)?, i32::from(byte));
        }
        assert!(load.call(&mut store, 0x20000).is_err());
        memory.data_mut(&mut store)[0x1003] = 5 + n;
        write.call(&mut store, (0x1002, 6))?;
        assert!(write.call(&mut store, (0x20000, 0)).is_err());
        assert_eq!(memory.data(&store)[0x1002..0x1004], [6, 5 + n]);
        assert_eq!(memory.grow(&mut store, max - 2)?, 2);
        assert_eq!(memory.size(&store), max);
        write.call(&mut store, (0x20000, 7))?;
        assert_eq!(load.call(&mut store, 0x20000)?, 7);
        assert!(memory.grow(&mut store, 1).is_err());
        assert!(memory.grow(&mut store, 0).is_ok());
    }
    let across = instance.get_typed_func::<(i32, i32, i32), ()>(&mut store, "across")?;
    across.call(&mut store, (0x1000, 0x1000, 4))?;
    let memory0 = instance.get_memory(&mut store, "memory0").unwrap();
    assert_eq!(memory0.data(&store)[0x1000..0x1004], [4, 3, 6, 6]);
    Ok(())
}

#[test]
fn serialize() -> Result<()> {
    let bytes = {
        let engine = Engine::default();
        Module::new(&engine, HELLO)?.serialize()?
    };
    assert_eq!(
        Engine::detect_precompiled(&bytes),
        Some(Precompiled::Module)
    );

    let mut store = Store::new(&Engine::default(), 0);
    // SAFETY: the bytes were made above by this process and have not been changed.
    let module = unsafe { Module::deserialize(store.engine(), &bytes)? };
    let hello = Func::wrap(&mut store, |mut caller: Caller<'_, i32>| {
        *caller.data_mut() += 1;
    });
    let instance = Instance::new(&mut store, &module, &[hello.into()])?;
    let run = instance.get_typed_func::<(), ()>(&mut store, "run")?;
    run.call(&mut store, ())?;
    assert_eq!(store.into_data(), 1);

    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &bytes)?;
    // SAFETY: as above; nobody else knows the file.
    let module = unsafe { Module::deserialize_file(&Engine::default(), file.path())? };
    assert_eq!(module.exports().len(), 1);
    Ok(())
}

/// Waits for a clock of WASI, then prints.
const WAITS: &str = r#"(module
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write"
        (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 200) "awake\0a")
    (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))          ;; monotonic clock
        (i64.store (i32.const 24) (i64.const 2000000))    ;; 2 ms from now
        (if (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 160))
            (then unreachable))
        (i32.store (i32.const 0) (i32.const 200))
        (i32.store (i32.const 4) (i32.const 6))
        (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 160))
            (then unreachable))))"#;

#[tokio::test]
async fn tokio_runs_many_guests_on_one_thread() -> Result<()> {
    let mut config = Config::new();
    config.async_support(true);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, WAITS)?;
    let mut linker: Linker<WasiCtx> = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |wasi| wasi)?;

    let mut guests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (engine, linker, module) = (engine.clone(), linker.clone(), module.clone());
        guests.spawn(async move {
            let output = MemoryOutputPipe::new(100);
            let wasi = WasiCtxBuilder::new().stdout(output.clone()).build();
            let mut store = Store::new(&engine, wasi);
            let mut linker = linker;
            let start = linker
                .module_async(&mut store, "", &module)
                .await?
                .get_default(&mut store, "")?
                .typed::<(), ()>(&store)?;
            start.call_async(&mut store, ()).await?;
            Result::<Vec<u8>>::Ok(output.contents())
        });
    }
    while let Some(output) = guests.join_next().await {
        assert_eq!(output??, b"awake\n");
    }
    Ok(())
}
