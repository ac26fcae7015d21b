//! The system runs out of address space, memory or mappings, a thread out of stack: errors that say
//! so, nothing lost, and when things are given back all works again.

mod support;

use craneway::{
    Caller, Engine, Extern, Func, Instance, Linker, Memory, MemoryType, Module, Ref, RefType,
    Result, Store, Table, TableType, Trap,
};
use std::pin::Pin;
use std::task::{Context, Waker};

const GIB: u64 = 1 << 30;

/// A line of /proc/self/status in bytes.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap();
    let kib: u64 = line
        .trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

/// Lets the process have `more` than it has.
fn limit(resource: libc::__rlimit_resource_t, now: &str, more: u64) {
    let both = status(now) + more;
    let limit = libc::rlimit {
        rlim_cur: both,
        rlim_max: both,
    };
    // SAFETY: lowers a limit of this process, which runs this one test.
    assert_eq!(unsafe { libc::setrlimit(resource, &limit) }, 0);
}

fn says(error: &craneway::Error, what: &str) {
    let text = format!("{error:#}");
    assert!(text.contains(what), "{text}");
}

const MODULE: &str = r#"(module (memory (export "memory") 1) (table (export "table") 1 funcref)
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "more") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))
    (func (export "seven") (result i32) (i32.const 7)))"#;

/// Makes `make`s until one fails; how many there were.
fn until_refused<T>(what: &str, mut make: impl FnMut() -> Result<T>) -> usize {
    let mut all = Vec::with_capacity(100_000);
    loop {
        match make() {
            Ok(one) => all.push(one),
            Err(e) => {
                says(&e, what);
                return all.len();
            }
        }
    }
}

#[test]
fn address_space_runs_out() -> Result<()> {
    if !support::is_child("address_space_runs_out") {
        return Ok(());
    }
    let engine = Engine::default();
    let module = Module::new(&engine, MODULE)?;
    let works = || -> Result<()> {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        let seven = instance.get_typed_func::<(), i32>(&mut store, "seven")?;
        assert_eq!(seven.call(&mut store, ())?, 7);
        Ok(())
    };
    // The stack of calls is there before.
    works()?;
    limit(libc::RLIMIT_AS, "VmSize", 60 * GIB);
    let mut counts = Vec::new();
    for _ in 0..5 {
        // Instances of one store, and stores.
        let mut store = Store::new(&engine, ());
        let what = "address space for an instance";
        counts.push(until_refused(what, || {
            Instance::new(&mut store, &module, &[])
        }));
        drop(store);
        works()?;
        counts.push(until_refused(what, || {
            let mut store = Store::new(&engine, ());
            Instance::new(&mut store, &module, &[])?;
            Ok(store)
        }));
        works()?;
        let mut store = Store::new(&engine, ());
        until_refused("address space for a memory", || {
            Memory::new(&mut store, MemoryType::new(1, None))
        });
        until_refused("address space for a table", || {
            let ty = TableType::new(RefType::FUNCREF, 1, None);
            Table::new(&mut store, ty, Ref::Func(None))
        });
        // Other things go on in a full store.
        let f = Func::wrap(&mut store, || 7);
        assert_eq!(f.typed::<(), i32>(&store)?.call(&mut store, ())?, 7);
        drop(store);
        works()?;
    }
    counts.sort_unstable();
    assert!(
        counts[0] >= 5 && counts[counts.len() - 1] <= counts[0] + 1,
        "{counts:?}"
    );
    Ok(())
}

#[test]
fn suspended_calls_run_out_of_stacks() -> Result<()> {
    if !support::is_child("suspended_calls_run_out_of_stacks") {
        return Ok(());
    }
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap_async("h", "never", |_: Caller<'_, ()>, (): ()| {
        Box::new(std::future::pending::<()>())
    })?;
    // No memory: only stacks take address space.
    let wat = r#"(module (import "h" "never" (func $n)) (func (export "f") (call $n)))"#;
    let module = Module::new(&engine, wat)?;
    limit(libc::RLIMIT_AS, "VmSize", 8 * GIB);
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(until_refused("cannot reserve a wasm stack", || {
            let mut store = Store::new(&engine, ());
            let instance = linker.instantiate(&mut store, &module)?;
            let f = instance.get_typed_func::<(), ()>(&mut store, "f")?;
            let mut call: Pin<Box<dyn Future<Output = Result<()>>>> =
                Box::pin(async move { f.call_async(&mut store, ()).await });
            match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                std::task::Poll::Ready(done) => done.map(|()| call),
                std::task::Poll::Pending => Ok(call),
            }
        }));
    }
    assert!(
        counts[0] >= 64 && counts.iter().all(|c| *c == counts[0]),
        "{counts:?}"
    );
    Ok(())
}

#[test]
fn growth_that_the_system_refuses_returns_minus_one() -> Result<()> {
    if !support::is_child("growth_that_the_system_refuses_returns_minus_one") {
        return Ok(());
    }
    let engine = Engine::default();
    let module = Module::new(&engine, MODULE)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow")?;
    let more = instance.get_typed_func::<i32, i32>(&mut store, "more")?;
    assert_eq!(
        (grow.call(&mut store, 1)?, more.call(&mut store, 1)?),
        (1, 1)
    );
    // Address space is reserved with the memory, so what is refused is making it writable.
    limit(libc::RLIMIT_DATA, "VmData", 64 << 20);
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let table = instance.get_table(&mut store, "table").unwrap();
    for _ in 0..3 {
        assert_eq!(grow.call(&mut store, 10_000)?, -1);
        says(&memory.grow(&mut store, 10_000).unwrap_err(), "cannot grow");
        assert_eq!(more.call(&mut store, 9_000_000)?, -1);
        says(
            &table
                .grow(&mut store, 9_000_000, Ref::Func(None))
                .unwrap_err(),
            "cannot grow",
        );
        assert_eq!((memory.size(&store), table.size(&store)), (2, 2));
    }
    assert_eq!(
        (grow.call(&mut store, 3)?, more.call(&mut store, 3)?),
        (2, 2)
    );
    memory.data_mut(&mut store)[5 * 65536 - 1] = 1;
    // An instance that starts too large is refused, and the next one is not.
    let large = Module::new(&engine, "(module (memory 16000))")?;
    for _ in 0..3 {
        let refused = Instance::new(&mut store, &large, &[]).unwrap_err();
        says(&refused, "cannot commit a memory of 1048576000 bytes");
        Instance::new(&mut store, &module, &[])?;
    }
    Ok(())
}

/// The number of mappings of a process is limited: 65,530 unless somebody changed it.
#[test]
fn mappings_run_out() -> Result<()> {
    if !support::is_child("mappings_run_out") {
        return Ok(());
    }
    let most = std::fs::read_to_string("/proc/sys/vm/max_map_count")?;
    if most.trim().parse::<u32>()? > 200_000 {
        return Ok(());
    }
    let engine = Engine::default();
    let data = "x".repeat(20_000);
    let wat = format!(r#"(module (memory 2) (data (i32.const 5) "{data}") (func (export "f")))"#);
    let module = Module::new(&engine, wat)?;
    let mut counts = Vec::new();
    for _ in 0..2 {
        let mut store = Store::new(&engine, ());
        counts.push(until_refused("", || {
            Instance::new(&mut store, &module, &[])
        }));
        drop(store);
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        instance
            .get_typed_func::<(), ()>(&mut store, "f")?
            .call(&mut store, ())?;
    }
    assert!(
        counts[0] > 1000 && counts[1].abs_diff(counts[0]) < 100,
        "{counts:?}"
    );
    Ok(())
}

const NEST: &str = r#"(module (import "h" "again" (func $again (param i32) (result i32)))
    (func (export "nest") (param i32) (result i32) (call $again (i32.add (local.get 0) (i32.const 1)))))"#;

/// The depth that was reached is in the store.
fn nest(mut caller: Caller<'_, i32>, depth: i32) -> Result<i32> {
    *caller.data_mut() = depth;
    let nest = caller
        .get_export("nest")
        .and_then(Extern::into_func)
        .unwrap();
    nest.typed::<i32, i32>(&caller)?.call(&mut caller, depth)
}

#[test]
fn entries_nested_without_end_trap() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, NEST)?;
    let mut linker: Linker<i32> = Linker::new(&engine);
    linker.func_wrap("h", "again", nest)?;
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module)?;
    let nest = instance.get_typed_func::<i32, i32>(&mut store, "nest")?;
    let mut depths = Vec::new();
    for _ in 0..5 {
        let error = nest.call(&mut store, 0).unwrap_err();
        assert_eq!(
            error.downcast_ref(),
            Some(&Trap::StackOverflow),
            "{error:?}"
        );
        depths.push(*store.data());
    }
    // The first entry has no wasm stack yet and takes a longer way.
    assert!(
        depths[0] > 20 && depths[1].abs_diff(depths[0]) <= 1,
        "{depths:?}"
    );
    assert!(depths[1..].iter().all(|d| *d == depths[1]), "{depths:?}");
    // On a thread with more stack, the wasm stack ends instead, or goes deeper.
    let deep = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            let error = nest.call(&mut store, 0).unwrap_err();
            assert_eq!(
                error.downcast_ref(),
                Some(&Trap::StackOverflow),
                "{error:?}"
            );
            *store.data()
        })?;
    assert!(deep.join().unwrap() > depths[0]);
    Ok(())
}

#[test]
fn suspendable_entries_nested_without_end_trap() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, NEST)?;
    let mut linker: Linker<i32> = Linker::new(&engine);
    linker.func_wrap_async(
        "h",
        "again",
        |mut caller: Caller<'_, i32>, (depth,): (i32,)| {
            Box::new(async move {
                *caller.data_mut() = depth;
                let nest = caller
                    .get_export("nest")
                    .and_then(Extern::into_func)
                    .unwrap();
                let nest = nest.typed::<i32, i32>(&caller)?;
                Box::pin(nest.call_async(&mut caller, depth)).await
            })
        },
    )?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(async {
        let mut store = Store::new(&engine, 0);
        let instance = linker.instantiate_async(&mut store, &module).await?;
        let nest = instance.get_typed_func::<i32, i32>(&mut store, "nest")?;
        for _ in 0..3 {
            let error = nest.call_async(&mut store, 0).await.unwrap_err();
            assert_eq!(
                error.downcast_ref(),
                Some(&Trap::StackOverflow),
                "{error:?}"
            );
            assert!(*store.data() > 5, "{}", store.data());
        }
        Ok(())
    })
}

#[test]
fn host_functions_that_call_each_other_without_end_trap() -> Result<()> {
    let engine = Engine::default();
    let mut store: Store<(Option<Func>, u32)> = Store::new(&engine, (None, 0));
    let f = Func::wrap(
        &mut store,
        |mut caller: Caller<'_, (Option<Func>, u32)>| -> Result<()> {
            caller.data_mut().1 += 1;
            let Some(me) = caller.data().0 else {
                return Ok(());
            };
            me.call(&mut caller, &[], &mut [])
        },
    );
    store.data_mut().0 = Some(f);
    let error = f.call(&mut store, &[], &mut []).unwrap_err();
    assert_eq!(
        error.downcast_ref(),
        Some(&Trap::StackOverflow),
        "{error:?}"
    );
    assert!(store.data().1 > 20);
    store.data_mut().0 = None;
    f.call(&mut store, &[], &mut [])
}
