//! Wasm stacks: slots of one size and alignment, so that masking a stack pointer finds the header.
//!
//! ```text
//!   slot (STACK_STRIDE, aligned to it)                                    end of slot
//!   │ guard: never accessible (≥ 64 KiB)    │ usable, committed as touched │ header │
//!                                           limit ◄── sp grows down
//! ```
//! A stack holds only wasm frames, stubs and trampolines, so there is never anything on it to drop.
//! It must never know what runs on it.

use super::activation::Activation;
use super::sys;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

/// Bytes of address space of one slot, and its alignment.
pub(crate) const STACK_STRIDE: usize = 64 << 20;
/// Least inaccessible bytes below the usable part; larger frames are probed by the code.
const GUARD: usize = 64 << 10;
/// Largest usable size.
pub const MAX_STACK_BYTES: usize = STACK_STRIDE - (1 << 20);
/// Slots reserved at a time.
const SLOTS_PER_SLAB: usize = 8;
/// Bits of user address space over the stride.
const SLOT_INDEX_BITS: u32 = 47 - STACK_STRIDE.trailing_zeros();

/// One byte for each possible slot of the address space: 1 if it is a wasm stack. Never cleared;
/// untouched pages of it cost nothing.
static IS_STACK: [AtomicU8; 1 << SLOT_INDEX_BITS] =
    [const { AtomicU8::new(0) }; 1 << SLOT_INDEX_BITS];

/// Free slots, each with the usable size it was committed to.
static POOL: Mutex<Vec<FreeSlot>> = Mutex::new(Vec::new());

struct FreeSlot {
    base: usize,
    bytes: usize,
}

/// Lies at the end of each slot; the trampolines and the trap handler reach it by masking sp.
#[repr(C, align(64))]
pub(crate) struct StackHeader {
    /// For synchronous calls that find the stack empty: made once, as good as new after each.
    root: Activation,
    /// The innermost activation on this stack; between calls, `root`. Near the end, where a short
    /// displacement reaches it.
    pub(crate) activation: *mut Activation,
    /// Lowest usable address.
    pub(crate) limit: usize,
}

/// An owned wasm stack; dropping it returns the slot to the pool. One word, so that taking and
/// giving it back stays in registers.
#[derive(Debug)]
pub(crate) struct WasmStack {
    base: NonZeroUsize,
}

impl WasmStack {
    /// A stack with `bytes` usable bytes (rounded up to pages, at most [`MAX_STACK_BYTES`]).
    pub(crate) fn new(bytes: usize) -> std::io::Result<WasmStack> {
        let page = sys::page_size();
        let bytes = bytes
            .clamp(4 * page, MAX_STACK_BYTES)
            .next_multiple_of(page);
        let mut pool = POOL.lock().unwrap_or_else(|e| e.into_inner());
        let at = pool
            .iter()
            .rposition(|f| f.bytes == bytes)
            .or_else(|| pool.iter().rposition(|f| f.bytes == 0));
        let slot = match at {
            Some(at) => pool.swap_remove(at),
            None => {
                let base = sys::reserve_aligned(SLOTS_PER_SLAB * STACK_STRIDE, STACK_STRIDE)?;
                for n in (1..SLOTS_PER_SLAB).rev() {
                    pool.push(FreeSlot {
                        base: base + n * STACK_STRIDE,
                        bytes: 0,
                    });
                }
                FreeSlot { base, bytes: 0 }
            }
        };
        drop(pool);
        let base = NonZeroUsize::new(slot.base).expect("no reservation lies at address zero");
        let stack = WasmStack { base };
        if slot.bytes == 0 {
            debug_assert!(STACK_STRIDE - bytes >= GUARD);
            let limit = slot.base + STACK_STRIDE - bytes;
            // SAFETY: the range is the top of a slot that this pool reserved and nobody uses.
            unsafe { sys::make_accessible(limit, bytes)? };
            let mut root = Activation::new(std::ptr::null_mut());
            root.entry_sp = stack.top();
            // SAFETY: the header lies in the part just made accessible, aligned by the slot.
            unsafe {
                stack.header().write(StackHeader {
                    root,
                    activation: std::ptr::null_mut(),
                    limit,
                })
            };
            IS_STACK[slot.base / STACK_STRIDE].store(1, Ordering::Release);
        }
        // SAFETY: the stack is ours.
        unsafe { (*stack.header()).activation = stack.root() };
        Ok(stack)
    }

    /// The header.
    #[inline]
    pub(crate) fn header(&self) -> *mut StackHeader {
        (self.base.get() + STACK_STRIDE - size_of::<StackHeader>()) as *mut StackHeader
    }

    /// The activation for a synchronous call that has the stack to itself. Its user sets the store
    /// and, if there is one, the next outer activation, and takes back the latter.
    #[inline]
    pub(crate) fn root(&self) -> *mut Activation {
        // SAFETY: the header of a live stack is accessible.
        unsafe { &raw mut (*self.header()).root }
    }

    /// Where the first frame starts.
    #[inline]
    pub(crate) fn top(&self) -> usize {
        self.header() as usize
    }
}

impl Drop for WasmStack {
    fn drop(&mut self) {
        // SAFETY: the stack is ours and no activation is on it any more.
        let limit = unsafe {
            (*self.header()).activation = std::ptr::null_mut();
            (*self.header()).limit
        };
        let base = self.base.get();
        POOL.lock()
            .unwrap_or_else(|e| e.into_inner())
            .push(FreeSlot {
                base,
                bytes: base + STACK_STRIDE - limit,
            });
    }
}

/// The header of the wasm stack that `sp` lies in, if it is one.
pub(crate) fn header_of(sp: usize) -> Option<*mut StackHeader> {
    let flag = IS_STACK.get(sp / STACK_STRIDE)?;
    if flag.load(Ordering::Acquire) == 0 {
        return None;
    }
    Some(((sp | (STACK_STRIDE - 1)) + 1 - size_of::<StackHeader>()) as *mut StackHeader)
}

/// The lowest address of the slot that `sp` lies in: its guard starts there.
pub(crate) fn slot_base(sp: usize) -> usize {
    sp & !(STACK_STRIDE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_found_by_masking_and_reused() {
        let stack = WasmStack::new(1 << 20).unwrap();
        let header = stack.header();
        assert_eq!(header_of(stack.top() - 1000), Some(header));
        assert_eq!(header_of(slot_base(stack.top())), Some(header));
        let local = 0u8;
        assert_eq!(header_of(&raw const local as usize), None);
        // SAFETY: the header of a live stack is readable.
        let limit = unsafe { (*header).limit };
        assert_eq!(stack.top() + size_of::<StackHeader>() - limit, 1 << 20);
    }
}
