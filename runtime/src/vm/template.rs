//! The content that a memory starts with, laid out once so that instances map it copy-on-write.
//!
//! ```text
//!   data segments ─► plan: which of them, at what page ─► bytes ─► file: the compiled one, or one
//!   in memory that the first instance makes ─► private mapping over each instance's memory
//! ```
//! It holds the leading data segments, as far as it is known at compile time that they fit and where;
//! the others are copied at instantiation, in their order. It must never know instances.

use super::image::Bytes;
use super::sys;
use craneway_jit::module::{Module, SegmentMode};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

/// A template may be larger than its data by this much, and by as much again as the data.
const SLACK: u64 = 1 << 20;
/// Up to this size copying costs less than a mapping.
const COPY: usize = 8 << 10;

/// Which data segments a template stands for, and where it lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The memory.
    pub memory: u32,
    /// The active segments of `memory` before this one are in it.
    pub end: u32,
    /// Where it starts in the memory, a multiple of the page size.
    pub start: u64,
}

/// A memory's initial content.
#[derive(Debug)]
pub struct Template {
    plan: Plan,
    bytes: Bytes,
    /// What owned bytes are mapped from; `None` if the system refused it.
    file: OnceLock<Option<OwnedFd>>,
}

/// The bytes that segment `index` writes into a memory of the instance's own, if it is known that
/// they fit: the memory, the offset, the bytes.
fn known(module: &Module, index: usize) -> Option<(u32, u64, &[u8])> {
    let segment = &module.data_segments[index];
    let SegmentMode::Active {
        index: memory,
        offset,
    } = &segment.mode
    else {
        return None;
    };
    let ty = &module.memories[*memory as usize];
    let offset = offset.constant_offset()?;
    let bytes = &module.data[segment.range.0 as usize..segment.range.1 as usize];
    let end = offset.checked_add(bytes.len() as u64)?;
    let size = ty.limits.min.saturating_mul(1 << ty.page_size_log2);
    (*memory >= module.imported_memories && end <= size).then_some((*memory, offset, bytes))
}

impl Plan {
    /// Whether the template stands for segment `index`.
    pub fn covers(&self, module: &Module, index: usize) -> bool {
        let active = |mode: &SegmentMode| matches!(mode, SegmentMode::Active { index, .. } if *index == self.memory);
        index < self.end as usize && active(&module.data_segments[index].mode)
    }
}

impl Template {
    /// The template of a module that was just compiled, if it has one that does not waste space.
    pub fn of(module: &Module) -> Option<Template> {
        let active = |index: &usize| module.data_segments[*index].mode != SegmentMode::Passive;
        let segments: Vec<_> = (0..module.data_segments.len())
            .filter(active)
            .map_while(|index| Some((index, known(module, index)?)))
            .collect();
        let memory = segments.first()?.1.0;
        let end = segments.last()?.0 as u32 + 1;
        let own = || segments.iter().map(|s| s.1).filter(|s| s.0 == memory);
        let full = || own().filter(|s| !s.2.is_empty());
        let page = sys::page_size() as u64;
        let low = full().map(|s| s.1).min().unwrap_or(0) / page * page;
        let high = full().map(|s| s.1 + s.2.len() as u64).max().unwrap_or(0);
        let data: u64 = full().map(|s| s.2.len() as u64).sum();
        let size = high.next_multiple_of(page) - low;
        if size > SLACK + 2 * data {
            return None;
        }
        let mut bytes = vec![0; size as usize];
        for (_, offset, content) in full() {
            let at = (offset - low) as usize;
            bytes[at..at + content.len()].copy_from_slice(content);
        }
        let start = low + trim(&mut bytes, page as usize) as u64;
        let plan = Plan { memory, end, start };
        Some(Template::new(plan, Bytes::Owned(bytes.into())))
    }

    /// A template that was laid out before.
    pub fn new(plan: Plan, bytes: Bytes) -> Template {
        Template {
            plan,
            bytes,
            file: OnceLock::new(),
        }
    }

    /// What it stands for.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// Its bytes, a whole number of pages.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it is mapped from, with the offset; `None` if it is copied.
    fn source(&self) -> Option<(BorrowedFd<'_>, u64)> {
        match &self.bytes {
            bytes if bytes.len() <= COPY => None,
            Bytes::Mapped(file, range) => Some((file.file(), range.start as u64)),
            Bytes::Owned(_) => {
                let make = || sys::sealed_memory_file(&self.bytes).ok();
                let file = self.file.get_or_init(make).as_ref();
                file.map(|fd| (fd.as_fd(), 0))
            }
        }
    }

    /// Puts it into a memory that is all zero, or, if `ready`, as it was when an earlier instance's
    /// content had been thrown away.
    ///
    /// # Safety
    /// `base` is the page-aligned address of the memory, which the template fits in, of which
    /// nothing is in use, and which is accessible.
    pub(crate) unsafe fn apply(&self, base: usize, ready: bool) -> std::io::Result<()> {
        let (to, len) = (base + self.plan.start as usize, self.bytes.len());
        // SAFETY: the caller's promise; sealed files do not change, and of a compiled file it was
        // promised when it was mapped.
        unsafe {
            match self.source() {
                Some(_) if ready => Ok(()),
                Some((fd, offset)) => sys::map_copy(fd, offset, to, len),
                None => {
                    std::ptr::copy_nonoverlapping(self.bytes.as_ptr(), to as *mut u8, len);
                    Ok(())
                }
            }
        }
    }

    /// Makes a memory all zero that is `ready` as for [`Template::apply`], which it shall not be.
    ///
    /// # Safety
    /// As [`Template::apply`].
    pub(crate) unsafe fn withhold(&self, base: usize) -> std::io::Result<()> {
        let to = base + self.plan.start as usize;
        // SAFETY: the caller's promise.
        unsafe { sys::make_zero(to, self.bytes.len()) }
    }
}

/// Cuts pages that are all zero off both ends; returns how many bytes went from the front.
fn trim(bytes: &mut Vec<u8>, page: usize) -> usize {
    let zero = |page: &[u8]| page.iter().all(|b| *b == 0);
    let behind = bytes.rchunks(page).take_while(|p| zero(p)).count() * page;
    bytes.truncate(bytes.len() - behind);
    let before = bytes.chunks(page).take_while(|p| zero(p)).count() * page;
    bytes.drain(..before);
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(wat: &str) -> Option<(Plan, Vec<u8>)> {
        let compiler = craneway_jit::Compiler::new(craneway_jit::Settings::default()).unwrap();
        let compiled = compiler.compile(&wat::parse_str(wat).unwrap()).unwrap();
        let template = Template::of(&compiled.module)?;
        Some((template.plan(), template.bytes().to_vec()))
    }

    #[test]
    fn segments_are_laid_out_in_order_and_zero_pages_are_left_out() {
        let zeros = "\\00".repeat(9000);
        let (plan, bytes) = template(&format!(
            r#"(module (memory 2) (data (i32.const 20000) "abc") (data "passive") (data (i32.const 20001) "x")
                (data (i32.const 0) "{zeros}") (data (i32.const 131072) ""))"#
        ))
        .unwrap();
        let page = sys::page_size() as u64;
        let start = 20000 / page * page;
        assert_eq!(
            plan,
            Plan {
                memory: 0,
                end: 5,
                start
            }
        );
        assert_eq!(bytes.len() as u64, page);
        let at = (20000 - start) as usize;
        assert_eq!(&bytes[at - 1..at + 4], b"\0axc\0");
    }

    #[test]
    fn what_is_not_known_ends_the_template() {
        let plan = |segments: &str| {
            let wat = format!(
                r#"(module (import "m" "g" (global $g i32)) (memory $a 1) (memory $b 1) {segments})"#
            );
            template(&wat).map(|t| (t.0.memory, t.0.end))
        };
        let first = r#"(data (memory $b) (i32.const 1) "a")"#;
        assert_eq!(plan(first), Some((1, 1)));
        assert_eq!(
            plan(&format!(r#"{first} (data (global.get $g) "b")"#)),
            Some((1, 1))
        );
        assert_eq!(
            plan(&format!(r#"{first} (data (i32.const 65535) "bb") {first}"#)),
            Some((1, 1))
        );
        assert_eq!(
            plan(&format!(r#"{first} (data (i32.const 0) "b") {first}"#)),
            Some((1, 3))
        );
        assert_eq!(
            plan(&format!(r#"(data (global.get $g) "b") {first}"#)),
            None
        );
        assert_eq!(plan(r#"(data "b")"#), None);
        let sparse =
            r#"(module (memory 1000) (data (i32.const 0) "a") (data (i32.const 60000000) "a"))"#;
        assert_eq!(template(sparse), None);
        let imported = r#"(module (import "m" "m" (memory 1)) (data (i32.const 0) "a"))"#;
        assert_eq!(template(imported), None);
    }
}
