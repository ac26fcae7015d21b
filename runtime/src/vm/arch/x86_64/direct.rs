//! Host functions that take their arguments in the registers in which wasm passes them.
//!
//! Wasm's convention and the platform's agree on them: caller's vmctx and five integers, eight
//! vectors. A direct stub adds function and activation on the stack, so nothing is moved. It must never
//! know what a host function does.

use super::CallFrame;
use crate::vm::activation::Activation;
use crate::vm::host_func::{HostFunc, Outcome};
use craneway_jit::abi::VEC_ARGS;

/// The body of a host function that a direct stub can call.
pub trait DirectBody {
    /// Whether its result is a float.
    const FLOAT: bool;

    /// Runs it: the outcome, and the result's bits. It never unwinds.
    ///
    /// # Safety
    /// The arguments are a direct stub's; of the frame only the arguments' registers are written.
    unsafe fn run(
        func: *const HostFunc,
        caller: usize,
        frame: CallFrame,
        activation: *mut Activation,
    ) -> (Outcome, u128);
}

macro_rules! shim_type {
    ($result:ty) => {
        unsafe extern "sysv64" fn(
            usize, u64, u64, u64, u64, u64, *const HostFunc, *mut Activation,
            f64, f64, f64, f64, f64, f64, f64, f64,
        ) -> $result
    };
}

/// The entry of a host function behind a direct stub.
#[derive(Clone, Copy, Debug)]
pub struct DirectShim(Kind);

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// One that returns nothing, or an integer.
    Int(shim_type!(IntReturn)),
    /// One that returns a float.
    Float(shim_type!(FloatReturn)),
}

/// An outcome and an integer, in the platform's first two integer registers.
#[derive(Clone, Copy)]
#[repr(C)]
struct IntReturn {
    outcome: u64,
    value: u64,
}

/// An outcome and a float, in the first register of either kind.
#[derive(Clone, Copy)]
#[repr(C)]
struct FloatReturn {
    outcome: u64,
    value: f64,
}

macro_rules! shims {
    ($($name:ident -> $result:ident, $bits:ident => $value:expr;)*) => {$(
        #[allow(clippy::too_many_arguments, reason = "one for each register")]
        unsafe extern "sysv64" fn $name<B: DirectBody>(
            caller: usize, a: u64, b: u64, c: u64, d: u64, e: u64,
            func: *const HostFunc, activation: *mut Activation,
            s: f64, t: f64, u: f64, v: f64, w: f64, x: f64, y: f64, z: f64,
        ) -> $result {
            let mut frame = CallFrame::NEW;
            frame.int[1..6].copy_from_slice(&[a, b, c, d, e]);
            for (n, float) in [s, t, u, v, w, x, y, z].into_iter().enumerate() {
                frame.set_vector(n as u8, u128::from(float.to_bits()));
            }
            // SAFETY: a direct stub calls this.
            let (outcome, $bits) = unsafe { B::run(func, caller, frame, activation) };
            $result { outcome: outcome as u64, value: $value }
        }
    )*};
}

shims! {
    direct_int -> IntReturn, bits => bits as u64;
    direct_float -> FloatReturn, bits => f64::from_bits(bits as u64);
}

impl DirectShim {
    /// The entry of `B`.
    pub fn of<B: DirectBody>() -> DirectShim {
        DirectShim(if B::FLOAT {
            Kind::Float(direct_float::<B>)
        } else {
            Kind::Int(direct_int::<B>)
        })
    }

    /// Address of the code.
    pub(crate) fn address(self) -> usize {
        match self.0 {
            Kind::Int(shim) => shim as usize,
            Kind::Float(shim) => shim as usize,
        }
    }

    /// Calls it with the arguments in `frame`, where the result is afterwards.
    ///
    /// # Safety
    /// As for a [`Shim`](crate::vm::host_func::Shim) of the same function, which has `floats` float
    /// parameters.
    pub(crate) unsafe fn call(
        self,
        func: *const HostFunc,
        floats: usize,
        caller: usize,
        frame: &mut CallFrame,
        activation: *mut Activation,
    ) -> Outcome {
        let [_, a, b, c, d, e, ..] = frame.int;
        let mut values = [0.0; VEC_ARGS];
        for (n, value) in values.iter_mut().enumerate().take(floats) {
            // SAFETY: the frame holds the arguments.
            *value = f64::from_bits(unsafe { frame.vector(n as u8) } as u64);
        }
        let [s, t, u, v, w, x, y, z] = values;
        // SAFETY: the caller's promise.
        let outcome = unsafe {
            match self.0 {
                Kind::Int(shim) => {
                    let returned = shim(
                        caller, a, b, c, d, e, func, activation, s, t, u, v, w, x, y, z,
                    );
                    frame.int[0] = returned.value;
                    returned.outcome
                }
                Kind::Float(shim) => {
                    let returned = shim(
                        caller, a, b, c, d, e, func, activation, s, t, u, v, w, x, y, z,
                    );
                    frame.set_vector(0, u128::from(returned.value.to_bits()));
                    returned.outcome
                }
            }
        };
        match outcome {
            0 => Outcome::Return,
            4 => Outcome::Resume,
            _ => Outcome::Leave,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_the_numbers_that_they_return_as() {
        assert_eq!(Outcome::Return as u64, 0);
        assert_eq!(Outcome::Leave as u64, 1);
        assert_eq!(Outcome::Resume as u64, 4);
    }
}
