//! The clocks a guest reads and sleeps by. An embedder can put its own in their place, for runs that repeat exactly.
//!
//! Knows time only; must never know guests or descriptors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Date and monotonic clock in one that no real time moves: every read moves it by a fixed step, every sleep by its length.
///
/// So a guest that reads clocks and sleeps does the same in every run, and sleeping takes no time. Clones are one clock:
/// give both roles to the same one.
#[derive(Debug, Clone)]
pub struct VirtualClock {
    /// Nanoseconds since the clock was made.
    elapsed: Arc<AtomicU64>,
    date: Duration,
    step: Duration,
}

impl VirtualClock {
    /// The date at which [`Default`] clocks begin: 1 January 2020.
    pub const DATE: Duration = Duration::from_secs(1_577_836_800);
    /// The step of [`Default`] clocks.
    pub const STEP: Duration = Duration::from_micros(1);

    /// A clock that begins at `date` (since 1970) and moves by `step` at each read.
    pub fn new(date: Duration, step: Duration) -> VirtualClock {
        VirtualClock {
            elapsed: Arc::default(),
            date,
            step,
        }
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.elapsed.fetch_add(nanoseconds(by), Ordering::Relaxed);
    }

    /// What a read shows; it moves the clock.
    fn read(&self) -> Duration {
        let step = nanoseconds(self.step);
        Duration::from_nanos(
            self.elapsed
                .fetch_add(step, Ordering::Relaxed)
                .wrapping_add(step),
        )
    }
}

impl Default for VirtualClock {
    fn default() -> VirtualClock {
        VirtualClock::new(VirtualClock::DATE, VirtualClock::STEP)
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        self.step
    }

    fn now(&self) -> Duration {
        self.date.saturating_add(self.read())
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> Duration {
        self.step
    }

    fn now(&self) -> Duration {
        self.read()
    }

    fn sleep(&self, duration: Duration) -> Duration {
        self.advance(duration);
        Duration::ZERO
    }
}

/// Nanoseconds as the interface counts them; what does not fit is the largest number.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_clock_moves_by_reads_and_sleeps_alone() {
        let clock = VirtualClock::default();
        let other = clock.clone();
        let first = HostMonotonicClock::now(&clock);
        assert_eq!(HostMonotonicClock::now(&other), first + VirtualClock::STEP);
        assert_eq!(
            HostWallClock::now(&clock),
            VirtualClock::DATE + first + 2 * VirtualClock::STEP
        );
        let hour = Duration::from_secs(3600);
        assert_eq!(clock.sleep(hour), Duration::ZERO);
        assert_eq!(
            HostMonotonicClock::now(&clock),
            first + hour + 3 * VirtualClock::STEP
        );
    }
}
