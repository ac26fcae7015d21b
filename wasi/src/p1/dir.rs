//! Directories that were there from the start, and reading directories.

use std::sync::{Arc, Mutex, PoisonError};

use crate::call::{Cx, DONE, Outcome, Step, ready};
use crate::ctx::DirPerms;
use crate::errno::Errno;
use crate::fs::{Dir, Listing, Sink};
use crate::table::Kind;
use crate::types::Rights;

/// The most that one job on the blocking pool lists.
const MAX_PIECE: u32 = 256 * 1024;

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
    let used = if cx.ctx.allow_blocking_files || matches!(dir, Dir::Virtual(_)) {
        // Straight into the guest.
        let mut listing = listing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sink = Sink::new(cx.mem.bytes_mut(buf, len)?);
        dir.list(&mut listing, cookie, &mut sink)?;
        sink.used() as u32
    } else {
        ready!(list_in_pieces(cx, &dir, &listing, buf, len, cookie)?)
    };
    cx.mem.write_u32(out, used)?;
    Ok(DONE)
}

/// What one job on the blocking pool listed.
struct Piece {
    bytes: Vec<u8>,
    /// Where the last whole entry ended, and the cookie behind it.
    whole: Option<(usize, u64)>,
}

/// Fills the guest's buffer by one job after the other, so that no host buffer becomes as large as it.
fn list_in_pieces(
    cx: &mut Cx<'_>,
    dir: &Dir,
    listing: &Arc<Mutex<Listing>>,
    buf: u32,
    len: u32,
    cookie: u64,
) -> Outcome<u32> {
    loop {
        let (done, from) = (cx.state.progress as u32, cx.state.cookie.unwrap_or(cookie));
        let (dir, listing) = (dir.clone(), listing.clone());
        let room = (len - done).min(MAX_PIECE);
        let piece = ready!(cx.blocking(move || {
            let mut listing = listing.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bytes = vec![0; room as usize];
            let mut sink = Sink::new(&mut bytes);
            dir.list(&mut listing, from, &mut sink)?;
            let (used, whole) = (sink.used(), sink.whole());
            bytes.truncate(used);
            Ok(Piece { bytes, whole })
        })?);
        // A piece that was cut short of the guest's buffer ends with a whole entry, behind which the next goes on.
        let cut = piece.bytes.len() == room as usize && room < len - done;
        let (bytes, next) = match piece.whole {
            Some((end, next)) if cut => (&piece.bytes[..end], Some(next)),
            _ => (&piece.bytes[..], None),
        };
        // The whole buffer was checked, and pieces stay within it.
        cx.mem.write(buf + done, bytes)?;
        cx.state.progress += bytes.len();
        cx.state.cookie = next;
        if next.is_none() {
            return Ok(Step::Done(cx.state.progress as u32));
        }
    }
}
