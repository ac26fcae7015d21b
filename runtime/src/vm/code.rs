//! A module whose code can run, and the registry that finds it from a code address.
//!
//! ```text
//!   pc ─► bits 46…30: top table ─► bits 29…12: page table of that GiB ─► *const LoadedModule
//! ```
//! Both levels are read without locks (the trap handler does); page tables are never freed. Text is
//! page-aligned and page-exclusive, so a page belongs to one module.

use super::image::Image;
use super::signatures::{SigId, Signatures};
use super::sys::{FileMap, NearCode};
use super::template::{Plan, Template};
use craneway_jit::abi::{TrapCode, VmLayout};
use craneway_jit::module::{ExternKind, Module};
use craneway_jit::{CodeFrame, CodeMemory, CompileError, CompiledModule};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

const PAGE_BITS: u32 = 12;
const GIB_BITS: u32 = 30;
const PAGES: usize = 1 << (GIB_BITS - PAGE_BITS);

type PageTable = [AtomicPtr<LoadedModule>; PAGES];

static TOP: [AtomicPtr<PageTable>; 1 << (47 - GIB_BITS)] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; 1 << (47 - GIB_BITS)];

/// Where a module's machine code runs.
#[derive(Debug)]
pub struct Text(Place);

#[derive(Debug)]
enum Place {
    /// In memory of its own, near the runtime's code.
    Near(NearCode),
    /// In memory of its own, where the system has some.
    Anywhere(Box<CodeMemory>),
    /// In a mapped file, at this range of it.
    Mapped(Arc<FileMap>, Range<usize>),
}

impl Text {
    /// A copy of `text`, executable.
    ///
    /// # Errors
    /// When the system refuses executable memory.
    pub fn copied(text: &[u8]) -> Result<Text, CompileError> {
        Ok(Text(match NearCode::new(text) {
            Some(near) => Place::Near(near),
            None => Place::Anywhere(Box::new(CodeMemory::new(text)?)),
        }))
    }

    /// The `range` of a file that is mapped and executable there.
    pub(crate) fn mapped(file: Arc<FileMap>, range: Range<usize>) -> Text {
        Text(Place::Mapped(file, range))
    }

    /// Address of the first byte, page-aligned.
    fn base(&self) -> usize {
        match &self.0 {
            Place::Near(near) => near.base(),
            Place::Anywhere(memory) => memory.base() as usize,
            Place::Mapped(file, range) => file.bytes().as_ptr() as usize + range.start,
        }
    }

    fn len(&self) -> usize {
        match &self.0 {
            Place::Near(near) => near.len(),
            Place::Anywhere(memory) => memory.len(),
            Place::Mapped(_, range) => range.len(),
        }
    }
}

/// What a module is made of, whether it was just compiled or lies in a file.
#[derive(Debug)]
pub struct Parts {
    /// What it declares; names, debug sections and data lie in the image.
    pub module: Module,
    /// Layout of its instances' fields.
    pub layout: VmLayout,
    /// Tables of its code, and what lies beside them.
    pub image: Image,
    /// Its code.
    pub text: Text,
    /// The initial content of a memory.
    pub template: Option<Template>,
    /// Bytes of all its data segments.
    pub data_bytes: u64,
}

impl Parts {
    /// Copies the code to executable memory and lays out the rest.
    ///
    /// # Errors
    /// When the system refuses executable memory.
    pub fn new(compiled: CompiledModule) -> Result<Parts, CompileError> {
        let CompiledModule {
            mut module,
            layout,
            image,
        } = compiled;
        let template = Template::of(&module);
        let data_bytes = module.data.len() as u64;
        let data = match &template {
            Some(template) => keep_uncovered(&mut module, template.plan()),
            None => std::mem::take(&mut module.data),
        };
        Ok(Parts {
            text: Text::copied(&image.text)?,
            image: Image::encode(&image, &mut module, &data),
            module,
            layout,
            template,
            data_bytes,
        })
    }
}

/// The bytes of the data segments that no template stands for; their ranges change accordingly.
fn keep_uncovered(module: &mut Module, plan: Plan) -> Vec<u8> {
    let mut kept = Vec::new();
    for index in 0..module.data_segments.len() {
        let (start, end) = module.data_segments[index].range;
        let from = kept.len() as u32;
        if !plan.covers(module, index) {
            kept.extend_from_slice(&module.data[start as usize..end as usize]);
        }
        module.data_segments[index].range = (from, kept.len() as u32);
    }
    kept
}

/// A module whose code can run.
#[derive(Debug)]
pub struct LoadedModule {
    id: u64,
    parts: Parts,
    /// Canonical id of every type of the module.
    sig_ids: Box<[SigId]>,
    /// Exports by name.
    exports: HashMap<String, ExternKind>,
    /// The memory exported as `memory`, which host functions ask for at every call.
    default_memory: Option<u32>,
}

impl LoadedModule {
    /// Registers the code and the types.
    pub fn new(parts: Parts, signatures: &Signatures) -> Arc<LoadedModule> {
        let types = parts.module.types.iter();
        let sig_ids = types.map(|t| signatures.register(t)).collect();
        let exports = parts.module.exports.iter();
        let exports: HashMap<String, ExternKind> =
            exports.map(|e| (e.name.clone(), e.kind)).collect();
        let default_memory = match exports.get("memory") {
            Some(ExternKind::Memory(index)) => Some(*index),
            _ => None,
        };
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let module = Arc::new(LoadedModule {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            parts,
            sig_ids,
            exports,
            default_memory,
        });
        module.register(Arc::as_ptr(&module).cast_mut());
        module
    }

    fn register(&self, value: *mut LoadedModule) {
        let first = self.base() >> PAGE_BITS;
        let last = (self.base() + self.parts.text.len().max(1) - 1) >> PAGE_BITS;
        for page in first..=last {
            page_table(page >> (GIB_BITS - PAGE_BITS))[page % PAGES]
                .store(value, Ordering::Release);
        }
    }

    /// Its identity, never used again within a process.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What the module declares.
    pub fn module(&self) -> &Module {
        &self.parts.module
    }

    /// Layout of its instances' fields.
    pub fn layout(&self) -> &VmLayout {
        &self.parts.layout
    }

    /// Tables of its code, names, debug sections.
    pub fn image(&self) -> &Image {
        &self.parts.image
    }

    /// The initial content of a memory, if it was laid out.
    pub fn template(&self) -> Option<&Template> {
        self.parts.template.as_ref()
    }

    /// The bytes of data segment `index`; none if the template stands for it.
    pub(crate) fn data_segment(&self, index: u32) -> &[u8] {
        let (start, end) = self.module().data_segments[index as usize].range;
        let data = self.image().data();
        data.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Bytes of all its data segments.
    pub fn data_bytes(&self) -> u64 {
        self.parts.data_bytes
    }

    /// Its machine code.
    pub fn text(&self) -> &[u8] {
        // SAFETY: the text is readable and never changes as long as the module lives.
        unsafe { std::slice::from_raw_parts(self.base() as *const u8, self.parts.text.len()) }
    }

    /// The export of this name.
    pub fn export(&self, name: &str) -> Option<ExternKind> {
        self.exports.get(name).copied()
    }

    /// Index of the memory exported as `memory`.
    pub fn default_memory(&self) -> Option<u32> {
        self.default_memory
    }

    /// Canonical id of type `index`.
    pub fn sig_id(&self, index: u32) -> SigId {
        self.sig_ids[index as usize]
    }

    /// Canonical id of the type of function `index`.
    pub fn func_sig_id(&self, index: u32) -> SigId {
        self.sig_id(self.module().functions[index as usize])
    }

    /// Address of the first byte of code.
    pub(crate) fn base(&self) -> usize {
        self.parts.text.base()
    }

    /// Entry address of defined function `defined`.
    pub(crate) fn entry(&self, defined: u32) -> usize {
        let start = self.image().function(defined).map_or(0, |f| f.start);
        self.base() + start as usize
    }

    /// The function index whose code contains `pc`, and the offset in it.
    pub(crate) fn function_at(&self, pc: usize) -> Option<(u32, u32)> {
        let offset = self.offset_of(pc)?;
        let (defined, range) = self.image().function_at(offset)?;
        let index = self.module().imported_functions + defined;
        Some((index, offset - range.start))
    }

    /// `pc` as an offset in the text.
    pub(crate) fn offset_of(&self, pc: usize) -> Option<u32> {
        u32::try_from(pc.checked_sub(self.base())?).ok()
    }

    /// The trap record of the instruction at `pc`.
    pub(crate) fn trap_at(&self, pc: usize) -> Option<TrapCode> {
        self.image().trap_at(self.offset_of(pc)?)
    }

    /// The frames, as wasm has them, that the instruction at `pc` stands for, innermost first.
    pub(crate) fn frames_at(&self, pc: usize) -> Vec<CodeFrame> {
        let offset = self.offset_of(pc);
        offset.map_or_else(Vec::new, |o| self.image().frames_at(o))
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
        super::slots::forget(self.id);
        self.register(std::ptr::null_mut());
    }
}

fn page_table(gib: usize) -> &'static PageTable {
    let slot = &TOP[gib];
    let mut table = slot.load(Ordering::Acquire);
    if table.is_null() {
        let layout = std::alloc::Layout::new::<PageTable>();
        // SAFETY: the layout is not empty, and all-zero is a table of null pointers.
        let new = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<PageTable>();
        if new.is_null() {
            std::alloc::handle_alloc_error(layout);
        }
        match slot.compare_exchange(
            std::ptr::null_mut(),
            new,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => table = new,
            Err(other) => {
                // SAFETY: our table was not published.
                unsafe { std::alloc::dealloc(new.cast(), layout) };
                table = other;
            }
        }
    }
    // SAFETY: published tables are never freed.
    unsafe { &*table }
}

/// The module whose code contains `pc`. Takes no lock and allocates nothing.
///
/// # Safety
/// The result is used only while something keeps the module alive: code that is running, or frames
/// on a wasm stack, belong to a module that their store holds.
pub(crate) unsafe fn find<'a>(pc: usize) -> Option<&'a LoadedModule> {
    let table = TOP.get(pc >> GIB_BITS)?.load(Ordering::Acquire);
    if table.is_null() {
        return None;
    }
    // SAFETY: published tables are never freed; entries are null or modules that are registered.
    unsafe {
        let module = (&*table)[(pc >> PAGE_BITS) % PAGES].load(Ordering::Acquire);
        module.as_ref()
    }
}
