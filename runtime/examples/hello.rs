//! Calls a wasm function that calls the host.

use craneway::{Engine, Linker, Module, Result, Store};

fn main() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "host" "hello" (func $hello)) (func (export "run") call $hello))"#,
    )?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "hello", || println!("Hello from the host."))?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    instance
        .get_typed_func::<(), ()>(&mut store, "run")?
        .call(&mut store, ())
}
