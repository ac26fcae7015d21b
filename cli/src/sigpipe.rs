//! Lets a write to a closed pipe end the process, as it ends a native tool: `app.wasm | head -1` is quiet.
//! Rust programs ignore SIGPIPE from the start; a guest would then go on writing into the void.
//! Must never know who writes.

/// Gives SIGPIPE the meaning back that it has for other programs.
#[allow(
    unsafe_code,
    reason = "the standard library sets no signal's disposition"
)]
pub(crate) fn restore() {
    // SAFETY: called before any thread exists, with a signal number and a disposition that are valid
    // constants; no handler of ours is replaced.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
}
