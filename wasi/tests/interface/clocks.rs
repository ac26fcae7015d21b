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

/// What a guest sees of clocks and random bytes, sleeping between.
async fn observed(seed: u64) -> Vec<u8> {
    let mut guest = Guest::new(WasiCtxBuilder::new().deterministic(seed)).await;
    let mut seen = Vec::new();
    for id in 0..4 {
        for name in ["clock_res_get", "clock_time_get"] {
            let args = [id, 0, 0];
            let args = if name == "clock_res_get" {
                &args[..2]
            } else {
                &args[..]
            };
            guest.call(name, args).await.expect("there is such a clock");
            seen.extend(guest.get(0, 8));
        }
        // Two clocks, the nearer of which is to come first.
        let hour = 3_600_000_000_000;
        guest.put(1024, &poll::clock(1, id as u32 % 2, hour, false));
        guest.put(1024 + 48, &poll::clock(2, 1, 2 * hour, false));
        assert_eq!(guest.call("poll_oneoff", &[1024, 2048, 2, 0]).await, Ok(()));
        seen.extend(guest.get(0, 4));
        seen.extend(guest.get(2048, 32));
        guest
            .call("random_get", &[4096, 1000 + id])
            .await
            .expect("inside memory");
        seen.extend(guest.get(4096, 1000 + id as usize));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn deterministic_guests_see_the_same_in_every_run() {
    let started = Instant::now();
    let first = observed(1).await;
    assert_eq!(first, observed(1).await);
    assert_ne!(first, observed(2).await);
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "twelve hours of sleep took no time"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_virtual_sleeps_take_no_time() {
    let mut guest = Guest::new(WasiCtxBuilder::new().deterministic(0)).await;
    guest.put(1024, &poll::clock(1, 1, 1_000_000_000, false));
    let started = Instant::now();
    for _ in 0..1000 {
        assert_eq!(guest.call("poll_oneoff", &[1024, 2048, 1, 0]).await, Ok(()));
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    guest
        .call("clock_time_get", &[1, 0, 0])
        .await
        .expect("there is such a clock");
    assert!((1000..1001).contains(&(guest.u64(0) / 1_000_000_000)));
}
