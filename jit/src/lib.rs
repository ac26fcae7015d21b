//! `craneway-jit`: WebAssembly modules to position-independent native images.
//!
//! The crate parses and validates a module, lowers each function to Cranelift IR, optimises and
//! compiles it, and links the results into an [`Image`]. Everything that generated code and the
//! runtime must agree on — field layout, builtins, trap codes, register assignment — is declared
//! once, in [`abi`]; both sides are written against that module.
//!
//! It must never know about stores, instances, WASI or executors, and no Cranelift type leaves it.

pub mod abi;
mod code_memory;
mod codegen;
mod compile;
mod error;
mod image;
mod inline;
mod link;
pub mod module;
mod opt;
mod settings;
mod translate;

pub use code_memory::CodeMemory;
pub use compile::{CompiledModule, Compiler};
pub use error::{CompileError, CompileErrorKind};
pub use image::{
    CallSite, CodeFrame, FuncRange, Handler, HandlerTag, Image, InlinedRange, StackMap,
};
pub use opt::{PassId, Passes};
pub use settings::{Features, OptLevel, Settings, cranelift_version};
