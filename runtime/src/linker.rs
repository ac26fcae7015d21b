//! Linkers: names to items, for modules' imports.

use crate::func::{
    host_func, host_func_async, host_func_async_untyped, host_func_maybe_async, host_func_untyped,
};
use crate::instance::{Given, finish, finish_async};
use crate::types::Provided;
use crate::vm::{HostFunc, Store as Core, StoreId};
use crate::{
    AsContext, AsContextMut, Caller, Engine, Extern, ExternType, Func, FuncType, Instance,
    InstancePre, IntoFunc, LinkError, MaybeAsync, Module, Result, Val, WasmParams, WasmResults,
    WasmRet,
};
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

/// Names for what modules import. Host functions in it serve any store of data `T`.
#[derive(Debug)]
pub struct Linker<T> {
    engine: Engine,
    shadowing: bool,
    items: HashMap<String, HashMap<String, Item>>,
    data: PhantomData<fn() -> T>,
}

#[derive(Clone, Debug)]
struct Item {
    given: Given,
    /// Its type and size when it was defined, for checks without a store.
    provided: Provided,
    /// The store that the item belongs to; host functions belong to none.
    store: Option<StoreId>,
}

impl<T> Clone for Linker<T> {
    fn clone(&self) -> Linker<T> {
        Linker {
            engine: self.engine.clone(),
            shadowing: self.shadowing,
            items: self.items.clone(),
            data: PhantomData,
        }
    }
}

impl<T: 'static> Linker<T> {
    /// An empty linker.
    pub fn new(engine: &Engine) -> Linker<T> {
        Linker {
            engine: engine.clone(),
            shadowing: false,
            items: HashMap::new(),
            data: PhantomData,
        }
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Whether a name may be defined again. Not by default.
    pub fn allow_shadowing(&mut self, allow: bool) -> &mut Linker<T> {
        self.shadowing = allow;
        self
    }

    fn insert(&mut self, module: &str, name: &str, item: Item) -> Result<&mut Linker<T>> {
        let names = self.items.entry(module.to_string()).or_default();
        crate::ensure!(
            self.shadowing || !names.contains_key(name),
            "`{module}::{name}` is defined already (see `allow_shadowing`)"
        );
        names.insert(name.to_string(), item);
        Ok(self)
    }

    fn insert_host(
        &mut self,
        module: &str,
        name: &str,
        func: Arc<HostFunc>,
    ) -> Result<&mut Linker<T>> {
        let item = Item {
            provided: Provided::func(FuncType::from_wasm(Arc::new(func.ty().clone()))),
            given: Given::Host(func),
            store: None,
        };
        self.insert(module, name, item)
    }

    fn lookup(&self, module: &str, name: &str) -> Option<&Item> {
        self.items.get(module)?.get(name)
    }

    /// Defines an item of `store`.
    ///
    /// # Errors
    /// When the name is taken.
    ///
    /// # Panics
    /// If the item is of another store.
    pub fn define(
        &mut self,
        store: impl AsContext<Data = T>,
        module: &str,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Linker<T>> {
        let (item, core) = (item.into(), store.as_context().0.core());
        assert!(
            item.belongs_to(core),
            "an item was defined with a store that it does not belong to"
        );
        let item = Item {
            given: Given::Item(item),
            provided: item.provided(core),
            store: Some(core.id()),
        };
        self.insert(module, name, item)
    }

    /// Defines an item of `store` under one name, in the module of the empty name.
    ///
    /// # Errors
    /// When the name is taken.
    ///
    /// # Panics
    /// If the item is of another store.
    pub fn define_name(
        &mut self,
        store: impl AsContext<Data = T>,
        name: &str,
        item: impl Into<Extern>,
    ) -> Result<&mut Linker<T>> {
        self.define(store, "", name, item)
    }

    /// Defines a host function with Rust types.
    ///
    /// # Errors
    /// When the name is taken, or there is no memory for a stub.
    pub fn func_wrap<P, R>(
        &mut self,
        module: &str,
        name: &str,
        func: impl IntoFunc<T, P, R>,
    ) -> Result<&mut Linker<T>> {
        let func = host_func(&self.engine, func)?;
        self.insert_host(module, name, func)
    }

    /// Defines a host function over values of any type.
    ///
    /// # Errors
    /// When the name is taken, or there is no memory for a stub.
    pub fn func_new(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Result<&mut Linker<T>> {
        let func = host_func_untyped(&self.engine, ty, func)?;
        self.insert_host(module, name, func)
    }

    /// Defines an asynchronous host function; its parameters come as a tuple.
    ///
    /// # Errors
    /// When the name is taken, or there is no memory for a stub.
    pub fn func_wrap_async<F, P, R>(
        &mut self,
        module: &str,
        name: &str,
        func: F,
    ) -> Result<&mut Linker<T>>
    where
        T: Send,
        F: for<'a> Fn(Caller<'a, T>, P) -> Box<dyn Future<Output = R> + Send + 'a>
            + Send
            + Sync
            + 'static,
        P: WasmParams + 'static,
        R: WasmRet + 'static,
    {
        let func = host_func_async(&self.engine, func)?;
        self.insert_host(module, name, func)
    }

    /// Defines a host function that is ready at once or returns a future: ready costs no allocation
    /// and does not involve the executor.
    ///
    /// # Errors
    /// When the name is taken, or there is no memory for a stub.
    pub fn func_wrap_maybe_async<F, P, R>(
        &mut self,
        module: &str,
        name: &str,
        func: F,
    ) -> Result<&mut Linker<T>>
    where
        F: for<'a> Fn(Caller<'a, T>, P) -> MaybeAsync<'a, R> + Send + Sync + 'static,
        P: WasmParams,
        R: WasmResults,
    {
        let func = host_func_maybe_async(&self.engine, func)?;
        self.insert_host(module, name, func)
    }

    /// Defines an asynchronous host function over values of any type.
    ///
    /// # Errors
    /// When the name is taken, or there is no memory for a stub.
    pub fn func_new_async<F>(
        &mut self,
        module: &str,
        name: &str,
        ty: FuncType,
        func: F,
    ) -> Result<&mut Linker<T>>
    where
        T: Send,
        F: for<'a> Fn(
                Caller<'a, T>,
                &'a [Val],
                &'a mut [Val],
            ) -> Box<dyn Future<Output = Result<()>> + Send + 'a>
            + Send
            + Sync
            + 'static,
    {
        let func = host_func_async_untyped(&self.engine, ty, func)?;
        self.insert_host(module, name, func)
    }

    /// Defines all exports of an instance under a module name.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn instance(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        instance: Instance,
    ) -> Result<&mut Linker<T>> {
        let mut store = store.as_context_mut();
        for export in instance.exports(&mut store) {
            let name = export.name().to_string();
            self.define(&store, module_name, &name, export.into_extern())?;
        }
        Ok(self)
    }

    /// Instantiates `module`, calls its `_initialize` if there is one, and defines its exports.
    ///
    /// # Errors
    /// As instantiation, and when a name is taken.
    pub fn module(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        module: &Module,
    ) -> Result<&mut Linker<T>> {
        let instance = self.instantiate(&mut store, module)?;
        if let Some(init) = instance.get_func(&mut store, "_initialize") {
            init.call(&mut store, &[], &mut [])?;
        }
        self.instance(store, module_name, instance)
    }

    /// As [`module`](Linker::module), suspending while host functions are not ready.
    ///
    /// # Errors
    /// As [`module`](Linker::module).
    pub async fn module_async(
        &mut self,
        mut store: impl AsContextMut<Data = T>,
        module_name: &str,
        module: &Module,
    ) -> Result<&mut Linker<T>>
    where
        T: Send,
    {
        let instance = self.instantiate_async(&mut store, module).await?;
        if let Some(init) = instance.get_func(&mut store, "_initialize") {
            init.call_async(&mut store, &[], &mut []).await?;
        }
        self.instance(store, module_name, instance)
    }

    /// Gives an item a second name.
    ///
    /// # Errors
    /// When the first is not defined, or the second is taken.
    pub fn alias(
        &mut self,
        module: &str,
        name: &str,
        as_module: &str,
        as_name: &str,
    ) -> Result<&mut Linker<T>> {
        let item = self.lookup(module, name).cloned();
        let item = item.ok_or_else(|| crate::format_err!("`{module}::{name}` is not defined"))?;
        self.insert(as_module, as_name, item)
    }

    /// Gives all items of a module name a second module name.
    ///
    /// # Errors
    /// When a name is taken.
    pub fn alias_module(&mut self, module: &str, as_module: &str) -> Result<()> {
        for (name, item) in self.items.get(module).cloned().unwrap_or_default() {
            self.insert(as_module, &name, item)?;
        }
        Ok(())
    }

    /// Defines every import of `module` that is missing as a function that fails with its name.
    ///
    /// # Errors
    /// When a missing import is no function.
    pub fn define_unknown_imports_as_traps(&mut self, module: &Module) -> Result<()> {
        for import in module.imports() {
            if self.lookup(import.module(), import.name()).is_some() {
                continue;
            }
            let (module_name, name) = (import.module().to_string(), import.name().to_string());
            let ExternType::Func(ty) = import.ty() else {
                crate::bail!(
                    "import `{module_name}::{name}` is no function, so it cannot be replaced by a trap"
                );
            };
            let message = format!("unknown import: `{module_name}::{name}` has not been defined");
            self.func_new(&module_name, &name, ty, move |_, _, _| {
                Err(crate::format_err!("{message}"))
            })?;
        }
        Ok(())
    }

    /// The item of this name, as one of `store`; none if it is an item of another store.
    ///
    /// # Panics
    /// If the store is of another engine.
    pub fn get(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
        name: &str,
    ) -> Option<Extern> {
        let store = store.as_context_mut().0;
        assert!(
            Engine::same(&self.engine, store.engine()),
            "a linker was used with a store of another engine"
        );
        let core = store.core_mut();
        let item = self.lookup(module, name)?;
        match &item.given {
            Given::Host(func) => Some(Extern::Func(Func::from_host(core, func))),
            Given::Item(item) => item.belongs_to(core).then_some(*item),
        }
    }

    /// The function to run of a module name: its `_start`, or the item of the empty name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get_default(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &str,
    ) -> Result<Func> {
        let found = ["", "_start"]
            .iter()
            .find_map(|name| self.get(&mut store, module, name)?.into_func());
        found.ok_or_else(|| {
            crate::format_err!("module `{module}` has no default function and no `_start`")
        })
    }

    fn resolve(
        &self,
        core: Option<&Core>,
        module: &Module,
    ) -> Result<(Vec<Given>, Option<StoreId>)> {
        crate::ensure!(
            Engine::same(&self.engine, module.engine()),
            "the module was compiled by another engine than the linker's"
        );
        let _span =
            tracing::debug_span!(target: "craneway", "link", module = module.name()).entered();
        let (mut given, mut problems, mut store) = (Vec::new(), Vec::new(), None);
        for import in module.imports() {
            let item = self.lookup(import.module(), import.name());
            let provided = match item {
                None => None,
                Some(item) => {
                    let named = core.map(Core::id).or(store);
                    crate::ensure!(
                        item.store.is_none() || named.is_none() || item.store == named,
                        "`{}::{}` was defined with another store",
                        import.module(),
                        import.name()
                    );
                    store = item.store.or(store);
                    // Memories and tables grow, so sizes of now are better than those of then.
                    Some(match (&item.given, core) {
                        (Given::Item(item), Some(core)) => item.provided(core),
                        _ => item.provided.clone(),
                    })
                }
            };
            LinkError::check(
                &mut problems,
                import.module(),
                import.name(),
                import.ty(),
                provided,
            );
            given.extend(item.map(|i| i.given.clone()));
        }
        crate::ensure!(problems.is_empty(), LinkError { problems });
        Ok((given, store))
    }

    /// Instantiates `module` with what is defined. Runs the start function.
    ///
    /// # Errors
    /// [`LinkError`] lists all imports that are missing or of another type; else as [`Instance::new`].
    pub fn instantiate(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance> {
        let store = store.as_context_mut().0;
        let (given, _) = self.resolve(Some(store.core()), module)?;
        finish(store, module, given)
    }

    /// As [`instantiate`](Linker::instantiate), suspending while host functions are not ready.
    ///
    /// # Errors
    /// As [`instantiate`](Linker::instantiate).
    pub async fn instantiate_async(
        &self,
        mut store: impl AsContextMut<Data = T>,
        module: &Module,
    ) -> Result<Instance>
    where
        T: Send,
    {
        let store = store.as_context_mut().0;
        let (given, _) = self.resolve(Some(store.core()), module)?;
        finish_async(store, module, given).await
    }

    /// Resolves and checks imports once, for many instances: in any store if all imports are host
    /// functions, else in the one store that the others belong to.
    ///
    /// # Errors
    /// [`LinkError`] lists all imports that are missing or of another type; or items of two stores.
    pub fn instantiate_pre(&self, module: &Module) -> Result<InstancePre<T>> {
        let (given, store) = self.resolve(None, module)?;
        Ok(InstancePre::new(module, given, store))
    }
}
