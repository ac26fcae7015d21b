//! What a store owns: instances, memories, tables, globals, tags, records, handles.
//!
//! Everything here dies with the store; nothing moves while it lives, so generated code and
//! records may hold addresses. It must never know the embedder's data type.

use super::activation::Activation;
use super::code::LoadedModule;
use super::handles::Handles;
use super::host_func::HostFunc;
use super::instance::Instance;
use super::memory::Memory;
use super::signatures::Signatures;
use super::stack::WasmStack;
use super::stubs::{StubSlot, thunks};
use super::table::Table;
use craneway_jit::abi::FuncRecord;
use craneway_jit::module::{FuncType, GlobalType, ValType};
use std::cell::Cell;
use std::collections::HashMap;
use std::ptr::{NonNull, null_mut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Identity of a store; never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(pub u64);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub u32);
    )* };
}

ids! {
    /// An instance of a store.
    InstanceId
    /// A memory of a store.
    MemoryId
    /// A table of a store.
    TableId
    /// A global of a store.
    GlobalId
    /// A tag of a store.
    TagId
}

/// Decides about growth; the embedder's limits implement it.
pub trait Limiter {
    /// Whether a memory may grow from `current` to `desired` bytes (also asked at creation).
    ///
    /// # Errors
    /// An error traps instead of failing the growth.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool>;
    /// Told when growth failed for another reason.
    ///
    /// # Errors
    /// An error traps.
    fn memory_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()>;
    /// As `memory_growing`, in elements.
    ///
    /// # Errors
    /// An error traps instead of failing the growth.
    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> anyhow::Result<bool>;
    /// As `memory_grow_failed`.
    ///
    /// # Errors
    /// An error traps.
    fn table_grow_failed(&mut self, error: anyhow::Error) -> anyhow::Result<()>;
    /// Most instances of the store.
    fn instances(&self) -> usize;
    /// Most tables of the store.
    fn tables(&self) -> usize;
    /// Most memories of the store.
    fn memories(&self) -> usize;
}

/// A global that has a cell of its own.
#[derive(Debug)]
pub struct Global {
    /// Its type.
    pub ty: GlobalType,
    cell: Box<GlobalCell>,
}

#[derive(Debug)]
#[repr(C, align(16))]
struct GlobalCell(Cell<u128>);

impl Global {
    /// Address of the cell: 16 bytes, little-endian; a record address or handle for references.
    pub(crate) fn address(&self) -> usize {
        self.cell.0.as_ptr() as usize
    }

    /// The value's bits.
    pub fn get(&self) -> u128 {
        self.cell.0.get()
    }

    /// Sets the value's bits.
    pub fn set(&self, bits: u128) {
        self.cell.0.set(bits);
    }
}

/// A tag; its address is its identity.
#[derive(Debug)]
pub struct TagRecord {
    /// Types of an exception's arguments.
    pub ty: FuncType,
}

#[allow(
    clippy::vec_box,
    reason = "generated code and records hold addresses of tags and instances"
)]
/// The runtime's part of a store. Boxed by its owner: its address is stable.
pub struct Store {
    id: StoreId,
    signatures: Arc<Signatures>,
    /// The innermost activation.
    pub(crate) activation: *mut Activation,
    stack: Option<WasmStack>,
    stack_bytes: usize,
    /// Dropped before the instances: while a module lives, its slots can still be kept for it.
    pub(crate) memories: Vec<Memory>,
    pub(crate) instances: Vec<Box<Instance>>,
    by_vmctx: HashMap<usize, u32>,
    last_instance: Cell<(usize, u32)>,
    pub(crate) tables: Vec<Table>,
    pub(crate) globals: Vec<Global>,
    pub(crate) tags: Vec<Box<TagRecord>>,
    records: Vec<(Box<FuncRecord>, StubSlot)>,
    host_funcs: Vec<Arc<HostFunc>>,
    /// Collected references.
    pub(crate) handles: Handles,
    limiter: *mut (dyn Limiter + 'static),
    has_limiter: bool,
    /// Whether memories are to have huge pages.
    pub huge_pages: bool,
    /// Where a synchronous call may block on a host future.
    pub runtime: Option<tokio::runtime::Handle>,
}

struct NoLimiter;

impl Limiter for NoLimiter {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> anyhow::Result<bool> {
        Ok(true)
    }
    fn memory_grow_failed(&mut self, _: anyhow::Error) -> anyhow::Result<()> {
        Ok(())
    }
    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> anyhow::Result<bool> {
        Ok(true)
    }
    fn table_grow_failed(&mut self, _: anyhow::Error) -> anyhow::Result<()> {
        Ok(())
    }
    fn instances(&self) -> usize {
        usize::MAX
    }
    fn tables(&self) -> usize {
        usize::MAX
    }
    fn memories(&self) -> usize {
        usize::MAX
    }
}

// SAFETY: a store is used by one thread at a time (its owner hands out `&mut`); what it points at
// is its own memory, and the embedder's limiter lives in data that is Send if the store is sent.
unsafe impl Send for Store {}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// An empty store whose calls run on stacks of `stack_bytes`. Traps need
    /// [`install_handlers`](super::install_handlers), or a handler that calls
    /// [`handle_signal`](super::handle_signal).
    pub fn new(signatures: Arc<Signatures>, stack_bytes: usize) -> Store {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Store {
            id: StoreId(NEXT.fetch_add(1, Ordering::Relaxed)),
            signatures,
            activation: null_mut(),
            stack: None,
            stack_bytes,
            instances: Vec::new(),
            by_vmctx: HashMap::new(),
            last_instance: Cell::new((0, 0)),
            memories: Vec::new(),
            tables: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            records: Vec::new(),
            host_funcs: Vec::new(),
            handles: Handles::default(),
            limiter: &raw mut NO_LIMITER,
            has_limiter: false,
            huge_pages: false,
            runtime: None,
        }
    }

    /// Its identity.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// The signatures of its engine.
    pub fn signatures(&self) -> &Arc<Signatures> {
        &self.signatures
    }

    /// Uses `limiter` from now on.
    ///
    /// # Safety
    /// It lives as long as the store, and while wasm or a builtin runs nobody else uses it.
    pub unsafe fn set_limiter(&mut self, limiter: *mut (dyn Limiter + 'static)) {
        self.limiter = limiter;
        self.has_limiter = true;
    }

    /// The limiter, detached from the borrow of the store.
    pub(crate) fn limiter<'a>(&self) -> Option<&'a mut (dyn Limiter + 'static)> {
        // SAFETY: `set_limiter`'s contract.
        self.has_limiter.then(|| unsafe { &mut *self.limiter })
    }

    /// The cached stack, if nothing of the store runs or is suspended.
    #[inline]
    pub(crate) fn take_idle_stack(&mut self) -> Option<WasmStack> {
        if self.activation.is_null() {
            self.stack.take()
        } else {
            None
        }
    }

    #[inline]
    pub(crate) fn take_stack(&mut self) -> anyhow::Result<WasmStack> {
        match self.stack.take() {
            Some(stack) => Ok(stack),
            None => self.new_stack(),
        }
    }

    #[cold]
    fn new_stack(&self) -> anyhow::Result<WasmStack> {
        WasmStack::new(self.stack_bytes)
            .map_err(|e| anyhow::Error::new(e).context("cannot reserve a wasm stack"))
    }

    #[inline]
    pub(crate) fn give_stack(&mut self, stack: WasmStack) {
        self.stack = Some(stack);
    }

    /// Collected references.
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Collected references, to root and to allocate.
    pub fn handles_mut(&mut self) -> &mut Handles {
        &mut self.handles
    }

    /// Whether `address` lies in the address space of one of the store's memories.
    pub(crate) fn owns_address(&self, address: usize) -> bool {
        self.memories.iter().any(|m| m.reserves(address))
    }

    /// The strong reference behind a module found by code address.
    pub(crate) fn module_arc(&self, module: &LoadedModule) -> Option<Arc<LoadedModule>> {
        self.instances
            .iter()
            .map(|i| i.module_arc())
            .find(|m| std::ptr::eq(Arc::as_ptr(m), module))
            .cloned()
    }

    /// The instance whose vmctx this is.
    pub fn instance_of(&self, vmctx: usize) -> Option<InstanceId> {
        let (last, index) = self.last_instance.get();
        if last == vmctx && vmctx != 0 {
            return Some(InstanceId(index));
        }
        let index = *self.by_vmctx.get(&vmctx)?;
        self.last_instance.set((vmctx, index));
        Some(InstanceId(index))
    }

    /// An instance.
    ///
    /// # Panics
    /// If there is no such instance.
    pub fn instance(&self, id: InstanceId) -> &Instance {
        &self.instances[id.0 as usize]
    }

    pub(crate) fn instance_mut(&mut self, id: InstanceId) -> &mut Instance {
        &mut self.instances[id.0 as usize]
    }

    pub(crate) fn add_instance(&mut self, instance: Box<Instance>) -> InstanceId {
        let id = self.instances.len() as u32;
        self.by_vmctx.insert(instance.vmctx(), id);
        self.instances.push(instance);
        InstanceId(id)
    }

    /// A memory.
    ///
    /// # Panics
    /// If there is no such memory.
    pub fn memory(&self, id: MemoryId) -> &Memory {
        &self.memories[id.0 as usize]
    }

    /// A memory, to change.
    ///
    /// # Panics
    /// If there is no such memory.
    pub fn memory_mut(&mut self, id: MemoryId) -> &mut Memory {
        &mut self.memories[id.0 as usize]
    }

    /// Grows a memory by `delta` pages under the store's limiter; `None` if it cannot grow.
    ///
    /// # Errors
    /// The limiter's.
    pub fn grow_memory(&mut self, id: MemoryId, delta: u64) -> anyhow::Result<Option<u64>> {
        let limiter = self.limiter();
        self.memory_mut(id).grow(delta, limiter)
    }

    /// Adds a memory, asking the limiter.
    ///
    /// # Errors
    /// When the limiter or the system refuses.
    pub fn add_memory(
        &mut self,
        make: impl FnOnce() -> anyhow::Result<Memory>,
        ty: &craneway_jit::module::MemoryType,
    ) -> anyhow::Result<MemoryId> {
        if let Some(limiter) = self.limiter() {
            anyhow::ensure!(
                self.memories.len() < limiter.memories(),
                "resource limit exceeded: memory count too high at {}",
                self.memories.len() + 1
            );
            let min = ty.limits.min.saturating_mul(1 << ty.page_size_log2) as usize;
            let max = ty
                .limits
                .max
                .map(|m| m.saturating_mul(1 << ty.page_size_log2) as usize);
            anyhow::ensure!(
                limiter.memory_growing(0, min, max)?,
                "memory minimum size of {} pages exceeds memory limits",
                ty.limits.min
            );
        }
        self.memories.push(make()?);
        Ok(MemoryId(self.memories.len() as u32 - 1))
    }

    /// A table.
    ///
    /// # Panics
    /// If there is no such table.
    pub fn table(&self, id: TableId) -> &Table {
        &self.tables[id.0 as usize]
    }

    /// A table, to change.
    ///
    /// # Panics
    /// If there is no such table.
    pub fn table_mut(&mut self, id: TableId) -> &mut Table {
        &mut self.tables[id.0 as usize]
    }

    /// Grows a table under the store's limiter; `None` if it cannot grow.
    ///
    /// # Errors
    /// The limiter's.
    pub fn grow_table(
        &mut self,
        id: TableId,
        delta: u64,
        init: super::table::Element,
    ) -> anyhow::Result<Option<u64>> {
        let limiter = self.limiter();
        self.table_mut(id).grow(delta, init, limiter)
    }

    /// Adds a table, asking the limiter. `private_to`: see [`Table::new`].
    ///
    /// # Errors
    /// When the limiter or the system refuses.
    pub fn add_table(
        &mut self,
        ty: craneway_jit::module::TableType,
        private_to: usize,
    ) -> anyhow::Result<TableId> {
        if let Some(limiter) = self.limiter() {
            anyhow::ensure!(
                self.tables.len() < limiter.tables(),
                "resource limit exceeded: table count too high at {}",
                self.tables.len() + 1
            );
            let (min, max) = (ty.limits.min as usize, ty.limits.max.map(|m| m as usize));
            anyhow::ensure!(
                limiter.table_growing(0, min, max)?,
                "table minimum size of {min} elements exceeds table limits"
            );
        }
        self.tables.push(Table::new(ty, private_to)?);
        Ok(TableId(self.tables.len() as u32 - 1))
    }

    /// A global.
    ///
    /// # Panics
    /// If there is no such global.
    pub fn global(&self, id: GlobalId) -> &Global {
        &self.globals[id.0 as usize]
    }

    /// Adds a global with these bits.
    pub fn add_global(&mut self, ty: GlobalType, bits: u128) -> GlobalId {
        self.globals.push(Global {
            ty,
            cell: Box::new(GlobalCell(Cell::new(bits))),
        });
        GlobalId(self.globals.len() as u32 - 1)
    }

    /// A tag.
    ///
    /// # Panics
    /// If there is no such tag.
    pub fn tag(&self, id: TagId) -> &TagRecord {
        &self.tags[id.0 as usize]
    }

    /// Adds a tag.
    pub fn add_tag(&mut self, ty: FuncType) -> TagId {
        self.tags.push(Box::new(TagRecord { ty }));
        TagId(self.tags.len() as u32 - 1)
    }

    /// Keeps a host function alive as long as the store; its record is then a reference of the store's.
    pub fn adopt(&mut self, func: &Arc<HostFunc>) -> NonNull<FuncRecord> {
        if !self
            .host_funcs
            .iter()
            .rev()
            .take(32)
            .any(|f| Arc::ptr_eq(f, func))
        {
            self.host_funcs.push(func.clone());
        }
        func.record()
    }

    /// Makes the record (and thunk) of a wasm function.
    pub(crate) fn add_record(
        &mut self,
        code: usize,
        vmctx: usize,
        sig_id: u32,
        func_index: u32,
    ) -> anyhow::Result<NonNull<FuncRecord>> {
        let slot = thunks()
            .allocate()
            .map_err(|e| anyhow::Error::new(e).context("no memory for a thunk"))?;
        slot.write([vmctx as u64, code as u64]);
        let record = Box::new(FuncRecord {
            thunk: slot.code(),
            code,
            vmctx,
            sig_id,
            func_index,
        });
        let address = NonNull::from(&*record);
        self.records.push((record, slot));
        Ok(address)
    }

    /// Collected references that live outside wasm frames: globals and tables.
    pub(crate) fn static_roots(&self) -> Vec<u32> {
        let collected = |g: &&Global| matches!(g.ty.content, ValType::Ref(r) if r.is_collected());
        let globals = self
            .globals
            .iter()
            .filter(collected)
            .map(|g| g.get() as u32);
        globals
            .chain(self.tables.iter().flat_map(Table::handles))
            .filter(|h| *h != 0)
            .collect()
    }
}

static mut NO_LIMITER: NoLimiter = NoLimiter;
