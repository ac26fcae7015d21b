//! Small inner loops of the sorts that passes look for: counted in every way, with few things done in each round.
//!
//! A kernel has an address that moves and one that stays, which may lie where the other comes by, and a number of
//! sums. Its variable begins anywhere and ends where it has made so many steps, so that every strict order and
//! every inequality ends it, whether or not it wraps. What a round does is in [`rounds`](super::rounds).

use wasm_encoder::{BlockType, Instruction as I};

use super::Ty;
use super::body::{Body, Bounded, Label};
use super::loops::Variable;

/// Rounds that a kernel may make.
const MOST_TRIPS: u32 = 33;
/// Both addresses stay below this.
pub(super) const ROOM: u32 = 0x8000;

/// A kernel that is being generated.
pub(super) struct Kernel {
    pub(super) variable: u32,
    /// The variable has 64 bits.
    pub(super) wide: bool,
    /// The variable goes from 0 up to at most this, by steps above zero.
    pub(super) small: Option<u32>,
    /// The address that moves, by how much, and the one that stays.
    pub(super) moving: u32,
    pub(super) stride: u32,
    pub(super) fixed: u32,
    pub(super) memory: u32,
    /// What rounds add up.
    pub(super) sums: Vec<(Ty, u32)>,
    /// A byte, or what may be one, that goes from round to round.
    pub(super) byte: u32,
    /// Which of the labels is the block around it.
    pub(super) out: usize,
    pub(super) trips: u32,
}

/// How the variable goes.
struct Count {
    wide: bool,
    step: i32,
    first: First,
    /// A local with the number of rounds, else it is `most`.
    rounds: Option<u32>,
    most: u32,
    limit: Limit,
    test: Go,
    /// The test comes before the round.
    ahead: bool,
    /// A test at the end is of the value before the step.
    old: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Known(u32),
    /// Any value.
    Any,
    /// Steps times rounds: it counts down to zero.
    Down,
}

#[derive(Clone, Copy)]
enum Limit {
    Known(u32),
    Local(u32),
}

/// The loop goes on while the variable is so, compared with the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    Ne,
    Lt,
    LtS,
    Gt,
    GtS,
    /// Not zero.
    Set,
}

impl Body<'_> {
    /// A kernel with what comes before it and after it.
    pub(super) fn kernel(&mut self) {
        let mut count = self.count();
        let pressed = self
            .rng
            .once_in(if self.outsiders.is_empty() { 5 } else { 2 });
        let each = if pressed { 90 } else { 30 };
        if !self.affords(self.times * u64::from(count.most) * each) {
            return self.assign();
        }
        let variable = self.begin(&mut count);
        let mut kernel = self.places(variable, &count);
        let outsiders = if pressed {
            self.outsiders()
        } else {
            Vec::new()
        };
        self.mark_count(&count);
        let outside = self.times;
        self.emit(I::Block(BlockType::Empty));
        self.labels.push(Label { leaves: true });
        kernel.out = self.labels.len() - 1;
        if let Some(rounds) = count.rounds.filter(|_| !count.ahead) {
            self.emit(I::LocalGet(rounds));
            self.emit(I::I32Eqz);
            self.emit(I::BrIf(0));
        }
        self.emit(I::Loop(BlockType::Empty));
        self.labels.push(Label { leaves: false });
        self.times *= u64::from(count.most.max(1));
        // What rounds add to it is at most 8, and there are at most four in a kernel.
        let reach = count.most * (kernel.stride.min(kernel.stride.wrapping_neg()) + 4 * 8);
        self.loops.push(Variable {
            bounds: vec![Bounded {
                local: kernel.moving,
                bias: 0,
                max: 0x5000 + reach,
            }],
            family: None,
            quiet: None,
        });
        if count.ahead {
            self.emit(I::LocalGet(variable));
            self.test_of(&count);
            self.emit(I::I32Eqz);
            self.emit(I::BrIf(1));
        }
        if pressed {
            self.press(&kernel, &outsiders);
        }
        let most = if pressed { 2 } else { 4 };
        for _ in 0..self.rng.between(1, most) {
            self.round(&kernel);
        }
        self.go_on(&kernel, &count);
        self.loops.pop();
        self.times = outside;
        for _ in 0..2 {
            self.labels.pop();
            self.emit(I::End);
        }
        self.keep(&kernel);
    }

    fn count(&mut self) -> Count {
        let step = self
            .rng
            .pick(&[1, 1, 1, 1, 2, 3, 4, 5, 7, 8, -1, -1, -2, -4, 0x1_0001]);
        let most = self
            .rng
            .pick(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, MOST_TRIPS]);
        let first = match self.rng.below(12) {
            0..=4 => First::Known(0),
            5 => First::Any,
            6 | 7 => First::Down,
            _ => First::Known(self.rng.pick(&[
                1,
                5,
                1000,
                0x7fff_fff0,
                0x7fff_ffff,
                0x8000_0000,
                0xffff_ffe0,
                0xffff_fff0,
                0xffff_fffd,
                0xffff_ffff,
            ])),
        };
        let test = match (first, step < 0) {
            (First::Down, _) => self.rng.pick(&[Go::Ne, Go::Set, Go::Set, Go::Gt, Go::GtS]),
            (_, true) => self.rng.pick(&[Go::Ne, Go::Ne, Go::Gt, Go::GtS]),
            (_, false) => self.rng.pick(&[Go::Ne, Go::Ne, Go::Lt, Go::LtS]),
        };
        let ahead = most == 0 || self.rng.once_in(3);
        Count {
            wide: self.rng.once_in(3),
            step,
            first,
            rounds: None,
            most,
            limit: Limit::Known(0),
            test,
            ahead,
            // One round more than the number, so not with none.
            old: !ahead && first != First::Down && self.rng.once_in(6),
        }
    }

    /// Sets the variable and finds the limit; says which local the variable is.
    fn begin(&mut self, count: &mut Count) -> u32 {
        if count.most > 0 && self.rng.once_in(2) {
            let mask = count.most.next_power_of_two().min(32) - 1;
            self.expr(Ty::I32, 1);
            self.emit(I::I32Const(mask as i32));
            self.emit(I::I32And);
            if self.rng.once_in(3) {
                self.emit(I::I32Const(1));
                self.emit(I::I32Add);
            }
            let rounds = self.local(Ty::I32);
            self.emit(I::LocalSet(rounds));
            count.rounds = Some(rounds);
            count.most = mask + 1;
        }
        let ty = if count.wide { Ty::I64 } else { Ty::I32 };
        let variable = self.local(ty);
        let down = count.step.unsigned_abs();
        match count.first {
            First::Down => {
                count.step = -(down as i32);
                self.rounds_times(count, down as i32);
            }
            First::Any => self.expr(ty, 1),
            First::Known(first) => self.whole(count.wide, first as i32),
        }
        self.emit(I::LocalSet(variable));
        count.limit = match (count.first, count.rounds) {
            (First::Down, _) => Limit::Known(0),
            (First::Known(first), None) if !count.wide => {
                Limit::Known(first.wrapping_add((count.step as u32).wrapping_mul(count.most)))
            }
            _ => {
                self.emit(I::LocalGet(variable));
                self.rounds_times(count, count.step);
                self.emit(if count.wide { I::I64Add } else { I::I32Add });
                let limit = self.local(ty);
                self.emit(I::LocalSet(limit));
                Limit::Local(limit)
            }
        };
        variable
    }

    /// Leaves the number of rounds times a constant.
    fn rounds_times(&mut self, count: &Count, by: i32) {
        let Some(rounds) = count.rounds else {
            return self.whole(count.wide, by.wrapping_mul(count.most as i32));
        };
        self.emit(I::LocalGet(rounds));
        if count.wide {
            self.emit(I::I64ExtendI32U);
        }
        self.whole(count.wide, by);
        self.emit(if count.wide { I::I64Mul } else { I::I32Mul });
    }

    pub(super) fn whole(&mut self, wide: bool, x: i32) {
        self.emit(if wide {
            I::I64Const(i64::from(x))
        } else {
            I::I32Const(x)
        });
    }

    /// The addresses and sums.
    fn places(&mut self, variable: u32, count: &Count) -> Kernel {
        let stride = self
            .rng
            .pick(&[1u32, 2, 4, 4, 8, 8, 16, 0u32.wrapping_sub(4), 0]);
        let moving = self.local(Ty::I32);
        let mask = self.rng.pick(&[0, 0xf, 0x3f8, 0x3ffc]);
        let base = self.rng.pick(&[0x400, 0x401, 0x1000]);
        if mask == 0 {
            self.emit(I::I32Const(base));
        } else {
            self.expr(Ty::I32, 1);
            self.emit(I::I32Const(mask));
            self.emit(I::I32And);
            self.emit(I::I32Const(base));
            self.emit(I::I32Add);
        }
        self.emit(I::LocalTee(moving));
        // Where the other comes by, or does not.
        let halfway = stride.wrapping_mul(count.most / 2);
        let apart = self.rng.pick(&[
            0,
            1,
            3,
            4,
            8,
            u32::MAX,
            halfway,
            halfway.wrapping_add(2),
            stride.wrapping_mul(count.most),
            0x2000,
            0x2000,
        ]);
        self.emit(I::I32Const(apart as i32));
        self.emit(I::I32Add);
        let fixed = self.local(Ty::I32);
        self.emit(I::LocalSet(fixed));
        let mut sums = Vec::new();
        for _ in 0..self.rng.between(1, 3) {
            let ty = self.some_type();
            let sum = self.local(ty);
            if !self.rng.once_in(3) {
                self.expr(ty, 1);
                self.emit(I::LocalSet(sum));
            }
            sums.push((ty, sum));
        }
        let byte = self.local(Ty::I32);
        if self.rng.once_in(2) {
            let first = self.rng.pick(&[1, 0x80, 0xff, 0x100, -1]);
            self.emit(I::I32Const(first));
            self.emit(I::LocalSet(byte));
        }
        let small = match count.first {
            First::Known(first) if first <= 1000 && (1..=8).contains(&count.step) => {
                Some(first + count.step as u32 * (count.most + 1))
            }
            _ => None,
        };
        Kernel {
            variable,
            wide: count.wide,
            small,
            moving,
            stride,
            fixed,
            memory: self.some_memory(),
            sums,
            byte,
            out: 0,
            trips: count.most,
        }
    }

    /// Steps and goes back, on the condition that was drawn.
    fn go_on(&mut self, kernel: &Kernel, count: &Count) {
        if kernel.stride != 0 {
            self.emit(I::LocalGet(kernel.moving));
            self.emit(I::I32Const(kernel.stride as i32));
            self.emit(I::I32Add);
            self.emit(I::LocalSet(kernel.moving));
        }
        if count.old {
            self.emit(I::LocalGet(kernel.variable));
        }
        self.emit(I::LocalGet(kernel.variable));
        self.whole(count.wide, count.step);
        self.emit(if count.wide { I::I64Add } else { I::I32Add });
        if count.ahead || count.old {
            self.emit(I::LocalSet(kernel.variable));
        } else {
            self.emit(I::LocalTee(kernel.variable));
        }
        if count.ahead {
            return self.emit(I::Br(0));
        }
        self.test_of(count);
        self.emit(I::BrIf(0));
    }

    /// Tests the value on the stack.
    fn test_of(&mut self, count: &Count) {
        if count.test == Go::Set {
            if count.wide {
                self.emit(I::I64Const(0));
                self.emit(I::I64Ne);
            }
            return;
        }
        match count.limit {
            Limit::Known(limit) => self.whole(count.wide, limit as i32),
            Limit::Local(limit) => self.emit(I::LocalGet(limit)),
        }
        self.emit(match (count.test, count.wide) {
            (Go::Ne | Go::Set, false) => I::I32Ne,
            (Go::Lt, false) => I::I32LtU,
            (Go::LtS, false) => I::I32LtS,
            (Go::Gt, false) => I::I32GtU,
            (Go::GtS, false) => I::I32GtS,
            (Go::Ne | Go::Set, true) => I::I64Ne,
            (Go::Lt, true) => I::I64LtU,
            (Go::LtS, true) => I::I64LtS,
            (Go::Gt, true) => I::I64GtU,
            (Go::GtS, true) => I::I64GtS,
        });
    }

    /// Values from outside, more than there are registers; often those of another loop too.
    fn outsiders(&mut self) -> Vec<u32> {
        if self.outsiders.len() > 8 && !self.rng.once_in(3) {
            self.mark("two loops short of registers share values");
            return self.outsiders.clone();
        }
        let count = self.rng.between(6, 16);
        let all: Vec<u32> = (0..count)
            .map(|_| {
                let ty = if self.rng.once_in(3) {
                    Ty::I64
                } else {
                    Ty::I32
                };
                let local = self.local(ty);
                self.load(ty);
                self.emit(I::LocalSet(local));
                local
            })
            .collect();
        self.outsiders = all.clone();
        all
    }

    /// What the rounds came to goes where it can be seen.
    fn keep(&mut self, kernel: &Kernel) {
        for (ty, sum) in &kernel.sums {
            if self.rng.once_in(2) {
                let (which, width) = self.store_of(*ty);
                self.emit(I::LocalGet(kernel.fixed));
                self.extend(kernel.memory);
                self.emit(I::LocalGet(*sum));
                let at = self.memarg(kernel.memory, 64, width);
                self.emit_store(*ty, which, at);
            }
        }
    }

    fn mark_count(&mut self, count: &Count) {
        let dynamic = count.rounds.is_some();
        self.mark(match (dynamic, count.most) {
            (true, _) => "rounds known at run time",
            (_, 0) => "no rounds",
            (_, 1) => "one round",
            (_, n) if n % 2 == 0 => "even rounds",
            _ => "odd rounds",
        });
        if let First::Known(first) = count.first
            && first > 1000
            && count.step > 0
            && i64::from(first) + i64::from(count.step) * i64::from(count.most) > 0xffff_ffff
            && !count.wide
        {
            self.mark("variable wraps");
        }
        if !matches!(count.step, 1 | -1) {
            self.mark("steps other than one");
        }
        if count.wide {
            self.mark("variable of 64 bits");
        }
    }
}
