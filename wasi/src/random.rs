//! Where random bytes come from. An embedder can put its own source in place, for runs that repeat exactly.
//!
//! Must never know guests.

use crate::errno::Errno;

/// A source of random bytes.
pub trait HostRandom: Send {
    /// Fills the buffer; on an error its contents do not matter.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno>;
}

/// How many bytes are fetched at once for requests that are shorter.
const STOCK: usize = 512;

/// The kernel's generator, asked for many bytes at a time where a guest asks for few.
///
/// Each byte is given out once and wiped here. A process that forks shares its stock with the child: guests that live on in
/// both need a source of their own in one of them.
pub struct SystemRandom {
    stock: [u8; STOCK],
    /// How many bytes at the end of the stock are still good.
    left: usize,
}

impl SystemRandom {
    /// A source without a stock.
    pub fn new() -> SystemRandom {
        SystemRandom {
            stock: [0; STOCK],
            left: 0,
        }
    }
}

impl Default for SystemRandom {
    fn default() -> SystemRandom {
        SystemRandom::new()
    }
}

impl std::fmt::Debug for SystemRandom {
    /// Bytes that are still to be given out are nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SystemRandom").finish_non_exhaustive()
    }
}

/// Fills the buffer from the kernel.
fn fetch(mut buffer: &mut [u8]) -> Result<(), Errno> {
    while !buffer.is_empty() {
        let filled = rustix::io::retry_on_intr(|| {
            rustix::rand::getrandom(&mut *buffer, rustix::rand::GetRandomFlags::empty())
        })?;
        buffer = &mut buffer[filled..];
    }
    Ok(())
}

impl HostRandom for SystemRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), Errno> {
        if buffer.len() > STOCK / 4 {
            return fetch(buffer);
        }
        if self.left < buffer.len() {
            self.left = 0;
            fetch(&mut self.stock)?;
            self.left = STOCK;
        }
        let start = STOCK - self.left;
        let given = &mut self.stock[start..start + buffer.len()];
        buffer.copy_from_slice(given);
        given.fill(0);
        self.left -= buffer.len();
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
    fn no_byte_of_the_stock_is_given_out_twice() {
        let mut source = SystemRandom::new();
        let mut seen = std::collections::HashSet::new();
        for len in [16, 1, 0, 128, 16, 129, 100, 128, 128, 16, 128, 4096] {
            for _ in 0..50 {
                let mut bytes = vec![0; len];
                source.fill(&mut bytes).expect("the kernel has some");
                assert!(len < 16 || seen.insert(bytes), "{len} bytes came twice");
                let good = STOCK - source.left;
                assert!(source.stock[..good].iter().all(|byte| *byte == 0));
            }
        }
        assert!(!format!("{source:?}").contains("stock"));
    }

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
