//! What can be done by path in a directory of a tree.

use std::sync::Arc;

use super::file::FileHandle;
use super::tree::{Budget, Found, Ino, NodeKind, ROOT, State, Tree};
use crate::errno::Errno;
use crate::fs::{GuestPath, How, Opened, SetTimes, Sink};
use crate::types::{FileStat, FileType};

/// The cookies behind `.` and `..`.
const BEHIND_SELF: u64 = 1;
const BEHIND_PARENT: u64 = 2;

/// A directory of a tree, as a descriptor holds it.
pub(crate) struct DirHandle {
    tree: Arc<Tree>,
    ino: Ino,
    /// Tells trees apart in what the guest is told.
    dev: u64,
}

impl Drop for DirHandle {
    fn drop(&mut self) {
        self.tree.lock().closed(self.ino);
    }
}

/// Fails if slashes follow the name of something that is no directory. For paths that were looked up without them.
fn slash(path: &GuestPath, filetype: FileType) -> Result<(), Errno> {
    if path.bytes().ends_with(b"/") && filetype != FileType::Directory {
        return Err(Errno::Notdir);
    }
    Ok(())
}

/// Where a new name is to be, without its slashes: `None` if it is there already.
fn vacant(found: &Found) -> Option<&[u8]> {
    match (&found.name, found.node) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

/// The path without the slashes at its end, which a name for a directory may have.
fn trimmed(path: &GuestPath) -> Result<GuestPath, Errno> {
    let bytes = path.bytes();
    let end = bytes.iter().rposition(|byte| *byte != b'/');
    match end {
        Some(end) => GuestPath::new(&bytes[..=end]),
        None => Ok(path.clone()),
    }
}

impl DirHandle {
    /// The topmost directory.
    pub(crate) fn root(tree: &Arc<Tree>, dev: u64) -> Arc<DirHandle> {
        // The root is always there.
        let _ = tree.lock().opened(ROOT);
        Arc::new(DirHandle {
            tree: tree.clone(),
            ino: ROOT,
            dev,
        })
    }

    pub(crate) fn has_host_files(&self) -> bool {
        self.tree.has_host_files()
    }

    /// Whether it is of this tree, and what the guest knows the tree by.
    pub(crate) fn dev_of(&self, tree: &Arc<Tree>) -> Option<u64> {
        Arc::ptr_eq(&self.tree, tree).then_some(self.dev)
    }

    pub(in crate::fs) fn open(
        &self,
        path: &GuestPath,
        how: How,
        now: u64,
    ) -> Result<Opened, Errno> {
        let mut state = self.tree.lock();
        // What exists already is not followed to be created.
        let follow = how.follow && !(how.create && how.exclusive);
        let found = state.find_to(self.ino, path, follow, how.create)?;
        let Some(ino) = found.node else {
            return self.create_file(&mut state, &found, how, now);
        };
        if how.create && how.exclusive {
            return Err(Errno::Exist);
        }
        let node = state.node_mut(ino)?;
        match &mut node.kind {
            NodeKind::Link(_) if how.directory => Err(Errno::Notdir),
            NodeKind::Link(_) => Err(Errno::Loop),
            NodeKind::Dir(_) if how.write || how.truncate || how.create => Err(Errno::Isdir),
            NodeKind::Dir(_) => {
                state.opened(ino)?;
                Ok(Opened::VirtualDir(Arc::new(DirHandle {
                    tree: self.tree.clone(),
                    ino,
                    dev: self.dev,
                })))
            }
            _ if how.directory => Err(Errno::Notdir),
            NodeKind::Host(file) => file.open(how),
            NodeKind::File(bytes) => {
                if how.truncate {
                    let freed = std::mem::take(bytes).len() as u64;
                    node.modified(now);
                    state.refund(freed);
                }
                FileHandle::open(&self.tree, &mut state, ino, self.dev)
            }
        }
    }

    fn create_file(
        &self,
        state: &mut State,
        found: &Found,
        how: How,
        now: u64,
    ) -> Result<Opened, Errno> {
        let name = vacant(found).filter(|_| how.create).ok_or(Errno::Noent)?;
        let kind = NodeKind::File(Vec::new());
        let ino = state.create(found.parent, name, kind, Budget::Guest, now)?;
        FileHandle::open(&self.tree, state, ino, self.dev)
    }

    pub(in crate::fs) fn create_dir(&self, path: &GuestPath, now: u64) -> Result<(), Errno> {
        let mut state = self.tree.lock();
        let found = state.find(self.ino, &trimmed(path)?, false)?;
        let name = vacant(&found).ok_or(Errno::Exist)?;
        state.create_dir(found.parent, name, Budget::Guest, now)?;
        Ok(())
    }

    pub(in crate::fs) fn remove_dir(&self, path: &GuestPath, now: u64) -> Result<(), Errno> {
        let mut state = self.tree.lock();
        let found = state.find(self.ino, &trimmed(path)?, false)?;
        let name = found.name.ok_or(Errno::Inval)?;
        let ino = found.node.ok_or(Errno::Noent)?;
        if !state.dir(ino)?.is_empty() {
            return Err(Errno::Notempty);
        }
        state.unlink(found.parent, &name, ino, now)
    }

    pub(in crate::fs) fn unlink(&self, path: &GuestPath, now: u64) -> Result<(), Errno> {
        let mut state = self.tree.lock();
        let found = state.find(self.ino, path, false)?;
        let name = found.name.ok_or(Errno::Isdir)?;
        let ino = found.node.ok_or(Errno::Noent)?;
        match state.node(ino)?.kind {
            NodeKind::Dir(_) => Err(Errno::Isdir),
            // The embedder placed it.
            NodeKind::Host(_) => Err(Errno::Busy),
            _ => state.unlink(found.parent, &name, ino, now),
        }
    }

    pub(in crate::fs) fn symlink(
        &self,
        target: &GuestPath,
        path: &GuestPath,
        now: u64,
    ) -> Result<(), Errno> {
        let mut state = self.tree.lock();
        let found = state.find(self.ino, path, false)?;
        if target.bytes().is_empty() {
            return Err(Errno::Noent);
        }
        let name = vacant(&found).ok_or(Errno::Exist)?;
        let kind = NodeKind::Link(target.bytes().into());
        state.create(found.parent, name, kind, Budget::Guest, now)?;
        Ok(())
    }

    pub(in crate::fs) fn read_link(&self, path: &GuestPath) -> Result<Vec<u8>, Errno> {
        let state = self.tree.lock();
        let found = state.find(self.ino, path, false)?;
        match &state.node(found.node.ok_or(Errno::Noent)?)?.kind {
            NodeKind::Link(target) => Ok(target.to_vec()),
            _ => Err(Errno::Inval),
        }
    }

    pub(in crate::fs) fn stat(&self, path: &GuestPath, follow: bool) -> Result<FileStat, Errno> {
        let state = self.tree.lock();
        let ino = state
            .find(self.ino, path, follow)?
            .node
            .ok_or(Errno::Noent)?;
        state.stat(ino, self.dev)
    }

    pub(in crate::fs) fn own_stat(&self) -> Result<FileStat, Errno> {
        self.tree.lock().stat(self.ino, self.dev)
    }

    pub(in crate::fs) fn set_times(
        &self,
        path: &GuestPath,
        follow: bool,
        times: SetTimes,
        now: u64,
    ) -> Result<(), Errno> {
        let mut state = self.tree.lock();
        let ino = state
            .find(self.ino, path, follow)?
            .node
            .ok_or(Errno::Noent)?;
        let node = state.node_mut(ino)?;
        if let NodeKind::Host(file) = &node.kind {
            return file.set_times(times);
        }
        node.set_times(times, now);
        Ok(())
    }

    pub(in crate::fs) fn set_own_times(&self, times: SetTimes, now: u64) -> Result<(), Errno> {
        self.tree.lock().node_mut(self.ino)?.set_times(times, now);
        Ok(())
    }

    pub(in crate::fs) fn link(
        &self,
        old: &GuestPath,
        target: &DirHandle,
        new: &GuestPath,
        now: u64,
    ) -> Result<(), Errno> {
        if !Arc::ptr_eq(&self.tree, &target.tree) {
            return Err(Errno::Xdev);
        }
        let mut state = self.tree.lock();
        let from = state.find(self.ino, old, false)?;
        let to = state.find(target.ino, new, false)?;
        let ino = from.node.ok_or(Errno::Noent)?;
        let name = vacant(&to).ok_or(Errno::Exist)?;
        if state.node(ino)?.filetype() == FileType::Directory {
            return Err(Errno::Perm);
        }
        if state.node(ino)?.links == u32::MAX {
            return Err(Errno::Mlink);
        }
        state.attach(to.parent, name, ino, Budget::Guest, now)?;
        let node = state.node_mut(ino)?;
        node.links += 1;
        node.ctim = now;
        Ok(())
    }

    pub(in crate::fs) fn rename(
        &self,
        old: &GuestPath,
        target: &DirHandle,
        new: &GuestPath,
        now: u64,
    ) -> Result<(), Errno> {
        if !Arc::ptr_eq(&self.tree, &target.tree) {
            return Err(Errno::Xdev);
        }
        let mut state = self.tree.lock();
        let from = state.find(self.ino, &trimmed(old)?, false)?;
        let to = state.find(target.ino, &trimmed(new)?, false)?;
        let (Some(old_name), Some(new_name)) = (&from.name, &to.name) else {
            return Err(Errno::Busy);
        };
        let ino = from.node.ok_or(Errno::Noent)?;
        let filetype = state.node(ino)?.filetype();
        slash(old, filetype)?;
        slash(new, filetype)?;
        if state.node(to.parent)?.links == 0 {
            return Err(Errno::Noent);
        }
        if matches!(state.node(ino)?.kind, NodeKind::Host(_)) {
            return Err(Errno::Busy);
        }
        if filetype == FileType::Directory && is_within(&state, to.parent, ino)? {
            return Err(Errno::Inval);
        }
        if let Some(present) = to.node {
            if is_within(&state, from.parent, present)? {
                return Err(Errno::Notempty);
            }
            if present == ino {
                // Two names of one file, or one name: nothing changes.
                return Ok(());
            }
            replaceable(&state, present, filetype)?;
        }
        if let Some(present) = to.node {
            state.unlink(to.parent, new_name, present, now)?;
        }
        state.detach(from.parent, old_name, now)?;
        // A longer name may find no room; then the old one comes back. Nothing was replaced then, which would have made room.
        if let Err(errno) = state.attach(to.parent, new_name, ino, Budget::Guest, now) {
            state.attach(from.parent, old_name, ino, Budget::Guest, now)?;
            return Err(errno);
        }
        if let Ok(dir) = state.dir_mut(ino) {
            dir.parent = to.parent;
        }
        state.node_mut(ino)?.ctim = now;
        Ok(())
    }

    /// Appends the entries from `cookie` on until the buffer is full.
    pub(in crate::fs) fn list(&self, cookie: u64, sink: &mut Sink<'_>) -> Result<(), Errno> {
        let state = self.tree.lock();
        let dir = state.dir(self.ino)?;
        if sink.is_full() {
            return Ok(());
        }
        if cookie < BEHIND_SELF && !sink.push(BEHIND_SELF, self.ino, FileType::Directory, b".") {
            return Ok(());
        }
        if cookie < BEHIND_PARENT && !sink.push(BEHIND_PARENT, self.ino, FileType::Directory, b"..")
        {
            return Ok(());
        }
        for (cookie, name, ino) in dir.from(cookie) {
            let filetype = state.node(ino)?.filetype();
            if !sink.push(cookie + 1, ino, filetype, name) {
                break;
            }
        }
        Ok(())
    }
}

/// Whether `dir` is `top` or lies beneath it.
fn is_within(state: &State, mut dir: Ino, top: Ino) -> Result<bool, Errno> {
    loop {
        if dir == top {
            return Ok(true);
        }
        if dir == ROOT {
            return Ok(false);
        }
        dir = state.dir(dir)?.parent;
    }
}

/// Fails unless something of this kind may take the place of what is there.
fn replaceable(state: &State, present: Ino, filetype: FileType) -> Result<(), Errno> {
    match (&state.node(present)?.kind, filetype) {
        (NodeKind::Dir(dir), FileType::Directory) if dir.is_empty() => Ok(()),
        (NodeKind::Dir(_), FileType::Directory) => Err(Errno::Notempty),
        (NodeKind::Dir(_), _) => Err(Errno::Isdir),
        (_, FileType::Directory) => Err(Errno::Notdir),
        (NodeKind::Host(_), _) => Err(Errno::Busy),
        _ => Ok(()),
    }
}
