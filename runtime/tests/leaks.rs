//! What is made and dropped, trapped or given up ten thousand times leaves the process as it was: no
//! mapping more, no memory that grows. One test in a process of its own, because it looks at all of it.

use craneway::{Caller, Engine, Instance, Linker, Module, Result, Store, Trap};
use std::future::Future;
use std::task::{Context, Waker};

const TIMES: usize = 10_000;
/// More than a few pages for each hundred rounds would be a leak; the allocator needs some room.
const SLACK_BYTES: usize = 3 << 20;

/// Mappings, and bytes of memory in use.
fn state() -> (usize, usize) {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    (maps.lines().count(), pages * 4096)
}

/// Runs `round` often; what is left after the first rounds must be left at the end.
fn flat(what: &str, mut round: impl FnMut(usize) -> Result<()>) -> Result<()> {
    (0..300).try_for_each(&mut round)?;
    let (maps, bytes) = state();
    (0..TIMES).try_for_each(&mut round)?;
    let (maps_after, bytes_after) = state();
    assert!(
        maps_after <= maps + 2,
        "{what}: {maps} mappings became {maps_after}"
    );
    assert!(
        bytes_after <= bytes + SLACK_BYTES,
        "{what}: {bytes} bytes became {bytes_after}"
    );
    Ok(())
}

#[test]
fn nothing_piles_up() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap_async("h", "never", |_: Caller<'_, ()>, (): ()| {
        Box::new(async {
            let _held = vec![1u8; 1000];
            std::future::pending::<()>().await
        })
    })?;
    linker.func_wrap("h", "panics", || -> () { std::panic::panic_any(1) })?;
    let data = "x".repeat(20_000);
    let wat = format!(
        r#"(module (import "h" "never" (func $never)) (import "h" "panics" (func $panics))
            (memory (export "memory") 2) (data (i32.const 1000) "{data}") (table (export "t") 100 5000 funcref) (elem (i32.const 1) $deep)
            (func (export "load") (param i32) (drop (i32.load (local.get 0))))
            (func $deep (export "deep") (param i32) (call $deep (local.get 0)) (call $deep (local.get 0)))
            (func (export "divide") (param i32) (drop (i32.div_s (i32.const 1) (i32.const 0))))
            (func (export "hang") (param i32) (call $never))
            (func (export "panic") (param i32) (call $panics))
            (func (export "grow") (param i32) (drop (memory.grow (local.get 0))) (i32.store (i32.const 131072) (i32.const 1))))"#
    );
    let module = Module::new(&engine, &wat)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let typed = |store: &mut Store<()>, name| instance.get_typed_func::<i32, ()>(store, name);
    let [load, deep, divide] = ["load", "deep", "divide"].map(|name| typed(&mut store, name));
    let (load, deep, divide) = (load?, deep?, divide?);
    flat("trapped calls", |n| {
        let error = match n % 10 {
            0 => deep.call(&mut store, 0),
            1..6 => divide.call(&mut store, 0),
            _ => load.call(&mut store, -4),
        };
        assert!(error.unwrap_err().downcast_ref::<Trap>().is_some());
        Ok(())
    })?;
    let hang = typed(&mut store, "hang")?;
    flat("futures that were given up", |n| {
        let mut call = Box::pin(hang.call_async(&mut store, 0));
        if n % 3 > 0 {
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        }
        Ok(())
    })?;
    let panics = typed(&mut store, "panic")?;
    std::panic::set_hook(Box::new(|_| {}));
    flat("panics", |_| {
        let call = std::panic::AssertUnwindSafe(|| panics.call(&mut store, 0));
        assert!(std::panic::catch_unwind(call).is_err());
        Ok(())
    })?;
    let _ = std::panic::take_hook();
    flat("stores and instances", |n| {
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        if n % 2 == 0 {
            let grow = instance.get_typed_func::<i32, ()>(&mut store, "grow")?;
            grow.call(&mut store, (n % 7) as i32 + 1)?;
        }
        Ok(())
    })?;
    let fails = format!(
        r#"(module (memory 1) (data (i32.const 0) "{data}") (data (i32.const 65536) "x"))"#
    );
    let fails = Module::new(&engine, fails)?;
    flat("instances that fail", |_| {
        let error = Instance::new(Store::new(&engine, ()), &fails, &[]).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::MemoryOutOfBounds));
        Ok(())
    })?;
    let bytes = module.serialize()?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), &bytes)?;
    flat("modules", |n| {
        // SAFETY: the bytes come from `serialize`, and nobody else knows the file.
        let module = unsafe {
            match n % 2 {
                0 => Module::deserialize_file(&engine, file.path())?,
                _ => Module::deserialize(&engine, &bytes)?,
            }
        };
        linker
            .instantiate(&mut Store::new(&engine, ()), &module)
            .map(drop)
    })?;
    Ok(())
}
