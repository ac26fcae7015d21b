//! Large memories have huge pages, as the system's own account of the process says: where, from which
//! size on, after growth, when switched off, and with nothing left for the next instance.

use craneway::{Config, Engine, Instance, Memory, MemoryType, Module, Result, Store, Trap};
use std::ops::Range;

const BLOCK: usize = 2 << 20;
const PAGE: usize = 64 << 10;
const FROM: usize = Config::HUGE_PAGES_FROM;

/// Whether the system has huge pages at all; says so if not.
fn available() -> bool {
    let there = std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists();
    if !there {
        eprintln!("skipped: this system has no transparent huge pages");
    }
    there
}

fn engine(huge_pages: bool) -> Engine {
    let mut config = Config::new();
    config.memory_huge_pages(huge_pages);
    Engine::new(&config).unwrap()
}

/// The mappings that were advised to have huge pages.
fn advised() -> Vec<Range<usize>> {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut found, mut mapping) = (Vec::new(), 0..0);
    for line in smaps.lines() {
        let range = line.split(' ').next().and_then(|r| r.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        if let Some((Some(start), Some(end))) = range.map(|(s, e)| (number(s), number(e))) {
            mapping = start..end;
        } else if let Some(flags) = line.strip_prefix("VmFlags:")
            && flags.split(' ').any(|flag| flag == "hg")
        {
            found.push(mapping.clone());
        }
    }
    found
}

/// Checks each page of a memory, and some behind it: just the whole blocks from `FROM` on are advised.
fn check(memory: Memory, store: &Store<()>, wanted: bool, what: &str) {
    let (base, len) = (memory.data_ptr(store) as usize, memory.data_size(store));
    let (start, end) = (
        (base + FROM).next_multiple_of(BLOCK),
        (base + len) / BLOCK * BLOCK,
    );
    let advised = advised();
    for page in (base..base + len + 2 * BLOCK).step_by(4096) {
        let is = advised.iter().any(|mapping| mapping.contains(&page));
        let should = wanted && (start..end).contains(&page);
        assert_eq!(is, should, "{what}: offset {:#x} of {len:#x}", page - base);
    }
}

/// A module with a memory of `pages`; `store` writes a byte, `grow` grows.
fn module(engine: &Engine, pages: usize) -> Module {
    let text = format!(
        r#"(module (memory (export "memory") {pages}) (data (i32.const 20000) "data")
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
            (func (export "store") (param i32) (i32.store8 (local.get 0) (i32.const 1)))
            (func (export "fill") (memory.fill (i32.const 0) (i32.const 7)
                (i32.mul (memory.size) (i32.const {PAGE})))))"#
    );
    Module::new(engine, text).unwrap()
}

struct Guest {
    store: Store<()>,
    instance: Instance,
    memory: Memory,
}

impl Guest {
    fn new(engine: &Engine, module: &Module) -> Guest {
        let mut store = Store::new(engine, ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        Guest {
            store,
            instance,
            memory,
        }
    }

    fn grow(&mut self, pages: i32) -> i32 {
        let grow = self
            .instance
            .get_typed_func::<i32, i32>(&mut self.store, "grow");
        grow.unwrap().call(&mut self.store, pages).unwrap()
    }

    fn store(&mut self, at: usize) -> Result<()> {
        let store = self
            .instance
            .get_typed_func::<i32, ()>(&mut self.store, "store")?;
        store.call(&mut self.store, at as i32)
    }

    fn check(&self, wanted: bool, what: &str) {
        check(self.memory, &self.store, wanted, what);
    }

    /// The last byte can be written, the one behind it not.
    fn check_bounds(&mut self) {
        let len = self.memory.data_size(&self.store);
        self.store(len - 1).unwrap();
        let error = self.store(len).unwrap_err();
        assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::MemoryOutOfBounds));
    }
}

#[test]
fn whole_blocks_of_large_memories_are_advised() {
    if !available() {
        return;
    }
    let (on, off) = (engine(true), engine(false));
    for pages in [1, 100, 128, 129, 160, 161, 191, 192, 500, 1000] {
        let mut guest = Guest::new(&on, &module(&on, pages));
        guest.check(true, "on");
        guest.check_bounds();
        let mut guest = Guest::new(&off, &module(&off, pages));
        guest.check(false, "off");
        guest.check_bounds();
    }
    let mut store = Store::new(&on, ());
    for ty in [
        MemoryType::new(300, None),
        MemoryType::new64(300, Some(1000)),
    ] {
        let memory = Memory::new(&mut store, ty).unwrap();
        check(memory, &store, true, "a memory of the host's");
        memory.grow(&mut store, 90).unwrap();
        check(
            memory,
            &store,
            true,
            "a memory of the host's that has grown",
        );
    }
}

#[test]
fn growth_advises_what_it_completes() {
    if !available() {
        return;
    }
    for huge_pages in [true, false] {
        let engine = engine(huge_pages);
        let module = module(&engine, 1);
        let mut steps = Guest::new(&engine, &module);
        for pages in 1..300 {
            assert_eq!(steps.grow(1), pages);
            if pages % 8 == 0 || pages % 32 == 1 {
                steps.check(huge_pages, "in steps");
            }
        }
        steps.check_bounds();
        let mut leaps = Guest::new(&engine, &module);
        for by in [99, 50, 500, 3, 0, 64] {
            leaps.grow(by);
            leaps.check(huge_pages, "in leaps");
            leaps.check_bounds();
        }
        let mut refused = Guest::new(&engine, &module);
        assert_eq!(refused.grow(70_000), -1);
        refused.check(huge_pages, "refused");
    }
}

#[test]
fn the_next_instance_finds_zeros_and_the_same_advice() {
    if !available() {
        return;
    }
    let (on, off) = (engine(true), engine(false));
    let (large, small) = (module(&on, 400), module(&off, 300));
    let mut reused = 0;
    let mut last = 0;
    for round in 0..12 {
        // The one that is off takes slots that had huge pages, and the other way round.
        let (engine, module) = if round % 6 == 5 {
            (&off, &small)
        } else {
            (&on, &large)
        };
        let mut guest = Guest::new(engine, module);
        guest.check(round % 6 != 5, &format!("round {round}"));
        let bytes = guest.memory.data(&guest.store);
        reused += usize::from(bytes.as_ptr() as usize == last);
        last = bytes.as_ptr() as usize;
        assert_eq!(&bytes[20_000..20_004], b"data");
        let zero = |bytes: &[u8]| bytes.chunks(PAGE).all(|c| *c == [0; PAGE][..c.len()]);
        assert!(
            zero(&bytes[..20_000]) && zero(&bytes[20_004..]),
            "round {round}"
        );
        if round % 3 == 2 {
            guest.grow(200);
            guest.check(round % 6 != 5, "grown");
        }
        let fill = guest
            .instance
            .get_typed_func::<(), ()>(&mut guest.store, "fill");
        fill.unwrap().call(&mut guest.store, ()).unwrap();
        guest.check_bounds();
    }
    assert!(reused > 0, "no address space was used twice");
}
