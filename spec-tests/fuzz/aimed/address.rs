//! Addresses whose bounds are known, and accesses of all widths.
//!
//! An address is a sum of loop variables, small locals and constants in 32 bits, in any order and grouping. The
//! largest value that it can take is known, so an access can be put safely inside, exactly at the end of memory
//! or, now and then, beyond it.

use wasm_encoder::{BlockType, Instruction as I, MemArg, MemArgTarget};

use super::Ty;
use super::body::{Body, Bounded};

const PAGE: u32 = 65536;
/// Sums stay below this without the constants that are added last.
const MOST: u32 = 50_000;

/// A part of an address.
#[derive(Clone)]
pub(super) enum Term {
    Local(u32),
    /// `(local + constant) << shift`.
    Shifted(u32, u32, u32),
    /// `local * constant`.
    Multiple(u32, u32),
    /// Any value, masked.
    Masked(u32),
}

/// A sum of terms and a constant; modulo 2^32 it is at most `max`.
#[derive(Clone)]
pub(super) struct Sum {
    terms: Vec<Term>,
    constant: u32,
    max: u32,
}

impl Sum {
    pub(super) fn constant(&self) -> u32 {
        self.constant
    }
}

/// Where the constant goes, at the end of memory or elsewhere.
enum Place {
    Inside,
    AtEnd,
    Wrapped,
}

/// The widths of the loads that give `ty`, in the order in which they are numbered.
fn load_widths(ty: Ty) -> &'static [u32] {
    match ty {
        Ty::I32 => &[4, 4, 4, 1, 1, 2, 2],
        Ty::I64 => &[8, 8, 8, 1, 1, 2, 2, 4, 4],
        Ty::F32 => &[4],
        Ty::F64 => &[8],
        Ty::V128 => &[16, 16, 8, 8, 1, 4, 8, 4, 8],
    }
}

impl Body<'_> {
    /// A sum; in loops mostly one that other accesses of the loop share up to a constant.
    pub(super) fn sum(&mut self) -> Sum {
        if let Some(inner) = self.loops.last()
            && let Some(family) = inner.family.clone()
            && !self.rng.once_in(3)
        {
            return family;
        }
        let mut sum = Sum {
            terms: Vec::new(),
            constant: 0,
            max: 0,
        };
        let varies = !self.loops.is_empty() && !self.rng.once_in(5);
        if varies {
            self.add_variable(&mut sum);
            if self.loops.len() > 1 && self.rng.once_in(3) {
                self.add_variable(&mut sum);
            }
        }
        for _ in 0..self.rng.below(3) {
            self.add_bounded(&mut sum);
        }
        if sum.terms.is_empty() {
            let mask = self.rng.pick(&[0xff, 0xffc, 0x3fff, 0x7ff8]);
            sum.terms.push(Term::Masked(mask));
            sum.max = mask;
        }
        if varies && let Some(inner) = self.loops.last_mut() {
            inner.family = Some(sum.clone());
        }
        sum
    }

    fn add_variable(&mut self, sum: &mut Sum) {
        let at = if self.rng.once_in(3) {
            self.rng.below(self.loops.len() as u64) as usize
        } else {
            self.loops.len() - 1
        };
        let all = self.loops[at].bounds.clone();
        if all.is_empty() {
            return;
        }
        let Bounded { local, bias, max } = self.rng.pick(&all);
        let room = MOST.saturating_sub(sum.max);
        match self.rng.below(6) {
            0 | 1 => {
                let shift = self.rng.between(1, 3) as u32;
                if max <= room >> shift {
                    let inner = if self.rng.once_in(3) {
                        self.rng.pick(&[1, 2, 5, bias])
                    } else {
                        0
                    };
                    sum.terms.push(Term::Shifted(local, inner, shift));
                    sum.constant = sum.constant.wrapping_add(bias.wrapping_sub(inner) << shift);
                    sum.max += max << shift;
                }
            }
            2 => {
                let by = self.rng.pick(&[3, 5, 12, 24, 100, 4]);
                if u64::from(max) * u64::from(by) <= u64::from(room) {
                    sum.terms.push(Term::Multiple(local, by));
                    sum.constant = sum.constant.wrapping_add(bias.wrapping_mul(by));
                    sum.max += max * by;
                }
            }
            _ if max <= room => {
                sum.terms.push(Term::Local(local));
                sum.constant = sum.constant.wrapping_add(bias);
                sum.max += max;
            }
            _ => {}
        }
    }

    fn add_bounded(&mut self, sum: &mut Sum) {
        let all: Vec<Bounded> = self
            .bounded
            .iter()
            .copied()
            .filter(|b| b.max <= MOST.saturating_sub(sum.max))
            .collect();
        if !all.is_empty() {
            let Bounded { local, bias, max } = self.rng.pick(&all);
            sum.terms.push(Term::Local(local));
            sum.constant = sum.constant.wrapping_add(bias);
            sum.max += max;
        }
    }

    fn emit_term(&mut self, term: &Term) {
        match *term {
            Term::Local(local) => self.emit(I::LocalGet(local)),
            Term::Shifted(local, inner, shift) => {
                self.emit(I::LocalGet(local));
                if inner != 0 {
                    self.emit(I::I32Const(inner as i32));
                    self.emit(I::I32Add);
                }
                self.emit(I::I32Const(shift as i32));
                self.emit(I::I32Shl);
            }
            Term::Multiple(local, by) => {
                self.emit(I::LocalGet(local));
                self.emit(I::I32Const(by as i32));
                self.emit(I::I32Mul);
            }
            Term::Masked(mask) => {
                self.expr(Ty::I32, 2);
                self.emit(I::I32Const(mask as i32));
                self.emit(I::I32And);
            }
        }
    }

    /// Leaves the sum and `constant` on the stack.
    pub(super) fn emit_sum(&mut self, sum: &Sum, constant: u32) {
        let mut terms = sum.terms.clone();
        for at in (1..terms.len()).rev() {
            terms.swap(at, self.rng.below(at as u64 + 1) as usize);
        }
        let early = terms.len() > 1 && self.rng.once_in(3);
        for (at, term) in terms.iter().enumerate() {
            self.emit_term(term);
            if at > 0 {
                self.emit(I::I32Add);
            }
            if at == 0 && early && constant != 0 {
                self.add_constant(constant);
            }
        }
        if !early && constant != 0 {
            self.add_constant(constant);
        }
    }

    fn add_constant(&mut self, constant: u32) {
        if self.rng.once_in(6) {
            self.emit(I::I32Const(constant.wrapping_neg() as i32));
            self.emit(I::I32Sub);
        } else {
            self.emit(I::I32Const(constant as i32));
            self.emit(I::I32Add);
        }
    }

    pub(super) fn some_memory(&mut self) -> u32 {
        if self.rng.once_in(3) {
            self.rng.below(self.shape.memories.len() as u64) as u32
        } else {
            0
        }
    }

    /// Leaves an address for an access of `width` bytes.
    fn address(&mut self, width: u32) -> MemArg {
        let memory = self.some_memory();
        let size = self.shape.memories[memory as usize].pages as u32 * PAGE;
        if self.rng.once_in(150) {
            self.expr(Ty::I32, 2);
            self.extend(memory);
            let offset = self
                .rng
                .pick(&[0, 0, 8, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8]);
            return self.memarg(memory, offset, width);
        }
        let sum = self.sum();
        let place = match self.rng.below(100) {
            0 => Place::AtEnd,
            1 if self.rng.once_in(2) => Place::Wrapped,
            _ => Place::Inside,
        };
        let room = size - width - sum.max;
        let more = match place {
            Place::Inside => {
                let more = self
                    .rng
                    .pick(&[0, 0, 0, 0, 1, 2, 4, 4, 8, 8, 12, 16, 64, 100, 4096]);
                if self.rng.once_in(20) {
                    room
                } else {
                    more.min(room)
                }
            }
            // At the end, or a little beyond at the largest value of the sum.
            Place::AtEnd => room + self.rng.pick(&[0, 1, 4, width, sum.max / 2, sum.max]),
            Place::Wrapped => 0u32.wrapping_sub(self.rng.pick(&[1, 4, 8, 100])),
        };
        let offset = match place {
            Place::Inside => {
                let offset = self
                    .rng
                    .pick(&[0, 0, 0, 1, 4, 8, 8, 16, 24, 100, 1000, 9000]);
                let left = room - more;
                if self.rng.once_in(20) {
                    left
                } else {
                    offset.min(left)
                }
            }
            _ => self.rng.pick(&[0, 0, 4, 8, 100]),
        };
        self.emit_sum(&sum, sum.constant.wrapping_add(more));
        self.extend(memory);
        self.memarg(memory, u64::from(offset), width)
    }

    /// A 64-bit memory wants its address wide.
    pub(super) fn extend(&mut self, memory: u32) {
        if self.shape.memories[memory as usize].wide {
            self.emit(I::I64ExtendI32U);
        }
    }

    pub(super) fn memarg(&mut self, memory: u32, offset: u64, width: u32) -> MemArg {
        MemArg {
            offset,
            align: self.rng.below(u64::from(width.trailing_zeros()) + 1) as u32,
            target: MemArgTarget::Memory(memory),
            ordering: None,
        }
    }

    /// Leaves a value read from memory.
    pub(super) fn load(&mut self, ty: Ty) {
        let (which, width) = self.load_of(ty);
        let at = self.address(width);
        self.emit_load(ty, which, at);
    }

    /// A load that gives `ty`, and its width in bytes.
    pub(super) fn load_of(&mut self, ty: Ty) -> (usize, u32) {
        let widths = load_widths(ty);
        let which = self.rng.below(widths.len() as u64) as usize;
        (which, widths[which])
    }

    pub(super) fn emit_load(&mut self, ty: Ty, which: usize, at: MemArg) {
        let load = match ty {
            Ty::I32 => match which {
                0..=2 => I::I32Load(at),
                3 => I::I32Load8S(at),
                4 => I::I32Load8U(at),
                5 => I::I32Load16S(at),
                _ => I::I32Load16U(at),
            },
            Ty::I64 => match which {
                0..=2 => I::I64Load(at),
                3 => I::I64Load8S(at),
                4 => I::I64Load8U(at),
                5 => I::I64Load16S(at),
                6 => I::I64Load16U(at),
                7 => I::I64Load32S(at),
                _ => I::I64Load32U(at),
            },
            Ty::F32 => I::F32Load(at),
            Ty::F64 => I::F64Load(at),
            Ty::V128 => match which {
                0 | 1 => I::V128Load(at),
                2 => I::V128Load8x8S(at),
                3 => I::V128Load32x2U(at),
                4 => I::V128Load8Splat(at),
                5 => I::V128Load32Splat(at),
                6 => I::V128Load64Splat(at),
                7 => I::V128Load32Zero(at),
                _ => I::V128Load64Zero(at),
            },
        };
        self.emit(load);
    }

    /// One lane read from memory, or written to it.
    pub(super) fn lane_access(&mut self) {
        let which = self.rng.below(4) as u32;
        let store = self.rng.once_in(2);
        let memarg = self.address(1 << which);
        self.expr(Ty::V128, 1);
        let lane = self.rng.below(16 >> which) as u8;
        self.emit(match (store, which) {
            (true, 0) => I::V128Store8Lane { memarg, lane },
            (true, 1) => I::V128Store16Lane { memarg, lane },
            (true, 2) => I::V128Store32Lane { memarg, lane },
            (true, _) => I::V128Store64Lane { memarg, lane },
            (false, 0) => I::V128Load8Lane { memarg, lane },
            (false, 1) => I::V128Load16Lane { memarg, lane },
            (false, 2) => I::V128Load32Lane { memarg, lane },
            (false, _) => I::V128Load64Lane { memarg, lane },
        });
        if !store {
            let to = self.local(Ty::V128);
            self.emit(I::LocalSet(to));
        }
    }

    /// A store that takes `ty`, and its width in bytes.
    pub(super) fn store_of(&mut self, ty: Ty) -> (usize, u32) {
        let widths: &[u32] = match ty {
            Ty::I32 => &[4, 4, 1, 2],
            Ty::I64 => &[8, 8, 1, 2, 4],
            Ty::F32 => &[4],
            Ty::F64 => &[8],
            Ty::V128 => &[16],
        };
        let which = self.rng.below(widths.len() as u64) as usize;
        (which, widths[which])
    }

    pub(super) fn emit_store(&mut self, ty: Ty, which: usize, at: MemArg) {
        let store = match ty {
            Ty::I32 => match which {
                0 | 1 => I::I32Store(at),
                2 => I::I32Store8(at),
                _ => I::I32Store16(at),
            },
            Ty::I64 => match which {
                0 | 1 => I::I64Store(at),
                2 => I::I64Store8(at),
                3 => I::I64Store16(at),
                _ => I::I64Store32(at),
            },
            Ty::F32 => I::F32Store(at),
            Ty::F64 => I::F64Store(at),
            Ty::V128 => I::V128Store(at),
        };
        self.emit(store);
    }

    pub(super) fn store_statement(&mut self) {
        if self.shape.simd && self.rng.once_in(6) {
            return self.lane_access();
        }
        let ty = self.some_type();
        let (which, width) = self.store_of(ty);
        let at = self.address(width);
        self.expr(ty, 2);
        self.emit_store(ty, which, at);
    }

    /// Accesses to one place under several names, of several widths, with things between that may change it.
    pub(super) fn aliases(&mut self) {
        let sum = self.sum();
        let memory = self.some_memory();
        let (p, q) = (self.local(Ty::I32), self.local(Ty::I32));
        self.emit_sum(&sum, sum.constant);
        self.emit(I::LocalSet(p));
        let apart = self.rng.pick(&[0, 0, 1, 4, 8]);
        if apart == 0 && self.rng.once_in(2) {
            self.emit_sum(&sum, sum.constant);
        } else {
            self.emit(I::LocalGet(p));
            self.emit(I::I32Const(apart));
            self.emit(I::I32Add);
        }
        self.emit(I::LocalSet(q));
        let mut loads: Vec<(u32, u64, Ty, usize, u32)> = Vec::new();
        for _ in 0..self.rng.between(2, 7) {
            let first = self.rng.once_in(2);
            let offset = self.rng.pick(&[0, 0, 4, 8]);
            let offset = if first { offset + apart as u64 } else { offset };
            let place = if first { p } else { q };
            let ty = self.some_type();
            // Another index may be the same memory.
            let memory = if self.rng.once_in(3) {
                self.some_memory()
            } else {
                memory
            };
            if self.rng.once_in(2) {
                let (which, width) = self.store_of(ty);
                self.emit(I::LocalGet(place));
                self.extend(memory);
                self.expr(ty, 1);
                let at = self.memarg(memory, offset, width);
                self.emit_store(ty, which, at);
            } else {
                let fresh = (place, offset, ty, self.load_of(ty).0, memory);
                // Often once more what was loaded before.
                let again = !loads.is_empty() && self.rng.once_in(2);
                let load = if again { self.rng.pick(&loads) } else { fresh };
                loads.push(load);
                let (place, offset, ty, which, memory) = load;
                self.emit(I::LocalGet(place));
                self.extend(memory);
                let at = self.memarg(memory, offset, load_widths(ty)[which]);
                self.emit_load(ty, which, at);
                let to = self.local(ty);
                self.emit(I::LocalSet(to));
            }
            if self.rng.once_in(6) {
                self.between_accesses();
            }
        }
        if self.rng.once_in(2) {
            self.bounded.push(Bounded {
                local: p,
                bias: 0,
                max: sum.max,
            });
        }
    }

    /// In a loop, an access below the variable's value that a condition keeps from wrapping.
    pub(super) fn guarded(&mut self) {
        let all: Vec<Bounded> = self
            .loops
            .iter()
            .flat_map(|l| &l.bounds)
            .copied()
            .filter(|b| b.max > 1)
            .collect();
        if all.is_empty() {
            return self.store_statement();
        }
        let Bounded { local, bias, max } = self.rng.pick(&all);
        let back = self.rng.between(1, u64::from(max)) as u32;
        let shift = if max < 5000 {
            self.rng.pick(&[0, 0, 1, 2, 3])
        } else {
            0
        };
        let mut sum = Sum {
            terms: vec![if shift == 0 {
                Term::Local(local)
            } else {
                Term::Shifted(local, 0, shift)
            }],
            constant: bias.wrapping_sub(back) << shift,
            max: max << shift,
        };
        if self.rng.once_in(2) {
            self.add_bounded(&mut sum);
        }
        self.emit(I::LocalGet(local));
        if bias != 0 {
            self.add_constant(bias);
        }
        self.emit(I::I32Const(back as i32));
        self.emit(I::I32GeU);
        self.emit(I::If(BlockType::Empty));
        self.emit_sum(&sum, sum.constant);
        self.extend(0);
        let offset = self.rng.pick(&[0, 0, 4, 16]);
        let ty = self.some_type();
        if self.rng.once_in(2) {
            let (which, width) = self.store_of(ty);
            self.expr(ty, 1);
            let at = self.memarg(0, offset, width);
            self.emit_store(ty, which, at);
        } else {
            let (which, width) = self.load_of(ty);
            let at = self.memarg(0, offset, width);
            self.emit_load(ty, which, at);
            let to = self.local(ty);
            self.emit(I::LocalSet(to));
        }
        self.emit(I::End);
    }

    /// An access out of bounds that is never executed, which nobody can tell: it must not be moved to where it is.
    pub(super) fn doubtful(&mut self) {
        self.emit(I::Block(BlockType::Empty));
        self.never();
        self.emit(I::I32Eqz);
        self.emit(I::BrIf(0));
        let ty = self.some_type();
        let local = self.bounded.first().map(|bounded| bounded.local);
        self.emit(local.map_or(I::I32Const(8), I::LocalGet));
        self.emit(I::I32Const(-16));
        self.emit(I::I32Or);
        self.extend(0);
        let (which, width) = self.load_of(ty);
        let at = self.memarg(0, 32, width);
        self.emit_load(ty, which, at);
        let to = self.local(ty);
        self.emit(I::LocalSet(to));
        self.emit(I::End);
    }

    /// Leaves zero, which only who follows single bits can know.
    pub(super) fn never(&mut self) {
        match self.some_local(Ty::I32) {
            Some(local) => self.emit(I::LocalGet(local)),
            None => self.emit(I::MemorySize(0)),
        }
        if self
            .code
            .last()
            .is_some_and(|last| matches!(last, I::MemorySize(_)))
            && self.shape.memories[0].wide
        {
            self.emit(I::I32WrapI64);
        }
        self.emit(I::I32Const(1));
        self.emit(I::I32Shl);
        self.emit(I::I32Const(1));
        self.emit(I::I32And);
    }
}
