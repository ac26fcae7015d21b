//! `craneway`: a WebAssembly runtime for servers.
//!
//! The shape of the API is that of the `wasmtime` crate, so that people can move with few edits:
//!
//! ```
//! use craneway::{Engine, Instance, Module, Store};
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module (func (export "answer") (result i32) i32.const 42))"#)?;
//! let mut store = Store::new(&engine, ());
//! let instance = Instance::new(&mut store, &module, &[])?;
//! let answer = instance.get_typed_func::<(), i32>(&mut store, "answer")?;
//! assert_eq!(answer.call(&mut store, ())?, 42);
//! # Ok::<(), craneway::Error>(())
//! ```
//!
//! This layer knows types, names and values; everything that touches the machine lies in `vm`,
//! which never looks up here.

mod caller;
mod config;
mod engine;
mod error;
mod externals;
mod func;
mod instance;
mod limits;
mod linker;
mod module;
mod rooted;
mod signals;
mod store;
mod symbols;
mod trap;
mod types;
mod val;
mod vm;

pub use anyhow::{Context, Error, anyhow as format_err, bail, ensure};
pub use caller::Caller;
pub use config::{Config, OptLevel};
pub use craneway_jit::{CompileError, CompileErrorKind, PassId, cranelift_version};
pub use engine::{Engine, Precompiled};
pub use error::{FrameInfo, LinkError, LinkProblem, ThrownException, WasmBacktrace};
pub use externals::{Extern, Global, Memory, Table, Tag};
pub use func::{Func, IntoFunc, MaybeAsync, TypedFunc, WasmParams, WasmResults, WasmRet, WasmTy};
pub use instance::{Export, Instance, InstancePre};
pub use limits::{ResourceLimiter, StoreLimits, StoreLimitsBuilder};
pub use linker::Linker;
pub use module::{Module, ModuleStats, SerializedContents, SerializedModule};
pub use rooted::{ExnRef, ExternRef, RootScope, Rooted};
pub use signals::try_handle_signal;
pub use store::{AsContext, AsContextMut, Store, StoreContext, StoreContextMut};
pub use symbols::FrameSymbol;
pub use trap::Trap;
pub use types::{
    ExportType, ExternType, FuncType, GlobalType, HeapType, ImportType, MemoryType, Mutability,
    RefType, TableType, TagType, ValType,
};
pub use val::{Ref, V128, Val};

/// Result of most functions here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
