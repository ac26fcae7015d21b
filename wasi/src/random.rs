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

/// Bytes that follow from a seed: the same seed gives the same bytes on every host and in every run.
///
/// They come from BLAKE3's extendable output, so they pass for random, but who knows the seed knows them all.
#[derive(Debug, Clone)]
pub struct SeededRandom(blake3::OutputReader);

impl SeededRandom {
    /// The bytes of this seed, from the first on.
    pub fn new(seed: u64) -> SeededRandom {
        let mut hasher = blake3::Hasher::new_derive_key("craneway-wasi 2025 seeded random bytes");
        hasher.update(&seed.to_le_bytes());
        SeededRandom(hasher.finalize_xof())
    }
}

impl HostRandom for SeededRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        self.0.fill(buffer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_bytes_however_they_are_asked_for() {
        let mut whole = [0; 300];
        SeededRandom::new(7).fill(&mut whole).expect("never fails");
        // The bytes are part of what a seed promises: they must never change between versions.
        assert_eq!(whole[..8], [65, 21, 227, 96, 130, 45, 24, 61]);
        let mut parts = [0; 300];
        let mut source = SeededRandom::new(7);
        for part in parts.chunks_mut(7) {
            source.fill(part).expect("never fails");
        }
        assert_eq!(whole, parts);
        let mut other = [0; 300];
        SeededRandom::new(8).fill(&mut other).expect("never fails");
        assert_ne!(whole, other);
    }
}
