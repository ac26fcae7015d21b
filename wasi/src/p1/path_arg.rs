//! Taking paths out of guest memory.

use crate::errno::Errno;
use crate::fs::{GuestPath, PATH_MAX};
use crate::memory::GuestMemory;

/// A path of the guest's. All of it has to lie inside the memory, but no more is looked at than a path can be long.
pub(super) fn read(mem: &GuestMemory<'_>, addr: u32, len: u32) -> Result<GuestPath, Errno> {
    let bytes = mem.bytes(addr, len)?;
    if bytes.len() > PATH_MAX {
        return Err(Errno::Nametoolong);
    }
    GuestPath::new(bytes)
}
