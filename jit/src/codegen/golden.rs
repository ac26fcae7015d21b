//! Golden tests of generated code: what `tests/golden/*.wat` becomes.
//!
//! Beside each input lie the IR as translated, the IR that is compiled, and the machine code of
//! every function, for one fixed machine. A difference fails with the place; after reading it,
//! `CRANEWAY_BLESS=1 cargo test -p craneway-jit golden` accepts it.

use super::function::See;
use super::isa::refused;
use super::{Isas, Worker};
use crate::abi::VmLayout;
use crate::error::CompileError;
use crate::inline::InlinePlan;
use crate::module::parse;
use crate::opt::{PassId, Passes};
use crate::settings::Settings;
use crate::translate::FuncEnv;
use cranelift_codegen::Context;
use cranelift_codegen::isa;
use cranelift_codegen::settings::Configurable;
use std::cell::RefCell;
use std::fmt::Write;
use std::path::Path;

thread_local! {
    /// The stages of the function that this thread compiles.
    static STAGES: RefCell<String> = const { RefCell::new(String::new()) };
}

/// An x86-64-v3 machine, whatever runs the tests.
pub(super) fn machine() -> Result<isa::Builder, CompileError> {
    let mut builder = isa::lookup_by_name("x86_64-unknown-linux-gnu").map_err(refused)?;
    let features = [
        "has_cmpxchg16b",
        "has_sse3",
        "has_ssse3",
        "has_sse41",
        "has_sse42",
        "has_popcnt",
        "has_avx",
        "has_avx2",
        "has_bmi1",
        "has_bmi2",
        "has_lzcnt",
        "has_fma",
    ];
    for feature in features {
        builder.enable(feature).map_err(refused)?;
    }
    Ok(builder)
}

/// Has `each` see every function of a module through all stages.
pub(super) fn compile_all(
    wasm: &[u8],
    settings: &Settings,
    see: See,
    mut each: impl FnMut(u32, &super::CompiledFunction),
) {
    let isas = Isas::with(settings, machine).expect("the code generator knows the machine");
    let parsed = parse(wasm, settings).expect("a valid module");
    let layout = VmLayout::new(&parsed.module, settings.page_size).expect("a small module");
    let inline = if settings.enabled_passes().has(PassId::Inline) {
        InlinePlan::new(&parsed.module, &parsed.bodies, false)
    } else {
        InlinePlan::nothing()
    };
    let env = FuncEnv {
        module: &parsed.module,
        layout: &layout,
        settings,
        bodies: &parsed.bodies,
        hints: &parsed.hints,
        inline: &inline,
    };
    for (defined, body) in parsed.bodies.iter().enumerate() {
        let mut worker = Worker::new();
        worker.see = see;
        let function = worker.compile(env, &isas, body).expect("it compiles");
        each(parsed.module.imported_functions + defined as u32, &function);
    }
}

fn collect(stage: &str, context: &mut Context) {
    STAGES.with_borrow_mut(|text| {
        let ir = context.func.display().to_string();
        match stage {
            // Compiling changes the IR a little; what matters is the code.
            "compiled" => {
                let code = context.compiled_code().and_then(|c| c.vcode.clone());
                let _ = writeln!(text, ";; compiled\n{}", code.unwrap_or_default().trim_end());
            }
            _ => {
                context.set_disasm(true);
                let _ = writeln!(text, ";; {stage}\n{ir}");
            }
        }
    });
}

/// The text that is compared: all functions through all stages.
fn listing(wat: &str) -> String {
    let wasm = wat::parse_str(wat).expect("the input is a module");
    // A module says in its first line which passes it is about; others would blur it.
    let mut passes = Passes::NONE;
    let wanted = wat
        .lines()
        .next()
        .and_then(|l| l.strip_prefix(";; passes:"));
    for name in wanted.unwrap_or_default().split_whitespace() {
        passes.set(PassId::from_name(name).expect("a pass"), true);
    }
    let settings = Settings {
        verify_ir: true,
        passes,
        ..Settings::default()
    };
    let mut text = String::new();
    compile_all(&wasm, &settings, collect, |index, function| {
        let stages = STAGES.take();
        let _ = writeln!(text, "function {index}");
        match &function.code {
            Some(code) => {
                let _ = writeln!(text, "{stages};; {} bytes\n", code.buffer.data().len());
            }
            None => text.push_str(";; inlined everywhere\n\n"),
        }
    });
    text
}

/// The first line in which two texts differ, with its neighbours.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let at = (0..old.len().max(new.len()))
        .find(|i| old.get(*i) != new.get(*i))
        .unwrap_or(0);
    let part = |lines: &[&str]| {
        let end = (at + 6).min(lines.len());
        lines[at.saturating_sub(4).min(end)..end].join("\n")
    };
    format!(
        "line {}\n--- expected\n{}\n--- found\n{}",
        at + 1,
        part(&old),
        part(&new)
    )
}

#[test]
fn golden() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("CRANEWAY_BLESS").is_some();
    let mut inputs: Vec<_> = std::fs::read_dir(&folder)
        .expect("the folder of inputs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "wat"))
        .collect();
    inputs.sort();
    assert!(inputs.len() > 15, "{} inputs", inputs.len());
    let mut failures = Vec::new();
    for input in inputs {
        let wat = std::fs::read_to_string(&input).expect("a readable input");
        let found = listing(&wat);
        let golden = input.with_extension("golden");
        if bless {
            std::fs::write(&golden, &found).expect("a writable folder");
            continue;
        }
        let expected = std::fs::read_to_string(&golden).unwrap_or_default();
        if expected != found {
            failures.push(format!(
                "{}: {}",
                golden.display(),
                difference(&expected, &found)
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{}\n\nCRANEWAY_BLESS=1 cargo test -p craneway-jit golden accepts what is right",
        failures.join("\n\n")
    );
}
