//! Files as memory: read in place, run from, copied on write.
//!
//! It must never know what the files hold.

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect, munmap};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A whole file in memory, readable; parts may be made executable. Unmapped on drop.
#[derive(Debug)]
pub(crate) struct FileMap {
    base: usize,
    len: usize,
    file: File,
    listed: Option<&'static Listed>,
}

impl FileMap {
    /// Maps `file`, which must not be empty.
    ///
    /// # Safety
    /// As long as the value lives, nobody changes or truncates the file: a changed page would change
    /// under references to it, and a page behind a new end is a SIGBUS.
    pub(crate) unsafe fn new(file: File) -> io::Result<FileMap> {
        let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        // SAFETY: the caller's promise.
        let base = unsafe { super::near::map_file(file.as_fd(), len)? };
        Ok(FileMap {
            base,
            len,
            file,
            listed: list(base, len),
        })
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is ours and readable as long as `self`; its bytes do not change, as
        // the maker promised.
        unsafe { std::slice::from_raw_parts(self.base as *const u8, self.len) }
    }

    /// Lets the page-aligned `range` run as well. Refused on file systems mounted `noexec`.
    pub(crate) fn make_executable(&self, range: Range<usize>) -> io::Result<()> {
        assert!(range.end <= self.len && range.start.is_multiple_of(super::page_size()));
        let flags = MprotectFlags::READ | MprotectFlags::EXEC;
        // SAFETY: the range lies in our mapping, which is never writable.
        unsafe { mprotect((self.base + range.start) as *mut _, range.len(), flags)? };
        Ok(())
    }

    /// The file, to map parts of it elsewhere.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for FileMap {
    fn drop(&mut self) {
        if let Some(listed) = self.listed {
            listed.len.store(0, Ordering::Release);
            listed.base.store(0, Ordering::Release);
        }
        // SAFETY: the mapping is ours; borrows of its bytes have ended.
        let _ = unsafe { munmap(self.base as *mut _, self.len) };
    }
}

/// Replaces the pages at `base` with a private copy, made on write, of the file's bytes from `offset`.
///
/// # Safety
/// The page-aligned range belongs to a reservation of the caller's and nothing in it is in use; the
/// file keeps its size and content while the mapping lives.
pub(crate) unsafe fn map_copy(
    file: BorrowedFd<'_>,
    offset: u64,
    base: usize,
    bytes: usize,
) -> io::Result<()> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::PRIVATE | MapFlags::FIXED;
    // SAFETY: the caller's promise.
    unsafe { mmap(base as *mut _, bytes, protection, flags, file, offset)? };
    Ok(())
}

/// A nameless file in memory that holds `bytes` and never changes.
pub(crate) fn sealed_memory_file(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = memfd_create("craneway-memory", flags)?;
    ftruncate(&fd, bytes.len() as u64)?;
    let mut written = 0;
    while written < bytes.len() {
        written += rustix::io::pwrite(&fd, &bytes[written..], written as u64)?;
    }
    fcntl_add_seals(
        &fd,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
    )?;
    Ok(fd)
}

/// Where a mapped file lies, for the handler of SIGBUS.
#[derive(Debug)]
struct Listed {
    base: AtomicUsize,
    len: AtomicUsize,
}

static LIST: [Listed; 256] = [const {
    Listed {
        base: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
    }
}; 256];

/// Notes a mapping; more than the list holds are not noted, which costs a message only.
fn list(base: usize, len: usize) -> Option<&'static Listed> {
    let free = |l: &&Listed| {
        let claimed = l
            .base
            .compare_exchange(0, base, Ordering::AcqRel, Ordering::Relaxed);
        claimed.is_ok()
    };
    let listed = LIST.iter().find(free)?;
    listed.len.store(len, Ordering::Release);
    Some(listed)
}

/// Whether `address` lies in a mapped file. Takes no lock: signal handlers ask.
pub(crate) fn in_mapped_file(address: usize) -> bool {
    LIST.iter().any(|l| {
        let base = l.base.load(Ordering::Acquire);
        address.wrapping_sub(base) < l.len.load(Ordering::Acquire)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_is_read_in_place_and_copied_on_write() {
        let mut file = tempfile::tempfile().unwrap();
        let page = super::super::page_size();
        file.write_all(&vec![7; 2 * page]).unwrap();
        // SAFETY: nobody else knows the file.
        let map = unsafe { FileMap::new(file) }.unwrap();
        assert!(in_mapped_file(map.bytes().as_ptr() as usize + page));
        assert_eq!(map.bytes(), vec![7; 2 * page]);
        let place = super::super::Reservation::new(2 * page).unwrap();
        // SAFETY: the reservation is ours and unused; the file does not change.
        let copy = unsafe {
            map_copy(map.file(), page as u64, place.base(), page).unwrap();
            std::slice::from_raw_parts_mut(place.base() as *mut u8, page)
        };
        copy[3] = 9;
        assert_eq!((copy[2], copy[3], map.bytes()[page + 3]), (7, 9, 7));
        let base = map.bytes().as_ptr() as usize;
        drop(map);
        assert!(!in_mapped_file(base));
    }

    #[test]
    fn a_memory_file_holds_its_bytes_and_cannot_be_written() {
        let fd = sealed_memory_file(b"hello").unwrap();
        let mut got = [0; 5];
        assert_eq!(rustix::io::pread(&fd, &mut got, 0).unwrap(), 5);
        assert_eq!(&got, b"hello");
        assert!(rustix::io::pwrite(&fd, b"x", 0).is_err());
        assert!(ftruncate(&fd, 1).is_err());
    }
}
