//! Arguments and environment: two lists of strings, handed over the same way.

use crate::call::{Cx, DONE, Outcome};
use crate::ctx::Strings;
use crate::errno::Errno;
use crate::memory::GuestMemory;

/// Stores the strings at `buf` and a pointer to each at `pointers`.
fn get(mem: &mut GuestMemory<'_>, strings: &Strings, pointers: u32, buf: u32) -> Outcome {
    mem.write(buf, &strings.bytes)?;
    let mut slot = pointers;
    for start in &strings.starts {
        mem.write_u32(slot, buf.checked_add(*start).ok_or(Errno::Fault)?)?;
        slot = slot.checked_add(4).ok_or(Errno::Fault)?;
    }
    Ok(DONE)
}

/// Stores how many strings there are and how many bytes they take.
fn sizes(mem: &mut GuestMemory<'_>, strings: &Strings, count: u32, size: u32) -> Outcome {
    let number = |length: usize| u32::try_from(length).map_err(|_| Errno::Overflow);
    mem.write_u32(count, number(strings.starts.len())?)?;
    mem.write_u32(size, number(strings.bytes.len())?)?;
    Ok(DONE)
}

pub(super) fn args_get(cx: &mut Cx<'_>, argv: u32, buf: u32) -> Outcome {
    get(&mut cx.mem, &cx.ctx.args, argv, buf)
}

pub(super) fn args_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Outcome {
    sizes(&mut cx.mem, &cx.ctx.args, count, size)
}

pub(super) fn environ_get(cx: &mut Cx<'_>, environ: u32, buf: u32) -> Outcome {
    get(&mut cx.mem, &cx.ctx.env, environ, buf)
}

pub(super) fn environ_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Outcome {
    sizes(&mut cx.mem, &cx.ctx.env, count, size)
}
