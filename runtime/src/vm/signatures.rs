//! Canonical signature ids of an engine: equal function types have equal ids.

use craneway_jit::abi::FIRST_SIG_ID;
use craneway_jit::module::FuncType;
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// The id of a function type within one engine, as table entries and records hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SigId(pub u32);

/// The types of one engine.
#[derive(Debug, Default)]
pub struct Signatures {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Arc<FuncType>, u32>,
    types: Vec<Arc<FuncType>>,
}

impl Signatures {
    /// The id of `ty`, new or old.
    pub fn register(&self, ty: &FuncType) -> SigId {
        if let Some(id) = self
            .inner
            .read()
            .unwrap_or_else(|e| e.into_inner())
            .ids
            .get(ty)
        {
            return SigId(*id);
        }
        let mut inner = self.inner.write().unwrap_or_else(|e| e.into_inner());
        if let Some(id) = inner.ids.get(ty) {
            return SigId(*id);
        }
        let id = FIRST_SIG_ID + inner.types.len() as u32;
        let ty = Arc::new(ty.clone());
        inner.types.push(ty.clone());
        inner.ids.insert(ty, id);
        SigId(id)
    }

    /// The type behind an id of this engine.
    ///
    /// # Panics
    /// If the id is not one of this engine's.
    pub fn lookup(&self, id: SigId) -> Arc<FuncType> {
        let inner = self.inner.read().unwrap_or_else(|e| e.into_inner());
        inner.types[(id.0 - FIRST_SIG_ID) as usize].clone()
    }
}
