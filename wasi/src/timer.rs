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
        && let Some(mut timer) = kernel::Timer::start(duration)
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
    use std::sync::{Mutex, PoisonError};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::runtime::{Handle, Id};

    /// How many descriptors the timers of all guests may take together, which are few for any limit of a process.
    const MOST: usize = 64;

    /// How many that nobody uses are kept: making one and having the reactor watch it takes longer than using it. Those of
    /// runtimes that are gone hold on to their reactors until newer ones take their places.
    const KEPT: usize = 4;

    static IN_USE: AtomicUsize = AtomicUsize::new(0);
    static IDLE: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

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

    /// A timer of the kernel's that a runtime's reactor watches.
    struct Watched {
        fd: AsyncFd<OwnedFd>,
        runtime: Id,
    }

    impl Watched {
        #[expect(unsafe_code, reason = "the reactor holds the descriptor by number")]
        fn new(runtime: Id) -> Option<Watched> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let fd = timerfd_create(TimerfdClockId::Monotonic, flags).ok()?;
            // SAFETY: an `OwnedFd` answers with the same number always and keeps it open; `AsyncFd` owns it and deregisters
            // before dropping it.
            let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }.ok()?;
            Some(Watched { fd, runtime })
        }

        /// Sets it to go off once, or never if the time is zero. What it said before is forgotten.
        fn set(&self, duration: Duration) -> Option<()> {
            let once = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec::try_from(duration).ok()?,
            };
            timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &once).ok()?;
            Some(())
        }
    }

    /// A timer that runs.
    pub(super) struct Timer {
        /// There until the timer is dropped.
        watched: Option<Watched>,
        /// It said that it went off, so nothing is to be forgotten before its next use.
        spent: bool,
        _place: Place,
    }

    impl Timer {
        /// `None` if there is none to be had.
        pub(super) fn start(duration: Duration) -> Option<Timer> {
            let place = Place::take()?;
            let runtime = Handle::try_current().ok()?.id();
            let watched = match idle_of(runtime) {
                Some(watched) => watched,
                None => Watched::new(runtime)?,
            };
            watched.set(duration.max(Duration::from_nanos(1)))?;
            Some(Timer {
                watched: Some(watched),
                spent: false,
                _place: place,
            })
        }

        /// Ready when the time is over. Whoever waits looks at the clock again, so an error ends the wait, too.
        pub(super) async fn over(&mut self) {
            let Some(watched) = &self.watched else {
                return;
            };
            loop {
                let Ok(mut guard) = watched.fd.readable().await else {
                    return;
                };
                // Reactors report what was; the timer says what is, and with that is ready for its next use.
                let said = rustix::io::read(watched.fd.get_ref(), &mut [0; 8]);
                guard.clear_ready();
                match said {
                    Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                    Err(_) => return,
                    Ok(_) => {
                        self.spent = true;
                        return;
                    }
                }
            }
        }
    }

    impl Drop for Timer {
        /// Keeps the descriptor for the next sleep on the same runtime.
        fn drop(&mut self) {
            if let Some(watched) = self.watched.take()
                && (self.spent || watched.set(Duration::ZERO).is_some())
            {
                let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
                if idle.len() == KEPT {
                    // The oldest, which may be of a runtime that is gone.
                    idle.remove(0);
                }
                idle.push(watched);
            }
        }
    }

    /// A timer that this runtime's reactor watches already.
    fn idle_of(runtime: Id) -> Option<Watched> {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = idle.iter().rposition(|timer| timer.runtime == runtime)?;
        Some(idle.remove(place))
    }

    #[cfg(test)]
    mod tests {
        use super::super::tests::ALONE;
        use super::*;
        use std::time::Instant;

        fn runtime() -> tokio::runtime::Runtime {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
        }

        #[test]
        fn no_more_timers_than_places() {
            let _alone = ALONE.blocking_lock();
            let runtime = runtime();
            let _entered = runtime.enter();
            let long = Duration::from_secs(1000);
            let timers: Vec<_> = (0..2 * MOST).map_while(|_| Timer::start(long)).collect();
            assert_eq!(timers.len(), MOST);
            drop(timers);
            assert!(Timer::start(long).is_some());
            let idle = IDLE.lock().expect("no panic");
            assert!(idle.len() <= KEPT);
        }

        /// Stopping costs as much as starting.
        #[test]
        fn only_a_timer_that_is_given_up_is_stopped() {
            let _alone = ALONE.blocking_lock();
            runtime().block_on(async {
                let mut timer = Timer::start(Duration::from_millis(1)).expect("a place");
                assert!(!timer.spent);
                timer.over().await;
                assert!(timer.spent);
            });
        }

        #[test]
        fn a_timer_that_is_used_again_says_nothing_of_its_last_use() {
            let _alone = ALONE.blocking_lock();
            // Several runtimes, one after the other: none may meet a timer of one that is gone.
            for _ in 0..3 {
                runtime().block_on(async {
                    for _ in 0..5 {
                        // Given up before its end, and after its end but before anybody asked.
                        for patience in [Duration::ZERO, Duration::from_millis(3)] {
                            let timer = Timer::start(Duration::from_millis(2)).expect("a place");
                            std::thread::sleep(patience);
                            tokio::task::yield_now().await;
                            drop(timer);
                            let (wanted, started) = (Duration::from_millis(10), Instant::now());
                            Timer::start(wanted).expect("a place").over().await;
                            assert!(started.elapsed() >= wanted);
                        }
                    }
                });
            }
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

        pub(super) async fn over(&mut self) {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// The places are the process's, so these tests run one after the other.
    pub(super) static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[tokio::test]
    async fn short_sleeps_are_short_and_none_too_short() {
        let _alone = ALONE.lock().await;
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
        let _alone = ALONE.lock().await;
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
