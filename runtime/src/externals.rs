//! Handles to memories, tables, globals and tags of a store.
//!
//! A handle is a number with its store's identity; every use checks that identity.

use crate::func::{from_bits, to_bits};
use crate::types::Provided;
use crate::vm::{
    Element, GlobalId, Memory as VmMemory, MemoryId, Store as Core, StoreId, TableId, TagId,
};
use crate::{
    AsContext, AsContextMut, ExternType, Func, FuncType, GlobalType, MemoryType, Ref, RefType,
    Result, Rooted, StoreContext, StoreContextMut, TableType, TagType, Val, ValType,
};
use std::sync::Arc;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident $id:ident $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name {
            store: StoreId,
            id: $id,
        }

        impl $name {
            pub(crate) fn from_id(core: &Core, id: $id) -> $name {
                $name { store: core.id(), id }
            }

            /// The number, if the handle is of this store.
            pub(crate) fn id_in(&self, core: &Core) -> $id {
                assert!(self.store == core.id(), concat!("a ", $noun, " was used with a store that it does not belong to"));
                self.id
            }

            pub(crate) fn belongs_to(&self, core: &Core) -> bool {
                self.store == core.id()
            }
        }
    };
}

handle! {
    /// A linear memory.
    Memory MemoryId "memory"
}
handle! {
    /// A table of references.
    Table TableId "table"
}
handle! {
    /// A global variable or constant.
    Global GlobalId "global"
}
handle! {
    /// An exception tag.
    Tag TagId "tag"
}

impl Memory {
    /// A memory of the host's, to be imported.
    ///
    /// # Errors
    /// When limits or the system refuse it.
    pub fn new(mut store: impl AsContextMut, ty: MemoryType) -> Result<Memory> {
        crate::ensure!(!ty.is_shared(), "shared memories are not supported yet");
        let core = store.as_context_mut().0.core_mut();
        let huge_pages = core.huge_pages;
        let make = || VmMemory::new(ty.to_wasm(), huge_pages);
        let id = core.add_memory(make, &ty.to_wasm())?;
        Ok(Memory::from_id(core, id))
    }

    /// Its declared type.
    ///
    /// # Panics
    /// If it is of another store, as all functions here.
    pub fn ty(&self, store: impl AsContext) -> MemoryType {
        let core = store.as_context().0.core();
        MemoryType::from_wasm(core.memory(self.id_in(core)).ty)
    }

    /// Its bytes.
    pub fn data<'a, T: 'static>(&self, store: impl Into<StoreContext<'a, T>>) -> &'a [u8] {
        let core = store.into().0.core();
        let memory = core.memory(self.id_in(core));
        // SAFETY: the range is committed, and stays as long as the store is borrowed: growth and
        // wasm need it exclusively.
        unsafe { std::slice::from_raw_parts(memory.base(), memory.length()) }
    }

    /// Its bytes, to change.
    pub fn data_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> &'a mut [u8] {
        self.data_and_store_mut(store).0
    }

    /// Its bytes and the embedder's data, both to change.
    pub fn data_and_store_mut<'a, T: 'static>(
        &self,
        store: impl Into<StoreContextMut<'a, T>>,
    ) -> (&'a mut [u8], &'a mut T) {
        let store = store.into().0;
        let memory = store.core().memory(self.id_in(store.core()));
        // SAFETY: the range is committed and the store is exclusively borrowed as long as the slice;
        // linear memory never overlaps the embedder's data.
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory.base(), memory.length()) };
        (bytes, &mut store.data)
    }

    /// Copies bytes out.
    ///
    /// # Errors
    /// When the range is not within the memory; nothing is copied then.
    pub fn read(&self, store: impl AsContext, offset: usize, buffer: &mut [u8]) -> Result<()> {
        let store = store.as_context();
        let data = self.data(&store);
        let source = offset
            .checked_add(buffer.len())
            .and_then(|end| data.get(offset..end));
        buffer.copy_from_slice(
            source.ok_or_else(|| out_of_bounds(offset, buffer.len(), data.len()))?,
        );
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    /// When the range is not within the memory; nothing is copied then.
    pub fn write(&self, mut store: impl AsContextMut, offset: usize, buffer: &[u8]) -> Result<()> {
        let mut store = store.as_context_mut();
        let data = self.data_mut(&mut store);
        let length = data.len();
        let target = offset
            .checked_add(buffer.len())
            .and_then(|end| data.get_mut(offset..end));
        target
            .ok_or_else(|| out_of_bounds(offset, buffer.len(), length))?
            .copy_from_slice(buffer);
        Ok(())
    }

    /// Grows it by `delta` pages and returns the old size in pages.
    ///
    /// # Errors
    /// When the type, the limiter or the system does not allow it.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64) -> Result<u64> {
        let core = store.as_context_mut().0.core_mut();
        let id = self.id_in(core);
        let grown = core.grow_memory(id, delta)?;
        grown.ok_or_else(|| crate::format_err!("the memory cannot grow by {delta} pages"))
    }

    /// Current size in pages.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let core = store.as_context().0.core();
        core.memory(self.id_in(core)).pages()
    }

    /// Current length in bytes.
    pub fn data_size(&self, store: impl AsContext) -> usize {
        let core = store.as_context().0.core();
        core.memory(self.id_in(core)).length()
    }

    /// Address of byte 0; valid as long as the store, for [`data_size`](Memory::data_size) bytes.
    pub fn data_ptr(&self, store: impl AsContext) -> *mut u8 {
        let core = store.as_context().0.core();
        core.memory(self.id_in(core)).base()
    }

    fn provided(&self, core: &Core) -> Provided {
        let memory = core.memory(self.id_in(core));
        Provided {
            ty: MemoryType::from_wasm(memory.ty).into(),
            size: Some(memory.pages()),
        }
    }
}

fn out_of_bounds(offset: usize, len: usize, size: usize) -> crate::Error {
    crate::format_err!("{len} bytes at {offset} are not within the memory of {size} bytes")
}

impl Table {
    /// A table of the host's, to be imported.
    ///
    /// # Errors
    /// When limits or the system refuse it, or `init` is not of the element type.
    pub fn new(mut store: impl AsContextMut, ty: TableType, init: Ref) -> Result<Table> {
        let core = store.as_context_mut().0.core_mut();
        let element = to_element(core, ty.element(), init)?;
        let id = core.add_table(ty.to_wasm(), 0)?;
        if element != Element::Null {
            for index in 0..ty.minimum() {
                core.table_mut(id).set(index, element);
            }
        }
        Ok(Table::from_id(core, id))
    }

    /// Its declared type.
    ///
    /// # Panics
    /// If it is of another store, as all functions here.
    pub fn ty(&self, store: impl AsContext) -> TableType {
        let core = store.as_context().0.core();
        TableType::from_wasm(core.table(self.id_in(core)).ty)
    }

    /// Element `index`; `None` if it is out of bounds.
    pub fn get(&self, mut store: impl AsContextMut, index: u64) -> Option<Ref> {
        let core = store.as_context_mut().0.core_mut();
        let id = self.id_in(core);
        let element = core.table_element(id, index).ok()??;
        let ty = RefType::from_wasm(core.table(id).ty.element);
        Some(match element {
            Element::Null | Element::Code(_) | Element::Deferred(_) => Ref::null(&ty.heap_type()),
            Element::Func(record) => Ref::Func(Some(Func::from_record(core, record))),
            Element::Handle(handle) if ty.heap_type().top() == crate::HeapType::Extern => {
                Ref::Extern(Some(Rooted::new(core, handle)))
            }
            Element::Handle(handle) => Ref::Exn(Some(Rooted::new(core, handle))),
        })
    }

    /// Sets element `index`.
    ///
    /// # Errors
    /// When it is out of bounds, or the value is not of the element type.
    pub fn set(&self, mut store: impl AsContextMut, index: u64, value: Ref) -> Result<()> {
        let core = store.as_context_mut().0.core_mut();
        let id = self.id_in(core);
        let element = to_element(core, RefType::from_wasm(core.table(id).ty.element), value)?;
        let size = core.table(id).length();
        crate::ensure!(
            core.table_mut(id).set(index, element),
            "element {index} is not within the table of {size}"
        );
        Ok(())
    }

    /// Grows it by `delta` elements that are `init` and returns the old size.
    ///
    /// # Errors
    /// When the type, the limiter or the system does not allow it, or `init` has another type.
    pub fn grow(&self, mut store: impl AsContextMut, delta: u64, init: Ref) -> Result<u64> {
        let core = store.as_context_mut().0.core_mut();
        let id = self.id_in(core);
        let element = to_element(core, RefType::from_wasm(core.table(id).ty.element), init)?;
        let grown = core.grow_table(id, delta, element)?;
        grown.ok_or_else(|| crate::format_err!("the table cannot grow by {delta} elements"))
    }

    /// Current size.
    pub fn size(&self, store: impl AsContext) -> u64 {
        let core = store.as_context().0.core();
        core.table(self.id_in(core)).length()
    }

    /// Sets `len` elements from `start` to `value`.
    ///
    /// # Errors
    /// When they are not within the table, or the value has another type.
    pub fn fill(
        &self,
        mut store: impl AsContextMut,
        start: u64,
        value: Ref,
        len: u64,
    ) -> Result<()> {
        let core = store.as_context_mut().0.core_mut();
        let id = self.id_in(core);
        let element = to_element(core, RefType::from_wasm(core.table(id).ty.element), value)?;
        let end = start
            .checked_add(len)
            .filter(|e| *e <= core.table(id).length());
        let end = end.ok_or_else(|| {
            crate::format_err!("{len} elements at {start} are not within the table")
        })?;
        for index in start..end {
            core.table_mut(id).set(index, element);
        }
        Ok(())
    }

    /// Copies `len` elements from `src` to `dst`, which may be the same table.
    ///
    /// # Errors
    /// When they are not within the tables, or the element types differ.
    pub fn copy(
        mut store: impl AsContextMut,
        dst: &Table,
        dst_start: u64,
        src: &Table,
        src_start: u64,
        len: u64,
    ) -> Result<()> {
        let core = store.as_context_mut().0.core_mut();
        let (to, from) = (dst.id_in(core), src.id_in(core));
        let fits = |start: u64, size: u64| start.checked_add(len).is_some_and(|e| e <= size);
        crate::ensure!(
            fits(dst_start, core.table(to).length()) && fits(src_start, core.table(from).length()),
            "{len} elements are not within both tables"
        );
        crate::ensure!(
            core.table(from)
                .ty
                .element
                .matches(core.table(to).ty.element),
            "elements of type {} do not fit in a table of {}",
            core.table(from).ty.element,
            core.table(to).ty.element
        );
        let mut elements = Vec::new();
        for index in 0..len {
            elements.push(
                core.table_element(from, src_start + index)?
                    .unwrap_or(Element::Null),
            );
        }
        for (index, element) in elements.into_iter().enumerate() {
            core.table_mut(to).set(dst_start + index as u64, element);
        }
        Ok(())
    }

    fn provided(&self, core: &Core) -> Provided {
        let table = core.table(self.id_in(core));
        Provided {
            ty: TableType::from_wasm(table.ty).into(),
            size: Some(table.length()),
        }
    }
}

fn to_element(core: &Core, ty: RefType, value: Ref) -> Result<Element> {
    let bits = to_bits(core, &Val::from(value), ValType::Ref(ty).to_wasm())?;
    Ok(match value {
        _ if bits == 0 => Element::Null,
        Ref::Func(Some(func)) => Element::Func(func.record_in(core)),
        _ => Element::Handle(bits as u32),
    })
}

impl Global {
    /// A global of the host's, to be imported.
    ///
    /// # Errors
    /// When `value` is not of the type.
    pub fn new(mut store: impl AsContextMut, ty: GlobalType, value: Val) -> Result<Global> {
        let core = store.as_context_mut().0.core_mut();
        let bits = to_bits(core, &value, ty.content().to_wasm())?;
        let id = core.add_global(ty.to_wasm(), bits);
        Ok(Global::from_id(core, id))
    }

    /// Its type.
    ///
    /// # Panics
    /// If it is of another store, as all functions here.
    pub fn ty(&self, store: impl AsContext) -> GlobalType {
        let core = store.as_context().0.core();
        GlobalType::from_wasm(core.global(self.id_in(core)).ty)
    }

    /// Its value.
    pub fn get(&self, mut store: impl AsContextMut) -> Val {
        let core = store.as_context_mut().0.core_mut();
        let global = core.global(self.id_in(core));
        let (ty, bits) = (global.ty.content, global.get());
        from_bits(core, ty, bits)
    }

    /// Assigns it.
    ///
    /// # Errors
    /// When it is constant, or the value is not of its type.
    pub fn set(&self, mut store: impl AsContextMut, value: Val) -> Result<()> {
        let core = store.as_context_mut().0.core_mut();
        let id = self.id_in(core);
        crate::ensure!(
            core.global(id).ty.mutable,
            "the global is immutable: it cannot be set"
        );
        let bits = to_bits(core, &value, core.global(id).ty.content)?;
        core.global(id).set(bits);
        Ok(())
    }
}

impl Tag {
    /// A tag of the host's, to be imported.
    ///
    /// # Errors
    /// When the type has results.
    pub fn new(mut store: impl AsContextMut, ty: &TagType) -> Result<Tag> {
        crate::ensure!(
            ty.ty().results().len() == 0,
            "the type of a tag has no results"
        );
        let core = store.as_context_mut().0.core_mut();
        let id = core.add_tag(ty.ty().as_wasm().clone());
        Ok(Tag::from_id(core, id))
    }

    /// Its type.
    ///
    /// # Panics
    /// If it is of another store.
    pub fn ty(&self, store: impl AsContext) -> TagType {
        let core = store.as_context().0.core();
        TagType::new(FuncType::from_wasm(Arc::new(
            core.tag(self.id_in(core)).ty.clone(),
        )))
    }
}

/// Anything that can be imported or exported.
#[derive(Clone, Copy, Debug)]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A global.
    Global(Global),
    /// A table.
    Table(Table),
    /// A memory.
    Memory(Memory),
    /// An exception tag.
    Tag(Tag),
}

macro_rules! externs {
    ($($variant:ident $into:ident $text:literal;)*) => {
        impl Extern {
            $(
                #[doc = concat!("The ", $text, ", if it is one.")]
                pub fn $into(self) -> Option<$variant> {
                    match self { Extern::$variant(x) => Some(x), _ => None }
                }
            )*

            pub(crate) fn belongs_to(&self, core: &Core) -> bool {
                match self { $(Extern::$variant(x) => x.belongs_to(core),)* }
            }
        }

        $(impl From<$variant> for Extern {
            fn from(x: $variant) -> Extern { Extern::$variant(x) }
        })*
    };
}

externs! {
    Func into_func "function";
    Global into_global "global";
    Table into_table "table";
    Memory into_memory "memory";
    Tag into_tag "tag";
}

impl Extern {
    /// Its type.
    ///
    /// # Panics
    /// If it is of another store.
    pub fn ty(&self, store: impl AsContext) -> ExternType {
        self.provided(store.as_context().0.core()).ty
    }

    pub(crate) fn provided(&self, core: &Core) -> Provided {
        match self {
            Extern::Func(f) => f.provided(core),
            Extern::Table(t) => t.provided(core),
            Extern::Memory(m) => m.provided(core),
            Extern::Global(g) => Provided {
                ty: GlobalType::from_wasm(core.global(g.id_in(core)).ty).into(),
                size: None,
            },
            Extern::Tag(t) => {
                let ty = FuncType::from_wasm(Arc::new(core.tag(t.id_in(core)).ty.clone()));
                Provided {
                    ty: TagType::new(ty).into(),
                    size: None,
                }
            }
        }
    }
}
