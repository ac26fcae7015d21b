//! References that the garbage collector owns, as the host holds them: rooted in scopes.
//!
//! A root made inside a host function lasts until that function returns; one made outside lasts as
//! long as the store.

use crate::vm::{Object, RootIndex, Store as Core, StoreId, TagRecord};
use crate::{AsContext, AsContextMut, Result, StoreContext, StoreContextMut, Tag, Val};
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;

/// Marks references to host values.
#[derive(Debug)]
pub enum ExternRef {}

/// Marks references to exceptions.
#[derive(Debug)]
pub enum ExnRef {}

/// A rooted reference of a store.
pub struct Rooted<T> {
    store: StoreId,
    root: RootIndex,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Rooted<T> {
    fn clone(&self) -> Rooted<T> {
        *self
    }
}

impl<T> Copy for Rooted<T> {}

impl<T> fmt::Debug for Rooted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rooted({:?})", self.root)
    }
}

impl<T> Rooted<T> {
    pub(crate) fn new(core: &mut Core, handle: u32) -> Rooted<T> {
        Rooted {
            store: core.id(),
            root: core.handles_mut().root(handle),
            kind: PhantomData,
        }
    }

    /// The handle behind the root.
    pub(crate) fn handle(&self, core: &Core) -> Result<u32> {
        crate::ensure!(
            self.store == core.id(),
            "a reference was used with a store that it does not belong to"
        );
        core.handles().rooted(self.root).ok_or_else(|| {
            crate::format_err!(
                "a reference was used after the host call that rooted it had returned"
            )
        })
    }
}

impl<T> Rooted<T> {
    /// Whether both refer to the same host value or exception.
    ///
    /// # Errors
    /// When one of them is no longer rooted, or of another store.
    pub fn ref_eq(store: impl AsContext, a: &Rooted<T>, b: &Rooted<T>) -> Result<bool> {
        let core = store.as_context().0.core();
        Ok(a.handle(core)? == b.handle(core)?)
    }
}

/// A scope of references outside host functions: those made through it end with it.
///
/// ```
/// use craneway::{AsContextMut, ExternRef, RootScope, Store};
/// let mut store = Store::<()>::default();
/// let value = {
///     let mut scope = RootScope::new(&mut store);
///     ExternRef::new(&mut scope, "soon gone")?
/// };
/// assert!(value.data(&store).is_err());
/// store.gc();
/// assert_eq!(store.live_references(), 0);
/// # Ok::<(), craneway::Error>(())
/// ```
pub struct RootScope<C: AsContextMut> {
    store: C,
    scope: usize,
}

impl<C: AsContextMut> RootScope<C> {
    /// Opens a scope on a store.
    pub fn new(store: C) -> RootScope<C> {
        let scope = store.as_context().0.core().handles().enter_scope();
        RootScope { store, scope }
    }
}

impl<C: AsContextMut> Drop for RootScope<C> {
    fn drop(&mut self) {
        let core = self.store.as_context_mut().0.core_mut();
        core.handles_mut().exit_scope(self.scope);
    }
}

impl<C: AsContextMut> fmt::Debug for RootScope<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootScope({})", self.scope)
    }
}

impl<C: AsContextMut> AsContext for RootScope<C> {
    type Data = C::Data;
    fn as_context(&self) -> StoreContext<'_, C::Data> {
        self.store.as_context()
    }
}

impl<C: AsContextMut> AsContextMut for RootScope<C> {
    fn as_context_mut(&mut self) -> StoreContextMut<'_, C::Data> {
        self.store.as_context_mut()
    }
}

impl ExternRef {
    /// A reference to a host value, rooted.
    ///
    /// # Errors
    /// None today; handles may be limited later.
    pub fn new<V: Any + Send + Sync>(
        mut store: impl AsContextMut,
        value: V,
    ) -> Result<Rooted<ExternRef>> {
        let core = store.as_context_mut().0.core_mut();
        let handle = core.alloc_handle(Object::Extern(Box::new(value)), &[]);
        Ok(Rooted::new(core, handle))
    }
}

impl Rooted<ExternRef> {
    /// The host value.
    ///
    /// # Errors
    /// When the reference is no longer rooted, or of another store.
    pub fn data<'a, T: 'static>(
        &self,
        store: impl Into<crate::StoreContext<'a, T>>,
    ) -> Result<Option<&'a (dyn Any + Send + Sync)>> {
        let core = store.into().0.core();
        Ok(match core.handles().get(self.handle(core)?) {
            Some(Object::Extern(value)) => Some(&**value),
            _ => None,
        })
    }
}

impl ExnRef {
    /// An exception of `tag` that carries `fields`, rooted.
    ///
    /// # Errors
    /// When the fields are not those of the tag.
    pub fn new(mut store: impl AsContextMut, tag: &Tag, fields: &[Val]) -> Result<Rooted<ExnRef>> {
        let core = store.as_context_mut().0.core_mut();
        let record: *const TagRecord = core.tag(tag.id_in(core));
        let params = core.tag(tag.id_in(core)).ty.params.clone();
        crate::ensure!(
            params.len() == fields.len(),
            "an exception of this tag has {} fields, not {}",
            params.len(),
            fields.len()
        );
        let args = params
            .iter()
            .zip(fields)
            .map(|(ty, v)| crate::func::to_bits(core, v, *ty))
            .collect::<Result<Box<[u128]>>>()?;
        let handle = core.alloc_handle(Object::Exn { tag: record, args }, &[]);
        Ok(Rooted::new(core, handle))
    }
}

impl Rooted<ExnRef> {
    /// Whether the exception is one of `tag`.
    ///
    /// # Errors
    /// When the reference is no longer rooted, or of another store.
    pub fn is(&self, store: impl AsContext, tag: &Tag) -> Result<bool> {
        let core = store.as_context().0.core();
        let want: *const TagRecord = core.tag(tag.id_in(core));
        Ok(
            matches!(core.handles().get(self.handle(core)?), Some(Object::Exn { tag, .. }) if *tag == want),
        )
    }

    /// The exception's fields.
    ///
    /// # Errors
    /// When the reference is no longer rooted, or of another store.
    pub fn fields(&self, mut store: impl AsContextMut) -> Result<Vec<Val>> {
        let core = store.as_context_mut().0.core_mut();
        let Some(Object::Exn { tag, args }) = core.handles().get(self.handle(core)?) else {
            crate::bail!("the reference is not an exception");
        };
        // SAFETY: tags live as long as the store, which is borrowed here.
        let params = unsafe { (**tag).ty.params.clone() };
        let args = args.clone();
        Ok(params
            .iter()
            .zip(&args)
            .map(|(ty, bits)| crate::func::from_bits(core, *ty, *bits))
            .collect())
    }
}
