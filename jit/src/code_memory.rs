//! Executable memory for one image: written once, then read and execute only, freed on drop.
//!
//! It must never know what the code means. One allocation and one finalize per image, because
//! finalizing per function costs tens of microseconds each.

use crate::error::{CompileError, CompileErrorKind};
use cranelift_jit::{BranchProtection, JITMemoryKind, JITMemoryProvider, SystemMemoryProvider};

/// An image's text in executable memory.
pub struct CodeMemory {
    provider: SystemMemoryProvider,
    base: *const u8,
    len: usize,
}

// SAFETY: after construction the memory is immutable and owned by this value alone; the provider
// is only touched again in `drop`, which has exclusive access.
unsafe impl Send for CodeMemory {}
// SAFETY: as above: shared access only reads two plain fields.
unsafe impl Sync for CodeMemory {}

impl CodeMemory {
    /// Copies `text` to fresh memory and makes it executable.
    ///
    /// # Errors
    /// When the system refuses the memory or the protection.
    pub fn new(text: &[u8]) -> Result<CodeMemory, CompileError> {
        let refused = |what: &str, e: String| {
            CompileError::new(
                CompileErrorKind::Limit,
                format!("{what} {} bytes of executable memory: {e}", text.len()),
            )
        };
        let mut provider = SystemMemoryProvider::new();
        let len = text.len().max(1);
        // The alignment keeps the text page-aligned, which the trap registry relies on.
        let base = provider
            .allocate(len, 4096, JITMemoryKind::Executable)
            .map_err(|e| refused("cannot allocate", e.to_string()))?;
        // SAFETY: `base` is a fresh writable allocation of at least `text.len()` bytes.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), base, text.len()) };
        let memory = CodeMemory {
            provider,
            base,
            len,
        };
        let mut memory = memory;
        memory
            .provider
            .finalize(BranchProtection::None)
            .map_err(|e| refused("cannot protect", e.to_string()))?;
        Ok(memory)
    }

    /// Address of the first byte, page-aligned.
    pub fn base(&self) -> *const u8 {
        self.base
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never true: even an image without functions owns a byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl std::fmt::Debug for CodeMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeMemory")
            .field("base", &self.base)
            .field("len", &self.len)
            .finish()
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: whoever owns the image guarantees that none of its code runs or is reachable any
        // more (the runtime keeps the owner alive from every store that holds an instance of it).
        unsafe { self.provider.free_memory() };
    }
}
