//! Modules from text, for the tests of this folder.

/// The module that `text` stands for.
pub(super) fn wasm(text: &str) -> Vec<u8> {
    let buffer = wast::parser::ParseBuffer::new(text).expect("the text can be split into words");
    let mut module: wast::Wat<'_> = wast::parser::parse(&buffer).expect("the text is a module");
    module.encode().expect("the module can be encoded")
}
