//! Calls in both directions: typed and untyped, with and without values, waiting for nothing.
//!
//! `cargo bench -p craneway-benches --bench calls`; `benches/report --part calls` has the same beside Wasmtime.

#![allow(
    missing_docs,
    reason = "Criterion's macro makes a public function and gives it none"
)]

use craneway::{Engine, FuncType, Linker, Module, Result, Store, Val, ValType, bail};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const WAT: &str = r#"(module
  (import "host" "nop" (func $nop))
  (import "host" "add" (func $add (param i32 i32) (result i32)))
  (import "host" "wide" (func $wide (param i64 f64 i64 f64 i64 f64) (result i64 f64)))
  (import "host" "untyped" (func $untyped (param i32 i32) (result i32)))
  (func (export "nothing"))
  (func $sum (export "sum") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "wasm") (param i32) (local i32)
    (loop (local.set 1 (call $sum (local.get 1) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "nop") (param i32)
    (loop (call $nop) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "add") (param i32) (local i32)
    (loop (local.set 1 (call $add (local.get 1) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "wide") (param i32)
    (loop
      (call $wide (i64.const 1) (f64.const 2) (i64.const 3) (f64.const 4) (i64.const 5) (f64.const 6)) drop drop
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "untyped") (param i32) (local i32)
    (loop (local.set 1 (call $untyped (local.get 1) (local.get 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

/// Calls of the host in one call of the guest.
const LOOP: i32 = 1000;

fn into_wasm(
    c: &mut Criterion,
    store: &mut Store<()>,
    instance: &craneway::Instance,
) -> Result<()> {
    let mut group = c.benchmark_group("host to wasm");
    let nothing = instance.get_typed_func::<(), ()>(&mut *store, "nothing")?;
    group.bench_function("typed, no values", |b| {
        b.iter(|| nothing.call(&mut *store, ()).unwrap());
    });
    let sum = instance.get_typed_func::<(i32, i32), i32>(&mut *store, "sum")?;
    group.bench_function("typed, (i32, i32) -> i32", |b| {
        b.iter(|| sum.call(&mut *store, black_box((1, 2))).unwrap());
    });
    let Some(sum) = instance.get_func(&mut *store, "sum") else {
        bail!("an export is missing");
    };
    group.bench_function("untyped, (i32, i32) -> i32", |b| {
        let mut out = [Val::I32(0)];
        b.iter(|| {
            let args = black_box([Val::I32(1), Val::I32(2)]);
            sum.call(&mut *store, &args, &mut out).unwrap();
        });
    });
    group.finish();
    Ok(())
}

fn out_of_wasm(
    c: &mut Criterion,
    store: &mut Store<()>,
    instance: &craneway::Instance,
) -> Result<()> {
    let mut group = c.benchmark_group("a thousand calls from wasm");
    group.throughput(Throughput::Elements(LOOP as u64));
    for (name, export) in [
        ("to wasm", "wasm"),
        ("to the host, typed, no values", "nop"),
        ("to the host, typed, (i32, i32) -> i32", "add"),
        ("to the host, typed, six values and two results", "wide"),
        ("to the host, untyped, (i32, i32) -> i32", "untyped"),
    ] {
        let func = instance.get_typed_func::<i32, ()>(&mut *store, export)?;
        group.bench_function(name, |b| b.iter(|| func.call(&mut *store, LOOP).unwrap()));
    }
    group.finish();
    Ok(())
}

fn all(c: &mut Criterion) -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, WAT)?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "nop", || {})?;
    linker.func_wrap("host", "add", |a: i32, b: i32| a.wrapping_add(b))?;
    linker.func_wrap(
        "host",
        "wide",
        |a: i64, b: f64, c: i64, d: f64, e: i64, f: f64| (a + c + e, b + d + f),
    )?;
    let ty = FuncType::new(&engine, [ValType::I32, ValType::I32], [ValType::I32]);
    linker.func_new("host", "untyped", ty, |_caller, params, results| {
        let (Val::I32(a), Val::I32(b)) = (&params[0], &params[1]) else {
            bail!("not integers");
        };
        results[0] = Val::I32(a.wrapping_add(*b));
        Ok(())
    })?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    into_wasm(c, &mut store, &instance)?;
    out_of_wasm(c, &mut store, &instance)
}

fn benches(c: &mut Criterion) {
    all(c).expect("a module of ours");
}

criterion_group!(group, benches);
criterion_main!(group);
