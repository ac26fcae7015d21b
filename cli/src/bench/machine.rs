//! What is said of the machine and the moment beside every measurement.
//! Must never know what was measured.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Names and values, as far as the system tells.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let mut facts = vec![("craneway", crate::version::short().to_owned())];
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    if let Some((_, model)) = model.and_then(|line| line.split_once(':')) {
        facts.push(("processor", model.trim().to_owned()));
    }
    if let Ok(cores) = std::thread::available_parallelism() {
        facts.push(("cores", cores.to_string()));
    }
    if let Ok(release) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        facts.push(("kernel", release.trim().to_owned()));
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    if let Some(load) = load.split_whitespace().next() {
        facts.push(("load before", load.to_owned()));
    }
    facts.push(("date", date()));
    facts
}

/// The peak of our own resident memory in KiB: what a process that is started from us is reported to have at least.
pub(crate) fn own_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

/// Today in UTC.
fn date() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH);
    let (year, month, day) = civil(seconds.map_or(0, |d| d.as_secs()) / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// Year, month and day of a day since 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_778), (2026, 11, 21));
    }

    #[test]
    fn our_own_memory_is_known() {
        assert!(own_peak() > 100);
    }
}
