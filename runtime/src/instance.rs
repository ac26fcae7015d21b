//! Instances, and instantiation once imports are resolved.

use crate::store::StoreInner;
use crate::vm::{
    AsyncCall, CallFrame, CallShape, HostFunc, Import, InstanceId, InstantiateError, LoadedModule,
    Store as Core, StoreId, call, instantiate,
};
use crate::{
    AsContextMut, Error, Extern, Func, Global, LinkError, Memory, Module, Result, StoreContextMut,
    Table, Tag, Trap, TypedFunc, WasmParams, WasmResults,
};
use craneway_jit::abi::FuncRecord;
use craneway_jit::module::ExternKind;
use std::ptr::NonNull;
use std::sync::Arc;

/// An instance of a module in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    store: StoreId,
    id: InstanceId,
}

/// An export of an instance.
#[derive(Clone, Debug)]
pub struct Export {
    name: String,
    item: Extern,
}

impl Export {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The item.
    pub fn into_extern(self) -> Extern {
        self.item
    }
}

/// What is given for an import.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    /// An item of the store.
    Item(Extern),
    /// A host function that any store may adopt.
    Host(Arc<HostFunc>),
}

impl Given {
    fn into_import(self, core: &mut Core) -> Import {
        match self {
            Given::Host(func) => Import::Func(core.adopt(&func)),
            Given::Item(Extern::Func(f)) => Import::Func(f.record_in(core)),
            Given::Item(Extern::Global(g)) => Import::Global(g.id_in(core)),
            Given::Item(Extern::Table(t)) => Import::Table(t.id_in(core)),
            Given::Item(Extern::Memory(m)) => Import::Memory(m.id_in(core)),
            Given::Item(Extern::Tag(t)) => Import::Tag(t.id_in(core)),
        }
    }
}

/// Makes the instance; the start function remains to be called, if there is one.
fn prepare<T>(
    store: &mut StoreInner<T>,
    module: &Module,
    given: Vec<Given>,
) -> Result<(Instance, Option<NonNull<FuncRecord>>)> {
    crate::ensure!(
        crate::Engine::same(store.engine(), module.engine()),
        "the module was compiled by another engine than the store's"
    );
    let span = tracing::debug_span!(target: "craneway", "instantiate", module = module.name());
    let _entered = span.entered();
    let core = store.core_mut();
    let imports: Vec<Import> = given.into_iter().map(|g| g.into_import(core)).collect();
    let id = instantiate(core, module.loaded(), &imports).map_err(|e| match e {
        InstantiateError::Trap(code) => Error::new(Trap::from_code(code)),
        InstantiateError::Refused(e) => e,
    })?;
    let start = module
        .loaded()
        .module()
        .start
        .map(|index| core.func_record(id, index))
        .transpose()?;
    Ok((
        Instance {
            store: core.id(),
            id,
        },
        start,
    ))
}

pub(crate) fn finish<T>(
    store: &mut StoreInner<T>,
    module: &Module,
    given: Vec<Given>,
) -> Result<Instance> {
    let (instance, start) = prepare(store, module, given)?;
    if let Some(start) = start {
        let frames = store.engine().config().max_frames;
        let mut frame = CallFrame::NEW;
        let shape = CallShape {
            stack_args: &[],
            vectors: false,
        };
        // SAFETY: the record is of this store; start functions take and return nothing.
        let outcome = unsafe { call(store.core_mut(), start, &mut frame, shape) };
        outcome.map_err(|e| crate::error::from_call(store.core_mut(), frames, *e))?;
    }
    Ok(instance)
}

pub(crate) async fn finish_async<T: Send>(
    store: &mut StoreInner<T>,
    module: &Module,
    given: Vec<Given>,
) -> Result<Instance> {
    let (instance, start) = prepare(store, module, given)?;
    if let Some(start) = start.map(|s| Func::from_record(store.core(), s)) {
        let frames = store.engine().config().max_frames;
        let record = start.record_in(store.core());
        let shape = CallShape {
            stack_args: &[],
            vectors: false,
        };
        // SAFETY: as `finish`; the borrow of the store lasts as long as this future.
        let running = unsafe { AsyncCall::new(store.core_mut(), record, CallFrame::NEW, shape) };
        running
            .run()
            .await
            .map_err(|e| crate::error::from_call(store.core_mut(), frames, *e))?;
    }
    Ok(instance)
}

impl Instance {
    /// An instance with these imports, in the module's order. Runs the start function.
    ///
    /// # Errors
    /// [`LinkError`] lists all imports that are missing or of another type; else a trap of a
    /// segment or the start function, or a limit.
    ///
    /// # Panics
    /// If an import is of another store.
    pub fn new(
        mut store: impl AsContextMut,
        module: &Module,
        imports: &[Extern],
    ) -> Result<Instance> {
        let store = store.as_context_mut().0;
        let given = Instance::check(store.core(), module, imports)?;
        finish(store, module, given)
    }

    /// As [`Instance::new`], suspending while host functions are not ready.
    ///
    /// # Errors
    /// As [`Instance::new`].
    ///
    /// # Panics
    /// As [`Instance::new`].
    pub async fn new_async<T: Send + 'static>(
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
        imports: &[Extern],
    ) -> Result<Instance> {
        let store = store.as_context_mut().0;
        let given = Instance::check(store.core(), module, imports)?;
        finish_async(store, module, given).await
    }

    fn check(core: &Core, module: &Module, imports: &[Extern]) -> Result<Vec<Given>> {
        let count = module.imports().len();
        crate::ensure!(
            count == imports.len(),
            "expected {count} imports, found {}",
            imports.len()
        );
        let mut problems = Vec::new();
        for (import, item) in module.imports().zip(imports) {
            LinkError::check(
                &mut problems,
                import.module(),
                import.name(),
                import.ty(),
                Some(item.provided(core)),
            );
        }
        crate::ensure!(problems.is_empty(), LinkError { problems });
        Ok(imports.iter().map(|i| Given::Item(*i)).collect())
    }

    pub(crate) fn from_id(core: &Core, id: InstanceId) -> Instance {
        Instance {
            store: core.id(),
            id,
        }
    }

    fn id_in(&self, core: &Core) -> InstanceId {
        assert!(
            self.store == core.id(),
            "an instance was used with a store that it does not belong to"
        );
        self.id
    }

    fn module<'a>(&self, core: &'a Core) -> &'a Arc<LoadedModule> {
        core.instance(self.id_in(core)).module_arc()
    }

    fn item(&self, core: &mut Core, kind: ExternKind) -> Option<Extern> {
        let id = self.id_in(core);
        Some(match kind {
            ExternKind::Func(index) => {
                let record = core.func_record(id, index).ok()?;
                Extern::Func(Func::from_record(core, record))
            }
            ExternKind::Table(index) => {
                Extern::Table(Table::from_id(core, core.instance(id).table(index)?))
            }
            ExternKind::Memory(index) => {
                Extern::Memory(Memory::from_id(core, core.instance(id).memory(index)))
            }
            ExternKind::Global(index) => {
                Extern::Global(Global::from_id(core, core.instance(id).global(index)?))
            }
            ExternKind::Tag(index) => Extern::Tag(Tag::from_id(core, core.instance(id).tag(index))),
        })
    }

    /// The export `name`.
    ///
    /// # Panics
    /// If the instance is of another store, as all functions here.
    pub fn get_export(&self, mut store: impl AsContextMut, name: &str) -> Option<Extern> {
        let core = store.as_context_mut().0.core_mut();
        let kind = self.module(core).export(name)?;
        self.item(core, kind)
    }

    /// The exported function `name`.
    pub fn get_func(&self, store: impl AsContextMut, name: &str) -> Option<Func> {
        self.get_export(store, name)?.into_func()
    }

    /// The exported function `name` with Rust types.
    ///
    /// # Errors
    /// When there is no such function, or its type is another.
    pub fn get_typed_func<P: WasmParams, R: WasmResults>(
        &self,
        mut store: impl AsContextMut,
        name: &str,
    ) -> Result<TypedFunc<P, R>> {
        let func = self
            .get_export(&mut store, name)
            .and_then(Extern::into_func);
        let func =
            func.ok_or_else(|| crate::format_err!("failed to find function export `{name}`"))?;
        func.typed(&store).map_err(|e| {
            e.context(format!(
                "cannot use function export `{name}` with these types"
            ))
        })
    }

    /// The exported memory `name`.
    pub fn get_memory(&self, store: impl AsContextMut, name: &str) -> Option<Memory> {
        self.get_export(store, name)?.into_memory()
    }

    /// The exported table `name`.
    pub fn get_table(&self, store: impl AsContextMut, name: &str) -> Option<Table> {
        self.get_export(store, name)?.into_table()
    }

    /// The exported global `name`.
    pub fn get_global(&self, store: impl AsContextMut, name: &str) -> Option<Global> {
        self.get_export(store, name)?.into_global()
    }

    /// The exported tag `name`.
    pub fn get_tag(&self, store: impl AsContextMut, name: &str) -> Option<Tag> {
        self.get_export(store, name)?.into_tag()
    }

    /// All exports, in the module's order.
    pub fn exports<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> std::vec::IntoIter<Export> {
        let core = store.into().0.core_mut();
        let module = self.module(core).clone();
        let exports: Vec<Export> = module
            .module()
            .exports
            .iter()
            .filter_map(|e| {
                Some(Export {
                    name: e.name.clone(),
                    item: self.item(core, e.kind)?,
                })
            })
            .collect();
        exports.into_iter()
    }
}

/// A module with its imports resolved and checked, to be instantiated many times.
#[derive(Debug)]
pub struct InstancePre<T> {
    module: Module,
    given: Arc<[Given]>,
    store: Option<StoreId>,
    data: std::marker::PhantomData<fn() -> T>,
}

impl<T> Clone for InstancePre<T> {
    fn clone(&self) -> InstancePre<T> {
        InstancePre {
            module: self.module.clone(),
            given: self.given.clone(),
            store: self.store,
            data: std::marker::PhantomData,
        }
    }
}

impl<T: 'static> InstancePre<T> {
    pub(crate) fn new(
        module: &Module,
        given: Vec<Given>,
        store: Option<StoreId>,
    ) -> InstancePre<T> {
        InstancePre {
            module: module.clone(),
            given: given.into(),
            store,
            data: std::marker::PhantomData,
        }
    }

    fn given(&self, core: &Core) -> Result<Vec<Given>> {
        crate::ensure!(
            self.store.is_none_or(|s| s == core.id()),
            "the prepared instance holds items of another store"
        );
        Ok(self.given.to_vec())
    }

    /// The module.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// An instance in `store`.
    ///
    /// # Errors
    /// A trap of a segment or the start function, a limit, or items of another store.
    pub fn instantiate(&self, mut store: impl AsContextMut<Data = T>) -> Result<Instance> {
        let store = store.as_context_mut().0;
        let given = self.given(store.core())?;
        finish(store, &self.module, given)
    }

    /// As [`instantiate`](InstancePre::instantiate), suspending while host functions are not ready.
    ///
    /// # Errors
    /// As [`instantiate`](InstancePre::instantiate).
    pub async fn instantiate_async(
        &self,
        mut store: impl AsContextMut<Data = T>,
    ) -> Result<Instance>
    where
        T: Send,
    {
        let store = store.as_context_mut().0;
        let given = self.given(store.core())?;
        finish_async(store, &self.module, given).await
    }
}
