//! An instance: its fields below vmctx, and where its items are in the store.

use super::code::LoadedModule;
use super::store::{GlobalId, MemoryId, Store, TableId, TagId};
use super::sys::Reservation;
use super::table::{Deferred, Element};
use craneway_jit::abi::{FuncImport, FuncRecord, GlobalPlace, TablePlace};
use craneway_jit::module::{ConstExpr, ConstOp, ElementItems, SegmentMode};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;

/// An instance of a module.
#[derive(Debug)]
pub struct Instance {
    pub(crate) module: Arc<LoadedModule>,
    pub(crate) vmctx: usize,
    /// The fields' memory, if they do not share a direct memory's reservation.
    pub(crate) fields: Option<Reservation>,
    /// Whether its slot was ready: left by an earlier instance of its module.
    pub(crate) ready: bool,
    /// S while it is being written; then it lies below vmctx, sealed.
    pub(crate) draft: Vec<UnsafeCell<u128>>,
    pub(crate) memories: Vec<MemoryId>,
    /// `None` for fixed tables.
    pub(crate) tables: Vec<Option<TableId>>,
    /// `None` for globals without a cell.
    pub(crate) globals: Vec<Option<GlobalId>>,
    pub(crate) tags: Vec<TagId>,
    /// Records of all functions, those of own ones made when they first escape.
    pub(crate) records: Vec<Option<NonNull<FuncRecord>>>,
    pub(crate) dropped_elements: Vec<bool>,
    pub(crate) dropped_data: Vec<bool>,
}

impl Instance {
    /// Its module.
    pub fn module(&self) -> &LoadedModule {
        &self.module
    }

    /// Its module, shared.
    pub fn module_arc(&self) -> &Arc<LoadedModule> {
        &self.module
    }

    /// The address that its code knows it by.
    pub fn vmctx(&self) -> usize {
        self.vmctx
    }

    /// Memory `index` of the module.
    pub fn memory(&self, index: u32) -> MemoryId {
        self.memories[index as usize]
    }

    /// Table `index` of the module; `None` if it is fixed, which exported ones never are.
    pub fn table(&self, index: u32) -> Option<TableId> {
        self.tables[index as usize]
    }

    /// Global `index` of the module; `None` if it has no cell, which exported ones always have.
    pub fn global(&self, index: u32) -> Option<GlobalId> {
        self.globals[index as usize]
    }

    /// Tag `index` of the module.
    pub fn tag(&self, index: u32) -> TagId {
        self.tags[index as usize]
    }

    /// Address of the field at `offset` from vmctx.
    pub(crate) fn field<T>(&self, offset: i32) -> *mut T {
        let layout = self.module.layout();
        let into_s = i64::from(offset) + i64::from(layout.field_bytes());
        if !self.draft.is_empty() && into_s < i64::from(layout.s_bytes) {
            return (self.draft.as_ptr() as usize + into_s as usize) as *mut T;
        }
        self.vmctx.wrapping_add_signed(offset as isize) as *mut T
    }

    /// The code and signature of function `index` as this instance's own code calls it.
    pub(crate) fn own_callee(&self, index: u32) -> (usize, u32) {
        let module = self.module.module();
        let sig = self.module.func_sig_id(index).0;
        match module.defined_index(index) {
            Some(defined) => (self.module.entry(defined), sig),
            None => {
                let field = self.field::<FuncImport>(self.module.layout().func_import(index));
                // SAFETY: imports were written before anything could ask.
                (unsafe { (*field).code }, sig)
            }
        }
    }

    /// Function `index` of element segment `segment` at `item`, if the segment lists functions.
    fn segment_function(items: &ElementItems, item: usize) -> Option<u32> {
        match items {
            ElementItems::Functions(list) => list.get(item).copied(),
            ElementItems::Expressions(_) => None,
        }
    }

    /// The function index at `index` of fixed table `table`, if any segment put one there.
    pub(crate) fn fixed_function(&self, table: u32, index: u64) -> Option<u32> {
        let segments = self.module.module().elements.iter().rev();
        segments
            .into_iter()
            .find_map(|segment| match &segment.mode {
                SegmentMode::Active { index: t, offset } if *t == table => {
                    let item = index.checked_sub(offset.constant_offset()?)?;
                    Self::segment_function(&segment.items, usize::try_from(item).ok()?)
                }
                _ => None,
            })
    }
}

impl Store {
    /// The record of function `index` of an instance, made now if it never escaped before.
    ///
    /// # Errors
    /// When there is no memory for a thunk.
    pub fn func_record(
        &mut self,
        instance: super::store::InstanceId,
        index: u32,
    ) -> anyhow::Result<NonNull<FuncRecord>> {
        if let Some(record) = self.instance(instance).records[index as usize] {
            return Ok(record);
        }
        let owner = self.instance(instance);
        let (code, sig) = owner.own_callee(index);
        let vmctx = owner.vmctx;
        let record = self.add_record(code, vmctx, sig, index)?;
        self.instance_mut(instance).records[index as usize] = Some(record);
        Ok(record)
    }

    /// Element `index` of table `table` of an instance with its reference materialised; `None` if
    /// it is out of bounds.
    pub(crate) fn element(
        &mut self,
        instance: super::store::InstanceId,
        table: u32,
        index: u64,
    ) -> anyhow::Result<Option<Element>> {
        let owner = self.instance(instance);
        let place = owner.module.layout().tables[table as usize];
        if let TablePlace::Fixed { length, .. } = place {
            if index >= u64::from(length) {
                return Ok(None);
            }
            let Some(function) = owner.fixed_function(table, index) else {
                return Ok(Some(Element::Null));
            };
            return Ok(Some(Element::Func(self.func_record(instance, function)?)));
        }
        match owner.tables[table as usize] {
            Some(id) => self.table_element(id, index),
            None => Ok(None),
        }
    }

    /// Element `index` of a table with its reference materialised; `None` if out of bounds.
    ///
    /// # Errors
    /// When there is no memory for a thunk.
    pub fn table_element(&mut self, id: TableId, index: u64) -> anyhow::Result<Option<Element>> {
        match self.table(id).get(index) {
            Some(Element::Code(code)) => {
                // Only the owner of a private table puts bare code there, so the code names it.
                // SAFETY: the code belongs to an instance of this store, which holds its module.
                let found = unsafe { super::code::find(code) }.and_then(|m| m.function_at(code));
                let owner = self.owner_of_private(id);
                let (Some((function, _)), Some(owner)) = (found, owner) else {
                    anyhow::bail!("a table element names code that no instance of the store owns");
                };
                let record = self.func_record(owner, function)?;
                self.table_mut(id).materialise(index, record);
                Ok(Some(Element::Func(record)))
            }
            Some(Element::Deferred(deferred)) => {
                let function = self.deferred_function(deferred);
                let record = self.func_record(deferred.owner, function)?;
                self.table_mut(id).set(index, Element::Func(record));
                Ok(Some(Element::Func(record)))
            }
            other => Ok(other),
        }
    }

    fn deferred_function(&self, deferred: Deferred) -> u32 {
        let module = self.instance(deferred.owner).module().module();
        let items = &module.elements[deferred.segment as usize].items;
        match items {
            ElementItems::Functions(functions) => functions[deferred.item as usize],
            ElementItems::Expressions(_) => unreachable!("only lists of functions are deferred"),
        }
    }

    /// The code and type of an element that an indirect call missed; `None` if it is null. An own
    /// function of a private table gets its code written, but no record.
    ///
    /// # Errors
    /// When there is no memory for a thunk.
    pub(crate) fn missed_callee(
        &mut self,
        id: TableId,
        index: u64,
    ) -> anyhow::Result<Option<(usize, u32)>> {
        if let Some(Element::Deferred(deferred)) = self.table(id).get(index) {
            let function = self.deferred_function(deferred);
            let owner = self.instance(deferred.owner);
            let own = owner.module().module().defined_index(function).is_some();
            if own && self.table(id).private_to() == owner.vmctx {
                let (code, sig_id) = owner.own_callee(function);
                let table = self.table_mut(id);
                table.write_own_code(index as usize, code, sig_id);
                return Ok(Some((code, sig_id)));
            }
        }
        Ok(match self.table_element(id, index)? {
            Some(Element::Func(record)) => {
                // SAFETY: records live as long as the store.
                let record = unsafe { record.as_ref() };
                Some((record.thunk, record.sig_id))
            }
            _ => None,
        })
    }

    fn owner_of_private(&self, id: TableId) -> Option<super::store::InstanceId> {
        self.instance_of(self.table(id).private_to())
    }

    /// The bits of a constant expression in the scope of an instance.
    pub(crate) fn evaluate(
        &mut self,
        instance: super::store::InstanceId,
        expr: &ConstExpr,
    ) -> anyhow::Result<u128> {
        let mut stack: Vec<u128> = Vec::with_capacity(2);
        for op in &expr.0 {
            let value = match *op {
                ConstOp::I32(v) => u128::from(v as u32),
                ConstOp::I64(v) => u128::from(v as u64),
                ConstOp::F32(v) => u128::from(v),
                ConstOp::F64(v) => u128::from(v),
                ConstOp::V128(v) => v,
                ConstOp::RefNull => 0,
                ConstOp::RefFunc(index) => {
                    self.func_record(instance, index)?.as_ptr() as usize as u128
                }
                ConstOp::GlobalGet(index) => self.constant_global(instance, index)?,
                binary => {
                    let (Some(b), Some(a)) = (stack.pop(), stack.pop()) else {
                        anyhow::bail!("a constant expression lacks operands");
                    };
                    arithmetic(binary, a as u64, b as u64)
                }
            };
            stack.push(value);
        }
        stack
            .pop()
            .ok_or_else(|| anyhow::anyhow!("a constant expression is empty"))
    }

    fn constant_global(
        &mut self,
        instance: super::store::InstanceId,
        index: u32,
    ) -> anyhow::Result<u128> {
        let owner = self.instance(instance);
        let module = owner.module.clone();
        match module.layout().globals[index as usize] {
            GlobalPlace::Constant => match &module.module().globals[index as usize].init {
                Some(init) => self.evaluate(instance, init),
                None => Ok(0),
            },
            GlobalPlace::Sealed(offset) | GlobalPlace::Mutable(offset) => {
                let wide = module.module().globals[index as usize]
                    .ty
                    .content
                    .slot_bytes()
                    == 16;
                // SAFETY: the field was written when the global was initialised, before later ones.
                Ok(unsafe {
                    if wide {
                        owner.field::<u128>(offset).read()
                    } else {
                        u128::from(owner.field::<u64>(offset).read())
                    }
                })
            }
            GlobalPlace::Cell(_) => match owner.globals[index as usize] {
                Some(id) => Ok(self.global(id).get()),
                None => Ok(0),
            },
        }
    }
}

fn arithmetic(op: ConstOp, a: u64, b: u64) -> u128 {
    let narrow = |v: u32| u128::from(v);
    match op {
        ConstOp::I32Add => narrow((a as u32).wrapping_add(b as u32)),
        ConstOp::I32Sub => narrow((a as u32).wrapping_sub(b as u32)),
        ConstOp::I32Mul => narrow((a as u32).wrapping_mul(b as u32)),
        ConstOp::I64Add => u128::from(a.wrapping_add(b)),
        ConstOp::I64Sub => u128::from(a.wrapping_sub(b)),
        ConstOp::I64Mul => u128::from(a.wrapping_mul(b)),
        // The other instructions take no operands and do not come here.
        _ => 0,
    }
}
