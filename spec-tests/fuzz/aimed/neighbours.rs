//! Loops of one block that do the same to neighbouring places of arrays, as compilers leave them that have no
//! vectors or have unrolled them.
//!
//! Every round stores one to eight elements side by side, each a tree of operations ([`trees`](super::trees)) on
//! elements of other arrays at the same place or beside it. The arrays are known by pointers that move, by one
//! index and bases, or by constants alone. They lie apart, upon each other, or overlap by some bytes, and now and
//! then they reach over the end of memory, so that a round in the middle traps. What was loaded goes from round to
//! round in locals, beginning with what is in memory or with something else. Now and then one of the stores is
//! missing, displaced or stores something else than the others.
//!
//! Where the engines leave NaNs as the machine makes them ([`Shape::plain`](super::Shape)), what floats a loop has
//! stored is made comparable behind it, unless it may trap: then its numbers are such that there are no NaNs.

use wasm_encoder::{BlockType, Instruction as I, MemArg};

use super::Ty;
use super::body::Body;
use super::counted::Test;
use super::trees::{Carried, Tree};

/// Elements that every array has before the first place and behind the last.
const MARGIN: u64 = 2;

/// What an array holds, and as what the loop computes with it.
#[derive(Clone, Copy)]
pub(super) struct Element {
    pub(super) ty: Ty,
    /// The numbers of loads of that width, and of the store.
    pub(super) loads: &'static [usize],
    store: usize,
    pub(super) width: u64,
}

impl Element {
    const INTEGERS: [Element; 7] = [
        Element::new(Ty::I32, &[3, 4], 2, 1),
        Element::new(Ty::I32, &[5, 6], 3, 2),
        Element::new(Ty::I32, &[0], 0, 4),
        Element::new(Ty::I64, &[3, 4], 2, 1),
        Element::new(Ty::I64, &[5, 6], 3, 2),
        Element::new(Ty::I64, &[7, 8], 4, 4),
        Element::new(Ty::I64, &[0], 0, 8),
    ];
    const FLOATS: [Element; 2] = [
        Element::new(Ty::F32, &[0], 0, 4),
        Element::new(Ty::F64, &[0], 0, 8),
    ];

    const fn new(ty: Ty, loads: &'static [usize], store: usize, width: u64) -> Element {
        Element {
            ty,
            loads,
            store,
            width,
        }
    }

    pub(super) fn is_float(&self) -> bool {
        matches!(self.ty, Ty::F32 | Ty::F64)
    }
}

/// How a loop knows its places.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A pointer for each array.
    Pointers,
    /// Bases and an index, which is shifted by so much.
    Index(u32),
    /// The same with constant bases.
    Constants(u32),
}

/// Where an array begins: bytes behind the anchor, and a local that points there or is the base of it.
struct Array {
    from: u64,
    local: u32,
}

/// What of a loop is out of order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Odd {
    Nothing,
    Missing,
    Displaced,
    /// Another operation or constant.
    Other,
}

/// A loop that is being generated.
pub(super) struct Hood {
    pub(super) element: Element,
    memory: u32,
    trips: u64,
    /// Elements that a round stores to each array.
    pub(super) copies: u64,
    way: Way,
    index: u32,
    /// What the index is in the first round.
    first: i64,
    /// Where all this is: a local, and its value if it is constant.
    anchor: u32,
    known: u64,
    arrays: Vec<Array>,
    /// How many of them are stored to: the first ones.
    pub(super) stored: usize,
    /// Bytes from the anchor to the end of the last array.
    total: u64,
    /// So many of them are beyond the end of memory.
    beyond: Option<u64>,
    /// Floats that overlap by parts: only their signs may change.
    pub(super) uneven: bool,
    /// A pointer to a place that stays.
    pub(super) still: u32,
    /// Values from outside: one of the element's type, and a number of 32 bits.
    pub(super) outside: u32,
    pub(super) by: u32,
    pub(super) carried: Option<Carried>,
}

impl Hood {
    fn step(&self) -> u64 {
        self.copies * self.element.width
    }

    /// Bytes of an array.
    fn span(&self) -> u64 {
        self.trips.max(1) * self.step() + 2 * MARGIN * self.element.width
    }

    pub(super) fn traps(&self) -> bool {
        self.beyond.is_some()
    }

    pub(super) fn arrays(&self) -> usize {
        self.arrays.len()
    }
}

/// What the loop's end is told by.
struct Counter {
    local: u32,
    wide: bool,
    by: i64,
    test: Test,
    limit: i64,
    /// A local that holds the limit.
    held: Option<u32>,
    /// It is one of the variables that addresses are made of, and stepped with them.
    shared: bool,
}

impl Body<'_> {
    /// A loop over neighbours with what comes before it and behind it.
    pub(super) fn neighbours(&mut self) {
        let mut hood = self.hood();
        let rounds = hood.trips.max(1) * hood.copies;
        if !self.affords(self.times * rounds * 14) {
            return self.assign();
        }
        self.mark("loop over neighbours");
        if self.rng.once_in(3) {
            self.grow();
        }
        self.lay_out(&mut hood);
        self.outside_values(&mut hood);
        self.point(&mut hood);
        let trees: Vec<Tree> = (0..hood.stored)
            .map(|_| {
                let depth = self.rng.pick(&[1, 2, 2, 3]);
                self.tree(&hood, depth)
            })
            .collect();
        self.mark_neighbours(&hood, &trees);
        let guarded = hood.trips == 0 || self.rng.once_in(4);
        if guarded {
            self.emit(I::Block(BlockType::Empty));
            self.hidden(false, hood.trips);
            self.emit(I::I32Eqz);
            self.emit(I::BrIf(0));
        }
        let counter = self.counter(&hood);
        let outside = self.times;
        self.emit(I::Loop(BlockType::Empty));
        self.times *= hood.trips.max(1);
        self.stores(&hood, &trees);
        self.step_neighbours(&hood, &counter);
        self.times = outside;
        self.emit(I::End);
        if guarded {
            self.emit(I::End);
        }
        self.behind(&hood);
    }

    /// What the loop is to be, before anything is emitted.
    fn hood(&mut self) -> Hood {
        let floats = if self.shape.plain { 2 } else { 12 };
        let element = if self.rng.once_in(floats) {
            self.rng.pick(&Element::FLOATS)
        } else {
            self.rng.pick(&Element::INTEGERS)
        };
        let few = self.rng.pick(&[2, 4, 8, 16]) * self.rng.between(1, 8) + self.rng.below(3);
        let mut trips = if self.rng.once_in(3) {
            self.rng.below(131)
        } else {
            few - 1
        };
        let copies = self.rng.pick(&[1, 1, 1, 1, 2, 2, 3, 4, 4, 8]);
        if copies > 4 {
            trips = trips.min(60);
        }
        let shift = element.width.trailing_zeros();
        let way = match self.rng.below(8) {
            0..=2 => Way::Pointers,
            3 | 4 => Way::Index(0),
            5 => Way::Index(shift),
            6 => Way::Constants(0),
            _ => Way::Constants(shift),
        };
        let memory = if self.rng.once_in(10) {
            self.some_memory()
        } else {
            0
        };
        Hood {
            element,
            memory,
            trips,
            copies,
            way,
            index: 0,
            first: 0,
            anchor: 0,
            known: 0,
            arrays: Vec::new(),
            stored: self.rng.pick(&[1, 1, 1, 2]),
            total: 0,
            beyond: None,
            uneven: false,
            still: 0,
            outside: 0,
            by: 0,
            carried: None,
        }
    }

    /// Says where arrays are, relative to each other and to memory, and emits the anchor.
    fn lay_out(&mut self, hood: &mut Hood) {
        let (width, span) = (hood.element.width as i64, hood.span() as i64);
        let traps = self.rng.once_in(10);
        let numbers = self.shape.plain && hood.element.is_float();
        let mut all: Vec<i64> = vec![0];
        while all.len() < hood.stored + self.rng.pick(&[1, 1, 2]) {
            let other = self.rng.pick(&all);
            let low = all.iter().min().copied().unwrap_or(0);
            let high = all.iter().max().copied().unwrap_or(0);
            let gap = self.rng.pick(&[0, 0, 1, 2, 16]) * width;
            all.push(match self.rng.below(16) {
                0 | 1 if !(traps && numbers) => other,
                2 | 3 if !(traps && numbers) => {
                    self.mark("arrays of neighbours that overlap");
                    let most = 64 / width as u64;
                    other + width * (self.rng.below(2 * most + 1) as i64 - most as i64)
                }
                4 if !(traps && numbers) => {
                    self.mark("arrays of neighbours that overlap by parts");
                    hood.uneven = true;
                    other + self.rng.below(129) as i64 - 64
                }
                // Almost apart.
                5 if !(traps && numbers) => high + span - 4 * width,
                6..=9 => low - span - gap,
                _ => high + span + gap,
            });
        }
        let low = all.iter().min().copied().unwrap_or(0);
        let high = all.iter().max().copied().unwrap_or(0);
        hood.total = (high - low + span) as u64;
        hood.arrays = all
            .into_iter()
            .map(|at| Array {
                from: (at - low) as u64,
                local: 0,
            })
            .collect();
        hood.anchor = self.local(Ty::I32);
        if traps {
            self.before_memory_ends(hood, numbers);
        } else {
            hood.known = 0x1000 + (self.rng.next() & 0x3ff8);
            if self.rng.once_in(4) {
                hood.known += self.rng.below(8);
            }
            self.hidden(false, hood.known);
        }
        self.emit(I::LocalSet(hood.anchor));
    }

    /// Leaves an anchor from which the arrays reach over the end of memory, or just not.
    fn before_memory_ends(&mut self, hood: &mut Hood, numbers: bool) {
        self.mark("loop over neighbours to the end of memory");
        let most = (hood.trips * hood.step()).min(hood.total - 1);
        let beyond = self.rng.below(most + 1);
        hood.beyond = Some(beyond);
        let inside = hood.total - beyond;
        let shape = self.shape;
        let memory = &shape.memories[hood.memory as usize];
        if !numbers && self.rng.once_in(2) {
            hood.known = memory.pages * 65536 - inside;
            return self.hidden(false, hood.known);
        }
        if matches!(hood.way, Way::Constants(_)) {
            hood.way = Way::Index(0);
        }
        self.emit(I::MemorySize(hood.memory));
        if memory.wide {
            self.emit(I::I32WrapI64);
        }
        self.emit(I::I32Const(16));
        self.emit(I::I32Shl);
        self.emit(I::I32Const(inside as i32));
        self.emit(I::I32Sub);
    }

    /// Values that the loop does not change, and those that it begins with.
    fn outside_values(&mut self, hood: &mut Hood) {
        let element = hood.element;
        if element.is_float() && hood.traps() && self.shape.plain {
            self.numbers(hood);
        }
        let width = element.width;
        hood.still = self.local(Ty::I32);
        self.emit(I::LocalGet(hood.anchor));
        let array = self.rng.below(hood.arrays.len() as u64) as usize;
        let at = match self.rng.below(3) {
            0 => {
                // Often where the first or the last round is.
                let all = hood.span() / width;
                let any = self.rng.below(all);
                let element = self.rng.pick(&[any, 1, 2, 2, 2, 3, all - 3, all - 2]);
                let array = if self.rng.once_in(2) { 0 } else { array };
                hood.arrays[array].from + width * element
            }
            _ if hood.traps() => 0,
            _ => hood.total + 64,
        };
        let inside = hood.total - hood.beyond.unwrap_or(0);
        let at = if hood.traps() && at + width > inside {
            0
        } else {
            at
        };
        self.plus(false, at);
        self.emit(I::LocalSet(hood.still));
        hood.outside = self.local(element.ty);
        self.start_value(element.ty);
        self.emit(I::LocalSet(hood.outside));
        hood.by = self.local(Ty::I32);
        let by = self.rng.pick(&[0, 1, 3, 7, 8, 15, 31, 32, 33, 63, 64, 77]);
        self.hidden(false, by);
        self.emit(I::LocalSet(hood.by));
    }

    /// Leaves a value, no NaN.
    fn start_value(&mut self, ty: Ty) {
        match ty {
            Ty::F32 | Ty::F64 => {
                self.expr(Ty::I32, 1);
                self.emit(I::I32Const(0xff));
                self.emit(I::I32And);
                self.emit(if ty == Ty::F32 {
                    I::F32ConvertI32S
                } else {
                    I::F64ConvertI32S
                });
            }
            _ => self.expr(ty, 1),
        }
    }

    /// Pointers, bases and the index get their first values, and so does what goes from round to round.
    fn point(&mut self, hood: &mut Hood) {
        let (per, scale) = match hood.way {
            Way::Pointers => (0, 0),
            Way::Index(shift) | Way::Constants(shift) => (hood.step() >> shift, 1i64 << shift),
        };
        if matches!(hood.way, Way::Index(_)) {
            let all = (hood.trips * per) as i64;
            hood.first = self.rng.pick(&[0, 0, 0, 0, per as i64, 16, -all, -all]);
        }
        if hood.way != Way::Pointers {
            hood.index = self.local(Ty::I32);
            self.emit(I::I32Const(hood.first as i32));
            if !self.rng.once_in(if hood.first < 0 { 5 } else { 2 }) {
                self.disguise(false);
            }
            self.emit(I::LocalSet(hood.index));
        }
        for at in 0..hood.arrays.len() {
            let local = self.local(Ty::I32);
            self.emit(I::LocalGet(hood.anchor));
            let from = (hood.arrays[at].from as i64 - hood.first * scale) as u32;
            self.plus(false, u64::from(from));
            self.emit(I::LocalSet(local));
            hood.arrays[at].local = local;
        }
        if !hood.uneven && self.rng.once_in(3) {
            self.begin_carried(hood);
        }
    }

    /// Values of earlier rounds, as they are in memory before the first round or as they are not.
    fn begin_carried(&mut self, hood: &mut Hood) {
        let array = if self.rng.once_in(6) {
            0
        } else {
            hood.stored + self.rng.below((hood.arrays.len() - hood.stored) as u64) as usize
        };
        let ty = hood.element.ty;
        let delta = self.rng.pick(&[0, 1, 1]);
        let ago = self.rng.pick(&[1, 1, 2]);
        let load = self.rng.pick(hood.element.loads);
        let before: Vec<u32> = (0..ago).map(|_| self.local(ty)).collect();
        let now = (0..hood.copies).map(|_| self.local(ty)).collect();
        let from_memory = !self.rng.once_in(4);
        for (at, local) in before.iter().enumerate() {
            if from_memory {
                let place = self.spot_of(hood, array, delta - 1 - at as i64);
                self.emit_load(ty, load, place);
            } else {
                self.start_value(ty);
            }
            self.emit(I::LocalSet(*local));
        }
        self.mark(match from_memory {
            true => "neighbours that go from round to round",
            false => "neighbours from round to round, first ones not from memory",
        });
        if from_memory && self.rng.once_in(6) && !hood.traps() {
            // No longer what is in memory.
            let place = self.spot_of(hood, array, delta - 1);
            self.start_value(ty);
            self.emit_store(ty, hood.element.store, place);
        }
        hood.carried = Some(Carried {
            array,
            delta,
            load,
            before,
            now,
        });
    }

    /// Leaves the address of an element, counted from the first that the round stores.
    pub(super) fn spot_of(&mut self, hood: &Hood, array: usize, element: i64) -> MemArg {
        let width = hood.element.width;
        let mut offset = (element + MARGIN as i64) as u64 * width;
        let base = &hood.arrays[array];
        let shift = match hood.way {
            Way::Pointers => 0,
            Way::Index(shift) | Way::Constants(shift) => shift,
        };
        let index = |body: &mut Self| {
            body.emit(I::LocalGet(hood.index));
            if shift > 0 {
                body.emit(I::I32Const(shift as i32));
                body.emit(I::I32Shl);
            }
        };
        match hood.way {
            Way::Pointers => self.emit(I::LocalGet(base.local)),
            Way::Index(_) => {
                let first = array.is_multiple_of(2);
                if first {
                    index(self);
                }
                self.emit(I::LocalGet(base.local));
                if !first {
                    index(self);
                }
                self.emit(I::I32Add);
            }
            Way::Constants(_) => {
                index(self);
                offset += hood.known + base.from;
            }
        }
        if self.rng.once_in(12) {
            let part = self.rng.below(offset + 1);
            self.plus(false, part);
            offset -= part;
        }
        self.extend(hood.memory);
        self.memarg(hood.memory, offset, width as u32)
    }

    /// Leaves what is at the place that stays.
    pub(super) fn still(&mut self, hood: &Hood) {
        self.emit(I::LocalGet(hood.still));
        self.extend(hood.memory);
        let at = self.memarg(hood.memory, 0, hood.element.width as u32);
        self.emit_load(hood.element.ty, hood.element.loads[0], at);
    }

    /// The stores of a round.
    fn stores(&mut self, hood: &Hood, trees: &[Tree]) {
        let mut odd = Odd::Nothing;
        if self.rng.once_in(12) {
            self.mark("loop over neighbours, one out of order");
            odd = self.rng.pick(&[Odd::Missing, Odd::Displaced, Odd::Other]);
        }
        let which = self.rng.below(hood.copies);
        // All that is stored before any of it, or each when it is known.
        let ahead = self.rng.once_in(5);
        let mut ready = Vec::new();
        for copy in 0..hood.copies {
            self.load_carried(hood, copy);
            for (array, tree) in trees.iter().enumerate() {
                let odd = if copy == which && array == 0 {
                    odd
                } else {
                    Odd::Nothing
                };
                let by = i64::from(odd == Odd::Displaced);
                if odd == Odd::Missing {
                    continue;
                }
                if ahead {
                    self.emit_tree(hood, tree, copy);
                    let local = self.local(hood.element.ty);
                    self.emit(I::LocalSet(local));
                    ready.push((array, copy as i64 + by, local));
                    continue;
                }
                let at = self.spot_of(hood, array, copy as i64 + by);
                if odd == Odd::Other {
                    let other = self.tree(hood, 2);
                    self.emit_tree(hood, &other, copy);
                } else {
                    self.emit_tree(hood, tree, copy);
                }
                self.emit_store(hood.element.ty, hood.element.store, at);
            }
        }
        for (array, element, local) in ready {
            let at = self.spot_of(hood, array, element);
            self.emit(I::LocalGet(local));
            self.emit_store(hood.element.ty, hood.element.store, at);
        }
        self.hand_on(hood);
    }

    /// How the loop counts; emits the first value and the limit.
    fn counter(&mut self, hood: &Hood) -> Counter {
        let trips = hood.trips.max(1) as i64;
        let step = hood.step() as i64;
        let choice = self.rng.below(8);
        let (by, first, local) = match (hood.way, choice) {
            (Way::Pointers, 0..=2) => (step, None, Some(hood.arrays[0].local)),
            (Way::Index(shift) | Way::Constants(shift), 0..=4) => {
                (step >> shift, Some(hood.first), Some(hood.index))
            }
            _ => {
                let by = self.rng.pick(&[1, 1, hood.copies as i64, step]);
                let down = self.rng.pick(&[true, true, false]);
                (if down { -by } else { by }, Some(0), None)
            }
        };
        let shared = local.is_some();
        let wide = !shared && self.rng.once_in(5);
        let slack = |body: &mut Self| body.rng.below(by.unsigned_abs()) as i64;
        let down = by < 0;
        let test = match (down, first.unwrap_or(1) < 0) {
            (true, _) => self.rng.pick(&[Test::Ne, Test::Ne, Test::GtS, Test::GtU]),
            (_, true) => self.rng.pick(&[Test::Ne, Test::LtS]),
            _ => self.rng.pick(&[Test::Ne, Test::Ne, Test::LtS, Test::LtU]),
        };
        // A step that goes below zero is above everything without a sign.
        let off = match test {
            Test::Ne | Test::GtU => 0,
            _ => slack(self),
        };
        let local = local.unwrap_or_else(|| self.local(if wide { Ty::I64 } else { Ty::I32 }));
        if !shared {
            let first = if down { -trips * by - off } else { 0 };
            self.start_count(wide, first);
            self.emit(I::LocalSet(local));
        }
        let limit = match (down, first) {
            (true, _) => 0,
            (_, Some(first)) => first + trips * by - off,
            (_, None) => hood.arrays[0].from as i64 + trips * by - off,
        };
        let mut held = None;
        if first.is_none() || limit != 0 && !self.rng.once_in(10) {
            let at = self.local(if wide { Ty::I64 } else { Ty::I32 });
            if first.is_none() {
                self.emit(I::LocalGet(hood.anchor));
                self.plus(false, u64::from(limit as u32));
            } else {
                self.start_count(wide, limit);
            }
            self.emit(I::LocalSet(at));
            held = Some(at);
        }
        Counter {
            local,
            wide,
            by,
            test,
            limit,
            held,
            shared,
        }
    }

    /// Leaves a first value or a limit; seldom so that the compiler knows it.
    fn start_count(&mut self, wide: bool, value: i64) {
        self.emit(match wide {
            true => I::I64Const(value),
            false => I::I32Const(value as i32),
        });
        if value != 0 && !self.rng.once_in(8) {
            self.disguise(wide);
        }
    }

    /// Everything moves on, and the loop goes on or not.
    fn step_neighbours(&mut self, hood: &Hood, counter: &Counter) {
        let move_on = |body: &mut Self, local: u32, wide: bool, by: i64| {
            body.emit(I::LocalGet(local));
            body.plus(wide, by as u64);
            body.emit(I::LocalSet(local));
        };
        match hood.way {
            Way::Pointers => {
                for array in &hood.arrays {
                    move_on(self, array.local, false, hood.step() as i64);
                }
            }
            Way::Index(shift) | Way::Constants(shift) => {
                move_on(self, hood.index, false, (hood.step() >> shift) as i64);
            }
        }
        if !counter.shared {
            move_on(self, counter.local, counter.wide, counter.by);
        }
        self.emit(I::LocalGet(counter.local));
        if counter.held.is_none() && counter.limit == 0 && counter.test == Test::Ne && !counter.wide
        {
            return self.emit(I::BrIf(0));
        }
        self.emit(match (counter.held, counter.wide) {
            (Some(local), _) => I::LocalGet(local),
            (None, true) => I::I64Const(counter.limit),
            (None, false) => I::I32Const(counter.limit as i32),
        });
        self.emit(counter.test.emitted(counter.wide));
        self.emit(I::BrIf(0));
    }

    /// What the loop leaves is seen, and is the same for both engines.
    fn behind(&mut self, hood: &Hood) {
        if hood.element.is_float() && self.shape.plain && !hood.uneven && !hood.traps() {
            for array in 0..hood.stored {
                self.make_canonical(hood, hood.arrays[array].from);
            }
        }
        let mut seen: Vec<(Ty, u32)> = Vec::new();
        match hood.way {
            Way::Pointers => seen.extend(hood.arrays.iter().map(|array| (Ty::I32, array.local))),
            _ => seen.push((Ty::I32, hood.index)),
        }
        // A float may be a NaN of a loop that was not made comparable.
        if let Some(carried) = hood.carried.as_ref().filter(|_| !hood.element.is_float()) {
            seen.extend(carried.before.iter().map(|local| (hood.element.ty, *local)));
        }
        for (at, (ty, local)) in seen.into_iter().enumerate() {
            if self.rng.once_in(2) {
                self.emit(I::I32Const(0x800 + 8 * at as i32));
                self.extend(hood.memory);
                self.emit(I::LocalGet(local));
                let at = self.memarg(hood.memory, 0, 4);
                self.emit_store(ty, 0, at);
            }
        }
    }

    /// Makes all NaNs of an array the canonical one.
    fn make_canonical(&mut self, hood: &Hood, from: u64) {
        let narrow = hood.element.ty == Ty::F32;
        let value = self.local(hood.element.ty);
        self.each(hood, from, hood.span() / hood.element.width, |body, p| {
            let at = |body: &mut Self| body.memarg(hood.memory, 0, 4);
            body.emit(I::LocalGet(p));
            body.extend(hood.memory);
            let place = at(body);
            body.emit_load(hood.element.ty, 0, place);
            body.emit(I::LocalTee(value));
            body.emit(I::LocalGet(value));
            body.emit(if narrow { I::F32Ne } else { I::F64Ne });
            body.emit(I::If(BlockType::Empty));
            body.emit(I::LocalGet(p));
            body.extend(hood.memory);
            body.emit(match narrow {
                true => I::F32Const(f32::from_bits(0x7fc0_0000).into()),
                false => I::F64Const(f64::from_bits(0x7ff8 << 48).into()),
            });
            let place = at(body);
            body.emit_store(hood.element.ty, 0, place);
            body.emit(I::End);
        });
    }

    /// Fills what is inside the memory with whole numbers.
    fn numbers(&mut self, hood: &Hood) {
        let inside = hood.total - hood.beyond.unwrap_or(0);
        let narrow = hood.element.ty == Ty::F32;
        self.each(hood, 0, inside / hood.element.width, |body, p| {
            body.emit(I::LocalGet(p));
            body.extend(hood.memory);
            body.emit(I::LocalGet(p));
            body.extend(hood.memory);
            let at = body.memarg(hood.memory, 0, 1);
            body.emit(I::I32Load8S(at));
            body.emit(if narrow {
                I::F32ConvertI32S
            } else {
                I::F64ConvertI32S
            });
            let at = body.memarg(hood.memory, 0, 4);
            body.emit_store(hood.element.ty, 0, at);
        });
    }

    /// A loop that does `work` with a pointer to each of so many elements, if there are any.
    fn each(&mut self, hood: &Hood, from: u64, many: u64, work: impl Fn(&mut Self, u32)) {
        if many == 0 {
            return;
        }
        let (p, left) = (self.local(Ty::I32), self.local(Ty::I32));
        self.emit(I::LocalGet(hood.anchor));
        self.plus(false, from);
        self.emit(I::LocalSet(p));
        self.emit(I::I32Const(many as i32));
        self.emit(I::LocalSet(left));
        self.emit(I::Loop(BlockType::Empty));
        let outside = self.times;
        self.times *= many;
        work(self, p);
        for (local, by) in [(p, hood.element.width), (left, u64::MAX)] {
            self.emit(I::LocalGet(local));
            self.emit(I::I32Const(by as i32));
            self.emit(I::I32Add);
            self.emit(I::LocalSet(local));
        }
        self.emit(I::LocalGet(left));
        self.emit(I::BrIf(0));
        self.times = outside;
        self.emit(I::End);
    }

    fn mark_neighbours(&mut self, hood: &Hood, trees: &[Tree]) {
        if hood.element.is_float() {
            self.mark("loop over neighbouring floats");
        }
        if hood.element.width < 4 {
            self.mark("loop over neighbours of a byte or two");
        }
        if hood.copies > 1 {
            self.mark("loop over neighbours, unrolled");
        }
        if trees.iter().any(Tree::looks_beside) {
            self.mark("loop over neighbours that looks beside");
        }
    }
}
