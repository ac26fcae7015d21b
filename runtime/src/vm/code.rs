//! A compiled module in executable memory, and the registry that finds it from a code address.
//!
//! ```text
//!   pc ─► bits 46…30: top table ─► bits 29…12: page table of that GiB ─► *const LoadedModule
//! ```
//! Both levels are read without locks (the trap handler does); page tables are never freed. Text is
//! page-aligned and page-exclusive, so a page belongs to one module.

use super::signatures::{SigId, Signatures};
use craneway_jit::abi::TrapCode;
use craneway_jit::module::ExternKind;
use craneway_jit::{CallSite, CodeFrame, CodeMemory, CompileError, CompiledModule, StackMap};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicPtr, Ordering};

const PAGE_BITS: u32 = 12;
const GIB_BITS: u32 = 30;
const PAGES: usize = 1 << (GIB_BITS - PAGE_BITS);

type PageTable = [AtomicPtr<LoadedModule>; PAGES];

static TOP: [AtomicPtr<PageTable>; 1 << (47 - GIB_BITS)] =
    [const { AtomicPtr::new(std::ptr::null_mut()) }; 1 << (47 - GIB_BITS)];

/// A module whose code can run.
#[derive(Debug)]
pub struct LoadedModule {
    compiled: CompiledModule,
    memory: CodeMemory,
    /// Canonical id of every type of the module.
    sig_ids: Box<[SigId]>,
    /// Defined functions by code address: (start, defined index).
    by_address: Box<[(u32, u32)]>,
    /// Exports by name.
    exports: HashMap<String, ExternKind>,
    /// The memory exported as `memory`, which host functions ask for at every call.
    default_memory: Option<u32>,
}

impl LoadedModule {
    /// Copies the code to executable memory and registers it.
    ///
    /// # Errors
    /// When the system refuses executable memory.
    pub fn new(
        compiled: CompiledModule,
        signatures: &Signatures,
    ) -> Result<Arc<LoadedModule>, CompileError> {
        let memory = CodeMemory::new(&compiled.image.text)?;
        let sig_ids = compiled
            .module
            .types
            .iter()
            .map(|t| signatures.register(t))
            .collect();
        let mut by_address: Vec<(u32, u32)> = compiled
            .image
            .functions
            .iter()
            .enumerate()
            .filter(|(_, f)| f.len > 0)
            .map(|(i, f)| (f.start, i as u32))
            .collect();
        by_address.sort_unstable();
        let by_address = by_address.into_boxed_slice();
        let exports: HashMap<String, ExternKind> = compiled
            .module
            .exports
            .iter()
            .map(|e| (e.name.clone(), e.kind))
            .collect();
        let default_memory = match exports.get("memory") {
            Some(ExternKind::Memory(index)) => Some(*index),
            _ => None,
        };
        let module = Arc::new(LoadedModule {
            compiled,
            memory,
            sig_ids,
            by_address,
            exports,
            default_memory,
        });
        module.register(Arc::as_ptr(&module).cast_mut());
        Ok(module)
    }

    fn register(&self, value: *mut LoadedModule) {
        let first = self.base() >> PAGE_BITS;
        let last = (self.base() + self.memory.len() - 1) >> PAGE_BITS;
        for page in first..=last {
            page_table(page >> (GIB_BITS - PAGE_BITS))[page % PAGES]
                .store(value, Ordering::Release);
        }
    }

    /// What the module declares.
    pub fn module(&self) -> &craneway_jit::module::Module {
        &self.compiled.module
    }

    /// Everything the compiler produced.
    pub fn compiled(&self) -> &CompiledModule {
        &self.compiled
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
        self.memory.base() as usize
    }

    /// Entry address of defined function `defined`.
    pub(crate) fn entry(&self, defined: u32) -> usize {
        self.base() + self.compiled.image.functions[defined as usize].start as usize
    }

    /// The function index whose code contains `pc`, and the offset in it.
    pub(crate) fn function_at(&self, pc: usize) -> Option<(u32, u32)> {
        let offset = u32::try_from(pc.checked_sub(self.base())?).ok()?;
        let at = self
            .by_address
            .partition_point(|f| f.0 <= offset)
            .checked_sub(1)?;
        let (start, defined) = self.by_address[at];
        let len = self.compiled.image.functions[defined as usize].len;
        (offset - start < len)
            .then_some((self.module().imported_functions + defined, offset - start))
    }

    fn offset_of(&self, pc: usize) -> Option<u32> {
        u32::try_from(pc.checked_sub(self.base())?).ok()
    }

    /// The trap record of the instruction at `pc`.
    pub(crate) fn trap_at(&self, pc: usize) -> Option<TrapCode> {
        self.compiled.image.trap_at(self.offset_of(pc)?)
    }

    /// The call site returning to `pc`, if it has handlers.
    pub(crate) fn call_site_at(&self, pc: usize) -> Option<&CallSite> {
        self.compiled.image.call_site_at(self.offset_of(pc)?)
    }

    /// The stack map of the call returning to `pc`.
    pub(crate) fn stack_map_at(&self, pc: usize) -> Option<&StackMap> {
        self.compiled.image.stack_map_at(self.offset_of(pc)?)
    }

    /// The frames, as wasm has them, that the instruction at `pc` stands for, innermost first.
    pub(crate) fn frames_at(&self, pc: usize) -> Vec<CodeFrame> {
        let offset = self.offset_of(pc);
        offset.map_or_else(Vec::new, |o| self.compiled.image.frames_at(o))
    }
}

impl Drop for LoadedModule {
    fn drop(&mut self) {
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
