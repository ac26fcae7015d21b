//! The tables of a module's code, in place: the same bytes whether they were just made or lie in a
//! mapped file, searched without being decoded.
//!
//! ```text
//!   functions │ order │ trap offsets │ trap codes │ locations │ … │ names │ debug │ data
//!   each a part: rows of little-endian words, or bytes; every part starts at a multiple of 8
//! ```
//! Rows are looked up with bounds checks, so damaged tables give wrong answers, never wild reads.

use super::sys::FileMap;
use craneway_jit::abi::TrapCode;
use craneway_jit::module::Module;
use craneway_jit::{CodeFrame, FuncRange, HandlerTag, Image as Compiled};
use std::ops::{Deref, Range};
use std::sync::Arc;

/// Bytes that are owned, or a part of a mapped file.
#[derive(Debug)]
pub enum Bytes {
    /// Owned.
    Owned(Box<[u8]>),
    /// A part of a file.
    Mapped(Arc<FileMap>, Range<usize>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Owned(bytes) => bytes,
            Bytes::Mapped(file, range) => &file.bytes()[range.clone()],
        }
    }
}

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident)*) => {
        #[derive(Clone, Copy)]
        enum Part { $($(#[$doc])* $name),* }
        /// Number of parts.
        const PARTS: usize = [$(Part::$name),*].len();
    };
}

parts! {
    /// Start and length, by defined index.
    Functions
    /// Defined indices of functions that have code, by address.
    Order
    /// Offset.
    TrapOffsets
    /// Trap code (one byte), as in `TrapOffsets`.
    TrapCodes
    /// Offset, location.
    Locations
    /// First location, location of the call, function, offset in the binary of the first location.
    Inlined
    /// Offset in the binary, by defined index.
    FirstOffsets
    /// Return address, frame offset, context offset, first handler, number of handlers.
    CallSites
    /// Tag or `ANY_TAG`, target.
    Handlers
    /// Return address, frame offset, first slot, number of slots.
    StackMaps
    /// Offset from the stack pointer.
    StackSlots
    /// Function index, end of its name in `NameText`.
    Names
    /// Names, one after the other.
    NameText
    /// Debug sections, one after the other.
    Debug
    /// Data segments, one after the other.
    Data
}

/// In `Handlers`: takes every exception.
const ANY_TAG: u32 = u32::MAX;
/// In `Locations`: code that comes from no operator.
const NO_LOCATION: u32 = u32::MAX;
/// Locations from here on are those of inlined bodies.
const INLINED_LOCATIONS: u32 = 1 << 31;

/// Alignment of parts.
const ALIGN: usize = 8;

/// A table of rows of `N` words.
#[derive(Clone, Copy)]
struct Rows<'a, const N: usize>(&'a [u8]);

impl<const N: usize> Rows<'_, N> {
    fn len(&self) -> usize {
        self.0.len() / (4 * N)
    }

    fn get(&self, index: usize) -> Option<[u32; N]> {
        let row = self.0.get(index * 4 * N..(index + 1) * 4 * N)?;
        let mut out = [0; N];
        for (word, bytes) in out.iter_mut().zip(row.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        Some(out)
    }

    /// The number of rows, from the first, whose first word is at most `key`; rows are sorted by it.
    fn up_to(&self, key: u32) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(|row| row[0] <= key) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The last row whose first word is at most `key`, with its index.
    fn last_up_to(&self, key: u32) -> Option<(usize, [u32; N])> {
        let at = self.up_to(key).checked_sub(1)?;
        Some((at, self.get(at)?))
    }

    /// The row whose first word is `key`, with its index.
    fn find(&self, key: u32) -> Option<(usize, [u32; N])> {
        self.last_up_to(key).filter(|(_, row)| row[0] == key)
    }

    fn range(self, first: u32, count: u32) -> impl Iterator<Item = [u32; N]> {
        let first = first as usize;
        (first..first.saturating_add(count as usize)).map_while(move |at| self.get(at))
    }
}

/// A call with handlers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSite {
    /// Frame pointer minus stack pointer at the call.
    pub(crate) frame_offset: u32,
    /// Bytes from the stack pointer at which the frame keeps its vmctx.
    pub(crate) context_offset: u32,
    first: u32,
    count: u32,
}

/// The collected references of a frame across a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StackMap {
    /// Bytes from the frame pointer down to the stack pointer at the call.
    pub(crate) frame_offset: u32,
    first: u32,
    count: u32,
}

/// The tables of a module.
#[derive(Debug)]
pub struct Image {
    bytes: Bytes,
    /// Where each part ends; it starts at the next multiple of [`ALIGN`] behind the one before.
    ends: [usize; PARTS],
    debug: Vec<(String, u64)>,
}

impl Image {
    /// Encodes the tables of `image`, and takes names, debug sections and the data segments out of
    /// `module`. `data` is what is kept of the latter.
    pub fn encode(image: &Compiled, module: &mut Module, data: &[u8]) -> Image {
        // Exhaustive: a table that is added must be thought about here.
        let Compiled {
            text: _,
            functions,
            traps,
            locations,
            inlined,
            inlined_locations: _,
            first_offsets,
            call_sites,
            stack_maps,
            failed: _,
        } = image;
        let mut order: Vec<u32> = (0..functions.len() as u32).collect();
        order.retain(|f| functions[*f as usize].len > 0);
        order.sort_unstable_by_key(|f| functions[*f as usize].start);
        let mut out = Encoder::default();
        out.rows(functions.iter().map(|f| [f.start, f.len]));
        out.rows(order.into_iter().map(|f| [f]));
        out.rows(traps.iter().map(|t| [t.0]));
        out.raw(&traps.iter().map(|t| t.1).collect::<Vec<u8>>());
        out.rows(locations.iter().map(|l| [l.0, l.1]));
        out.rows(
            inlined
                .iter()
                .map(|i| [i.first, i.call, i.function, i.offset]),
        );
        out.rows(first_offsets.iter().map(|o| [*o]));
        let mut next = 0;
        out.rows(call_sites.iter().map(|site| {
            let (first, count) = (next, site.handlers.len() as u32);
            next += count;
            [
                site.ret,
                site.frame_offset,
                site.context_offset,
                first,
                count,
            ]
        }));
        let handlers = call_sites.iter().flat_map(|site| &site.handlers);
        out.rows(handlers.map(|h| match h.tag {
            HandlerTag::Tag(tag) => [tag, h.target],
            HandlerTag::Any => [ANY_TAG, h.target],
        }));
        let mut next = 0;
        out.rows(stack_maps.iter().map(|map| {
            let (first, count) = (next, map.slots.len() as u32);
            next += count;
            [map.ret, map.frame_offset, first, count]
        }));
        let slots = stack_maps.iter().flat_map(|map| &map.slots);
        out.rows(slots.map(|slot| [*slot]));
        let names = std::mem::take(&mut module.function_names);
        let mut end = 0;
        out.rows(names.iter().map(|(function, name)| {
            end += name.len() as u32;
            [*function, end]
        }));
        out.parts(names.iter().map(|(_, name)| name.as_bytes()));
        let sections = std::mem::take(&mut module.debug_sections);
        out.parts(sections.iter().map(|(_, bytes)| &bytes[..]));
        out.raw(data);
        module.data = Vec::new();
        let debug = sections.into_iter().map(|(n, b)| (n, b.len() as u64));
        Image {
            bytes: Bytes::Owned(out.bytes.into()),
            ends: std::array::from_fn(|part| out.ends[part]),
            debug: debug.collect(),
        }
    }

    /// The tables in `bytes` whose parts end at `ends`; `None` if they do not fit.
    pub fn decode(bytes: Bytes, ends: &[u64], debug: Vec<(String, u64)>) -> Option<Image> {
        let mut checked = [0; PARTS];
        let mut before = 0;
        for (end, given) in checked.iter_mut().zip(ends) {
            *end = usize::try_from(*given).ok()?;
            let start = before_aligned(before)?;
            if *end < start || *end > bytes.len() {
                return None;
            }
            before = *end;
        }
        (ends.len() == PARTS).then_some(Image {
            bytes,
            ends: checked,
            debug,
        })
    }

    /// What [`Image::decode`] takes: the bytes, where parts end, names and lengths of debug sections.
    pub fn encoded(&self) -> (&[u8], Vec<u64>, &[(String, u64)]) {
        let ends = self.ends.iter().map(|e| *e as u64).collect();
        (&self.bytes, ends, &self.debug)
    }

    fn part(&self, part: Part) -> &[u8] {
        let start = match (part as usize).checked_sub(1) {
            Some(before) => self.ends[before].next_multiple_of(ALIGN),
            None => 0,
        };
        &self.bytes[start..self.ends[part as usize]]
    }

    fn rows<const N: usize>(&self, part: Part) -> Rows<'_, N> {
        Rows(self.part(part))
    }

    /// Number of defined functions.
    pub fn functions(&self) -> usize {
        self.rows::<2>(Part::Functions).len()
    }

    /// Where the code of a defined function lies.
    pub fn function(&self, defined: u32) -> Option<FuncRange> {
        let [start, len] = self.rows(Part::Functions).get(defined as usize)?;
        Some(FuncRange { start, len })
    }

    /// The defined function whose code contains `offset`, and where it lies.
    pub fn function_at(&self, offset: u32) -> Option<(u32, FuncRange)> {
        let order = self.rows::<1>(Part::Order);
        let (mut low, mut high) = (0, order.len());
        while low < high {
            let middle = low.midpoint(high);
            let [defined] = order.get(middle)?;
            if self.function(defined)?.start <= offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let [defined] = order.get(low.checked_sub(1)?)?;
        let range = self.function(defined)?;
        (offset - range.start < range.len).then_some((defined, range))
    }

    /// The trap record of the instruction at `offset`. Allocates nothing: the trap handler asks.
    pub fn trap_at(&self, offset: u32) -> Option<TrapCode> {
        let (at, _) = self.rows::<1>(Part::TrapOffsets).find(offset)?;
        TrapCode::from_u8(*self.part(Part::TrapCodes).get(at)?)
    }

    /// The frames that the code at `offset` stands for, innermost first: those of inlined bodies,
    /// and at last that of the function itself.
    pub fn frames_at(&self, offset: u32) -> Vec<CodeFrame> {
        let found = self.rows::<2>(Part::Locations).last_up_to(offset);
        let mut location = found.map(|(_, l)| l[1]).filter(|l| *l != NO_LOCATION);
        let mut frames = Vec::new();
        while let Some(at) = location.filter(|l| *l >= INLINED_LOCATIONS) {
            let Some((_, body)) = self.rows::<4>(Part::Inlined).last_up_to(at) else {
                break;
            };
            let [first, call, function, offset] = body;
            frames.push(CodeFrame {
                inlined: Some(function),
                wasm_offset: Some((at - first).wrapping_add(offset)),
            });
            // A call's location is smaller than its body's; damaged tables must not loop.
            location = Some(call).filter(|call| *call < at);
        }
        frames.push(CodeFrame {
            inlined: None,
            wasm_offset: location,
        });
        frames
    }

    /// Offset in the wasm binary of a defined function's first operator.
    pub fn first_offset(&self, defined: u32) -> Option<u32> {
        let [offset] = self.rows(Part::FirstOffsets).get(defined as usize)?;
        Some(offset)
    }

    /// The call site that returns to `offset`, if it has handlers.
    pub(crate) fn call_site_at(&self, offset: u32) -> Option<CallSite> {
        let (_, row) = self.rows::<5>(Part::CallSites).find(offset)?;
        let [_, frame_offset, context_offset, first, count] = row;
        Some(CallSite {
            frame_offset,
            context_offset,
            first,
            count,
        })
    }

    /// The handlers of a call site, innermost first: the tag (`None`: all) and the target.
    pub(crate) fn handlers(&self, site: CallSite) -> impl Iterator<Item = (Option<u32>, u32)> {
        self.rows::<2>(Part::Handlers)
            .range(site.first, site.count)
            .map(|[tag, target]| ((tag != ANY_TAG).then_some(tag), target))
    }

    /// The stack map of the call that returns to `offset`.
    pub(crate) fn stack_map_at(&self, offset: u32) -> Option<StackMap> {
        let (_, row) = self.rows::<4>(Part::StackMaps).find(offset)?;
        let [_, frame_offset, first, count] = row;
        Some(StackMap {
            frame_offset,
            first,
            count,
        })
    }

    /// Offsets of a stack map's handles from the stack pointer.
    pub(crate) fn slots(&self, map: StackMap) -> impl Iterator<Item = u32> {
        self.rows::<1>(Part::StackSlots)
            .range(map.first, map.count)
            .map(|[slot]| slot)
    }

    /// The name of function `index`, from the name section.
    pub fn function_name(&self, index: u32) -> Option<&str> {
        let names = self.rows::<2>(Part::Names);
        let (at, [_, end]) = names.find(index)?;
        let start = at.checked_sub(1).and_then(|before| names.get(before));
        let range = start.map_or(0, |s| s[1]) as usize..end as usize;
        std::str::from_utf8(self.part(Part::NameText).get(range)?).ok()
    }

    /// The debug section of this name; empty if the module kept none.
    pub fn debug_section(&self, name: &str) -> &[u8] {
        let mut start = 0usize;
        for (section, len) in &self.debug {
            let end = start.saturating_add(*len as usize);
            if section == name {
                return self.part(Part::Debug).get(start..end).unwrap_or_default();
            }
            start = end;
        }
        &[]
    }

    /// Whether any debug section was kept.
    pub fn has_debug_sections(&self) -> bool {
        !self.debug.is_empty()
    }

    /// The bytes of data segments that are kept.
    pub fn data(&self) -> &[u8] {
        self.part(Part::Data)
    }
}

fn before_aligned(end: usize) -> Option<usize> {
    end.checked_next_multiple_of(ALIGN)
}

#[derive(Default)]
struct Encoder {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Encoder {
    fn parts<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        parts.for_each(|part| self.bytes.extend_from_slice(part));
        self.ends.push(self.bytes.len());
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.parts(std::iter::once(bytes));
    }

    fn rows<const N: usize>(&mut self, rows: impl Iterator<Item = [u32; N]>) {
        self.bytes
            .resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        for word in rows.flatten() {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.ends.push(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craneway_jit::{Compiler, Handler, Settings};

    /// Every sort of table has entries.
    const EVERYTHING: &str = r#"(module $m
        (import "h" "f" (func $h (param externref)))
        (tag $t (param i32)) (tag $u)
        (memory 1) (data "passive") (data (i32.const 5) "active")
        (func $small (param i32) (result i32) (i32.div_s (i32.const 7) (local.get 0)))
        (func $refs (export "refs") (param $r externref) (result externref)
            (call $h (local.get $r)) (call $h (ref.null extern)) (local.get $r))
        (func $calls (export "calls") (param i32) (result i32)
            (i32.add (call $small (local.get 0)) (i32.load (call $small (i32.add (local.get 0) (i32.const 1))))))
        (func $throws (export "throws") (param i32)
            (if (local.get 0) (then (throw $t (local.get 0))) (else (throw $u))))
        (func $catches (export "catches") (param i32) (result i32)
            (block $b (result i32)
                (block $all (try_table (catch $t $b) (catch_all $all) (call $throws (local.get 0))))
                (i32.const 3))))"#;

    fn compiled() -> craneway_jit::CompiledModule {
        let compiler = Compiler::new(Settings {
            debug_info: true,
            ..Settings::default()
        });
        let wasm = wat::parse_str(EVERYTHING).unwrap();
        compiler.unwrap().compile(&wasm).unwrap()
    }

    /// The tables, once as they were encoded and once decoded again.
    fn images(of: craneway_jit::CompiledModule) -> [Image; 2] {
        let mut module = of.module;
        module.debug_sections = vec![
            (".debug_a".into(), vec![1, 2]),
            (".debug_b".into(), vec![3]),
        ];
        let data = module.data.clone();
        let image = Image::encode(&of.image, &mut module, &data);
        assert!(module.function_names.is_empty() && module.debug_sections.is_empty());
        let (bytes, ends, debug) = image.encoded();
        let bytes = Bytes::Owned(bytes.into());
        let again = Image::decode(bytes, &ends, debug.to_vec()).unwrap();
        [image, again]
    }

    #[test]
    fn tables_answer_as_the_compiler_does() {
        let compiled = compiled();
        let (want, names) = (
            compiled.image.clone(),
            compiled.module.function_names.clone(),
        );
        assert!(!want.inlined.is_empty() && !want.traps.is_empty() && !want.stack_maps.is_empty());
        assert!(!want.call_sites.is_empty());
        for image in images(compiled) {
            for offset in 0..want.text.len() as u32 + 40 {
                assert_eq!(image.trap_at(offset), want.trap_at(offset));
                assert_eq!(image.frames_at(offset), want.frames_at(offset));
                let function = image.function_at(offset).map(|f| f.0);
                assert_eq!(function, want.function_at(offset));
                let site = image.call_site_at(offset).map(|s| {
                    let handlers = image.handlers(s).map(|(tag, target)| Handler {
                        tag: tag.map_or(HandlerTag::Any, HandlerTag::Tag),
                        target,
                    });
                    (s.frame_offset, s.context_offset, handlers.collect())
                });
                let expected = want.call_site_at(offset);
                let expected =
                    expected.map(|s| (s.frame_offset, s.context_offset, s.handlers.clone()));
                assert_eq!(site, expected);
                let map = image.stack_map_at(offset);
                let map = map.map(|m| (m.frame_offset, image.slots(m).collect::<Vec<u32>>()));
                let expected = want.stack_map_at(offset);
                assert_eq!(map, expected.map(|m| (m.frame_offset, m.slots.clone())));
            }
            for (index, function) in want.functions.iter().enumerate() {
                assert_eq!(image.function(index as u32), Some(*function));
                assert_eq!(
                    image.first_offset(index as u32),
                    Some(want.first_offsets[index])
                );
            }
            assert_eq!(image.functions(), want.functions.len());
            for index in 0..10 {
                let name = names.iter().find(|n| n.0 == index).map(|n| &*n.1);
                assert_eq!(image.function_name(index), name);
            }
            assert_eq!(image.debug_section(".debug_b"), [3]);
            assert_eq!(image.debug_section(".debug_c"), []);
            assert_eq!(image.data(), b"passiveactive");
        }
    }

    #[test]
    fn damaged_tables_answer_wrongly_and_nothing_worse() {
        let [image, _] = images(compiled());
        let (good, ends, debug) = image.encoded();
        assert!(
            Image::decode(
                Bytes::Owned(good[..good.len() - 1].into()),
                &ends,
                Vec::new()
            )
            .is_none()
        );
        assert!(Image::decode(Bytes::Owned(good.into()), &ends[1..], Vec::new()).is_none());
        for fill in [0, 1, 0x7f, 0xff] {
            let bytes = Bytes::Owned(vec![fill; good.len()].into());
            let bad = Image::decode(bytes, &ends, debug.to_vec()).unwrap();
            for key in [0, 1, 100, u32::MAX] {
                bad.frames_at(key);
                bad.function_at(key);
                bad.trap_at(key);
                bad.function_name(key);
                bad.call_site_at(key).map(|s| bad.handlers(s).count());
                bad.stack_map_at(key).map(|m| bad.slots(m).count());
            }
        }
    }
}
