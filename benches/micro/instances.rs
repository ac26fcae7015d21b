//! Making and dropping instances: of an empty module, with imports, with a large data segment, with tables.

#![allow(
    missing_docs,
    reason = "Criterion's macro makes a public function and gives it none"
)]

use craneway::{Engine, Linker, Module, Result, Store};
use criterion::{Criterion, criterion_group, criterion_main};

/// Modules by what is remarkable about them.
fn modules() -> Vec<(&'static str, String)> {
    let data = "\\01\\02\\03\\04\\05\\06\\07\\08".repeat(131_072);
    let funcs: String = (0..1000)
        .map(|i| format!("(func (result i32) (i32.const {i}))"))
        .collect();
    let elements: String = (0..1000).map(|i| format!(" {i}")).collect();
    vec![
        ("empty", "(module)".to_owned()),
        (
            "one import, one export",
            r#"(module (import "host" "nop" (func $nop)) (func (export "f") (call $nop)))"#
                .to_owned(),
        ),
        (
            "64 KiB of memory",
            r#"(module (memory (export "memory") 1))"#.to_owned(),
        ),
        (
            "1 MiB of data, one page touched",
            format!(
                r#"(module (memory 32) (data (i32.const 0) "{data}") (func $t (drop (i32.load (i32.const 70000)))) (start $t))"#
            ),
        ),
        (
            "a thousand functions in a table",
            format!("(module (table 1000 funcref) (elem (i32.const 0) func{elements}) {funcs})"),
        ),
    ]
}

fn all(c: &mut Criterion) -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "nop", || {})?;
    let mut group = c.benchmark_group("store, instance, and both dropped");
    for (name, wat) in modules() {
        let module = Module::new(&engine, &wat)?;
        let prepared = linker.instantiate_pre(&module)?;
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut store = Store::new(&engine, ());
                prepared.instantiate(&mut store).unwrap();
            });
        });
    }
    group.finish();
    c.bench_function("store alone", |b| b.iter(|| Store::new(&engine, ())));
    Ok(())
}

fn benches(c: &mut Criterion) {
    all(c).expect("modules of ours");
}

criterion_group!(group, benches);
criterion_main!(group);
