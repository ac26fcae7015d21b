//! Counted loops of one block over memory, of enough rounds for several of them to become one.
//!
//! The variable has 32 or 64 bits, may be tested by its low half, before or after its step, and starts and ends
//! anywhere, also where the limit is close to an end of its type. Its values are worked out here, so that the number
//! of rounds is known; the compiler sees that number, or first value or limit are hidden from it. Rounds never
//! branch: they read and write where the variable or pointers point, which exchange places, lag behind or get
//! constants added, and add up. What they leave is used behind the loop.

use wasm_encoder::{BlockType, Instruction as I, MemArg};

use super::Ty;
use super::body::{Body, Label};

/// Rounds that a loop may make.
const MOST_TRIPS: u64 = 70;
/// Bytes that addresses of a loop may span.
const SPAN: u64 = 24_000;
/// Where pointers start at most.
const STARTS: u32 = 0x3ff8;

/// How the variable goes.
#[derive(Clone, Copy)]
struct Count {
    wide: bool,
    /// The variable has 64 bits and its low 32 are tested.
    half: bool,
    first: u64,
    step: u64,
    limit: u64,
    test: Test,
    /// The test is of the value before the step.
    old: bool,
    trips: u64,
}

/// The loop goes on while the variable is so, compared with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Ne,
    LtU,
    LeU,
    LtS,
    LeS,
    GtU,
    GeU,
    GtS,
    GeS,
}

impl Test {
    const UP: [Test; 6] = [
        Test::Ne,
        Test::Ne,
        Test::LtU,
        Test::LtS,
        Test::LeU,
        Test::LeS,
    ];
    const DOWN: [Test; 6] = [
        Test::Ne,
        Test::Ne,
        Test::GtU,
        Test::GtS,
        Test::GeU,
        Test::GeS,
    ];

    fn holds(self, x: u64, limit: u64, wide: bool) -> bool {
        let signed = |x: u64| if wide { x as i64 } else { i64::from(x as i32) };
        match self {
            Test::Ne => x != limit,
            Test::LtU => x < limit,
            Test::LeU => x <= limit,
            Test::GtU => x > limit,
            Test::GeU => x >= limit,
            Test::LtS => signed(x) < signed(limit),
            Test::LeS => signed(x) <= signed(limit),
            Test::GtS => signed(x) > signed(limit),
            Test::GeS => signed(x) >= signed(limit),
        }
    }

    fn number(self) -> usize {
        use Test::{GeS, GeU, GtS, GtU, LeS, LeU, LtS, LtU, Ne};
        let all = [Ne, LtU, LeU, LtS, LeS, GtU, GeU, GtS, GeS];
        all.iter().position(|test| *test == self).unwrap_or(0)
    }

    pub(super) fn emitted(self, wide: bool) -> I<'static> {
        let narrow = [
            I::I32Ne,
            I::I32LtU,
            I::I32LeU,
            I::I32LtS,
            I::I32LeS,
            I::I32GtU,
            I::I32GeU,
            I::I32GtS,
            I::I32GeS,
        ];
        let whole = [
            I::I64Ne,
            I::I64LtU,
            I::I64LeU,
            I::I64LtS,
            I::I64LeS,
            I::I64GtU,
            I::I64GeU,
            I::I64GtS,
            I::I64GeS,
        ];
        let all = if wide { whole } else { narrow };
        all[self.number()].clone()
    }

    /// What holds where this one does not.
    fn opposite(self, wide: bool) -> I<'static> {
        match (self, wide) {
            (Test::Ne, false) => I::I32Eq,
            (Test::Ne, true) => I::I64Eq,
            (Test::LtU, _) => Test::GeU.emitted(wide),
            (Test::LeU, _) => Test::GtU.emitted(wide),
            (Test::LtS, _) => Test::GeS.emitted(wide),
            (Test::LeS, _) => Test::GtS.emitted(wide),
            (Test::GtU, _) => Test::LeU.emitted(wide),
            (Test::GeU, _) => Test::LtU.emitted(wide),
            (Test::GtS, _) => Test::LeS.emitted(wide),
            (Test::GeS, _) => Test::LtS.emitted(wide),
        }
    }

    /// The same of exchanged operands.
    fn swapped(self) -> Test {
        match self {
            Test::Ne => Test::Ne,
            Test::LtU => Test::GtU,
            Test::LeU => Test::GeU,
            Test::LtS => Test::GtS,
            Test::LeS => Test::GeS,
            Test::GtU => Test::LtU,
            Test::GeU => Test::LeU,
            Test::GtS => Test::LtS,
            Test::GeS => Test::LeS,
        }
    }
}

impl Count {
    /// The width in which it is tested.
    fn tested(&self, x: u64) -> u64 {
        if self.whole_test() {
            x
        } else {
            x & 0xffff_ffff
        }
    }

    fn whole_test(&self) -> bool {
        self.wide && !self.half
    }

    fn rounds(&self) -> Option<u64> {
        let mut x = self.first;
        for trip in 1..=MOST_TRIPS {
            let next = x.wrapping_add(self.step);
            let tested = self.tested(if self.old { x } else { next });
            x = next;
            let limit = self.tested(self.limit);
            if !self.test.holds(tested, limit, self.whole_test()) {
                return Some(trip);
            }
        }
        None
    }

    /// How far the variable goes in 32 bits, one step more included.
    fn way(&self) -> u64 {
        u64::from((self.step as i32).unsigned_abs()) * (self.trips + 1)
    }

    /// The smallest value that it has, by steps in 32 bits.
    fn low(&self) -> u64 {
        if (self.step as i32) < 0 {
            self.first.wrapping_add(self.step.wrapping_mul(self.trips))
        } else {
            self.first
        }
    }
}

/// A loop that is being generated.
struct Round {
    count: Count,
    variable: u32,
    /// Locals that point into memory.
    pointers: Vec<u32>,
    memory: u32,
    sums: Vec<(Ty, u32)>,
    /// The value of a round before.
    late: u32,
    /// Added to where the variable is the address.
    base: u64,
}

impl Body<'_> {
    /// A loop with what comes before it and after it.
    pub(super) fn counted(&mut self) {
        let count = self.counting();
        if !self.affords(self.times * count.trips * 30) {
            return self.assign();
        }
        self.mark("counted loop of one block");
        self.mark_counted(&count);
        let ty = if count.wide { Ty::I64 } else { Ty::I32 };
        let (variable, limit) = (self.local(ty), self.ends(&count));
        self.hidden(count.wide, count.first);
        self.emit(I::LocalSet(variable));
        let round = self.round_over(count, variable);
        let outside = self.times;
        self.emit(I::Loop(BlockType::Empty));
        self.labels.push(Label { leaves: false });
        self.times *= count.trips;
        let parts = self.rng.between(1, 4);
        let step_at = if self.rng.once_in(4) { 0 } else { parts };
        let old = self.rng.once_in(6).then(|| self.local(ty));
        let mut tested = variable;
        for part in 0..=parts {
            if part == step_at {
                tested = self.step(&round, old.or(count.old.then_some(variable)));
            }
            if part < parts {
                self.part(&round);
            }
        }
        self.again(&count, tested, limit);
        self.times = outside;
        self.labels.pop();
        self.emit(I::End);
        self.after(&round);
    }

    fn counting(&mut self) -> Count {
        const STEPS: [i64; 20] = [
            1, 1, 1, 2, 4, 4, 8, 8, 16, 3, 5, -1, -1, -4, -8, -3, 24, 0x1_0000, 0x1_0001, -0x1_0000,
        ];
        let wide = self.rng.once_in(3);
        let mut step = self.rng.pick(&STEPS);
        if wide && self.rng.once_in(12) {
            step = self
                .rng
                .pick(&[i64::MIN, (1 << 32) + 4, (1 << 32) - 4, -(1 << 32) + 1]);
        }
        let half = wide && self.rng.once_in(3);
        let bits = if wide && !half { 64 } else { 32 };
        let aimed = self.rng.pick(&[
            1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 17, 18, 20, 24, 25, 31, 32, 33, 40, 63,
        ]);
        let ends: [u64; 4] = [0, 1 << (bits - 1), (1 << (bits - 1)) - 1, u64::MAX];
        let near = self.rng.pick(&[0u64, 0, 1, 2, 7, 16, 40]);
        let near = if self.rng.once_in(2) {
            near
        } else {
            near.wrapping_neg()
        };
        let way = (step as u64).wrapping_mul(aimed);
        // Either end is at an end of the type, or close to it, or anywhere.
        let (first, limit) = match self.rng.below(8) {
            0..=2 => (0, way),
            3 | 4 => {
                let limit = self.rng.pick(&ends).wrapping_add(near);
                (limit.wrapping_sub(way), limit)
            }
            5 | 6 => {
                let first = self.rng.pick(&ends).wrapping_add(near);
                (first, first.wrapping_add(way))
            }
            _ => {
                let first = self.rng.next();
                (first, first.wrapping_add(way))
            }
        };
        let down = ((step as u64) << (64 - bits)) as i64;
        let test = self
            .rng
            .pick(if down < 0 { &Test::DOWN } else { &Test::UP });
        let off = if test == Test::Ne {
            0
        } else {
            self.rng.below(9).wrapping_sub(4)
        };
        let whole = if wide { u64::MAX } else { 0xffff_ffff };
        let mut count = Count {
            wide,
            half,
            first: first & whole,
            step: step as u64 & whole,
            limit: limit.wrapping_add(off) & whole,
            test,
            old: self.rng.once_in(4),
            trips: 0,
        };
        count.trips = count.rounds().unwrap_or_else(|| {
            // It would go on for long, or for ever.
            count.test = Test::Ne;
            count.limit = count.first.wrapping_add(count.step) & whole;
            count.rounds().unwrap_or(1)
        });
        count
    }

    /// Leaves a constant, or what comes to the same and only we know.
    pub(super) fn hidden(&mut self, wide: bool, value: u64) {
        if wide {
            self.emit(I::I64Const(value as i64));
        } else {
            self.emit(I::I32Const(value as i32));
        }
        if !self.rng.once_in(3) {
            self.disguise(wide);
        }
    }

    /// Adds zero, which only who follows single bits can know.
    pub(super) fn disguise(&mut self, wide: bool) {
        // The second bit of a square is never set.
        let known = self.rng.once_in(2);
        match self.some_local(Ty::I32).filter(|_| known) {
            Some(local) => {
                self.emit(I::LocalGet(local));
                self.emit(I::LocalGet(local));
            }
            None => {
                for _ in 0..2 {
                    self.emit(I::MemorySize(0));
                    if self.shape.memories[0].wide {
                        self.emit(I::I32WrapI64);
                    }
                }
            }
        }
        self.emit(I::I32Mul);
        self.emit(I::I32Const(2));
        self.emit(I::I32And);
        self.emit(I::I32Const(0x7a3b_5c9d));
        self.emit(I::I32Mul);
        if wide {
            self.emit(I::I64ExtendI32S);
            self.emit(I::I64Add);
        } else {
            self.emit(I::I32Add);
        }
    }

    /// A local with the limit; none for zero that needs no comparison, or a constant at the test.
    fn ends(&mut self, count: &Count) -> Option<u32> {
        if self.rng.once_in(3) || count.limit == 0 && self.rng.once_in(2) {
            return None;
        }
        let whole = count.whole_test();
        let local = self.local(if whole { Ty::I64 } else { Ty::I32 });
        self.hidden(whole, count.tested(count.limit));
        self.emit(I::LocalSet(local));
        Some(local)
    }

    /// Where a loop reads and writes, and what it adds up.
    fn round_over(&mut self, count: Count, variable: u32) -> Round {
        let memory = self.some_memory();
        let pointers = (0..self.rng.between(1, 3))
            .map(|_| {
                let mask = self.rng.pick(&[0, 0xf, 0x3f8, STARTS as i32]);
                self.expr(Ty::I32, 1);
                self.emit(I::I32Const(mask));
                self.emit(I::I32And);
                self.emit(I::I32Const(0x1000));
                self.emit(I::I32Add);
                let local = self.local(Ty::I32);
                self.emit(I::LocalSet(local));
                local
            })
            .collect();
        let sums = (0..self.rng.between(1, 3))
            .map(|_| {
                let ty = self.some_type();
                let sum = self.local(ty);
                match (self.rng.below(3), ty) {
                    // Close to where it wraps.
                    (0, Ty::I32) => self.emit(I::I32Const(-9)),
                    (0, Ty::I64) => self.emit(I::I64Const(0xffff_fff0)),
                    _ => self.expr(ty, 1),
                }
                self.emit(I::LocalSet(sum));
                (ty, sum)
            })
            .collect();
        Round {
            count,
            variable,
            pointers,
            memory,
            sums,
            late: self.local(Ty::I32),
            base: self.rng.pick(&[0, 0, 64, 0x1000, 0x2001]),
        }
    }

    /// Leaves the address of an access of `width` bytes.
    fn spot(&mut self, round: &Round, width: u32) -> MemArg {
        let count = &round.count;
        let memory = if self.rng.once_in(8) {
            self.some_memory()
        } else {
            round.memory
        };
        let wide = self.shape.memories[memory as usize].wide;
        let offset = self.rng.pick(&[0, 0, 0, 4, 8, 16, 100]);
        if count.way() > SPAN || self.rng.once_in(3) {
            let pointer = self.rng.pick(&round.pointers);
            self.emit(I::LocalGet(pointer));
            self.shifted_back(false);
            self.extend(memory);
            return self.memarg(memory, offset, width);
        }
        let most = (0..=3).rev().find(|by| count.way() << by <= SPAN);
        let shift = self.rng.below(most.unwrap_or(0) + 1);
        self.emit(I::LocalGet(round.variable));
        if count.wide && !wide {
            self.emit(I::I32WrapI64);
        }
        // In 64 bits only if steps are the same there.
        let whole = count.wide && wide && count.step == i64::from(count.step as i32) as u64;
        if count.wide && wide && !whole {
            self.emit(I::I32WrapI64);
        }
        let inner = self
            .rng
            .pick(&[0, 0, 0, 1, 2, count.step, count.low().wrapping_neg()]);
        let rest = count.low().wrapping_add(inner).wrapping_neg();
        self.plus(whole, inner);
        if shift > 0 {
            if whole {
                self.emit(I::I64Const(shift as i64));
                self.emit(I::I64Shl);
            } else {
                self.emit(I::I32Const(shift as i32));
                self.emit(I::I32Shl);
            }
        }
        let mut base = round.base;
        let size = self.shape.memories[memory as usize].pages * 65536;
        if self.rng.once_in(60) {
            self.mark("counted loop to the end of memory");
            // The last round is at the end of memory, or one byte beyond it.
            let last = count.way() << shift;
            base = size - last - offset - u64::from(width) + self.rng.below(2);
            base += u64::from((count.step as i32).unsigned_abs()) << shift;
        }
        self.plus(whole, (rest << shift).wrapping_add(base));
        if !whole {
            self.extend(memory);
        }
        self.memarg(memory, offset, width)
    }

    /// Adds a constant, if it is not zero.
    pub(super) fn plus(&mut self, wide: bool, constant: u64) {
        if constant == 0 {
            return;
        }
        let subtract = self.rng.once_in(5);
        let constant = if subtract {
            constant.wrapping_neg()
        } else {
            constant
        };
        self.emit(match wide {
            true => I::I64Const(constant as i64),
            false => I::I32Const(constant as i32),
        });
        self.emit(match (wide, subtract) {
            (true, false) => I::I64Add,
            (true, true) => I::I64Sub,
            (false, false) => I::I32Add,
            (false, true) => I::I32Sub,
        });
    }

    /// Now and then adds something small.
    fn shifted_back(&mut self, wide: bool) {
        if self.rng.once_in(3) {
            let by = self
                .rng
                .pick(&[1, 4, 8, 64, 4u64.wrapping_neg(), 16u64.wrapping_neg()]);
            self.plus(wide, by);
        }
    }

    /// One thing that a round does.
    fn part(&mut self, round: &Round) {
        let (ty, sum) = self.rng.pick(&round.sums);
        match self.rng.below(16) {
            0..=3 => {
                let (which, width) = self.load_of(ty);
                self.emit(I::LocalGet(sum));
                let at = self.spot(round, width);
                self.emit_load(ty, which, at);
                self.combine(ty);
                self.emit(I::LocalSet(sum));
            }
            4..=6 => {
                let (which, width) = self.store_of(ty);
                let at = self.spot(round, width);
                self.emit(I::LocalGet(sum));
                self.emit_store(ty, which, at);
            }
            7 | 8 => self.store_variable(round),
            9 => self.carried(ty, sum),
            10 | 11 => self.widened(round, ty, sum),
            12 => self.exchange(round),
            13 => self.lag(round),
            14 if self.rng.once_in(4) => self.divide(round),
            _ => self.move_on(round),
        }
    }

    /// Stores the variable, whole or shifted, or a pointer.
    fn store_variable(&mut self, round: &Round) {
        let ty = if round.count.wide { Ty::I64 } else { Ty::I32 };
        let (which, width) = self.store_of(ty);
        let at = self.spot(round, width);
        self.emit(I::LocalGet(round.variable));
        self.shifted_back(round.count.wide);
        if self.rng.once_in(3) {
            let by = self.rng.pick(&[1, 3, 31]);
            self.whole(round.count.wide, by);
            self.emit(if round.count.wide {
                I::I64Shl
            } else {
                I::I32Shl
            });
        }
        self.emit_store(ty, which, at);
    }

    /// A sum grows by a constant, or by what stays.
    fn carried(&mut self, ty: Ty, sum: u32) {
        self.emit(I::LocalGet(sum));
        match ty {
            Ty::I32 | Ty::I64 if self.rng.once_in(2) => {
                let by = self
                    .rng
                    .pick(&[1, 7, 0x7fff_ffff, 1 << 31, 0x1_2345_6789, u64::MAX]);
                self.plus(ty == Ty::I64, by);
            }
            _ => {
                self.expr(ty, 0);
                self.combine(ty);
            }
        }
        self.emit(I::LocalSet(sum));
    }

    /// The variable of 32 bits, or its low half, and a constant, in 64 bits.
    fn widened(&mut self, round: &Round, ty: Ty, sum: u32) {
        self.mark("variable of a counted loop in 64 bits");
        let from = match ty {
            Ty::I32 if self.rng.once_in(2) => sum,
            _ => round.variable,
        };
        let at = self.spot(round, 8);
        self.emit(I::LocalGet(from));
        if from == round.variable && round.count.wide {
            self.emit(I::I32WrapI64);
        }
        let by = self
            .rng
            .pick(&[0, 1, 8, 1 << 31, 0xffff_ff00, round.count.step]);
        self.plus(false, by);
        let signed = self.rng.once_in(3);
        self.emit(if signed {
            I::I64ExtendI32S
        } else {
            I::I64ExtendI32U
        });
        self.shifted_back(true);
        self.emit_store(Ty::I64, 0, at);
    }

    /// Two pointers, or two sums of a type, change places.
    fn exchange(&mut self, round: &Round) {
        self.mark("values of a counted loop change places");
        let sums = |ty| {
            round
                .sums
                .iter()
                .filter(move |sum| sum.0 == ty)
                .map(|sum| sum.1)
        };
        let all: Vec<u32> = match self.rng.below(2) {
            0 => sums(round.sums[0].0).collect(),
            _ => round.pointers.clone(),
        };
        for local in &all {
            self.emit(I::LocalGet(*local));
        }
        for local in &all {
            self.emit(I::LocalSet(*local));
        }
    }

    /// What a round loads is used in the next.
    fn lag(&mut self, round: &Round) {
        let at = self.spot(round, 4);
        self.emit(I::LocalGet(round.late));
        self.shifted_back(false);
        self.emit_store(Ty::I32, 0, at);
        if self.rng.once_in(3) {
            self.emit(I::LocalGet(round.pointers[0]));
        } else {
            let at = self.spot(round, 4);
            self.emit_load(Ty::I32, 0, at);
        }
        self.emit(I::LocalSet(round.late));
    }

    /// Traps in a round, or never.
    fn divide(&mut self, round: &Round) {
        self.mark("trap in a counted loop");
        let at = self.rng.below(round.count.trips * 3);
        let zero = round
            .count
            .first
            .wrapping_add(round.count.step.wrapping_mul(at));
        self.emit(I::I32Const(1000));
        self.emit(I::LocalGet(round.variable));
        if round.count.wide {
            self.emit(I::I32WrapI64);
        }
        self.plus(false, zero.wrapping_neg());
        self.emit(I::I32DivU);
        self.emit(I::LocalSet(round.late));
    }

    /// A pointer moves.
    fn move_on(&mut self, round: &Round) {
        let pointer = self.rng.pick(&round.pointers);
        self.emit(I::LocalGet(pointer));
        let by = self.rng.pick(&[1u64, 4, 4, 8, 8, 16, 4u64.wrapping_neg()]);
        self.plus(false, by);
        self.emit(I::LocalSet(pointer));
    }

    /// The variable makes its step; says which local is tested. `old` keeps the value before.
    fn step(&mut self, round: &Round, old: Option<u32>) -> u32 {
        let count = &round.count;
        let mut tested = round.variable;
        if let Some(old) = old {
            let keeps = if old == round.variable {
                self.local(if count.wide { Ty::I64 } else { Ty::I32 })
            } else {
                old
            };
            self.emit(I::LocalGet(round.variable));
            self.emit(I::LocalSet(keeps));
            if count.old {
                tested = keeps;
            }
        }
        self.emit(I::LocalGet(round.variable));
        self.plus(count.wide, count.step);
        self.emit(I::LocalSet(round.variable));
        tested
    }

    /// Goes back, if the test says so.
    fn again(&mut self, count: &Count, tested: u32, limit: Option<u32>) {
        let whole = count.whole_test();
        let value = |body: &mut Self| {
            body.emit(I::LocalGet(tested));
            if count.half {
                body.emit(I::I32WrapI64);
            }
        };
        let zero = count.tested(count.limit) == 0;
        if limit.is_none() && count.test == Test::Ne && zero && !whole {
            value(self);
            return self.emit(I::BrIf(0));
        }
        let end = |body: &mut Self| match limit {
            Some(limit) => body.emit(I::LocalGet(limit)),
            None if whole => body.emit(I::I64Const(count.limit as i64)),
            None => body.emit(I::I32Const(count.limit as i32)),
        };
        let exchanged = self.rng.once_in(4);
        let test = if exchanged {
            end(self);
            value(self);
            count.test.swapped()
        } else {
            value(self);
            end(self);
            count.test
        };
        if self.rng.once_in(5) {
            self.emit(test.opposite(whole));
            self.emit(I::I32Eqz);
        } else {
            self.emit(test.emitted(whole));
        }
        self.emit(I::BrIf(0));
    }

    /// What the rounds came to goes where it can be seen; results of the function are made of it too.
    fn after(&mut self, round: &Round) {
        let variable = if round.count.wide { Ty::I64 } else { Ty::I32 };
        let mut all = round.sums.clone();
        all.push((variable, round.variable));
        all.extend(round.pointers.iter().map(|pointer| (Ty::I32, *pointer)));
        for (at, (ty, local)) in all.into_iter().enumerate() {
            if self.rng.once_in(2) {
                let (which, width) = self.store_of(ty);
                self.emit(I::I32Const(0x4000 + 16 * at as i32));
                self.extend(round.memory);
                self.emit(I::LocalGet(local));
                let at = self.memarg(round.memory, 0, width);
                self.emit_store(ty, which, at);
            }
        }
    }

    fn mark_counted(&mut self, count: &Count) {
        if count.half {
            self.mark("counted loop that tests half its variable");
        }
        if count.old {
            self.mark("counted loop that tests the old value");
        }
        if count.test != Test::Ne {
            self.mark("counted loop that tests an order");
        }
        if count.trips > 16 {
            self.mark("counted loop of more than sixteen rounds");
        }
    }
}
