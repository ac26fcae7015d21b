//! What a host function knows of the wasm code that called it.

use crate::store::StoreInner;
use crate::vm::InstanceId;
use crate::{
    AsContext, AsContextMut, Engine, Extern, Instance, Memory, StoreContext, StoreContextMut,
};

/// The caller of a host function: access to its store and its exports.
pub struct Caller<'a, T: 'static> {
    store: &'a mut StoreInner<T>,
    /// The calling instance's vmctx, 0 if the host called.
    vmctx: usize,
}

impl<'a, T> Caller<'a, T> {
    pub(crate) fn new(store: &'a mut StoreInner<T>, vmctx: usize) -> Caller<'a, T> {
        Caller { store, vmctx }
    }

    fn instance(&self) -> Option<InstanceId> {
        self.store.core().instance_of(self.vmctx)
    }

    /// The export `name` of the calling instance; `None` if there is none, or the host called.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        let id = self.instance()?;
        Instance::from_id(self.store.core(), id).get_export(self, name)
    }

    /// The memory that the calling instance exports as `memory`.
    pub fn memory(&mut self) -> Option<Memory> {
        let core = self.store.core();
        let instance = core.instance(core.instance_of(self.vmctx)?);
        let index = instance.module().default_memory()?;
        Some(Memory::from_id(core, instance.memory(index)))
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &self.store.data
    }

    /// The embedder's data, to change.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.store.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.store.engine()
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.store)
    }
}

impl<T: 'static> AsContextMut for Caller<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.store)
    }
}
