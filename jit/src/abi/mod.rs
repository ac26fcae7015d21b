//! Everything that generated code and the runtime must agree on, declared once.
//!
//! ```text
//!   layout     the fields below vmctx, tables, descriptors, function records
//!   convention which register or stack slot holds each parameter and result
//!   builtins   the runtime's functions that generated code calls through S
//!   trap       the codes in trap records
//! ```
//! Both compilers and the runtime are written against this module; nothing here may name Cranelift.

mod builtins;
mod convention;
mod layout;
mod trap;

pub use builtins::{Builtin, BuiltinType};
pub use convention::{
    CallAbi, INT_ARGS, INT_RESULTS, Loc, RegClass, ResultsAbi, VEC_ARGS, VEC_RESULTS, class_of,
};
pub use layout::{
    FIRST_SIG_ID, FOLD_LIMIT, FuncImport, FuncRecord, GlobalPlace, MAX_FIELD_BYTES,
    MemoryDescriptor, MemoryPlace, PAYLOAD_SLOT, REF_NULL, SIG_NULL, SIG_UNINIT, TABLE_ENTRY,
    TableDescriptor, TableEntry, TableField, TablePlace, VmLayout, WASM_GUARD_BYTES,
    direct_memory_limit, ordinary_reservation,
};
pub use trap::TrapCode;
