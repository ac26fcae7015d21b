//! Directories in memory: a tree of files, directories and symbolic links behind one lock.
//!
//! What guests add is bounded in bytes, entries included, so no guest's files become memory beyond that. Must never know
//! guest memory, and of the host only the single files that an embedder placed in the tree.

mod dir;
mod file;
mod tree;

pub(crate) use dir::DirHandle;
pub(crate) use file::FileHandle;
pub(crate) use tree::Tree;
pub(super) use tree::{Budget, Ino, NodeKind, ROOT, State};
