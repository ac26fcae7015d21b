//! Handles of one store given to another: every function that takes a handle refuses it, by an error
//! where it returns one for values, else by the panic that its documentation names.

use craneway::{
    AsContextMut, Caller, Engine, Error, ExnRef, Extern, ExternRef, Func, FuncType, Global,
    GlobalType, Instance, Linker, Memory, Module, Mutability, Ref, RefType, Result, RootScope,
    Rooted, Store, Table, TableType, Tag, ThrownException, TypedFunc, Val, ValType,
};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

const MODULE: &str = r#"(module
    (memory (export "memory") 1) (table (export "table") 2 funcref) (global (export "global") (mut i32) (i32.const 1))
    (tag (export "tag") (param i32)) (func (export "func") (result i32) (i32.const 1))
    (func (export "takes") (param funcref externref)) (global (export "ref") (mut funcref) (ref.null func))
    (table (export "externs") 2 externref))"#;

/// All that a store hands out.
struct Handles {
    instance: Instance,
    memory: Memory,
    table: Table,
    externs: Table,
    global: Global,
    reference: Global,
    tag: Tag,
    func: Func,
    typed: TypedFunc<(), i32>,
    takes: TypedFunc<(Option<Func>, Option<Rooted<ExternRef>>), ()>,
    value: Rooted<ExternRef>,
    exn: Rooted<ExnRef>,
}

fn handles(engine: &Engine) -> Result<(Store<()>, Handles)> {
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &Module::new(engine, MODULE)?, &[])?;
    let tag = instance.get_tag(&mut store, "tag").unwrap();
    let func = instance.get_func(&mut store, "func").unwrap();
    let handles = Handles {
        instance,
        memory: instance.get_memory(&mut store, "memory").unwrap(),
        table: instance.get_table(&mut store, "table").unwrap(),
        externs: instance.get_table(&mut store, "externs").unwrap(),
        global: instance.get_global(&mut store, "global").unwrap(),
        reference: instance.get_global(&mut store, "ref").unwrap(),
        tag,
        func,
        typed: func.typed(&store)?,
        takes: instance.get_typed_func(&mut store, "takes")?,
        value: ExternRef::new(&mut store, 5)?,
        exn: ExnRef::new(&mut store, &tag, &[Val::I32(1)])?,
    };
    Ok((store, handles))
}

fn ready<F: Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it was suspended"),
    }
}

const WHY: &str = "store that it does not belong to";

/// The function panics and says why.
fn panics<R>(what: &str, body: impl FnOnce() -> R) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(body)) else {
        panic!("{what} was accepted")
    };
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    assert!(
        text.as_ref().is_some_and(|t| t.contains(WHY)),
        "{what}: {text:?}"
    );
}

/// The function returns an error that says why.
fn fails<R>(what: &str, result: Result<R>) {
    let Err(error) = result else {
        panic!("{what} was accepted")
    };
    let text = format!("{error:#}");
    assert!(
        text.contains(WHY) || text.contains("another store"),
        "{what}: {text}"
    );
}

#[test]
fn functions_instances_and_memories() -> Result<()> {
    let engine = Engine::default();
    let (_a, a) = handles(&engine)?;
    let (mut b, _) = handles(&engine)?;
    let b = &mut b;
    panics("Func::call", || {
        a.func.call(&mut *b, &[], &mut [Val::I32(0)])
    });
    panics("Func::call_async", || {
        ready(a.func.call_async(&mut *b, &[], &mut [Val::I32(0)]))
    });
    panics("Func::ty", || a.func.ty(&*b));
    panics("Func::typed", || a.func.typed::<(), i32>(&*b));
    panics("TypedFunc::call", || a.typed.call(&mut *b, ()));
    panics("TypedFunc::call_async", || {
        ready(a.typed.call_async(&mut *b, ()))
    });
    panics("Instance::get_export", || {
        a.instance.get_export(&mut *b, "func")
    });
    panics("Instance::get_func", || {
        a.instance.get_func(&mut *b, "func")
    });
    panics("Instance::get_memory", || {
        a.instance.get_memory(&mut *b, "memory")
    });
    panics("Instance::get_table", || {
        a.instance.get_table(&mut *b, "table")
    });
    panics("Instance::get_global", || {
        a.instance.get_global(&mut *b, "global")
    });
    panics("Instance::get_tag", || a.instance.get_tag(&mut *b, "tag"));
    panics("Instance::exports", || a.instance.exports(&mut *b).count());
    panics("Instance::get_typed_func", || {
        a.instance.get_typed_func::<(), i32>(&mut *b, "func")
    });
    panics("Memory::ty", || a.memory.ty(&*b));
    panics("Memory::data", || a.memory.data(&*b).len());
    panics("Memory::data_mut", || a.memory.data_mut(&mut *b).len());
    panics("Memory::data_and_store_mut", || {
        a.memory.data_and_store_mut(&mut *b).0.len()
    });
    panics("Memory::read", || a.memory.read(&*b, 0, &mut [0]));
    panics("Memory::write", || a.memory.write(&mut *b, 0, &[0]));
    panics("Memory::grow", || a.memory.grow(&mut *b, 1));
    panics("Memory::size", || a.memory.size(&*b));
    panics("Memory::data_size", || a.memory.data_size(&*b));
    panics("Memory::data_ptr", || a.memory.data_ptr(&*b));
    for item in [
        Extern::Func(a.func),
        Extern::Memory(a.memory),
        Extern::Table(a.table),
        Extern::Global(a.global),
        Extern::Tag(a.tag),
    ] {
        panics("Extern::ty", || item.ty(&*b));
    }
    Ok(())
}

#[test]
fn tables_globals_and_tags() -> Result<()> {
    let engine = Engine::default();
    let (_a, a) = handles(&engine)?;
    let (mut b, own) = handles(&engine)?;
    let b = &mut b;
    let null = Ref::Func(None);
    panics("Table::ty", || a.table.ty(&*b));
    panics("Table::get", || a.table.get(&mut *b, 0));
    panics("Table::set", || a.table.set(&mut *b, 0, null));
    panics("Table::grow", || a.table.grow(&mut *b, 1, null));
    panics("Table::size", || a.table.size(&*b));
    panics("Table::fill", || a.table.fill(&mut *b, 0, null, 1));
    panics("Table::copy from", || {
        Table::copy(&mut *b, &own.table, 0, &a.table, 0, 1)
    });
    panics("Table::copy to", || {
        Table::copy(&mut *b, &a.table, 0, &own.table, 0, 1)
    });
    let func = Ref::Func(Some(a.func));
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    fails("Table::new, a function", Table::new(&mut *b, ty, func));
    fails("Table::set, a function", own.table.set(&mut *b, 0, func));
    fails("Table::grow, a function", own.table.grow(&mut *b, 1, func));
    fails(
        "Table::fill, a function",
        own.table.fill(&mut *b, 0, func, 1),
    );
    let value = Ref::Extern(Some(a.value));
    fails("Table::set, a value", own.externs.set(&mut *b, 0, value));
    assert_eq!(own.table.size(&*b), 2);
    panics("Global::ty", || a.global.ty(&*b));
    panics("Global::get", || a.global.get(&mut *b));
    panics("Global::set", || a.global.set(&mut *b, Val::I32(1)));
    let ty = GlobalType::new(ValType::FUNCREF, Mutability::Var);
    fails(
        "Global::new",
        Global::new(&mut *b, ty, Val::FuncRef(Some(a.func))),
    );
    fails(
        "Global::set, a function",
        own.reference.set(&mut *b, Val::FuncRef(Some(a.func))),
    );
    panics("Tag::ty", || a.tag.ty(&*b));
    panics("ExnRef::new", || {
        ExnRef::new(&mut *b, &a.tag, &[Val::I32(1)])
    });
    panics("Rooted::is, a tag", || own.exn.is(&*b, &a.tag));
    Ok(())
}

#[test]
fn references_and_values() -> Result<()> {
    let engine = Engine::default();
    let (_a, a) = handles(&engine)?;
    let (mut b, own) = handles(&engine)?;
    let b = &mut b;
    fails("Rooted::data", a.value.data(&*b).map(drop));
    fails("Rooted::ref_eq", Rooted::ref_eq(&*b, &own.value, &a.value));
    fails("Rooted::is", a.exn.is(&*b, &own.tag));
    fails("Rooted::fields", a.exn.fields(&mut *b));
    {
        let mut scope = RootScope::new(&mut *b);
        fails(
            "in a scope",
            a.value.data(&scope.as_context_mut()).map(drop),
        );
    }
    let takes = own.takes.func();
    let (func, value) = (Val::FuncRef(Some(a.func)), Val::ExternRef(Some(a.value)));
    let (no_func, no_value) = (Val::FuncRef(None), Val::ExternRef(None));
    fails(
        "an argument, a function",
        takes.call(&mut *b, &[func, no_value], &mut []),
    );
    fails(
        "an argument, a value",
        takes.call(&mut *b, &[no_func, value], &mut []),
    );
    fails(
        "a typed argument, a function",
        own.takes.call(&mut *b, (Some(a.func), None)),
    );
    fails(
        "a typed argument, a value",
        own.takes.call(&mut *b, (None, Some(a.value))),
    );
    fails(
        "async",
        ready(own.takes.call_async(&mut *b, (Some(a.func), None))),
    );
    // What host functions return.
    let stranger = a.func;
    let typed = Func::wrap(&mut *b, move || Some(stranger));
    fails(
        "a typed result",
        typed.call(&mut *b, &[], &mut [Val::I32(0)]),
    );
    let ty = FuncType::new(&engine, [], [ValType::EXTERNREF]);
    let stranger = a.value;
    let untyped = Func::new(&mut *b, ty, move |_, _, results| {
        results[0] = Val::ExternRef(Some(stranger));
        Ok(())
    });
    fails("a result", untyped.call(&mut *b, &[], &mut [Val::I32(0)]));
    // An exception of another store is no exception here, only an error.
    let thrown = ThrownException::new(a.exn);
    let throws = Func::wrap(&mut *b, move || -> Result<()> { Err(Error::new(thrown)) });
    let error = throws.call(&mut *b, &[], &mut []).unwrap_err();
    let exn = error.downcast_ref::<ThrownException>().unwrap().exception();
    fails("an exception's fields", exn.fields(&mut *b));
    Ok(())
}

#[test]
fn imports_and_linkers() -> Result<()> {
    let engine = Engine::default();
    let (mut a, of_a) = handles(&engine)?;
    let (mut b, _) = handles(&engine)?;
    let module = Module::new(
        &engine,
        r#"(module (import "a" "func" (func (result i32))))"#,
    )?;
    let func = Extern::Func(of_a.func);
    panics("Instance::new", || Instance::new(&mut b, &module, &[func]));
    panics("Instance::new_async", || {
        ready(Instance::new_async(&mut b, &module, &[func]))
    });
    let mut linker: Linker<()> = Linker::new(&engine);
    panics("Linker::define", || {
        linker.define(&b, "a", "func", func).map(drop)
    });
    panics("Linker::define_name", || {
        linker.define_name(&b, "func", func).map(drop)
    });
    panics("Linker::instance", || {
        linker.instance(&mut b, "a", of_a.instance).map(drop)
    });
    linker.instance(&mut a, "a", of_a.instance)?;
    fails("Linker::instantiate", linker.instantiate(&mut b, &module));
    fails(
        "Linker::instantiate_async",
        ready(linker.instantiate_async(&mut b, &module)),
    );
    fails(
        "Linker::module",
        linker.clone().module(&mut b, "b", &module).map(drop),
    );
    assert!(linker.get(&mut b, "a", "func").is_none());
    assert!(linker.get(&mut a, "a", "func").is_some());
    let prepared = linker.instantiate_pre(&module)?;
    fails("InstancePre::instantiate", prepared.instantiate(&mut b));
    fails(
        "InstancePre::instantiate_async",
        ready(prepared.instantiate_async(&mut b)),
    );
    prepared.instantiate(&mut a)?;
    // Two stores in one linker.
    let ty = TableType::new(RefType::FUNCREF, 1, None);
    let table = Table::new(&mut b, ty, Ref::Func(None))?;
    linker.define(&b, "b", "table", table)?;
    let both = Module::new(
        &engine,
        r#"(module (import "a" "func" (func (result i32))) (import "b" "table" (table 1 funcref)))"#,
    )?;
    fails("two stores", linker.instantiate_pre(&both));
    fails("two stores", linker.instantiate(&mut a, &both));
    Ok(())
}

#[test]
fn callers_and_callees() -> Result<()> {
    let engine = Engine::default();
    let (_a, a) = handles(&engine)?;
    let mut linker: Linker<()> = Linker::new(&engine);
    let (memory, func) = (a.memory, a.func);
    linker.func_wrap("h", "f", move |mut caller: Caller<'_, ()>| {
        panics("in a host function", || memory.data(&caller).len());
        panics("in a host function", || {
            func.call(&mut caller, &[], &mut [Val::I32(0)])
        });
    })?;
    let wat = r#"(module (import "h" "f" (func $f)) (func (export "go") (call $f)))"#;
    let mut b = Store::new(&engine, ());
    let instance = linker.instantiate(&mut b, &Module::new(&engine, wat)?)?;
    instance
        .get_typed_func::<(), ()>(&mut b, "go")?
        .call(&mut b, ())
}

/// Signatures are numbered by engine, so nothing of one engine may meet another.
#[test]
fn other_engines_are_refused_too() -> Result<()> {
    let (one, other) = (Engine::default(), Engine::default());
    let what = |e: Error| {
        let text = format!("{e:#}");
        assert!(text.contains("another engine"), "{text}");
    };
    let wat = r#"(module (import "h" "f" (func)) (table (export "t") 1 funcref))"#;
    let (here, there) = (Module::new(&one, wat)?, Module::new(&other, wat)?);
    let mut store = Store::new(&one, ());
    let f = Func::wrap(&mut store, || {});
    what(Instance::new(&mut store, &there, &[f.into()]).unwrap_err());
    let mut linker: Linker<()> = Linker::new(&one);
    linker.func_wrap("h", "f", || {})?;
    what(linker.instantiate(&mut store, &there).unwrap_err());
    what(linker.instantiate_pre(&there).unwrap_err());
    linker.instantiate(&mut store, &here)?;
    let mut linker: Linker<()> = Linker::new(&other);
    linker.func_wrap("h", "f", || {})?;
    what(linker.instantiate(&mut store, &here).unwrap_err());
    what(linker.instantiate_pre(&here).unwrap_err());
    let get = catch_unwind(AssertUnwindSafe(|| linker.get(&mut store, "h", "f")));
    assert!(get.is_err());
    Ok(())
}
