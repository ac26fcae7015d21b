//! A wasm backtrace as text, innermost frame first.
//! Must never know why the guest stopped.

use craneway::FrameInfo;
use std::fmt::Write as _;

/// Frames shown at the inner end of a deep stack.
const INNER: usize = 24;
/// Frames shown at the outer end of a deep stack.
const OUTER: usize = 8;

/// Appends the frames, leaving out the middle of a deep stack.
pub(crate) fn write(out: &mut String, frames: &[FrameInfo]) {
    if frames.is_empty() {
        return;
    }
    out.push_str("\nwasm backtrace (innermost call first):");
    let all = frames.len() <= INNER + OUTER;
    for (index, frame) in frames.iter().enumerate() {
        if !all && index == INNER {
            let _ = write!(
                out,
                "\n       ... {} frames left out",
                frames.len() - INNER - OUTER
            );
        }
        if all || index < INNER || index >= frames.len() - OUTER {
            write_frame(out, index, frame);
        }
    }
}

/// Appends one frame: its number, offset in the module, function, and source lines where known.
fn write_frame(out: &mut String, index: usize, frame: &FrameInfo) {
    let _ = write!(out, "\n  {index:>4}: ");
    if let Some(offset) = frame.module_offset() {
        let _ = write!(out, "{offset:#8x}  ");
    }
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
