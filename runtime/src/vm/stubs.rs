//! Slots of stub code with data: host stubs and thunks. No code is generated for them at run time:
//! every slot's code is the same, its data says where to go.

use super::arch::{self, DIRECT_STUB_BYTES};
use super::sys::CodeAlias;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// Bytes of code (and of data) mapped at a time; a slot's data lies this far behind its code.
pub(crate) const CHUNK: usize = 64 << 10;

/// All slots of one kind, process-wide; chunks are never given back.
pub(crate) struct StubPool {
    /// The code of every slot.
    code: Vec<u8>,
    free: Mutex<Vec<(usize, usize)>>,
    /// Where its chunks are listed, if anybody must know; the list's length limits them.
    list: Option<&'static [AtomicUsize]>,
}

/// An owned slot.
pub(crate) struct StubSlot {
    pool: &'static StubPool,
    code: usize,
    data: usize,
}

/// Stubs of host functions.
pub(crate) fn host_stubs() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        code: arch::host_stub(),
        free: Mutex::default(),
        list: None,
    })
}

/// Thunks: set the callee's vmctx, then jump to its code.
pub(crate) fn thunks() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        code: arch::thunk(),
        free: Mutex::default(),
        list: None,
    })
}

/// Stubs of host functions that are trampolines themselves. There are finitely many: host functions
/// beyond that share the general trampoline.
pub(crate) fn direct_stubs() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        code: arch::direct_stub(),
        free: Mutex::default(),
        list: Some(&DIRECT_CHUNKS),
    })
}

/// Where direct stubs lie, from the first element on: they run on wasm stacks, so the trap handler
/// must know them. Written under the pool's lock.
static DIRECT_CHUNKS: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];

/// How far `pc` is into a direct stub, if it lies in one. Takes no lock.
pub(crate) fn offset_in_direct_stub(pc: usize) -> Option<u32> {
    DIRECT_CHUNKS
        .iter()
        .map(|chunk| chunk.load(Ordering::Acquire))
        .take_while(|chunk| *chunk != 0)
        .find(|chunk| (*chunk..chunk + CHUNK).contains(&pc))
        .map(|chunk| ((pc - chunk) % DIRECT_STUB_BYTES) as u32)
}

impl StubPool {
    /// A slot; its data is to be written before its code can be reached.
    pub(crate) fn allocate(&'static self) -> std::io::Result<StubSlot> {
        let mut free = self.free.lock().unwrap_or_else(|e| e.into_inner());
        if free.is_empty() {
            self.add_chunk(&mut free)?;
        }
        let Some((code, data)) = free.pop() else {
            return Err(std::io::Error::other("no free stub"));
        };
        Ok(StubSlot {
            pool: self,
            code,
            data,
        })
    }

    fn add_chunk(&self, free: &mut Vec<(usize, usize)>) -> std::io::Result<()> {
        let mut entry = None;
        if let Some(list) = self.list {
            entry = list.iter().find(|c| c.load(Ordering::Relaxed) == 0);
            if entry.is_none() {
                return Err(std::io::Error::other("too many stubs of this kind"));
            }
        }
        let stride = self.code.len();
        let chunk = CodeAlias::new(&self.code.repeat(CHUNK / stride))?;
        if let Some(entry) = entry {
            entry.store(chunk.code, Ordering::Release);
        }
        let slots = (0..CHUNK).step_by(stride).rev();
        free.extend(slots.map(|at| (chunk.code + at, chunk.data + at)));
        Ok(())
    }
}

impl StubSlot {
    /// Address of the code.
    pub(crate) fn code(&self) -> usize {
        self.code
    }

    /// Writes the words that the code reads, at most as many bytes as it has itself.
    pub(crate) fn write<const N: usize>(&self, words: [u64; N]) {
        assert!(size_of_val(&words) <= self.pool.code.len());
        // SAFETY: the data entry is as long as the slot's code, writable, and belongs to this slot
        // alone; nothing runs the slot's code before its owner publishes the address.
        unsafe { (self.data as *mut [u64; N]).write_volatile(words) };
    }
}

impl Drop for StubSlot {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock().unwrap_or_else(|e| e.into_inner());
        free.push((self.code, self.data));
    }
}
