//! Linear memories: address space reserved once, pages committed as the memory grows, never moved.
//!
//! ```text
//!   guarded (32-bit):   [ front guard │ fields │ ] base │ … 4 GiB … │ rear guard 2 GiB + 64 KiB
//!   others:             base │ … up to the reserved maximum │
//! ```
//! The host trusts only its own copy of the length; generated code has mirrors of it. Blocks of a large
//! memory that are wholly accessible are advised to be huge pages, which changes no bound.

use super::slots::{Shape, Slot, reserve};
use super::store::Limiter;
use super::sys::{self, Reservation};
use craneway_jit::abi::{MemoryDescriptor, direct_memory_limit, ordinary_reservation};
use craneway_jit::module::MemoryType;
use std::ptr::NonNull;

/// Largest 64-bit memory, in bytes of reserved address space.
const MAX_MEMORY64: u64 = 64 << 30;

/// Offset from which on a memory is to have huge pages.
pub const HUGE_PAGES_FROM: usize = 8 << 20;

/// A linear memory.
#[derive(Debug)]
pub struct Memory {
    /// Its declared type.
    pub ty: MemoryType,
    base: usize,
    /// Current length in bytes.
    length: usize,
    /// Largest length in bytes that the reservation and the type allow.
    max_bytes: u64,
    descriptor: Box<MemoryDescriptor>,
    /// In the fields of the instance whose direct memory this is.
    mirror: Option<NonNull<u64>>,
    /// Whether it is to have huge pages.
    huge_pages: bool,
    space: Space,
}

/// The address space of a memory.
#[derive(Debug)]
enum Space {
    /// Its own.
    Own(Reservation),
    /// That of the instance whose direct memory it is, fields included.
    Slot(Slot),
}

/// Bytes of a page of `ty`.
fn page_bytes(ty: &MemoryType) -> u64 {
    1 << ty.page_size_log2
}

/// Largest size in bytes that the type allows.
fn type_max_bytes(ty: &MemoryType) -> u64 {
    let address_space = if ty.is_64 { u64::MAX } else { 4 << 30 };
    ty.limits
        .max
        .unwrap_or(u64::MAX)
        .saturating_mul(page_bytes(ty))
        .min(address_space)
}

impl Memory {
    /// A memory with a reservation of its own, that has huge pages or not.
    ///
    /// # Errors
    /// When the minimum is over the implementation's limit or address space runs out.
    pub fn new(ty: MemoryType, huge_pages: bool) -> anyhow::Result<Memory> {
        let max = type_max_bytes(&ty);
        let min = ty.limits.min.saturating_mul(page_bytes(&ty));
        let (bytes, max_bytes) = if ty.is_guarded() {
            (ordinary_reservation(), max)
        } else {
            let most = max.min(MAX_MEMORY64).max(min);
            (most.next_multiple_of(sys::page_size() as u64).max(1), most)
        };
        anyhow::ensure!(
            min <= max_bytes && (ty.is_guarded() || min <= MAX_MEMORY64),
            "a memory of {} pages is larger than craneway supports",
            ty.limits.min
        );
        let reservation = reserve(bytes as usize).map_err(|e| {
            anyhow::anyhow!("cannot reserve {bytes} bytes of address space for a memory: {e}")
        })?;
        let base = reservation.base();
        let mut memory = Memory::within(ty, Space::Own(reservation), base, max_bytes, huge_pages);
        memory.commit(min as usize).map_err(|e| {
            anyhow::Error::new(e).context(format!("cannot commit a memory of {min} bytes"))
        })?;
        Ok(memory)
    }

    /// The direct memory of an instance with `fields` bytes of fields, which become accessible
    /// together with its minimum, unless the slot is `ready`: then also advice stays in force.
    pub(crate) fn direct(
        ty: MemoryType,
        (mut slot, ready): (Slot, bool),
        fields: usize,
        mirror: NonNull<u64>,
        huge_pages: bool,
    ) -> anyhow::Result<Memory> {
        let (base, min) = (slot.p(), ty.limits.min * page_bytes(&ty));
        if !ready {
            slot.open(fields, min as usize).map_err(|e| {
                anyhow::Error::new(e).context(format!("cannot commit a memory of {min} bytes"))
            })?;
        }
        let max_bytes = type_max_bytes(&ty).min(direct_memory_limit(min));
        let space = Space::Slot(slot);
        let mut memory = Memory::within(ty, space, base, max_bytes, huge_pages);
        memory.mirror = Some(mirror);
        memory.set_length(min as usize);
        if !ready {
            memory.advise_from(0);
        }
        Ok(memory)
    }

    fn within(
        ty: MemoryType,
        space: Space,
        base: usize,
        max_bytes: u64,
        huge_pages: bool,
    ) -> Memory {
        Memory {
            ty,
            base,
            length: 0,
            max_bytes,
            descriptor: Box::new(MemoryDescriptor { base, length: 0 }),
            mirror: None,
            huge_pages,
            space,
        }
    }

    fn commit(&mut self, length: usize) -> std::io::Result<()> {
        match &mut self.space {
            Space::Slot(slot) => slot.open(0, length)?,
            Space::Own(_) => {
                let page = sys::page_size();
                let from = self.length.next_multiple_of(page);
                let to = length.next_multiple_of(page);
                // SAFETY: the range lies behind the committed part of our own reservation.
                unsafe { sys::make_accessible(self.base + from, to - from)? };
            }
        }
        let old = self.length;
        self.set_length(length);
        self.advise_from(old);
        Ok(())
    }

    /// Asks for huge pages for the blocks that have become wholly accessible since the length was
    /// `old`. What was touched of such a block before stays as it is, so a memory that is used while
    /// it grows in small steps gets few of them, and pays one system call for each block.
    fn advise_from(&self, old: usize) {
        if !self.huge_pages || self.length < HUGE_PAGES_FROM {
            return;
        }
        let block = |address: usize| address / sys::HUGE_PAGE * sys::HUGE_PAGE;
        let first = (self.base + HUGE_PAGES_FROM).next_multiple_of(sys::HUGE_PAGE);
        let start = first.max(block(self.base + old));
        let end = block(self.base + self.length);
        if start < end
            && let Err(error) = sys::prefer_huge_pages(start, end - start)
        {
            tracing::debug!(target: "craneway", %error, bytes = end - start, "no huge pages");
        }
    }

    fn set_length(&mut self, length: usize) {
        self.length = length;
        self.descriptor.length = length;
        if let Some(mirror) = self.mirror {
            // SAFETY: the mirror is a field in M of the instance that owns this memory; both live
            // in our reservation.
            unsafe { mirror.as_ptr().write(length as u64) };
        }
    }

    /// Keeps the slot of a direct memory for the next instance of its module, which is set up now
    /// and has not run.
    pub(crate) fn keep_for(&mut self, module: u64, sealed: usize, fields: usize) {
        let memory = self.length.next_multiple_of(sys::page_size());
        if let Space::Slot(slot) = &mut self.space {
            slot.keep_for(Shape {
                module,
                sealed,
                fields,
                memory,
            });
        }
    }

    /// Current size in pages.
    pub fn pages(&self) -> u64 {
        self.length as u64 >> self.ty.page_size_log2
    }

    /// Current length in bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Address of byte 0.
    pub fn base(&self) -> *mut u8 {
        self.base as *mut u8
    }

    pub(crate) fn descriptor(&self) -> *const MemoryDescriptor {
        &raw const *self.descriptor
    }

    /// Whether `address` lies in the memory's address space, guards included.
    pub(crate) fn reserves(&self, address: usize) -> bool {
        match &self.space {
            Space::Own(reservation) => reservation.contains(address),
            Space::Slot(slot) => slot.contains(address),
        }
    }

    /// Grows by `delta` pages. Returns the old size in pages, or `None` if it cannot grow.
    ///
    /// # Errors
    /// The limiter's, which become traps.
    pub fn grow(
        &mut self,
        delta: u64,
        limiter: Option<&mut (dyn Limiter + 'static)>,
    ) -> anyhow::Result<Option<u64>> {
        let old = self.pages();
        let page = page_bytes(&self.ty);
        let wanted = delta
            .checked_mul(page)
            .and_then(|d| d.checked_add(self.length as u64));
        let maximum = self.ty.limits.max.map(|m| m.saturating_mul(page) as usize);
        let mut limiter = limiter;
        if let Some(limiter) = limiter.as_deref_mut() {
            let desired = wanted.map_or(usize::MAX, |w| w as usize);
            if delta > 0 && !limiter.memory_growing(self.length, desired, maximum)? {
                return Ok(None);
            }
        }
        let refused = match wanted.filter(|w| *w <= self.max_bytes) {
            None => anyhow::anyhow!("the memory is at its maximum"),
            Some(length) => match self.commit(length as usize) {
                Ok(()) => return Ok(Some(old)),
                Err(e) => anyhow::Error::new(e).context("the system refused memory"),
            },
        };
        match limiter {
            Some(limiter) => limiter.memory_grow_failed(refused).map(|()| None),
            None => Ok(None),
        }
    }

    /// The bytes `start..start + len`, if they are within the memory.
    pub(crate) fn range(&self, start: u64, len: u64) -> Option<*mut u8> {
        let end = start.checked_add(len)?;
        (end <= self.length as u64).then(|| (self.base + start as usize) as *mut u8)
    }
}
