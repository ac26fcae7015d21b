//! One memory that the host makes and several guests import: all see the same bytes.
//!
//! `cargo run -p craneway --example shared_memory`

use craneway::{Engine, Linker, Memory, MemoryType, Module, Result, Store};

const IMAGE: usize = 0x1000;
const LEN: usize = 64;

fn main() -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    // One page now, two at most. It belongs to the store, so only this store's guests can import it.
    let memory = Memory::new(&mut store, MemoryType::new(1, Some(2)))?;
    let mut linker = Linker::new(&engine);
    linker.define(&store, "host", "memory", memory)?;

    let invert = Module::new(
        &engine,
        r#"(module
            (import "host" "memory" (memory 1))
            (func (export "invert") (param $at i32) (param $len i32)
                (loop $again
                    (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                    (i32.store8 (i32.add (local.get $at) (local.get $len))
                        (i32.xor (i32.const 255)
                            (i32.load8_u (i32.add (local.get $at) (local.get $len)))))
                    (br_if $again (local.get $len)))))"#,
    )?;
    let total = Module::new(
        &engine,
        r#"(module
            (import "host" "memory" (memory 1))
            (func (export "total") (param $at i32) (param $len i32) (result i32) (local $sum i32)
                (loop $again
                    (local.set $len (i32.sub (local.get $len) (i32.const 1)))
                    (local.set $sum (i32.add (local.get $sum)
                        (i32.load8_u (i32.add (local.get $at) (local.get $len)))))
                    (br_if $again (local.get $len)))
                (local.get $sum))
            (func (export "grow") (result i32) (memory.grow (i32.const 1))))"#,
    )?;
    let invert = linker.instantiate(&mut store, &invert)?;
    let total = linker.instantiate(&mut store, &total)?;
    let invert = invert.get_typed_func::<(u32, u32), ()>(&mut store, "invert")?;
    let grow = total.get_typed_func::<(), i32>(&mut store, "grow")?;
    let total = total.get_typed_func::<(u32, u32), u32>(&mut store, "total")?;

    // The host writes in place, without a copy.
    for (n, byte) in memory.data_mut(&mut store)[IMAGE..IMAGE + LEN]
        .iter_mut()
        .enumerate()
    {
        *byte = n as u8;
    }
    let at = (IMAGE as u32, LEN as u32);
    let before = total.call(&mut store, at)?;
    invert.call(&mut store, at)?;
    let after = total.call(&mut store, at)?;
    println!("one guest counted {before}, another inverted, then it was {after}");
    assert_eq!(before, (0..64).sum::<u32>());
    assert_eq!(before + after, 255 * LEN as u32);
    assert_eq!(memory.data(&store)[IMAGE], 255);

    // A guest grows it; slices taken before cannot be held across this, the compiler sees to it.
    assert_eq!(grow.call(&mut store, ())?, 1);
    println!("it has {} pages now", memory.size(&store));
    memory.write(&mut store, 0x1fff0, b"new page")?;
    assert_eq!(
        total.call(&mut store, (0x1fff0, 3))?,
        u32::from(b'n') + u32::from(b'e') + u32::from(b'w')
    );
    Ok(())
}

#[test]
fn the_example_runs() -> Result<()> {
    main()
}
