//! Address space for instances with an ordinary memory of their own: slots of one size, kept for the
//! next instance when one is dropped.
//!
//! ```text
//!   │ front guard ≥ 2 GiB + 64 KiB │ fields, up to P │ P: memory, up to 4 GiB │ rear guard │
//!                                  └──── open: what was made accessible ───┘
//! ```
//! A slot that comes back from an instance of module A waits for A's next instance, which then needs
//! hardly a system call: permissions and mappings stay, M is zeroed, memory thrown away, so that it is
//! again zero or what the file says, and S is compared before it is used. For others, and when the
//! memory has grown, all that was open is replaced by fresh inaccessible pages in one call, and the page
//! tables stay. Either way no byte of the last tenant is left. It must never know what lies in the pages.

use super::sys::{self, Reservation};
use craneway_jit::abi::{MAX_FIELD_BYTES, WASM_GUARD_BYTES, ordinary_reservation};
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

/// From the start of a slot to P.
const BEFORE: usize =
    (WASM_GUARD_BYTES as usize + MAX_FIELD_BYTES as usize).next_multiple_of(2 << 20);
/// Bytes of a slot.
const BYTES: usize = BEFORE + ordinary_reservation() as usize;
/// Most slots that wait for another instance.
const MOST_FREE: usize = 64;

/// M is zeroed by hand up to this size, and thrown away with the memory above it.
const ZEROED: usize = 16 << 10;

/// What a slot was made ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Identity of the module.
    pub(crate) module: u64,
    /// Bytes of S.
    pub(crate) sealed: usize,
    /// Bytes of M.
    pub(crate) fields: usize,
    /// Accessible bytes of memory.
    pub(crate) memory: usize,
}

struct Waiting {
    reservation: Reservation,
    shape: Option<Shape>,
}

static FREE: Mutex<Vec<Waiting>> = Mutex::new(Vec::new());

fn free() -> MutexGuard<'static, Vec<Waiting>> {
    FREE.lock().unwrap_or_else(|e| e.into_inner())
}

impl Waiting {
    /// A slot of this reservation, with what its shape left open.
    fn into_slot(self) -> Slot {
        let p = self.reservation.base() + BEFORE;
        let open = self.shape.map_or(p..p, |s| s.open(p));
        Slot {
            reservation: Some(self.reservation),
            p,
            open,
            shape: None,
        }
    }
}

impl Shape {
    fn open(&self, p: usize) -> Range<usize> {
        p - self.sealed - self.fields..p + self.memory
    }
}

/// Empties the slots that wait for instances of a module: there will be none.
pub(crate) fn forget(module: u64) {
    let mut waiting = free();
    let stale = |w: &mut Waiting| w.shape.is_some_and(|s| s.module == module);
    let stale: Vec<Waiting> = waiting.extract_if(.., stale).collect();
    drop(waiting);
    // Slots that are dropped without a shape are emptied, and wait for any module.
    stale.into_iter().map(Waiting::into_slot).for_each(drop);
}

/// Tries again without the slots that wait, which hold address space, if the system refuses.
fn or_without_waiting<R>(attempt: impl Fn() -> io::Result<R>) -> io::Result<R> {
    attempt().or_else(|refused| {
        let waiting = std::mem::take(&mut *free());
        if waiting.is_empty() {
            return Err(refused);
        }
        drop(waiting);
        attempt()
    })
}

/// Reserves address space, for which slots that wait must go if there is no other.
pub(crate) fn reserve(bytes: usize) -> io::Result<Reservation> {
    or_without_waiting(|| Reservation::new(bytes))
}

/// A slot in use.
#[derive(Debug)]
pub(crate) struct Slot {
    /// `None` only while it is dropped.
    reservation: Option<Reservation>,
    /// P.
    p: usize,
    /// What was made accessible.
    open: Range<usize>,
    /// What it is ready for, and will be again.
    shape: Option<Shape>,
}

impl Slot {
    /// A slot for an instance of `module`: one that an instance of it left, and then true, else one
    /// of which nothing is accessible.
    pub(crate) fn new(module: u64) -> io::Result<(Slot, bool)> {
        let fits = |w: &Waiting| w.shape.is_some_and(|s| s.module == module);
        let mut waiting = free();
        let at = waiting.iter().rposition(fits);
        let ready = at.is_some();
        let empty = || waiting.iter().rposition(|w| w.shape.is_none());
        let at = at.or_else(empty);
        // The oldest of other modules goes before more address space is taken.
        let at = at.or((waiting.len() >= MOST_FREE / 2).then_some(0));
        let found = at.map(|at| waiting.remove(at));
        drop(waiting);
        if let Some(found) = found {
            let mut slot = found.into_slot();
            if !ready {
                slot.close()?;
            }
            return Ok((slot, ready));
        }
        let reservation = reserve(BYTES).map_err(|e| {
            let what =
                format!("cannot reserve {BYTES} bytes of address space for an instance: {e}");
            io::Error::new(e.kind(), what)
        })?;
        let new = Waiting {
            reservation,
            shape: None,
        };
        Ok((new.into_slot(), false))
    }

    /// Says that the slot is ready for `shape.module`, as it will be after it was dropped.
    pub(crate) fn keep_for(&mut self, shape: Shape) {
        self.shape = (shape.open(self.p) == self.open).then_some(shape);
    }

    /// Makes all of it inaccessible and forgets what was in it.
    fn close(&mut self) -> io::Result<()> {
        // SAFETY: the range lies in our reservation, and nobody uses it: the slot is not given to
        // anyone yet, or whoever had it is gone.
        unsafe { sys::make_inaccessible(self.open.start, self.open.len())? };
        self.open = self.p..self.p;
        Ok(())
    }

    /// Forgets what was in it, but leaves S and all permissions and mappings.
    fn clean(&self, shape: Shape) -> io::Result<()> {
        let by_hand = if shape.fields <= ZEROED {
            shape.fields
        } else {
            0
        };
        let from = self.p - (shape.fields - by_hand);
        // SAFETY: as `close`; M lies below P and is writable.
        unsafe {
            std::ptr::write_bytes((self.p - by_hand) as *mut u8, 0, by_hand);
            sys::throw_away(from, self.open.end - from)
        }
    }

    /// The base of the memory, page-aligned.
    pub(crate) fn p(&self) -> usize {
        self.p
    }

    /// Makes `below` bytes below P and `above` bytes from it accessible, as far as they are not yet.
    pub(crate) fn open(&mut self, below: usize, above: usize) -> io::Result<()> {
        let page = sys::page_size();
        let above = above.next_multiple_of(page);
        assert!(
            below <= MAX_FIELD_BYTES as usize && below.is_multiple_of(page) && above <= 4 << 30,
            "a slot has no room for {below} bytes of fields and {above} of memory"
        );
        let want = self.open.start.min(self.p - below)..self.open.end.max(self.p + above);
        // Fields are opened once, together with the first of the memory.
        let start = if want.start < self.open.start {
            want.start
        } else {
            self.open.end
        };
        // SAFETY: the range lies in our reservation, between the guards, and is not open yet.
        or_without_waiting(|| unsafe { sys::make_accessible(start, want.end - start) })?;
        self.open = want;
        Ok(())
    }

    /// Whether `address` lies in the slot.
    pub(crate) fn contains(&self, address: usize) -> bool {
        self.reservation
            .as_ref()
            .is_some_and(|r| r.contains(address))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A memory that has grown is larger than what the next instance starts with.
        let shape = self.shape.filter(|s| s.open(self.p) == self.open);
        let shape = shape.filter(|s| self.clean(*s).is_ok());
        if shape.is_none() && self.close().is_err() {
            return;
        }
        let mut free = free();
        if let Some(reservation) = self.reservation.take()
            && free.len() < MOST_FREE
        {
            free.push(Waiting { reservation, shape });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        module: u64::MAX,
        sealed: 4096,
        fields: 8192,
        memory: 3 * 4096,
    };

    fn used(slot: &mut Slot, below: usize, above: usize) {
        for at in (slot.p() - below..slot.p() + above).step_by(100) {
            // SAFETY: the caller opened the range, which is ours.
            unsafe {
                assert_eq!((at as *const u8).read(), 0);
                (at as *mut u8).write(0xee);
            }
        }
    }

    // One test, because all tests of a process share the waiting slots.
    #[test]
    fn nothing_of_the_last_tenant_is_left() {
        for _ in 0..3 {
            let (mut slot, ready) = Slot::new(SHAPE.module).unwrap();
            assert!(!ready);
            slot.open(2 * 4096, 3 * 4096 - 5).unwrap();
            slot.open(0, 5 * 4096).unwrap();
            used(&mut slot, 2 * 4096, 5 * 4096);
            assert!(slot.contains(slot.p()) && slot.contains(slot.p() - (2 << 30)));
            assert!(!slot.contains(slot.p() + BYTES));
        }
        for round in 0..5 {
            let (mut slot, ready) = Slot::new(SHAPE.module).unwrap();
            assert_eq!(ready, round > 0);
            if !ready {
                slot.open(SHAPE.sealed + SHAPE.fields, SHAPE.memory)
                    .unwrap();
            }
            // S is not cleaned: whoever takes the slot compares it.
            used(&mut slot, SHAPE.fields, SHAPE.memory);
            slot.keep_for(SHAPE);
        }
        let (mut grown, ready) = Slot::new(SHAPE.module).unwrap();
        assert!(ready);
        grown.open(0, SHAPE.memory + 4096).unwrap();
        grown.keep_for(SHAPE);
        drop(grown);
        let (mut slot, ready) = Slot::new(SHAPE.module).unwrap();
        assert!(!ready, "its memory had grown");
        slot.open(SHAPE.sealed + SHAPE.fields, SHAPE.memory)
            .unwrap();
        slot.keep_for(SHAPE);
        drop(slot);
        forget(SHAPE.module);
        assert!(!Slot::new(SHAPE.module).unwrap().1, "the module is gone");
    }
}
