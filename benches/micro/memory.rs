//! Memories: growing in steps and at once, bulk operations, reading and writing from the host.

#![allow(
    missing_docs,
    reason = "Criterion's macro makes a public function and gives it none"
)]

use craneway::{Engine, Instance, Linker, Module, Result, Store};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const WAT: &str = r#"(module
  (memory (export "memory") 32 8192)
  (func (export "grow") (param i32) (param $pages i32)
    (loop
      (if (i32.eq (memory.grow (local.get $pages)) (i32.const -1)) (then unreachable))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "fill") (param i32)
    (memory.fill (i32.const 0) (i32.const 7) (local.get 0)))
  (func (export "copy") (param i32)
    (memory.copy (i32.const 1048576) (i32.const 0) (local.get 0)))
  (func (export "size") (param i32) (local i32)
    (loop (local.set 1 (i32.add (local.get 1) (memory.size)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#;

fn all(c: &mut Criterion) -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, WAT)?;
    let linker: Linker<()> = Linker::new(&engine);
    let fresh = || -> (Store<()>, Instance) {
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        (store, instance)
    };
    let mut group = c.benchmark_group("grow");
    for (name, times, pages) in [
        ("100 times by a page", 100, 1),
        ("once by 100 pages", 1, 100),
    ] {
        group.bench_function(name, |b| {
            b.iter_batched_ref(
                || {
                    let (mut store, instance) = fresh();
                    let grow = instance
                        .get_typed_func::<(i32, i32), ()>(&mut store, "grow")
                        .unwrap();
                    (store, grow)
                },
                |(store, grow)| grow.call(store, (times, pages)).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    bulk(c, fresh)
}

fn bulk(c: &mut Criterion, fresh: impl Fn() -> (Store<()>, Instance)) -> Result<()> {
    let (mut store, instance) = fresh();
    let mut group = c.benchmark_group("bulk");
    for export in ["fill", "copy"] {
        let func = instance.get_typed_func::<i32, ()>(&mut store, export)?;
        for bytes in [16, 4096, 1 << 20] {
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(format!("{export} {bytes} bytes"), |b| {
                b.iter(|| func.call(&mut store, black_box(bytes)).unwrap());
            });
        }
    }
    group.finish();
    let size = instance.get_typed_func::<i32, ()>(&mut store, "size")?;
    c.bench_function("memory.size, a thousand times", |b| {
        b.iter(|| size.call(&mut store, 1000).unwrap());
    });
    let memory = instance
        .get_memory(&mut store, "memory")
        .expect("an export");
    let mut buffer = [0; 64];
    c.bench_function("64 bytes read by the host", |b| {
        b.iter(|| memory.read(&store, black_box(4096), &mut buffer).unwrap());
    });
    c.bench_function("64 bytes written by the host", |b| {
        b.iter(|| memory.write(&mut store, black_box(4096), &buffer).unwrap());
    });
    Ok(())
}

fn benches(c: &mut Criterion) {
    all(c).expect("a module of ours");
}

criterion_group!(group, benches);
criterion_main!(group);
