//! Values as exact sums of the four partial products of two numbers and of low bits of such sums.
//!
//! ```text
//!   value · 2^scale  =  Σ products[i] · p[i]  +  Σ times · ((Σ of[i] · p[i]) mod 2^bits)
//! ```
//!
//! That is an equation between integers, not between machine words: where an operation would lose
//! bits, what is lost is one of the terms on the right. Two values that have the same form are the
//! same number for all operands. The rules:
//!
//! - **Low bits.** Let `A = value · 2^s`, an integer combination as above. In `A mod 2^(s+k)` a term
//!   `times · (Y mod 2^b)` may become `times · Y` if `2^b · times` is a multiple of `2^(s+k)`. If what
//!   remains is `Y - (Y mod 2^s)`, then that is a multiple of `2^s` which differs from `A` by a
//!   multiple of `2^(s+k)`, and so does `(Y mod 2^(s+k)) - (Y mod 2^s)`, which lies below `2^(s+k)`
//!   and is not negative: it is `2^s · (value mod 2^k)`.
//! - **Shifting right** by `n` gives `(value - value mod 2^n) / 2^n`; the division adds `n` to the scale.
//! - **Shifting left** by `n` gives `2^n · (value mod 2^(64-n))`.
//! - **Sums** are exact if the largest values of both together fit 64 bits; else the low 64 bits.
//! - **Carries.** For `x` and `y` of 64 bits, `x < y` is `(y + ((x - y) mod 2^64) - x) / 2^64`: without a
//!   borrow the middle is `x - y`, with one it is `2^64` more.
//!
//! What does not fit the rules, or numbers that outgrow 128 bits, has no form.

use smallvec::SmallVec;

/// The largest product of two numbers of 32 bits.
const MOST: u128 = (u32::MAX as u128) * (u32::MAX as u128);
/// More low parts than this are not followed.
const MAX_LOWS: usize = 8;
/// Neither are more bits.
const MAX_BITS: u32 = 120;

/// Coefficients of the products: low with low, low with high, high with low, high with high half.
pub(super) type Sum<T> = [T; 4];

/// `times` the sum modulo `2^bits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Low {
    bits: u32,
    of: Sum<u128>,
    times: i128,
}

/// What a value of at most 64 bits is.
#[derive(Clone, Debug)]
pub(super) struct Form {
    scale: u32,
    products: Sum<i128>,
    lows: SmallVec<[Low; 4]>,
    /// No value is larger.
    max: u128,
}

impl PartialEq for Form {
    fn eq(&self, other: &Form) -> bool {
        // Forms are kept in their simplest shape.
        self.scale == other.scale && self.products == other.products && self.lows == other.lows
    }
}

fn ones(bits: u32) -> u128 {
    (1 << bits) - 1
}

/// `value · 2^by`, if it fits.
fn shifted(value: i128, by: u32) -> Option<i128> {
    let result = value.checked_shl(by)?;
    (result >> by == value).then_some(result)
}

impl Form {
    /// Nothing.
    pub(super) fn zero() -> Form {
        Form {
            scale: 0,
            products: [0; 4],
            lows: SmallVec::new(),
            max: 0,
        }
    }

    /// One of the products.
    pub(super) fn product(which: usize) -> Form {
        let mut form = Form::zero();
        form.products[which] = 1;
        form.max = MOST;
        form
    }

    /// The low half of the whole product, whose sum of partial products is `whole`.
    pub(super) fn low_half(whole: Sum<u128>) -> Option<Form> {
        let mut form = Form::zero();
        form.add_low(1, 64, whole)?;
        form.max = ones(64);
        form.simplified()
    }

    /// The high half: what is above the low one.
    pub(super) fn high_half(whole: Sum<u128>) -> Option<Form> {
        let mut form = Form::zero();
        form.scale = 64;
        form.products = whole.map(|times| times as i128);
        form.add_low(-1, 64, whole)?;
        form.max = ones(64);
        form.simplified()
    }

    /// The largest value.
    pub(super) fn max(&self) -> u128 {
        self.max
    }

    /// Adds `times · (of mod 2^bits)`, at the form's scale.
    fn add_low(&mut self, times: i128, bits: u32, of: Sum<u128>) -> Option<()> {
        let of = of.map(|c| c & ones(bits));
        // What all have in common stands before: 2^n·x mod 2^bits is 2^n·(x mod 2^(bits-n)).
        let common = of.iter().map(|c| c.trailing_zeros()).min()?;
        if common >= bits {
            return Some(());
        }
        let (times, bits, of) = (
            shifted(times, common)?,
            bits - common,
            of.map(|c| c >> common),
        );
        let most = of
            .iter()
            .try_fold(0u128, |sum, c| sum.checked_add(c.checked_mul(MOST)?));
        if most.is_some_and(|most| most <= ones(bits)) {
            for (sum, c) in self.products.iter_mut().zip(of) {
                *sum = sum.checked_add(times.checked_mul(c as i128)?)?;
            }
            return Some(());
        }
        if let Some(known) = self.lows.iter_mut().find(|l| l.bits == bits && l.of == of) {
            known.times = known.times.checked_add(times)?;
        } else if self.lows.len() == MAX_LOWS {
            return None;
        } else {
            self.lows.push(Low { bits, of, times });
        }
        Some(())
    }

    /// The simplest shape: no zeros, one order, the smallest scale.
    pub(super) fn simplified(mut self) -> Option<Form> {
        self.lows.retain(|low| low.times != 0);
        self.lows.sort_unstable();
        let times = self.lows.iter().map(|low| low.times);
        let all = self.products.iter().copied().chain(times);
        let common = all.map(i128::trailing_zeros).min()?.min(self.scale);
        self.scale -= common;
        for sum in &mut self.products {
            *sum >>= common;
        }
        for low in &mut self.lows {
            low.times >>= common;
        }
        Some(self)
    }

    /// Adds `sign · other`, exactly; the bound and the shape are the caller's.
    pub(super) fn add(&mut self, other: &Form, sign: i128) -> Option<()> {
        let scale = self.scale.max(other.scale);
        let (up, other_up) = (scale - self.scale, scale - other.scale);
        for sum in &mut self.products {
            *sum = shifted(*sum, up)?;
        }
        for low in &mut self.lows {
            low.times = shifted(low.times, up)?;
        }
        self.scale = scale;
        for (sum, more) in self.products.iter_mut().zip(other.products) {
            *sum = sum.checked_add(shifted(more, other_up)?.checked_mul(sign)?)?;
        }
        for low in &other.lows {
            let times = shifted(low.times, other_up)?.checked_mul(sign)?;
            self.add_low(times, low.bits, low.of)?;
        }
        Some(())
    }

    /// The value modulo `2^bits`; the value may be negative, or larger than a word.
    pub(super) fn modulo(&self, bits: u32) -> Option<Form> {
        let (scale, whole_bits) = (self.scale, self.scale + bits);
        if whole_bits > MAX_BITS {
            return None;
        }
        let mut whole = self.products.map(|times| times as u128);
        let mut left = Form::zero();
        for low in &self.lows {
            if low.times.trailing_zeros() + low.bits >= whole_bits {
                for (sum, c) in whole.iter_mut().zip(low.of) {
                    *sum = sum.wrapping_add((low.times as u128).wrapping_mul(c));
                }
            } else {
                left.add_low(low.times, low.bits, low.of)?;
            }
        }
        // `left` and the fraction of `whole` have to cancel.
        left.add_low(1, scale, whole)?;
        if left.products != [0; 4] || left.lows.iter().any(|low| low.times != 0) {
            return None;
        }
        let mut form = Form::zero();
        form.scale = scale;
        form.add_low(1, whole_bits, whole)?;
        form.add_low(-1, scale, whole)?;
        form.max = ones(bits);
        form.simplified()
    }

    /// The value modulo `2^bits`.
    pub(super) fn low(&self, bits: u32) -> Option<Form> {
        if self.max <= ones(bits) {
            return Some(self.clone());
        }
        self.modulo(bits)
    }

    /// The sum in a machine word.
    pub(super) fn plus(&self, other: &Form) -> Option<Form> {
        let mut form = self.clone();
        form.add(other, 1)?;
        form.max += other.max;
        form.simplified()?.low(64)
    }

    /// The value shifted right.
    pub(super) fn right(&self, by: u32) -> Option<Form> {
        let mut form = self.clone();
        form.add(&self.low(by)?, -1)?;
        form.scale += by;
        form.max >>= by;
        form.simplified()
    }

    /// The value shifted left, in a machine word.
    pub(super) fn left(&self, by: u32) -> Option<Form> {
        let mut form = self.low(64 - by)?;
        let (down, up) = (by.min(form.scale), by.saturating_sub(form.scale));
        form.scale -= down;
        for sum in &mut form.products {
            *sum = shifted(*sum, up)?;
        }
        for low in &mut form.lows {
            low.times = shifted(low.times, up)?;
        }
        form.max <<= by;
        form.simplified()
    }

    /// Whether the value is below `other`, as a number.
    pub(super) fn below(&self, other: &Form) -> Option<Form> {
        let mut difference = self.clone();
        difference.add(other, -1)?;
        let mut form = difference.simplified()?.modulo(64)?;
        form.add(other, 1)?;
        form.add(self, -1)?;
        form.scale += 64;
        form.max = 1;
        form.simplified()
    }

    /// `value · 2^scale` modulo `2^128`, and the scale, for these products.
    #[cfg(test)]
    pub(super) fn at(&self, p: Sum<u64>) -> (u128, u32) {
        let dot = |of: &dyn Fn(usize) -> u128| {
            (0..4).fold(0u128, |sum, i| {
                sum.wrapping_add(of(i).wrapping_mul(u128::from(p[i])))
            })
        };
        let mut value = dot(&|i| self.products[i] as u128);
        for low in &self.lows {
            let part = dot(&|i| low.of[i]) & ones(low.bits);
            value = value.wrapping_add((low.times as u128).wrapping_mul(part));
        }
        (value, self.scale)
    }
}
