//! The least there is: compile a module, instantiate it, call a function.
//!
//! `cargo run -p craneway --example hello`

use craneway::{Engine, Instance, Module, Result, Store};

fn main() -> Result<()> {
    let engine = Engine::default();
    // The text format here; `Module::from_file` takes files of either format.
    let module = Module::new(
        &engine,
        r#"(module
            (func (export "add") (param i32 i32) (result i32)
                (i32.add (local.get 0) (local.get 1))))"#,
    )?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    // The types are checked here once, not at every call.
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add")?;
    let sum = add.call(&mut store, (40, 2))?;
    println!("40 + 2 = {sum}");
    assert_eq!(sum, 42);
    Ok(())
}

#[test]
fn the_example_runs() -> Result<()> {
    main()
}
