//! What an instance starts with: nothing of an earlier one, and exactly what its segments say, also
//! when one of them traps.

use craneway::{
    Engine, Extern, Global, GlobalType, Instance, Module, Mutability, Ref, RefType, Result, Store,
    Table, TableType, Trap, Val, ValType,
};

/// More than is copied: it is mapped.
const MAPPED: usize = 70_000;

#[test]
fn an_instance_finds_nothing_of_an_earlier_one() -> Result<()> {
    let engine = Engine::default();
    let data = "d".repeat(MAPPED);
    let wat = format!(
        r#"(module (memory (export "memory") 4) (data (i32.const 100) "{data}")
            (global $g (mut i32) (i32.const 5)) (global $z (mut i64) (i64.const 0)) (global (export "e") (mut i32) (i32.const 1))
            (table $t (export "table") 4 funcref) (elem (i32.const 1) $f) (table $fixed funcref (elem $f)) (type $v (func))
            (func $f) (func (export "fixed") (call_indirect $fixed (type $v) (i32.const 0)))
            (func (export "fill") (param i32) (memory.fill (i32.const 0) (i32.const 1) (i32.mul (memory.size) (i32.const 65536)))
                (global.set $g (i32.const 9)) (global.set $z (i64.const 9))
                (drop (memory.grow (local.get 0))))
            (func (export "state") (result i32 i64 i32) (global.get $g) (global.get $z) (memory.size)))"#
    );
    let module = Module::new(&engine, &wat)?;
    let other = Module::new(
        &engine,
        r#"(module (memory (export "memory") 9) (global (mut i32) (i32.const 1)))"#,
    )?;
    for round in 0..30 {
        let mut store = Store::new(&engine, ());
        // Sometimes another module, and several instances at once.
        for module in [&other, &module].into_iter().take(1 + round % 2) {
            Instance::new(&mut store, module, &[])?;
        }
        let instance = Instance::new(&mut store, &module, &[])?;
        let state = instance.get_typed_func::<(), (i32, i64, i32)>(&mut store, "state")?;
        assert_eq!(state.call(&mut store, ())?, (5, 0, 4));
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let is = |at: usize| {
            if (100..100 + MAPPED).contains(&at) {
                b'd'
            } else {
                0
            }
        };
        let wrong = memory
            .data(&store)
            .iter()
            .enumerate()
            .find(|(at, b)| **b != is(*at));
        assert_eq!(wrong, None, "round {round}");
        let table = instance.get_table(&mut store, "table").unwrap();
        assert!(table.get(&mut store, 0).unwrap().is_null());
        assert!(!table.get(&mut store, 1).unwrap().is_null());
        table.fill(&mut store, 0, Ref::Func(None), 4)?;
        let fill = instance.get_typed_func::<i32, ()>(&mut store, "fill")?;
        fill.call(&mut store, (round % 3) as i32)?;
        instance
            .get_typed_func::<(), ()>(&mut store, "fixed")?
            .call(&mut store, ())?;
        let exported = instance.get_global(&mut store, "e").unwrap();
        assert_eq!(exported.get(&mut store).i32(), Some(1));
        exported.set(&mut store, Val::I32(2))?;
    }
    Ok(())
}

/// Instances that get their imports in different places, so that their sealed fields differ.
#[test]
fn a_slot_that_is_used_again_has_the_imports_of_its_new_instance() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "m" "g" (global $g (mut i32))) (import "m" "t" (table $t 1 funcref)) (memory 1)
            (func (export "f") (result i32) (i32.add (global.get $g) (table.size $t))))"#,
    )?;
    for round in 0..20 {
        let mut store = Store::new(&engine, ());
        let mut padding = Vec::new();
        for n in 0..round % 5 {
            let ty = GlobalType::new(ValType::I32, Mutability::Var);
            padding.push(Global::new(&mut store, ty, Val::I32(n))?);
        }
        let ty = GlobalType::new(ValType::I32, Mutability::Var);
        let global = Global::new(&mut store, ty, Val::I32(100 * round))?;
        let ty = TableType::new(RefType::FUNCREF, 1 + round as u32, None);
        let table = Table::new(&mut store, ty, Ref::Func(None))?;
        let instance = Instance::new(&mut store, &module, &[global.into(), table.into()])?;
        let f = instance.get_typed_func::<(), i32>(&mut store, "f")?;
        assert_eq!(f.call(&mut store, ())?, 100 * round + 1 + round);
    }
    Ok(())
}

fn table(store: &mut Store<()>, size: u32) -> Result<Table> {
    Table::new(
        store,
        TableType::new(RefType::FUNCREF, size, None),
        Ref::Func(None),
    )
}

/// Calls the function that a failed instance left in the table: the byte at `at` of its memory.
fn peek(store: &mut Store<()>, table: Table, at: i32) -> Result<i32> {
    let Some(Ref::Func(Some(f))) = table.get(&mut *store, 0) else {
        panic!("the first segment was applied")
    };
    f.typed::<i32, i32>(&*store)?.call(store, at)
}

#[test]
fn a_segment_that_traps_leaves_the_earlier_ones_and_nothing_of_the_later() -> Result<()> {
    let engine = Engine::default();
    let data = "x".repeat(MAPPED);
    let reads = r#"(import "m" "t" (table 1 funcref)) (memory 2)
        (func $read (param i32) (result i32) (i32.load8_u (local.get 0)))"#;
    let elements = Module::new(
        &engine,
        format!(
            r#"(module {reads} (elem (i32.const 0) $read) (elem (i32.const 10) $read) (data (i32.const 0) "{data}"))"#
        ),
    )?;
    let segments = Module::new(
        &engine,
        format!(
            r#"(module {reads} (elem (i32.const 0) $read) (data (i32.const 1) "{data}")
                (data (i32.const 131071) "yy") (data (i32.const 0) "z"))"#
        ),
    )?;
    for round in 0..4 {
        let mut store = Store::new(&engine, ());
        let small = table(&mut store, 5)?;
        let error = Instance::new(&mut store, &elements, &[small.into()]).unwrap_err();
        assert_eq!(
            error.downcast_ref(),
            Some(&Trap::TableOutOfBounds),
            "{error:?}"
        );
        for at in [0, 1, 4096, 69_999] {
            assert_eq!(
                peek(&mut store, small, at)?,
                0,
                "round {round}: data was not applied yet"
            );
        }
        let error = Instance::new(&mut store, &segments, &[small.into()]).unwrap_err();
        assert_eq!(
            error.downcast_ref(),
            Some(&Trap::MemoryOutOfBounds),
            "{error:?}"
        );
        let x = i32::from(b'x');
        for (at, byte) in [(0, 0), (1, x), (70_000, x), (70_001, 0), (131_071, 0)] {
            assert_eq!(peek(&mut store, small, at)?, byte, "round {round}: {at}");
        }
        // An instance that succeeds leaves a slot for the next round, which finds its data there.
        let mut store = Store::new(&engine, ());
        let large = table(&mut store, 20)?;
        Instance::new(&mut store, &elements, &[large.into()])?;
        assert_eq!(peek(&mut store, large, 5)?, x);
    }
    Ok(())
}

#[test]
fn segments_at_places_known_only_now_are_applied_in_order() -> Result<()> {
    let engine = Engine::default();
    let data = "a".repeat(MAPPED);
    let module = Module::new(
        &engine,
        format!(
            r#"(module (import "m" "g" (global $g i32)) (memory (export "memory") 2) (memory (export "second") 1)
                (data (i32.const 0) "{data}") (data (memory 1) (i32.const 7) "s") (data (global.get $g) "bb") (data (i32.const 11) "c"))"#
        ),
    )?;
    for at in [10, 11, 5000, 131_070] {
        let mut store = Store::new(&engine, ());
        let ty = GlobalType::new(ValType::I32, Mutability::Const);
        let global = Global::new(&mut store, ty, Val::I32(at))?;
        let instance = Instance::new(&mut store, &module, &[Extern::from(global)])?;
        let mut want = vec![0; 131_072];
        want[..MAPPED].fill(b'a');
        want[at as usize..at as usize + 2].fill(b'b');
        want[11] = b'c';
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        assert!(memory.data(&store) == want, "{at}");
        let second = instance.get_memory(&mut store, "second").unwrap();
        assert_eq!(second.data(&store)[6..9], [0, b's', 0]);
    }
    Ok(())
}
