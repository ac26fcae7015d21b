//! Tables: arrays that never move, with room for their maximum.
//!
//! ```text
//!   funcref:  entries { code, sig_id } × capacity │ refs × capacity      (read apart: calls never touch refs)
//!   others:   handles (u64) × capacity
//! ```
//! An entry that was never written is all zero: null, or the function that a deferred segment has there.
//! An entry is written in the order sig := 0, ref, code, sig, so that a call cut anywhere misses.

use super::slots::reserve;
use super::store::{InstanceId, Limiter};
use super::sys::{self, Reservation};
use craneway_jit::abi::{
    FuncRecord, REF_NULL, SIG_NULL, SIG_UNINIT, TableDescriptor, TableEntry, TableField,
};
use craneway_jit::module::TableType;
use std::ptr::NonNull;

/// Most elements of any table.
pub const MAX_TABLE_ELEMENTS: u64 = 10_000_000;

/// Tables up to this many bytes lie on the heap.
const ON_HEAP: usize = 32 << 10;

/// A table that is not fixed.
#[derive(Debug)]
pub struct Table {
    /// Its declared type.
    pub ty: TableType,
    /// vmctx of the instance that alone can see it; 0 if others can.
    private_to: usize,
    capacity: usize,
    descriptor: Box<TableDescriptor>,
    base: usize,
    space: Space,
    /// Segments whose elements are written when somebody asks for them.
    deferred: Vec<Range>,
    /// Whether any element was written.
    written: bool,
}

/// Where a table's arrays lie.
#[derive(Debug)]
enum Space {
    /// On the heap, all of the capacity: small tables cost no system call.
    Heap {
        /// Keeps them. No `Box`, which would claim that nobody else has their address.
        _words: Vec<u128>,
    },
    /// In address space of their own, made accessible as the table grows.
    Own {
        /// Keeps it.
        _reservation: Reservation,
    },
}

impl Space {
    /// Room for `bytes`, and its first address.
    fn new(bytes: usize) -> anyhow::Result<(Space, usize)> {
        if bytes <= ON_HEAP {
            let mut words = vec![0u128; bytes.div_ceil(16)];
            let base = words.as_mut_ptr() as usize;
            return Ok((Space::Heap { _words: words }, base));
        }
        let reservation = reserve(bytes).map_err(|e| {
            anyhow::anyhow!("cannot reserve {bytes} bytes of address space for a table: {e}")
        })?;
        let base = reservation.base();
        let own = Space::Own {
            _reservation: reservation,
        };
        Ok((own, base))
    }
}

/// An element, as the runtime sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// Null, of either kind.
    Null,
    /// A function.
    Func(NonNull<FuncRecord>),
    /// An own function of the private owner, whose record is not made yet, by code address.
    Code(usize),
    /// A function of a segment of the owner's, never written yet.
    Deferred(Deferred),
    /// A collected handle.
    Handle(u32),
}

/// Where the references start: behind the entries, on a page of their own unless the table is small.
fn refs_offset(ty: &TableType, capacity: usize) -> usize {
    if !ty.element.is_func() {
        return 0;
    }
    let entries = capacity * 16;
    if entries + capacity * 8 <= ON_HEAP {
        entries
    } else {
        entries.next_multiple_of(sys::page_size())
    }
}

/// An item of an element segment of the instance that owns the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deferred {
    /// The instance.
    pub(crate) owner: InstanceId,
    /// The segment, which lists functions.
    pub(crate) segment: u32,
    /// The item.
    pub(crate) item: u64,
}

/// Elements `start..start + len`, which items of a segment from the first shall be.
#[derive(Debug)]
struct Range {
    owner: InstanceId,
    segment: u32,
    start: u64,
    len: u64,
}

/// Most segments of a table that are deferred: they are searched one after the other.
const MOST_DEFERRED: usize = 16;

impl Table {
    /// A table of `ty.limits.min` null elements. `private_to` is the vmctx of the only instance
    /// that can see it, or 0.
    ///
    /// # Errors
    /// When it is over the limit or memory runs out.
    pub fn new(ty: TableType, private_to: usize) -> anyhow::Result<Table> {
        anyhow::ensure!(
            ty.limits.min <= MAX_TABLE_ELEMENTS,
            "a table of {} elements is over the limit of {MAX_TABLE_ELEMENTS}",
            ty.limits.min
        );
        let capacity = ty
            .limits
            .max
            .unwrap_or(u64::MAX)
            .min(MAX_TABLE_ELEMENTS)
            .max(ty.limits.min) as usize;
        let refs = refs_offset(&ty, capacity);
        let (space, base) = Space::new(refs + capacity * 8)?;
        let descriptor = Box::new(TableDescriptor { length: 0 });
        let mut table = Table {
            ty,
            private_to,
            capacity,
            descriptor,
            base,
            space,
            deferred: Vec::new(),
            written: false,
        };
        table.extend(ty.limits.min as usize)?;
        Ok(table)
    }

    fn is_func(&self) -> bool {
        self.ty.element.is_func()
    }

    fn entries(&self) -> *mut TableEntry {
        self.base as *mut TableEntry
    }

    fn refs(&self) -> *mut u64 {
        (self.base + refs_offset(&self.ty, self.capacity)) as *mut u64
    }

    /// The field that generated code reaches it through.
    pub(crate) fn field(&self) -> TableField {
        let (entries, refs) = if self.is_func() {
            (self.entries() as usize, self.refs() as usize)
        } else {
            (self.refs() as usize, 0)
        };
        TableField {
            entries,
            refs,
            descriptor: &raw const *self.descriptor as usize,
        }
    }

    /// Current size.
    pub fn length(&self) -> u64 {
        self.descriptor.length
    }

    fn extend(&mut self, length: usize) -> anyhow::Result<()> {
        let page = sys::page_size();
        let old = self.length() as usize;
        let own = matches!(self.space, Space::Own { .. });
        let commit = |base: usize, width: usize| {
            let from = (old * width).next_multiple_of(page);
            let to = (length * width).next_multiple_of(page);
            if !own {
                return Ok(());
            }
            // SAFETY: the range is a part of our reservation that is not accessible yet.
            unsafe { sys::make_accessible(base + from, to - from) }
        };
        commit(self.refs() as usize, 8)?;
        if self.is_func() {
            // Fresh elements are zero: never written, which every reader takes for null.
            commit(self.entries() as usize, 16)?;
        }
        self.descriptor.length = length as u64;
        Ok(())
    }

    /// Lets items of a segment stand for elements, which are within bounds, until they are asked for;
    /// false if they must be written now: what is there already would win.
    pub(crate) fn defer(&mut self, owner: InstanceId, segment: u32, start: u64, len: u64) -> bool {
        let possible = self.is_func() && !self.written && self.deferred.len() < MOST_DEFERRED;
        if possible {
            self.deferred.push(Range {
                owner,
                segment,
                start,
                len,
            });
        }
        possible
    }

    /// What an element that was never written stands for: later segments come before earlier ones.
    fn pristine(&self, index: u64) -> Element {
        let inside = |r: &&Range| index.wrapping_sub(r.start) < r.len;
        let found = self.deferred.iter().rev().find(inside);
        found.map_or(Element::Null, |r| {
            Element::Deferred(Deferred {
                owner: r.owner,
                segment: r.segment,
                item: index - r.start,
            })
        })
    }

    fn write(&mut self, index: usize, element: Element) {
        self.written = true;
        // SAFETY: callers check the index against the committed length (or have just committed it);
        // generated code of this store does not run meanwhile.
        unsafe {
            let reference = self.refs().add(index);
            if !self.is_func() {
                reference.write_volatile(match element {
                    Element::Handle(handle) => u64::from(handle),
                    _ => 0,
                });
                return;
            }
            let entry = self.entries().add(index);
            let (value, code, sig) = match element {
                Element::Func(record) => {
                    let target = record.as_ref();
                    let own = target.vmctx == self.private_to && target.vmctx != 0;
                    let code = if own { target.code } else { target.thunk };
                    (record.as_ptr() as u64 | 1, code, target.sig_id)
                }
                _ => (REF_NULL, 0, SIG_NULL),
            };
            (&raw mut (*entry).sig_id).write_volatile(SIG_UNINIT);
            reference.write_volatile(value);
            (&raw mut (*entry).code).write_volatile(code);
            (&raw mut (*entry).sig_id).write_volatile(sig);
        }
    }

    /// Writes an own function of the private owner without making its record.
    pub(crate) fn write_own_code(&mut self, index: usize, code: usize, sig_id: u32) {
        debug_assert!(self.private_to != 0 && (index as u64) < self.length());
        self.written = true;
        // SAFETY: as `write`.
        unsafe {
            let entry = self.entries().add(index);
            (&raw mut (*entry).sig_id).write_volatile(SIG_UNINIT);
            self.refs().add(index).write_volatile(0);
            (&raw mut (*entry).code).write_volatile(code);
            (&raw mut (*entry).sig_id).write_volatile(sig_id);
        }
    }

    /// vmctx of the only instance that can see it, whose own functions may stand in it directly; or 0.
    pub(crate) fn private_to(&self) -> usize {
        self.private_to
    }

    /// Element `index`, `None` if it is out of bounds.
    pub fn get(&self, index: u64) -> Option<Element> {
        if index >= self.length() {
            return None;
        }
        // SAFETY: the index is within the committed arrays.
        unsafe {
            let reference = self.refs().add(index as usize).read();
            if !self.is_func() {
                return Some(if reference == 0 {
                    Element::Null
                } else {
                    Element::Handle(reference as u32)
                });
            }
            Some(match reference {
                0 => match (*self.entries().add(index as usize)).code {
                    0 => self.pristine(index),
                    code => Element::Code(code),
                },
                REF_NULL => Element::Null,
                record => NonNull::new((record & !1) as *mut FuncRecord)
                    .map_or(Element::Null, Element::Func),
            })
        }
    }

    /// Sets element `index`; false if it is out of bounds.
    pub fn set(&mut self, index: u64, element: Element) -> bool {
        let inside = index < self.length();
        if inside {
            self.write(index as usize, element);
        }
        inside
    }

    /// Records the reference of an element that was written by code address alone.
    pub(crate) fn materialise(&mut self, index: u64, record: NonNull<FuncRecord>) {
        // SAFETY: the caller just read the element at this index.
        unsafe {
            self.refs()
                .add(index as usize)
                .write_volatile(record.as_ptr() as u64 | 1)
        };
    }

    /// Grows by `delta` elements that are `init`. Returns the old size, or `None` if it cannot grow.
    ///
    /// # Errors
    /// The limiter's, which become traps.
    pub fn grow(
        &mut self,
        delta: u64,
        init: Element,
        limiter: Option<&mut (dyn Limiter + 'static)>,
    ) -> anyhow::Result<Option<u64>> {
        let old = self.length();
        let wanted = old.checked_add(delta);
        let mut limiter = limiter;
        if let Some(limiter) = limiter.as_deref_mut() {
            let desired = wanted.map_or(usize::MAX, |w| w as usize);
            let maximum = self.ty.limits.max.map(|m| m as usize);
            if delta > 0 && !limiter.table_growing(old as usize, desired, maximum)? {
                return Ok(None);
            }
        }
        let refused = match wanted.filter(|w| *w <= self.capacity as u64) {
            None => anyhow::anyhow!("the table is at its maximum"),
            Some(length) => match self.extend(length as usize) {
                Ok(()) => {
                    if init != Element::Null {
                        for index in old..length {
                            self.write(index as usize, init);
                        }
                    }
                    return Ok(Some(old));
                }
                Err(e) => e.context("the system refused memory"),
            },
        };
        match limiter {
            Some(limiter) => limiter.table_grow_failed(refused).map(|()| None),
            None => Ok(None),
        }
    }

    /// The handles of a table of collected references, as roots.
    pub(crate) fn handles(&self) -> impl Iterator<Item = u32> + '_ {
        let count = if self.is_func() { 0 } else { self.length() };
        (0..count).filter_map(|index| match self.get(index) {
            Some(Element::Handle(handle)) => Some(handle),
            _ => None,
        })
    }
}
