//! From one validated body to machine code, with every fallback that keeps a module compilable.
//!
//! ```text
//!   isa       the code generator's configurations, all from one constructor
//!   plan      how a function may be compiled, by its shape
//!   burden    whether the register allocator would take too long over it
//!   function  translate → optimise → our passes → compile, retried with less ambition on failure
//!   placement where in a cache line a function is to start
//! ```
//! It must never know where the code will lie, nor what other functions look like.

mod burden;
#[cfg(test)]
mod displacement;
mod function;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod identity;
mod isa;
mod placement;
mod plan;

pub(crate) use function::{CompiledFunction, Worker};
pub(crate) use isa::Isas;
pub(crate) use placement::LINE;
