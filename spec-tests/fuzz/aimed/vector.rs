//! Values of 128 bits.

use wasm_encoder::Instruction as I;

use super::Ty;
use super::body::Body;

/// Operations of two vectors on integers, ...
const BINARY: &[I<'static>] = &[
    I::I8x16Eq,
    I::I8x16Ne,
    I::I8x16LtS,
    I::I8x16LtU,
    I::I8x16GtS,
    I::I8x16GtU,
    I::I8x16LeS,
    I::I8x16LeU,
    I::I8x16GeS,
    I::I8x16GeU,
    I::I8x16Add,
    I::I8x16Sub,
    I::I8x16MinS,
    I::I8x16MinU,
    I::I8x16MaxS,
    I::I8x16MaxU,
    I::I16x8Eq,
    I::I16x8Ne,
    I::I16x8LtS,
    I::I16x8LtU,
    I::I16x8GtS,
    I::I16x8GtU,
    I::I16x8LeS,
    I::I16x8LeU,
    I::I16x8GeS,
    I::I16x8GeU,
    I::I16x8Add,
    I::I16x8Sub,
    I::I16x8MinS,
    I::I16x8MinU,
    I::I16x8MaxS,
    I::I16x8MaxU,
    I::I32x4Eq,
    I::I32x4Ne,
    I::I32x4LtS,
    I::I32x4LtU,
    I::I32x4GtS,
    I::I32x4GtU,
    I::I32x4LeS,
    I::I32x4LeU,
    I::I32x4GeS,
    I::I32x4GeU,
    I::I32x4Add,
    I::I32x4Sub,
    I::I32x4MinS,
    I::I32x4MinU,
    I::I32x4MaxS,
    I::I32x4MaxU,
    I::I64x2Eq,
    I::I64x2Ne,
    I::I64x2LtS,
    I::I64x2GtS,
    I::I64x2LeS,
    I::I64x2GeS,
    I::I64x2Add,
    I::I64x2Sub,
    I::I64x2Mul,
    I::I8x16AddSatS,
    I::I8x16AddSatU,
    I::I8x16SubSatS,
    I::I8x16SubSatU,
    I::I16x8AddSatS,
    I::I16x8AddSatU,
    I::I16x8SubSatS,
    I::I16x8SubSatU,
    I::I8x16AvgrU,
    I::I16x8AvgrU,
    I::I16x8Mul,
    I::I32x4Mul,
    I::I32x4DotI16x8S,
    I::I16x8Q15MulrSatS,
    I::I8x16NarrowI16x8S,
    I::I8x16NarrowI16x8U,
    I::I16x8NarrowI32x4S,
    I::I16x8NarrowI32x4U,
    I::I8x16Swizzle,
    I::V128And,
    I::V128Or,
    I::V128Xor,
    I::V128AndNot,
    I::I16x8ExtMulLowI8x16S,
    I::I16x8ExtMulLowI8x16U,
    I::I16x8ExtMulHighI8x16S,
    I::I16x8ExtMulHighI8x16U,
    I::I32x4ExtMulLowI16x8S,
    I::I32x4ExtMulLowI16x8U,
    I::I32x4ExtMulHighI16x8S,
    I::I32x4ExtMulHighI16x8U,
    I::I64x2ExtMulLowI32x4S,
    I::I64x2ExtMulLowI32x4U,
    I::I64x2ExtMulHighI32x4S,
    I::I64x2ExtMulHighI32x4U,
];
/// ... and on floats.
const FLOAT_BINARY: &[I<'static>] = &[
    I::F32x4Eq,
    I::F32x4Ne,
    I::F32x4Lt,
    I::F32x4Gt,
    I::F32x4Le,
    I::F32x4Ge,
    I::F32x4Add,
    I::F32x4Sub,
    I::F32x4Mul,
    I::F32x4Div,
    I::F32x4Min,
    I::F32x4Max,
    I::F32x4PMin,
    I::F32x4PMax,
    I::F64x2Eq,
    I::F64x2Ne,
    I::F64x2Lt,
    I::F64x2Gt,
    I::F64x2Le,
    I::F64x2Ge,
    I::F64x2Add,
    I::F64x2Sub,
    I::F64x2Mul,
    I::F64x2Div,
    I::F64x2Min,
    I::F64x2Max,
    I::F64x2PMin,
    I::F64x2PMax,
];
/// Operations of one vector to integers, ...
const UNARY: &[I<'static>] = &[
    I::I8x16Abs,
    I::I8x16Neg,
    I::I16x8Abs,
    I::I16x8Neg,
    I::I32x4Abs,
    I::I32x4Neg,
    I::I64x2Abs,
    I::I64x2Neg,
    I::I16x8ExtendLowI8x16S,
    I::I16x8ExtendLowI8x16U,
    I::I16x8ExtendHighI8x16S,
    I::I16x8ExtendHighI8x16U,
    I::I32x4ExtendLowI16x8S,
    I::I32x4ExtendLowI16x8U,
    I::I32x4ExtendHighI16x8S,
    I::I32x4ExtendHighI16x8U,
    I::I64x2ExtendLowI32x4S,
    I::I64x2ExtendLowI32x4U,
    I::I64x2ExtendHighI32x4S,
    I::I64x2ExtendHighI32x4U,
    I::I16x8ExtAddPairwiseI8x16S,
    I::I16x8ExtAddPairwiseI8x16U,
    I::I32x4ExtAddPairwiseI16x8S,
    I::I32x4ExtAddPairwiseI16x8U,
    I::V128Not,
    I::I8x16Popcnt,
    I::I32x4TruncSatF32x4S,
    I::I32x4TruncSatF32x4U,
    I::I32x4TruncSatF64x2SZero,
    I::I32x4TruncSatF64x2UZero,
];
/// ... and to floats.
const FLOAT_UNARY: &[I<'static>] = &[
    I::F32x4Ceil,
    I::F32x4Floor,
    I::F32x4Trunc,
    I::F32x4Nearest,
    I::F32x4Abs,
    I::F32x4Neg,
    I::F32x4Sqrt,
    I::F64x2Ceil,
    I::F64x2Floor,
    I::F64x2Trunc,
    I::F64x2Nearest,
    I::F64x2Abs,
    I::F64x2Neg,
    I::F64x2Sqrt,
    I::F32x4ConvertI32x4S,
    I::F32x4ConvertI32x4U,
    I::F64x2ConvertLowI32x4S,
    I::F64x2ConvertLowI32x4U,
    I::F32x4DemoteF64x2Zero,
    I::F64x2PromoteLowF32x4,
];
/// Shifts by a scalar.
const SHIFTS: &[I<'static>] = &[
    I::I8x16Shl,
    I::I8x16ShrS,
    I::I8x16ShrU,
    I::I16x8Shl,
    I::I16x8ShrS,
    I::I16x8ShrU,
    I::I32x4Shl,
    I::I32x4ShrS,
    I::I32x4ShrU,
    I::I64x2Shl,
    I::I64x2ShrS,
    I::I64x2ShrU,
];

/// Comparisons of integers.
const COMPARISONS: &[I<'static>] = &[
    I::I8x16Eq,
    I::I8x16Ne,
    I::I8x16LtS,
    I::I8x16LtU,
    I::I8x16GtS,
    I::I8x16GtU,
    I::I8x16LeS,
    I::I8x16LeU,
    I::I8x16GeS,
    I::I8x16GeU,
    I::I16x8Eq,
    I::I16x8Ne,
    I::I16x8LtS,
    I::I16x8LtU,
    I::I16x8GtS,
    I::I16x8GtU,
    I::I16x8LeS,
    I::I16x8LeU,
    I::I16x8GeS,
    I::I16x8GeU,
    I::I32x4Eq,
    I::I32x4Ne,
    I::I32x4LtS,
    I::I32x4LtU,
    I::I32x4GtS,
    I::I32x4GtU,
    I::I32x4LeS,
    I::I32x4LeU,
    I::I32x4GeS,
    I::I32x4GeU,
    I::I64x2Eq,
    I::I64x2Ne,
    I::I64x2LtS,
    I::I64x2GtS,
    I::I64x2LeS,
    I::I64x2GeS,
];

impl Body<'_> {
    fn one_of(&mut self, all: &'static [I<'static>]) {
        let which = self.rng.below(all.len() as u64) as usize;
        self.emit(all[which].clone());
    }

    pub(super) fn vector(&mut self, depth: u32) {
        match self.rng.below(12) {
            0..=2 => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::V128, depth);
                let floats = self.shape.floats && self.rng.once_in(4);
                self.one_of(if floats { FLOAT_BINARY } else { BINARY });
            }
            3 => self.splat(depth),
            4 => {
                self.expr(Ty::V128, depth);
                self.expr(Ty::I32, 1);
                self.one_of(SHIFTS);
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
                // Lanes of one operand only, or of both.
                let (within, from) = self.rng.pick(&[(32, 0), (32, 0), (16, 0), (16, 16)]);
                let lane = |at: u8| {
                    if rotated {
                        at + first
                    } else {
                        (at * 5 + first) % 32
                    }
                };
                self.emit(I::I8x16Shuffle(std::array::from_fn(|at| {
                    lane(at as u8) % within + from
                })));
            }
            7 => {
                self.expr(Ty::V128, depth);
                let floats = self.shape.floats && self.rng.once_in(3);
                self.one_of(if floats { FLOAT_UNARY } else { UNARY });
            }
            8 => self.turned(depth),
            9 => self.looked_up(depth),
            10 => self.compared(depth),
            _ => self.load(Ty::V128),
        }
    }

    /// A swizzle whose indices are known to be small, or nearly.
    fn looked_up(&mut self, depth: u32) {
        self.expr(Ty::V128, depth);
        self.expr(Ty::V128, depth);
        if self.rng.once_in(3) {
            let count = self.rng.between(3, 5) as i32;
            self.emit(I::I32Const(count));
            let bytes = !self.rng.once_in(3);
            self.emit(if bytes { I::I8x16ShrU } else { I::I16x8ShrU });
        } else {
            let mask = self.rng.pick(&[0x0f, 0x0f, 0x8f, 0x1f, 0x7f]);
            self.emit(I::V128Const(i128::from_le_bytes([mask; 16])));
            self.emit(I::V128And);
        }
        self.emit(I::I8x16Swizzle);
    }

    /// A comparison, often with a constant, and what it chooses.
    fn compared(&mut self, depth: u32) {
        let chosen = self.rng.below(3);
        if chosen > 0 {
            self.expr(Ty::V128, depth);
        }
        if chosen > 1 {
            self.expr(Ty::V128, depth);
        }
        self.expr(Ty::V128, depth);
        if self.rng.once_in(2) {
            self.expr(Ty::V128, depth);
        } else {
            let lane = self.rng.pick(&[
                [0; 8],
                [0, 0, 0, 0, 0, 0, 0, 0x80],
                [0xff; 8],
                [0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0x7f],
                [0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0],
                [9; 8],
            ]);
            self.emit(I::V128Const(i128::from_le_bytes(std::array::from_fn(
                |at| lane[at % 8],
            ))));
        }
        self.one_of(COMPARISONS);
        match chosen {
            0 => {}
            1 => self.emit(I::V128And),
            _ => self.emit(I::V128Bitselect),
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
        if self.rng.once_in(4) {
            return self.union_of_lanes();
        }
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

    /// Whether a lane of the vector on the stack is not 0, or one of some.
    fn union_of_lanes(&mut self) {
        let value = self.local(Ty::V128);
        self.emit(I::LocalTee(value));
        let first = self.rng.below(4) as u8;
        self.emit(I::I32x4ExtractLane(first));
        let rotation = self.rng.below(4) as u8;
        for lane in 0..self.rng.pick(&[2, 4, 4, 4]) {
            self.emit(I::LocalGet(value));
            self.emit(I::I32x4ExtractLane((lane + rotation) % 4));
            self.emit(I::I32Or);
        }
        if self.rng.once_in(2) {
            self.emit(I::I32Eqz);
        }
    }

    /// An `i64` out of a vector.
    pub(super) fn lane64(&mut self, depth: u32) {
        self.expr(Ty::V128, depth);
        let lane = self.rng.below(2) as u8;
        self.emit(I::I64x2ExtractLane(lane));
    }
}
