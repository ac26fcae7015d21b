//! What depends on the CPU: trampolines, stub code, registers of a signal context.
//!
//! One file per CPU behind one interface; it must never know stores or instances.

#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::{CallFrame, DirectBody, DirectShim};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("craneway runs on x86-64 so far; another CPU needs a file in runtime/src/vm/arch/");
