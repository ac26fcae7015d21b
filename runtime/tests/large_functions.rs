//! Functions so large that the compiler keeps their locals in the frame, or takes its most robust ways,
//! compute what the same steps compute in a loop. This file must never know which way is taken when.

use craneway::{Engine, ExternRef, Instance, Module, Result, Store, Val};

/// Enough for the locals' chains through the blocks to be too long (`jit/src/codegen/burden.rs`).
const STEPS: usize = 6_000;

/// One step over locals of every type, references among them if asked for; `k` says which one it is.
/// References are always kept in values, so they ask for another way to compile.
fn step(k: &str, references: bool) -> String {
    let swap = "(if (i32.and (local.get $a) (i32.const 64))
             (then (local.set $r (local.get $s)) (local.set $s (local.get $t)) (local.set $t (local.get $r))))";
    let swap = if references { swap } else { "" };
    format!(
        "(block
           (br_if 0 (i32.and (i32.shr_u (local.get $a) (i32.const 3)) (i32.const 1)))
           (local.set $b (i64.rotl (i64.xor (local.get $b) (i64.extend_i32_u (local.get $a))) (i64.const 5)))
           (local.set $c (f32.add (f32.mul (local.get $c) (f32.const 0.5)) (f32.convert_i32_s (local.get $a))))
           (local.set $d (f64.sqrt (f64.abs (f64.add (local.get $d) (f64.promote_f32 (local.get $c))))))
           (local.set $v (i32x4.add (local.get $v) (i32x4.splat (local.get $a))))
           {swap})
         (local.set $a (i32.add (i32.mul (local.get $a) (i32.const 31)) (i32.xor {k} (i32.wrap_i64 (local.get $b)))))"
    )
}

fn module(references: bool) -> String {
    let ty = "(param $a i32) (param $s externref) (param $t externref)
              (result i32 i64 f32 f64 v128 externref externref)
              (local $b i64) (local $c f32) (local $d f64) (local $v v128) (local $r externref) (local $k i32)";
    let results = "(local.get $a) (local.get $b) (local.get $c) (local.get $d) (local.get $v) (local.get $r) (local.get $s)";
    let row: String = (0..STEPS)
        .map(|k| step(&format!("(i32.const {k})"), references))
        .collect();
    let looped = format!(
        "(loop {} (local.set $k (i32.add (local.get $k) (i32.const 1)))
           (br_if 0 (i32.lt_u (local.get $k) (i32.const {STEPS}))))",
        step("(local.get $k)", references)
    );
    format!(
        r#"(module (func (export "row") {ty} {row} {results}) (func (export "loop") {ty} {looped} {results}))"#
    )
}

/// Results in a form that can be compared.
fn shown(store: &Store<()>, results: &[Val]) -> Result<Vec<String>> {
    let one = |value: &Val| {
        Ok(match value {
            Val::ExternRef(Some(r)) => {
                let data = r.data(store)?;
                format!("{:?}", data.and_then(|d| d.downcast_ref::<u32>().copied()))
            }
            other => format!("{other:?}"),
        })
    };
    results.iter().map(one).collect()
}

#[test]
fn a_row_of_steps_computes_what_a_loop_does() -> Result<()> {
    compare(false)
}

#[test]
fn a_row_of_steps_with_references_computes_what_a_loop_does() -> Result<()> {
    compare(true)
}

fn compare(references: bool) -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(&engine, module(references))?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    for seed in [0, 1, -7, 123_456_789] {
        let mut seen = Vec::new();
        for name in ["row", "loop"] {
            let (s, t) = (
                ExternRef::new(&mut store, 1u32)?,
                ExternRef::new(&mut store, 2u32)?,
            );
            let args = [
                Val::I32(seed),
                Val::ExternRef(Some(s)),
                Val::ExternRef(Some(t)),
            ];
            let mut results = vec![Val::I32(0); 7];
            let func = instance.get_func(&mut store, name).expect("exported");
            func.call(&mut store, &args, &mut results)?;
            seen.push(shown(&store, &results)?);
        }
        assert_eq!(seen[0], seen[1], "seed {seed}");
        assert_ne!(seen[0][0], format!("{:?}", Val::I32(seed)));
    }
    Ok(())
}
