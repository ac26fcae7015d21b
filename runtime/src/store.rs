//! Stores: the embedder's data and everything instantiated with it.

use crate::vm::{Limiter, Store as Core, install_handlers};
use crate::{Engine, Error, ResourceLimiter, Result};
use std::fmt;

type GetLimiter<T> = Box<dyn (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync>;

/// What a store holds. The machine's part comes first: a pointer to it is a pointer to the whole.
#[repr(C)]
pub(crate) struct StoreInner<T: 'static> {
    core: Core,
    engine: Engine,
    limiter: Option<GetLimiter<T>>,
    adapter: Option<Box<Adapter<T>>>,
    pub(crate) data: T,
}

impl<T> StoreInner<T> {
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// The vm's view of the embedder's limiter.
struct Adapter<T: 'static> {
    store: *mut StoreInner<T>,
}

impl<T> Adapter<T> {
    #[allow(
        clippy::mut_from_ref,
        reason = "the borrow is of the store's data, not of the adapter"
    )]
    fn get(&self) -> &mut dyn ResourceLimiter {
        // SAFETY: the adapter is owned by the store it points at, which is boxed and never moves;
        // the vm calls it only while it has the store to itself and touches no data of the embedder's.
        unsafe {
            let store = &mut *self.store;
            let StoreInner { limiter, data, .. } = store;
            match limiter {
                Some(get) => get(data),
                None => unreachable!("the adapter is installed together with the limiter"),
            }
        }
    }
}

impl<T> Limiter for Adapter<T> {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.get().memory_growing(current, desired, maximum)
    }
    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.get().memory_grow_failed(error)
    }
    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        self.get().table_growing(current, desired, maximum)
    }
    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        self.get().table_grow_failed(error)
    }
    fn instances(&self) -> usize {
        self.get().instances()
    }
    fn tables(&self) -> usize {
        self.get().tables()
    }
    fn memories(&self) -> usize {
        self.get().memories()
    }
}

/// A home for instances and the embedder's data `T`. Everything in it lives until it is dropped.
pub struct Store<T: 'static> {
    inner: Box<StoreInner<T>>,
}

// SAFETY: a store is used through `&mut` by one thread at a time; the raw pointers in it are to
// itself and to memory it owns. The embedder's data decides whether it may be sent.
unsafe impl<T: Send> Send for StoreInner<T> {}

impl<T: fmt::Debug> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("data", &self.inner.data)
            .finish_non_exhaustive()
    }
}

impl<T: Default> Default for Store<T> {
    /// An empty store of an engine of its own, with the data's default.
    fn default() -> Store<T> {
        Store::new(&Engine::default(), T::default())
    }
}

impl<T> Store<T> {
    /// An empty store.
    ///
    /// # Panics
    /// If the process's signal handlers cannot be installed; see [`Config::install_handlers`](crate::Config::install_handlers).
    pub fn new(engine: &Engine, data: T) -> Store<T> {
        if engine.config().install_handlers {
            install_handlers()
                .unwrap_or_else(|e| panic!("cannot install the handlers that traps need: {e}"));
        }
        let mut core = Core::new(engine.signatures().clone(), engine.config().stack_bytes);
        core.huge_pages = engine.config().huge_pages;
        let engine = engine.clone();
        Store {
            inner: Box::new(StoreInner {
                core,
                engine,
                limiter: None,
                adapter: None,
                data,
            }),
        }
    }

    /// The embedder's data.
    pub fn data(&self) -> &T {
        &self.inner.data
    }

    /// The embedder's data, to change.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.inner.data
    }

    /// Ends the store and returns the embedder's data.
    pub fn into_data(self) -> T {
        let inner = *self.inner;
        inner.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Asks the limiter that `get` finds in the data about every growth from now on.
    pub fn limiter(
        &mut self,
        get: impl (FnMut(&mut T) -> &mut dyn ResourceLimiter) + Send + Sync + 'static,
    ) {
        let store: *mut StoreInner<T> = &mut *self.inner;
        self.inner.limiter = Some(Box::new(get));
        let adapter = self.inner.adapter.insert(Box::new(Adapter { store }));
        let adapter: *mut (dyn Limiter + 'static) = &raw mut **adapter;
        // SAFETY: the adapter lives in the store that uses it.
        unsafe { self.inner.core.set_limiter(adapter) };
    }

    /// Where synchronous calls may block when a host function is not ready.
    pub fn set_runtime(&mut self, handle: tokio::runtime::Handle) {
        self.inner.core.runtime = Some(handle);
    }

    /// Frees host references and exceptions that nothing refers to any more.
    pub fn gc(&mut self) {
        self.inner.core.collect(Vec::new());
    }

    /// Host references and exceptions that are alive or not yet collected.
    pub fn live_references(&self) -> usize {
        self.inner.core.handles().live()
    }
}

/// Shared access to a store.
pub struct StoreContext<'a, T: 'static>(pub(crate) &'a StoreInner<T>);

/// Exclusive access to a store.
pub struct StoreContextMut<'a, T: 'static>(pub(crate) &'a mut StoreInner<T>);

impl<'a, T> StoreContext<'a, T> {
    /// The embedder's data.
    pub fn data(&self) -> &'a T {
        &self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &'a Engine {
        &self.0.engine
    }
}

impl<T> StoreContextMut<'_, T> {
    /// The embedder's data.
    pub fn data(&self) -> &T {
        &self.0.data
    }

    /// The embedder's data, to change.
    pub fn data_mut(&mut self) -> &mut T {
        &mut self.0.data
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }
}

/// Whatever gives shared access to a store: stores, contexts, callers and references to them.
pub trait AsContext {
    /// The embedder's data.
    type Data: 'static;
    /// Shared access.
    fn as_context(&self) -> StoreContext<'_, Self::Data>;
}

/// Whatever gives exclusive access to a store.
pub trait AsContextMut: AsContext {
    /// Exclusive access.
    fn as_context_mut(&mut self) -> StoreContextMut<'_, Self::Data>;
}

impl<T: 'static> AsContext for Store<T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(&self.inner)
    }
}

impl<T: 'static> AsContextMut for Store<T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(&mut self.inner)
    }
}

impl<T: 'static> AsContext for StoreContext<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContext for StoreContextMut<'_, T> {
    type Data = T;
    fn as_context(&self) -> StoreContext<'_, T> {
        StoreContext(self.0)
    }
}

impl<T: 'static> AsContextMut for StoreContextMut<'_, T> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, T> {
        StoreContextMut(self.0)
    }
}

impl<C: AsContext> AsContext for &C {
    type Data = C::Data;
    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContext> AsContext for &mut C {
    type Data = C::Data;
    fn as_context(&self) -> StoreContext<'_, C::Data> {
        C::as_context(self)
    }
}

impl<C: AsContextMut> AsContextMut for &mut C {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        C::as_context_mut(self)
    }
}

impl<'a, C: AsContext> From<&'a C> for StoreContext<'a, C::Data> {
    fn from(from: &'a C) -> StoreContext<'a, C::Data> {
        from.as_context()
    }
}

impl<'a, C: AsContext> From<&'a mut C> for StoreContext<'a, C::Data> {
    fn from(from: &'a mut C) -> StoreContext<'a, C::Data> {
        C::as_context(from)
    }
}

impl<'a, C: AsContextMut> From<&'a mut C> for StoreContextMut<'a, C::Data> {
    fn from(from: &'a mut C) -> StoreContextMut<'a, C::Data> {
        C::as_context_mut(from)
    }
}
