//! Values of every type, and conditions.

use wasm_encoder::{BlockType, Instruction as I};

use super::Ty;
use super::body::Body;
use crate::fuzz::rng::Rng;

/// A constant of 32 bits, often at an edge.
pub(super) fn edge32(rng: &mut Rng) -> u32 {
    const EDGES: [u32; 24] = [
        0,
        1,
        2,
        3,
        4,
        7,
        8,
        16,
        31,
        32,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0x8000_0001,
        0xffff_ff80,
        0xffff_fffe,
        0xffff_ffff,
    ];
    if rng.once_in(5) {
        rng.next() as u32 >> rng.below(32)
    } else {
        rng.pick(&EDGES)
    }
}

/// A constant of 64 bits, often at an edge.
pub(super) fn edge64(rng: &mut Rng) -> u64 {
    let low = edge32(rng);
    match rng.below(5) {
        0 => u64::from(low),
        1 => low as i32 as i64 as u64,
        2 => u64::from(low) << 32,
        3 => u64::from(low) << rng.below(40),
        _ => rng.pick(&[
            1 << 32,
            (1 << 32) - 1,
            1 << 31,
            1 << 63,
            (1 << 63) - 1,
            u64::MAX,
        ]),
    }
}

impl Body<'_> {
    /// A value of type `ty`, of at most `depth` operations above its leaves.
    pub(super) fn expr(&mut self, ty: Ty, depth: u32) {
        if depth == 0 || self.rng.once_in(6) {
            return self.leaf(ty);
        }
        if self.rng.once_in(14) {
            return self.choice(ty, depth - 1);
        }
        match ty {
            Ty::I32 => self.expr32(depth - 1),
            Ty::I64 => self.expr64(depth - 1),
            Ty::F32 => self.float32(depth - 1),
            Ty::F64 => self.float64(depth - 1),
            Ty::V128 => self.vector(depth - 1),
        }
    }

    fn leaf(&mut self, ty: Ty) {
        if self.rng.once_in(8) {
            let shape = self.shape;
            let all: Vec<u32> = (0..shape.globals.len() as u32)
                .filter(|g| shape.globals[*g as usize].ty == ty)
                .collect();
            if !all.is_empty() {
                let global = self.rng.pick(&all);
                return self.emit(I::GlobalGet(global));
            }
        }
        if !self.rng.once_in(4)
            && let Some(local) = self.some_local(ty)
        {
            return self.emit(I::LocalGet(local));
        }
        let constant = match ty {
            Ty::I32 => I::I32Const(edge32(self.rng) as i32),
            Ty::I64 => I::I64Const(edge64(self.rng) as i64),
            Ty::F32 => I::F32Const((self.rng.below(64) as f32 / 4.0 - 3.0).into()),
            Ty::F64 => I::F64Const((self.rng.below(1 << 34) as f64 / 4.0 - 1e6).into()),
            Ty::V128 => {
                let half = u128::from(edge64(self.rng));
                I::V128Const((half << 64 | u128::from(edge64(self.rng))) as i128)
            }
        };
        self.emit(constant);
    }

    /// One of two values, by `select` or by branching.
    fn choice(&mut self, ty: Ty, depth: u32) {
        if self.rng.once_in(3) {
            self.condition();
            self.emit(I::If(BlockType::Result(ty.encode())));
            self.labels.push(super::body::Label { leaves: false });
            self.expr(ty, depth);
            self.emit(I::Else);
            self.expr(ty, depth);
            self.labels.pop();
            self.emit(I::End);
            return;
        }
        self.expr(ty, depth);
        self.expr(ty, depth);
        self.condition();
        self.emit(I::Select);
    }

    fn expr32(&mut self, depth: u32) {
        match self.rng.below(16) {
            0..=7 => {
                self.expr(Ty::I32, depth);
                self.expr(Ty::I32, depth);
                let op = self.rng.below(16) as usize;
                let ops = [
                    I::I32Add,
                    I::I32Sub,
                    I::I32Mul,
                    I::I32And,
                    I::I32Or,
                    I::I32Xor,
                    I::I32Shl,
                    I::I32ShrS,
                    I::I32ShrU,
                    I::I32Rotl,
                    I::I32Rotr,
                    I::I32Add,
                    I::I32Add,
                    I::I32Sub,
                    I::I32And,
                    I::I32Shl,
                ];
                self.emit(ops[op].clone());
            }
            8 | 9 => self.with_constant(depth),
            10 => {
                self.expr(Ty::I32, depth);
                let op = self.rng.below(6) as usize;
                let ops = [
                    I::I32Extend8S,
                    I::I32Extend16S,
                    I::I32Clz,
                    I::I32Ctz,
                    I::I32Popcnt,
                    I::I32Eqz,
                ];
                self.emit(ops[op].clone());
            }
            11 if self.rng.once_in(2) => self.siblings(),
            11 => self.half_shifts(depth),
            12 => {
                self.expr(Ty::I64, depth);
                self.emit(I::I32WrapI64);
            }
            13 => self.condition(),
            14 if self.shape.simd => self.lane32(depth),
            _ => self.load(Ty::I32),
        }
    }

    /// An operation with a constant.
    fn with_constant(&mut self, depth: u32) {
        self.expr(Ty::I32, depth);
        let constant = edge32(self.rng) as i32;
        let small = self.rng.below(32) as i32;
        let (constant, op) = match self.rng.below(9) {
            0 => (constant, I::I32Add),
            1 => (constant, I::I32Sub),
            2 => (constant, I::I32And),
            3 => (constant, I::I32Mul),
            4 => (small, I::I32Shl),
            5 => (small, I::I32ShrU),
            6 => (small, I::I32ShrS),
            // The divisor is neither 0 nor -1: never a trap.
            7 => (constant | 2, I::I32DivU),
            _ => (constant & 0xff | 1, I::I32RemS),
        };
        self.emit(I::I32Const(constant));
        self.emit(op);
    }

    /// One operation on one value with two constants that are close.
    fn siblings(&mut self) {
        // Best a value that nothing else reads here.
        let quiet = match self.loops.last() {
            Some(inner) if self.rng.once_in(2) => inner.quiet,
            _ => self.some_local(Ty::I32),
        };
        let Some(local) = quiet else {
            return self.leaf(Ty::I32);
        };
        let constant = edge32(self.rng) as i32;
        let which = self.rng.below(6) as usize;
        let ops = [
            I::I32Add,
            I::I32And,
            I::I32Or,
            I::I32Xor,
            I::I32Sub,
            I::I32Mul,
        ];
        let apart = self.rng.pick(&[1, 1, 2, -1, 4]);
        for constant in [constant, constant.wrapping_add(apart)] {
            self.emit(I::LocalGet(local));
            self.emit(I::I32Const(constant));
            self.emit(ops[which].clone());
        }
        self.emit(I::I32Rotl);
    }

    /// An extension by shifting up and down.
    fn half_shifts(&mut self, depth: u32) {
        self.expr(Ty::I32, depth);
        let by = self.rng.pick(&[8, 16, 24, 24, 16, 1, 31]);
        self.emit(I::I32Const(by));
        self.emit(I::I32Shl);
        self.emit(I::I32Const(by));
        let signed = self.rng.once_in(2);
        self.emit(if signed { I::I32ShrS } else { I::I32ShrU });
    }

    fn expr64(&mut self, depth: u32) {
        match self.rng.below(16) {
            14 | 15 if self.affords(self.times * 100) => self.wide_product(depth.min(1)),
            0..=4 => {
                self.expr(Ty::I64, depth);
                self.expr(Ty::I64, depth);
                let op = self.rng.below(12) as usize;
                let ops = [
                    I::I64Add,
                    I::I64Sub,
                    I::I64Mul,
                    I::I64And,
                    I::I64Or,
                    I::I64Xor,
                    I::I64Shl,
                    I::I64ShrS,
                    I::I64ShrU,
                    I::I64Rotl,
                    I::I64Add,
                    I::I64Sub,
                ];
                self.emit(ops[op].clone());
            }
            5..=7 => {
                self.expr(Ty::I32, depth);
                let signed = self.rng.once_in(2);
                self.emit(if signed {
                    I::I64ExtendI32S
                } else {
                    I::I64ExtendI32U
                });
            }
            8 => {
                self.expr(Ty::I64, depth);
                let op = self.rng.below(6) as usize;
                let ops = [
                    I::I64Extend8S,
                    I::I64Extend16S,
                    I::I64Extend32S,
                    I::I64Clz,
                    I::I64Ctz,
                    I::I64Popcnt,
                ];
                self.emit(ops[op].clone());
            }
            9 => {
                self.expr(Ty::I64, depth);
                let mask = self
                    .rng
                    .pick(&[0xff, 0xffff, 0xffff_ffff, 0x7fff_ffff, 0xffff_fff0]);
                self.emit(I::I64Const(mask));
                self.emit(I::I64And);
            }
            10 => {
                self.expr(Ty::I64, depth);
                self.emit(I::I64Const(32));
                self.emit(I::I64Shl);
                self.emit(I::I64Const(32));
                let signed = self.rng.once_in(2);
                self.emit(if signed { I::I64ShrS } else { I::I64ShrU });
            }
            11 => {
                self.expr(Ty::I64, depth);
                let constant = edge64(self.rng) as i64;
                self.emit(I::I64Const(constant));
                let op = self.rng.below(4) as usize;
                self.emit([I::I64Add, I::I64Sub, I::I64Mul, I::I64And][op].clone());
            }
            12 if self.shape.simd => self.lane64(depth),
            _ => self.load(Ty::I64),
        }
    }

    fn float32(&mut self, depth: u32) {
        match self.rng.below(6) {
            0..=2 => {
                self.expr(Ty::F32, depth);
                self.expr(Ty::F32, depth);
                let op = self.rng.below(6) as usize;
                self.emit(
                    [
                        I::F32Add,
                        I::F32Sub,
                        I::F32Mul,
                        I::F32Div,
                        I::F32Min,
                        I::F32Copysign,
                    ][op]
                        .clone(),
                );
            }
            3 => {
                self.expr(Ty::I32, depth);
                let signed = self.rng.once_in(2);
                self.emit(if signed {
                    I::F32ConvertI32S
                } else {
                    I::F32ConvertI32U
                });
            }
            4 => {
                self.expr(Ty::F32, depth);
                let op = self.rng.below(4) as usize;
                self.emit([I::F32Neg, I::F32Abs, I::F32Sqrt, I::F32Floor][op].clone());
            }
            _ => self.load(Ty::F32),
        }
    }

    fn float64(&mut self, depth: u32) {
        match self.rng.below(7) {
            0..=2 => {
                self.expr(Ty::F64, depth);
                self.expr(Ty::F64, depth);
                let op = self.rng.below(6) as usize;
                self.emit(
                    [
                        I::F64Add,
                        I::F64Sub,
                        I::F64Mul,
                        I::F64Div,
                        I::F64Max,
                        I::F64Copysign,
                    ][op]
                        .clone(),
                );
            }
            3 => {
                self.expr(Ty::I64, depth);
                let signed = self.rng.once_in(2);
                self.emit(if signed {
                    I::F64ConvertI64S
                } else {
                    I::F64ConvertI64U
                });
            }
            4 => {
                self.expr(Ty::F64, depth);
                let op = self.rng.below(4) as usize;
                self.emit([I::F64Neg, I::F64Abs, I::F64Sqrt, I::F64Nearest][op].clone());
            }
            5 => {
                self.expr(Ty::I32, depth);
                let signed = self.rng.once_in(2);
                self.emit(if signed {
                    I::F64ConvertI32S
                } else {
                    I::F64ConvertI32U
                });
            }
            _ => self.load(Ty::F64),
        }
    }

    /// An `i32` that is mostly the result of a comparison.
    pub(super) fn condition(&mut self) {
        match self.rng.below(16) {
            0..=5 => {
                self.expr(Ty::I32, 1);
                if self.rng.once_in(2) {
                    let edge = edge32(self.rng) as i32;
                    self.emit(I::I32Const(edge));
                } else {
                    self.expr(Ty::I32, 1);
                }
                self.compare32();
            }
            6 | 7 => {
                self.expr(Ty::I64, 1);
                self.expr(Ty::I64, 1);
                self.compare64();
            }
            8 => {
                self.expr(Ty::I32, 1);
                self.emit(I::I32Eqz);
            }
            9 => {
                self.expr(Ty::I64, 1);
                self.emit(I::I64Eqz);
            }
            10 => {
                self.condition();
                self.emit(I::I32Eqz);
            }
            11 => {
                self.expr(Ty::I32, 1);
                self.expr(Ty::I32, 1);
                self.compare32();
                self.expr(Ty::I32, 1);
                self.expr(Ty::I32, 1);
                self.compare32();
                let both = self.rng.once_in(2);
                self.emit(if both { I::I32And } else { I::I32Or });
            }
            12 => {
                let bits = self.rng.pick(&[1, 2, 4, 0x80, 0xff, i32::MIN]);
                self.expr(Ty::I32, 1);
                self.emit(I::I32Const(bits));
                self.emit(I::I32And);
            }
            13 if self.shape.floats => {
                self.expr(Ty::F64, 1);
                self.expr(Ty::F64, 1);
                let op = self.rng.below(6) as usize;
                self.emit([I::F64Eq, I::F64Ne, I::F64Lt, I::F64Gt, I::F64Le, I::F64Ge][op].clone());
            }
            14 => {
                // A sum compared with a constant, as at the end of a loop.
                let (add, limit) = (edge32(self.rng) as i32, edge32(self.rng) as i32);
                self.leaf(Ty::I32);
                self.emit(I::I32Const(add));
                self.emit(I::I32Add);
                self.emit(I::I32Const(limit));
                self.compare32();
            }
            _ => self.expr(Ty::I32, 1),
        }
    }

    pub(super) fn compare32(&mut self) {
        let op = self.rng.below(10) as usize;
        let ops = [
            I::I32Eq,
            I::I32Ne,
            I::I32LtS,
            I::I32LtU,
            I::I32GtS,
            I::I32GtU,
            I::I32LeS,
            I::I32LeU,
            I::I32GeS,
            I::I32GeU,
        ];
        self.emit(ops[op].clone());
    }

    pub(super) fn compare64(&mut self) {
        let op = self.rng.below(10) as usize;
        let ops = [
            I::I64Eq,
            I::I64Ne,
            I::I64LtS,
            I::I64LtU,
            I::I64GtS,
            I::I64GtU,
            I::I64LeS,
            I::I64LeU,
            I::I64GeS,
            I::I64GeU,
        ];
        self.emit(ops[op].clone());
    }
}
