//! Collected references: externref and exnref values are handles into a slab of the store.
//!
//! Handle 0 is null. Freed by mark and sweep when the slab has grown past a threshold; roots are
//! the frames of all activations (by stack maps), globals, tables, and the host's own roots.

use super::backtrace::Frames;
use super::code;
use super::store::{Store, TagRecord};
use std::any::Any;

/// Allocations between the first collections.
const FIRST_THRESHOLD: usize = 4096;

/// What a handle stands for.
pub enum Object {
    /// A host value.
    Extern(Box<dyn Any + Send + Sync>),
    /// An exception: its tag's identity and its arguments' bits.
    Exn {
        /// The tag (owned by the store).
        tag: *const TagRecord,
        /// One value per parameter of the tag.
        args: Box<[u128]>,
    },
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Object::Extern(_) => f.write_str("Extern"),
            Object::Exn { tag, args } => f
                .debug_struct("Exn")
                .field("tag", tag)
                .field("args", args)
                .finish(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    object: Option<Object>,
    marked: bool,
}

/// The slab.
#[derive(Debug)]
pub struct Handles {
    slots: Vec<Slot>,
    free: Vec<u32>,
    live: usize,
    threshold: usize,
    /// The host's roots, in scopes: a stack of handles with a number that tells reuse.
    roots: Vec<(u32, u64)>,
    next_root: u64,
}

impl Default for Handles {
    fn default() -> Handles {
        Handles {
            slots: Vec::new(),
            free: Vec::new(),
            live: 0,
            threshold: FIRST_THRESHOLD,
            roots: Vec::new(),
            next_root: 0,
        }
    }
}

/// A host root: valid until its scope ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RootIndex {
    index: u32,
    number: u64,
}

impl Handles {
    /// The object of a handle.
    pub fn get(&self, handle: u32) -> Option<&Object> {
        self.slots
            .get(handle.checked_sub(1)? as usize)?
            .object
            .as_ref()
    }

    /// Objects alive (or not yet collected).
    pub fn live(&self) -> usize {
        self.live
    }

    fn insert(&mut self, object: Object) -> u32 {
        self.live += 1;
        let slot = Slot {
            object: Some(object),
            marked: false,
        };
        match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index + 1
            }
            None => {
                self.slots.push(slot);
                self.slots.len() as u32
            }
        }
    }

    /// Roots a handle until the current scope ends.
    pub fn root(&mut self, handle: u32) -> RootIndex {
        self.next_root += 1;
        self.roots.push((handle, self.next_root));
        RootIndex {
            index: self.roots.len() as u32 - 1,
            number: self.next_root,
        }
    }

    /// The handle of a root; `None` after its scope has ended.
    pub fn rooted(&self, root: RootIndex) -> Option<u32> {
        let (handle, number) = *self.roots.get(root.index as usize)?;
        (number == root.number).then_some(handle)
    }

    /// Opens a scope of roots.
    pub fn enter_scope(&self) -> usize {
        self.roots.len()
    }

    /// Ends a scope: its roots are forgotten.
    pub fn exit_scope(&mut self, scope: usize) {
        self.roots.truncate(scope);
    }

    fn mark(&mut self, roots: Vec<u32>) {
        let mut work = roots;
        while let Some(handle) = work.pop() {
            let Some(slot) = handle
                .checked_sub(1)
                .and_then(|i| self.slots.get_mut(i as usize))
            else {
                continue;
            };
            if std::mem::replace(&mut slot.marked, true) {
                continue;
            }
            if let Some(Object::Exn { tag, args }) = &slot.object {
                // SAFETY: tags live as long as the store, and so do its handles.
                let params = unsafe { &(**tag).ty.params };
                let collected = |t: &craneway_jit::module::ValType| matches!(t, craneway_jit::module::ValType::Ref(r) if r.is_collected());
                work.extend(
                    args.iter()
                        .zip(params)
                        .filter(|(_, t)| collected(t))
                        .map(|(a, _)| *a as u32),
                );
            }
        }
    }

    fn sweep(&mut self) {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if !std::mem::take(&mut slot.marked) && slot.object.take().is_some() {
                self.free.push(index as u32);
                self.live -= 1;
            }
        }
        self.threshold = FIRST_THRESHOLD.max(2 * self.live);
    }
}

impl Store {
    /// Makes a handle for `object`, collecting first when the slab has grown. `keep` lists handles
    /// that only the caller knows.
    pub fn alloc_handle(&mut self, object: Object, keep: &[u32]) -> u32 {
        if self.handles.live >= self.handles.threshold {
            let mut roots = keep.to_vec();
            if let Object::Exn { tag, args } = &object {
                // SAFETY: tags live as long as the store.
                let params = unsafe { &(**tag).ty.params };
                roots.extend(
                    args.iter()
                        .zip(params)
                        .filter(|(_, t)| !t.is_vector_class())
                        .map(|(a, _)| *a as u32),
                );
            }
            self.collect(roots);
        }
        self.handles.insert(object)
    }

    /// Frees what nothing refers to.
    pub fn collect(&mut self, mut roots: Vec<u32>) {
        roots.extend(self.static_roots());
        roots.extend(self.handles.roots.iter().map(|r| r.0));
        let mut activation = self.activation;
        while !activation.is_null() {
            // SAFETY: the chain's activations are alive and stopped in host calls (or suspended);
            // collection runs on a host stack.
            unsafe {
                for frame in Frames::of(activation) {
                    let Some(module) = code::find(frame.pc) else {
                        continue;
                    };
                    let offset = module.offset_of(frame.pc);
                    let map = offset.and_then(|o| module.image().stack_map_at(o));
                    let Some(map) = map else { continue };
                    let sp = frame.fp - map.frame_offset as usize;
                    let slots = module.image().slots(map);
                    roots.extend(slots.map(|slot| *((sp + slot as usize) as *const u32)));
                }
                activation = (*activation).prev;
            }
        }
        self.handles.mark(roots);
        self.handles.sweep();
    }
}
