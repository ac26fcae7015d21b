//! A wasm backtrace as text, innermost frame first.
//! Must never know why the guest stopped.

use craneway::FrameInfo;
use std::fmt::Write as _;
use std::ops::Range;

/// Frames (or runs of the same one) shown at the inner end of a deep stack.
const INNER: usize = 24;
/// Frames shown at the outer end of a deep stack.
const OUTER: usize = 8;

/// Appends the frames: recursion as one frame and a count, the middle of a deep stack left out.
pub(crate) fn write(out: &mut String, frames: &[FrameInfo]) {
    if frames.is_empty() {
        return;
    }
    out.push_str("\nwasm backtrace (innermost call first):");
    let runs = runs(frames);
    let all = runs.len() <= INNER + OUTER;
    for (nth, run) in runs.iter().enumerate() {
        if !all && nth == INNER {
            out.push_str("\n        ... frames left out");
        }
        if all || nth < INNER || nth >= runs.len() - OUTER {
            write_frame(out, run.start, &frames[run.start]);
            if run.len() > 1 {
                let _ = write!(out, "\n        ... and {} more of the same", run.len() - 1);
            }
        }
    }
}

/// Ranges of neighbours that are the same place in the same function.
fn runs(frames: &[FrameInfo]) -> Vec<Range<usize>> {
    let place = |frame: &FrameInfo| (frame.func_index(), frame.module_offset());
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        let same = |last: &&mut Range<usize>| {
            let before = &frames[last.start];
            place(before) == place(frame) && before.module_name() == frame.module_name()
        };
        match runs.last_mut().filter(same) {
            Some(last) => last.end = index + 1,
            None => runs.push(index..index + 1),
        }
    }
    runs
}

/// Appends one frame: its number, offset in the module, function, and source lines where known.
fn write_frame(out: &mut String, index: usize, frame: &FrameInfo) {
    let _ = write!(out, "\n  {index:>4}: ");
    let _ = match frame.module_offset() {
        Some(offset) => write!(out, "{offset:#8x}  "),
        None => write!(out, "{:8}  ", ""),
    };
    if let Some(module) = frame.module_name() {
        let _ = write!(out, "{module}!");
    }
    match frame.func_name() {
        Some(name) => {
            let _ = write!(out, "{:#}", rustc_demangle::demangle(name));
        }
        None => {
            let _ = write!(out, "<function {}>", frame.func_index());
        }
    }
    for symbol in frame.symbols() {
        if let Some(file) = symbol.file() {
            let _ = write!(out, "\n           at {file}");
            if let Some(line) = symbol.line() {
                let _ = write!(out, ":{line}");
            }
        }
    }
}
