//! Places for code near the process's own, so that calls between the two are cheap.
//!
//! ```text
//!   4 GiB, aligned      (or, where the executable lies low: above it, from the end downwards)
//!   │ … ◄── images, stubs ◄── images, stubs │ room │ executable │ heap …            │
//!                                    start ▲
//! ```
//! A branch predictor keeps the low half of a target. A call whose target differs from its own address
//! in the high half costs 1.5 cycles more on a Sapphire Rapids, and so does its return; and a direct
//! call reaches only 2 GiB. It must never know what the code does.

use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a target's low half addresses.
const REGION: usize = 1 << 32;
/// What the executable and its heap may take, on either side of our own code.
const ROOM_BELOW: usize = 256 << 20;
const ROOM_ABOVE: usize = 1 << 30;
/// Least room that is worth using.
const LEAST: usize = 256 << 20;
/// Places tried before the kernel chooses one.
const TRIES: usize = 4;

/// Where code should lie.
fn wanted() -> Range<usize> {
    let own = wanted as *const () as usize;
    let region = own & !(REGION - 1);
    let below = region.max(super::page_size())..own.saturating_sub(ROOM_BELOW);
    if below.len() >= LEAST {
        return below;
    }
    own.saturating_add(ROOM_ABOVE)..region.saturating_add(REGION)
}

/// The next place for `bytes`: downwards, then from the top again. Where the first one lies is left to
/// chance.
fn place(bytes: usize) -> Option<usize> {
    static LAST: OnceLock<AtomicUsize> = OnceLock::new();
    let wanted = wanted();
    let last = LAST.get_or_init(|| {
        let chance = RandomState::new().hash_one(0) as usize % (LEAST / 2);
        AtomicUsize::new(wanted.end.saturating_sub(chance))
    });
    let below = |top: usize| {
        let at = top.checked_sub(bytes)? & !(super::page_size() - 1);
        (at >= wanted.start).then_some(at)
    };
    let next = |last| below(last).or_else(|| below(wanted.end));
    last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        .ok()
        .and_then(next)
}

/// Maps `bytes` near our own code, with `map`, which is given the address and how to take it.
fn map_near(
    bytes: usize,
    map: impl Fn(*mut libc::c_void, MapFlags) -> rustix::io::Result<*mut libc::c_void>,
) -> Option<usize> {
    for _ in 0..TRIES {
        match map(place(bytes)? as *mut _, MapFlags::FIXED_NOREPLACE) {
            Ok(base) => return Some(base as usize),
            Err(Errno::EXIST) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Maps `len` bytes of a file, readable, near our own code if there is room.
///
/// # Safety
/// As for [`FileMap::new`](super::FileMap::new).
pub(crate) unsafe fn map_file(file: BorrowedFd<'_>, len: usize) -> io::Result<usize> {
    let map = |at, how| {
        // SAFETY: a new mapping, of the caller's file, which replaces none.
        unsafe { mmap(at, len, ProtFlags::READ, MapFlags::PRIVATE | how, file, 0) }
    };
    match map_near(len, map) {
        Some(base) => Ok(base),
        None => Ok(map(null_mut(), MapFlags::empty())? as usize),
    }
}

/// Reserves `bytes` for the rest of the process, near our own code if there is room.
pub(crate) fn reserve_for_code(bytes: usize) -> io::Result<usize> {
    let map = |at, how| {
        // SAFETY: a new mapping, which replaces none.
        unsafe { mmap_anonymous(at, bytes, ProtFlags::empty(), MapFlags::PRIVATE | how) }
    };
    match map_near(bytes, map) {
        Some(base) => Ok(base),
        None => Ok(map(null_mut(), MapFlags::empty())? as usize),
    }
}

/// Code near our own: written once, then readable and executable; unmapped on drop.
#[derive(Debug)]
pub(crate) struct NearCode {
    base: usize,
    len: usize,
}

impl NearCode {
    /// A copy of `text`, if there is room.
    pub(crate) fn new(text: &[u8]) -> Option<NearCode> {
        let len = text.len().max(1);
        let map = |at, how| {
            let writable = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new mapping, which replaces none.
            unsafe { mmap_anonymous(at, len, writable, MapFlags::PRIVATE | how) }
        };
        let code = NearCode {
            base: map_near(len, map)?,
            len,
        };
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the mapping is ours, writable and as long as the text; nobody else knows it.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr(), code.base as *mut u8, text.len());
            mprotect(code.base as *mut _, len, flags).ok()?;
        }
        Some(code)
    }

    /// Address of the first byte, page-aligned.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for NearCode {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours; its owner guarantees that none of its code runs any more.
        let _ = unsafe { munmap(self.base as *mut _, self.len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a call between our code and `address` is a cheap one.
    fn is_near(address: usize) -> bool {
        (address ^ wanted as *const () as usize) < REGION
    }

    #[test]
    fn places_are_near_and_differ() {
        let (a, b) = (place(5000).unwrap(), place(5000).unwrap());
        assert!(is_near(a) && is_near(b), "{a:#x} {b:#x}");
        assert!(a.abs_diff(b) >= 5000 && a.is_multiple_of(super::super::page_size()));
        assert_eq!(place(REGION), None);
    }

    #[test]
    fn places_begin_again_at_the_top() {
        for _ in 0..20 {
            let at = place(LEAST / 2).unwrap();
            assert!(wanted().contains(&at), "{at:#x}");
        }
    }

    #[test]
    fn code_runs_where_it_was_put_and_its_place_is_free_again() {
        // mov eax, 7; ret
        let code = NearCode::new(&[0xb8, 7, 0, 0, 0, 0xc3]).unwrap();
        assert!(is_near(code.base()));
        // SAFETY: the code is a function without arguments that returns an integer.
        let seven: extern "C" fn() -> i32 = unsafe { std::mem::transmute(code.base()) };
        assert_eq!((seven(), code.len()), (7, 6));
        let taken = |at, how| {
            // SAFETY: a new mapping, which replaces none.
            unsafe { mmap_anonymous(at, 6, ProtFlags::empty(), MapFlags::PRIVATE | how) }
        };
        let at = code.base as *mut libc::c_void;
        assert_eq!(taken(at, MapFlags::FIXED_NOREPLACE), Err(Errno::EXIST));
        drop(code);
        let again = taken(at, MapFlags::FIXED_NOREPLACE).unwrap();
        assert_eq!(again, at);
        // SAFETY: the mapping was just made.
        unsafe { munmap(again, 6).unwrap() };
    }
}
