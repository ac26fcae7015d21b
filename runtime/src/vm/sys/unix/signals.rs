//! The process's fault signals: installed once, chained to whoever was there before.

use std::io;
use std::sync::OnceLock;

/// The kind of fault that a signal reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An access to this address was refused (SIGSEGV, or SIGBUS).
    Memory {
        /// The address.
        address: usize,
        /// Whether it was SIGBUS.
        bus: bool,
    },
    /// An arithmetic fault.
    Arithmetic,
    /// An illegal instruction: a trap that the compiler placed.
    Illegal,
}

/// Decides about a fault: true if the context was redirected and the signal is dealt with.
///
/// It runs in a signal handler: no allocation, no locks.
pub(crate) type Decide = unsafe fn(Fault, *mut libc::c_void) -> bool;

const SIGNALS: [libc::c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

struct Installed {
    decide: Decide,
    previous: [libc::sigaction; SIGNALS.len()],
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Installs the handlers; later calls change nothing.
pub(crate) fn install_handlers(decide: Decide) -> io::Result<()> {
    if INSTALLED.get().is_some() {
        return Ok(());
    }
    // The previous actions must be known before the first of our handlers can run.
    // SAFETY: querying writes one sigaction each; all-zero is a valid value of the type.
    let previous = unsafe {
        let mut previous: [libc::sigaction; SIGNALS.len()] = std::mem::zeroed();
        for (signal, old) in SIGNALS.iter().zip(&mut previous) {
            if libc::sigaction(*signal, std::ptr::null(), old) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        previous
    };
    if INSTALLED.set(Installed { decide, previous }).is_err() {
        return Ok(());
    }
    for signal in SIGNALS {
        // SAFETY: the handler is async-signal-safe (it allocates nothing and takes no lock) and
        // has the SA_SIGINFO form.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(signal, &raw const action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// The fault that a signal reports, if it is one that faults are reported by.
///
/// # Safety
/// `info` is the kernel's for this signal.
pub(crate) unsafe fn fault(signal: libc::c_int, info: *const libc::siginfo_t) -> Option<Fault> {
    match signal {
        libc::SIGFPE => Some(Fault::Arithmetic),
        libc::SIGILL => Some(Fault::Illegal),
        libc::SIGSEGV | libc::SIGBUS => Some(Fault::Memory {
            // SAFETY: these signals carry an address.
            address: unsafe { (*info).si_addr() } as usize,
            bus: signal == libc::SIGBUS,
        }),
        _ => None,
    }
}

unsafe extern "C" fn handler(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let Some(installed) = INSTALLED.get() else {
        return;
    };
    // SAFETY: the arguments are the kernel's, and the context is the one of this signal.
    if unsafe { fault(signal, info).is_some_and(|fault| (installed.decide)(fault, context)) } {
        return;
    }
    let at = SIGNALS.iter().position(|s| *s == signal).unwrap_or(0);
    let previous = &installed.previous[at];
    // SAFETY: calls the earlier handler exactly as the kernel would have, or restores the default
    // action so that returning repeats the fault and ends the process.
    unsafe {
        if previous.sa_sigaction == libc::SIG_DFL || previous.sa_sigaction == libc::SIG_IGN {
            libc::sigaction(signal, previous, std::ptr::null_mut());
        } else if previous.sa_flags & libc::SA_SIGINFO != 0 {
            let f: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(previous.sa_sigaction);
            f(signal, info, context);
        } else {
            let f: extern "C" fn(libc::c_int) = std::mem::transmute(previous.sa_sigaction);
            f(signal);
        }
    }
}
