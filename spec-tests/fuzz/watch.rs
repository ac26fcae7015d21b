//! Evidence for runs that do not come back: which seed was running when the process died or hung.
//!
//! Generated code may crash or loop if it is miscompiled, and then nothing in the process can report; so the
//! seed is in a file while it runs, and a thread watches the time. This file must never know what runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A single module takes milliseconds; this long means that it loops.
const LIMIT: Duration = Duration::from_secs(120);

/// Where evidence is kept.
pub(super) fn folder() -> PathBuf {
    match std::env::var_os("CRANEWAY_FUZZ_OUT") {
        Some(folder) => folder.into(),
        None => std::env::temp_dir().join("craneway-fuzz"),
    }
}

/// Knows what one worker is running.
pub(crate) struct Watch {
    path: PathBuf,
    origin: Instant,
    /// Milliseconds since `origin` when the current seed began; 0 between seeds.
    began: Arc<AtomicU64>,
}

impl Watch {
    /// Starts watching the worker called `worker`.
    pub(crate) fn new(worker: usize) -> std::io::Result<Self> {
        let folder = folder();
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("running-{}-{worker}", std::process::id()));
        let origin = Instant::now();
        let began = Arc::new(AtomicU64::new(0));
        let (watched, file) = (Arc::downgrade(&began), path.clone());
        std::thread::spawn(move || {
            while let Some(began) = watched.upgrade() {
                let since = began.load(Ordering::Relaxed);
                let now = origin.elapsed().as_millis() as u64;
                if since != 0 && now.saturating_sub(since) > LIMIT.as_millis() as u64 {
                    eprintln!(
                        "a module has run for more than {LIMIT:?}; its seed is in {}",
                        file.display()
                    );
                    std::process::abort();
                }
                drop(began);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Ok(Self {
            path,
            origin,
            began,
        })
    }

    /// Runs `work` on `seed` under watch.
    pub(crate) fn during<R>(&self, seed: u64, work: impl FnOnce() -> R) -> R {
        // Evidence only: a full disk must not stop the run.
        let _ = std::fs::write(&self.path, seed.to_string());
        self.began.store(
            self.origin.elapsed().as_millis() as u64 + 1,
            Ordering::Relaxed,
        );
        let result = work();
        self.began.store(0, Ordering::Relaxed);
        result
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
