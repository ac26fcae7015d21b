//! What each thread needs before it may enter wasm: an alternate signal stack, and the bounds of
//! its own stack.

use std::cell::{Cell, RefCell};
use std::io;

/// Least size of the alternate signal stack.
const ALT_STACK: usize = 64 << 10;

struct AltStack {
    base: *mut libc::c_void,
    bytes: usize,
}

impl Drop for AltStack {
    fn drop(&mut self) {
        // SAFETY: disabling comes before unmapping, so no signal can use freed memory; the mapping
        // is ours alone.
        unsafe {
            let mut off: libc::stack_t = std::mem::zeroed();
            off.ss_flags = libc::SS_DISABLE;
            libc::sigaltstack(&raw const off, std::ptr::null_mut());
            libc::munmap(self.base, self.bytes);
        }
    }
}

thread_local! {
    /// Lowest address of this thread's own stack; the highest of all before it was prepared.
    static STACK_LOW: Cell<usize> = const { Cell::new(usize::MAX) };
    static ALT: RefCell<Option<AltStack>> = const { RefCell::new(None) };
}

/// Readies the calling thread for wasm: cheap after the first time.
#[inline]
pub(crate) fn prepare_thread() -> io::Result<()> {
    if STACK_LOW.get() != usize::MAX {
        Ok(())
    } else {
        prepare()
    }
}

/// Bytes left of the thread's own stack below the caller's frame; none before it was prepared.
#[inline]
pub(crate) fn stack_left() -> usize {
    let here = 0u8;
    (&raw const here as usize).saturating_sub(STACK_LOW.get())
}

#[cold]
fn prepare() -> io::Result<()> {
    ensure_alt_stack()?;
    STACK_LOW.set(stack_low());
    Ok(())
}

fn stack_low() -> usize {
    // SAFETY: the attribute object is initialised by pthread_getattr_np before it is read, and
    // destroyed once.
    unsafe {
        let mut attr: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &raw mut attr) != 0 {
            return 1;
        }
        let (mut base, mut bytes) = (std::ptr::null_mut(), 0);
        libc::pthread_attr_getstack(&raw const attr, &raw mut base, &raw mut bytes);
        libc::pthread_attr_destroy(&raw mut attr);
        (base as usize).max(1)
    }
}

fn ensure_alt_stack() -> io::Result<()> {
    // SAFETY: getauxval has no preconditions.
    let least = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    let want = ALT_STACK
        .max(4 * least)
        .next_multiple_of(super::page_size());
    // SAFETY: querying writes one stack_t.
    let old = unsafe {
        let mut old: libc::stack_t = std::mem::zeroed();
        if libc::sigaltstack(std::ptr::null(), &raw mut old) != 0 {
            return Err(io::Error::last_os_error());
        }
        old
    };
    if old.ss_flags & libc::SS_DISABLE == 0 && old.ss_size >= want {
        return Ok(());
    }
    // SAFETY: a fresh private mapping that only the kernel and AltStack know; its lowest page is a
    // guard.
    unsafe {
        let page = super::page_size();
        let bytes = want + page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let base = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        );
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let alt = AltStack { base, bytes };
        if libc::mprotect(base, page, libc::PROT_NONE) != 0 {
            return Err(io::Error::last_os_error());
        }
        let new = libc::stack_t {
            ss_sp: base.byte_add(page),
            ss_flags: 0,
            ss_size: want,
        };
        if libc::sigaltstack(&raw const new, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        ALT.with_borrow_mut(|slot| *slot = Some(alt));
    }
    Ok(())
}
