//! What loops over neighbours store: trees of operations, the same for every element.

use wasm_encoder::Instruction as I;

use super::Ty;
use super::body::Body;
use super::expr::{edge32, edge64};
use super::neighbours::Hood;

/// A value of an element.
pub(super) enum Tree {
    /// An element of an array so far beside, by the load of this number.
    Load(usize, i64, usize),
    /// The same in the other integer type, extended with or without sign or cut off.
    Converted(usize, i64, bool),
    /// What was loaded so many elements ago.
    Ago(usize),
    /// What is at a place that stays.
    Still,
    Constant(u64),
    Outside,
    One(One, Box<Tree>),
    /// An operation; in the other integer type if so.
    Two(Two, bool, Box<Tree>, Box<Tree>),
    /// By a constant, or by a value from outside.
    Shift(usize, Option<u64>, Box<Tree>),
    /// The square root of the absolute value.
    Root(Box<Tree>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum One {
    Not,
    Neg,
    Abs,
    Sqrt,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Two {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Div,
    Min,
    Max,
}

/// What is loaded once and used again in later rounds.
pub(super) struct Carried {
    pub(super) array: usize,
    pub(super) delta: i64,
    pub(super) load: usize,
    /// What the round before loaded last, what before that, and so on.
    pub(super) before: Vec<u32>,
    /// What each element of this round loads.
    pub(super) now: Vec<u32>,
}

impl Two {
    fn commutes(self) -> bool {
        !matches!(self, Two::Sub | Two::Div)
    }

    fn emitted(self, ty: Ty) -> I<'static> {
        match (self, ty) {
            (Two::Add, Ty::I32) => I::I32Add,
            (Two::Sub, Ty::I32) => I::I32Sub,
            (Two::Mul, Ty::I32) => I::I32Mul,
            (Two::And, Ty::I32) => I::I32And,
            (Two::Or, Ty::I32) => I::I32Or,
            (_, Ty::I32) => I::I32Xor,
            (Two::Add, Ty::F32) => I::F32Add,
            (Two::Sub, Ty::F32) => I::F32Sub,
            (Two::Mul, Ty::F32) => I::F32Mul,
            (Two::Div, Ty::F32) => I::F32Div,
            (Two::Min, Ty::F32) => I::F32Min,
            (_, Ty::F32) => I::F32Max,
            (Two::Add, Ty::F64) => I::F64Add,
            (Two::Sub, Ty::F64) => I::F64Sub,
            (Two::Mul, Ty::F64) => I::F64Mul,
            (Two::Div, Ty::F64) => I::F64Div,
            (Two::Min, Ty::F64) => I::F64Min,
            (_, Ty::F64) => I::F64Max,
            (Two::Add, _) => I::I64Add,
            (Two::Sub, _) => I::I64Sub,
            (Two::Mul, _) => I::I64Mul,
            (Two::And, _) => I::I64And,
            (Two::Or, _) => I::I64Or,
            (_, _) => I::I64Xor,
        }
    }
}

impl Tree {
    pub(super) fn looks_beside(&self) -> bool {
        match self {
            Tree::Load(_, beside, _) | Tree::Converted(_, beside, _) => *beside != 0,
            Tree::One(_, a) | Tree::Shift(_, _, a) | Tree::Root(a) => a.looks_beside(),
            Tree::Two(_, _, a, b) => a.looks_beside() || b.looks_beside(),
            _ => false,
        }
    }
}

impl Body<'_> {
    /// A tree of at most `depth` operations above its leaves.
    pub(super) fn tree(&mut self, hood: &Hood, depth: u32) -> Tree {
        if depth == 0 || self.rng.once_in(5) {
            return self.leaf_of(hood);
        }
        if hood.element.is_float() {
            return self.tree_of_floats(hood, depth - 1);
        }
        let whole = match hood.element.ty {
            Ty::I32 => 4,
            _ => 8,
        };
        let whole = hood.element.width == whole;
        let shifts = if whole { 6 } else { 40 };
        let inner = Box::new(self.tree(hood, depth - 1));
        if self.rng.once_in(shifts) {
            let op = self.rng.below(if hood.element.width == 4 { 3 } else { 2 }) as usize;
            let counts = [0, 1, 3, 4, 7, 8, 15, 31, 32, 33, 63, 64, 65, 200];
            let by = (!self.rng.once_in(3)).then(|| self.rng.pick(&counts));
            return Tree::Shift(op, by, inner);
        }
        if self.rng.once_in(8) {
            let op = self.rng.pick(&[One::Not, One::Neg]);
            return Tree::One(op, inner);
        }
        let mut ops = vec![Two::Add, Two::Add, Two::Sub, Two::And, Two::Or, Two::Xor];
        if matches!(hood.element.width, 2 | 4) {
            ops.extend([Two::Mul, Two::Mul]);
        } else if self.rng.once_in(20) {
            ops = vec![Two::Mul];
        }
        let op = self.rng.pick(&ops);
        let other = self
            .rng
            .once_in(if hood.element.width < 8 { 10 } else { 60 });
        Tree::Two(op, other, inner, Box::new(self.tree(hood, depth - 1)))
    }

    fn tree_of_floats(&mut self, hood: &Hood, depth: u32) -> Tree {
        let inner = Box::new(self.tree(hood, depth));
        // With plain NaNs, what may trap must not make any.
        let careful = self.shape.plain && hood.traps();
        if hood.uneven && self.shape.plain || self.rng.once_in(5) {
            let op = self.rng.pick(&[One::Neg, One::Abs]);
            return Tree::One(op, inner);
        }
        if self.rng.once_in(8) {
            return match careful {
                true => Tree::Root(inner),
                false => Tree::One(One::Sqrt, inner),
            };
        }
        let op = self.rng.pick(&[
            Two::Add,
            Two::Add,
            Two::Sub,
            Two::Mul,
            Two::Mul,
            Two::Div,
            Two::Min,
            Two::Max,
        ]);
        let other = if careful && op == Two::Div {
            Tree::Constant(self.rng.between(1, 60))
        } else {
            self.tree(hood, depth)
        };
        Tree::Two(op, false, inner, Box::new(other))
    }

    fn leaf_of(&mut self, hood: &Hood) -> Tree {
        let loads = hood.element.loads;
        match self.rng.below(16) {
            0 | 1 => Tree::Still,
            2 => Tree::Constant(if hood.element.is_float() {
                self.rng.below(60)
            } else {
                edge64(self.rng) ^ u64::from(edge32(self.rng))
            }),
            3 => Tree::Outside,
            4..=7 if hood.carried.is_some() => {
                let most = hood
                    .carried
                    .as_ref()
                    .map_or(0, |carried| carried.before.len());
                Tree::Ago(self.rng.between(0, most as u64) as usize)
            }
            at => {
                let own = self.rng.once_in(5);
                let (array, beside) = if own {
                    (0, self.rng.pick(&[0, 0, 0, 0, 0, 1, -1]))
                } else {
                    let others = hood.arrays() - hood.stored;
                    let array = hood.stored + self.rng.below(others as u64) as usize;
                    (array, self.rng.pick(&[0, 0, 0, 0, 1, -1, 2, -2]))
                };
                // Behind the last element there is room for two.
                if at == 8 && !hood.element.is_float() && hood.element.width < 8 {
                    return Tree::Converted(array, beside, self.rng.once_in(2));
                }
                Tree::Load(array, beside, self.rng.pick(loads))
            }
        }
    }

    /// Leaves the tree's value for an element of the round.
    pub(super) fn emit_tree(&mut self, hood: &Hood, tree: &Tree, copy: u64) {
        let ty = hood.element.ty;
        match tree {
            Tree::Load(array, beside, load) => {
                let at = self.spot_of(hood, *array, copy as i64 + beside);
                self.emit_load(ty, *load, at);
            }
            Tree::Converted(array, beside, signed) => {
                let at = self.spot_of(hood, *array, copy as i64 + beside);
                let other = if ty == Ty::I32 { Ty::I64 } else { Ty::I32 };
                let load = match (hood.element.width, other) {
                    (1, _) => 3,
                    (2, _) => 5,
                    (_, Ty::I64) => 7,
                    _ => 0,
                };
                let unsigned = usize::from(!signed && load > 0);
                self.emit_load(other, load + unsigned, at);
                self.converted(ty, *signed);
            }
            Tree::Ago(ago) => self.ago(hood, *ago, copy),
            Tree::Still => self.still(hood),
            Tree::Constant(bits) => self.emit(match ty {
                Ty::I32 => I::I32Const(*bits as i32),
                Ty::F32 => I::F32Const((*bits as f32 / 4.0).into()),
                Ty::F64 => I::F64Const((*bits as f64 / 4.0).into()),
                _ => I::I64Const(*bits as i64),
            }),
            Tree::Outside => self.emit(I::LocalGet(hood.outside)),
            Tree::One(op, inner) => self.emit_one(hood, *op, inner, copy),
            Tree::Root(inner) => {
                self.emit_tree(hood, inner, copy);
                let narrow = ty == Ty::F32;
                self.emit(if narrow { I::F32Abs } else { I::F64Abs });
                self.emit(if narrow { I::F32Sqrt } else { I::F64Sqrt });
            }
            Tree::Two(op, other, a, b) => {
                let exchanged = op.commutes() && self.rng.once_in(4);
                let (a, b) = if exchanged { (b, a) } else { (a, b) };
                let other = *other && matches!(ty, Ty::I32 | Ty::I64);
                let inner = match (other, ty) {
                    (true, Ty::I32) => Ty::I64,
                    (true, _) => Ty::I32,
                    _ => ty,
                };
                for part in [a, b] {
                    self.emit_tree(hood, part, copy);
                    if other {
                        self.converted(inner, false);
                    }
                }
                self.emit(op.emitted(inner));
                if other {
                    self.converted(ty, true);
                }
            }
            Tree::Shift(op, by, inner) => {
                self.emit_tree(hood, inner, copy);
                let narrow = ty == Ty::I32;
                match by {
                    Some(by) if narrow => self.emit(I::I32Const(*by as i32)),
                    Some(by) => self.emit(I::I64Const(*by as i64)),
                    None => {
                        self.emit(I::LocalGet(hood.by));
                        if !narrow {
                            self.emit(I::I64ExtendI32U);
                        }
                    }
                }
                let all = if narrow {
                    [I::I32Shl, I::I32ShrU, I::I32ShrS]
                } else {
                    [I::I64Shl, I::I64ShrU, I::I64ShrS]
                };
                self.emit(all[*op].clone());
            }
        }
    }

    fn emit_one(&mut self, hood: &Hood, op: One, inner: &Tree, copy: u64) {
        let ty = hood.element.ty;
        let narrow = ty == Ty::I32;
        if op == One::Neg && matches!(ty, Ty::I32 | Ty::I64) {
            self.emit(if narrow {
                I::I32Const(0)
            } else {
                I::I64Const(0)
            });
            self.emit_tree(hood, inner, copy);
            return self.emit(if narrow { I::I32Sub } else { I::I64Sub });
        }
        self.emit_tree(hood, inner, copy);
        match (op, ty) {
            (One::Not, _) => {
                self.emit(if narrow {
                    I::I32Const(-1)
                } else {
                    I::I64Const(-1)
                });
                self.emit(if narrow { I::I32Xor } else { I::I64Xor });
            }
            (One::Neg, Ty::F32) => self.emit(I::F32Neg),
            (One::Neg, _) => self.emit(I::F64Neg),
            (One::Abs, Ty::F32) => self.emit(I::F32Abs),
            (One::Abs, _) => self.emit(I::F64Abs),
            (One::Sqrt, Ty::F32) => self.emit(I::F32Sqrt),
            (One::Sqrt, _) => self.emit(I::F64Sqrt),
        }
    }

    /// From the other integer type to this one.
    fn converted(&mut self, to: Ty, signed: bool) {
        self.emit(match (to, signed) {
            (Ty::I32, _) => I::I32WrapI64,
            (_, true) => I::I64ExtendI32S,
            (_, false) => I::I64ExtendI32U,
        });
    }

    /// Loads what this element hands on to later ones.
    pub(super) fn load_carried(&mut self, hood: &Hood, copy: u64) {
        let Some(carried) = &hood.carried else { return };
        let at = self.spot_of(hood, carried.array, copy as i64 + carried.delta);
        self.emit_load(hood.element.ty, carried.load, at);
        self.emit(I::LocalSet(carried.now[copy as usize]));
    }

    /// Leaves what was loaded so many elements ago.
    fn ago(&mut self, hood: &Hood, ago: usize, copy: u64) {
        let Some(carried) = &hood.carried else { return };
        let copy = copy as usize;
        let local = match ago <= copy {
            true => carried.now[copy - ago],
            false => carried.before[ago - copy - 1],
        };
        self.emit(I::LocalGet(local));
    }

    /// What was loaded becomes what was loaded in the round before.
    pub(super) fn hand_on(&mut self, hood: &Hood) {
        let Some(carried) = &hood.carried else { return };
        let copies = carried.now.len();
        for at in (0..carried.before.len()).rev() {
            let from = match at < copies {
                true => carried.now[copies - 1 - at],
                false => carried.before[at - copies],
            };
            self.emit(I::LocalGet(from));
            self.emit(I::LocalSet(carried.before[at]));
        }
    }
}
