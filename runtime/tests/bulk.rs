//! `memory.copy` and `memory.fill` against Rust's slices: every way in which they are done, by
//! length, overlap, and distance from the memory's end.

use craneway::{Engine, Instance, Memory, Module, Store, Trap, TypedFunc};
use std::fmt::Write;

/// Lengths up to here are tested one by one.
const CONSTANTS: usize = 132;
const PAGE: usize = 64 << 10;
const MEMORY: usize = 4 * PAGE;

/// A memory, with an operation on lengths from a parameter and one for each constant length.
fn text() -> String {
    let mut text = String::from(
        "(module (memory (export \"memory\") 4 4)
           (func (export \"copy\") (param i32 i32 i32)
             (memory.copy (local.get 0) (local.get 1) (local.get 2)))
           (func (export \"fill\") (param i32 i32 i32)
             (memory.fill (local.get 0) (local.get 1) (local.get 2)))",
    );
    for n in 0..CONSTANTS {
        write!(
            text,
            "(func (export \"copy{n}\") (param i32 i32)
               (memory.copy (local.get 0) (local.get 1) (i32.const {n})))
             (func (export \"fill{n}\") (param i32 i32)
               (memory.fill (local.get 0) (local.get 1) (i32.const {n})))"
        )
        .unwrap();
    }
    text + ")"
}

struct Guest {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
    copy: TypedFunc<(i32, i32, i32), ()>,
    fill: TypedFunc<(i32, i32, i32), ()>,
    model: Vec<u8>,
}

impl Guest {
    fn new() -> Guest {
        let engine = Engine::default();
        let module = Module::new(&engine, text()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let copy = instance.get_typed_func(&mut store, "copy").unwrap();
        let fill = instance.get_typed_func(&mut store, "fill").unwrap();
        let model: Vec<u8> = (0..MEMORY).map(|i| (i * 7 + i / 251) as u8).collect();
        memory.write(&mut store, 0, &model).unwrap();
        Guest {
            store,
            instance,
            memory,
            copy,
            fill,
            model,
        }
    }

    /// Compares the memory with the model, around what was touched.
    fn compare(&mut self, (start, len): (usize, usize), what: &str) {
        let end = (start + len + 300).min(MEMORY);
        let range = start.saturating_sub(300).min(end)..end;
        assert_eq!(
            self.memory.data(&self.store)[range.clone()],
            self.model[range],
            "{what}"
        );
    }

    fn copied(&mut self, to: usize, from: usize, len: usize) {
        let inside = to + len <= MEMORY && from + len <= MEMORY;
        let (d, s, n) = (to as i32, from as i32, len as i32);
        let mut results = vec![self.copy.call(&mut self.store, (d, s, n))];
        if inside {
            self.model.copy_within(from..from + len, to);
        }
        let what = format!("copy {len} bytes from {from} to {to}");
        self.compare((to, len), &what);
        if len < CONSTANTS {
            let constant: TypedFunc<(i32, i32), ()> = self
                .instance
                .get_typed_func(&mut self.store, &format!("copy{len}"))
                .unwrap();
            results.push(constant.call(&mut self.store, (d, s)));
            if inside {
                self.model.copy_within(from..from + len, to);
            }
            self.compare((to, len), &format!("{what}, a constant"));
        }
        check(results, inside, &what);
    }

    fn filled(&mut self, to: usize, byte: i32, len: usize) {
        let inside = to + len <= MEMORY;
        let mut results = vec![
            self.fill
                .call(&mut self.store, (to as i32, byte, len as i32)),
        ];
        if inside {
            self.model[to..to + len].fill(byte as u8);
        }
        let what = format!("fill {len} bytes at {to} with {byte:#x}");
        self.compare((to, len), &what);
        if len < CONSTANTS {
            let constant: TypedFunc<(i32, i32), ()> = self
                .instance
                .get_typed_func(&mut self.store, &format!("fill{len}"))
                .unwrap();
            results.push(constant.call(&mut self.store, (to as i32, byte + 1)));
            if inside {
                self.model[to..to + len].fill((byte + 1) as u8);
            }
            self.compare((to, len), &format!("{what}, a constant"));
        }
        check(results, inside, &what);
    }
}

fn check(results: Vec<craneway::Result<()>>, inside: bool, what: &str) {
    for result in results {
        match result {
            Ok(()) => assert!(inside, "{what} did not trap"),
            Err(e) => {
                assert!(!inside, "{what}: {e:?}");
                let trap = e.downcast_ref::<Trap>();
                assert_eq!(trap, Some(&Trap::MemoryOutOfBounds), "{what}");
            }
        }
    }
}

/// Where one way ends and the next begins, on one CPU or another, and between.
const LONG: [usize; 22] = [
    510, 511, 512, 513, 640, 1000, 2047, 2048, 2049, 4000, 8191, 8192, 8193, 20_000, 32_767,
    32_768, 32_769, 50_000, 65_535, 65_536, 65_537, 70_000,
];

fn lengths() -> impl Iterator<Item = usize> {
    (0..CONSTANTS + 70).chain([255, 256]).chain(LONG)
}

#[test]
fn copies_of_every_length_and_overlap_are_those_of_slices() {
    let mut guest = Guest::new();
    for len in lengths() {
        let distances = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 200, 4096];
        for distance in distances.into_iter().chain([len, len.saturating_sub(1)]) {
            guest.copied(10_000, 10_000 + distance, len);
            guest.copied(10_000 + distance, 10_000, len);
        }
    }
}

#[test]
fn long_copies_end_at_the_last_byte() {
    let mut guest = Guest::new();
    for len in LONG {
        let end = MEMORY - len;
        for distance in [0, 1, 31, 64, 65, 300, len - 1, len, len + 1, PAGE] {
            guest.copied(end, end - distance, len);
            guest.copied(end - distance, end, len);
        }
        guest.filled(end, 0x5a, len);
        guest.filled(end - 1, 0xa5, len);
    }
}

#[test]
fn fills_of_every_length_are_those_of_slices() {
    let mut guest = Guest::new();
    for len in lengths() {
        for (start, byte) in [(9_999, 0), (10_001, 0xff), (10_016, 0x1234_56ab)] {
            guest.filled(start, byte, len);
        }
    }
}

#[test]
fn what_ends_outside_traps_and_changes_nothing() {
    let mut guest = Guest::new();
    for len in lengths() {
        for start in [
            MEMORY - len,
            MEMORY - len + 1,
            MEMORY - len / 2,
            MEMORY - 1,
            MEMORY,
            MEMORY + 1,
        ] {
            guest.copied(start, 100, len);
            guest.copied(100, start, len);
            guest.filled(start, 7, len);
        }
    }
    for huge in [-1, i32::MIN, i32::MAX] {
        for (d, s, n) in [(0, 0, huge), (huge, 0, 8), (0, huge, 8), (huge, huge, huge)] {
            check(
                vec![guest.copy.call(&mut guest.store, (d, s, n))],
                false,
                "huge",
            );
            if s == 0 {
                check(
                    vec![guest.fill.call(&mut guest.store, (d, 1, n))],
                    false,
                    "huge",
                );
            }
        }
    }
    guest.compare((0, MEMORY), "after all of them");
}
