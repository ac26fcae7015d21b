//! Every value of every signature survives every kind of call: host to wasm, wasm to host and back, direct,
//! indirect, as a tail call, and across instances.
//!
//! Signatures are hand-picked at the edges of what travels in registers, then random; each function returns a
//! selection of its parameters, so that a value in the wrong place is seen. This file must never know which
//! registers a convention uses.

#[path = "../fuzz/rng.rs"]
mod rng;

use std::fmt::Write;

use craneway::{
    AsContextMut, Config, Engine, Error, ExternRef, ExternType, Func, Linker, Module, OptLevel,
    Result, Store, V128, Val, bail, ensure,
};
use rng::Rng;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    I32,
    I64,
    F32,
    F64,
    V128,
    Func,
    Extern,
}

use Type::{Extern, F32, F64, I32, I64};

const TYPES: [Type; 7] = [I32, I64, F32, F64, Type::V128, Type::Func, Extern];

impl Type {
    fn text(self) -> &'static str {
        match self {
            I32 => "i32",
            I64 => "i64",
            F32 => "f32",
            F64 => "f64",
            Self::V128 => "v128",
            Self::Func => "funcref",
            Extern => "externref",
        }
    }
}

/// What a value must be on arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
    /// Null, or the function that returns [`MARK`].
    Func(bool),
    Extern(Option<u32>),
}

/// The result of the function that stands for all functions.
const MARK: i32 = 0x0bad_cafe;

impl Value {
    fn random(ty: Type, rng: &mut Rng) -> Self {
        match ty {
            I32 => Self::I32(rng.next() as i32),
            I64 => Self::I64(rng.next() as i64),
            // Any bits, signalling NaNs among them: a call must not change them.
            F32 => Self::F32(rng.next() as u32),
            F64 => Self::F64(rng.next()),
            Type::V128 => Self::V128(u128::from(rng.next()) << 64 | u128::from(rng.next())),
            Type::Func => Self::Func(rng.once_in(2)),
            Extern => Self::Extern((!rng.once_in(4)).then(|| rng.next() as u32)),
        }
    }
}

/// A signature, and which parameters are the results.
#[derive(Clone, Debug)]
struct Case {
    params: Vec<Type>,
    results: Vec<usize>,
}

impl Case {
    /// All parameters, last first.
    fn reversed(params: &[Type]) -> Self {
        Self {
            params: params.to_vec(),
            results: (0..params.len()).rev().collect(),
        }
    }

    fn random(rng: &mut Rng) -> Self {
        let few: Vec<Type> = (0..rng.between(1, 7)).map(|_| rng.pick(&TYPES)).collect();
        let params: Vec<Type> = (0..rng.below(21)).map(|_| rng.pick(&few)).collect();
        let mut results = Vec::new();
        if !params.is_empty() {
            for _ in 0..rng.below(21) {
                results.push(rng.below(params.len() as u64) as usize);
            }
        }
        Self { params, results }
    }

    /// A module whose exports all have this signature, and one that imports them from the first.
    fn modules(&self) -> (String, String) {
        let mut ty = String::from("(type $f (func");
        for param in &self.params {
            let _ = write!(ty, " (param {})", param.text());
        }
        for result in &self.results {
            let _ = write!(ty, " (result {})", self.params[*result].text());
        }
        ty += "))";
        let gets: String = (0..self.params.len())
            .map(|i| format!("local.get {i} "))
            .collect();
        let own: String = self
            .results
            .iter()
            .map(|i| format!("local.get {i} "))
            .collect();
        let bodies = [
            ("identity", own),
            ("direct", format!("{gets} call $host")),
            (
                "indirect",
                format!("{gets} i32.const 0 call_indirect (type $f)"),
            ),
            (
                "indirect wasm",
                format!("{gets} i32.const 1 call_indirect (type $f)"),
            ),
            ("tail", format!("{gets} return_call $host")),
            ("tail wasm", format!("{gets} return_call $identity")),
            (
                "tail indirect",
                format!("{gets} i32.const 0 return_call_indirect (type $f)"),
            ),
            (
                "tail tail",
                format!("{gets} i32.const 2 return_call_indirect (type $f)"),
            ),
        ];
        let import = format!("(module {ty} (import \"host\" \"host\" (func $host (type $f)))");
        let rest = format!(
            "(func $mark (export \"mark\") (result i32) i32.const {MARK}) \
             (table 4 funcref) (elem (i32.const 0) $host $identity $tail)"
        );
        let mut first = import.clone();
        for (name, body) in &bodies {
            let id = if ["identity", "tail"].contains(name) {
                format!("${name}")
            } else {
                String::new()
            };
            let _ = write!(first, "(func {id} (export \"{name}\") (type $f) {body})");
        }
        let _ = write!(first, "{rest})");
        // The other instance calls functions of the first by import, by table and by tail call.
        let mut second = format!("(module {ty}");
        for name in ["direct", "identity"] {
            let _ = write!(
                second,
                "(import \"first\" \"{name}\" (func ${name} (type $f)))"
            );
        }
        let far = [
            ("far", format!("{gets} call $direct")),
            (
                "far indirect",
                format!("{gets} i32.const 0 call_indirect (type $f)"),
            ),
            ("far tail", format!("{gets} return_call $direct")),
            (
                "far tail indirect",
                format!("{gets} i32.const 1 return_call_indirect (type $f)"),
            ),
        ];
        for (name, body) in far {
            let _ = write!(second, "(func (export \"{name}\") (type $f) {body})");
        }
        second += "(table 4 funcref) (elem (i32.const 0) $direct $identity))";
        (first, second)
    }
}

/// What the host function expects next, and how often it was called.
#[derive(Default)]
struct Host {
    expected: Vec<Value>,
    calls: usize,
}

fn to_val(store: &mut Store<Host>, value: Value, mark: &Func) -> Result<Val> {
    Ok(match value {
        Value::I32(x) => Val::I32(x),
        Value::I64(x) => Val::I64(x),
        Value::F32(x) => Val::F32(x),
        Value::F64(x) => Val::F64(x),
        Value::V128(x) => Val::V128(V128::from(x)),
        Value::Func(present) => Val::FuncRef(present.then_some(*mark)),
        Value::Extern(None) => Val::ExternRef(None),
        Value::Extern(Some(x)) => Val::ExternRef(Some(ExternRef::new(store, x)?)),
    })
}

/// Whether `got` is the value that was sent. Functions are called to find out.
fn arrived(mut store: impl AsContextMut, got: &Val, sent: Value) -> Result<bool> {
    Ok(match (got, sent) {
        (Val::I32(got), Value::I32(sent)) => *got == sent,
        (Val::I64(got), Value::I64(sent)) => *got == sent,
        (Val::F32(got), Value::F32(sent)) => *got == sent,
        (Val::F64(got), Value::F64(sent)) => *got == sent,
        (Val::V128(got), Value::V128(sent)) => got.as_u128() == sent,
        (Val::FuncRef(None), Value::Func(sent)) => !sent,
        (Val::FuncRef(Some(_)), Value::Func(false)) => false,
        (Val::FuncRef(Some(got)), Value::Func(true)) => {
            let mut results = [Val::I32(0)];
            got.call(&mut store, &[], &mut results)?;
            matches!(results, [Val::I32(MARK)])
        }
        (Val::ExternRef(None), Value::Extern(sent)) => sent.is_none(),
        (Val::ExternRef(Some(_)), Value::Extern(None)) => false,
        (Val::ExternRef(Some(got)), Value::Extern(Some(sent))) => {
            let data = got.data(&store)?;
            data.and_then(|data| data.downcast_ref::<u32>()) == Some(&sent)
        }
        _ => false,
    })
}

fn check(case: &Case, engine: &Engine, rng: &mut Rng) -> Result<()> {
    let (first, second) = case.modules();
    let first = Module::new(engine, &first)?;
    let second = Module::new(engine, &second)?;
    let mut store = Store::new(engine, Host::default());
    let mut linker: Linker<Host> = Linker::new(engine);
    let Some(ExternType::Func(ty)) = first.imports().next().map(|import| import.ty()) else {
        bail!("the module does not import a function");
    };
    let results = case.results.clone();
    linker.func_new("host", "host", ty, move |mut caller, args, out| {
        caller.data_mut().calls += 1;
        let expected = caller.data().expected.clone();
        ensure!(
            args.len() == expected.len(),
            "the host got {} arguments",
            args.len()
        );
        for (index, (arg, sent)) in args.iter().zip(expected).enumerate() {
            let same = arrived(&mut caller, arg, sent)?;
            ensure!(
                same,
                "the host got {arg:x?} as argument {index}, sent was {sent:x?}"
            );
        }
        for (out, index) in out.iter_mut().zip(&results) {
            *out = args[*index];
        }
        Ok(())
    })?;
    let near = linker.instantiate(&mut store, &first)?;
    linker.instance(&mut store, "first", near)?;
    let far = linker.instantiate(&mut store, &second)?;
    let Some(mark) = near.get_func(&mut store, "mark") else {
        bail!("no function `mark`")
    };
    // The host function by itself, called by the host.
    if let Some(host) = linker.get(&mut store, "host", "host") {
        let Some(host) = host.into_func() else {
            bail!("the host function is no function")
        };
        round(case, &mut store, &host, &mark, rng).map_err(|e| e.context("host to host"))?;
    }
    for (instance, module) in [(near, &first), (far, &second)] {
        for export in module.exports().filter(|export| export.name() != "mark") {
            let name = export.name();
            let Some(func) = instance.get_func(&mut store, name) else {
                bail!("no function `{name}`")
            };
            let before = store.data().calls;
            round(case, &mut store, &func, &mark, rng)
                .map_err(|e| e.context(format!("`{name}`")))?;
            let wasm_only = [
                "identity",
                "indirect wasm",
                "tail wasm",
                "far tail indirect",
            ];
            let calls = store.data().calls - before;
            ensure!(
                calls == usize::from(!wasm_only.contains(&name)),
                "`{name}`: {calls} host calls"
            );
        }
    }
    Ok(())
}

/// One call with fresh values.
fn round(
    case: &Case,
    store: &mut Store<Host>,
    func: &Func,
    mark: &Func,
    rng: &mut Rng,
) -> Result<()> {
    let sent: Vec<Value> = case
        .params
        .iter()
        .map(|ty| Value::random(*ty, rng))
        .collect();
    store.data_mut().expected = sent.clone();
    let mut args = Vec::new();
    for value in &sent {
        args.push(to_val(store, *value, mark)?);
    }
    let mut results = vec![Val::I32(0); case.results.len()];
    func.call(&mut *store, &args, &mut results)?;
    for (index, (got, from)) in results.iter().zip(&case.results).enumerate() {
        let same = arrived(&mut *store, got, sent[*from])?;
        ensure!(
            same,
            "result {index} is {got:x?}, should be {:x?}",
            sent[*from]
        );
    }
    Ok(())
}

fn run(cases: &[Case]) {
    for opt in [OptLevel::None, OptLevel::Speed] {
        let mut config = Config::new();
        config.cranelift_opt_level(opt).wasm_tail_call(true);
        let engine = Engine::new(&config).expect("an engine");
        let mut rng = Rng::new(42);
        for case in cases {
            if let Err(error) = check(case, &engine, &mut rng) {
                let (first, second) = case.modules();
                panic!("{}\n{first}\n{second}", describe(&error, case));
            }
        }
    }
}

fn describe(error: &Error, case: &Case) -> String {
    format!("{case:?}: {error:#}")
}

#[test]
fn nothing_and_one_of_each() {
    let mut cases = vec![Case {
        params: vec![],
        results: vec![],
    }];
    for ty in TYPES {
        cases.push(Case {
            params: vec![ty],
            results: vec![],
        });
        cases.push(Case {
            params: vec![ty],
            results: vec![0],
        });
        cases.push(Case {
            params: vec![ty],
            results: vec![0; 20],
        });
    }
    run(&cases);
}

#[test]
fn many_of_one_type() {
    let mut cases = Vec::new();
    for ty in TYPES {
        for count in [2, 5, 6, 7, 8, 9, 15, 20] {
            cases.push(Case::reversed(&vec![ty; count]));
        }
    }
    run(&cases);
}

#[test]
fn all_types_taking_turns() {
    let mut cases = vec![Case::reversed(&TYPES)];
    for count in [8, 13, 20] {
        let turns: Vec<Type> = TYPES.iter().copied().cycle().take(count).collect();
        cases.push(Case::reversed(&turns));
        let narrow: Vec<Type> = [I32, F32, I64, F64]
            .into_iter()
            .cycle()
            .take(count)
            .collect();
        cases.push(Case::reversed(&narrow));
        let vectors: Vec<Type> = [Type::V128, I32].into_iter().cycle().take(count).collect();
        cases.push(Case::reversed(&vectors));
    }
    run(&cases);
}

#[test]
fn random_signatures() {
    let mut rng = Rng::new(7);
    let cases: Vec<Case> = (0..60).map(|_| Case::random(&mut rng)).collect();
    run(&cases);
}

#[test]
fn typed_calls_keep_their_order() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module
            (import "host" "swap" (func $swap (param i32 i64 f32 f64) (result f64 f32 i64 i32)))
            (func (export "swap") (param i32 i64 f32 f64) (result f64 f32 i64 i32)
                local.get 0 local.get 1 local.get 2 local.get 3 call $swap))"#,
    )?;
    let mut store = Store::new(&engine, ());
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "swap", |a: i32, b: i64, c: f32, d: f64| {
        (d, c, b, a)
    })?;
    let instance = linker.instantiate(&mut store, &module)?;
    let swap = instance
        .get_typed_func::<(i32, i64, f32, f64), (f64, f32, i64, i32)>(&mut store, "swap")?;
    for x in [0, 1, -1, i32::MIN, i32::MAX] {
        let (wide, single, double) = (i64::from(x) << 17 ^ 5, x as f32, f64::from(x) / 3.0);
        let got = swap.call(&mut store, (x, wide, single, double))?;
        assert_eq!(got, (double, single, wide, x));
    }
    let wrong = instance.get_typed_func::<(i32, i64, f32), f64>(&mut store, "swap");
    assert!(
        wrong.is_err(),
        "a typed function of another type must be refused"
    );
    Ok(())
}
