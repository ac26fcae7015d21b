//! Instantiation: address space, fields, S sealed, then segments.
//!
//! ```text
//!   reserve ─► place imports, memories, tables, tags ─► globals ─► fixed tables ─► seal S ─► segments
//!              └── S is written to a draft, and compared where a slot has it from before ──┘
//! ```
//! The start function is the caller's: it is an ordinary call. It must never know names of imports:
//! they come resolved and matched, in order.

use super::builtins;
use super::code::LoadedModule;
use super::instance::Instance;
use super::memory::Memory;
use super::slots::{Slot, reserve};
use super::store::{GlobalId, InstanceId, MemoryId, Store, TableId, TagId, TagRecord};
use super::sys::{self, Reservation};
use craneway_jit::abi::{
    Builtin, FuncImport, FuncRecord, GlobalPlace, MemoryPlace, SIG_NULL, TableEntry, TableField,
    TablePlace, TrapCode, VmLayout,
};
use craneway_jit::module::{ElementItems, SegmentMode, ValType};
use std::cell::UnsafeCell;
use std::ptr::NonNull;
use std::sync::Arc;

/// A resolved import.
#[derive(Clone, Copy, Debug)]
pub enum Import {
    /// A function of the same store, or a host function that the store adopted.
    Func(NonNull<FuncRecord>),
    /// A table.
    Table(TableId),
    /// A memory.
    Memory(MemoryId),
    /// A global.
    Global(GlobalId),
    /// A tag.
    Tag(TagId),
}

/// Why instantiation failed.
#[derive(Debug)]
pub enum InstantiateError {
    /// A segment does not fit.
    Trap(TrapCode),
    /// A limit, or the system.
    Refused(anyhow::Error),
}

impl From<anyhow::Error> for InstantiateError {
    fn from(e: anyhow::Error) -> InstantiateError {
        InstantiateError::Refused(e)
    }
}

/// Makes an instance of `module` in `store` with imports that match its declarations, in order.
///
/// # Errors
/// A segment out of bounds (writes of earlier segments stay, as the specification says), a limit,
/// or the system's refusal of memory.
pub fn instantiate(
    store: &mut Store,
    module: &Arc<LoadedModule>,
    imports: &[Import],
) -> Result<InstanceId, InstantiateError> {
    if let Some(limiter) = store.limiter()
        && store.instances.len() >= limiter.instances()
    {
        let count = store.instances.len() + 1;
        return Err(
            anyhow::anyhow!("resource limit exceeded: instance count too high at {count}").into(),
        );
    }
    let id = make_room(store, module)?;
    place_imports(store, id, imports);
    place_own_items(store, id)?;
    write_fields(store, id);
    initialise_globals(store, id)?;
    fill_fixed_tables(store, id);
    seal(store, id)?;
    initialise_tables(store, id)?;
    super::segments::apply_active(store, id)?;
    keep_slot(store, id);
    Ok(id)
}

/// Where an instance's fields lie.
enum FieldSpace {
    /// Below its direct memory; whether the slot is ready for the module.
    Slot(Slot, bool),
    /// Alone.
    Own(Reservation),
}

/// S, all zero.
fn draft(layout: &VmLayout) -> Vec<UnsafeCell<u128>> {
    let words = layout.s_bytes as usize / 16;
    std::iter::repeat_with(UnsafeCell::default)
        .take(words)
        .collect()
}

/// Reserves the fields, with the direct memory if the module has one, and adds the bare instance.
fn make_room(store: &mut Store, module: &Arc<LoadedModule>) -> anyhow::Result<InstanceId> {
    let declared = module.module();
    let layout = module.layout();
    let fields = layout.field_bytes() as usize;
    let refused = |e: std::io::Error| anyhow::Error::new(e).context("no room for an instance");
    let (space, vmctx) = if declared.has_direct_memory() {
        let (slot, ready) = Slot::new(module.id()).map_err(refused)?;
        let vmctx = slot.p();
        (FieldSpace::Slot(slot, ready), vmctx)
    } else {
        let own = reserve(fields).map_err(refused)?;
        let vmctx = own.base() + fields;
        (FieldSpace::Own(own), vmctx)
    };
    let mut instance = Box::new(Instance {
        module: module.clone(),
        vmctx,
        fields: None,
        ready: false,
        draft: draft(layout),
        memories: Vec::new(),
        tables: Vec::new(),
        globals: Vec::new(),
        tags: Vec::new(),
        records: vec![None; declared.functions.len()],
        dropped_elements: vec![false; declared.elements.len()],
        dropped_data: vec![false; declared.data_segments.len()],
    });
    match space {
        FieldSpace::Slot(slot, ready) => {
            instance.ready = ready;
            let ty = declared.memories[0];
            let mirror = vmctx.wrapping_add_signed(VmLayout::MEMORY_LENGTH as isize);
            let Some(mirror) = NonNull::new(mirror as *mut u64) else {
                anyhow::bail!("no place for the memory length")
            };
            let huge_pages = store.huge_pages;
            let make = || Memory::direct(ty, (slot, ready), fields, mirror, huge_pages);
            instance.memories.push(store.add_memory(make, &ty)?);
        }
        FieldSpace::Own(own) => {
            // SAFETY: the range is the whole of the fresh reservation.
            unsafe { sys::make_accessible(own.base(), fields).map_err(refused)? };
            instance.fields = Some(own);
        }
    }
    Ok(store.add_instance(instance))
}

fn place_imports(store: &mut Store, id: InstanceId, imports: &[Import]) {
    let instance = store.instance_mut(id);
    let mut functions = 0;
    for import in imports {
        match *import {
            Import::Func(record) => {
                instance.records[functions as usize] = Some(record);
                // SAFETY: records live as long as the store.
                let code = unsafe { record.as_ref().thunk };
                let field =
                    instance.field::<FuncImport>(instance.module.layout().func_import(functions));
                // SAFETY: the field lies in S, which is still writable and only ours.
                unsafe {
                    field.write(FuncImport {
                        code,
                        record: record.as_ptr() as usize,
                    })
                };
                functions += 1;
            }
            Import::Table(table) => instance.tables.push(Some(table)),
            Import::Memory(memory) => instance.memories.push(memory),
            Import::Global(global) => instance.globals.push(Some(global)),
            Import::Tag(tag) => instance.tags.push(tag),
        }
    }
}

fn place_own_items(store: &mut Store, id: InstanceId) -> anyhow::Result<()> {
    let (module, vmctx) = (store.instance(id).module.clone(), store.instance(id).vmctx);
    let declared = module.module();
    for index in declared.imported_memories as usize..declared.memories.len() {
        if index == 0 && declared.has_direct_memory() {
            continue;
        }
        let ty = declared.memories[index];
        let huge_pages = store.huge_pages;
        let memory = store.add_memory(|| Memory::new(ty, huge_pages), &ty)?;
        store.instance_mut(id).memories.push(memory);
    }
    for index in declared.imported_tables..declared.tables.len() as u32 {
        let table = match module.layout().tables[index as usize] {
            TablePlace::Fixed { .. } => None,
            TablePlace::Field { .. } => {
                let ty = declared.tables[index as usize].ty;
                let private = ty.element.is_func() && !declared.table_is_visible(index);
                Some(store.add_table(ty, if private { vmctx } else { 0 })?)
            }
        };
        store.instance_mut(id).tables.push(table);
    }
    for tag in &declared.tags[declared.imported_tags as usize..] {
        let tag = store.add_tag(declared.types[tag.ty as usize].clone());
        store.instance_mut(id).tags.push(tag);
    }
    Ok(())
}

/// Writes the fields in S that do not depend on globals.
fn write_fields(store: &mut Store, id: InstanceId) {
    let instance = store.instance(id);
    let layout = instance.module.layout();
    // SAFETY: all offsets are the layout's own, in fields that are still writable and only ours.
    unsafe {
        for builtin in Builtin::ALL {
            instance
                .field::<usize>(layout.builtin(*builtin))
                .write(builtins::entry(*builtin));
        }
        for index in 0..instance.module.module().types.len() as u32 {
            instance
                .field::<u32>(layout.sig_id(index))
                .write(instance.module.sig_id(index).0);
        }
        for (index, tag) in instance.tags.iter().enumerate() {
            instance
                .field::<*const TagRecord>(layout.tag(index as u32))
                .write(store.tag(*tag));
        }
        for (place, memory) in layout.memories.iter().zip(&instance.memories) {
            if let MemoryPlace::Descriptor { offset } = place {
                instance
                    .field::<usize>(*offset)
                    .write(store.memory(*memory).descriptor() as usize);
            }
        }
        for (place, table) in layout.tables.iter().zip(&instance.tables) {
            if let (TablePlace::Field { offset }, Some(table)) = (place, table) {
                instance
                    .field::<TableField>(*offset)
                    .write(store.table(*table).field());
            }
        }
    }
}

fn initialise_globals(store: &mut Store, id: InstanceId) -> anyhow::Result<()> {
    let module = store.instance(id).module.clone();
    let declared = module.module();
    for (index, global) in declared.globals.iter().enumerate() {
        let place = module.layout().globals[index];
        if index < declared.imported_globals as usize {
            let cell = store.instance(id).globals[index].map(|g| store.global(g).address());
            if let (GlobalPlace::Cell(offset), Some(cell)) = (place, cell) {
                // SAFETY: a field of S, still writable.
                unsafe { store.instance(id).field::<usize>(offset).write(cell) };
            }
            continue;
        }
        let bits = match &global.init {
            Some(init) => store.evaluate(id, init)?,
            None => 0,
        };
        let own = match place {
            GlobalPlace::Constant => None,
            GlobalPlace::Sealed(offset) | GlobalPlace::Mutable(offset) => {
                let instance = store.instance(id);
                // SAFETY: the slot has the size and alignment of its type, and is writable.
                unsafe {
                    if global.ty.content == ValType::V128 {
                        instance.field::<u128>(offset).write(bits);
                    } else {
                        instance.field::<u64>(offset).write(bits as u64);
                    }
                }
                None
            }
            GlobalPlace::Cell(offset) => {
                let cell = store.add_global(global.ty, bits);
                let address = store.global(cell).address();
                // SAFETY: a field of S, still writable.
                unsafe { store.instance(id).field::<usize>(offset).write(address) };
                Some(cell)
            }
        };
        store.instance_mut(id).globals.push(own);
    }
    Ok(())
}

fn fill_fixed_tables(store: &mut Store, id: InstanceId) {
    let instance = store.instance(id);
    let declared = instance.module.module();
    for (index, place) in instance.module.layout().tables.iter().enumerate() {
        let TablePlace::Fixed { offset, length } = *place else {
            continue;
        };
        let entries = instance.field::<TableEntry>(offset);
        // SAFETY: the layout gave the table `length` entries in S, still writable; segments of a
        // fixed table lie within it.
        unsafe {
            for at in 0..length as usize {
                entries.add(at).write(TableEntry {
                    code: 0,
                    sig_id: SIG_NULL,
                    reserved: 0,
                });
            }
            for segment in &declared.elements {
                let SegmentMode::Active {
                    index: table,
                    offset,
                } = &segment.mode
                else {
                    continue;
                };
                let ElementItems::Functions(functions) = &segment.items else {
                    continue;
                };
                if *table as usize != index {
                    continue;
                }
                let start = offset.constant_offset().unwrap_or(0) as usize;
                for (at, function) in functions.iter().enumerate() {
                    let (code, sig_id) = instance.own_callee(*function);
                    entries.add(start + at).write(TableEntry {
                        code,
                        sig_id,
                        reserved: 0,
                    });
                }
            }
        }
    }
}

/// Puts S in its place and seals it; what an earlier instance left there may be just the same.
fn seal(store: &mut Store, id: InstanceId) -> anyhow::Result<()> {
    let instance = store.instance_mut(id);
    let layout = instance.module.layout();
    let (start, bytes) = (
        instance.vmctx - layout.field_bytes() as usize,
        layout.s_bytes as usize,
    );
    let draft = std::mem::take(&mut instance.draft);
    // SAFETY: S of this instance, accessible, or readable if the slot was ready; no reference to it
    // is live, and the host writes no field of S again. The draft is as large.
    unsafe {
        let draft = std::slice::from_raw_parts(draft.as_ptr().cast::<u8>(), bytes);
        if instance.ready {
            if std::slice::from_raw_parts(start as *const u8, bytes) == draft {
                return Ok(());
            }
            sys::make_accessible(start, bytes)?;
        }
        std::ptr::copy_nonoverlapping(draft.as_ptr(), start as *mut u8, bytes);
        sys::make_read_only(start, bytes)?;
    }
    Ok(())
}

/// Lets the next instance of the module have the slot as it is now.
fn keep_slot(store: &mut Store, id: InstanceId) {
    let instance = store.instance(id);
    if instance.module.module().has_direct_memory() {
        let (module, layout) = (instance.module.id(), instance.module.layout());
        let (sealed, fields) = (layout.s_bytes as usize, layout.m_bytes as usize);
        let memory = instance.memory(0);
        store.memory_mut(memory).keep_for(module, sealed, fields);
    }
}

/// Tables with an explicit initial value.
fn initialise_tables(store: &mut Store, id: InstanceId) -> anyhow::Result<()> {
    let module = store.instance(id).module.clone();
    for (index, table) in module.module().tables.iter().enumerate() {
        let (Some(init), Some(id_in_store)) = (&table.init, store.instance(id).tables[index])
        else {
            continue;
        };
        let bits = store.evaluate(id, init)?;
        let element = super::segments::element_of(table.ty.element, bits as u64);
        for at in 0..store.table(id_in_store).length() {
            store.table_mut(id_in_store).set(at, element);
        }
    }
    Ok(())
}
