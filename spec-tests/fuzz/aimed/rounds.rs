//! What a kernel does in each round.
//!
//! Loads of a place that stays, between stores that may come by; choices by `select` and by branching, on
//! conditions that alternate, never change or follow from memory; the smaller and the larger; globals around calls
//! that change them; traps in a certain round; ways out in the middle; more values than there are registers; steps
//! chosen by what was loaded, bytes that go from round to round, and long tables of few labels.

use wasm_encoder::{BlockType, Instruction as I, MemArg};

use super::Ty;
use super::body::{Body, Label};
use super::kernels::{Kernel, ROOM};

impl Body<'_> {
    pub(super) fn round(&mut self, kernel: &Kernel) {
        match self.rng.below(38) {
            0..=3 => self.add_up(kernel),
            4..=6 => self.put(kernel),
            7..=9 => self.stays_or_moves(kernel),
            10 | 11 => self.twice(kernel),
            12..=14 => self.selects(kernel),
            15 | 16 => self.extremes(kernel),
            17 | 18 => self.branches(kernel),
            19 if self.shape.floats => self.float_constants(kernel),
            19..=21 => self.globals(kernel.trips),
            22 => self.between(kernel),
            23 | 24 => self.way_out(kernel),
            25 if self.rng.once_in(2) => self.trap_in_round(kernel),
            26 => self.widths(kernel),
            27..=29 => self.chosen_step(kernel),
            30..=32 => self.byte_compare(kernel),
            33 | 34 => self.long_switch(kernel),
            _ => self.step_sum(kernel),
        }
    }

    /// Leaves an address within the kernel's reach.
    fn place(&mut self, kernel: &Kernel, fixed: bool, width: u32) -> MemArg {
        let near = [0, 0, 0, 1, 2, 4, 8, 16, u64::from(kernel.stride.min(16))];
        let offset = self.rng.pick(&near);
        match kernel.small {
            // The variable as an index.
            Some(most) if !fixed && self.rng.once_in(2) => {
                let scale = self.rng.pick(&[0, 1, 2, 3]);
                self.emit(I::LocalGet(kernel.variable));
                if kernel.wide {
                    self.emit(I::I32WrapI64);
                }
                if scale > 0 && most << scale < ROOM {
                    self.emit(I::I32Const(scale));
                    self.emit(I::I32Shl);
                }
                if self.rng.once_in(2) {
                    self.emit(I::LocalGet(kernel.fixed));
                    self.emit(I::I32Add);
                }
            }
            _ if fixed => self.emit(I::LocalGet(kernel.fixed)),
            _ => self.emit(I::LocalGet(kernel.moving)),
        }
        if self.rng.once_in(5) {
            let more = self.rng.pick(&[1, 4, 8, 100]);
            self.emit(I::I32Const(more));
            self.emit(I::I32Add);
        }
        if self.rng.once_in(250) {
            // Below zero: an index near 4 GiB.
            self.mark("index near 4 GiB");
            self.emit(I::I32Const(ROOM as i32));
            self.emit(I::I32Sub);
        }
        let memory = self.memory_of(kernel);
        self.extend(memory);
        self.memarg(memory, offset, width)
    }

    /// Mostly the kernel's memory; another one may be the same under another index.
    fn memory_of(&mut self, kernel: &Kernel) -> u32 {
        if self.rng.once_in(6) {
            self.some_memory()
        } else {
            kernel.memory
        }
    }

    fn load_at(&mut self, kernel: &Kernel, fixed: bool, ty: Ty) {
        let (which, width) = self.load_of(ty);
        let at = self.place(kernel, fixed, width);
        self.emit_load(ty, which, at);
    }

    fn store_at(&mut self, kernel: &Kernel, fixed: bool, ty: Ty, value: impl FnOnce(&mut Self)) {
        let (which, width) = self.store_of(ty);
        let at = self.place(kernel, fixed, width);
        value(self);
        self.emit_store(ty, which, at);
    }

    /// A sum, of a type of its own.
    fn sum_of(&mut self, kernel: &Kernel) -> (Ty, u32) {
        self.rng.pick(&kernel.sums)
    }

    fn add_up(&mut self, kernel: &Kernel) {
        let (ty, sum) = self.sum_of(kernel);
        self.emit(I::LocalGet(sum));
        let fixed = self.rng.once_in(2);
        self.load_at(kernel, fixed, ty);
        self.combine(ty);
        self.emit(I::LocalSet(sum));
    }

    fn put(&mut self, kernel: &Kernel) {
        let (ty, sum) = self.sum_of(kernel);
        let fixed = self.rng.once_in(3);
        self.store_at(kernel, fixed, ty, |body| match body.rng.below(3) {
            0 => body.expr(ty, 1),
            _ => body.emit(I::LocalGet(sum)),
        });
    }

    /// A load of what stays, and a store that may change it.
    fn stays_or_moves(&mut self, kernel: &Kernel) {
        self.mark("load of a fixed place, store of a moving one");
        let (ty, sum) = self.sum_of(kernel);
        let stores_first = self.rng.once_in(2);
        let store = |body: &mut Self| {
            let other = if body.rng.once_in(2) {
                ty
            } else {
                body.some_type()
            };
            let own = kernel.sums.iter().find(|(known, _)| *known == other);
            body.store_at(kernel, false, other, |body| match own {
                Some((_, sum)) => body.emit(I::LocalGet(*sum)),
                None => body.expr(other, 1),
            });
        };
        if stores_first {
            store(self);
        }
        self.emit(I::LocalGet(sum));
        self.load_at(kernel, true, ty);
        self.combine(ty);
        self.emit(I::LocalSet(sum));
        if !stores_first {
            store(self);
        }
        if self.rng.once_in(4) {
            self.between(kernel);
        }
    }

    /// Two stores to one place, or two loads of it, with what may lie between.
    fn twice(&mut self, kernel: &Kernel) {
        let (ty, sum) = self.sum_of(kernel);
        let fixed = self.rng.once_in(2);
        let loads = self.rng.once_in(2);
        self.mark(if loads {
            "two loads of one place in a round"
        } else {
            "two stores of one place in a round"
        });
        let (which, width) = if loads {
            self.load_of(ty)
        } else {
            self.store_of(ty)
        };
        let offset = self.rng.pick(&[0, 0, 4]);
        for again in [false, true] {
            let local = if fixed { kernel.fixed } else { kernel.moving };
            let memory = self.memory_of(kernel);
            if loads {
                self.emit(I::LocalGet(sum));
            }
            self.emit(I::LocalGet(local));
            self.extend(memory);
            if loads {
                let at = self.memarg(memory, offset, width);
                self.emit_load(ty, which, at);
                self.combine(ty);
                self.emit(I::LocalSet(sum));
            } else {
                if again {
                    self.emit(I::LocalGet(sum));
                } else {
                    self.expr(ty, 1);
                }
                let at = self.memarg(memory, offset, width);
                self.emit_store(ty, which, at);
            }
            if !again {
                match self.rng.below(5) {
                    0 => self.put(kernel),
                    1 => self.add_up(kernel),
                    2 => self.between(kernel),
                    3 if self.rng.once_in(4) => self.trap_in_round(kernel),
                    _ => {}
                }
            }
        }
    }

    /// A condition of one of the sorts that branches predict well or badly.
    fn round_condition(&mut self, kernel: &Kernel) {
        match self.rng.below(8) {
            0 | 1 => {
                self.mark("condition that alternates");
                let (bits, by) = self.rng.pick(&[(1, 0), (1, 0), (1, 1), (2, 0), (3, 0)]);
                self.emit(I::LocalGet(kernel.variable));
                if kernel.wide {
                    self.emit(I::I32WrapI64);
                }
                if by > 0 {
                    self.emit(I::I32Const(by));
                    self.emit(I::I32ShrU);
                }
                self.emit(I::I32Const(bits));
                self.emit(I::I32And);
            }
            2 => {
                self.mark("condition that is always the same");
                self.never();
                if self.rng.once_in(2) {
                    self.emit(I::I32Eqz);
                }
            }
            3 => {
                self.load_at(kernel, false, Ty::I32);
                self.emit(I::I32Const(1));
                self.emit(I::I32And);
            }
            4 | 5 => {
                self.mark("condition on loaded values");
                let fixed = self.rng.once_in(2);
                self.load_at(kernel, false, Ty::I32);
                self.load_at(kernel, fixed, Ty::I32);
                self.compare32();
            }
            6 if self.shape.floats => {
                self.load_at(kernel, false, Ty::F64);
                self.expr(Ty::F64, 1);
                self.compare_float();
            }
            _ => self.condition(),
        }
    }

    fn compare_float(&mut self) {
        let op = self.rng.below(6) as usize;
        self.emit([I::F64Eq, I::F64Ne, I::F64Lt, I::F64Gt, I::F64Le, I::F64Ge][op].clone());
    }

    /// One to three choices by `select`, of what was loaded or computed.
    fn selects(&mut self, kernel: &Kernel) {
        let (ty, sum) = self.sum_of(kernel);
        let chain = self.rng.between(1, 3);
        self.mark(match (ty, chain) {
            (Ty::F32 | Ty::F64, _) => "select of floats",
            (_, 1) => "select",
            _ => "chain of selects",
        });
        let choice = |body: &mut Self| match body.rng.below(4) {
            0 => body.emit(I::LocalGet(sum)),
            1 => body.expr(ty, 1),
            _ => {
                let fixed = body.rng.once_in(3);
                body.load_at(kernel, fixed, ty);
            }
        };
        choice(self);
        for _ in 0..chain {
            choice(self);
            self.round_condition(kernel);
            self.emit(I::Select);
        }
        if self.rng.once_in(2) {
            self.emit(I::LocalGet(sum));
            self.combine(ty);
        }
        self.emit(I::LocalSet(sum));
    }

    /// The smaller or the larger of two, which a choice after a comparison gives, or nearly so.
    fn extremes(&mut self, kernel: &Kernel) {
        self.mark("the smaller or the larger");
        let all: Vec<(Ty, u32)> = kernel
            .sums
            .iter()
            .copied()
            .filter(|(ty, _)| matches!(ty, Ty::I32 | Ty::I64 | Ty::F64))
            .collect();
        if all.is_empty() {
            return self.add_up(kernel);
        }
        let (ty, sum) = self.rng.pick(&all);
        let bound = self.local(ty);
        let fixed = self.rng.once_in(3);
        self.load_at(kernel, fixed, ty);
        self.emit(I::LocalSet(bound));
        // Which one is chosen is drawn: all four are found in programs, and all but two are no extreme.
        for local in [sum, bound] {
            self.emit(I::LocalGet(local));
        }
        let (a, b) = if self.rng.once_in(2) {
            (sum, bound)
        } else {
            (bound, sum)
        };
        self.emit(I::LocalGet(a));
        self.emit(I::LocalGet(b));
        match ty {
            Ty::I32 => self.compare32(),
            Ty::I64 => self.compare64(),
            _ => self.compare_float(),
        }
        self.emit(I::Select);
        self.emit(I::LocalSet(sum));
    }

    /// Branching instead of a choice; either side may store.
    fn branches(&mut self, kernel: &Kernel) {
        self.mark("branch in a round");
        self.round_condition(kernel);
        self.emit(I::If(BlockType::Empty));
        self.labels.push(Label { leaves: true });
        self.side(kernel);
        if self.rng.once_in(2) {
            self.emit(I::Else);
            self.side(kernel);
        }
        self.labels.pop();
        self.emit(I::End);
    }

    fn side(&mut self, kernel: &Kernel) {
        match self.rng.below(8) {
            0 | 1 => self.put(kernel),
            2 | 3 => self.add_up(kernel),
            4 => self.way_out(kernel),
            5 => self.selects(kernel),
            _ => self.step_sum(kernel),
        }
    }

    /// `sum = sum op variable`, or another value.
    fn step_sum(&mut self, kernel: &Kernel) {
        let (ty, sum) = self.sum_of(kernel);
        self.emit(I::LocalGet(sum));
        match (ty, kernel.wide) {
            (Ty::I32, false) | (Ty::I64, true) => self.emit(I::LocalGet(kernel.variable)),
            (Ty::I32, true) => {
                self.emit(I::LocalGet(kernel.variable));
                self.emit(I::I32WrapI64);
            }
            (Ty::I64, false) => {
                self.emit(I::LocalGet(kernel.variable));
                let signed = self.rng.once_in(2);
                self.emit(if signed {
                    I::I64ExtendI32S
                } else {
                    I::I64ExtendI32U
                });
            }
            _ => self.expr(ty, 1),
        }
        self.combine(ty);
        self.emit(I::LocalSet(sum));
    }

    /// Constants that are close: the same again, of the other sign, different in the last bit.
    fn float_constants(&mut self, kernel: &Kernel) {
        self.mark("float constants in a round");
        let mut own = kernel.sums.iter().copied();
        let own = own.rfind(|(ty, _)| matches!(ty, Ty::F32 | Ty::F64));
        let (ty, sum) = own.unwrap_or_else(|| (Ty::F64, self.local(Ty::F64)));
        let number = self
            .rng
            .pick(&[1.0, 1.5, 0.1, -2.0, 0.0, 1e-310, f64::INFINITY, 3.0]);
        let other = match self.rng.below(4) {
            0 => number,
            1 => -number,
            2 => f64::from_bits(number.to_bits() ^ 1),
            _ => 2.5,
        };
        let constant = |number: f64| match ty {
            Ty::F32 => I::F32Const((number as f32).into()),
            _ => I::F64Const(number.into()),
        };
        let narrow = ty == Ty::F32;
        if self.rng.once_in(2) {
            self.emit(constant(number));
            self.emit(constant(other));
            self.round_condition(kernel);
            self.emit(I::Select);
        } else {
            self.emit(I::LocalGet(sum));
            self.emit(constant(number));
            self.emit(if narrow { I::F32Mul } else { I::F64Mul });
            self.emit(constant(other));
            self.emit(if narrow { I::F32Add } else { I::F64Add });
        }
        self.emit(I::LocalGet(sum));
        self.emit(if narrow { I::F32Sub } else { I::F64Sub });
        self.emit(I::LocalSet(sum));
        self.store_at(kernel, false, ty, |body| body.emit(I::LocalGet(sum)));
    }

    /// What may change memory, its size, a table or globals.
    fn between(&mut self, kernel: &Kernel) {
        match self.rng.below(6) {
            0..=2 => {
                self.mark("call, growth or global between accesses");
                self.between_accesses();
            }
            3 => self.table(),
            _ => self.bulk_at(kernel),
        }
    }

    /// A fill or a copy over what the kernel reads and writes.
    fn bulk_at(&mut self, kernel: &Kernel) {
        self.mark("fill or copy in a round");
        let length = self.rng.pick(&[1, 4, 8, 16, 19]);
        let memory = kernel.memory;
        let wide = self.shape.memories[memory as usize].wide;
        self.emit(I::LocalGet(kernel.fixed));
        self.extend(memory);
        let fill = self.rng.once_in(2);
        if fill {
            self.expr(Ty::I32, 1);
        } else {
            self.emit(I::LocalGet(kernel.moving));
            self.extend(memory);
        }
        self.whole(wide, length);
        self.emit(if fill {
            I::MemoryFill(memory)
        } else {
            I::MemoryCopy {
                src_mem: memory,
                dst_mem: memory,
            }
        });
    }

    /// Leaves the loop, perhaps with a store on the way; the way that stays in it comes first or second.
    fn way_out(&mut self, kernel: &Kernel) {
        self.mark("way out in the middle");
        let to = (self.labels.len() - 1 - kernel.out) as u32;
        if self.rng.once_in(3) {
            self.mark("way on before the way out");
            self.emit(I::Block(BlockType::Empty));
            self.labels.push(Label { leaves: true });
            self.round_condition(kernel);
            self.emit(I::BrIf(0));
            if self.rng.once_in(2) {
                self.put(kernel);
            }
            self.labels.pop();
            self.emit(I::Br(to + 1));
            return self.emit(I::End);
        }
        self.round_condition(kernel);
        if self.rng.once_in(2) {
            // A condition that holds less often.
            self.round_condition(kernel);
            self.emit(I::I32And);
        }
        if self.rng.once_in(3) {
            self.emit(I::If(BlockType::Empty));
            self.labels.push(Label { leaves: true });
            self.put(kernel);
            self.labels.pop();
            self.emit(I::Br(to + 1));
            return self.emit(I::End);
        }
        self.emit(I::BrIf(to));
    }

    /// The next round depends on a choice: by how much a sum grows, or how far the moving address moves.
    fn chosen_step(&mut self, kernel: &Kernel) {
        let own = kernel.sums.iter().copied();
        let mut own = own.filter(|(ty, _)| matches!(ty, Ty::I32 | Ty::I64));
        let (ty, sum) = match own.next() {
            Some(own) if !self.rng.once_in(3) => own,
            _ => (Ty::I32, kernel.moving),
        };
        self.mark("step chosen by what was loaded");
        let wide = ty == Ty::I64;
        let moves = sum == kernel.moving;
        self.emit(I::LocalGet(sum));
        for _ in 0..2 {
            if moves || self.rng.once_in(2) {
                let step = self.rng.pick(&[0, 1, 2, 3, 8]);
                self.whole(wide, step);
            } else {
                self.expr(ty, 1);
            }
        }
        self.byte_test(kernel);
        self.emit(I::Select);
        self.emit(if wide { I::I64Add } else { I::I32Add });
        self.emit(I::LocalSet(sum));
    }

    /// Leaves whether something narrow, just loaded, is or is not a constant.
    fn byte_test(&mut self, kernel: &Kernel) {
        let fixed = self.rng.once_in(4);
        self.narrow_load(kernel, fixed);
        if self.rng.once_in(3) {
            let mask = self.rng.pick(&[1, 3, 0x7f, 0xff]);
            self.emit(I::I32Const(mask));
            self.emit(I::I32And);
        }
        let constant = self.rng.pick(&[0, 0, 1, 2, 0x5c, 0x7f, 0xff]);
        self.emit(I::I32Const(constant));
        let equal = self.rng.once_in(2);
        self.emit(if equal { I::I32Eq } else { I::I32Ne });
    }

    fn narrow_load(&mut self, kernel: &Kernel, fixed: bool) {
        let which = self.rng.pick(&[3, 4, 4, 4, 5, 6]);
        let at = self.place(kernel, fixed, if which < 5 { 1 } else { 2 });
        self.emit_load(Ty::I32, which, at);
    }

    /// A byte, or what may be one, goes from round to round and is compared with constants.
    fn byte_compare(&mut self, kernel: &Kernel) {
        self.mark("narrow values from round to round");
        let byte = kernel.byte;
        self.emit(I::LocalGet(byte));
        if self.rng.once_in(2) {
            let mask = self.rng.pick(&[0xff, 0xff, 0x7f, 0xfe, 0x1ff, 0xffff]);
            self.emit(I::I32Const(mask));
            self.emit(I::I32And);
        }
        match self.rng.below(5) {
            0 => self.emit(I::I32Extend8S),
            1 => self.emit(I::I32Extend16S),
            _ => {}
        }
        let constant = self.rng.pick(&[
            0, 1, 0x41, 0x7f, 0x80, 0xff, 0x100, 0x141, -1, -128, -129, 0x7fff, 0xffff,
        ]);
        self.emit(I::I32Const(constant));
        self.compare32();
        if self.rng.once_in(2) {
            self.emit(I::If(BlockType::Empty));
            self.labels.push(Label { leaves: true });
            self.side(kernel);
            self.labels.pop();
            self.emit(I::End);
        } else {
            let (ty, sum) = self.sum_of(kernel);
            let other = self.local(ty);
            self.emit(I::LocalSet(byte));
            self.emit(I::LocalGet(sum));
            self.expr(ty, 1);
            self.emit(I::LocalGet(byte));
            self.emit(I::Select);
            self.emit(I::LocalTee(other));
            self.emit(I::LocalSet(sum));
        }
        match self.rng.below(6) {
            0 => {
                // A sum of two bytes is none.
                self.emit(I::LocalGet(byte));
                self.narrow_load(kernel, false);
                self.emit(I::I32Add);
                if self.rng.once_in(2) {
                    self.emit(I::I32Const(0xff));
                    self.emit(I::I32And);
                }
            }
            1 => self.expr(Ty::I32, 1),
            _ => self.narrow_load(kernel, false),
        }
        self.emit(I::LocalSet(byte));
    }

    /// A long `br_table` to few labels.
    fn long_switch(&mut self, kernel: &Kernel) {
        self.mark("long br_table to few labels");
        let entries = self.rng.pick(&[1, 4, 8, 31, 32, 33, 63, 64, 65, 130]);
        let out = (self.labels.len() + 1 - kernel.out) as u32;
        let few: &[u32] = if self.rng.once_in(4) {
            &[0, 1, 1, out]
        } else {
            &[0, 0, 1]
        };
        let targets: Vec<u32> = (0..entries).map(|_| self.rng.pick(few)).collect();
        let default = self.rng.pick(few);
        for _ in 0..2 {
            self.emit(I::Block(BlockType::Empty));
            self.labels.push(Label { leaves: true });
        }
        match self.rng.below(4) {
            0 => self.expr(Ty::I32, 1),
            1 => {
                self.emit(I::LocalGet(kernel.variable));
                if kernel.wide {
                    self.emit(I::I32WrapI64);
                }
            }
            _ => self.narrow_load(kernel, false),
        }
        if self.rng.once_in(2) {
            let less = self.rng.pick(&[1, 32, 64, entries - 1]);
            self.emit(I::I32Const(less));
            self.emit(I::I32Sub);
        }
        self.emit(I::BrTable(targets.into(), default));
        self.labels.pop();
        self.emit(I::End);
        self.side(kernel);
        self.labels.pop();
        self.emit(I::End);
    }

    /// Traps in one round, often one that is not reached.
    fn trap_in_round(&mut self, kernel: &Kernel) {
        self.mark("trap in a certain round");
        let round = self.rng.between(0, u64::from(kernel.trips) * 2 + 1) as u32;
        // Zero in that round: how far the moving address is from where it is then, if it moves.
        self.emit(I::LocalGet(kernel.variable));
        if kernel.wide {
            self.emit(I::I32WrapI64);
        }
        self.expr(Ty::I32, 1);
        self.emit(I::I32Const(31));
        self.emit(I::I32And);
        self.emit(I::I32Const(round as i32));
        self.emit(I::I32Add);
        self.emit(I::I32Sub);
        match self.rng.below(3) {
            0 => {
                let divisor = self.local(Ty::I32);
                self.emit(I::LocalSet(divisor));
                self.expr(Ty::I32, 1);
                self.emit(I::LocalGet(divisor));
                let signed = self.rng.once_in(3);
                self.emit(if signed { I::I32DivS } else { I::I32RemU });
                let to = self.target(Ty::I32);
                self.emit(I::LocalSet(to));
            }
            1 => {
                self.emit(I::I32Eqz);
                self.emit(I::If(BlockType::Empty));
                self.emit(I::Unreachable);
                self.emit(I::End);
            }
            _ => {
                // Far outside in that round, else at zero.
                self.emit(I::I32Eqz);
                self.emit(I::I32Const(30));
                self.emit(I::I32Shl);
                self.extend(kernel.memory);
                let (which, width) = self.load_of(Ty::I32);
                let at = self.memarg(kernel.memory, 0, width);
                self.emit_load(Ty::I32, which, at);
                let to = self.target(Ty::I32);
                self.emit(I::LocalSet(to));
            }
        }
    }

    /// One place written and read in different widths.
    fn widths(&mut self, kernel: &Kernel) {
        self.mark("one place in several widths");
        let (ty, sum) = self.sum_of(kernel);
        let fixed = self.rng.once_in(2);
        self.store_at(kernel, fixed, ty, |body| body.emit(I::LocalGet(sum)));
        let other = self.some_type();
        let to = self.target(other);
        self.emit(I::LocalGet(to));
        self.load_at(kernel, fixed, other);
        self.combine(other);
        self.emit(I::LocalSet(to));
    }

    /// Globals are read and written, around what may change or need them; `trips` rounds of it.
    pub(super) fn globals(&mut self, trips: u32) {
        let shape = self.shape;
        let all: Vec<u32> = (0..shape.globals.len() as u32)
            .filter(|g| shape.globals[*g as usize].mutable)
            .collect();
        if all.is_empty() {
            return self.assign();
        }
        let global = self.rng.pick(&all);
        let ty = shape.globals[global as usize].ty;
        for _ in 0..self.rng.between(2, 5) {
            match self.rng.below(8) {
                0..=2 => {
                    self.emit(I::GlobalGet(global));
                    let to = self.target(ty);
                    self.emit(I::LocalGet(to));
                    self.combine(ty);
                    self.emit(I::GlobalSet(global));
                }
                3 => {
                    self.expr(ty, 1);
                    self.emit(I::GlobalSet(global));
                }
                4 | 5 => {
                    let to = self.target(ty);
                    self.emit(I::GlobalGet(global));
                    self.emit(I::LocalSet(to));
                }
                6 => {
                    self.mark("global around a call");
                    self.call();
                }
                _ if self.rng.once_in(4 + u64::from(trips)) => {
                    self.mark("global before a trap");
                    self.expr(Ty::I32, 1);
                    self.emit(I::I32Const(7));
                    self.emit(I::I32And);
                    self.emit(I::I32Eqz);
                    self.emit(I::If(BlockType::Empty));
                    self.emit(I::Unreachable);
                    self.emit(I::End);
                }
                _ => self.set_global(),
            }
        }
    }

    /// Many values that live at once, each used with values from outside.
    pub(super) fn press(&mut self, kernel: &Kernel, outsiders: &[u32]) {
        self.mark("loop short of registers");
        let loaded: Vec<u32> = (0..self.rng.between(6, 12))
            .map(|_| {
                let local = self.local(Ty::I32);
                self.load_at(kernel, false, Ty::I32);
                self.emit(I::LocalSet(local));
                local
            })
            .collect();
        let sum = self.local(Ty::I32);
        self.emit(I::LocalGet(sum));
        for round in 0..2 {
            for (at, outsider) in outsiders.iter().enumerate() {
                let value = loaded[(at * 5 + round) % loaded.len()];
                self.emit(I::LocalGet(value));
                self.emit(I::LocalGet(*outsider));
                if self.locals[*outsider as usize] == Ty::I64 {
                    self.emit(I::I32WrapI64);
                }
                let op = self.rng.below(3) as usize;
                self.emit([I::I32Add, I::I32Xor, I::I32Mul][op].clone());
                let op = self.rng.below(3) as usize;
                self.emit([I::I32Add, I::I32Sub, I::I32Xor][op].clone());
            }
        }
        self.emit(I::LocalSet(sum));
        self.store_at(kernel, false, Ty::I32, |body| body.emit(I::LocalGet(sum)));
    }
}
