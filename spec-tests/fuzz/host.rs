//! The host that generated modules import from, in terms of neither engine: functions whose results follow
//! from how often the host was called, and a fingerprint of all arguments they saw. Now and then a call changes
//! what the instance exports, which the code around it must notice.

use super::rng::Rng;
use super::value::{Type, Value, argument};

/// Elements of a table, and bytes of a memory, beyond which nothing grows. The specification lets growth fail, and
/// each engine has limits of its own; under these, which are lower, both have to say the same. The oracle's fuel
/// suffices to grow to them.
pub(super) const MOST_ELEMENTS: usize = 100_000;
pub(super) const MOST_BYTES: usize = 32 << 20;

/// Per-instance state of the host.
#[derive(Clone, Copy, Default)]
pub(super) struct Host {
    calls: u64,
    fingerprint: u64,
}

impl Host {
    /// Number and fingerprint of the calls so far.
    pub(super) fn trace(&self) -> (u64, u64) {
        (self.calls, self.fingerprint)
    }

    /// The `import`th imported function is called with `args`; gives values of the types `results`.
    pub(super) fn call(&mut self, import: usize, args: &[Value], results: &[Type]) -> Vec<Value> {
        self.calls += 1;
        self.mix(import as u64);
        for arg in args {
            match *arg {
                Value::I32(x) | Value::F32(x) => self.mix(u64::from(x)),
                Value::I64(x) | Value::F64(x) => self.mix(x),
                Value::V128(x) => {
                    self.mix(x as u64);
                    self.mix((x >> 64) as u64);
                }
                Value::Exn(present) => self.mix(u64::from(present)),
                Value::Func(x) => self.mix(x.map_or(u64::MAX, |x| u64::from(x) + 1)),
                Value::Extern(x) => self.mix(x.map_or(u64::MAX, |x| x + 1)),
            }
        }
        let mut rng = Rng::new(self.calls ^ (import as u64) << 32);
        results.iter().map(|ty| argument(*ty, &mut rng)).collect()
    }

    /// What the call just made changes: so it is for every export to which it can be done.
    pub(super) fn effect(&self) -> Effect {
        let mut rng = Rng::new(self.calls ^ 0xeffec7);
        match rng.below(8) {
            0 => Effect::Byte(rng.below(0x8000) as usize, rng.next() as u8),
            1 | 2 => Effect::Global(rng.next() as u32 >> rng.below(32)),
            3 => Effect::Swap(rng.below(4), rng.below(4)),
            4 => Effect::Grow,
            _ => Effect::Nothing,
        }
    }

    fn mix(&mut self, x: u64) {
        self.fingerprint =
            (self.fingerprint.rotate_left(5) ^ x).wrapping_mul(0x0100_0000_01b3_9e37);
    }
}

/// What a call of the host does to the instance's exports.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    Nothing,
    /// A byte of a memory is written.
    Byte(usize, u8),
    /// A mutable global of type `i32` gets a value.
    Global(u32),
    /// Two elements of a table change places.
    Swap(u64, u64),
    /// A memory of less than [`FEW_PAGES`] grows by one.
    Grow,
}

/// Pages beyond which the host does not make a memory grow.
pub(super) const FEW_PAGES: u64 = 5;

/// The name under which an import that is not a function is one thing, however often it is imported.
pub(super) fn shared_name(module: &str, name: &str, ty: &str) -> String {
    format!("{module} {name} {ty}")
}

/// Numbers imported functions and globals, each by themselves: an engine may list one kind before another.
#[derive(Default)]
pub(super) struct Order {
    functions: usize,
    globals: usize,
}

impl Order {
    pub(super) fn function(&mut self) -> usize {
        self.functions += 1;
        self.functions
    }

    pub(super) fn global(&mut self) -> usize {
        self.globals += 1;
        self.globals
    }
}

/// The value of the `import`th imported global.
pub(super) fn global(import: usize, ty: Type) -> Value {
    argument(ty, &mut Rng::new(import as u64 + 77))
}
