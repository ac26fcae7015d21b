//! Slots of stub code with data: host stubs and thunks, whose code is the same in every slot and whose
//! data says where to go; and direct stubs, which hold the distance to what they call as well.
//!
//! A slot's code is written before it runs for the first time and never again: free slots of direct
//! stubs wait for another function with the same shim.

use super::arch;
use super::sys::CodeAlias;
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

/// Bytes of code (and of data) mapped at a time; a slot's data lies this far behind its code.
pub(crate) const CHUNK: usize = 64 << 10;

/// All slots of one kind, process-wide; chunks are never given back.
pub(crate) struct StubPool {
    /// The code of every slot, but for what it calls.
    code: Vec<u8>,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    /// Slots that were used before, by what their code calls: 0 if that is the same in all.
    free: HashMap<usize, Vec<Place>>,
    /// The last chunk.
    chunk: Option<CodeAlias>,
    /// Bytes of it that were given out.
    used: usize,
}

/// Addresses of a slot's code and of the writable view of its data.
#[derive(Clone, Copy)]
struct Place {
    code: usize,
    data: usize,
}

/// An owned slot.
pub(crate) struct StubSlot {
    pool: &'static StubPool,
    place: Place,
    calls: usize,
}

/// Stubs of host functions.
pub(crate) fn host_stubs() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        code: arch::host_stub(),
        slots: Mutex::default(),
    })
}

/// Thunks: set the callee's vmctx, then jump to its code.
pub(crate) fn thunks() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        code: arch::thunk(),
        slots: Mutex::default(),
    })
}

/// Stubs of host functions that are trampolines themselves.
pub(crate) fn direct_stubs() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        code: arch::direct_stub(),
        slots: Mutex::default(),
    })
}

impl StubPool {
    /// A slot; its data is to be written before its code can be reached.
    pub(crate) fn allocate(&'static self) -> std::io::Result<StubSlot> {
        self.slot(0, |_| None)
    }

    /// A slot whose code calls `target`.
    pub(crate) fn allocate_calling(&'static self, target: usize) -> std::io::Result<StubSlot> {
        self.slot(target, |at| arch::direct_call(at, target))
    }

    /// A slot whose code calls `calls`: one that does, or a new one with the bytes at the offset that
    /// `code` says for its address.
    fn slot(
        &'static self,
        calls: usize,
        code: impl FnOnce(usize) -> Option<(usize, [u8; 6])>,
    ) -> std::io::Result<StubSlot> {
        let mut slots = self.slots.lock().unwrap_or_else(|e| e.into_inner());
        let free = slots.free.get_mut(&calls).and_then(Vec::pop);
        let place = match free {
            Some(place) => place,
            None => self.new_place(&mut slots, code)?,
        };
        Ok(StubSlot {
            pool: self,
            place,
            calls,
        })
    }

    fn new_place(
        &self,
        slots: &mut Slots,
        code: impl FnOnce(usize) -> Option<(usize, [u8; 6])>,
    ) -> std::io::Result<Place> {
        let chunk = match &slots.chunk {
            Some(chunk) if slots.used < CHUNK => chunk,
            _ => {
                slots.used = 0;
                let code = self.code.repeat(CHUNK / self.code.len());
                slots.chunk.insert(CodeAlias::new(&code)?)
            }
        };
        let at = slots.used;
        let place = Place {
            code: chunk.code + at,
            data: chunk.data + at,
        };
        if let Some((offset, bytes)) = code(place.code) {
            chunk.write_code(at + offset, &bytes)?;
        }
        slots.used += self.code.len();
        Ok(place)
    }
}

impl StubSlot {
    /// Address of the code.
    pub(crate) fn code(&self) -> usize {
        self.place.code
    }

    /// Writes the words that the code reads, at most as many bytes as it has itself.
    pub(crate) fn write<const N: usize>(&self, words: [u64; N]) {
        assert!(size_of_val(&words) <= self.pool.code.len());
        // SAFETY: the data entry is as long as the slot's code, writable, and belongs to this slot
        // alone; nothing runs the slot's code before its owner publishes the address.
        unsafe { (self.place.data as *mut [u64; N]).write_volatile(words) };
    }
}

impl Drop for StubSlot {
    fn drop(&mut self) {
        let mut slots = self.pool.slots.lock().unwrap_or_else(|e| e.into_inner());
        slots.free.entry(self.calls).or_default().push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the slot's code calls; none if its data says.
    fn called(slot: &StubSlot) -> Option<usize> {
        let (offset, _) = arch::direct_call(slot.code(), slot.code()).unwrap();
        let at = slot.code() + offset;
        // SAFETY: the code of a live slot is readable, and longer than its call.
        let [first, second, a, b, c, d] = unsafe { *(at as *const [u8; 6]) };
        let distance = i32::from_le_bytes([a, b, c, d]) as isize;
        ([first, second] == [0x67, 0xe8]).then(|| (at + 6).wrapping_add_signed(distance))
    }

    #[test]
    fn slots_serve_one_target_for_ever() {
        let pool = direct_stubs();
        let near = pool.allocate().unwrap().code();
        let (a, b, far) = (near + 0x1234, near + 0x4321, near ^ (1 << 45));
        let first = pool.allocate_calling(a).unwrap();
        assert_eq!(called(&first), Some(a));
        let code = first.code();
        drop(first);
        let other = pool.allocate_calling(b).unwrap();
        assert_eq!(called(&other), Some(b));
        assert_ne!(other.code(), code);
        let again = pool.allocate_calling(a).unwrap();
        assert_eq!((again.code(), called(&again)), (code, Some(a)));
        assert_eq!(called(&pool.allocate_calling(far).unwrap()), None);
    }
}
