//! Walking wasm frames: for backtraces, for exception handlers and for the roots of collection.
//!
//! ```text
//!   fp ─► [fp]     caller's fp          a frame is a pc (an interrupted one, or a return address)
//!         [fp+8]   return address       and the fp that was current there
//! ```
//! The chain of an activation ends at a return address outside of compiled code: the one that entered.
//! Every fp is checked against the stack before it is read.

use super::activation::Activation;
use super::arch;
use super::code::{self, LoadedModule};
use super::stack;
use std::sync::Arc;

/// Most frames that a backtrace keeps.
const MAX_FRAMES: usize = 256;

/// A wasm frame of a backtrace.
#[derive(Clone, Debug)]
pub struct RawFrame {
    /// The module (kept alive for names and locations).
    pub module: Arc<LoadedModule>,
    /// The function index.
    pub func_index: u32,
    /// Offset in the wasm binary, if the instruction has one.
    pub wasm_offset: Option<u32>,
}

/// A frame while walking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) pc: usize,
    pub(crate) fp: usize,
    /// Whether `pc` is a return address (else the interrupted instruction itself).
    pub(crate) is_return: bool,
}

/// The wasm frames of one activation, innermost first.
pub(crate) struct Frames {
    next: Option<Frame>,
    low: usize,
    high: usize,
}

impl Frames {
    /// # Safety
    /// The activation's wasm code does not run while the iterator is used.
    pub(crate) unsafe fn of(activation: *const Activation) -> Frames {
        // SAFETY: the activation is alive; its stack is intact.
        unsafe {
            let act = &*activation;
            let mut frames = Frames {
                next: None,
                low: 0,
                high: act.entry_sp,
            };
            if let Some(trap) = &act.trap {
                // Below the limit is guard: sp may point there, and nothing may be read.
                let limit = stack::header_of(trap.sp).map_or(usize::MAX, |h| (*h).limit);
                frames.low = trap.sp.max(limit);
                frames.next = frames.first_of_trap(trap.pc, trap.fp);
            } else if act.wasm_fp != 0 {
                frames.low = act.wasm_sp;
                frames.next = frames.caller_of(act.wasm_fp);
            }
            frames
        }
    }

    /// # Safety
    /// As [`Frames::of`].
    unsafe fn caller_of(&self, fp: usize) -> Option<Frame> {
        if fp < self.low || !fp.is_multiple_of(8) || fp.checked_add(16)? > self.high {
            return None;
        }
        // SAFETY: both words lie on the activation's part of its wasm stack.
        let [caller, pc] = unsafe { *(fp as *const [usize; 2]) };
        // SAFETY: the store keeps modules of frames alive.
        unsafe { code::find(pc) }.map(|_| Frame {
            pc,
            fp: caller,
            is_return: true,
        })
    }

    /// The innermost frame of a trap: the interrupted function's, or, where the stack ended in a
    /// trampoline, that of the function which called the host.
    ///
    /// # Safety
    /// As [`Frames::of`].
    unsafe fn first_of_trap(&self, pc: usize, fp: usize) -> Option<Frame> {
        // SAFETY: the store keeps modules of frames alive; the rest as promised by the caller.
        unsafe {
            if code::find(pc).and_then(|m| m.function_at(pc)).is_some() {
                return Some(Frame {
                    pc,
                    fp,
                    is_return: false,
                });
            }
            let offset = arch::offset_in_call_host(pc)?;
            match arch::prologue_return_slot(offset) {
                Some(slot) => self.caller_at(slot, fp),
                None => self.caller_of(fp),
            }
        }
    }

    /// The caller's frame where the return address lies `slot` bytes above sp: before a prologue
    /// is done, the frame pointer still is the caller's.
    ///
    /// # Safety
    /// As [`Frames::of`].
    unsafe fn caller_at(&self, slot: usize, fp: usize) -> Option<Frame> {
        let at = self.low.checked_add(slot)?;
        if !at.is_multiple_of(8) || at.checked_add(8)? > self.high {
            return None;
        }
        // SAFETY: the word lies between the lowest readable address and the top of the
        // activation's stack; a value that is no code address of a live module is refused.
        unsafe {
            let pc = *(at as *const usize);
            code::find(pc).map(|_| Frame {
                pc,
                fp,
                is_return: true,
            })
        }
    }
}

impl Iterator for Frames {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let frame = self.next.take()?;
        // SAFETY: the iterator's creator promised that the stack stays as it is.
        unsafe {
            let early = if frame.is_return {
                None
            } else {
                let at = code::find(frame.pc).and_then(|m| m.function_at(frame.pc));
                at.and_then(|(_, offset)| arch::prologue_return_slot(offset))
            };
            self.next = match early {
                Some(slot) => self.caller_at(slot, frame.fp),
                None => self.caller_of(frame.fp),
            };
        }
        Some(frame)
    }
}

/// The backtrace of the innermost activation and of all outer ones of the store.
///
/// # Safety
/// As [`Frames::of`], for each activation of the chain.
pub(crate) unsafe fn capture(activation: *const Activation) -> Vec<RawFrame> {
    let mut out = Vec::new();
    let mut at = activation;
    while !at.is_null() {
        // SAFETY: outer activations are suspended in host calls while inner ones exist.
        unsafe {
            let outer_on_same_stack = Frames::of(at);
            for frame in outer_on_same_stack {
                if out.len() >= MAX_FRAMES {
                    return out;
                }
                // A return address belongs to the call before it.
                let pc = if frame.is_return {
                    frame.pc - 1
                } else {
                    frame.pc
                };
                describe(pc, (*at).store, &mut out);
            }
            at = (*at).prev;
        }
    }
    out
}

/// Adds the frames that `pc` stands for: inlined functions have one each.
///
/// # Safety
/// `store` is alive.
unsafe fn describe(
    pc: usize,
    store: *const super::store::Store,
    out: &mut Vec<RawFrame>,
) -> Option<()> {
    // SAFETY: frames belong to modules that the store holds.
    unsafe {
        let found = code::find(pc)?;
        let (func_index, _) = found.function_at(pc)?;
        let module = (*store).module_arc(found)?;
        out.extend(found.frames_at(pc).into_iter().map(|frame| RawFrame {
            module: module.clone(),
            func_index: frame.inlined.unwrap_or(func_index),
            wasm_offset: frame.wasm_offset,
        }));
        Some(())
    }
}
