//! Random bytes, placed straight into the guest.

use crate::call::{Cx, DONE, Outcome, Step};
use crate::wait::Wait;

/// How much is filled before others get their turn: a guest may ask for all of its memory.
const TURN: u32 = 1 << 20;

pub(super) fn random_get(cx: &mut Cx<'_>, buf: u32, len: u32) -> Outcome {
    cx.mem.check(buf, len)?;
    // Counts bytes of this call, so it fits.
    let done = cx.state.progress as u32;
    let now = (len - done).min(TURN);
    cx.ctx.random.fill(cx.mem.bytes_mut(buf + done, now)?)?;
    cx.state.progress += now as usize;
    if cx.state.progress < len as usize {
        return Ok(Step::Wait(Wait::Turn));
    }
    Ok(DONE)
}
