//! What can be done with an open file of a tree.

use std::sync::Arc;

use super::tree::{Budget, Ino, NodeKind, State, Tree};
use crate::errno::Errno;
use crate::fs::{Opened, SetTimes};
use crate::types::FileStat;

/// How much a file may grow at once beyond what it needs, so that small writes do not copy it each time.
const SPARE: usize = 1 << 20;

/// An open file of a tree.
pub(crate) struct FileHandle {
    tree: Arc<Tree>,
    ino: Ino,
    dev: u64,
}

impl Drop for FileHandle {
    fn drop(&mut self) {
        self.tree.lock().closed(self.ino);
    }
}

/// The contents; a handle is never on anything but a file.
fn contents(state: &mut State, ino: Ino) -> Result<&mut Vec<u8>, Errno> {
    match &mut state.node_mut(ino)?.kind {
        NodeKind::File(bytes) => Ok(bytes),
        _ => Err(Errno::Inval),
    }
}

/// Makes the contents at least so long, zeros at the end, within the tree's room.
fn extend(state: &mut State, ino: Ino, len: u64) -> Result<(), Errno> {
    let present = contents(state, ino)?.len();
    let Some(more) = len.checked_sub(present as u64).filter(|more| *more > 0) else {
        return Ok(());
    };
    state.pay(more, Budget::Guest)?;
    let bytes = contents(state, ino)?;
    // What was paid for is less than the room, which the embedder chose so that the host has it.
    let len = usize::try_from(len).map_err(|_| Errno::Fbig)?;
    if len > bytes.capacity() {
        let spare = present.min(SPARE);
        let reserved = bytes
            .try_reserve_exact(len - present + spare)
            .or_else(|_| bytes.try_reserve_exact(len - present));
        if reserved.is_err() {
            state.refund(more);
            return Err(Errno::Nospc);
        }
    }
    contents(state, ino)?.resize(len, 0);
    Ok(())
}

impl FileHandle {
    pub(super) fn open(
        tree: &Arc<Tree>,
        state: &mut State,
        ino: Ino,
        dev: u64,
    ) -> Result<Opened, Errno> {
        state.opened(ino)?;
        Ok(Opened::VirtualFile(FileHandle {
            tree: tree.clone(),
            ino,
            dev,
        }))
    }

    pub(crate) fn stat(&self) -> Result<FileStat, Errno> {
        self.tree.lock().stat(self.ino, self.dev)
    }

    pub(crate) fn size(&self) -> Result<u64, Errno> {
        Ok(contents(&mut self.tree.lock(), self.ino)?.len() as u64)
    }

    /// Lets `take` see the contents from an offset on; it says how many bytes it took.
    pub(crate) fn read_with(
        &self,
        offset: u64,
        take: impl FnOnce(&[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        if i64::try_from(offset).is_err() {
            return Err(Errno::Inval);
        }
        let mut state = self.tree.lock();
        let bytes = contents(&mut state, self.ino)?;
        let start = usize::try_from(offset).map_or(bytes.len(), |start| start.min(bytes.len()));
        take(&bytes[start..])
    }

    /// Lets `fill` write up to `wanted` bytes at an offset (`None`: at the end), as many as there is room for. Says how many
    /// that was, and where they ended.
    pub(crate) fn write_with(
        &self,
        offset: Option<u64>,
        wanted: usize,
        now: u64,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(usize, u64), Errno> {
        let mut state = self.tree.lock();
        let present = contents(&mut state, self.ino)?.len() as u64;
        let offset = offset.unwrap_or(present);
        if i64::try_from(offset).is_err() {
            return Err(Errno::Inval);
        }
        if wanted == 0 {
            return Ok((0, offset));
        }
        let most = present.saturating_add(state.left());
        let room = most.saturating_sub(offset).min(wanted as u64);
        if room == 0 {
            return Err(Errno::Nospc);
        }
        let end = offset + room;
        extend(&mut state, self.ino, end)?;
        let bytes = contents(&mut state, self.ino)?;
        // Both ends lie within the contents now.
        fill(&mut bytes[offset as usize..end as usize])?;
        state.node_mut(self.ino)?.modified(now);
        Ok((room as usize, end))
    }

    pub(crate) fn set_size(&self, size: u64, now: u64) -> Result<(), Errno> {
        if i64::try_from(size).is_err() {
            return Err(Errno::Inval);
        }
        let mut state = self.tree.lock();
        let present = contents(&mut state, self.ino)?.len() as u64;
        if size < present {
            let bytes = contents(&mut state, self.ino)?;
            // Less than what is there, so it fits.
            bytes.truncate(size as usize);
            bytes.shrink_to_fit();
            state.refund(present - size);
        } else {
            extend(&mut state, self.ino, size)?;
        }
        state.node_mut(self.ino)?.modified(now);
        Ok(())
    }

    /// Makes the file at least so long.
    pub(crate) fn allocate(&self, end: u64, now: u64) -> Result<(), Errno> {
        let mut state = self.tree.lock();
        let present = contents(&mut state, self.ino)?.len() as u64;
        extend(&mut state, self.ino, end)?;
        if end > present {
            state.node_mut(self.ino)?.modified(now);
        }
        Ok(())
    }

    pub(crate) fn set_times(&self, times: SetTimes, now: u64) -> Result<(), Errno> {
        self.tree.lock().node_mut(self.ino)?.set_times(times, now);
        Ok(())
    }
}
