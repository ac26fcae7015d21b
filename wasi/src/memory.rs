//! Guest memory as the host functions see it: bounds-checked reads and writes, and system calls straight on guest iovecs.
//!
//! The only file with unsafe code. It knows one memory at one moment: a value made here borrows the caller, so it cannot
//! outlive the poll that made it, and no wasm runs and no memory grows while it lives. It must never know descriptors.
#![expect(
    unsafe_code,
    reason = "guest memory is reached through raw pointers; every block argues why that is sound"
)]

use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use craneway::Caller;

use crate::ctx::WasiCtx;
use crate::errno::Errno;

/// How many iovecs go to the kernel at once. The array lives on the host's stack; most lists are short, and a short
/// array is made faster.
const BATCH: usize = 64;
const SHORT_BATCH: usize = 8;

/// How many iovecs one call may list: sixty-four times what systems take. Each is looked at before anything moves.
const MAX_IOVECS: u32 = 65_536;

/// The longest run of bytes that one batch moves, below every kernel's limit for one call.
const BATCH_BYTES: usize = 0x7fff_0000;

/// The caller's memory, for the length of one attempt at a host function.
pub(crate) struct GuestMemory<'m> {
    base: *mut u8,
    len: usize,
    borrow: PhantomData<&'m mut [u8]>,
}

/// Takes the memory and the context out of the caller. `None` if the caller exports no memory.
///
/// Both parts borrow the caller exclusively: until both are gone nobody can run wasm in this store or grow the memory.
#[inline]
pub(crate) fn split<'c, T, G>(
    caller: &'c mut Caller<'_, T>,
    get: &G,
) -> Option<(GuestMemory<'c>, &'c mut WasiCtx)>
where
    T: 'static,
    G: Fn(&mut T) -> &mut WasiCtx,
{
    let (base, len) = range(caller)?;
    let borrow = PhantomData;
    Some((GuestMemory { base, len, borrow }, get(caller.data_mut())))
}

/// The same for callers without a memory too, who get an empty one.
pub(crate) fn split_any<'c, T, G>(
    caller: &'c mut Caller<'_, T>,
    get: &G,
) -> (GuestMemory<'c>, &'c mut WasiCtx)
where
    T: 'static,
    G: Fn(&mut T) -> &mut WasiCtx,
{
    let mem = match range(caller) {
        Some((base, len)) => GuestMemory {
            base,
            len,
            borrow: PhantomData,
        },
        None => GuestMemory::none(),
    };
    (mem, get(caller.data_mut()))
}

/// Where the caller's memory lies and how long it is.
#[inline]
fn range<T: 'static>(caller: &mut Caller<'_, T>) -> Option<(*mut u8, usize)> {
    let memory = caller.memory()?;
    Some((memory.data_ptr(&*caller), memory.data_size(&*caller)))
}

impl GuestMemory<'_> {
    /// No bytes at all, for functions that touch none.
    pub(crate) fn none() -> GuestMemory<'static> {
        GuestMemory {
            base: std::ptr::NonNull::dangling().as_ptr(),
            len: 0,
            borrow: PhantomData,
        }
    }

    /// The host address of `len` bytes at `addr`, if all of them lie inside the memory.
    fn range(&self, addr: u32, len: usize) -> Result<*mut u8, Errno> {
        let end = (addr as usize).checked_add(len).ok_or(Errno::Fault)?;
        if end > self.len {
            return Err(Errno::Fault);
        }
        // `end <= len`, so the address stays inside the memory or just behind its last byte.
        Ok(self.base.wrapping_add(addr as usize))
    }

    /// `len` bytes of the guest.
    pub(crate) fn bytes(&self, addr: u32, len: u32) -> Result<&[u8], Errno> {
        let start = self.range(addr, len as usize)?;
        // SAFETY: `range` checked that the bytes lie inside the memory, which `split` took from a caller that stays
        // exclusively borrowed while `self` lives: the memory is neither unmapped nor written by wasm meanwhile. Host
        // writes go through `&mut self` only. The base of a memory is never null.
        Ok(unsafe { std::slice::from_raw_parts(start, len as usize) })
    }

    /// `len` bytes of the guest, to be written.
    pub(crate) fn bytes_mut(&mut self, addr: u32, len: u32) -> Result<&mut [u8], Errno> {
        let start = self.range(addr, len as usize)?;
        // SAFETY: as in `bytes`; `&mut self` makes this the only host reference into the memory.
        Ok(unsafe { std::slice::from_raw_parts_mut(start, len as usize) })
    }

    /// Stores bytes at `addr`, all or none of them.
    pub(crate) fn write(&mut self, addr: u32, bytes: &[u8]) -> Result<(), Errno> {
        let len = u32::try_from(bytes.len()).map_err(|_| Errno::Overflow)?;
        self.bytes_mut(addr, len)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Stores a little-endian number at any alignment.
    pub(crate) fn write_u32(&mut self, addr: u32, value: u32) -> Result<(), Errno> {
        self.write(addr, &value.to_le_bytes())
    }

    /// Stores a little-endian number at any alignment.
    pub(crate) fn write_u64(&mut self, addr: u32, value: u64) -> Result<(), Errno> {
        self.write(addr, &value.to_le_bytes())
    }

    /// Fails unless `len` bytes at `addr` can be written later.
    pub(crate) fn check(&self, addr: u32, len: u32) -> Result<(), Errno> {
        self.range(addr, len as usize).map(|_| ())
    }

    /// A list of `count` guest iovecs at `addr`, every one of which lies inside the memory now.
    pub(crate) fn iovecs(&mut self, addr: u32, count: u32) -> Result<IoVecs<'_>, Errno> {
        let bytes = count.checked_mul(8).ok_or(Errno::Inval)?;
        self.check(addr, bytes)?;
        if count > MAX_IOVECS {
            return Err(Errno::Inval);
        }
        let mut vecs = IoVecs {
            base: self.base,
            len: self.len,
            addr,
            count,
            total: 0,
            borrow: PhantomData,
        };
        let mut total = 0_u64;
        for index in 0..count {
            total += vecs.entry(index)?.1 as u64;
        }
        // The result has 32 bits; a list that describes more is a mistake of the guest.
        let total = u32::try_from(total).map_err(|_| Errno::Inval)?;
        vecs.total = total as usize;
        Ok(vecs)
    }
}

/// Where and how a transfer happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transfer {
    /// At the descriptor's own position; may block.
    Here,
    /// At an offset, leaving the position alone.
    At(u64),
    /// At the descriptor's position, failing with `Again` where it would block and `Notsup` where the host cannot tell.
    NoWait,
}

/// A validated list of guest iovecs.
///
/// The list itself stays in guest memory and a read may overwrite it (that is legal), so entries are validated again
/// whenever they are loaded.
pub(crate) struct IoVecs<'m> {
    base: *mut u8,
    len: usize,
    addr: u32,
    count: u32,
    total: usize,
    borrow: PhantomData<&'m mut [u8]>,
}

impl IoVecs<'_> {
    /// The sum of all lengths.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Host address and length of one entry.
    fn entry(&self, index: u32) -> Result<(*mut u8, usize), Errno> {
        let at = self.addr as usize + 8 * index as usize;
        // SAFETY: `GuestMemory::iovecs` checked that the whole list lies inside the memory and `index < count` at every
        // caller; the read is unaligned and of plain integers, so any bytes are valid.
        let (pointer, length) = unsafe {
            let record = self.base.add(at).cast::<u32>();
            (
                u32::from_le(record.read_unaligned()),
                u32::from_le(record.add(1).read_unaligned()),
            )
        };
        let (pointer, length) = (pointer as usize, length as usize);
        match pointer.checked_add(length) {
            Some(end) if end <= self.len => Ok((self.base.wrapping_add(pointer), length)),
            _ => Err(Errno::Fault),
        }
    }

    /// Hands the list to `move_batch` in batches, leaving out the first `skip` bytes, until it moves less than offered.
    /// An error after some bytes have been moved is not reported: the next call meets it again.
    fn batches<F>(&self, skip: usize, move_batch: F) -> Result<usize, Errno>
    where
        F: FnMut(&[libc::iovec], usize) -> Result<usize, Errno>,
    {
        if self.count == 1 {
            self.batches_of::<1, F>(skip, move_batch)
        } else if self.count as usize <= SHORT_BATCH {
            self.batches_of::<SHORT_BATCH, F>(skip, move_batch)
        } else {
            self.batches_of::<BATCH, F>(skip, move_batch)
        }
    }

    /// [`IoVecs::batches`] with at most `N` entries in each.
    fn batches_of<const N: usize, F>(
        &self,
        mut skip: usize,
        mut move_batch: F,
    ) -> Result<usize, Errno>
    where
        F: FnMut(&[libc::iovec], usize) -> Result<usize, Errno>,
    {
        let mut moved = 0;
        let mut index = 0;
        while index < self.count {
            let mut batch = [libc::iovec {
                iov_base: std::ptr::null_mut(),
                iov_len: 0,
            }; N];
            let (mut filled, mut offered) = (0, 0);
            while index < self.count && filled < N && offered < BATCH_BYTES {
                let (pointer, length) = match self.entry(index) {
                    Ok(entry) => entry,
                    Err(_) if moved > 0 || filled > 0 => break,
                    Err(errno) => return Err(errno),
                };
                index += 1;
                let dropped = skip.min(length);
                skip -= dropped;
                let rest = (length - dropped).min(BATCH_BYTES - offered);
                if rest > 0 {
                    batch[filled] = libc::iovec {
                        iov_base: pointer.wrapping_add(dropped).cast(),
                        iov_len: rest,
                    };
                    filled += 1;
                    offered += rest;
                }
                if rest < length - dropped {
                    // The rest of this entry is beyond one call; the guest asks again for it.
                    index = self.count;
                }
            }
            if filled == 0 {
                break;
            }
            match move_batch(&batch[..filled], moved) {
                Ok(count) => {
                    moved += count;
                    if count < offered {
                        break;
                    }
                }
                Err(_) if moved > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(moved)
    }

    /// Reads from the descriptor into the guest.
    pub(crate) fn read_from(&mut self, fd: BorrowedFd<'_>, how: Transfer) -> Result<usize, Errno> {
        self.batches(0, |batch, moved| {
            let (fd_number, count) = (fd.as_raw_fd(), batch.len() as libc::c_int);
            // SAFETY of all calls: every iovec lies inside the guest's memory, which stays mapped and writable and is not
            // looked at by the host meanwhile (`&mut self`, and the caller is borrowed). Entries may overlap: the kernel does
            // not mind.
            // A single piece is cheaper for the kernel without a list.
            retry(|| match (how, batch) {
                // SAFETY: as above.
                (Transfer::Here, [one]) => unsafe {
                    libc::read(fd_number, one.iov_base, one.iov_len)
                },
                // SAFETY: as above.
                (Transfer::Here, _) => unsafe { libc::readv(fd_number, batch.as_ptr(), count) },
                (Transfer::At(offset), _) => match (offset_at(offset, moved), batch) {
                    // SAFETY: as above.
                    (Some(offset), [one]) => unsafe {
                        libc::pread(fd_number, one.iov_base, one.iov_len, offset)
                    },
                    // SAFETY: as above.
                    (Some(offset), _) => unsafe {
                        libc::preadv(fd_number, batch.as_ptr(), count, offset)
                    },
                    (None, _) => invalid(),
                },
                // SAFETY: as above.
                (Transfer::NoWait, _) => unsafe { readv_nowait(fd, batch) },
            })
        })
    }

    /// Writes guest bytes to the descriptor, leaving out the first `skip`.
    pub(crate) fn write_to(
        &self,
        fd: BorrowedFd<'_>,
        how: Transfer,
        skip: usize,
    ) -> Result<usize, Errno> {
        self.batches(skip, |batch, moved| {
            let (fd_number, count) = (fd.as_raw_fd(), batch.len() as libc::c_int);
            // SAFETY of all calls: every iovec lies inside the guest's memory, which stays mapped; the kernel only reads it.
            retry(|| match (how, batch) {
                // SAFETY: as above.
                (Transfer::Here, [one]) => unsafe {
                    libc::write(fd_number, one.iov_base, one.iov_len)
                },
                // SAFETY: as above.
                (Transfer::Here, _) => unsafe { libc::writev(fd_number, batch.as_ptr(), count) },
                (Transfer::At(offset), _) => match (offset_at(offset, moved), batch) {
                    // SAFETY: as above.
                    (Some(offset), [one]) => unsafe {
                        libc::pwrite(fd_number, one.iov_base, one.iov_len, offset)
                    },
                    // SAFETY: as above.
                    (Some(offset), _) => unsafe {
                        libc::pwritev(fd_number, batch.as_ptr(), count, offset)
                    },
                    (None, _) => invalid(),
                },
                // SAFETY: as above.
                (Transfer::NoWait, _) => unsafe { writev_nowait(fd, batch) },
            })
        })
    }

    /// Receives from a socket without blocking, behind the first `skip` bytes. Reports the bytes placed and whether a
    /// datagram was cut.
    pub(crate) fn receive_from(
        &mut self,
        fd: BorrowedFd<'_>,
        flags: libc::c_int,
        skip: usize,
    ) -> Result<(usize, bool), Errno> {
        let mut truncated = false;
        let received = self.batches(skip, |batch, moved| {
            if moved > 0 {
                // A message comes in one call; a second would be another message.
                return Err(Errno::Again);
            }
            // SAFETY: an all-zero `msghdr` is valid: no address, no control data.
            let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
            header.msg_iov = batch.as_ptr().cast_mut();
            header.msg_iovlen = batch.len() as _;
            // SAFETY: the header points at a live array of iovecs inside the guest's memory, as in `read_from`.
            let count = retry(|| unsafe {
                libc::recvmsg(fd.as_raw_fd(), &mut header, flags | libc::MSG_DONTWAIT)
            })?;
            truncated = header.msg_flags & libc::MSG_TRUNC != 0;
            Ok(count)
        })?;
        Ok((received, truncated))
    }

    /// Sends on a socket without blocking and without a signal, leaving out the first `skip` bytes.
    pub(crate) fn send_to(&self, fd: BorrowedFd<'_>, skip: usize) -> Result<usize, Errno> {
        self.batches(skip, |batch, _| {
            // SAFETY: an all-zero `msghdr` is valid: no address, no control data.
            let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
            header.msg_iov = batch.as_ptr().cast_mut();
            header.msg_iovlen = batch.len() as _;
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            // SAFETY: the header points at a live array of iovecs inside the guest's memory; the kernel only reads them.
            retry(|| unsafe { libc::sendmsg(fd.as_raw_fd(), &header, flags) })
        })
    }

    /// Spreads host bytes over the guest's buffers; reports how many had room.
    pub(crate) fn scatter(&mut self, mut source: &[u8]) -> Result<usize, Errno> {
        let mut placed = 0;
        for index in 0..self.count {
            if source.is_empty() {
                break;
            }
            let (pointer, length) = self.entry(index)?;
            let count = length.min(source.len());
            // SAFETY: `entry` checked the destination; the source is host memory, which a guest's memory never overlaps.
            unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), pointer, count) };
            source = &source[count..];
            placed += count;
        }
        Ok(placed)
    }

    /// Appends guest bytes to a host buffer, leaving out the first `skip`, until it holds `limit` bytes more.
    pub(crate) fn gather(
        &self,
        skip: usize,
        limit: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), Errno> {
        self.pieces(skip, limit, |piece| into.extend_from_slice(piece))
    }

    /// Fills a host buffer with the first guest bytes. The list has at least as many.
    pub(crate) fn copy_to(&self, mut target: &mut [u8]) -> Result<(), Errno> {
        self.pieces(0, target.len(), |piece| {
            let (now, later) = std::mem::take(&mut target).split_at_mut(piece.len());
            now.copy_from_slice(piece);
            target = later;
        })
    }

    /// Shows guest bytes in turn, leaving out the first `skip`, `limit` of them at most.
    fn pieces(
        &self,
        mut skip: usize,
        limit: usize,
        mut see: impl FnMut(&[u8]),
    ) -> Result<(), Errno> {
        let mut room = limit;
        for index in 0..self.count {
            if room == 0 {
                break;
            }
            let (pointer, length) = self.entry(index)?;
            let dropped = skip.min(length);
            skip -= dropped;
            let count = (length - dropped).min(room);
            // SAFETY: `entry` checked the whole buffer and `dropped + count <= length`; nothing writes guest memory meanwhile.
            see(unsafe { std::slice::from_raw_parts(pointer.wrapping_add(dropped), count) });
            room -= count;
        }
        Ok(())
    }
}

/// The offset of a later batch, where the host can express it.
fn offset_at(offset: u64, moved: usize) -> Option<libc::off_t> {
    libc::off_t::try_from(offset.checked_add(moved as u64)?).ok()
}

/// Fails as a system call does.
fn invalid() -> libc::ssize_t {
    rustix_set_errno(libc::EINVAL);
    -1
}

/// Sets the thread's error number for [`retry`] to find.
fn rustix_set_errno(number: libc::c_int) {
    // SAFETY: the location is the calling thread's own and always valid.
    unsafe { *errno_location() = number };
}

#[cfg(any(target_os = "linux", target_os = "emscripten"))]
use libc::__errno_location as errno_location;
#[cfg(not(any(target_os = "linux", target_os = "emscripten")))]
use libc::__error as errno_location;

/// Runs a system call until it is not interrupted.
fn retry(mut call: impl FnMut() -> libc::ssize_t) -> Result<usize, Errno> {
    loop {
        if let Ok(count) = usize::try_from(call()) {
            return Ok(count);
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error.into());
        }
    }
}

/// `preadv2` at the current position that does not wait.
///
/// # Safety
/// The iovecs must describe memory that is valid for writes.
#[cfg(target_os = "linux")]
unsafe fn readv_nowait(fd: BorrowedFd<'_>, batch: &[libc::iovec]) -> libc::ssize_t {
    // SAFETY: the caller vouches for the iovecs. The raw call is used because not every C library has the function; the
    // position -1 (both halves) stands for the current one.
    unsafe {
        libc::syscall(
            libc::SYS_preadv2,
            fd.as_raw_fd(),
            batch.as_ptr(),
            batch.len(),
            -1_i64,
            -1_i64,
            libc::RWF_NOWAIT,
        ) as libc::ssize_t
    }
}

/// `pwritev2` at the current position that does not wait.
///
/// # Safety
/// The iovecs must describe memory that is valid for reads.
#[cfg(target_os = "linux")]
unsafe fn writev_nowait(fd: BorrowedFd<'_>, batch: &[libc::iovec]) -> libc::ssize_t {
    // SAFETY: as in `readv_nowait`; the kernel only reads the memory.
    unsafe {
        libc::syscall(
            libc::SYS_pwritev2,
            fd.as_raw_fd(),
            batch.as_ptr(),
            batch.len(),
            -1_i64,
            -1_i64,
            libc::RWF_NOWAIT,
        ) as libc::ssize_t
    }
}

/// Hosts other than Linux cannot say whether a transfer would block.
///
/// # Safety
/// None needed; the signature is that of the Linux version.
#[cfg(not(target_os = "linux"))]
unsafe fn readv_nowait(_: BorrowedFd<'_>, _: &[libc::iovec]) -> libc::ssize_t {
    rustix_set_errno(libc::EOPNOTSUPP);
    -1
}

/// See `readv_nowait`.
///
/// # Safety
/// None needed; the signature is that of the Linux version.
#[cfg(not(target_os = "linux"))]
unsafe fn writev_nowait(_: BorrowedFd<'_>, _: &[libc::iovec]) -> libc::ssize_t {
    rustix_set_errno(libc::EOPNOTSUPP);
    -1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: &mut [u8]) -> GuestMemory<'_> {
        GuestMemory {
            base: bytes.as_mut_ptr(),
            len: bytes.len(),
            borrow: PhantomData,
        }
    }

    fn iovec_list(bytes: &mut [u8], at: usize, entries: &[(u32, u32)]) {
        for (index, (pointer, length)) in entries.iter().enumerate() {
            bytes[at + 8 * index..][..4].copy_from_slice(&pointer.to_le_bytes());
            bytes[at + 8 * index + 4..][..4].copy_from_slice(&length.to_le_bytes());
        }
    }

    #[test]
    fn ranges_are_checked_at_both_ends() {
        let mut bytes = vec![0; 64];
        let mut guest = memory(&mut bytes);
        assert_eq!(guest.bytes(60, 4).map(<[u8]>::len), Ok(4));
        assert_eq!(guest.bytes(64, 0).map(<[u8]>::len), Ok(0));
        assert_eq!(guest.bytes(61, 4), Err(Errno::Fault));
        assert_eq!(guest.bytes(u32::MAX, u32::MAX), Err(Errno::Fault));
        assert_eq!(guest.write_u64(57, 1), Err(Errno::Fault));
        assert_eq!(guest.write_u64(56, u64::MAX), Ok(()));
        assert_eq!(bytes[56..], [255; 8]);
    }

    #[test]
    fn bad_iovecs_are_refused_before_anything_moves() {
        let mut bytes = vec![0; 256];
        iovec_list(&mut bytes, 0, &[(100, 4), (250, 7)]);
        let mut guest = memory(&mut bytes);
        assert_eq!(guest.iovecs(0, 2).err(), Some(Errno::Fault));
        assert_eq!(guest.iovecs(0, 1).map(|vecs| vecs.total()), Ok(4));
        assert_eq!(guest.iovecs(0, u32::MAX).err(), Some(Errno::Inval));
        assert_eq!(guest.iovecs(0, 33).err(), Some(Errno::Fault));
        assert_eq!(guest.iovecs(256, 0).map(|vecs| vecs.total()), Ok(0));
    }

    #[test]
    fn lengths_that_sum_beyond_32_bits_are_invalid() {
        // Entries of two gigabytes need a memory that large; only its length is looked at here, never its bytes.
        let mut bytes = vec![0; 256];
        iovec_list(&mut bytes, 0, &[(0, 0x8000_0000), (0, 0x8000_0000)]);
        let mut guest = GuestMemory {
            base: bytes.as_mut_ptr(),
            len: 0x1_0000_0000,
            borrow: PhantomData,
        };
        assert_eq!(guest.iovecs(0, 2).err(), Some(Errno::Inval));
        assert_eq!(guest.iovecs(0, 1).map(|vecs| vecs.total()), Ok(0x8000_0000));
    }

    #[test]
    fn scatter_and_gather_follow_the_list() {
        let mut bytes = vec![0; 256];
        iovec_list(&mut bytes, 0, &[(100, 3), (0, 0), (200, 4)]);
        let mut guest = memory(&mut bytes);
        let mut vecs = guest.iovecs(0, 3).expect("valid list");
        assert_eq!(vecs.scatter(b"abcdefghij"), Ok(7));
        let mut copy = Vec::new();
        vecs.gather(2, 3, &mut copy).expect("valid list");
        assert_eq!(copy, b"cde");
        assert_eq!(&bytes[100..103], b"abc");
        assert_eq!(&bytes[200..204], b"defg");
    }

    #[test]
    fn more_iovecs_than_a_batch_all_move_and_skipping_works() {
        let file = tempfile::tempfile().expect("temporary file");
        let mut bytes = vec![0; 4096];
        let entries: Vec<(u32, u32)> = (0..150).map(|index| (2000 + index, 1)).collect();
        iovec_list(&mut bytes, 0, &entries);
        for index in 0..150 {
            bytes[2000 + index] = index as u8;
        }
        let mut guest = memory(&mut bytes);
        use std::os::fd::AsFd;
        let vecs = guest.iovecs(0, 150).expect("valid list");
        assert_eq!(vecs.write_to(file.as_fd(), Transfer::At(0), 10), Ok(140));
        let mut vecs = guest.iovecs(0, 150).expect("valid list");
        assert_eq!(vecs.read_from(file.as_fd(), Transfer::At(0)), Ok(140));
        assert_eq!(
            vecs.read_from(file.as_fd(), Transfer::At(u64::MAX)),
            Err(Errno::Inval)
        );
        assert_eq!(bytes[2000], 10);
        assert_eq!(bytes[2139], 149);
    }

    #[test]
    fn a_read_over_its_own_list_stays_inside_memory() {
        use std::io::{Seek, Write};
        use std::os::fd::AsFd;
        let mut file = tempfile::tempfile().expect("temporary file");
        file.write_all(&[0xff; 8192]).expect("fill");
        file.rewind().expect("rewind");
        let mut bytes = vec![0; 4096];
        // The first batch overwrites the list, so that later entries point outside.
        let entries: Vec<(u32, u32)> = (0..100).map(|_| (0, 800)).collect();
        iovec_list(&mut bytes, 0, &entries);
        let mut guest = memory(&mut bytes);
        let mut vecs = guest.iovecs(0, 100).expect("valid list");
        // Eight kilobytes fill ten entries and end the read; nothing beyond the 800 bytes changes.
        assert_eq!(vecs.read_from(file.as_fd(), Transfer::Here), Ok(8192));
        assert!(bytes[800..].iter().all(|byte| *byte == 0));
    }
}
