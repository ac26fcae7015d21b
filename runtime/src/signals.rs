//! Signals in processes that own their handlers.

use std::ffi::{c_int, c_void};

/// Deals with a fault signal if it was raised by wasm code: then the context is changed so that, when
/// the handler returns, the call that was running leaves with its trap, and the result is true. For
/// every other signal and fault nothing is done, and the result is false.
///
/// For processes that forbid the library to install handlers, by
/// [`Config::install_handlers`](crate::Config::install_handlers): their own handler of `SIGSEGV`,
/// `SIGBUS`, `SIGFPE` and `SIGILL` calls this first, with its three arguments, and does its own work
/// when the result is false. It must be installed with `SA_SIGINFO` and `SA_ONSTACK` before wasm is
/// called; threads that call wasm get an alternate signal stack if they have none that is large enough.
///
/// It takes no lock and allocates nothing. A fault in wasm code that no trap explains (a bug of the
/// compiler, or a compiled file that was cut off) ends the process with a message.
///
/// ```no_run
/// use std::ffi::{c_int, c_void};
/// unsafe extern "C" fn handler(signal: c_int, info: *mut c_void, context: *mut c_void) {
///     // SAFETY: the arguments are the kernel's.
///     if unsafe { craneway::try_handle_signal(signal, info, context) } {
///         return;
///     }
///     // The process's own handling.
/// }
/// ```
///
/// # Safety
/// Called from a handler installed with `SA_SIGINFO`, with the arguments that the kernel passed: `info`
/// points at a `siginfo_t`, `context` at a `ucontext_t`. When the result is true, the handler returns
/// without touching the context again.
pub unsafe fn try_handle_signal(signal: c_int, info: *mut c_void, context: *mut c_void) -> bool {
    // SAFETY: the caller's promise.
    unsafe { crate::vm::handle_signal(signal, info.cast(), context) }
}
