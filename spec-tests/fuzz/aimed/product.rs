//! Products of 64 by 64 bits from the four products of 32-bit halves: in the ways in which compilers and people write
//! them, with what else is added on the way, and with slips, after which they are something else.

use wasm_encoder::Instruction as I;

use super::Ty;
use super::body::Body;
use super::expr::edge64;

/// The second number.
#[derive(Clone, Copy)]
enum Second {
    Local(u32),
    Constant(u64),
}

/// The four products: of the low halves, low with high, high with low, of the high halves.
struct Products {
    ll: u32,
    lh: u32,
    hl: u32,
    hh: u32,
}

impl Body<'_> {
    /// Leaves the high half, the low half or both in one, or what a slip made of them.
    pub(super) fn wide_product(&mut self, depth: u32) {
        self.mark("product of 64 bits in halves");
        let a = self.factor(depth);
        let b = match self.rng.below(8) {
            0 => Second::Local(a),
            1 | 2 => Second::Constant(edge64(self.rng) ^ self.rng.next() >> self.rng.below(60)),
            _ => Second::Local(self.factor(depth)),
        };
        let p = self.products(a, b);
        let (high, low) = match self.rng.below(5) {
            0 => self.one_by_one(&p),
            1 => self.three_in_the_middle(&p),
            2 => self.middle_overflows(&p),
            3 => self.compares(&p),
            _ => self.low_is_known(&p, a, b),
        };
        self.emit(I::LocalGet(high));
        if let Second::Local(b) = b
            && self.rng.once_in(4)
        {
            self.mark("signed product of 64 bits in halves");
            for (sign, other) in [(a, b), (b, a)] {
                if !self.rng.once_in(5) {
                    self.emit(I::LocalGet(sign));
                    self.emit(I::I64Const(63));
                    self.emit(I::I64ShrS);
                    self.emit(I::LocalGet(other));
                    self.emit(I::I64Mul);
                    self.emit(I::I64Add);
                }
            }
        }
        match self.rng.below(4) {
            0 => {}
            1 => {
                self.emit(I::LocalGet(a));
                self.emit(I::I64Add);
            }
            _ => {
                self.emit(I::LocalGet(low));
                self.emit(I::I64Xor);
            }
        }
    }

    /// A number, often one with which carries come.
    fn factor(&mut self, depth: u32) -> u32 {
        match self.rng.below(8) {
            0 => {
                self.expr(Ty::I32, depth);
                self.emit(I::I64ExtendI32U);
            }
            1 => {
                let number = edge64(self.rng) as i64;
                self.expr(Ty::I64, depth);
                self.emit(I::I64Const(number));
                self.emit(I::I64Or);
            }
            2..=4 => {
                self.expr(Ty::I64, depth);
                let many = self.rng.next() | 1;
                self.emit(I::I64Const(many as i64));
                self.emit(I::I64Mul);
            }
            _ => self.expr(Ty::I64, depth),
        }
        self.kept()
    }

    /// What is on the stack, in a new local.
    fn kept(&mut self) -> u32 {
        let local = self.local(Ty::I64);
        self.emit(I::LocalSet(local));
        local
    }

    /// The low half of what is on the stack.
    fn low(&mut self) {
        if self.rng.once_in(4) {
            self.emit(I::I32WrapI64);
            self.emit(I::I64ExtendI32U);
            return;
        }
        let mask = self.slip(0xffff_ffff, &[0x7fff_ffff, 0xffff_fffe, 0x1_ffff_ffff]);
        self.emit(I::I64Const(mask));
        self.emit(I::I64And);
    }

    /// The high half of what is on the stack.
    fn high(&mut self) {
        let by = self.slip(32, &[31, 33]);
        self.emit(I::I64Const(by));
        self.emit(I::I64ShrU);
    }

    /// What is on the stack as a high half.
    fn up(&mut self) {
        let by = self.slip(32, &[31, 33]);
        self.emit(I::I64Const(by));
        self.emit(I::I64Shl);
    }

    /// What belongs there, or rarely something else.
    fn slip(&mut self, right: i64, wrong: &[i64]) -> i64 {
        if self.rng.once_in(60) {
            self.rng.pick(wrong)
        } else {
            right
        }
    }

    fn half_of(&mut self, number: Second, high: bool) {
        match number {
            Second::Local(local) => {
                self.emit(I::LocalGet(local));
                if high {
                    self.high();
                } else {
                    self.low();
                }
            }
            Second::Constant(whole) => {
                let half = if high {
                    whole >> 32
                } else {
                    whole & 0xffff_ffff
                };
                self.emit(I::I64Const(half as i64));
            }
        }
    }

    fn products(&mut self, a: u32, b: Second) -> Products {
        let mut product = |high_a: bool, high_b: bool| {
            let a = Second::Local(a);
            let halves = [(a, high_a), (b, high_b)];
            let turned = self.rng.once_in(2);
            for at in [usize::from(turned), usize::from(!turned)] {
                self.half_of(halves[at].0, halves[at].1);
            }
            self.emit(I::I64Mul);
            self.kept()
        };
        Products {
            ll: product(false, false),
            lh: product(false, true),
            hl: product(true, false),
            hh: product(true, true),
        }
    }

    /// The sum of two locals and maybe of another value that has nothing to do with them.
    fn added(&mut self, a: u32, b: u32) -> u32 {
        let (a, b) = if self.rng.once_in(2) { (a, b) } else { (b, a) };
        self.emit(I::LocalGet(a));
        if self.rng.once_in(40) {
            self.expr(Ty::I64, 0);
            self.emit(I::I64Add);
        }
        self.emit(I::LocalGet(b));
        self.emit(I::I64Add);
        self.kept()
    }

    fn high_of(&mut self, local: u32) -> u32 {
        self.emit(I::LocalGet(local));
        self.high();
        self.kept()
    }

    fn low_of(&mut self, local: u32) -> u32 {
        self.emit(I::LocalGet(local));
        self.low();
        self.kept()
    }

    /// `sum` from below, with the low half of `ll`.
    fn joined(&mut self, sum: u32, ll: u32) -> u32 {
        self.emit(I::LocalGet(sum));
        self.up();
        self.emit(I::LocalGet(ll));
        self.low();
        let adds = self.rng.once_in(2);
        self.emit(if adds { I::I64Add } else { I::I64Or });
        self.kept()
    }

    /// The sum of three, in any order, maybe with something else.
    fn high_sum(&mut self, mut parts: Vec<u32>) -> u32 {
        if self.rng.once_in(3) {
            let other = self.factor(0);
            parts.push(other);
        }
        while parts.len() > 1 {
            let at = self.rng.below(parts.len() as u64) as usize;
            let a = parts.swap_remove(at);
            let at = self.rng.below(parts.len() as u64) as usize;
            let b = parts.swap_remove(at);
            let sum = self.added(a, b);
            parts.push(sum);
        }
        parts[0]
    }

    /// As the library function of compilers does it: no sum overflows.
    fn one_by_one(&mut self, p: &Products) -> (u32, u32) {
        let (first, second) = if self.rng.once_in(2) {
            (p.hl, p.lh)
        } else {
            (p.lh, p.hl)
        };
        let carry = self.high_of(p.ll);
        let middle = self.added(first, carry);
        let low = self.low_of(middle);
        let middle_high = self.high_of(middle);
        let last = self.added(second, low);
        let last_high = self.high_of(last);
        let low = self.joined(last, p.ll);
        (self.high_sum(vec![p.hh, middle_high, last_high]), low)
    }

    fn three_in_the_middle(&mut self, p: &Products) -> (u32, u32) {
        let carry = self.high_of(p.ll);
        let (x, y) = (self.low_of(p.lh), self.low_of(p.hl));
        let sum = self.added(carry, x);
        let middle = self.added(sum, y);
        let parts = [p.lh, p.hl, middle].map(|part| self.high_of(part));
        let low = self.joined(middle, p.ll);
        (self.high_sum(vec![p.hh, parts[0], parts[1], parts[2]]), low)
    }

    /// A bit at 2^32 if the first is below the second.
    fn carry(&mut self, sum: u32, part: u32, up: bool) {
        let (x, y) = if self.slip(0, &[1]) == 0 {
            (sum, part)
        } else {
            (part, sum)
        };
        let turned = self.rng.once_in(3);
        let (x, y, op) = if turned {
            (y, x, I::I64GtU)
        } else {
            (x, y, I::I64LtU)
        };
        let compare = |body: &mut Self| {
            body.emit(I::LocalGet(x));
            body.emit(I::LocalGet(y));
            body.emit(op.clone());
        };
        if self.rng.once_in(2) {
            self.emit(I::I64Const(if up { 1 << 32 } else { 1 }));
            self.emit(I::I64Const(0));
            compare(self);
            self.emit(I::Select);
        } else {
            compare(self);
            self.emit(I::I64ExtendI32U);
            if up {
                self.emit(I::I64Const(32));
                self.emit(I::I64Shl);
            }
        }
    }

    /// The sum in the middle overflows, which a comparison notices, or nobody.
    fn middle_overflows(&mut self, p: &Products) -> (u32, u32) {
        let carry = self.high_of(p.ll);
        let sum = self.added(p.lh, carry);
        let middle = self.added(sum, p.hl);
        let up = if self.rng.once_in(3) {
            self.emit(I::I64Const(0));
            self.kept()
        } else {
            self.carry(middle, p.hl, true);
            self.kept()
        };
        let middle_high = self.high_of(middle);
        let low = self.joined(middle, p.ll);
        (self.high_sum(vec![p.hh, up, middle_high]), low)
    }

    /// Both carries into the high half are found by comparing low halves.
    fn compares(&mut self, p: &Products) -> (u32, u32) {
        let mut low = p.ll;
        let mut parts = vec![p.hh];
        for middle in [p.lh, p.hl] {
            self.emit(I::LocalGet(middle));
            self.up();
            let up = self.kept();
            let sum = self.added(low, up);
            self.carry(sum, low, false);
            parts.push(self.kept());
            parts.push(self.high_of(middle));
            low = sum;
        }
        (self.high_sum(parts), low)
    }

    /// The low half is a product of its own.
    fn low_is_known(&mut self, p: &Products, a: u32, b: Second) -> (u32, u32) {
        self.emit(I::LocalGet(a));
        match b {
            Second::Local(b) => self.emit(I::LocalGet(b)),
            Second::Constant(b) => self.emit(I::I64Const(b as i64)),
        }
        self.emit(I::I64Mul);
        let low = self.kept();
        let middle = self.added(p.lh, p.hl);
        self.carry(middle, p.lh, true);
        let first = self.kept();
        self.emit(I::LocalGet(middle));
        self.up();
        let up = self.kept();
        self.carry(low, up, false);
        let second = self.kept();
        let middle_high = self.high_of(middle);
        (self.high_sum(vec![p.hh, first, second, middle_high]), low)
    }
}
