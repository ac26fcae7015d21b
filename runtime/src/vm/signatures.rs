//! Canonical signature ids of an engine: equal function types have equal ids.
//!
//! Types are only ever added, to blocks that double in size and never move, so looking one up takes no lock.

use craneway_jit::abi::{CallAbi, FIRST_SIG_ID};
use craneway_jit::module::FuncType;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, RwLock};

/// Types in the first block.
const FIRST_BLOCK: usize = 64;
/// Blocks that 32-bit ids can fill.
const BLOCKS: usize = 27;

/// The id of a function type within one engine, as table entries and records hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SigId(pub u32);

/// A function type, with what calls of it need.
#[derive(Debug)]
pub struct Signature {
    /// The type.
    pub ty: Arc<FuncType>,
    /// Where its parameters and results are.
    pub abi: CallAbi,
}

type Block = Box<[OnceLock<Signature>]>;

/// The types of one engine.
#[derive(Debug, Default)]
pub struct Signatures {
    ids: RwLock<HashMap<Arc<FuncType>, u32>>,
    blocks: [OnceLock<Block>; BLOCKS],
}

/// Block and place in it of the type numbered `index`.
fn place(index: usize) -> (usize, usize) {
    let block = (index / FIRST_BLOCK + 1).ilog2() as usize;
    (block, index - FIRST_BLOCK * ((1 << block) - 1))
}

impl Signatures {
    /// The id of `ty`, new or old.
    pub fn register(&self, ty: &FuncType) -> SigId {
        let ids = self.ids.read().unwrap_or_else(|e| e.into_inner());
        if let Some(id) = ids.get(ty) {
            return SigId(*id);
        }
        drop(ids);
        let mut ids = self.ids.write().unwrap_or_else(|e| e.into_inner());
        if let Some(id) = ids.get(ty) {
            return SigId(*id);
        }
        let index = ids.len();
        let (block, at) = place(index);
        let ty = Arc::new(ty.clone());
        let signature = Signature {
            abi: CallAbi::new(&ty),
            ty: ty.clone(),
        };
        let new_block = || (0..FIRST_BLOCK << block).map(|_| OnceLock::new()).collect();
        let entry = &self.blocks[block].get_or_init(new_block)[at];
        assert!(entry.set(signature).is_ok(), "a place is filled once");
        let id = FIRST_SIG_ID + index as u32;
        ids.insert(ty, id);
        SigId(id)
    }

    /// The type behind an id of this engine.
    ///
    /// # Panics
    /// If the id is not one of this engine's.
    pub fn lookup(&self, id: SigId) -> &Signature {
        let (block, at) = place((id.0 - FIRST_SIG_ID) as usize);
        let known = self.blocks[block].get().and_then(|b| b[at].get());
        known.expect("an id of this engine")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use craneway_jit::module::ValType;

    #[test]
    fn every_type_is_found_by_its_id() {
        let signatures = Signatures::default();
        let ty = |n: usize| FuncType {
            params: vec![ValType::I32; n].into(),
            results: [].into(),
        };
        let ids: Vec<SigId> = (0..1000).map(|n| signatures.register(&ty(n))).collect();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(signatures.register(&ty(n)), *id);
            assert_eq!(signatures.lookup(*id).ty.params.len(), n);
        }
    }
}
