//! Calls from wasm to host functions whose values travel in registers, and to their neighbours whose
//! values do not: every kind of value in every place, every way not to return, and what is left after.

use craneway::{
    Caller, Config, Engine, ExnRef, Extern, Func, FuncType, Instance, Linker, Module, Result,
    Store, Tag, TagType, ThrownException, Trap, TypedFunc, V128, Val, ValType, WasmBacktrace, bail,
};
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A number of a wasm type, from and to a small one.
trait Number: Copy {
    const TY: &'static str;
    fn of(n: i64) -> Self;
    fn get(self) -> i64;
}

macro_rules! numbers {
    ($($ty:ident)*) => {$(
        impl Number for $ty {
            const TY: &'static str = stringify!($ty);
            fn of(n: i64) -> $ty { n as $ty }
            fn get(self) -> i64 { self as i64 }
        }
    )*};
}

numbers! { i32 i64 f32 f64 }

impl Number for V128 {
    const TY: &'static str = "v128";
    fn of(n: i64) -> V128 {
        V128::from(u128::from(n as u64))
    }
    fn get(self) -> i64 {
        self.as_u128() as i64
    }
}

fn constant(ty: &str, n: i64) -> String {
    match ty {
        "v128" => format!("(v128.const i64x2 {n} 0)"),
        ty => format!("({ty}.const {n})"),
    }
}

/// A module that calls `h.f` with 1, 2, 3…, directly, through a table and as a tail call.
fn caller_of(engine: &Engine, params: &[&str], results: &[&str]) -> Result<Module> {
    let (params, results) = (params.iter(), results.join(" "));
    let ty = format!(
        "(param {}) (result {results})",
        params.clone().copied().collect::<Vec<_>>().join(" ")
    );
    let args: String = params.zip(1..).map(|(ty, n)| constant(ty, n)).collect();
    Module::new(
        engine,
        format!(
            r#"(module (type $t (func {ty})) (import "h" "f" (func $f (type $t))) (table funcref (elem $f))
            (func (export "direct") (result {results}) {args} (call $f))
            (func (export "indirect") (result {results}) {args} (call_indirect (type $t) (i32.const 0)))
            (func (export "tail") (result {results}) {args} (return_call $f)))"#
        ),
    )
}

/// Digits of the arguments in their order, few enough for every type to hold.
fn digest(args: &[i64]) -> i64 {
    args.iter().fold(0, |sum, n| (sum * 3 + n) % 10_007)
}

macro_rules! mix {
    ($engine:expr; $($name:ident $ty:ident),* => $result:ident) => {{
        let engine: &Engine = $engine;
        let count = [$(stringify!($name)),*].len() as i64;
        let want = digest(&(1..=count).collect::<Vec<_>>());
        let params = [$(<$ty as Number>::TY),*];
        let module = caller_of(engine, &params, &[<$result as Number>::TY])?;
        let mut linker: Linker<()> = Linker::new(engine);
        linker.func_wrap("h", "f", |$($name: $ty),*| -> $result {
            <$result as Number>::of(digest(&[$($name.get()),*]))
        })?;
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, &module)?;
        for name in ["direct", "indirect", "tail"] {
            let call = instance.get_typed_func::<(), $result>(&mut store, name)?;
            for _ in 0..3 {
                let got = call.call(&mut store, ())?.get();
                assert_eq!(got, want, "{name} {params:?}");
            }
        }
        // The same function where the host calls it.
        let f = linker.get(&mut store, "h", "f").and_then(Extern::into_func).unwrap();
        let f = f.typed::<($($ty,)*), $result>(&store)?;
        let mut n = 0;
        $(n += 1; let $name = <$ty as Number>::of(n);)*
        assert_eq!(f.call(&mut store, ($($name,)*))?.get(), want, "host {params:?}");
    }};
}

#[test]
fn every_mix_of_values_arrives() -> Result<()> {
    let e = &Engine::default();
    mix!(e; a i32 => i32);
    mix!(e; a i64 => f64);
    mix!(e; a f32 => f32);
    mix!(e; a f64 => i64);
    mix!(e; a i32, b f32 => i32);
    mix!(e; a f64, b i32, c f32, d i64 => f32);
    // As many integers as fit in registers, and one more.
    mix!(e; a i32, b i64, c i32, d i64, f i32 => i64);
    mix!(e; a i32, b i64, c i32, d i64, f i32, g i64 => i64);
    // As many floats, and one more.
    mix!(e; a f32, b f64, c f32, d f64, f f32, g f64, h f32, i f64 => f64);
    mix!(e; a f32, b f64, c f32, d f64, f f32, g f64, h f32, i f64, j f32 => f32);
    // Both.
    mix!(e; a f32, b i64, c f64, d i32, f f32, g i64, h f64, i i32, j f32, k i64, l f64, m f32, n f64 => f64);
    mix!(e; a f32, b i64, c f64, d i32, f f32, g i64, h f64, i i32, j f32, k i64, l f64, m f32, n f64 => i32);
    mix!(e; a f32, b i64, c f64, d i32, f f32, g i64, h f64, i i32, j f32, k i64, l f64, m f32, n f64, o i32 => i32);
    mix!(e; a f32, b i64, c f64, d i32, f f32, g i64, h f64, i i32, j f32, k i64, l f64, m f32, n f64, o i32, p f64, q i64 => f64);
    // Values that are wider than what a direct call passes.
    mix!(e; a i32, b V128, c f64 => i32);
    mix!(e; a i32, b f64 => V128);
    Ok(())
}

#[test]
fn bits_arrive_as_they_are() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "h" "f" (func $f (param i64 f32 f64 i32) (result f32)))
            (import "h" "g" (func $g (param f64) (result f64)))
            (func (export "f") (param i64 f32 f64 i32) (result f32)
                (call $f (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
            (func (export "g") (param f64) (result f64) (call $g (local.get 0))))"#,
    )?;
    let mut linker: Linker<(u64, u32, u64, i32)> = Linker::new(&engine);
    linker.func_wrap(
        "h",
        "f",
        |mut caller: Caller<'_, (u64, u32, u64, i32)>, a: u64, b: f32, c: f64, d: i32| {
            *caller.data_mut() = (a, b.to_bits(), c.to_bits(), d);
            b
        },
    )?;
    linker.func_wrap("h", "g", |a: f64| a)?;
    let mut store = Store::new(&engine, (0, 0, 0, 0));
    let instance = linker.instantiate(&mut store, &module)?;
    let f = instance.get_typed_func::<(u64, f32, f64, i32), f32>(&mut store, "f")?;
    let g = instance.get_typed_func::<f64, f64>(&mut store, "g")?;
    let (single, double) = (0xffa0_1234, 0x7ff4_0000_dead_beef);
    let back = f.call(
        &mut store,
        (
            u64::MAX - 5,
            f32::from_bits(single),
            f64::from_bits(double),
            -7,
        ),
    )?;
    assert_eq!(back.to_bits(), single);
    assert_eq!(*store.data(), (u64::MAX - 5, single, double, -7));
    let back = g.call(&mut store, f64::from_bits(double))?;
    assert_eq!(back.to_bits(), double);
    Ok(())
}

/// Calls `f` where many values live on, and says what they add up to afterwards: registers that it must
/// keep are in use whether it returns or fails.
fn with_values_alive(mut f: impl FnMut() -> bool) -> (bool, u64) {
    let v: [u64; 10] = std::array::from_fn(|n| black_box(n as u64 + 1));
    let (a, b, c, d, e) = (v[0] * 3, v[1] * 5, v[2] * 7, v[3] * 11, v[4] * 13);
    let (x, y) = (v[5] as f64 * 0.5, v[6] as f64 * 0.25);
    let done = f();
    let sum = a + 10 * b + 100 * c + 1000 * d + 10_000 * e + (x * 2.0) as u64 + (y * 4.0) as u64;
    (done, sum + v[7] + v[8] + v[9])
}

const FAILING: &str = r#"(module
    (import "h" "tag" (tag $t (param i32)))
    (import "h" "int" (func $int (param i32) (result i32)))
    (import "h" "float" (func $float (param f64) (result f64)))
    (import "h" "none" (func $none (param i32)))
    (func $middle_int (param i32) (result i32) (i32.add (call $int (local.get 0)) (i32.const 1)))
    (func $middle_float (param i32) (result i32)
        (i32.trunc_f64_s (f64.add (call $float (f64.convert_i32_s (local.get 0))) (f64.const 1))))
    (func $middle_none (param i32) (result i32) (call $none (local.get 0)) (i32.add (local.get 0) (i32.const 1)))
    (func $outer (param $how i32) (param $n i32) (result i32)
        (if (result i32) (i32.eqz (local.get $how)) (then (call $middle_int (local.get $n)))
          (else (if (result i32) (i32.eq (local.get $how) (i32.const 1)) (then (call $middle_float (local.get $n)))
            (else (call $middle_none (local.get $n)))))))
    (func (export "go") (param i32 i32) (result i32) (call $outer (local.get 0) (local.get 1)))
    (func (export "catch") (param i32 i32) (result i32)
        (block $c (result i32)
            (try_table (catch $t $c) (return (call $outer (local.get 0) (local.get 1))))
            (unreachable))
        (i32.const 1000) (i32.add)))"#;

#[derive(Debug, PartialEq)]
struct Payload(i32);

/// Returns `n`, or fails: 1 error, 2 trap, 3 panic, 4 exception.
fn fail(mut caller: Caller<'_, Option<Tag>>, n: i32) -> Result<i32> {
    match n {
        1 => bail!("an error"),
        2 => Err(Trap::UnreachableCodeReached.into()),
        3 => std::panic::panic_any(Payload(n)),
        4 => {
            let tag = caller.data().unwrap();
            let exn = ExnRef::new(&mut caller, &tag, &[Val::I32(n)])?;
            Err(ThrownException::new(exn).into())
        }
        n => Ok(n),
    }
}

fn failing() -> Result<(Store<Option<Tag>>, Instance)> {
    let engine = Engine::default();
    let module = Module::new(&engine, FAILING)?;
    let mut store = Store::new(&engine, None);
    let ty = TagType::new(FuncType::new(&engine, [ValType::I32], []));
    let tag = Tag::new(&mut store, &ty)?;
    *store.data_mut() = Some(tag);
    let mut linker: Linker<Option<Tag>> = Linker::new(&engine);
    linker.define(&store, "h", "tag", tag)?;
    linker.func_wrap("h", "int", fail)?;
    linker.func_wrap("h", "float", |caller: Caller<'_, _>, x: f64| {
        fail(caller, x as i32).map(f64::from)
    })?;
    linker.func_wrap("h", "none", |caller: Caller<'_, _>, n: i32| {
        fail(caller, n).map(drop)
    })?;
    let instance = linker.instantiate(&mut store, &module)?;
    Ok((store, instance))
}

#[test]
fn errors_traps_and_exceptions_leave() -> Result<()> {
    let (mut store, instance) = failing()?;
    let go: TypedFunc<(i32, i32), i32> = instance.get_typed_func(&mut store, "go")?;
    for _ in 0..3 {
        for how in 0..3 {
            for n in [1, 2, 4] {
                let mut error = None;
                let (done, sum) = with_values_alive(|| {
                    error = go.call(&mut store, (how, n)).err();
                    error.is_none()
                });
                let (_, untouched) = with_values_alive(|| false);
                assert_eq!((done, sum), (false, untouched), "{how} {n}");
                let error = error.unwrap();
                match n {
                    1 => assert!(format!("{error:?}").contains("an error"), "{error:?}"),
                    2 => assert_eq!(error.downcast_ref(), Some(&Trap::UnreachableCodeReached)),
                    _ => assert!(error.downcast_ref::<ThrownException>().is_some()),
                }
                let trace = error.downcast_ref::<WasmBacktrace>().unwrap();
                let names = trace.frames().iter().map(|f| f.func_name().unwrap_or("?"));
                let middle = ["middle_int", "middle_float", "middle_none"][how as usize];
                let names: Vec<_> = names.take(2).collect();
                assert_eq!(names, [middle, "outer"], "{how} {n}");
            }
            assert_eq!(go.call(&mut store, (how, 40))?, 41);
        }
    }
    Ok(())
}

#[test]
fn panics_leave() -> Result<()> {
    let (mut store, instance) = failing()?;
    let go: TypedFunc<(i32, i32), i32> = instance.get_typed_func(&mut store, "go")?;
    for how in [0, 1, 2, 1, 0] {
        let (done, sum) = with_values_alive(|| {
            let call = AssertUnwindSafe(|| go.call(&mut store, (how, 3)));
            let payload = catch_unwind(call).unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&Payload(3)));
            false
        });
        assert_eq!((done, sum), with_values_alive(|| false));
        assert_eq!(go.call(&mut store, (how, 40))?, 41);
    }
    Ok(())
}

#[test]
fn exceptions_reach_handlers_in_wasm() -> Result<()> {
    let (mut store, instance) = failing()?;
    let catch: TypedFunc<(i32, i32), i32> = instance.get_typed_func(&mut store, "catch")?;
    for _ in 0..100 {
        for how in 0..3 {
            assert_eq!(catch.call(&mut store, (how, 4))?, 1004);
            assert_eq!(catch.call(&mut store, (how, 5))?, 6);
        }
    }
    let error = catch.call(&mut store, (0, 2)).unwrap_err();
    assert_eq!(error.downcast_ref(), Some(&Trap::UnreachableCodeReached));
    Ok(())
}

#[test]
fn functions_may_call_back_in() -> Result<()> {
    let engine = Engine::default();
    let module = Module::new(
        &engine,
        r#"(module (import "h" "again" (func $again (param i32 f64) (result f64)))
            (func (export "sum") (param i32 f64) (result f64)
                (if (result f64) (i32.eqz (local.get 0)) (then (local.get 1))
                    (else (f64.add (f64.convert_i32_s (local.get 0))
                        (call $again (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))))))"#,
    )?;
    let mut linker: Linker<u32> = Linker::new(&engine);
    linker.func_wrap(
        "h",
        "again",
        |mut caller: Caller<'_, u32>, n: i32, x: f64| -> Result<f64> {
            *caller.data_mut() += 1;
            if n == 90 {
                bail!("not ninety");
            }
            let sum = caller.get_export("sum").and_then(Extern::into_func);
            let sum = sum.unwrap().typed::<(i32, f64), f64>(&caller)?;
            // A call inside that fails is over before the next.
            if n % 10 == 0 {
                let failed = sum.call(&mut caller, (91, 0.0));
                assert!(failed.is_err());
            }
            sum.call(&mut caller, (n, x))
        },
    )?;
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module)?;
    let sum: TypedFunc<(i32, f64), f64> = instance.get_typed_func(&mut store, "sum")?;
    for _ in 0..3 {
        *store.data_mut() = 0;
        assert_eq!(sum.call(&mut store, (30, 0.5))?, 465.5);
        assert_eq!(*store.data(), 33);
        assert!(sum.call(&mut store, (95, 0.0)).is_err());
    }
    Ok(())
}

/// Wherever the wasm stack ends, in wasm or on the way from it to the host, it is a trap.
#[test]
fn the_stack_may_end_anywhere() -> Result<()> {
    let mut config = Config::new();
    config.max_wasm_stack(64 << 10);
    let engine = Engine::new(&config)?;
    let module = Module::new(
        &engine,
        r#"(module (import "h" "nop" (func $nop)) (import "h" "two" (func $two (result i32 i32)))
            (func $small (param i32) (if (i32.eqz (local.get 0)) (then (call $deep (i32.const 0)) (return)))
                (call $small (i32.sub (local.get 0) (i32.const 1))) (call $nop))
            (func $deep (param i32) (call $nop) (call $two) (drop) (drop)
                (call $deep (i32.add (local.get 0) (i32.const 1))) (call $nop))
            (func (export "go") (param i32) (call $small (local.get 0))))"#,
    )?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("h", "nop", || {})?;
    linker.func_wrap("h", "two", || (1i32, 2i32))?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let go = instance.get_typed_func::<i32, ()>(&mut store, "go")?;
    let check = move |store: &mut Store<()>, n| {
        let error = go.call(store, n).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Trap::StackOverflow));
        let trace = error.downcast_ref::<WasmBacktrace>().unwrap();
        assert_eq!(trace.frames()[1].func_name(), Some("deep"));
    };
    for n in 0..40 {
        check(&mut store, n);
    }
    // On a thread that the standard library did not make, with a store that has a wasm stack already:
    // the thread has no stack for signals unless the runtime gives it one first.
    on_bare_thread(move || {
        check(&mut store, 3);
        check(&mut store, 4);
    });
    Ok(())
}

/// Runs `body` on a thread of the C library's.
fn on_bare_thread<F: FnOnce() + Send>(body: F) {
    extern "C" fn run<F: FnOnce()>(body: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: this is the option that `on_bare_thread` waits with.
        let body = unsafe { (*body.cast::<Option<F>>()).take().unwrap() };
        let done = catch_unwind(AssertUnwindSafe(body));
        usize::from(done.is_ok()) as *mut libc::c_void
    }
    let mut body = Some(body);
    let mut done = std::ptr::null_mut();
    // SAFETY: the thread has ended before the closure does, and alone uses it until then.
    unsafe {
        let mut thread = std::mem::zeroed();
        let made = libc::pthread_create(
            &raw mut thread,
            std::ptr::null(),
            run::<F>,
            (&raw mut body).cast(),
        );
        assert_eq!(made, 0);
        assert_eq!(libc::pthread_join(thread, &raw mut done), 0);
    }
    assert_eq!(done as usize, 1, "it panicked");
}

/// More than a chunk of stubs holds; stubs of functions that are gone serve others.
#[test]
fn there_may_be_very_many_functions() -> Result<()> {
    let engine = Engine::default();
    let module = caller_of(&engine, &["i32", "i32"], &["i32"])?;
    for _ in 0..2 {
        let mut store = Store::new(&engine, ());
        let mut last = Vec::new();
        for n in 0..70_000 {
            let f = Func::wrap(&mut store, move |a: i32, b: i32| {
                n + digest(&[a.get(), b.get()]) as i32
            });
            if n % 10_000 == 9_999 {
                last.push((n, f));
            }
        }
        for (n, f) in last {
            let instance = Instance::new(&mut store, &module, &[f.into()])?;
            let go = instance.get_typed_func::<(), i32>(&mut store, "direct")?;
            assert_eq!(go.call(&mut store, ())?, n + 5);
        }
    }
    Ok(())
}
