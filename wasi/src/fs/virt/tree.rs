//! The nodes of a tree, what they cost, and how names are found in them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::errno::Errno;
use crate::fs::SetTime;
use crate::fs::host::HostFile;
use crate::fs::path::{NAME_MAX, Name, Rest, Step};
use crate::fs::{GuestPath, SetTimes};
use crate::types::{FileStat, FileType};

/// The number of a node; numbers are used again.
pub(in crate::fs) type Ino = u64;

/// The number of the topmost directory.
pub(in crate::fs) const ROOT: Ino = 1;

/// What a node costs beside its contents.
const NODE_COST: u64 = 256;

/// The first cookie of an entry with a name of its own; those before are `.` and `..`.
const FIRST_COOKIE: u64 = 2;

/// Who adds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fs) enum Budget {
    /// A guest: within the tree's room.
    Guest,
    /// The embedder, who is not bounded. See [`State::keep_room`].
    Embedder,
}

/// A tree.
pub(crate) struct Tree {
    state: Mutex<State>,
    /// Whether files of the host are in it.
    host_files: bool,
}

impl Tree {
    /// An empty tree to which guests may add so many bytes.
    pub(in crate::fs) fn new(room: u64, host_files: bool, now: u64) -> Tree {
        let root = Node::new(NodeKind::Dir(DirNode::new(ROOT)), now);
        Tree {
            state: Mutex::new(State {
                nodes: vec![Some(root)],
                free: Vec::new(),
                used: 0,
                limit: room,
            }),
            host_files,
        }
    }

    /// Never poisoned in effect: nothing under this lock calls code of others.
    pub(in crate::fs) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_host_files(&self) -> bool {
        self.host_files
    }
}

/// All nodes.
pub(in crate::fs) struct State {
    /// Node `n` lies at `n - 1`.
    nodes: Vec<Option<Node>>,
    free: Vec<Ino>,
    used: u64,
    limit: u64,
}

/// A file, directory or link.
pub(in crate::fs) struct Node {
    pub(in crate::fs) kind: NodeKind,
    /// Names that it has; directories count as one.
    pub(super) links: u32,
    /// Descriptors on it; it lives on without a name while there are any.
    opens: u32,
    pub(super) atim: u64,
    pub(super) mtim: u64,
    pub(super) ctim: u64,
}

pub(in crate::fs) enum NodeKind {
    File(Vec<u8>),
    Dir(DirNode),
    Link(Box<[u8]>),
    Host(HostFile),
}

/// The entries of a directory, by name and in the order in which they came.
pub(in crate::fs) struct DirNode {
    pub(super) parent: Ino,
    entries: BTreeMap<Box<[u8]>, (u64, Ino)>,
    order: BTreeMap<u64, Box<[u8]>>,
    next_cookie: u64,
}

impl DirNode {
    fn new(parent: Ino) -> DirNode {
        DirNode {
            parent,
            entries: BTreeMap::new(),
            order: BTreeMap::new(),
            next_cookie: FIRST_COOKIE,
        }
    }

    pub(in crate::fs) fn get(&self, name: &[u8]) -> Option<Ino> {
        self.entries.get(name).map(|(_, ino)| *ino)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The names, in no order that matters.
    pub(in crate::fs) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.keys().map(|name| &**name)
    }

    /// Cookie, name and node of the entries from a cookie on.
    pub(super) fn from(&self, cookie: u64) -> impl Iterator<Item = (u64, &[u8], Ino)> {
        self.order
            .range(cookie..)
            .filter_map(|(cookie, name)| Some((*cookie, &**name, self.get(name)?)))
    }

    fn insert(&mut self, name: &[u8], ino: Ino) {
        let cookie = self.next_cookie;
        self.next_cookie += 1;
        self.entries.insert(name.into(), (cookie, ino));
        self.order.insert(cookie, name.into());
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some((cookie, _)) = self.entries.remove(name) {
            self.order.remove(&cookie);
        }
    }
}

impl Node {
    fn new(kind: NodeKind, now: u64) -> Node {
        Node {
            kind,
            links: 1,
            opens: 0,
            atim: now,
            mtim: now,
            ctim: now,
        }
    }

    pub(in crate::fs) fn filetype(&self) -> FileType {
        match &self.kind {
            NodeKind::Dir(_) => FileType::Directory,
            NodeKind::Link(_) => FileType::SymbolicLink,
            NodeKind::File(_) | NodeKind::Host(_) => FileType::RegularFile,
        }
    }

    pub(super) fn set_times(&mut self, times: SetTimes, now: u64) {
        for (field, time) in [(&mut self.atim, times.atim), (&mut self.mtim, times.mtim)] {
            match time {
                SetTime::Keep => {}
                SetTime::Now => *field = now,
                SetTime::At(time) => *field = time,
            }
        }
        self.ctim = now;
    }

    pub(super) fn modified(&mut self, now: u64) {
        (self.mtim, self.ctim) = (now, now);
    }
}

/// What a name costs: it is kept twice.
fn name_cost(name: &[u8]) -> u64 {
    2 * name.len() as u64 + 64
}

/// Where a path led.
pub(in crate::fs) struct Found {
    /// The directory of the entry.
    pub(super) parent: Ino,
    /// The entry's name; `None` if the path means the directory `parent` itself.
    pub(super) name: Option<Name>,
    /// What the entry is, if it is there.
    pub(in crate::fs) node: Option<Ino>,
}

impl State {
    fn index(ino: Ino) -> usize {
        // Numbers begin at 1 and are no larger than the vector is long.
        (ino - 1) as usize
    }

    pub(in crate::fs) fn node(&self, ino: Ino) -> Result<&Node, Errno> {
        self.nodes
            .get(State::index(ino))
            .and_then(Option::as_ref)
            .ok_or(Errno::Stale)
    }

    pub(in crate::fs) fn node_mut(&mut self, ino: Ino) -> Result<&mut Node, Errno> {
        self.nodes
            .get_mut(State::index(ino))
            .and_then(Option::as_mut)
            .ok_or(Errno::Stale)
    }

    pub(in crate::fs) fn dir(&self, ino: Ino) -> Result<&DirNode, Errno> {
        match &self.node(ino)?.kind {
            NodeKind::Dir(dir) => Ok(dir),
            _ => Err(Errno::Notdir),
        }
    }

    pub(super) fn dir_mut(&mut self, ino: Ino) -> Result<&mut DirNode, Errno> {
        match &mut self.node_mut(ino)?.kind {
            NodeKind::Dir(dir) => Ok(dir),
            _ => Err(Errno::Notdir),
        }
    }

    /// How many bytes are in use.
    pub(in crate::fs) fn used(&self) -> u64 {
        self.used
    }

    /// How many bytes may be added.
    pub(in crate::fs) fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    /// Sets how many bytes may be added: what the embedder puts in leaves that as it was.
    pub(in crate::fs) fn keep_room(&mut self, left: u64) {
        self.limit = self.used.saturating_add(left);
    }

    /// Pays for something that is added.
    pub(in crate::fs) fn pay(&mut self, cost: u64, budget: Budget) -> Result<(), Errno> {
        if budget == Budget::Guest && cost > self.left() {
            return Err(Errno::Nospc);
        }
        self.used = self.used.saturating_add(cost);
        Ok(())
    }

    /// Gives back for something that is gone.
    pub(in crate::fs) fn refund(&mut self, cost: u64) {
        self.used = self.used.saturating_sub(cost);
    }

    /// Follows a path from a directory, not beyond it.
    pub(in crate::fs) fn find(
        &self,
        start: Ino,
        path: &GuestPath,
        follow: bool,
    ) -> Result<Found, Errno> {
        self.find_to(start, path, follow, false)
    }

    /// The same, to create what is not there.
    pub(super) fn find_to(
        &self,
        start: Ino,
        path: &GuestPath,
        follow: bool,
        create: bool,
    ) -> Result<Found, Errno> {
        let mut rest = Rest::new(path.bytes())?;
        let mut above = Vec::new();
        let mut here = start;
        loop {
            match rest.next()? {
                Step::End => {
                    return Ok(Found {
                        parent: here,
                        name: None,
                        node: Some(here),
                    });
                }
                Step::Up => here = above.pop().ok_or(Errno::Perm)?,
                // A name with slashes behind is a directory's, which cannot be created this way.
                Step::Into(_) if create && rest.at_end() => return Err(Errno::Isdir),
                Step::Into(name) => {
                    let ino = self.dir(here)?.get(&name).ok_or(Errno::Noent)?;
                    match &self.node(ino)?.kind {
                        NodeKind::Link(target) => rest.expand(target)?,
                        NodeKind::Dir(_) => {
                            above.push(here);
                            here = ino;
                        }
                        _ => return Err(Errno::Notdir),
                    }
                }
                Step::Last(name) => {
                    let node = self.dir(here)?.get(&name);
                    if follow
                        && let Some(ino) = node
                        && let NodeKind::Link(target) = &self.node(ino)?.kind
                    {
                        rest.expand(target)?;
                        continue;
                    }
                    return Ok(Found {
                        parent: here,
                        name: Some(name),
                        node,
                    });
                }
            }
        }
    }

    /// Gives a node a name. The directory has to be there still, the name must be free.
    pub(in crate::fs) fn attach(
        &mut self,
        parent: Ino,
        name: &[u8],
        ino: Ino,
        budget: Budget,
        now: u64,
    ) -> Result<(), Errno> {
        if name.len() > NAME_MAX {
            return Err(Errno::Nametoolong);
        }
        if self.node(parent)?.links == 0 {
            return Err(Errno::Noent);
        }
        self.pay(name_cost(name), budget)?;
        self.dir_mut(parent)?.insert(name, ino);
        self.node_mut(parent)?.modified(now);
        Ok(())
    }

    /// Takes a name away; the node stays as it is.
    pub(super) fn detach(&mut self, parent: Ino, name: &[u8], now: u64) -> Result<(), Errno> {
        self.dir_mut(parent)?.remove(name);
        self.refund(name_cost(name));
        self.node_mut(parent)?.modified(now);
        Ok(())
    }

    /// Makes a node with one name.
    pub(in crate::fs) fn create(
        &mut self,
        parent: Ino,
        name: &[u8],
        kind: NodeKind,
        budget: Budget,
        now: u64,
    ) -> Result<Ino, Errno> {
        let cost = NODE_COST + content_cost(&kind);
        self.pay(cost, budget)?;
        let ino = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            self.nodes.len() as Ino
        });
        self.nodes[State::index(ino)] = Some(Node::new(kind, now));
        if let Err(errno) = self.attach(parent, name, ino, budget, now) {
            self.nodes[State::index(ino)] = None;
            self.free.push(ino);
            self.refund(cost);
            return Err(errno);
        }
        Ok(ino)
    }

    pub(in crate::fs) fn create_dir(
        &mut self,
        parent: Ino,
        name: &[u8],
        budget: Budget,
        now: u64,
    ) -> Result<Ino, Errno> {
        self.create(
            parent,
            name,
            NodeKind::Dir(DirNode::new(parent)),
            budget,
            now,
        )
    }

    /// Takes a name away from a node, which ends with its last name and descriptor.
    pub(in crate::fs) fn unlink(
        &mut self,
        parent: Ino,
        name: &[u8],
        ino: Ino,
        now: u64,
    ) -> Result<(), Errno> {
        self.detach(parent, name, now)?;
        let node = self.node_mut(ino)?;
        node.links -= 1;
        node.ctim = now;
        self.reap(ino);
        Ok(())
    }

    pub(super) fn opened(&mut self, ino: Ino) -> Result<(), Errno> {
        self.node_mut(ino)?.opens += 1;
        Ok(())
    }

    pub(super) fn closed(&mut self, ino: Ino) {
        if let Ok(node) = self.node_mut(ino) {
            node.opens -= 1;
            self.reap(ino);
        }
    }

    /// Ends a node that nobody can reach.
    fn reap(&mut self, ino: Ino) {
        let gone = |node: &Node| node.links == 0 && node.opens == 0;
        if self.node(ino).is_ok_and(gone)
            && let Some(node) = self.nodes[State::index(ino)].take()
        {
            self.refund(NODE_COST + content_cost(&node.kind));
            self.free.push(ino);
        }
    }

    /// What is known of a node; `dev` tells trees apart.
    pub(super) fn stat(&self, ino: Ino, dev: u64) -> Result<FileStat, Errno> {
        let node = self.node(ino)?;
        let size = match &node.kind {
            NodeKind::File(bytes) => bytes.len() as u64,
            NodeKind::Link(target) => target.len() as u64,
            NodeKind::Dir(dir) => dir.entries.len() as u64,
            NodeKind::Host(file) => return file.stat(),
        };
        Ok(FileStat {
            dev,
            ino,
            filetype: node.filetype(),
            nlink: node.links.into(),
            size,
            atim: node.atim,
            mtim: node.mtim,
            ctim: node.ctim,
        })
    }
}

/// What a node holds beside itself and its names.
fn content_cost(kind: &NodeKind) -> u64 {
    match kind {
        NodeKind::File(bytes) => bytes.len() as u64,
        NodeKind::Link(target) => target.len() as u64,
        NodeKind::Dir(_) | NodeKind::Host(_) => 0,
    }
}
