//! Fixed-width vectors. On the operand stack a vector is sixteen bytes, seen as lanes by each
//! instruction.
//!
//! ```text
//!   memory   loads and stores      lanes    constants, splats, lanes, shuffles
//!   integer  lanes of integers     float    lanes of floats
//!   logic    bits and tests        convert  widening, narrowing, conversions
//! ```
//! It must never know scalars' families, calls or control flow.

mod convert;
mod float;
mod integer;
mod lanes;
mod logic;
mod memory;

/// One line per instruction with two vector operands.
macro_rules! binary {
    ($($visit:ident $inst:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let b = self.pop_v128_as(types::$ty);
            let a = self.pop_v128_as(types::$ty);
            let value = self.ins().$inst(a, b);
            self.push_v128(value);
        }
    )*};
}

/// One line per instruction with one vector operand.
macro_rules! unary {
    ($($visit:ident $inst:ident $ty:ident;)*) => {$(
        pub(in crate::translate) fn $visit(&mut self) {
            let a = self.pop_v128_as(types::$ty);
            let value = self.ins().$inst(a);
            self.push_v128(value);
        }
    )*};
}

use {binary, unary};
