//! Element and data segments: applied at instantiation, and by `table.init` and `memory.init`.

use super::code::LoadedModule;
use super::instantiate::InstantiateError;
use super::store::{InstanceId, Store};
use super::table::Element;
use super::template::Template;
use craneway_jit::abi::{TablePlace, TrapCode};
use craneway_jit::module::{ElementItems, RefType, SegmentMode};
use std::ptr::NonNull;

/// The element that a reference's bits stand for.
pub(crate) fn element_of(ty: RefType, bits: u64) -> Element {
    if bits == 0 {
        Element::Null
    } else if ty.is_func() {
        NonNull::new(bits as *mut craneway_jit::abi::FuncRecord)
            .map_or(Element::Null, Element::Func)
    } else {
        Element::Handle(bits as u32)
    }
}

/// Applies the active segments in order, elements before data.
pub(crate) fn apply_active(store: &mut Store, id: InstanceId) -> Result<(), InstantiateError> {
    let module = store.instance(id).module.clone();
    if let Err(e) = apply_elements(store, id, &module) {
        withhold_data(store, id, &module)?;
        return Err(e);
    }
    apply_data(store, id, &module)
}

fn apply_elements(
    store: &mut Store,
    id: InstanceId,
    module: &LoadedModule,
) -> Result<(), InstantiateError> {
    for (index, segment) in module.module().elements.iter().enumerate() {
        if let SegmentMode::Active {
            index: table,
            offset,
        } = &segment.mode
        {
            let fixed = matches!(
                module.layout().tables[*table as usize],
                TablePlace::Fixed { .. }
            );
            if !fixed {
                let start = store.evaluate(id, offset)? as u64;
                if !defer(store, id, *table, index as u32, start) {
                    let len = segment.items.len() as u64;
                    table_init(store, id, *table, index as u32, start, 0, len)?
                        .map_err(InstantiateError::Trap)?;
                }
            }
        }
        if segment.mode != SegmentMode::Passive {
            store.instance_mut(id).dropped_elements[index] = true;
        }
    }
    Ok(())
}

/// Leaves a list of functions for a table of the instance's own until somebody asks for an element.
fn defer(store: &mut Store, id: InstanceId, table: u32, segment: u32, start: u64) -> bool {
    let instance = store.instance(id);
    let module = instance.module().module();
    let items = &module.elements[segment as usize].items;
    let (len, listed) = (
        items.len() as u64,
        matches!(items, ElementItems::Functions(_)),
    );
    let own = table >= module.imported_tables && listed;
    let Some(target) = instance.tables[table as usize].filter(|_| own) else {
        return false;
    };
    let table = store.table_mut(target);
    let fits = start
        .checked_add(len)
        .is_some_and(|end| end <= table.length());
    fits && table.defer(id, segment, start, len)
}

/// Functions that are in tables of others already may still look at the memory of an instance that
/// failed, and must not find data there that was never applied.
fn withhold_data(store: &Store, id: InstanceId, module: &LoadedModule) -> anyhow::Result<()> {
    let instance = store.instance(id);
    if let Some(template) = module
        .template()
        .filter(|t| instance.ready && t.plan().memory == 0)
    {
        let memory = store.memory(instance.memory(template.plan().memory));
        // SAFETY: as in `apply_data`.
        unsafe { template.withhold(memory.base() as usize)? };
    }
    Ok(())
}

/// The template first, which stands for leading segments, then the segments that it does not cover.
fn apply_data(
    store: &mut Store,
    id: InstanceId,
    module: &LoadedModule,
) -> Result<(), InstantiateError> {
    if let Some(template) = module.template() {
        let instance = store.instance(id);
        let memory = instance.memory(template.plan().memory);
        // Only the direct memory shares the slot.
        let ready = instance.ready && template.plan().memory == 0;
        let memory = store.memory(memory);
        // SAFETY: the memory is the instance's own, of its minimal size, which the template was laid
        // out for; nothing has run that could have touched it.
        unsafe { template.apply(memory.base() as usize, ready) }.map_err(|e| {
            anyhow::Error::new(e).context("cannot map the initial content of a memory")
        })?;
    }
    for (index, segment) in module.module().data_segments.iter().enumerate() {
        let SegmentMode::Active {
            index: memory,
            offset,
        } = &segment.mode
        else {
            continue;
        };
        let covered = |t: &Template| t.plan().covers(module.module(), index);
        if !module.template().is_some_and(covered) {
            let start = store.evaluate(id, offset)? as u64;
            let len = u64::from(segment.range.1 - segment.range.0);
            memory_init(store, id, *memory, index as u32, start, 0, len)
                .map_err(InstantiateError::Trap)?;
        }
        store.instance_mut(id).dropped_data[index] = true;
    }
    Ok(())
}

/// `memory.init`: bounds first, then the copy.
pub(crate) fn memory_init(
    store: &mut Store,
    id: InstanceId,
    memory: u32,
    segment: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> Result<(), TrapCode> {
    let instance = store.instance(id);
    let bytes = match instance.dropped_data[segment as usize] {
        true => &[][..],
        false => instance.module.data_segment(segment),
    };
    let end = src
        .checked_add(len)
        .filter(|e| *e <= bytes.len() as u64)
        .ok_or(TrapCode::HeapOutOfBounds)?;
    let to = store
        .memory(instance.memory(memory))
        .range(dst, len)
        .ok_or(TrapCode::HeapOutOfBounds)?;
    let bytes = &bytes[src as usize..end as usize];
    // SAFETY: the destination was checked against the committed length, and segments never lie in
    // linear memory.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    Ok(())
}

/// `table.init`: bounds first, then the elements. The outer error is the system's.
pub(crate) fn table_init(
    store: &mut Store,
    id: InstanceId,
    table: u32,
    segment: u32,
    dst: u64,
    src: u64,
    len: u64,
) -> anyhow::Result<Result<(), TrapCode>> {
    let module = store.instance(id).module.clone();
    let items = &module.module().elements[segment as usize].items;
    let available = if store.instance(id).dropped_elements[segment as usize] {
        0
    } else {
        items.len() as u64
    };
    let Some(target) = store.instance(id).tables[table as usize] else {
        return Ok(Err(TrapCode::TableOutOfBounds));
    };
    let fits = src.checked_add(len).is_some_and(|e| e <= available)
        && dst
            .checked_add(len)
            .is_some_and(|e| e <= store.table(target).length());
    if !fits {
        return Ok(Err(TrapCode::TableOutOfBounds));
    }
    let own = store.table(target).private_to() == store.instance(id).vmctx;
    let ty = module.module().tables[table as usize].ty.element;
    for at in 0..len {
        let (from, to) = ((src + at) as usize, dst + at);
        let bits = match items {
            ElementItems::Functions(list) => {
                let function = list[from];
                if own && module.module().defined_index(function).is_some() {
                    let (code, sig) = store.instance(id).own_callee(function);
                    store
                        .table_mut(target)
                        .write_own_code(to as usize, code, sig);
                    continue;
                }
                store.func_record(id, function)?.as_ptr() as u64
            }
            ElementItems::Expressions(list) => store.evaluate(id, &list[from])? as u64,
        };
        store.table_mut(target).set(to, element_of(ty, bits));
    }
    Ok(Ok(()))
}
