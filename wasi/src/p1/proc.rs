//! The end of the guest, signals to itself, and yielding.

use crate::I32Exit;
use crate::call::{Cx, DONE, Failure, Outcome};
use crate::errno::Errno;

/// The error that ends the guest with a code.
pub(super) fn exit(code: i32) -> craneway::Error {
    craneway::Error::from(I32Exit(code))
}

/// A signal whose default action ends a process ends the guest, with the code a shell shows for it. The host process gets
/// no signal.
pub(super) fn proc_raise(_cx: &mut Cx<'_>, signal: u32) -> Outcome {
    match signal {
        // None, and those that are ignored by default: pipe, chld, cont, urg, winch.
        0 | 13 | 16 | 17 | 22 | 27 => Ok(DONE),
        // Stopping a guest would need someone to continue it.
        18..=21 => Err(Errno::Notsup.into()),
        // Beyond 15 the interface leaves out one number that hosts have.
        1..=15 => Err(Failure::Trap(exit(128 + signal as i32))),
        23..=30 => Err(Failure::Trap(exit(129 + signal as i32))),
        _ => Err(Errno::Inval.into()),
    }
}

/// Gives way to other threads. The task itself goes on: a runtime that must share its workers interrupts guests.
pub(super) fn sched_yield(_cx: &mut Cx<'_>) -> Outcome {
    std::thread::yield_now();
    Ok(DONE)
}
