//! What it costs to leave wasm other than by returning: traps from faults and from checks, host errors, exceptions.

#![allow(
    missing_docs,
    reason = "Criterion's macro makes a public function and gives it none"
)]

use craneway::{Config, Engine, Error, Linker, Module, Result, Store};
use criterion::{Criterion, criterion_group, criterion_main};

const WAT: &str = r#"(module
  (import "host" "fail" (func $fail))
  (tag $tag (param i32))
  (memory 1)
  (func (export "unreachable") unreachable)
  (func (export "out of bounds") (drop (i32.load (i32.const 0x7fffffff))))
  (func (export "division by zero") (drop (i32.div_s (i32.const 1) (i32.load (i32.const 0)))))
  (func (export "host error") (call $fail))
  (func $deep (param i32) (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))
  (func (export "unreachable under 100 frames") (call $deep (i32.const 100)))
  (func $forever (call $forever) (call $forever))
  (func (export "stack overflow") (call $forever))
  (func $throw (throw $tag (i32.const 1)))
  (func (export "thrown and caught")
    (block $caught (result i32) (try_table (catch $tag $caught) (call $throw)) (i32.const 0))
    drop))"#;

fn all(c: &mut Criterion) -> Result<()> {
    let mut config = Config::new();
    config.wasm_exceptions(true);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, WAT)?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "fail", || -> Result<()> { Err(Error::msg("no")) })?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let mut group = c.benchmark_group("leaving wasm by");
    for (export, fails) in [
        ("unreachable", true),
        ("out of bounds", true),
        ("division by zero", true),
        ("unreachable under 100 frames", true),
        ("stack overflow", true),
        ("host error", true),
        ("thrown and caught", false),
    ] {
        let func = instance.get_typed_func::<(), ()>(&mut store, export)?;
        craneway::ensure!(func.call(&mut store, ()).is_err() == fails, "{export}");
        group.bench_function(export, |b| {
            b.iter(|| func.call(&mut store, ()).map_err(drop));
        });
    }
    group.finish();
    Ok(())
}

fn benches(c: &mut Criterion) {
    all(c).expect("a module of ours");
}

criterion_group!(group, benches);
criterion_main!(group);
