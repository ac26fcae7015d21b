//! From a fault signal to a trap: is it ours, which one, and how the code leaves.
//!
//! Everything here runs in a signal handler on the alternate stack: it allocates nothing and takes
//! no lock. The activation is found by masking sp, never through thread-locals.

use super::activation::Activation;
use super::arch::{self, Registers};
use super::code;
use super::stack;
use super::sys::{self, Fault};
use craneway_jit::abi::TrapCode;

/// Addresses this near to 0 or to 2^64 are null or Spectre-guarded accesses.
const NEAR_NULL: usize = 64 << 10;

/// What was interrupted, for the trap and its backtrace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrapInfo {
    pub(crate) code: TrapCode,
    pub(crate) pc: usize,
    pub(crate) sp: usize,
    pub(crate) fp: usize,
}

/// Installs the process's handlers, once.
pub(crate) fn install() -> std::io::Result<()> {
    sys::install_handlers(decide)
}

/// Deals with a signal on behalf of a handler that is not ours.
///
/// # Safety
/// The arguments are those of an `SA_SIGINFO` handler.
pub(crate) unsafe fn handle_signal(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe { sys::fault(signal, info).is_some_and(|fault| decide(fault, context)) }
}

/// # Safety
/// Called by the signal handler with the fault's own context.
unsafe fn decide(fault: Fault, context: *mut libc::c_void) -> bool {
    if let Fault::Memory { address, bus: true } = fault
        && sys::in_mapped_file(address)
    {
        give_up(b"craneway: a mapped file of compiled code cannot be read: was it truncated? aborting\n")
    }
    // SAFETY: the context is the kernel's.
    let registers = unsafe { arch::read_context(context) };
    let Some(header) = stack::header_of(registers.sp) else {
        return false;
    };
    // SAFETY: sp lies in a registered wasm stack, whose header is always readable.
    let (activation, limit) = unsafe { ((*header).activation, (*header).limit) };
    if activation.is_null() {
        return false;
    }
    // SAFETY: code at pc is running on a stack of a store that keeps its module alive.
    let module = unsafe { code::find(registers.pc) };
    if module.is_none() && !arch::is_trampoline(registers.pc) {
        return false;
    }
    let guard = stack::slot_base(registers.sp)..limit;
    let code = match fault {
        Fault::Memory { address, .. } if guard.contains(&address) => Some(TrapCode::StackOverflow),
        Fault::Memory {
            address,
            bus: false,
        } => {
            let code = module.and_then(|m| m.trap_at(registers.pc));
            // SAFETY: the activation belongs to running code.
            code.filter(|code| unsafe { explains(*code, address, activation) })
        }
        Fault::Memory { .. } => None,
        Fault::Arithmetic | Fault::Illegal => module.and_then(|m| m.trap_at(registers.pc)),
    };
    let Some(code) = code else {
        give_up(match fault {
            Fault::Memory { bus: true, .. } => b"craneway: a page of wasm memory cannot be read: was a compiled file truncated? aborting\n",
            _ => b"craneway: fault in compiled code that no trap record explains; aborting\n",
        })
    };
    let Registers { pc, sp, fp } = registers;
    // SAFETY: the activation belongs to the code that faulted, which goes no further.
    unsafe {
        (*activation).trap = Some(TrapInfo { code, pc, sp, fp });
        arch::redirect_to_leave(context, activation);
    }
    true
}

/// Whether a trap record accounts for an access to `address`.
///
/// # Safety
/// `activation` is running.
unsafe fn explains(code: TrapCode, address: usize, activation: *mut Activation) -> bool {
    let near_null = !(NEAR_NULL..=usize::MAX - NEAR_NULL).contains(&address);
    match code {
        TrapCode::HeapOutOfBounds => {
            // SAFETY: wasm runs, so nobody changes the store's list of memories.
            near_null || unsafe { (*(*activation).store).owns_address(address) }
        }
        TrapCode::TableOutOfBounds | TrapCode::NullReference | TrapCode::IndirectCallToNull => {
            near_null
        }
        _ => false,
    }
}

/// A fault in wasm code that no record explains is a bug of the compiler or of the host, or a file
/// that changed under us: going on would hide it.
fn give_up(text: &[u8]) -> ! {
    // SAFETY: write and abort are async-signal-safe.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.len());
        libc::abort()
    }
}
