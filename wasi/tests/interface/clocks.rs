//! Clocks: the host's, and an embedder's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use craneway_wasi::{Errno, HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::guest::Guest;
use crate::poll;

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_clocks() {
    let mut guest = Guest::new(&mut WasiCtxBuilder::new()).await;
    for id in 0..4 {
        guest
            .call("clock_res_get", &[id, 0])
            .await
            .expect("there is such a clock");
        assert!(
            (1..1_000_000_000).contains(&guest.u64(0)),
            "resolution of clock {id}"
        );
        guest
            .call("clock_time_get", &[id, 0, 0])
            .await
            .expect("there is such a clock");
        let first = guest.u64(0);
        guest
            .call("clock_time_get", &[id, 0, 0])
            .await
            .expect("there is such a clock");
        assert!(guest.u64(0) >= first && first > 0, "clock {id}");
    }
    guest
        .call("clock_time_get", &[0, 0, 0])
        .await
        .expect("there is such a clock");
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    assert!(now.abs_diff(Duration::from_nanos(guest.u64(0))) < Duration::from_secs(60));
    for id in [4, u64::from(u32::MAX)] {
        assert_eq!(
            guest.call("clock_time_get", &[id, 0, 0]).await,
            Err(Errno::Inval)
        );
        assert_eq!(
            guest.call("clock_res_get", &[id, 0]).await,
            Err(Errno::Inval)
        );
    }
}

/// A clock that only sleeping moves.
#[derive(Clone, Default)]
struct Virtual(Arc<AtomicU64>);

impl HostMonotonicClock for Virtual {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(10)
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Duration {
        self.0
            .fetch_add(duration.as_nanos() as u64, Ordering::Relaxed);
        Duration::ZERO
    }
}

impl HostWallClock for Virtual {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(10)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(1_000_000) + Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_clock_takes_no_time() {
    let time = Virtual::default();
    let mut builder = WasiCtxBuilder::new();
    builder
        .wall_clock(time.clone())
        .monotonic_clock(time.clone());
    let mut guest = Guest::new(&mut builder).await;
    let started = Instant::now();
    let day = 86_400_000_000_000;
    guest.put(1024, &poll::clock(1, 1, day, false));
    assert_eq!(guest.call("poll_oneoff", &[1024, 2048, 1, 0]).await, Ok(()));
    assert_eq!(guest.u32(0), 1);
    guest
        .call("clock_time_get", &[1, 0, 0])
        .await
        .expect("there is such a clock");
    assert_eq!(guest.u64(0), day);
    guest
        .call("clock_time_get", &[0, 0, 0])
        .await
        .expect("there is such a clock");
    assert_eq!(guest.u64(0), 1_000_000_000_000_000 + day);
    guest
        .call("clock_time_get", &[2, 0, 0])
        .await
        .expect("there is such a clock");
    assert_eq!(guest.u64(0), day, "processor time repeats too");
    assert!(started.elapsed() < Duration::from_secs(30));
}
