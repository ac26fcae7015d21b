//! Address space: reserve, commit, seal, give back.

use region::{Allocation, Protection};
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

fn to_io(e: region::Error) -> io::Error {
    match e {
        region::Error::SystemCall(code) => io::Error::from_raw_os_error(code),
        other => io::Error::other(other.to_string()),
    }
}

/// The machine's page size in bytes.
pub(crate) fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(region::page::size)
}

/// Inaccessible address space, given back on drop.
pub(crate) struct Reservation {
    allocation: Allocation,
}

// SAFETY: it is an owned range of the process's address space; nothing about it belongs to a thread.
unsafe impl Send for Reservation {}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reservation")
            .field("base", &self.base())
            .field("len", &self.len())
            .finish()
    }
}

impl Reservation {
    /// Reserves `bytes` (rounded up to pages) without committing memory.
    pub(crate) fn new(bytes: usize) -> io::Result<Reservation> {
        let allocation = region::alloc(bytes.max(1), Protection::NONE).map_err(to_io)?;
        Ok(Reservation { allocation })
    }

    /// First address.
    pub(crate) fn base(&self) -> usize {
        self.allocation.as_ptr::<u8>() as usize
    }

    /// Bytes reserved.
    pub(crate) fn len(&self) -> usize {
        self.allocation.len()
    }

    /// Whether `address` lies in it.
    pub(crate) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.base()) < self.len()
    }
}

/// Reserves `bytes` at a multiple of `align` for the rest of the process.
pub(crate) fn reserve_aligned(bytes: usize, align: usize) -> io::Result<usize> {
    let allocation = region::alloc(bytes + align, Protection::NONE).map_err(to_io)?;
    let base = (allocation.as_ptr::<u8>() as usize).next_multiple_of(align);
    std::mem::forget(allocation);
    Ok(base)
}

/// Makes reserved pages readable and writable (zero when first touched).
///
/// # Safety
/// The range is page-aligned and belongs to a reservation of the caller's, with no other user.
pub(crate) unsafe fn make_accessible(base: usize, bytes: usize) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the caller owns the range.
    unsafe { region::protect(base as *const u8, bytes, Protection::READ_WRITE) }.map_err(to_io)
}

/// Seals pages: from now on they can only be read.
///
/// # Safety
/// As [`make_accessible`]; no reference for writing to the range is live.
pub(crate) unsafe fn make_read_only(base: usize, bytes: usize) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the caller owns the range.
    unsafe { region::protect(base as *const u8, bytes, Protection::READ) }.map_err(to_io)
}

/// Replaces pages by fresh inaccessible ones; what they held is gone.
///
/// # Safety
/// As [`make_accessible`]; no reference to the range is live.
pub(crate) unsafe fn make_inaccessible(base: usize, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller's promise.
    unsafe { map_fresh(base, bytes, ProtFlags::empty()) }
}

/// Replaces pages by fresh ones that are zero, readable and writable.
///
/// # Safety
/// As [`make_inaccessible`].
pub(crate) unsafe fn make_zero(base: usize, bytes: usize) -> io::Result<()> {
    // SAFETY: the caller's promise.
    unsafe { map_fresh(base, bytes, ProtFlags::READ | ProtFlags::WRITE) }
}

/// # Safety
/// As [`make_inaccessible`].
unsafe fn map_fresh(base: usize, bytes: usize, protection: ProtFlags) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
    // SAFETY: the caller owns the range.
    unsafe { mmap_anonymous(base as *mut libc::c_void, bytes, protection, flags)? };
    Ok(())
}

/// Throws away what pages hold: they are again zero, or what the file they are a copy of says.
///
/// # Safety
/// As [`make_inaccessible`].
pub(crate) unsafe fn throw_away(base: usize, bytes: usize) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    // SAFETY: the caller owns the range.
    let done = unsafe { libc::madvise(base as *mut libc::c_void, bytes, libc::MADV_DONTNEED) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Bytes of a huge page, and what one starts at a multiple of.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Asks that whole huge pages be used for a range where it is touched from now on. Advice: neither
/// what is accessible nor what it holds changes.
#[cfg(target_os = "linux")]
pub(crate) fn prefer_huge_pages(base: usize, bytes: usize) -> io::Result<()> {
    // SAFETY: this advice is about how memory is provided, and harmless for any range.
    let done = unsafe { libc::madvise(base as *mut libc::c_void, bytes, libc::MADV_HUGEPAGE) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// There is no such advice here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn prefer_huge_pages(_: usize, _: usize) -> io::Result<()> {
    Ok(())
}

/// Code, followed at a fixed distance by data that it reads; near our own code if there is room.
///
/// ```text
///   code: RX     │ data: R      … and elsewhere the same data pages: RW
///   ◄── bytes ─► │ ◄── bytes ►
/// ```
/// The writable view lies at another address, so a stray index near the code cannot reach it. Code
/// has none: it is written through the file.
pub(crate) struct CodeAlias {
    /// First byte of the code.
    pub(crate) code: usize,
    /// First byte of the writable view of the data.
    pub(crate) data: usize,
    file: OwnedFd,
}

impl CodeAlias {
    /// Maps `code` (a whole number of pages) and as many bytes of zeroed data, for the rest of the process.
    pub(crate) fn new(code: &[u8]) -> io::Result<CodeAlias> {
        use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
        let bytes = code.len();
        let fd = memfd_create("craneway-stubs", MemfdFlags::CLOEXEC)?;
        ftruncate(&fd, 2 * bytes as u64)?;
        write_all(&fd, code, 0)?;
        let range = super::near::reserve_for_code(2 * bytes)?;
        let at = range as *mut libc::c_void;
        let (rx, r) = (ProtFlags::READ | ProtFlags::EXEC, ProtFlags::READ);
        let fixed = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: both fixed mappings replace parts of a reservation made just above that nobody
        // else knows; the third lies where the kernel chooses.
        let data = unsafe {
            mmap(at, bytes, rx, fixed, &fd, 0)?;
            mmap(at.byte_add(bytes), bytes, r, fixed, &fd, bytes as u64)?;
            let rw = ProtFlags::READ | ProtFlags::WRITE;
            mmap(
                std::ptr::null_mut(),
                bytes,
                rw,
                MapFlags::SHARED,
                &fd,
                bytes as u64,
            )?
        };
        Ok(CodeAlias {
            code: range,
            data: data as usize,
            file: fd,
        })
    }

    /// Replaces code that has never been run, `offset` bytes from the first.
    pub(crate) fn write_code(&self, offset: usize, code: &[u8]) -> io::Result<()> {
        write_all(&self.file, code, offset)
    }
}

fn write_all(file: &OwnedFd, bytes: &[u8], at: usize) -> io::Result<()> {
    let mut written = 0;
    while written < bytes.len() {
        written += rustix::io::pwrite(file, &bytes[written..], (at + written) as u64)?;
    }
    Ok(())
}
