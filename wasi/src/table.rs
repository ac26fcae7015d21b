//! The guest's descriptors: what each number stands for, and the rights that go with it.
//!
//! Numbers are given out lowest first, as programs written for POSIX expect. Must never know guest memory.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use crate::ctx::Grant;
use crate::errno::Errno;
use crate::fs::virt::FileHandle;
use crate::fs::{Dir, Listing};
use crate::stdio::{MemoryInputPipe, MemoryOutputPipe, SharedReader, SharedWriter};
use crate::stream::Stream;
use crate::types::{FdFlags, FileType, Rights};

/// How many descriptors a guest may hold, eight megabytes or so of them. The host has a limit of its own, for what it opens.
const MAX_DESCRIPTORS: usize = 1 << 16;

/// A descriptor.
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) filetype: FileType,
    /// What may be done with it.
    pub(crate) base: Rights,
    /// What descriptors opened through it may get.
    pub(crate) inheriting: Rights,
    pub(crate) flags: FdFlags,
}

/// What a descriptor stands for.
pub(crate) enum Kind {
    File(File),
    VirtualFile(VirtualFile),
    Dir(Directory),
    Stream(Stream),
    MemoryIn(MemoryInputPipe),
    MemoryOut(MemoryOutputPipe),
    Reader(SharedReader),
    Writer(SharedWriter),
    /// Reads as empty and swallows writes.
    Null,
}

/// A regular file, or a block device.
pub(crate) struct File {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) grant: Grant,
}

/// A regular file in memory. Each time it is opened it has a position of its own.
pub(crate) struct VirtualFile {
    pub(crate) file: FileHandle,
    pub(crate) position: u64,
    pub(crate) grant: Grant,
}

/// A directory and what was granted under it.
pub(crate) struct Directory {
    pub(crate) dir: Dir,
    pub(crate) grant: Grant,
    /// The name under which the guest got it, if it was there from the start.
    pub(crate) preopen: Option<Arc<str>>,
    pub(crate) listing: Arc<Mutex<Listing>>,
}

impl Entry {
    /// Fails unless all of the rights are there.
    pub(crate) fn require(&self, rights: Rights) -> Result<&Entry, Errno> {
        if self.base.has(rights) {
            Ok(self)
        } else {
            Err(Errno::Notcapable)
        }
    }
}

/// All descriptors of a guest.
#[derive(Default)]
pub(crate) struct Table {
    entries: Vec<Option<Entry>>,
    /// No number below this one is free.
    free_from: usize,
}

impl Table {
    #[inline]
    pub(crate) fn get(&self, fd: u32) -> Result<&Entry, Errno> {
        self.entries
            .get(fd as usize)
            .and_then(Option::as_ref)
            .ok_or(Errno::Badf)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, fd: u32) -> Result<&mut Entry, Errno> {
        self.entries
            .get_mut(fd as usize)
            .and_then(Option::as_mut)
            .ok_or(Errno::Badf)
    }

    /// A directory with these rights.
    pub(crate) fn dir(&self, fd: u32, rights: Rights) -> Result<&Directory, Errno> {
        let entry = self.get(fd)?;
        match &entry.kind {
            Kind::Dir(dir) => {
                entry.require(rights)?;
                Ok(dir)
            }
            _ => Err(Errno::Notdir),
        }
    }

    /// Adds a descriptor under the lowest free number.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<u32, Errno> {
        let from = self.free_from.min(self.entries.len());
        let free = self.entries[from..]
            .iter()
            .position(Option::is_none)
            .map(|offset| from + offset);
        let index = match free {
            Some(index) => {
                self.entries[index] = Some(entry);
                index
            }
            None if self.entries.len() < MAX_DESCRIPTORS => {
                self.entries.push(Some(entry));
                self.entries.len() - 1
            }
            None => return Err(Errno::Mfile),
        };
        self.free_from = index + 1;
        u32::try_from(index).map_err(|_| Errno::Mfile)
    }

    /// Takes a descriptor out.
    pub(crate) fn remove(&mut self, fd: u32) -> Result<Entry, Errno> {
        let slot = self.entries.get_mut(fd as usize).ok_or(Errno::Badf)?;
        let entry = slot.take().ok_or(Errno::Badf)?;
        self.free_from = self.free_from.min(fd as usize);
        Ok(entry)
    }

    /// Makes `to` stand for what `from` stands for, and closes `from`. Both have to be open.
    pub(crate) fn renumber(&mut self, from: u32, to: u32) -> Result<(), Errno> {
        self.get(to)?;
        if from == to {
            return Ok(());
        }
        let mut entry = self.remove(from)?;
        if let Kind::Dir(dir) = &mut entry.kind {
            // The guest moved it: it is an ordinary descriptor now, and its old name must not come back under a new number.
            dir.preopen = None;
        }
        *self.get_mut(to)? = entry;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null() -> Entry {
        Entry {
            kind: Kind::Null,
            filetype: FileType::Unknown,
            base: Rights::STREAM,
            inheriting: Rights::NONE,
            flags: FdFlags::NONE,
        }
    }

    #[test]
    fn all_descriptors_that_a_guest_may_hold_are_few_bytes() {
        let all = size_of::<Option<Entry>>() * MAX_DESCRIPTORS;
        assert!(all <= 8 << 20, "{all} bytes");
    }

    #[test]
    fn the_lowest_free_number_comes_first() {
        let mut table = Table::default();
        for expected in 0..4 {
            assert_eq!(table.push(null()), Ok(expected));
        }
        table.remove(2).expect("open");
        table.remove(1).expect("open");
        assert_eq!(table.push(null()), Ok(1));
        assert_eq!(table.push(null()), Ok(2));
        assert_eq!(table.push(null()), Ok(4));
        assert_eq!(table.get(9).err(), Some(Errno::Badf));
        assert_eq!(table.remove(u32::MAX).err(), Some(Errno::Badf));
    }

    #[test]
    fn renumbering_needs_both_ends_and_closes_the_source() {
        let mut table = Table::default();
        for _ in 0..3 {
            table.push(null()).expect("room");
        }
        table.get_mut(2).expect("open").flags = FdFlags::APPEND;
        assert_eq!(table.renumber(2, 2), Ok(()));
        assert_eq!(table.renumber(2, 7), Err(Errno::Badf));
        assert_eq!(table.renumber(7, 2), Err(Errno::Badf));
        assert_eq!(table.renumber(2, 0), Ok(()));
        assert_eq!(table.get(0).map(|entry| entry.flags), Ok(FdFlags::APPEND));
        assert_eq!(table.get(2).err(), Some(Errno::Badf));
        assert_eq!(table.push(null()), Ok(2));
    }
}
