//! A process that owns its signals: its handler asks the library, which installs none. One test,
//! because handlers are the whole process's.

use craneway::{Caller, Config, Engine, Linker, Module, Result, Store, Trap, try_handle_signal};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

static HANDLED: AtomicUsize = AtomicUsize::new(0);
static FOREIGN: AtomicUsize = AtomicUsize::new(0);
/// A page that the handler opens when an access to it was refused.
static PAGE: AtomicUsize = AtomicUsize::new(0);
const PAGE_BYTES: usize = 4096;

unsafe extern "C" fn handler(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the arguments are the kernel's; mprotect is a bare system call, and the page is the test's.
    unsafe {
        if try_handle_signal(signal, info.cast(), context) {
            HANDLED.fetch_add(1, Ordering::SeqCst);
            return;
        }
        FOREIGN.fetch_add(1, Ordering::SeqCst);
        let page = PAGE.load(Ordering::SeqCst);
        if signal == libc::SIGSEGV {
            let at = (*info).si_addr() as usize;
            if page == 0 || !(page..page + PAGE_BYTES).contains(&at) {
                libc::_exit(77);
            }
            libc::mprotect(
                page as *mut c_void,
                PAGE_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
            );
        }
    }
}

const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

fn install() {
    for signal in SIGNALS {
        // SAFETY: the handler is async-signal-safe and has the form of SA_SIGINFO.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
        }
    }
}

fn installed(signal: c_int) -> usize {
    // SAFETY: asking writes one sigaction.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        assert_eq!(libc::sigaction(signal, std::ptr::null(), &mut action), 0);
        action.sa_sigaction
    }
}

fn counts() -> (usize, usize) {
    (
        HANDLED.swap(0, Ordering::SeqCst),
        FOREIGN.swap(0, Ordering::SeqCst),
    )
}

/// Reads a page that may not be read, which the handler then opens.
fn fault() -> u8 {
    // SAFETY: a new mapping, closed, then read: the handler makes it readable.
    unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(
            std::ptr::null_mut(),
            PAGE_BYTES,
            libc::PROT_NONE,
            flags,
            -1,
            0,
        );
        assert_ne!(page, libc::MAP_FAILED);
        PAGE.store(page as usize, Ordering::SeqCst);
        let byte = page.cast::<u8>().read_volatile();
        libc::munmap(page, PAGE_BYTES);
        byte
    }
}

#[test]
fn traps_work_through_a_foreign_handler_and_foreign_faults_are_left_alone() -> Result<()> {
    install();
    let engine = Engine::new(Config::new().install_handlers(false))?;
    let module = Module::new(
        &engine,
        r#"(module (import "h" "fault" (func $fault)) (memory 1)
            (func (export "heap") (param i32) (result i32) (i32.load (local.get 0)))
            (func (export "divide") (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
            (func (export "unreachable") (param i32) (result i32) unreachable)
            (func $deep (export "deep") (param i32) (result i32) (i32.add (local.get 0) (call $deep (local.get 0))))
            (func (export "host") (param i32) (result i32) (call $fault) (i32.load (local.get 0))))"#,
    )?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("h", "fault", |_: Caller<'_, ()>| assert_eq!(fault(), 0))?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    for signal in SIGNALS {
        assert_eq!(installed(signal), handler as *const () as usize);
    }
    assert_eq!(counts(), (0, 0));
    for _ in 0..3 {
        for (name, argument, trap, foreign) in [
            ("heap", -8, Trap::MemoryOutOfBounds, 0),
            ("divide", 0, Trap::IntegerDivisionByZero, 0),
            ("unreachable", 0, Trap::UnreachableCodeReached, 0),
            ("deep", 0, Trap::StackOverflow, 0),
            ("host", -8, Trap::MemoryOutOfBounds, 1),
        ] {
            let f = instance.get_typed_func::<i32, i32>(&mut store, name)?;
            let error = f.call(&mut store, argument).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&trap), "{name}: {error:?}");
            assert_eq!(counts(), (1, foreign), "{name}");
        }
        let f = instance.get_typed_func::<i32, i32>(&mut store, "host")?;
        assert_eq!(f.call(&mut store, 8)?, 0);
        assert_eq!(counts(), (0, 1), "a foreign fault under a call");
    }
    // Faults of code that is not ours, and signals that somebody sends.
    assert_eq!(fault(), 0);
    for signal in [libc::SIGFPE, libc::SIGILL, libc::SIGBUS] {
        // SAFETY: the handler returns.
        assert_eq!(unsafe { libc::raise(signal) }, 0);
    }
    assert_eq!(counts(), (0, 4));
    // SAFETY: a signal that reports no fault is refused before anything of it is read.
    let other =
        unsafe { try_handle_signal(libc::SIGUSR1, std::ptr::null_mut(), std::ptr::null_mut()) };
    assert!(!other);
    // Another thread gets the alternate stack that the handler needs for the end of a wasm stack.
    std::thread::spawn(move || {
        let f = instance
            .get_typed_func::<i32, i32>(&mut store, "deep")
            .unwrap();
        let error = f.call(&mut store, 1).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
    })
    .join()
    .unwrap();
    assert_eq!(counts(), (1, 0));
    Ok(())
}
