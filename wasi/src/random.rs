//! Where random bytes come from. An embedder can put its own source in place, for runs that repeat exactly.
//!
//! Must never know guests.

use crate::errno::Errno;

/// A source of random bytes.
pub trait HostRandom: Send {
    /// Fills the buffer; on an error its contents do not matter.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno>;
}

/// The kernel's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl HostRandom for SystemRandom {
    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<(), Errno> {
        while !buffer.is_empty() {
            let filled = rustix::io::retry_on_intr(|| {
                rustix::rand::getrandom(&mut *buffer, rustix::rand::GetRandomFlags::empty())
            })?;
            buffer = &mut buffer[filled..];
        }
        Ok(())
    }
}
