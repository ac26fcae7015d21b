//! Reading clocks.

use std::time::Duration;

use crate::call::{Cx, DONE, Outcome};
use crate::clocks::nanoseconds;
use crate::ctx::WasiCtx;
use crate::types::ClockId;

/// What a clock shows.
pub(super) fn now(ctx: &WasiCtx, id: ClockId) -> Duration {
    match id {
        ClockId::Realtime => ctx.wall_clock.now(),
        ClockId::Monotonic => ctx.monotonic_clock.now(),
        ClockId::ProcessCpu | ClockId::ThreadCpu => ctx.monotonic_clock.cpu_time(),
    }
}

pub(super) fn clock_res_get(cx: &mut Cx<'_>, id: u32, out: u32) -> Outcome {
    let resolution = match ClockId::from_arg(id)? {
        ClockId::Realtime => cx.ctx.wall_clock.resolution(),
        _ => cx.ctx.monotonic_clock.resolution(),
    };
    cx.mem.write_u64(out, nanoseconds(resolution).max(1))?;
    Ok(DONE)
}

pub(super) fn clock_time_get(cx: &mut Cx<'_>, id: u32, _precision: u64, out: u32) -> Outcome {
    let time = now(cx.ctx, ClockId::from_arg(id)?);
    cx.mem.write_u64(out, nanoseconds(time))?;
    Ok(DONE)
}
