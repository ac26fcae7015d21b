//! Functions: handles, calls with values of any type, calls with Rust types, host functions.
//!
//! ```text
//!   values  bits of a value, checked against its type and store
//!   call    calls with `Val`s          typed   calls with Rust types, laid out at compile time
//!   host    closures behind shims      ready   host functions that are ready, or not yet
//! ```

mod call;
mod host;
mod ready;
mod typed;
mod values;

pub use host::{IntoFunc, WasmRet};
pub use ready::MaybeAsync;
pub use typed::{TypedFunc, WasmParams, WasmResults, WasmTy};

pub(crate) use host::{host_func, host_func_untyped};
pub(crate) use ready::{host_func_async, host_func_async_untyped, host_func_maybe_async};
pub(crate) use values::{from_bits, put_bits, to_bits};

use crate::types::Provided;
use crate::vm::{HostFunc, SigId, Signature, Store as Core, StoreId};
use crate::{AsContext, AsContextMut, Caller, FuncType, Result, Val};
use craneway_jit::abi::FuncRecord;
use std::future::Future;
use std::ptr::NonNull;
use std::sync::Arc;

/// A function of a store: a wasm function of an instance, or a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Func {
    store: StoreId,
    record: NonNull<FuncRecord>,
}

// SAFETY: a handle is an address that is only followed after its store was seen to be alive and
// exclusively borrowed.
unsafe impl Send for Func {}
// SAFETY: as above.
unsafe impl Sync for Func {}

impl Func {
    /// # Panics
    /// Never: the caller says that the record is of this store.
    pub(crate) fn from_record(core: &Core, record: NonNull<FuncRecord>) -> Func {
        Func {
            store: core.id(),
            record,
        }
    }

    pub(crate) fn from_host(core: &mut Core, func: &Arc<HostFunc>) -> Func {
        let record = core.adopt(func);
        Func {
            store: core.id(),
            record,
        }
    }

    /// The record, if the function is of this store.
    #[inline]
    pub(crate) fn record_in(&self, core: &Core) -> NonNull<FuncRecord> {
        assert!(
            self.store == core.id(),
            "a function was used with a store that it does not belong to"
        );
        self.record
    }

    pub(crate) fn belongs_to(&self, core: &Core) -> bool {
        self.store == core.id()
    }

    fn signature<'a>(&self, core: &'a Core) -> &'a Signature {
        // SAFETY: records live as long as their store, which is this one.
        let record = unsafe { self.record_in(core).as_ref() };
        core.signatures().lookup(SigId(record.sig_id))
    }

    fn type_in(&self, core: &Core) -> Arc<craneway_jit::module::FuncType> {
        self.signature(core).ty.clone()
    }

    /// A host function with Rust types.
    ///
    /// # Panics
    /// If the system refuses memory for its stub.
    pub fn wrap<T: 'static, P, R>(
        mut store: impl AsContextMut<Data = T>,
        func: impl IntoFunc<T, P, R>,
    ) -> Func {
        let store = store.as_context_mut();
        let host = host_func(store.0.engine(), func).unwrap_or_else(|e| panic!("{e:#}"));
        Func::from_host(store.0.core_mut(), &host)
    }

    /// A host function with values of any type.
    ///
    /// # Panics
    /// If the system refuses memory for its stub.
    pub fn new<T: 'static>(
        mut store: impl AsContextMut<Data = T>,
        ty: FuncType,
        func: impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static,
    ) -> Func {
        let store = store.as_context_mut();
        let host =
            host_func_untyped(store.0.engine(), ty, func).unwrap_or_else(|e| panic!("{e:#}"));
        Func::from_host(store.0.core_mut(), &host)
    }

    /// An asynchronous host function with Rust types; its parameters come as a tuple.
    ///
    /// # Panics
    /// If the system refuses memory for its stub.
    pub fn wrap_async<T, F, P, R>(mut store: impl AsContextMut<Data = T>, func: F) -> Func
    where
        T: Send + 'static,
        F: for<'a> Fn(Caller<'a, T>, P) -> Box<dyn Future<Output = R> + Send + 'a>
            + Send
            + Sync
            + 'static,
        P: WasmParams + 'static,
        R: WasmRet + 'static,
    {
        let store = store.as_context_mut();
        let host = host_func_async(store.0.engine(), func).unwrap_or_else(|e| panic!("{e:#}"));
        Func::from_host(store.0.core_mut(), &host)
    }

    /// An asynchronous host function with values of any type.
    ///
    /// # Panics
    /// If the system refuses memory for its stub.
    pub fn new_async<T, F>(mut store: impl AsContextMut<Data = T>, ty: FuncType, func: F) -> Func
    where
        T: Send + 'static,
        F: for<'a> Fn(
                Caller<'a, T>,
                &'a [Val],
                &'a mut [Val],
            ) -> Box<dyn Future<Output = Result<()>> + Send + 'a>
            + Send
            + Sync
            + 'static,
    {
        let store = store.as_context_mut();
        let host =
            host_func_async_untyped(store.0.engine(), ty, func).unwrap_or_else(|e| panic!("{e:#}"));
        Func::from_host(store.0.core_mut(), &host)
    }

    /// Its type.
    ///
    /// # Panics
    /// If it is of another store.
    pub fn ty(&self, store: impl AsContext) -> FuncType {
        FuncType::from_wasm(self.type_in(store.as_context().0.core()))
    }

    pub(crate) fn provided(&self, core: &Core) -> Provided {
        Provided::func(FuncType::from_wasm(self.type_in(core)))
    }

    /// Calls it with values of any type; `results` must have room for exactly its results.
    ///
    /// # Errors
    /// Arguments of the wrong number or type, a trap, or a host function's error.
    ///
    /// # Panics
    /// If it is of another store; and a host function's panic goes through.
    pub fn call(
        &self,
        mut store: impl AsContextMut,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let store = store.as_context_mut();
        let frames = store.0.engine().config().max_frames;
        call::call(store.0.core_mut(), *self, frames, params, results)
    }

    /// As [`call`](Func::call), suspending while host functions are not ready.
    ///
    /// # Errors
    /// As [`call`](Func::call).
    ///
    /// # Panics
    /// As [`call`](Func::call).
    pub async fn call_async<T: Send + 'static>(
        &self,
        mut store: impl AsContextMut<Data = T>,
        params: &[Val],
        results: &mut [Val],
    ) -> Result<()> {
        let store = store.as_context_mut();
        let frames = store.0.engine().config().max_frames;
        call::call_async(store.0, *self, frames, params, results).await
    }

    /// The function with Rust types, checked once.
    ///
    /// # Errors
    /// When its type is another.
    ///
    /// # Panics
    /// If it is of another store.
    pub fn typed<P: WasmParams, R: WasmResults>(
        &self,
        store: impl AsContext,
    ) -> Result<TypedFunc<P, R>> {
        TypedFunc::new(store.as_context().0.core(), *self)
    }
}
