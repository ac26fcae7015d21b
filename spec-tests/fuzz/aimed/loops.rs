//! Loops of all shapes.
//!
//! The numbers that a loop's variable goes through are worked out here, so that its trip count and the largest
//! value are known; a loop that would not end that way gets a counter of its own.

use wasm_encoder::{BlockType, Instruction as I};

use super::Ty;
use super::address::Sum;
use super::body::{Body, Bounded, Label};

/// A loop that is being generated.
pub(super) struct Variable {
    /// Its variables of 32 bits whose values are small, at least plus a constant.
    pub(super) bounds: Vec<Bounded>,
    /// The address that its accesses share.
    pub(super) family: Option<Sum>,
    /// A local that is set before it and hardly read in it.
    pub(super) quiet: Option<u32>,
}

/// Iterations that a loop may make.
const MOST_TRIPS: u64 = 40;

/// How the main variable goes.
#[derive(Clone, Copy)]
struct Course {
    first: u32,
    step: u32,
    limit: u32,
    test: Test,
    /// The test is of the value before the step.
    before: bool,
    trips: u64,
}

/// The loop goes on while the variable is so, compared with the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Test {
    Ne,
    LtU,
    LtS,
    LeU,
    GtS,
    GtU,
    GeS,
    /// Not zero, without comparison.
    Set,
}

impl Test {
    fn holds(self, x: u32, limit: u32) -> bool {
        match self {
            Test::Ne => x != limit,
            Test::LtU => x < limit,
            Test::LtS => (x as i32) < limit as i32,
            Test::LeU => x <= limit,
            Test::GtS => x as i32 > limit as i32,
            Test::GtU => x > limit,
            Test::GeS => x as i32 >= limit as i32,
            Test::Set => x != 0,
        }
    }
}

impl Course {
    /// Iterations of a loop that tests at its end; none if there are too many.
    fn count(&self) -> Option<u64> {
        let mut x = self.first;
        for trip in 1..=MOST_TRIPS {
            let tested = if self.before {
                x
            } else {
                x.wrapping_add(self.step)
            };
            x = x.wrapping_add(self.step);
            if !self.test.holds(tested, self.limit) {
                return Some(trip);
            }
        }
        None
    }
}

impl Body<'_> {
    fn course(&mut self) -> Course {
        const STEPS: [u32; 14] = [
            1,
            1,
            1,
            2,
            4,
            4,
            8,
            16,
            3,
            12,
            u32::MAX,
            0u32.wrapping_sub(4),
            0u32.wrapping_sub(8),
            100,
        ];
        const FIRSTS: [u32; 15] = [
            0,
            0,
            0,
            0,
            1,
            4,
            16,
            100,
            1000,
            0x7fff_fff0,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_fff8,
            0xffff_ffff,
            0xffff_ff00,
        ];
        let step = self.rng.pick(&STEPS);
        let mut first = self.rng.pick(&FIRSTS);
        let trips = self.rng.pick(&[1, 2, 3, 4, 5, 8, 9, 16, 20, 33]);
        let mut limit = first.wrapping_add(step.wrapping_mul(trips));
        if (step as i32) < 0 && self.rng.once_in(2) {
            // Down to zero, or past it.
            limit = 0;
            first = 0u32.wrapping_sub(step.wrapping_mul(trips));
        }
        let test = match (self.rng.below(4), (step as i32) < 0) {
            (0, _) => Test::Ne,
            (1, _) if limit == 0 => Test::Set,
            (_, true) => self.rng.pick(&[Test::Ne, Test::GtS, Test::GtU, Test::GeS]),
            (_, false) => self.rng.pick(&[
                Test::Ne,
                Test::LtU,
                Test::LtS,
                Test::LeU,
                Test::LtU,
                Test::LtS,
            ]),
        };
        if test != Test::Ne && test != Test::Set && self.rng.once_in(4) {
            limit = limit.wrapping_add(self.rng.below(8) as u32).wrapping_sub(4);
        }
        let before = self.rng.once_in(4);
        let mut course = Course {
            first,
            step,
            limit,
            test,
            before,
            trips: 0,
        };
        course.trips = course.count().unwrap_or(0);
        course
    }

    pub(super) fn loop_statement(&mut self, depth: u32) {
        let course = self.course();
        let counted = course.trips > 0;
        let trips = if counted {
            course.trips
        } else {
            self.rng.between(2, 20)
        };
        if !self.affords(self.times * trips * 20) {
            return self.assign();
        }
        let variable = self.local(Ty::I32);
        self.start(variable, course);
        let counter = (!counted).then(|| self.local(Ty::I32));
        if let Some(counter) = counter {
            self.emit(I::I32Const(trips as i32));
            self.emit(I::LocalSet(counter));
        }
        let mut bounds = Vec::new();
        bounds.extend(span(variable, course, trips));
        let pointers = self.pointers(&mut bounds, trips);
        let quiet = self.rng.once_in(3).then(|| self.local(Ty::I32));
        if let Some(quiet) = quiet {
            self.load(Ty::I32);
            self.emit(I::LocalSet(quiet));
        }
        let outside = self.times;
        self.times *= trips;
        self.loops.push(Variable {
            bounds,
            family: None,
            quiet,
        });
        if counted && self.rng.once_in(4) {
            self.tested_first(depth, variable, course, &pointers);
        } else {
            self.tested_last(depth, variable, course, &pointers, counter);
        }
        self.loops.pop();
        self.times = outside;
    }

    /// Sets the variable; not always as a constant that the compiler sees.
    fn start(&mut self, variable: u32, course: Course) {
        self.emit(I::I32Const(course.first as i32));
        if self.rng.once_in(4) {
            // Plus zero, but who knows that?
            self.never();
            self.emit(I::I32Add);
        }
        self.emit(I::LocalSet(variable));
    }

    /// Further variables that step along: locals and steps.
    fn pointers(&mut self, bounds: &mut Vec<Bounded>, trips: u64) -> Vec<(u32, u32)> {
        let mut all = Vec::new();
        while all.len() < 3 && self.rng.once_in(3) && !self.bounded.is_empty() {
            let from = self.bounded.clone();
            let from = self.rng.pick(&from);
            let step = self.rng.pick(&[1, 2, 4, 8, 16, 20]);
            let max = from.max + step * trips as u32;
            let local = self.local(Ty::I32);
            self.emit(I::LocalGet(from.local));
            self.emit(I::LocalSet(local));
            all.push((local, step));
            if max < 30_000 {
                bounds.push(Bounded {
                    local,
                    bias: from.bias,
                    max,
                });
            }
        }
        all
    }

    fn advance(&mut self, local: u32, step: u32) {
        self.emit(I::LocalGet(local));
        if self.rng.once_in(4) {
            self.emit(I::I32Const(step.wrapping_neg() as i32));
            self.emit(I::I32Sub);
        } else {
            self.emit(I::I32Const(step as i32));
            self.emit(I::I32Add);
        }
    }

    fn advance_all(&mut self, pointers: &[(u32, u32)]) {
        for (local, step) in pointers {
            self.advance(*local, *step);
            self.emit(I::LocalSet(*local));
        }
    }

    fn test(&mut self, course: Course) {
        if course.test == Test::Set {
            return;
        }
        self.emit(I::I32Const(course.limit as i32));
        self.emit(match course.test {
            Test::Ne => I::I32Ne,
            Test::LtU => I::I32LtU,
            Test::LtS => I::I32LtS,
            Test::LeU => I::I32LeU,
            Test::GtS => I::I32GtS,
            Test::GtU => I::I32GtU,
            Test::GeS | Test::Set => I::I32GeS,
        });
    }

    /// `loop { body; step; br_if }`, perhaps within a block that the body leaves.
    fn tested_last(
        &mut self,
        depth: u32,
        variable: u32,
        course: Course,
        pointers: &[(u32, u32)],
        counter: Option<u32>,
    ) {
        let wrapped = self.rng.once_in(2);
        if wrapped {
            self.emit(I::Block(BlockType::Empty));
            self.labels.push(Label { leaves: true });
        }
        let carried = self.rng.once_in(6).then(|| self.local(Ty::I64));
        self.emit(I::Loop(BlockType::Empty));
        self.labels.push(Label { leaves: false });
        let early = self.rng.once_in(8);
        if early {
            self.advance_all(pointers);
        }
        self.statements(depth + 1, 3);
        // A second way back to the start.
        if wrapped && counter.is_none() && self.rng.once_in(5) {
            self.second_latch(variable, course, pointers, early);
        }
        if !early {
            self.advance_all(pointers);
        }
        if let Some(carried) = carried {
            self.emit(I::LocalGet(carried));
            self.emit(I::LocalGet(variable));
            self.emit(I::I64ExtendI32U);
            self.emit(I::I64Add);
            self.emit(I::LocalSet(carried));
        }
        match (course.before, self.rng.once_in(2)) {
            (true, true) => {
                // The old value stays on the stack while the new one is made.
                self.emit(I::LocalGet(variable));
                self.test(course);
                self.advance(variable, course.step);
                self.emit(I::LocalSet(variable));
            }
            (true, false) => {
                let old = self.local(Ty::I32);
                self.emit(I::LocalGet(variable));
                self.emit(I::LocalSet(old));
                self.advance(variable, course.step);
                self.emit(I::LocalSet(variable));
                self.emit(I::LocalGet(old));
                self.test(course);
            }
            (false, _) => {
                self.advance(variable, course.step);
                self.emit(I::LocalTee(variable));
                self.test(course);
            }
        }
        if let Some(counter) = counter {
            self.emit(I::I32Const(0));
            self.emit(I::I32Ne);
            self.emit(I::LocalGet(counter));
            self.emit(I::I32Const(-1));
            self.emit(I::I32Add);
            self.emit(I::LocalTee(counter));
            self.emit(I::I32Const(0));
            self.emit(I::I32GtS);
            self.emit(I::I32And);
        }
        self.emit(I::BrIf(0));
        self.labels.pop();
        self.emit(I::End);
        if wrapped {
            self.labels.pop();
            self.emit(I::End);
        }
    }

    /// On a condition, steps and goes back, or leaves the block around where the loop ends.
    fn second_latch(
        &mut self,
        variable: u32,
        course: Course,
        pointers: &[(u32, u32)],
        early: bool,
    ) {
        self.condition();
        self.emit(I::If(BlockType::Empty));
        if !early {
            self.advance_all(pointers);
        }
        let old = self.local(Ty::I32);
        self.emit(I::LocalGet(variable));
        self.emit(I::LocalTee(old));
        self.emit(I::I32Const(course.step as i32));
        self.emit(I::I32Add);
        self.emit(I::LocalSet(variable));
        self.emit(I::LocalGet(if course.before { old } else { variable }));
        self.test(course);
        self.emit(I::BrIf(1));
        self.emit(I::Br(2));
        self.emit(I::End);
    }

    /// `block { loop { br_if out; body; step; br } }`: the trip count is that of the test before the body, which
    /// is at most one more.
    fn tested_first(&mut self, depth: u32, variable: u32, course: Course, pointers: &[(u32, u32)]) {
        self.emit(I::Block(BlockType::Empty));
        self.labels.push(Label { leaves: true });
        self.emit(I::Loop(BlockType::Empty));
        self.labels.push(Label { leaves: false });
        self.emit(I::LocalGet(variable));
        self.test(course);
        self.emit(I::I32Eqz);
        self.emit(I::BrIf(1));
        self.statements(depth + 1, 3);
        self.advance_all(pointers);
        self.advance(variable, course.step);
        self.emit(I::LocalSet(variable));
        self.emit(I::Br(0));
        self.labels.pop();
        self.emit(I::End);
        self.labels.pop();
        self.emit(I::End);
    }
}

/// The values of the variable as a small number plus a constant, one step beyond the last included.
fn span(local: u32, course: Course, trips: u64) -> Option<Bounded> {
    let way = course.step.wrapping_mul(trips as u32);
    let (low, length) = if (course.step as i32) < 0 {
        (course.first.wrapping_add(way), way.wrapping_neg())
    } else {
        (course.first, way)
    };
    (length < 30_000).then_some(Bounded {
        local,
        bias: low.wrapping_neg(),
        max: length,
    })
}
