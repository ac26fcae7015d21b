//! Files that are mapped: one that is cut off ends the process, and says why; one that is done with is let go.

mod support;

use craneway::{Engine, Instance, Module, Store};
use std::os::unix::process::ExitStatusExt;

/// A compiled file with 4000 functions and enough data that it is mapped.
fn compiled(engine: &Engine) -> tempfile::NamedTempFile {
    let functions: String = (0..4000)
        .map(|n| format!("(func (export \"f{n}\") (result i64) (i64.const {n}000000000))"))
        .collect();
    let data = "x".repeat(100_000);
    let wat = format!(
        r#"(module {functions} (memory (export "memory") 2) (data (i32.const 0) "{data}")
            (func (export "read") (result i32) (i32.load8_u (i32.const 90000))))"#
    );
    let bytes = engine.precompile_module(wat.as_bytes()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    file
}

/// Loads a file, makes it shorter, then does what `then` says.
fn cut_off(keep: fn(u64) -> u64, then: fn(Module)) -> ! {
    let engine = Engine::default();
    let file = compiled(&engine);
    let length = file.as_file().metadata().unwrap().len();
    // SAFETY: the bytes come from `precompile_module`. That the file is cut off breaks the rest of
    // the promise, which is what this is about.
    let module = unsafe { Module::deserialize_file(&engine, file.path()) }.unwrap();
    file.as_file().set_len(keep(length)).unwrap();
    then(module);
    std::process::exit(0)
}

fn call(module: Module, name: &str) {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let f = instance.get_func(&mut store, name).unwrap();
    let mut results = [craneway::Val::I32(0)];
    let _ = f.call(&mut store, &[], &mut results);
}

fn aborts_and_says(output: &std::process::Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.signal(),
        Some(libc::SIGABRT),
        "{} {said}",
        output.status
    );
    assert!(said.contains(what), "{said}");
}

#[test]
fn code_behind_the_end() {
    match support::child("code_behind_the_end") {
        None => cut_off(|len| len - 8192, |module| call(module, "f3999")),
        Some(output) => aborts_and_says(&output, "a mapped file of compiled code cannot be read"),
    }
}

/// A slot that waits for another instance of the module has the file's pages in it.
#[test]
fn nothing_of_it_is_mapped_when_module_and_instances_are_gone() {
    let engine = Engine::default();
    let file = compiled(&engine);
    let path = file.path().to_str().unwrap();
    let mapped = || {
        std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .contains(path)
    };
    for module_goes_first in [false, true] {
        // SAFETY: the bytes come from `precompile_module`, and nobody else knows the file.
        let module = unsafe { Module::deserialize_file(&engine, path) }.unwrap();
        let mut store = Store::new(&engine, ());
        Instance::new(&mut store, &module, &[]).unwrap();
        if module_goes_first {
            drop(module);
            assert!(mapped());
            drop(store);
        } else {
            drop(store);
            assert!(mapped());
            drop(module);
        }
        assert!(!mapped(), "module first: {module_goes_first}");
    }
}
