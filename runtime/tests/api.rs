//! What the embedding API promises beyond plain calls: handles and their stores, prepared
//! instances, references, exceptions through the host, limits, errors that name what is wrong.

use craneway::{
    AsContextMut, Caller, Config, Engine, ExnRef, Extern, ExternRef, Func, FuncType, Global,
    GlobalType, Instance, LinkError, Linker, Memory, MemoryType, Module, Mutability, Ref, RefType,
    Result, RootScope, Rooted, Store, StoreLimitsBuilder, Table, TableType, Tag, TagType,
    ThrownException, Trap, Val, ValType, WasmBacktrace, format_err,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn instantiate<T>(store: &mut Store<T>, wat: &str) -> Result<Instance> {
    let module = Module::new(store.engine(), wat)?;
    Instance::new(store, &module, &[])
}

fn send<T: Send>(value: T) -> T {
    value
}

#[test]
fn what_is_shared_can_be_shared_and_futures_can_move() {
    fn sync<T: Send + Sync>() {}
    sync::<Engine>();
    sync::<Module>();
    sync::<Linker<()>>();
    sync::<craneway::InstancePre<()>>();
    sync::<Func>();
    sync::<Rooted<ExternRef>>();
    fn moves<T: Send>() {}
    moves::<Store<Vec<u8>>>();
    let engine = Engine::default();
    let mut store = Store::new(&engine, 0u8);
    let ready = Func::wrap(&mut store, || {});
    drop(send(ready.call_async(&mut store, &[], &mut [])));
}

#[test]
fn handles_of_another_store_are_refused() -> Result<()> {
    let engine = Engine::default();
    let (mut ours, mut theirs) = (Store::new(&engine, ()), Store::new(&engine, ()));
    let wat = r#"(module (func (export "f")) (memory (export "m") 1) (global (export "g") i32 (i32.const 1)))"#;
    let instance = instantiate(&mut theirs, wat)?;
    let f = instance.get_func(&mut theirs, "f").unwrap();
    let typed = f.typed::<(), ()>(&theirs)?;
    let memory = instance.get_memory(&mut theirs, "m").unwrap();
    let global = instance.get_global(&mut theirs, "g").unwrap();
    type Misuse<'a> = Box<dyn FnOnce(&mut Store<()>) + 'a>;
    let misuses: Vec<(&str, Misuse<'_>)> = vec![
        ("call", Box::new(|s| _ = f.call(s, &[], &mut []))),
        ("typed call", Box::new(|s| _ = typed.call(s, ()))),
        ("type", Box::new(|s| _ = f.ty(s))),
        ("memory", Box::new(|s| _ = memory.size(s))),
        ("global", Box::new(|s| _ = global.get(s))),
        ("export", Box::new(|s| _ = instance.get_func(s, "f"))),
    ];
    for (name, misuse) in misuses {
        let panic = catch_unwind(AssertUnwindSafe(|| misuse(&mut ours))).unwrap_err();
        let message = panic.downcast_ref::<&str>().map(|s| s.to_string());
        let message = message
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap();
        assert!(
            message.contains("store that it does not belong to"),
            "{name}: {message}"
        );
    }
    let table = Table::new(
        &mut ours,
        TableType::new(RefType::FUNCREF, 1, None),
        Ref::Func(None),
    )?;
    assert!(table.set(&mut ours, 0, Ref::Func(Some(f))).is_err());
    let foreign = ExternRef::new(&mut theirs, 1)?;
    assert!(foreign.data(&ours).is_err());
    Ok(())
}

#[test]
fn all_bad_imports_are_listed_with_what_was_expected() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "env" "gone" (func (param i32) (result i64)))
            (import "env" "fine" (func))
            (import "env" "mem" (memory 2 4))
            (import "env" "flag" (global (mut i32))))"#,
    )?;
    let mut store = Store::new(&engine, ());
    let mut linker = Linker::new(&engine);
    linker.func_wrap("env", "fine", || {})?;
    let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    linker.define(&store, "env", "mem", memory)?;
    let ty = GlobalType::new(ValType::I32, Mutability::Const);
    let flag = Global::new(&mut store, ty, Val::I32(0))?;
    linker.define(&store, "env", "flag", flag)?;
    for error in [
        linker.instantiate(&mut store, &module).unwrap_err(),
        linker.instantiate_pre(&module).unwrap_err(),
    ] {
        let error = error.downcast_ref::<LinkError>().unwrap();
        let names: Vec<&str> = error.problems().iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["gone", "mem", "flag"]);
        let text = error.to_string();
        for expected in [
            "(func (param i32) (result i64))",
            "unknown import",
            "(memory 2 4), found (memory 1)",
            "(global (mut i32)), found (global i32)",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
    Ok(())
}

#[test]
fn prepared_instances_may_hold_items_of_one_store() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "env" "mem" (memory 2)) (import "env" "tick" (func $tick))
            (func (export "peek") (result i32) call $tick (i32.load8_u (i32.const 65536))))"#,
    )?;
    let (mut store, mut other) = (Store::new(&engine, 0), Store::new(&engine, 0));
    let mut linker = Linker::new(&engine);
    linker.func_wrap("env", "tick", |mut caller: Caller<'_, i32>| {
        *caller.data_mut() += 1
    })?;
    let memory = Memory::new(&mut store, MemoryType::new(2, None))?;
    linker.define(&store, "env", "mem", memory)?;
    let prepared = linker.instantiate_pre(&module)?;
    memory.write(&mut store, 65536, &[7])?;
    for _ in 0..3 {
        let instance = prepared.instantiate(&mut store)?;
        let peek = instance.get_typed_func::<(), i32>(&mut store, "peek")?;
        assert_eq!(peek.call(&mut store, ())?, 7);
    }
    assert_eq!(*store.data(), 3);
    let error = prepared.instantiate(&mut other).unwrap_err();
    assert!(error.to_string().contains("another store"), "{error}");
    // A second store's item cannot join the first's.
    linker.allow_shadowing(true);
    let foreign = Func::wrap(&mut other, || {});
    linker.define(&other, "env", "tick", foreign)?;
    assert!(linker.instantiate_pre(&module).is_err());
    Ok(())
}

#[test]
fn a_typed_function_takes_what_fits_and_says_what_does_not() -> Result<()> {
    let mut store = Store::<()>::default();
    let instance = instantiate(
        &mut store,
        r#"(module (func (export "same") (param externref i32) (result externref) local.get 0)
            (func $f (export "self") (result funcref) ref.func $f))"#,
    )?;
    let error = instance
        .get_typed_func::<i32, i32>(&mut store, "same")
        .unwrap_err();
    assert!(format!("{error:#}").contains("(func (param externref i32) (result externref))"));
    assert!(
        instance
            .get_typed_func::<(), ()>(&mut store, "nothing")
            .is_err()
    );
    // A reference that is never null may be passed where null is allowed.
    type Same = (Rooted<ExternRef>, i32);
    let same = instance.get_typed_func::<Same, Option<Rooted<ExternRef>>>(&mut store, "same")?;
    let value = ExternRef::new(&mut store, "text")?;
    let back = same.call(&mut store, (value, 0))?.unwrap();
    assert!(Rooted::ref_eq(&store, &value, &back)?);
    // But what may be null is not taken for what is not.
    assert!(
        instance
            .get_typed_func::<(), Func>(&mut store, "self")
            .is_err()
    );
    let myself = instance.get_typed_func::<(), Option<Func>>(&mut store, "self")?;
    let f = myself.call(&mut store, ())?.unwrap();
    assert_eq!(f, *myself.func());
    Ok(())
}

#[test]
fn wrong_arguments_and_results_are_errors() -> Result<()> {
    let mut store = Store::<()>::default();
    let instance = instantiate(
        &mut store,
        r#"(module (func (export "f") (param i32) (result i32) local.get 0))"#,
    )?;
    let f = instance.get_func(&mut store, "f").unwrap();
    let mut one = [Val::I32(0)];
    for (params, results) in [(0, 1), (2, 1), (1, 0)] {
        let params = vec![Val::I32(1); params];
        assert!(f.call(&mut store, &params, &mut one[..results]).is_err());
    }
    let error = f.call(&mut store, &[Val::I64(1)], &mut one).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected a value of type i32, found i64"),
        "{error}"
    );
    let ty = FuncType::new(store.engine(), [], [ValType::I32]);
    let liar = Func::new(&mut store, ty, |_, _, results| {
        results[0] = Val::F32(0);
        Ok(())
    });
    assert!(liar.call(&mut store, &[], &mut one).is_err());
    Ok(())
}

#[test]
fn exceptions_pass_through_the_host_in_both_directions() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let ty = FuncType::new(&engine, [ValType::I32], []);
    let tag = Tag::new(&mut store, &TagType::new(ty))?;
    let throws = Func::wrap(
        &mut store,
        move |mut caller: Caller<'_, ()>, x: i32| -> Result<()> {
            let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(x)])?;
            Err(ThrownException::new(exn).into())
        },
    );
    // Calls back into wasm and hands on whatever comes out.
    let relay = Func::wrap(
        &mut store,
        |mut caller: Caller<'_, ()>, x: i32| -> Result<()> {
            let raise = caller.get_export("raise").and_then(Extern::into_func);
            let raise = raise.ok_or_else(|| format_err!("no export `raise`"))?;
            raise.typed::<i32, ()>(&caller)?.call(&mut caller, x)
        },
    );
    let module = Module::new(
        &engine,
        r#"(module
            (import "" "tag" (tag $tag (param i32)))
            (import "" "throws" (func $throws (param i32)))
            (import "" "relay" (func $relay (param i32)))
            (func (export "raise") (param i32) (throw $tag (local.get 0)))
            (func (export "catch host") (param i32) (result i32)
                (block $caught (result i32)
                    (try_table (catch $tag $caught) (call $throws (local.get 0)))
                    (i32.const -1)))
            (func (export "catch relayed") (param i32) (result i32)
                (block $caught (result i32)
                    (try_table (catch $tag $caught) (call $relay (local.get 0)))
                    (i32.const -1))))"#,
    )?;
    let imports = [tag.into(), throws.into(), relay.into()];
    let instance = Instance::new(&mut store, &module, &imports)?;
    for name in ["catch host", "catch relayed"] {
        let f = instance.get_typed_func::<i32, i32>(&mut store, name)?;
        for x in [5, -7] {
            assert_eq!(f.call(&mut store, x)?, x, "{name}");
        }
    }
    let raise = instance.get_typed_func::<i32, ()>(&mut store, "raise")?;
    let error = raise.call(&mut store, 9).unwrap_err();
    assert!(error.downcast_ref::<WasmBacktrace>().is_some());
    let exn = error.downcast_ref::<ThrownException>().unwrap().exception();
    assert!(exn.is(&store, &tag)?);
    assert_eq!(exn.fields(&mut store)?[0].unwrap_i32(), 9);
    Ok(())
}

#[test]
fn references_die_with_their_scope() -> Result<()> {
    let mut store = Store::<Option<Rooted<ExternRef>>>::default();
    let keeps = Func::wrap(
        &mut store,
        |mut caller: Caller<'_, Option<Rooted<ExternRef>>>, r: Option<Rooted<ExternRef>>| {
            *caller.data_mut() = r;
        },
    );
    {
        let mut scope = RootScope::new(&mut store);
        let value = ExternRef::new(&mut scope, 5u64)?;
        keeps
            .typed::<Option<Rooted<ExternRef>>, ()>(&scope)?
            .call(&mut scope, Some(value))?;
        let mut context = scope.as_context_mut();
        assert_eq!(
            value.data(&context)?.and_then(|v| v.downcast_ref::<u64>()),
            Some(&5)
        );
        let kept = context.data_mut().take().unwrap();
        let error = kept.data(&context).unwrap_err();
        assert!(error.to_string().contains("after the host call"), "{error}");
    }
    store.gc();
    assert_eq!(store.live_references(), 0);
    Ok(())
}

#[test]
fn limits_fail_growth_or_trap() -> Result<()> {
    let engine = Engine::default();
    let wat = r#"(module (memory (export "m") 1) (table (export "t") 2 funcref)
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#;
    let module = Module::new(&engine, wat)?;
    let builder = StoreLimitsBuilder::new()
        .memory_size(3 << 16)
        .table_elements(2)
        .instances(1);
    let mut store = Store::new(&engine, builder.clone().build());
    store.limiter(|limits| limits);
    let instance = Instance::new(&mut store, &module, &[])?;
    let grow = instance.get_typed_func::<i32, i32>(&mut store, "grow")?;
    assert_eq!(grow.call(&mut store, 2)?, 1);
    assert_eq!(grow.call(&mut store, 1)?, -1);
    let table = instance.get_table(&mut store, "t").unwrap();
    assert!(table.grow(&mut store, 1, Ref::Func(None)).is_err());
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert!(error.to_string().contains("instance count"), "{error}");

    let mut strict = Store::new(&engine, builder.trap_on_grow_failure(true).build());
    strict.limiter(|limits| limits);
    let instance = Instance::new(&mut strict, &module, &[])?;
    let grow = instance.get_typed_func::<i32, i32>(&mut strict, "grow")?;
    let error = grow.call(&mut strict, 9).unwrap_err();
    assert!(format!("{error:#}").contains("forcing trap"), "{error:#}");
    Ok(())
}

#[test]
fn a_hosts_panic_goes_through_wasm_and_the_store_survives() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "" "f" (func $f (param i32))) (func (export "g") (param i32) (call $f (local.get 0))))"#,
    )?;
    let mut store = Store::new(&engine, ());
    let f = Func::wrap(&mut store, |x: i32| assert!(x == 0, "host panic {x}"));
    let instance = Instance::new(&mut store, &module, &[f.into()])?;
    let g = instance.get_typed_func::<i32, ()>(&mut store, "g")?;
    for x in 1..4 {
        let panic = catch_unwind(AssertUnwindSafe(|| g.call(&mut store, x))).unwrap_err();
        assert_eq!(
            panic.downcast_ref::<String>().unwrap(),
            &format!("host panic {x}")
        );
        g.call(&mut store, 0)?;
    }
    Ok(())
}

#[test]
fn backtraces_name_functions_and_can_be_cut_or_left_out() -> Result<()> {
    let wat = r#"(module $app
        (func $_ZN3app5inner17h0123456789abcdefE unreachable)
        (func $middle call $_ZN3app5inner17h0123456789abcdefE)
        (func (export "outer") call $middle))"#;
    for (limit, count) in [(Some(256), 3), (Some(2), 2), (None, 0)] {
        let mut config = Config::new();
        config.wasm_backtrace_max_frames(limit);
        let mut store = Store::new(&Engine::new(&config)?, ());
        let instance = instantiate(&mut store, wat)?;
        let outer = instance.get_typed_func::<(), ()>(&mut store, "outer")?;
        let error = outer.call(&mut store, ()).unwrap_err();
        assert_eq!(
            error.downcast_ref::<Trap>(),
            Some(&Trap::UnreachableCodeReached)
        );
        let Some(trace) = error.downcast_ref::<WasmBacktrace>() else {
            assert_eq!(count, 0);
            continue;
        };
        assert_eq!(trace.frames().len(), count);
        let inner = &trace.frames()[0];
        assert_eq!((inner.func_index(), inner.module_name()), (0, Some("app")));
        assert!(inner.module_offset().is_some());
        assert!(inner.symbols().is_empty());
        let text = trace.to_string();
        assert!(text.contains("app!app::inner"), "{text}");
        assert!(text.contains("app!middle"), "{text}");
    }
    Ok(())
}

#[test]
fn modules_of_another_engine_are_refused() -> Result<()> {
    let module = Module::new(&Engine::default(), "(module)")?;
    let mut store = Store::<()>::default();
    let error = Instance::new(&mut store, &module, &[]).unwrap_err();
    assert!(error.to_string().contains("another engine"), "{error}");
    Ok(())
}
