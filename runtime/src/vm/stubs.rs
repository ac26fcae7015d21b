//! Slots of stub code with data: host stubs and thunks. No code is generated for them at run time:
//! every slot's code is the same, its data says where to go.

use super::arch::{self, STUB_BYTES};
use super::sys::CodeAlias;
use std::sync::{Mutex, OnceLock};

/// Bytes of code (and of data) mapped at a time: 4,096 slots.
const CHUNK: usize = 64 << 10;

/// All slots of one kind, process-wide; chunks are never given back.
pub(crate) struct StubPool {
    make: fn(u32) -> [u8; STUB_BYTES],
    free: Mutex<Vec<(usize, usize)>>,
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
        make: arch::host_stub,
        free: Mutex::default(),
    })
}

/// Thunks: set the callee's vmctx, then jump to its code.
pub(crate) fn thunks() -> &'static StubPool {
    static POOL: OnceLock<StubPool> = OnceLock::new();
    POOL.get_or_init(|| StubPool {
        make: arch::thunk,
        free: Mutex::default(),
    })
}

impl StubPool {
    /// A slot; its data is to be written before its code can be reached.
    pub(crate) fn allocate(&'static self) -> std::io::Result<StubSlot> {
        let mut free = self.free.lock().unwrap_or_else(|e| e.into_inner());
        if free.is_empty() {
            let code: Vec<u8> = (self.make)(CHUNK as u32).repeat(CHUNK / STUB_BYTES);
            let chunk = CodeAlias::new(&code)?;
            let slots = (0..CHUNK).step_by(STUB_BYTES).rev();
            free.extend(slots.map(|at| (chunk.code + at, chunk.data + at)));
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
}

impl StubSlot {
    /// Address of the code.
    pub(crate) fn code(&self) -> usize {
        self.code
    }

    /// Writes the two words that the code reads.
    pub(crate) fn write(&self, words: [u64; 2]) {
        // SAFETY: the data entry is 16 writable bytes that belong to this slot alone; nothing runs
        // the slot's code before its owner publishes the address.
        unsafe { (self.data as *mut [u64; 2]).write_volatile(words) };
    }
}

impl Drop for StubSlot {
    fn drop(&mut self) {
        let mut free = self.pool.free.lock().unwrap_or_else(|e| e.into_inner());
        free.push((self.code, self.data));
    }
}
