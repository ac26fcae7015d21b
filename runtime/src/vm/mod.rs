//! Under the public API: memory, code, stacks, calls, traps — everything that touches the machine.
//!
//! ```text
//!   public API ──► vm: store, instance, activation ──► sys (operating system), arch (CPU)
//! ```
//! It must never import the public API, and knows neither Cranelift nor WASI. Errors of host
//! functions pass through as `anyhow` values.

mod activation;
mod arch;
mod async_call;
mod backtrace;
mod builtins;
mod code;
mod exceptions;
mod handles;
mod host_func;
mod image;
mod instance;
mod instantiate;
mod memory;
mod segments;
mod signatures;
mod slots;
mod stack;
mod store;
mod stubs;
mod sys;
mod table;
mod template;
mod traps;

pub use activation::{
    Activation, CallError, CallShape, HostFuture, Unwind, call, call_in_registers,
};
pub use arch::{CallFrame, DirectBody, DirectShim};
pub use async_call::AsyncCall;
pub use backtrace::RawFrame;
pub use code::{LoadedModule, Parts, Text};
pub use exceptions::throw;
pub use handles::{Object, RootIndex};
pub use host_func::{Entry, HostFunc, Outcome};
pub use image::{Bytes, Image};
pub use instantiate::{Import, InstantiateError, instantiate};
pub use memory::{HUGE_PAGES_FROM, Memory};
pub use signatures::{SigId, Signature, Signatures};
pub use stack::MAX_STACK_BYTES;
pub use store::{
    GlobalId, InstanceId, Limiter, MemoryId, Store, StoreId, TableId, TagId, TagRecord,
};
pub(crate) use sys::FileMap;
pub use table::Element;
pub use template::{Plan, Template};
pub(crate) use traps::{handle_signal, install as install_handlers};

/// The machine's page size in bytes.
pub fn page_size() -> usize {
    sys::page_size()
}
