//! A plugin system: the host checks each plugin's interface when it is loaded, gives it services,
//! bounds what it may use, and survives the ones that fail.
//!
//! `cargo run -p craneway --example plugins`

use craneway::{
    Caller, Engine, Instance, Linker, Memory, Module, Result, Store, StoreLimits,
    StoreLimitsBuilder, Trap, TypedFunc, ensure, format_err,
};

/// Exchanges the case of ASCII letters.
const SWAP_CASE: &str = r#"(module $swap_case
    (import "host" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "swapping")
    (func (export "buffer") (param i32) (result i32) (i32.const 1024))
    (func (export "transform") (param $at i32) (param $len i32) (result i32) (local $end i32) (local $c i32)
        (call $log (i32.const 0) (i32.const 8))
        (local.set $end (i32.add (local.get $at) (local.get $len)))
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $at) (local.get $end)))
            (local.set $c (i32.or (i32.load8_u (local.get $at)) (i32.const 32)))
            (if (i32.lt_u (i32.sub (local.get $c) (i32.const 97)) (i32.const 26))
                (then (i32.store8 (local.get $at)
                    (i32.xor (i32.load8_u (local.get $at)) (i32.const 32)))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $next)))
        (local.get $len)))"#;

/// Drops every character but the first of a run of equal ones; fails on long input.
const DEDUP: &str = r#"(module $dedup
    (memory (export "memory") 1)
    (func (export "buffer") (param $len i32) (result i32)
        (if (i32.gt_u (local.get $len) (i32.const 64)) (then unreachable))
        (i32.const 4096))
    (func (export "transform") (param $at i32) (param $len i32) (result i32)
        (local $n i32) (local $out i32) (local $last i32) (local $c i32)
        (local.set $last (i32.const -1))
        (block $done (loop $next
            (br_if $done (i32.eq (local.get $n) (local.get $len)))
            (local.set $c (i32.load8_u (i32.add (local.get $at) (local.get $n))))
            (if (i32.ne (local.get $c) (local.get $last))
                (then
                    (i32.store8 (i32.add (local.get $at) (local.get $out)) (local.get $c))
                    (local.set $out (i32.add (local.get $out) (i32.const 1)))))
            (local.set $last (local.get $c))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br $next)))
        (local.get $out)))"#;

/// What the host keeps for one plugin.
struct State {
    limits: StoreLimits,
    log: Vec<String>,
}

/// A loaded plugin: each has a store of its own, so none can touch another.
struct Plugin {
    name: String,
    store: Store<State>,
    memory: Memory,
    buffer: TypedFunc<i32, i32>,
    transform: TypedFunc<(i32, i32), i32>,
}

impl Plugin {
    fn load(linker: &Linker<State>, module: &Module) -> Result<Plugin> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(1 << 20)
            .instances(1)
            .build();
        let mut store = Store::new(
            module.engine(),
            State {
                limits,
                log: Vec::new(),
            },
        );
        store.limiter(|state| &mut state.limits);
        let instance: Instance = linker.instantiate(&mut store, module)?;
        let memory = instance.get_memory(&mut store, "memory");
        Ok(Plugin {
            name: module
                .name()
                .unwrap_or("a plugin without a name")
                .to_string(),
            memory: memory.ok_or_else(|| format_err!("a plugin exports its memory as `memory`"))?,
            buffer: instance.get_typed_func(&mut store, "buffer")?,
            transform: instance.get_typed_func(&mut store, "transform")?,
            store,
        })
    }

    fn run(&mut self, text: &str) -> Result<String> {
        let len = i32::try_from(text.len())?;
        let at = self.buffer.call(&mut self.store, len)?;
        self.memory
            .write(&mut self.store, at as u32 as usize, text.as_bytes())?;
        let len = self.transform.call(&mut self.store, (at, len))?;
        ensure!(
            len as u32 as usize <= text.len(),
            "{} returned {len} bytes",
            self.name
        );
        let mut out = vec![0; len as u32 as usize];
        self.memory
            .read(&self.store, at as u32 as usize, &mut out)?;
        Ok(String::from_utf8(out)?)
    }
}

fn main() -> Result<()> {
    let engine = Engine::default();
    let mut linker: Linker<State> = Linker::new(&engine);
    linker.func_wrap(
        "host",
        "log",
        |mut caller: Caller<'_, State>, at: u32, len: u32| -> Result<()> {
            let memory = caller
                .memory()
                .ok_or_else(|| format_err!("the plugin has no memory"))?;
            let (bytes, state) = memory.data_and_store_mut(&mut caller);
            let text = (at as usize)
                .checked_add(len as usize)
                .and_then(|end| bytes.get(at as usize..end));
            let text =
                text.ok_or_else(|| format_err!("a message lies outside the plugin's memory"))?;
            state.log.push(String::from_utf8_lossy(text).into_owned());
            Ok(())
        },
    )?;

    let mut plugins = Vec::new();
    for wat in [SWAP_CASE, DEDUP] {
        plugins.push(Plugin::load(&linker, &Module::new(&engine, wat)?)?);
    }
    let mut text = "Hello, WebAssembly plugins".to_string();
    for plugin in &mut plugins {
        let next = plugin.run(&text)?;
        println!("{}: {text:?} -> {next:?}", plugin.name);
        text = next;
    }
    assert_eq!(text, "hELO, wEBaSEMBLY PLUGINS");
    assert_eq!(plugins[0].store.data().log, ["swapping"]);

    // A plugin that fails is an error of that call; it and the others go on.
    let error = plugins[1].run(&"x".repeat(100)).unwrap_err();
    assert_eq!(
        error.downcast_ref::<Trap>(),
        Some(&Trap::UnreachableCodeReached)
    );
    println!("on long input: {error:#}");
    assert_eq!(plugins[1].run("aab")?, "ab");

    // What does not fit is refused when it is loaded, with everything that is wrong.
    let foreign = Module::new(
        &engine,
        r#"(module (import "host" "exec" (func (param i32))))"#,
    )?;
    let error = Plugin::load(&linker, &foreign)
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default();
    println!("another: {error}");
    assert!(error.contains("`host::exec`: expected (func (param i32))"));
    Ok(())
}

#[test]
fn the_example_runs() -> Result<()> {
    main()
}
