//! Sleeping for a while without holding the thread.
//!
//! Tokio's timers count in milliseconds, which makes a sleep of a microsecond take a thousand. Short sleeps therefore wait
//! for a timer of the kernel's, where there is one and not too many are in use. Must never know what is slept for.

use std::time::Duration;

/// Longer sleeps can afford a millisecond.
const SHORT: Duration = Duration::from_millis(100);

/// Suspends the task for as long.
pub(crate) async fn sleep(duration: Duration) {
    if duration < SHORT
        && let Some(timer) = kernel::Timer::start(duration)
    {
        return timer.over().await;
    }
    tokio::time::sleep(duration).await;
}

#[cfg(target_os = "linux")]
mod kernel {
    use super::Duration;
    use std::os::fd::OwnedFd;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// How many descriptors the timers of all guests may take together, which are few for any limit of a process.
    const MOST: usize = 64;

    static IN_USE: AtomicUsize = AtomicUsize::new(0);

    /// One of the [`MOST`].
    struct Place;

    impl Place {
        fn take() -> Option<Place> {
            let taken = IN_USE.fetch_add(1, Ordering::Relaxed);
            // Made first, so that a place too many is given back.
            let place = Place;
            (taken < MOST).then_some(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            IN_USE.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A timer that runs.
    pub(super) struct Timer {
        fd: AsyncFd<OwnedFd>,
        _place: Place,
    }

    impl Timer {
        /// `None` if there is none to be had.
        #[expect(unsafe_code, reason = "the reactor holds the descriptor by number")]
        pub(super) fn start(duration: Duration) -> Option<Timer> {
            let place = Place::take()?;
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            let once = Itimerspec {
                it_interval: Timespec::default(),
                // Zero would mean never.
                it_value: Timespec::try_from(duration.max(Duration::from_nanos(1))).ok()?,
            };
            timerfd_settime(&fd, TimerfdTimerFlags::empty(), &once).ok()?;
            // SAFETY: an `OwnedFd` answers with the same number always and keeps it open; `AsyncFd` owns it and deregisters
            // before dropping it.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()?;
            Some(Timer { fd, _place: place })
        }

        /// Ready when the time is over. Whoever waits looks at the clock again, so an error ends the wait, too.
        pub(super) async fn over(&self) {
            let _ = self.fd.readable().await;
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn no_more_timers_than_places() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let _entered = runtime.enter();
            let long = Duration::from_secs(1000);
            let timers: Vec<_> = (0..2 * MOST).map_while(|_| Timer::start(long)).collect();
            // Tests beside this one may hold some.
            assert!(!timers.is_empty() && timers.len() <= MOST);
            assert!(Timer::start(long).is_none());
            drop(timers);
            assert!(Timer::start(long).is_some());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::Duration;

    /// There is none.
    pub(super) enum Timer {}

    impl Timer {
        pub(super) fn start(_: Duration) -> Option<Timer> {
            None
        }

        pub(super) async fn over(&self) {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[tokio::test]
    async fn short_sleeps_are_short_and_none_too_short() {
        let mut shortest = Duration::MAX;
        for micros in [0, 1, 50, 200, 1500] {
            for _ in 0..20 {
                let (wanted, started) = (Duration::from_micros(micros), Instant::now());
                sleep(wanted).await;
                let took = started.elapsed();
                assert!(took >= wanted, "{took:?} instead of {wanted:?}");
                shortest = shortest.min(took.saturating_sub(wanted));
            }
        }
        // A busy machine may be late often, but not each time.
        if cfg!(target_os = "linux") {
            assert!(shortest < Duration::from_micros(500), "{shortest:?}");
        }
    }

    #[tokio::test]
    async fn more_sleepers_than_timers() {
        let started = Instant::now();
        let sleepers: Vec<_> = (0..500)
            .map(|_| tokio::spawn(sleep(Duration::from_millis(20))))
            .collect();
        for sleeper in sleepers {
            sleeper.await.expect("no panic");
        }
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(20));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}
