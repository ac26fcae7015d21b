//! Tables: calls through them with one target and with several, reading and writing entries from both sides, growing.

#![allow(
    missing_docs,
    reason = "Criterion's macro makes a public function and gives it none"
)]

use craneway::{Engine, Linker, Module, Ref, Result, Store};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const WAT: &str = r#"(module
  (type $f (func (param i32) (result i32)))
  (table $t (export "table") 16 10000 funcref)
  (table $refs 16 externref)
  (elem (table $t) (i32.const 0) func $a $b $c $d $a $b $c $d)
  (func $a (type $f) (i32.add (local.get 0) (i32.const 1)))
  (func $b (type $f) (i32.xor (local.get 0) (i32.const 3)))
  (func $c (type $f) (i32.mul (local.get 0) (i32.const 5)))
  (func $d (type $f) (i32.rotl (local.get 0) (i32.const 7)))
  (func (export "one") (param i32) (local i32)
    (loop (local.set 1 (call_indirect $t (type $f) (local.get 1) (i32.const 2)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "several") (param i32) (local i32)
    (loop
      (local.set 1 (call_indirect $t (type $f) (local.get 1) (i32.and (i32.mul (local.get 0) (i32.const 5)) (i32.const 7))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "get and set") (param i32)
    (loop
      (table.set $t (i32.const 9) (table.get $t (i32.and (local.get 0) (i32.const 7))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "get and set externref") (param i32)
    (loop
      (table.set $refs (i32.const 9) (table.get $refs (i32.and (local.get 0) (i32.const 7))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "grow") (param i32)
    (loop
      (drop (table.grow $t (ref.null func) (i32.const 1)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

const LOOP: i32 = 1000;

fn all(c: &mut Criterion) -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, WAT)?;
    let linker: Linker<()> = Linker::new(&engine);
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let mut group = c.benchmark_group("a thousand times in wasm");
    group.throughput(Throughput::Elements(LOOP as u64));
    for (name, export) in [
        ("call of one target", "one"),
        ("call of four targets", "several"),
        ("get and set, funcref", "get and set"),
        ("get and set, externref", "get and set externref"),
    ] {
        let func = instance.get_typed_func::<i32, ()>(&mut store, export)?;
        group.bench_function(name, |b| b.iter(|| func.call(&mut store, LOOP).unwrap()));
    }
    group.bench_function("grow by one", |b| {
        b.iter_batched_ref(
            || {
                let mut store = Store::new(&engine, ());
                let instance = linker.instantiate(&mut store, &module).unwrap();
                let grow = instance
                    .get_typed_func::<i32, ()>(&mut store, "grow")
                    .unwrap();
                (store, grow)
            },
            |(store, grow)| grow.call(store, LOOP).unwrap(),
            BatchSize::SmallInput,
        );
    });
    group.finish();
    let table = instance.get_table(&mut store, "table").expect("an export");
    c.bench_function("an entry read by the host", |b| {
        b.iter(|| table.get(&mut store, black_box(3)).unwrap());
    });
    c.bench_function("an entry written by the host", |b| {
        b.iter(|| {
            table
                .set(&mut store, black_box(10), Ref::Func(None))
                .unwrap()
        });
    });
    Ok(())
}

fn benches(c: &mut Criterion) {
    all(c).expect("a module of ours");
}

criterion_group!(group, benches);
criterion_main!(group);
