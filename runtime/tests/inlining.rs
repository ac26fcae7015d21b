//! Calls that become their callees' bodies look like calls from outside.

use craneway::{Config, Engine, Instance, Module, OptLevel, Store, WasmBacktrace};

/// Traps and calls of the host, through one, two and three inlined bodies, in loops and recursions.
const MODULE: &str = r#"(module $m
  (import "" "host" (func $host))
  (memory 1)
  (global $last (mut i32) (i32.const 0))
  (func $load (param i32) (result i32)
    nop
    ;; Used twice, so that the load is never made a part of an operator of a caller.
    (global.set $last (local.tee 0 (i32.load offset=4 (local.get 0))))
    (local.get 0))
  (func $twice (param i32) (result i32)
    (i32.add (call $load (i32.const 8)) (call $load (local.get 0))))
  (func $host_too (param i32) (result i32)
    (call $host) (call $twice (local.get 0)))
  (func (export "load") (param i32) (result i32)
    (local i32)
    (loop $l
      (local.set 1 (call $twice (i32.const 16)))
      (br_if $l (local.get 1)))
    (call $twice (local.get 0)))
  (func (export "host") (param i32) (result i32) (call $host_too (local.get 0)))
  (func $down (export "down") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
      (else (call $twice (i32.const -1))))))"#;

/// Function, offset in the module and offset in the function of every frame.
type Frames = Vec<(u32, Option<String>, Option<usize>, Option<usize>)>;

fn frames(level: OptLevel, export: &str, arg: i32, host_fails: bool) -> Frames {
    let mut config = Config::new();
    config.cranelift_opt_level(level);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, MODULE).unwrap();
    let mut store = Store::new(&engine, ());
    let host = craneway::Func::wrap(&mut store, move || -> craneway::Result<()> {
        if host_fails {
            anyhow::bail!("the host fails")
        }
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let call = instance
        .get_typed_func::<i32, i32>(&mut store, export)
        .unwrap();
    let error = call.call(&mut store, arg).unwrap_err();
    let backtrace = error.downcast_ref::<WasmBacktrace>().unwrap();
    let describe = |f: &craneway::FrameInfo| {
        let name = f.func_name().map(str::to_string);
        (f.func_index(), name, f.module_offset(), f.func_offset())
    };
    backtrace.frames().iter().map(describe).collect()
}

#[test]
fn backtraces_do_not_depend_on_inlining() {
    for (export, arg, host_fails) in [
        ("load", -1, false),
        ("host", -1, false),
        ("host", 0, true),
        ("down", 0, false),
        ("down", 1, false),
        ("down", 7, false),
    ] {
        let plain = frames(OptLevel::None, export, arg, host_fails);
        let inlined = frames(OptLevel::Speed, export, arg, host_fails);
        assert_eq!(plain, inlined, "{export}({arg})");
        assert!(plain.len() > 1, "{plain:?}");
        assert!(
            plain.iter().all(|f| f.2.is_some() && f.3.is_some()),
            "{plain:?}"
        );
    }
}
