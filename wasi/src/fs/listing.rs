//! Reading directories of the host.
//!
//! The kernel's entries are turned into the guest's in one pass, without keeping a listing: what is kept is the host's
//! position in front of each entry read so far. Must never know guest memory or descriptors.

use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, RawDir, RawDirEntry, SeekFrom};
use rustix::io::Errno as Host;

use crate::errno::Errno;
use crate::types::{FileType, encode_dirent};

/// The buffer that the kernel fills, on the stack; never longer than what the guest offers, beyond this least length.
const HOST_BUFFER: usize = 16 * 1024;
const LEAST_HOST_BUFFER: usize = 1024;

/// How many positions are kept for each open directory.
const KEPT: u64 = 65_536;

/// Marks a cookie that is the host's position itself.
const HOSTS_OWN: u64 = 1 << 63;

/// Where a directory's reader stands.
///
/// The guest's cookies are small numbers, because libc keeps them in 32 bits; the host's are not. Cookie `n` means the
/// host's position `offsets[n]`, so it stays good while entries come and go. Behind the first [`KEPT`] entries cookies are
/// the host's positions, so that a large directory costs no memory.
#[derive(Default)]
pub(crate) struct Listing {
    /// The host's positions in front of the entries read so far.
    offsets: Vec<u64>,
    /// The cookie at which the host's own position stands, if known.
    position: Option<u64>,
}

/// A buffer that fills up; the last entry may be cut.
pub(crate) struct Sink<'b> {
    buffer: &'b mut [u8],
    used: usize,
    /// Where the last whole entry ended, and the cookie behind it.
    whole: Option<(usize, u64)>,
}

impl<'b> Sink<'b> {
    pub(crate) fn new(buffer: &'b mut [u8]) -> Sink<'b> {
        Sink {
            buffer,
            used: 0,
            whole: None,
        }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used == self.buffer.len()
    }

    /// Where the last whole entry ended, and the cookie behind it.
    pub(crate) fn whole(&self) -> Option<(usize, u64)> {
        self.whole
    }

    /// Appends an entry, or as much of it as fits. False once the buffer is full.
    pub(crate) fn push(&mut self, next: u64, ino: u64, filetype: FileType, name: &[u8]) -> bool {
        // Names of hosts have 255 bytes at most.
        let head = encode_dirent(next, ino, name.len() as u32, filetype);
        for bytes in [&head[..], name] {
            let count = bytes.len().min(self.buffer.len() - self.used);
            self.buffer[self.used..self.used + count].copy_from_slice(&bytes[..count]);
            self.used += count;
            if count < bytes.len() {
                return false;
            }
        }
        self.whole = Some((self.used, next));
        !self.is_full()
    }
}

/// Moves the host's position to a cookie, or to the last before it that is known. Says how many entries lie before that;
/// the number is unknown behind those that are kept.
fn seek(dir: BorrowedFd<'_>, listing: &mut Listing, cookie: u64) -> Result<Option<u64>, Errno> {
    if cookie == 0 || listing.offsets.is_empty() {
        // From the start: entries that came since are to be seen.
        listing.offsets.clear();
        listing.offsets.push(0);
        listing.position = None;
    }
    let position = listing.position.take();
    if cookie & HOSTS_OWN != 0 {
        if position != Some(cookie) {
            rustix::fs::seek(dir, SeekFrom::Start(cookie & !HOSTS_OWN)).map_err(refused)?;
        }
        return Ok(None);
    }
    // Cookies beyond what was read are reached by reading; those that never come name the end.
    let known = cookie.min(listing.offsets.len() as u64 - 1);
    if position != Some(known) {
        let offset = SeekFrom::Start(listing.offsets[known as usize]);
        rustix::fs::seek(dir, offset).map_err(refused)?;
    }
    Ok(Some(known))
}

/// Why a directory cannot be read.
fn refused(errno: Host) -> Errno {
    match errno {
        // It was opened to be passed only.
        Host::BADF => Errno::Acces,
        other => other.into(),
    }
}

/// The cookie behind an entry; keeps what it means.
fn cookie_behind(
    listing: &mut Listing,
    before: Option<u64>,
    offset: u64,
) -> Result<(u64, Option<u64>), Errno> {
    let own = offset & HOSTS_OWN != 0;
    match before.map(|before| before + 1) {
        Some(index) if index < KEPT || own => {
            if index == listing.offsets.len() as u64 {
                listing.offsets.push(offset);
            } else {
                listing.offsets[index as usize] = offset;
            }
            Ok((index, Some(index)))
        }
        // No known file system numbers so far.
        None if own => Err(Errno::Overflow),
        _ => Ok((offset | HOSTS_OWN, None)),
    }
}

/// Appends the entries from `cookie` on until the buffer is full or the directory ends.
pub(super) fn list(
    dir: BorrowedFd<'_>,
    listing: &mut Listing,
    cookie: u64,
    sink: &mut Sink<'_>,
) -> Result<(), Errno> {
    if sink.is_full() {
        return Ok(());
    }
    let mut index = seek(dir, listing, cookie)?;
    let mut last = cookie;
    let mut host_buffer = [const { MaybeUninit::<u8>::uninit() }; HOST_BUFFER];
    let offered = (sink.buffer.len() - sink.used).clamp(LEAST_HOST_BUFFER, HOST_BUFFER);
    let mut entries = RawDir::new(dir, &mut host_buffer[..offered]);
    while let Some(entry) = entries.next() {
        let entry = entry.map_err(refused)?;
        let (next, now) = cookie_behind(listing, index, entry.next_entry_cookie())?;
        index = now;
        match index {
            Some(index) if index <= cookie => continue,
            // A small cookie that was never given.
            None if (KEPT..HOSTS_OWN).contains(&cookie) => return Ok(()),
            _ => {}
        }
        last = next;
        let (ino, filetype) = describe(dir, &entry);
        if !sink.push(next, ino, filetype, entry.file_name().to_bytes()) {
            return Ok(());
        }
    }
    listing.position = Some(index.unwrap_or(last));
    Ok(())
}

/// The number and kind of an entry. The parent directory's number is kept back, since it may lie outside of what was granted:
/// it is told as a root's is, by the directory's own. Not by 0, which libc takes for "unknown" and asks for by path.
fn describe(dir: BorrowedFd<'_>, entry: &RawDirEntry<'_>) -> (u64, FileType) {
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
    use std::os::fd::{AsFd, OwnedFd};

    fn read(dir: &OwnedFd, listing: &mut Listing, cookie: u64, len: usize) -> Vec<u8> {
        let mut buffer = vec![0; len];
        let mut sink = Sink::new(&mut buffer);
        list(dir.as_fd(), listing, cookie, &mut sink).expect("readable");
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
            read(&dir, &mut listing, HOSTS_OWN - 1, 4096).is_empty(),
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

    fn open(path: &std::path::Path) -> OwnedFd {
        std::fs::File::open(path).expect("open").into()
    }

    #[test]
    fn cookies_behind_those_kept_are_the_hosts() {
        let mut listing = Listing {
            offsets: vec![0; KEPT as usize],
            position: None,
        };
        let far = |listing: &mut Listing, before, offset| cookie_behind(listing, before, offset);
        assert_eq!(
            far(&mut listing, Some(KEPT - 2), 77),
            Ok((KEPT - 1, Some(KEPT - 1)))
        );
        assert_eq!(
            far(&mut listing, Some(KEPT - 1), 78),
            Ok((78 | HOSTS_OWN, None))
        );
        assert_eq!(far(&mut listing, None, 79), Ok((79 | HOSTS_OWN, None)));
        assert_eq!(
            far(&mut listing, None, 79 | HOSTS_OWN),
            Err(Errno::Overflow)
        );
        assert_eq!(
            listing.offsets.len() as u64,
            KEPT,
            "no more memory for more entries"
        );
    }

    #[test]
    fn reading_goes_on_at_a_hosts_own_cookie() {
        let outer = tempfile::tempdir().expect("temporary directory");
        for number in 0..200 {
            std::fs::write(outer.path().join(format!("f{number}")), "").expect("write");
        }
        let dir = open(outer.path());
        let all = names(&read(&dir, &mut Listing::default(), 0, 65536));
        // Where the host stands behind the hundredth entry, as a reader behind many more would know it.
        let mut listing = Listing::default();
        read(&dir, &mut listing, 0, 65536);
        let cookie = listing.offsets[100] | HOSTS_OWN;
        let rest = names(&read(&dir, &mut listing, cookie, 65536));
        let texts = |entries: &[(u64, String)]| -> Vec<String> {
            entries.iter().map(|(_, name)| name.clone()).collect()
        };
        assert_eq!(texts(&rest), texts(&all[100..]));
        assert!(rest.iter().all(|(next, _)| next & HOSTS_OWN != 0));
        assert!(read(&dir, &mut listing, rest[rest.len() - 1].0, 4096).is_empty());
    }
}
