//! `Context::optimize` under `speed` and `Context::compile` under `none` give the bytes that one
//! compilation under `speed` gives, as long as no pass of our own runs between.
//!
//! Cranelift calls `optimize` public for testing only: this test is what allows a newer version.

use super::golden::{compile_all, machine};
use super::isa::Isas;
use crate::opt::Passes;
use crate::settings::Settings;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::Function;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

thread_local! {
    static TRANSLATED: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
}

fn keep_translated(stage: &str, context: &mut Context) {
    if stage == "translated" {
        TRANSLATED.with_borrow_mut(|all| all.push(context.func.clone()));
    }
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of modules")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

/// The inputs of the golden tests, and some real programs.
pub(super) fn modules(programs: usize) -> Vec<PathBuf> {
    let mut all = files("tests/golden", "wat");
    all.extend(
        files("../spec-tests/guests", "wasm")
            .into_iter()
            .take(programs),
    );
    all
}

#[test]
fn optimising_and_compiling_apart_is_compiling_once() {
    let settings = Settings {
        passes: Passes::NONE,
        verify_ir: false,
        ..Settings::default()
    };
    let isas = Isas::with(&settings, machine).expect("the code generator knows the machine");
    let mut compared = 0;
    for input in modules(4) {
        let wasm = wat::parse_file(&input).expect("a module");
        compile_all(&wasm, &settings, keep_translated, |index, apart| {
            let apart = apart.code.as_ref().expect("nothing is inlined");
            let [translated]: [Function; 1] =
                TRANSLATED.take().try_into().expect("one attempt is enough");
            let mut context = Context::for_function(translated);
            let once = context
                .compile(&*isas.speed, &mut ControlPlane::default())
                .expect("it compiles");
            let place = format!("{}, function {index}", input.display());
            assert_eq!(apart.buffer.data(), once.buffer.data(), "{place}: code");
            assert_eq!(
                format!("{:?}", apart.buffer.traps()),
                format!("{:?}", once.buffer.traps()),
                "{place}: traps"
            );
            assert_eq!(
                format!("{:?}", apart.buffer.relocs()),
                format!("{:?}", once.buffer.relocs()),
                "{place}: relocations"
            );
            compared += 1;
        });
    }
    assert!(compared > 100, "{compared} functions compared");
}
