//! Golden tests of passes: IR as text in, the function after the pass out, verified.

use super::{Facts, Pass, Unit};
use cranelift_codegen::Context;
use cranelift_codegen::ir::Function;
use cranelift_codegen::isa::{OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};

/// The ISA of this machine, with the settings that decide what the verifier accepts.
fn isa() -> OwnedTargetIsa {
    let mut flags = settings::builder();
    flags
        .set("preserve_frame_pointers", "true")
        .expect("a setting of the code generator");
    cranelift_native::builder()
        .expect("tests run where code runs")
        .finish(settings::Flags::new(flags))
        .expect("the machine's own features fit together")
}

/// Parses one function.
fn parse(text: &str) -> Function {
    let functions = cranelift_reader::parse_functions(text).expect("the test's IR parses");
    let [function]: [Function; 1] = functions.try_into().expect("one function");
    function
}

fn verify(context: &Context, isa: &dyn TargetIsa) {
    if let Err(errors) = context.verify(isa) {
        panic!("{errors}\n{}", context.func.display());
    }
}

/// Runs `pass` on the function in `text` and compares what it became.
pub(super) fn check(pass: Pass, text: &str, expected: expect_test::Expect) {
    check_context(on_context(pass), text, expected);
}

/// As [`check`], for a pass that changes blocks and edges.
pub(super) fn check_context(
    pass: impl FnOnce(&mut Context) -> bool,
    text: &str,
    expected: expect_test::Expect,
) {
    expected.assert_eq(&after_context(pass, text));
}

/// What the function in `text` is after `pass`, for tests that look at a part of it.
pub(super) fn after(pass: Pass, text: &str) -> String {
    after_context(on_context(pass), text)
}

fn on_context(pass: Pass) -> impl FnOnce(&mut Context) -> bool {
    move |context| {
        let facts = Facts {
            region: 1,
            fold_limit: 64 << 10,
            readable: 64 << 10,
            length: Some(-8),
        };
        let mut unit = Unit::of(context, facts);
        let changed = pass(&mut unit);
        context.flowgraph();
        changed
    }
}

/// The function in `text` with its loops.
pub(super) fn context_of(text: &str) -> Context {
    let mut context = Context::for_function(parse(text));
    context.flowgraph();
    context.compute_loop_analysis();
    verify(&context, &*isa());
    context
}

/// As [`after`], for a pass that changes blocks and edges.
pub(super) fn after_context(pass: impl FnOnce(&mut Context) -> bool, text: &str) -> String {
    let isa = isa();
    let mut context = context_of(text);
    let before = context.func.display().to_string();
    let changed = pass(&mut context);
    verify(&context, &*isa);
    let after = context.func.display().to_string();
    if changed {
        return after;
    }
    assert_eq!(before, after, "a pass that changed something says so");
    "unchanged\n".to_string()
}
