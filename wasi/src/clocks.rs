//! The clocks a guest reads and sleeps by. An embedder can put its own in their place, for runs that repeat exactly.
//!
//! Knows time only; must never know guests or descriptors.

use std::time::Duration;

/// The clock that tells the date.
pub trait HostWallClock: Send + Sync {
    /// The smallest step the clock makes; more than zero.
    fn resolution(&self) -> Duration;

    /// The time since the beginning of 1970.
    fn now(&self) -> Duration;
}

/// The clock that never goes back, by which a guest measures and sleeps.
pub trait HostMonotonicClock: Send + Sync {
    /// The smallest step the clock makes; more than zero.
    fn resolution(&self) -> Duration;

    /// The time since some moment in the past.
    fn now(&self) -> Duration;

    /// The processor time that the guest is told it has used.
    fn cpu_time(&self) -> Duration {
        self.now()
    }

    /// A guest is about to sleep for this long, if nothing else wakes it: how long the host is to wait.
    ///
    /// A virtual clock moves itself forward and returns zero.
    fn sleep(&self, duration: Duration) -> Duration {
        duration
    }
}

/// The host's date.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemWallClock;

/// The host's monotonic clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemMonotonicClock;

fn duration(time: rustix::time::Timespec) -> Duration {
    // A date before 1970 cannot be told to a guest; it reads as 1970.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl HostWallClock for SystemWallClock {
    fn resolution(&self) -> Duration {
        duration(rustix::time::clock_getres(rustix::time::ClockId::Realtime))
    }

    fn now(&self) -> Duration {
        duration(rustix::time::clock_gettime(rustix::time::ClockId::Realtime))
    }
}

impl HostMonotonicClock for SystemMonotonicClock {
    fn resolution(&self) -> Duration {
        duration(rustix::time::clock_getres(rustix::time::ClockId::Monotonic))
    }

    fn now(&self) -> Duration {
        duration(rustix::time::clock_gettime(
            rustix::time::ClockId::Monotonic,
        ))
    }

    fn cpu_time(&self) -> Duration {
        // A guest moves between threads, so what the process used is the nearest there is.
        duration(rustix::time::clock_gettime(
            rustix::time::ClockId::ProcessCPUTime,
        ))
    }
}

/// Nanoseconds as the interface counts them; what does not fit is the largest number.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
