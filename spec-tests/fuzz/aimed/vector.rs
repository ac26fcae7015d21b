//! Values of 128 bits.

use wasm_encoder::Instruction as I;

use super::Ty;
use super::body::Body;

impl Body<'_> {
    pub(super) fn vector(&mut self, depth: u32) {
        match self.rng.below(10) {
            0..=2 => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::V128, depth);
                let op = self.rng.below(14) as usize;
                let ops = [
                    I::I8x16Add,
                    I::I16x8Sub,
                    I::I32x4Add,
                    I::I64x2Add,
                    I::I32x4Mul,
                    I::I16x8Mul,
                    I::V128And,
                    I::V128Or,
                    I::V128Xor,
                    I::V128AndNot,
                    I::I32x4MinS,
                    I::I8x16SubSatU,
                    I::I32x4GtS,
                    I::I16x8Eq,
                ];
                self.emit(ops[op].clone());
            }
            3 => self.splat(depth),
            4 => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::I32, 1);
                let op = self.rng.below(4) as usize;
                self.emit([I::I8x16Shl, I::I16x8ShrU, I::I32x4ShrS, I::I64x2Shl][op].clone());
            }
            5 => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::V128, depth);
                self.expr(Ty::V128, depth);
                self.emit(I::V128Bitselect);
            }
            6 => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::V128, depth);
                let first = self.rng.below(17) as u8;
                let rotated = self.rng.once_in(2);
                let lane = |at: u8| {
                    if rotated {
                        at + first
                    } else {
                        (at * 5 + first) % 32
                    }
                };
                self.emit(I::I8x16Shuffle(std::array::from_fn(|at| {
                    lane(at as u8) % 32
                })));
            }
            7 => {
                self.expr(Ty::V128, depth);
                let op = self.rng.below(5) as usize;
                let ops = [
                    I::V128Not,
                    I::I16x8ExtendLowI8x16S,
                    I::I32x4ExtendHighI16x8U,
                    I::I64x2Neg,
                    I::I8x16Abs,
                ];
                self.emit(ops[op].clone());
            }
            8 => self.turned(depth),
            _ => self.load(Ty::V128),
        }
    }

    /// Lanes turned by shifting both ways.
    fn turned(&mut self, depth: u32) {
        self.expr(Ty::V128, depth);
        let value = self.local(Ty::V128);
        self.emit(I::LocalTee(value));
        let which = self.rng.below(3) as usize;
        let (up, down, bits) = [
            (I::I16x8Shl, I::I16x8ShrU, 16),
            (I::I32x4Shl, I::I32x4ShrU, 32),
            (I::I64x2Shl, I::I64x2ShrU, 64),
        ][which]
            .clone();
        let by = if self.rng.once_in(4) {
            self.rng.below(bits) as i32
        } else {
            8 * self.rng.between(1, bits / 8 - 1) as i32
        };
        self.emit(I::I32Const(by));
        self.emit(up);
        self.emit(I::LocalGet(value));
        self.emit(I::I32Const(bits as i32 - by));
        self.emit(down);
        let union = self.rng.once_in(2);
        self.emit(if union { I::V128Or } else { I::V128Xor });
    }

    fn splat(&mut self, depth: u32) {
        match self.rng.below(4) {
            0 => {
                self.expr(Ty::I32, depth);
                self.emit(I::I8x16Splat);
            }
            1 => {
                self.expr(Ty::I32, depth);
                self.emit(I::I32x4Splat);
            }
            2 => {
                self.expr(Ty::I64, depth);
                self.emit(I::I64x2Splat);
            }
            _ => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::I32, depth);
                let lane = self.rng.below(4) as u8;
                self.emit(I::I32x4ReplaceLane(lane));
            }
        }
    }

    /// An `i32` out of a vector.
    pub(super) fn lane32(&mut self, depth: u32) {
        self.expr(Ty::V128, depth);
        let lane = self.rng.below(4) as u8;
        let op = self.rng.below(6) as usize;
        let ops = [
            I::I32x4ExtractLane(lane),
            I::I8x16ExtractLaneS(lane),
            I::I16x8ExtractLaneU(lane),
            I::V128AnyTrue,
            I::I8x16Bitmask,
            I::I32x4AllTrue,
        ];
        self.emit(ops[op].clone());
    }

    /// An `i64` out of a vector.
    pub(super) fn lane64(&mut self, depth: u32) {
        self.expr(Ty::V128, depth);
        let lane = self.rng.below(2) as u8;
        self.emit(I::I64x2ExtractLane(lane));
    }
}
