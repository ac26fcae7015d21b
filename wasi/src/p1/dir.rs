//! Directories that were there from the start, and reading directories.
//!
//! The kernel's entries are turned into the guest's in one pass, without keeping a listing: what is kept is the host's
//! position in front of each entry read so far (see [`Listing`]).

use std::mem::MaybeUninit;
use std::sync::PoisonError;

use cap_std::fs::Dir;
use rustix::fs::{AtFlags, RawDir, SeekFrom};

use crate::call::{Cx, DONE, Outcome, ready};
use crate::ctx::DirPerms;
use crate::errno::Errno;
use crate::table::{Kind, Listing};
use crate::types::{FileType, Rights, encode_dirent};

/// The buffer that the kernel fills, on the stack.
const HOST_BUFFER: usize = 8192;

/// The most that one call gives the guest; a guest that offers more is told that its buffer is full and asks on.
const MAX_LISTING: usize = 256 * 1024;

fn preopen_name<'c>(cx: &'c Cx<'_>, fd: u32) -> Result<&'c str, Errno> {
    match &cx.ctx.table.get(fd)?.kind {
        Kind::Dir(dir) => dir.preopen.as_deref().ok_or(Errno::Badf),
        _ => Err(Errno::Badf),
    }
}

pub(super) fn fd_prestat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Outcome {
    let len = u32::try_from(preopen_name(cx, fd)?.len()).map_err(|_| Errno::Overflow)?;
    // The tag 0 says "a directory"; the rest of its word is padding.
    let mut record = [0; 8];
    record[4..].copy_from_slice(&len.to_le_bytes());
    cx.mem.write(out, &record)?;
    Ok(DONE)
}

pub(super) fn fd_prestat_dir_name(cx: &mut Cx<'_>, fd: u32, path: u32, len: u32) -> Outcome {
    let name = match &cx.ctx.table.get(fd)?.kind {
        Kind::Dir(dir) => dir.preopen.clone().ok_or(Errno::Badf)?,
        _ => return Err(Errno::Notdir.into()),
    };
    if name.len() > len as usize {
        return Err(Errno::Nametoolong.into());
    }
    cx.mem.write(path, name.as_bytes())?;
    Ok(DONE)
}

pub(super) fn fd_readdir(
    cx: &mut Cx<'_>,
    fd: u32,
    buf: u32,
    len: u32,
    cookie: u64,
    out: u32,
) -> Outcome {
    cx.mem.check(out, 4)?;
    cx.mem.check(buf, len)?;
    let directory = cx.ctx.table.dir(fd, Rights::FD_READDIR)?;
    if !directory.grant.dir.contains(DirPerms::READ) {
        return Err(Errno::Perm.into());
    }
    let (dir, listing) = (directory.dir.clone(), directory.listing.clone());
    if cx.ctx.allow_blocking_files {
        // Straight into the guest.
        let mut listing = listing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sink = Sink {
            buffer: cx.mem.bytes_mut(buf, len)?,
            used: 0,
        };
        list(&dir, &mut listing, cookie, &mut sink)?;
        let used = sink.used as u32;
        cx.mem.write_u32(out, used)?;
        return Ok(DONE);
    }
    let room = (len as usize).min(MAX_LISTING);
    let bytes = ready!(cx.blocking(move || {
        let mut listing = listing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; room];
        let mut sink = Sink {
            buffer: &mut bytes,
            used: 0,
        };
        list(&dir, &mut listing, cookie, &mut sink)?;
        let used = sink.used;
        bytes.truncate(used);
        Ok(bytes)
    })?);
    cx.mem.write(buf, &bytes)?;
    // A full buffer means "there may be more", so a listing that was cut short of the guest's buffer must look full: the
    // guest then goes on from the last whole entry.
    let used = if bytes.len() == room {
        len
    } else {
        bytes.len() as u32
    };
    cx.mem.write_u32(out, used)?;
    Ok(DONE)
}

/// A buffer that fills up; the last entry may be cut.
struct Sink<'b> {
    buffer: &'b mut [u8],
    used: usize,
}

impl Sink<'_> {
    /// Appends what fits. False once the buffer is full.
    fn push(&mut self, bytes: &[u8]) -> bool {
        let count = bytes.len().min(self.buffer.len() - self.used);
        self.buffer[self.used..self.used + count].copy_from_slice(&bytes[..count]);
        self.used += count;
        self.used < self.buffer.len()
    }
}

/// Appends the entries from `cookie` on until the buffer is full or the directory ends.
fn list(dir: &Dir, listing: &mut Listing, cookie: u64, sink: &mut Sink<'_>) -> Result<(), Errno> {
    if sink.buffer.is_empty() {
        return Ok(());
    }
    if cookie == 0 || listing.offsets.is_empty() {
        // From the start: entries that came since are to be seen.
        listing.offsets.clear();
        listing.offsets.push(0);
        listing.position = None;
    }
    // Cookies beyond what was read are reached by reading; those that never come name the end.
    let known = cookie.min(listing.offsets.len() as u64 - 1);
    if listing.position != Some(known) {
        rustix::fs::seek(dir, SeekFrom::Start(listing.offsets[known as usize]))?;
    }
    listing.position = None;
    let mut index = known;
    let mut host_buffer = [const { MaybeUninit::<u8>::uninit() }; HOST_BUFFER];
    let mut entries = RawDir::new(dir, &mut host_buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        index += 1;
        if index == listing.offsets.len() as u64 {
            listing.offsets.push(entry.next_entry_cookie());
        } else {
            listing.offsets[index as usize] = entry.next_entry_cookie();
        }
        if index <= cookie {
            continue;
        }
        let name = entry.file_name().to_bytes();
        let (ino, filetype) = describe(dir, &entry);
        let head = encode_dirent(index, ino, name.len() as u32, filetype);
        if !(sink.push(&head) && sink.push(name)) {
            return Ok(());
        }
    }
    listing.position = Some(index);
    Ok(())
}

/// The number and kind of an entry. The parent directory's number is kept back, since it may lie outside of what was granted:
/// it is told as a root's is, by the directory's own. Not by 0, which libc takes for "unknown" and asks for by path.
fn describe(dir: &Dir, entry: &rustix::fs::RawDirEntry<'_>) -> (u64, FileType) {
    let name = entry.file_name();
    if name.to_bytes() == b".." {
        let own = rustix::fs::fstat(dir).map_or(1, |stat| stat.st_ino);
        return (own, FileType::Directory);
    }
    let mut filetype = entry.file_type();
    if filetype == rustix::fs::FileType::Unknown
        && let Ok(stat) = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
    {
        filetype = rustix::fs::FileType::from_raw_mode(stat.st_mode);
    }
    (entry.ino(), filetype.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Dir, listing: &mut Listing, cookie: u64, len: usize) -> Vec<u8> {
        let mut buffer = vec![0; len];
        let mut sink = Sink {
            buffer: &mut buffer,
            used: 0,
        };
        list(dir, listing, cookie, &mut sink).expect("readable");
        let used = sink.used;
        buffer.truncate(used);
        buffer
    }

    fn names(mut bytes: &[u8]) -> Vec<(u64, String)> {
        let mut found = Vec::new();
        while bytes.len() >= 24 {
            let next = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            let len = u32::from_le_bytes(bytes[16..20].try_into().expect("four bytes")) as usize;
            let Some(name) = bytes.get(24..24 + len) else {
                break;
            };
            found.push((next, String::from_utf8_lossy(name).into_owned()));
            bytes = &bytes[24 + len..];
        }
        found
    }

    #[test]
    fn every_entry_comes_once_through_buffers_of_any_size() {
        let outer = tempfile::tempdir().expect("temporary directory");
        for number in 0..500 {
            std::fs::write(
                outer
                    .path()
                    .join(format!("file-with-a-longer-name-{number}")),
                "",
            )
            .expect("write");
        }
        let dir = open(outer.path());
        for len in [80, 100, 333, 4096, 100_000] {
            let (mut listing, mut cookie, mut all) = (Listing::default(), 0, Vec::new());
            loop {
                let bytes = read(&dir, &mut listing, cookie, len);
                let part = names(&bytes);
                if let Some((next, _)) = part.last() {
                    cookie = *next;
                }
                all.extend(part.into_iter().map(|(_, name)| name));
                if bytes.len() < len {
                    break;
                }
            }
            assert_eq!(all.len(), 502, "buffer of {len}");
            all.sort();
            all.dedup();
            assert_eq!(all.len(), 502, "buffer of {len}");
        }
    }

    #[test]
    fn cookies_stay_good_while_entries_go() {
        let outer = tempfile::tempdir().expect("temporary directory");
        for number in 0..40 {
            std::fs::write(outer.path().join(format!("f{number}")), "").expect("write");
        }
        let dir = open(outer.path());
        let mut listing = Listing::default();
        let all = names(&read(&dir, &mut listing, 0, 65536));
        assert_eq!(all.len(), 42);
        let (cookie, rest) = (all[19].0, &all[20..]);
        for (_, name) in &all[..20] {
            if !name.starts_with('.') {
                std::fs::remove_file(outer.path().join(name)).expect("remove");
            }
        }
        let after: Vec<_> = names(&read(&dir, &mut listing, cookie, 65536));
        assert_eq!(
            after, rest,
            "entries behind the cookie are unmoved by what went before it"
        );
        assert!(
            read(&dir, &mut listing, all[41].0, 4096).is_empty(),
            "the last cookie names the end"
        );
        assert!(
            read(&dir, &mut listing, u64::MAX, 4096).is_empty(),
            "so does one that was never given"
        );
        assert_eq!(
            names(&read(&dir, &mut listing, 0, 65536)).len(),
            42 - all[..20]
                .iter()
                .filter(|(_, n)| !n.starts_with('.'))
                .count()
        );
    }

    #[test]
    fn a_buffer_smaller_than_an_entry_gets_its_beginning() {
        let outer = tempfile::tempdir().expect("temporary directory");
        let dir = open(outer.path());
        let mut listing = Listing::default();
        assert_eq!(read(&dir, &mut listing, 0, 10).len(), 10);
        assert_eq!(read(&dir, &mut listing, 0, 0).len(), 0);
        assert_eq!(names(&read(&dir, &mut listing, 0, 200)).len(), 2);
    }

    fn open(path: &std::path::Path) -> Dir {
        Dir::from_std_file(std::fs::File::open(path).expect("open"))
    }
}
