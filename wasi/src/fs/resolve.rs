//! Resolving paths beneath a directory of the host, whatever anybody renames or links meanwhile.
//!
//! Two resolvers give the same answers: the kernel's (`openat2`), and one that goes step by step where the kernel has
//! none. Everything that reaches the host by a path goes through [`open`] or [`parent`]; whoever has the parent acts on a
//! single name that no call follows. Must never know what was granted.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno as Host;

use super::path::{self, Split};
use super::steps;
use crate::errno::Errno;

/// How paths beneath a directory of the host are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resolver {
    /// By the kernel where it can (`openat2` of Linux 5.6 and later), step by step elsewhere.
    #[default]
    Auto,
    /// Step by step always: each component is opened beneath the one before it and none is followed blindly. Slower; for
    /// hosts whose `openat2` is not to be used.
    Steps,
    /// Looks where a path leads before it is opened: wrong, because it may lead elsewhere then. It shows that the tests
    /// which race against a resolver would find it out.
    #[cfg(test)]
    Weak,
}

/// How often the kernel is asked again when a rename anywhere on the host kept it from answering.
const RETRIES: u32 = 8;

/// What new files may be used for, before the process's mask.
const MODE: Mode = Mode::from_raw_mode(0o666);

/// The directory of an entry.
pub(super) enum Parent<'d> {
    Same(BorrowedFd<'d>),
    Opened(OwnedFd),
}

impl AsFd for Parent<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Parent::Same(dir) => *dir,
            Parent::Opened(dir) => dir.as_fd(),
        }
    }
}

impl Resolver {
    /// Whether to ask the kernel.
    fn by_kernel(self) -> bool {
        self == Resolver::Auto && kernel_resolves()
    }
}

/// Whether this kernel resolves beneath a directory, and whether this process may ask it to.
fn kernel_resolves() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat2(
            rustix::fs::CWD,
            ".",
            flags,
            Mode::empty(),
            ResolveFlags::BENEATH,
        )
        .is_ok()
    })
}

/// Opens what `path` names beneath `dir`. `Perm` if it leads outside.
pub(super) fn open(
    resolver: Resolver,
    dir: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    follow: bool,
) -> Result<OwnedFd, Errno> {
    #[cfg(test)]
    if resolver == Resolver::Weak {
        return super::steps::weak::open(dir, path, flags, follow);
    }
    if resolver.by_kernel()
        && let Some(answer) = open_by_kernel(dir, path, flags, follow)
    {
        return answer;
    }
    steps::open(dir, path, flags, follow)
}

/// `None` if the kernel cannot say now.
fn open_by_kernel(
    dir: BorrowedFd<'_>,
    path: &[u8],
    mut flags: OFlags,
    follow: bool,
) -> Option<Result<OwnedFd, Errno>> {
    flags |= OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, !follow);
    let mode = mode(flags);
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RETRIES {
        match rustix::fs::openat2(dir, path, flags, mode, resolve) {
            Err(Host::AGAIN | Host::INTR) => {}
            // Nothing else crosses anything here.
            Err(Host::XDEV) => return Some(Err(Errno::Perm)),
            Err(errno) => return Some(Err(errno.into())),
            Ok(fd) => return Some(Ok(fd)),
        }
    }
    None
}

/// The mode for these flags: only creating takes one.
pub(super) fn mode(flags: OFlags) -> Mode {
    if flags.contains(OFlags::CREATE) {
        MODE
    } else {
        Mode::empty()
    }
}

/// Opens the directory that holds what `path` names, so that a call that follows no links can act on the name.
///
/// The name is a single component or `.`; it comes without the slashes that followed it.
pub(super) fn parent<'d, 'p>(
    resolver: Resolver,
    dir: BorrowedFd<'d>,
    path: &'p [u8],
) -> Result<(Parent<'d>, Split<'p>), Errno> {
    let split = path::split(path)?;
    if split.parent.is_empty() {
        return Ok((Parent::Same(dir), split));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY;
    let opened = open(resolver, dir, split.parent, flags, true)?;
    Ok((Parent::Opened(opened), split))
}

/// The same for calls that act on a directory if the path ends in a slash: then the name is `.`.
pub(super) fn parent_or_dir<'d, 'p>(
    resolver: Resolver,
    dir: BorrowedFd<'d>,
    path: &'p [u8],
) -> Result<(Parent<'d>, &'p [u8]), Errno> {
    if path.ends_with(b"/") {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let opened = open(resolver, dir, path, flags, true)?;
        return Ok((Parent::Opened(opened), b"."));
    }
    let (parent, split) = parent(resolver, dir, path)?;
    Ok((parent, split.name))
}
