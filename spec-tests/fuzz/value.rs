//! What can be observed of a module, in terms of neither engine: values, outcomes, state.
//! This file must never know either engine's API.

use std::fmt;

use super::rng::Rng;

/// A value type that a generated module may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
    Exn,
}

/// A value; floats by their bits, functions by their [`Names`](super::names::Names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    I32(u32),
    I64(u64),
    F32(u32),
    F64(u64),
    V128(u128),
    Func(Option<u32>),
    Extern(Option<u64>),
    Exn(bool),
}

/// Why execution stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unreachable,
    MemoryOutOfBounds,
    TableOutOfBounds,
    CallToNull,
    BadSignature,
    DivisionByZero,
    Overflow,
    BadConversion,
    NullReference,
    Misaligned,
    WaitUnshared,
    /// Not a trap, but an exception that nothing caught.
    Exception,
    /// The oracle's budget of instructions is used up.
    Fuel,
    /// Stack, memory or a limit of one engine: says nothing about the other.
    Resources,
}

/// The end of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Values(Vec<Value>),
    Trap(Kind),
    /// Neither a result nor a trap: a fault of the engine or of this test.
    Broken(String),
}

/// The end of an instantiation.
pub(super) enum Start {
    Running(Box<dyn Running>),
    Trap(Kind),
    Refused(String),
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running(_) => f.write_str("instantiates"),
            Self::Trap(kind) => write!(f, "traps ({kind:?})"),
            Self::Refused(why) => write!(f, "refuses: {why}"),
        }
    }
}

/// An instance under either engine.
pub(super) trait Running {
    /// The exported functions and their parameters, in the order of export.
    fn functions(&mut self) -> Vec<(String, Vec<Type>)>;
    fn call(&mut self, name: &str, args: &[Value]) -> Outcome;
    /// Number and fingerprint of the host calls so far.
    fn trace(&self) -> (u64, u64);
    /// Instructions executed so far, if the module counts them.
    fn steps(&self) -> u64;
    /// Exported globals, memories and tables, sorted by name.
    fn state(&mut self) -> Vec<(&str, State<'_>)>;
}

/// The state of one export.
#[derive(PartialEq, Eq)]
pub(super) enum State<'a> {
    Global(Value),
    Memory(&'a [u8]),
    /// Which function or what else each element is.
    Table(Vec<Value>),
    /// What has no state.
    Other,
}

impl State<'_> {
    /// Bytes or so to compare.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Table(elements) => size_of_val(&elements[..]),
            _ => 0,
        }
    }

    /// What differs from `got`, in words.
    pub(super) fn difference(&self, got: &State<'_>) -> Option<String> {
        Some(match (self, got) {
            (Self::Global(want), State::Global(got)) if want == got => return None,
            (Self::Memory(want), State::Memory(got)) if want == got => return None,
            (Self::Table(want), State::Table(got)) if want == got => return None,
            (Self::Other, State::Other) => return None,
            (Self::Global(want), State::Global(got)) => {
                format!("global: wasmi {want:x?}, craneway {got:x?}")
            }
            (Self::Memory(want), State::Memory(got)) if want.len() != got.len() => {
                format!("memory size: wasmi {}, craneway {}", want.len(), got.len())
            }
            (Self::Memory(want), State::Memory(got)) => {
                let at = want
                    .iter()
                    .zip(got.iter())
                    .position(|(a, b)| a != b)
                    .unwrap_or(0);
                let end = want.len().min(at + 16);
                format!(
                    "memory at {at:#x}: wasmi {:x?}, craneway {:x?}",
                    &want[at..end],
                    &got[at..end]
                )
            }
            (Self::Table(want), State::Table(got)) if want.len() != got.len() => {
                format!("table size: wasmi {}, craneway {}", want.len(), got.len())
            }
            (Self::Table(want), State::Table(got)) => {
                let mut pairs = want.iter().zip(got).enumerate();
                let (at, (want, got)) = pairs.find(|(_, (a, b))| a != b)?;
                format!("table element {at}: wasmi {want:?}, craneway {got:?}")
            }
            _ => "the exports are of different kinds".into(),
        })
    }
}

/// An argument: often a value at an edge.
pub(super) fn argument(ty: Type, rng: &mut Rng) -> Value {
    const I32: [u32; 10] = [
        0,
        1,
        2,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0xffff_fffe,
        0xffff,
        0x1_0000,
        64,
    ];
    const F32: [u32; 10] = [
        0,
        0x8000_0000,
        0x3f80_0000,
        0x7f80_0000,
        0xff80_0000,
        0x7fc0_0000,
        1,
        0x4f00_0000,
        0xcf00_0000,
        0x7f7f_ffff,
    ];
    const F64: [u64; 10] = [
        0,
        1 << 63,
        0x3ff0_0000_0000_0000,
        0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000,
        0x7ff8_0000_0000_0000,
        1,
        0x43e0_0000_0000_0000,
        0xc3e0_0000_0000_0000,
        0x41e0_0000_0000_0000,
    ];
    let edge = !rng.once_in(3);
    match ty {
        Type::I32 if edge => Value::I32(rng.pick(&I32)),
        Type::I32 => Value::I32(rng.next() as u32 >> rng.below(32)),
        Type::I64 if edge => {
            let low = u64::from(rng.pick(&I32));
            Value::I64(if rng.once_in(2) {
                low
            } else {
                (low as i32 as i64 as u64) << rng.below(40)
            })
        }
        Type::I64 => Value::I64(rng.next() >> rng.below(64)),
        Type::F32 if edge => Value::F32(rng.pick(&F32)),
        Type::F32 => Value::F32((rng.below(2000) as f32 / 8.0 - 100.0).to_bits()),
        Type::F64 if edge => Value::F64(rng.pick(&F64)),
        Type::F64 => Value::F64((rng.below(1 << 40) as f64 / 64.0 - 1e9).to_bits()),
        Type::V128 => {
            let mut word = || {
                u128::from(if edge {
                    u64::from(rng.pick(&I32))
                } else {
                    rng.next()
                })
            };
            Value::V128(word() | word() << 32 | word() << 64 | word() << 96)
        }
        Type::Func => Value::Func(None),
        Type::Exn => Value::Exn(false),
        Type::Extern if edge => Value::Extern(None),
        Type::Extern => Value::Extern(Some(rng.below(1000))),
    }
}
