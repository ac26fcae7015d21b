//! Tables whose elements are written when somebody asks for them look as if all had been written at
//! once: to calls, to instructions, to other instances and to the host.

use craneway::{Engine, Error, Extern, Func, Instance, Module, Ref, Result, Store, Table, Trap};

/// Exports a table (others see it) and has one of its own, both with the same overlapping segments.
const OWNER: &str = r#"(module
    (import "m" "imported" (func $imported (result i32)))
    (type $i (func (result i32))) (type $l (func (result i64)))
    (table $shared (export "shared") 10 20 funcref)
    (table $own 10 20 funcref)
    (func $a (export "a") (result i32) (i32.const 1))
    (func $b (result i32) (i32.const 2))
    (func $c (result i64) (i64.const 3))
    (elem (table $shared) (i32.const 1) func $a $b $c $imported)
    (elem (table $shared) (i32.const 2) func $c $a)
    (elem (table $own) (i32.const 1) func $a $b $c $imported)
    (elem (table $own) (i32.const 2) func $c $a)
    (elem $later func $b)
    (func (export "call_shared") (param i32) (result i32) (call_indirect $shared (type $i) (local.get 0)))
    (func (export "call_own") (param i32) (result i32) (call_indirect $own (type $i) (local.get 0)))
    (func (export "get_shared") (param i32) (result funcref) (table.get $shared (local.get 0)))
    (func (export "get_own") (param i32) (result funcref) (table.get $own (local.get 0)))
    (func (export "clear") (param i32)
        (table.set $shared (local.get 0) (ref.null func)) (table.set $own (local.get 0) (ref.null func)))
    (func (export "copy") (param i32 i32 i32)
        (table.copy $shared $own (local.get 0) (local.get 1) (local.get 2)))
    (func (export "back") (param i32 i32 i32)
        (table.copy $own $shared (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init") (param i32)
        (table.init $shared $later (local.get 0) (i32.const 0) (i32.const 1))
        (table.init $own $later (local.get 0) (i32.const 0) (i32.const 1)))
    (func (export "grow") (result i32)
        (i32.add (table.grow $shared (ref.null func) (i32.const 2)) (table.grow $own (ref.null func) (i32.const 2)))))"#;

fn owner(engine: &Engine) -> Result<(Store<()>, Instance)> {
    let module = Module::new(engine, OWNER)?;
    let mut store = Store::new(engine, ());
    let imported = Func::wrap(&mut store, || 4);
    let instance = Instance::new(&mut store, &module, &[imported.into()])?;
    Ok((store, instance))
}

/// What a call of each element of a table gives.
fn call_all(store: &mut Store<()>, instance: &Instance, name: &str) -> Result<Vec<String>> {
    let f = instance.get_typed_func::<i32, i32>(&mut *store, name)?;
    let said = |e: Error| e.downcast::<Trap>().map(|t| t.to_string());
    let mut all = Vec::new();
    for at in 0..10 {
        all.push(match f.call(&mut *store, at) {
            Ok(n) => n.to_string(),
            Err(e) => said(e)?.trim_start_matches("wasm trap: ").to_owned(),
        });
    }
    Ok(all)
}

const NULL: &str = "uninitialized element";
const TYPE: &str = "indirect call type mismatch";

fn want(elements: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = elements.iter().map(|e| (*e).to_owned()).collect();
    all.resize(10, NULL.to_owned());
    all
}

#[test]
fn calls_find_what_the_last_segment_says() -> Result<()> {
    let engine = Engine::default();
    let expected = want(&[NULL, "1", TYPE, "1", "4"]);
    for name in ["call_shared", "call_own"] {
        let (mut store, instance) = owner(&engine)?;
        for _ in 0..3 {
            assert_eq!(call_all(&mut store, &instance, name)?, expected, "{name}");
        }
        let f = instance.get_typed_func::<i32, i32>(&mut store, name)?;
        let error = f.call(&mut store, 10).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::TableOutOfBounds));
    }
    Ok(())
}

#[test]
fn instructions_see_and_change_elements_that_nobody_has_called() -> Result<()> {
    let engine = Engine::default();
    for name in ["shared", "own"] {
        let (call, get) = (format!("call_{name}"), format!("get_{name}"));
        // Written over before they were asked for.
        let (mut store, instance) = owner(&engine)?;
        let unary = |store: &mut Store<()>, name: &str, n: i32| {
            instance
                .get_typed_func::<i32, ()>(&mut *store, name)?
                .call(store, n)
        };
        unary(&mut store, "clear", 1)?;
        unary(&mut store, "init", 2)?;
        let expected = want(&[NULL, NULL, "2", "1", "4"]);
        assert_eq!(call_all(&mut store, &instance, &call)?, expected);
        // Read, and the same function each time, wherever it is met.
        let (mut store, instance) = owner(&engine)?;
        let get = instance.get_typed_func::<i32, Option<Func>>(&mut store, &get)?;
        let a = instance.get_func(&mut store, "a").unwrap();
        for at in [3, 1, 3] {
            assert_eq!(get.call(&mut store, at)?, Some(a));
        }
        assert_eq!(get.call(&mut store, 0)?, None);
        assert_eq!(get.call(&mut store, 9)?, None);
        let expected = want(&[NULL, "1", TYPE, "1", "4"]);
        assert_eq!(call_all(&mut store, &instance, &call)?, expected);
        // Grown: the new ones are null.
        let grow = instance.get_typed_func::<(), i32>(&mut store, "grow")?;
        assert_eq!(grow.call(&mut store, ())?, 20);
        assert_eq!(get.call(&mut store, 11)?, None);
    }
    Ok(())
}

#[test]
fn copies_between_tables_take_what_the_elements_stand_for() -> Result<()> {
    let engine = Engine::default();
    for (copy, from, to) in [
        ("copy", "call_own", "call_shared"),
        ("back", "call_shared", "call_own"),
    ] {
        let (mut store, instance) = owner(&engine)?;
        let f = instance.get_typed_func::<(i32, i32, i32), ()>(&mut store, copy)?;
        f.call(&mut store, (4, 0, 6))?;
        let expected = want(&[NULL, "1", TYPE, "1", NULL, "1", TYPE, "1", "4"]);
        assert_eq!(call_all(&mut store, &instance, to)?, expected, "{copy}");
        let expected = want(&[NULL, "1", TYPE, "1", "4"]);
        assert_eq!(call_all(&mut store, &instance, from)?, expected, "{copy}");
    }
    Ok(())
}

#[test]
fn other_instances_and_the_host_see_them_too() -> Result<()> {
    let engine = Engine::default();
    let (mut store, instance) = owner(&engine)?;
    let shared = instance.get_table(&mut store, "shared").unwrap();
    let user = Module::new(
        &engine,
        r#"(module (import "m" "t" (table $t 5 funcref)) (type $i (func (result i32))) (memory 1) (elem (i32.const 7) $mine)
            (func $mine (result i32) (i32.const 70))
            (func (export "call") (param i32) (result i32) (call_indirect (type $i) (local.get 0))))"#,
    )?;
    let user = Instance::new(&mut store, &user, &[Extern::from(shared)])?;
    let expected = want(&[NULL, "1", TYPE, "1", "4", NULL, NULL, "70"]);
    assert_eq!(call_all(&mut store, &user, "call")?, expected);
    assert_eq!(call_all(&mut store, &instance, "call_shared")?, expected);

    let (mut store, instance) = owner(&engine)?;
    let shared = instance.get_table(&mut store, "shared").unwrap();
    let a = instance.get_func(&mut store, "a").unwrap();
    assert!(matches!(shared.get(&mut store, 1), Some(Ref::Func(Some(f))) if f == a));
    assert!(matches!(shared.get(&mut store, 0), Some(Ref::Func(None))));
    Table::copy(&mut store, &shared, 5, &shared, 1, 4)?;
    shared.set(&mut store, 3, Ref::Func(None))?;
    shared.fill(&mut store, 0, Ref::Func(Some(a)), 1)?;
    let expected = want(&["1", "1", TYPE, NULL, "4", "1", TYPE, "1", "4"]);
    assert_eq!(call_all(&mut store, &instance, "call_shared")?, expected);
    Ok(())
}
