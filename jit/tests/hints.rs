//! Branch hints in compiled modules: they move code and nothing else, and a broken section of them is
//! no section.

use craneway_jit::{CompiledModule, Compiler, PassId, Passes, Settings};

/// A function whose branch the annotation `hint` precedes, inlined into another.
fn module(hint: &str) -> Vec<u8> {
    let text = format!(
        "(module
          (import \"\" \"f\" (func $f (param i32) (result i32)))
          (func $callee (export \"callee\") (param i32) (result i32)
            (local.get 0)
            {hint}
            (if (then (local.set 0 (call $f (local.get 0)))))
            (i32.add (local.get 0) (i32.const 7)))
          (func (export \"caller\") (param i32) (result i32)
            (i32.mul (call $callee (local.get 0)) (i32.const 3))))"
    );
    wat::parse_str(text).expect("the text is right")
}

fn compile(wasm: &[u8], inline: bool) -> CompiledModule {
    let mut passes = Passes::ALL;
    passes.set(PassId::Inline, inline);
    let settings = Settings {
        verify_ir: true,
        passes,
        ..Settings::default()
    };
    let compiler = Compiler::new(settings).expect("tests run where code runs");
    compiler.compile(wasm).expect("hints make nothing invalid")
}

/// The code of a defined function.
fn code(compiled: &CompiledModule, defined: usize) -> &[u8] {
    let range = compiled.image.functions[defined];
    &compiled.image.text[range.start as usize..][..range.len as usize]
}

/// Where the section's content lies.
fn content(wasm: &[u8]) -> usize {
    let name = b"metadata.code.branch_hint";
    let found = wasm.windows(name.len()).position(|w| w == name);
    found.expect("the text becomes a section") + name.len()
}

#[test]
fn a_hint_moves_code_wherever_its_function_is() {
    let (plain, unlikely) = (module(""), module("(@metadata.code.branch_hint \"\\00\")"));
    for inline in [false, true] {
        let (plain, unlikely) = (compile(&plain, inline), compile(&unlikely, inline));
        assert_ne!(code(&plain, 0), code(&unlikely, 0));
        assert_eq!(inline, code(&plain, 1) != code(&unlikely, 1));
    }
}

#[test]
fn what_is_kept_of_a_module_does_not_know_its_hints() {
    let (plain, hinted) = (module(""), module("(@metadata.code.branch_hint \"\\00\")"));
    let mut hinted = compile(&hinted, true).module;
    let plain = compile(&plain, true).module;
    // The section lies before the code.
    hinted.code_section_offset = plain.code_section_offset;
    assert_eq!(plain, hinted);
}

#[test]
fn a_malformed_section_changes_nothing() {
    let plain = module("");
    let hinted = module("(@metadata.code.branch_hint \"\\01\")");
    let at = content(&hinted);
    // One function: its index, one hint: its offset, length 1, value.
    assert_eq!(
        (hinted[at], hinted[at + 2], &hinted[at + 4..at + 6]),
        (1, 1, &[1, 1][..])
    );
    let plain = compile(&plain, true);
    for (byte, value) in [(0, 2), (1, 9), (2, 2), (3, 0), (3, 0x7f), (4, 2), (5, 2)] {
        let mut broken = hinted.clone();
        broken[at + byte] = value;
        let broken = compile(&broken, true);
        assert_eq!(
            plain.image.text, broken.image.text,
            "byte {byte} is {value}"
        );
    }
}
