//! Where the wasm calling convention puts parameters and results (Cranelift's `tail` on x86-64).
//!
//! ```text
//!   integer parameters  rdi rsi rdx rcx r8 r9     (rdi is always vmctx)
//!   vector parameters   xmm0 … xmm7
//!   further parameters  on the stack, 8 bytes each (16, aligned, for v128); the callee pops them
//!   integer results     rax rcx rdx rsi rdi r8 r9 r10
//!   vector results      xmm0 … xmm7
//! ```
//! More than 6 integer or 8 vector results: all go through a buffer, one slot each, whose address
//! is an ordinary parameter right behind vmctx.

use crate::module::{FuncType, ValType};

/// Number of integer parameter registers, vmctx included.
pub const INT_ARGS: usize = 6;
/// Number of vector parameter registers.
pub const VEC_ARGS: usize = 8;
/// Most integer results in registers (lower than the CPU allows, so that all ISAs agree).
pub const INT_RESULTS: usize = 6;
/// Most vector results in registers.
pub const VEC_RESULTS: usize = 8;

/// A register class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegClass {
    /// General-purpose registers.
    Int,
    /// Vector registers.
    Vec,
}

/// The register class that values of `ty` travel in.
pub fn class_of(ty: ValType) -> RegClass {
    if ty.is_vector_class() {
        RegClass::Vec
    } else {
        RegClass::Int
    }
}

/// Where one parameter or result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loc {
    /// The n-th integer register of its sequence.
    Int(u8),
    /// The n-th vector register.
    Vec(u8),
    /// Bytes from the start of the stack argument area, or of the result buffer.
    Stack(u32),
}

/// Where the results are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultsAbi {
    /// Each in a register.
    Regs(Vec<Loc>),
    /// All in a buffer of `bytes` bytes, 16-byte aligned, each at a `Loc::Stack` offset in it;
    /// its address is integer parameter 1.
    Buffer {
        /// Where each result lies in the buffer.
        locs: Vec<Loc>,
        /// Size of the buffer, a multiple of 16.
        bytes: u32,
    },
}

/// The register assignment of one function type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallAbi {
    /// Where each wasm parameter is (vmctx, and a result buffer, are not listed).
    pub params: Vec<Loc>,
    /// Where the results are.
    pub results: ResultsAbi,
    /// Bytes of stack arguments, a multiple of 16; the callee pops them.
    pub stack_bytes: u32,
    /// Whether any parameter or result is in a vector register.
    pub uses_vectors: bool,
}

fn align(offset: u32, to: u32) -> u32 {
    (offset + to - 1) & !(to - 1)
}

impl CallAbi {
    /// The assignment for `ty`.
    pub fn new(ty: &FuncType) -> CallAbi {
        CallAbi::from_slices(&ty.params, &ty.results)
    }

    /// The assignment for these parameters and results.
    pub fn from_slices(params: &[ValType], results: &[ValType]) -> CallAbi {
        let results = Self::results(results);
        let mut ints = 1 + usize::from(matches!(results, ResultsAbi::Buffer { .. }));
        let (mut vecs, mut stack) = (0, 0);
        let mut locs = Vec::with_capacity(params.len());
        for ty in params {
            let (count, limit) = match class_of(*ty) {
                RegClass::Int => (&mut ints, INT_ARGS),
                RegClass::Vec => (&mut vecs, VEC_ARGS),
            };
            if *count < limit {
                let n = *count as u8;
                *count += 1;
                locs.push(if ty.is_vector_class() {
                    Loc::Vec(n)
                } else {
                    Loc::Int(n)
                });
            } else {
                stack = align(stack, ty.slot_bytes());
                locs.push(Loc::Stack(stack));
                stack += ty.slot_bytes();
            }
        }
        let in_vector = |l: &Loc| matches!(l, Loc::Vec(_));
        let uses_vectors = locs.iter().any(in_vector)
            || matches!(&results, ResultsAbi::Regs(r) if r.iter().any(in_vector));
        CallAbi {
            params: locs,
            results,
            stack_bytes: align(stack, 16),
            uses_vectors,
        }
    }

    fn results(results: &[ValType]) -> ResultsAbi {
        let vecs = results.iter().filter(|t| t.is_vector_class()).count();
        if results.len() - vecs <= INT_RESULTS && vecs <= VEC_RESULTS {
            let (mut int, mut vec) = (0, 0);
            let assign = |ty: &ValType| match class_of(*ty) {
                RegClass::Int => {
                    int += 1;
                    Loc::Int(int - 1)
                }
                RegClass::Vec => {
                    vec += 1;
                    Loc::Vec(vec - 1)
                }
            };
            return ResultsAbi::Regs(results.iter().map(assign).collect());
        }
        let mut bytes = 0;
        let mut locs = Vec::with_capacity(results.len());
        for ty in results {
            bytes = align(bytes, ty.slot_bytes());
            locs.push(Loc::Stack(bytes));
            bytes += ty.slot_bytes();
        }
        ResultsAbi::Buffer {
            locs,
            bytes: align(bytes, 16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_goes_to_the_stack_and_to_the_buffer() {
        let abi = CallAbi::from_slices(&[ValType::I64; 7], &[ValType::I32; 7]);
        assert_eq!(abi.params[0], Loc::Int(2));
        assert_eq!(abi.params[3], Loc::Int(5));
        assert_eq!(abi.params[4], Loc::Stack(0));
        assert_eq!(abi.stack_bytes, 32);
        assert!(matches!(abi.results, ResultsAbi::Buffer { bytes: 64, .. }));
    }

    #[test]
    fn vectors_on_the_stack_are_aligned() {
        let mut params = vec![ValType::F32; 9];
        params.push(ValType::V128);
        let abi = CallAbi::from_slices(&params, &[]);
        assert_eq!(abi.params[8], Loc::Stack(0));
        assert_eq!(abi.params[9], Loc::Stack(16));
        assert_eq!(abi.stack_bytes, 32);
    }
}
