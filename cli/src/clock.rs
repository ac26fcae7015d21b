//! Where the time of a run went, as the command itself sees it: loading, instantiating, running.
//! Must never know what was run, nor who reads the figures.

use crate::input::plain;
use crate::report::Failure;
use std::path::Path;
use std::time::{Duration, Instant};

/// Wall clock and the process's CPU time, on all its threads, at one moment.
#[derive(Clone, Copy)]
struct Moment {
    wall: Instant,
    cpu: Duration,
}

impl Moment {
    fn now() -> Moment {
        Moment {
            wall: Instant::now(),
            cpu: process_cpu(),
        }
    }

    /// Milliseconds since `earlier`: (wall, CPU).
    fn since(self, earlier: Moment) -> (f64, f64) {
        (
            (self.wall - earlier.wall).as_secs_f64() * 1e3,
            self.cpu.saturating_sub(earlier.cpu).as_secs_f64() * 1e3,
        )
    }
}

/// The clock of one run. Reading it costs less than a microsecond, so it always goes.
pub(crate) struct Clock {
    start: Moment,
    loaded: Option<Moment>,
    instantiated: Option<Moment>,
}

impl Clock {
    /// The run begins.
    pub(crate) fn start() -> Clock {
        Clock {
            start: Moment::now(),
            loaded: None,
            instantiated: None,
        }
    }

    /// The module is compiled, or mapped.
    pub(crate) fn loaded(&mut self) {
        self.loaded = Some(Moment::now());
    }

    /// The instance is ready to be called.
    pub(crate) fn instantiated(&mut self) {
        self.instantiated = Some(Moment::now());
    }

    /// The run is over: writes milliseconds as JSON.
    pub(crate) fn write(&self, file: &Path) -> Result<(), Failure> {
        let end = Moment::now();
        let loaded = self.loaded.unwrap_or(end);
        let instantiated = self.instantiated.unwrap_or(end);
        let (compile, compile_cpu) = loaded.since(self.start);
        let (instantiate, instantiate_cpu) = instantiated.since(loaded);
        let (run, run_cpu) = end.since(instantiated);
        let text = format!(
            "{{\"compile_ms\": {compile:.4}, \"compile_cpu_ms\": {compile_cpu:.4}, \
             \"instantiate_ms\": {instantiate:.4}, \"instantiate_cpu_ms\": {instantiate_cpu:.4}, \
             \"run_ms\": {run:.4}, \"run_cpu_ms\": {run_cpu:.4}}}\n"
        );
        std::fs::write(file, text).map_err(|err| {
            Failure::new(format!("cannot write {}: {}", file.display(), plain(&err)))
        })
    }
}

/// CPU time of this process so far.
#[allow(unsafe_code, reason = "the standard library has no clock of CPU time")]
fn process_cpu() -> Duration {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec that outlives the call. If the clock did not exist it would stay zero.
    unsafe {
        libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now);
    }
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
