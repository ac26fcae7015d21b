//! Random bytes, placed straight into the guest.

use crate::call::{Cx, DONE, Outcome};

pub(super) fn random_get(cx: &mut Cx<'_>, buf: u32, len: u32) -> Outcome {
    cx.ctx.random.fill(cx.mem.bytes_mut(buf, len)?)?;
    Ok(DONE)
}
