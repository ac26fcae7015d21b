//! Functions whose shape makes compilers explode.
//!
//! The normal run compiles each at a size that takes moments with the gates of
//! `jit/src/codegen/plan.rs`; one that takes minutes fails by its name instead of hanging the run. The
//! full sizes print a table:
//!
//! ```text
//! cargo test --release -p craneway-jit --test shapes -- --ignored --exact --nocapture explosive_shapes_in_full
//! ```
//!
//! `SHAPE=text` prints only the rows whose name contains the text, `SHAPE_SIZE=n` at another size.

use craneway_jit::{CompileErrorKind, Compiler, OptLevel, Settings};
use std::fmt::Write;
use std::process::Command;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// How long a shape may take in the normal run, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(240);

/// A function body of a shape, by its size.
type Shape = fn(usize) -> String;

/// Name, size in the normal run, full size, generator.
const SHAPES: &[(&str, usize, usize, Shape)] = &[
    ("nested loops", 400, 8_000, nested_loops),
    ("locals live across four loops", 600, 10_000, live_locals),
    ("locals changed in four loops", 600, 10_000, changed_locals),
    ("cases of an interpreter's loop", 200, 5_000, interpreter),
    ("operands at once", 600, 10_000, deep_stack),
    ("nested ifs", 1_000, 20_000, nested_ifs),
    ("nested ifs with results", 1_000, 20_000, nested_results),
    ("nested blocks", 2_000, 40_000, nested_blocks),
    ("blocks in a row", 3_000, 50_000, row_of_blocks),
    (
        "constants in a row of blocks",
        3_000,
        100_000,
        row_of_constants,
    ),
    ("loops in a row", 500, 8_000, row_of_loops),
    ("targets of a br_table", 100_000, 1_000_000, wide_table),
    // The full size is close to the largest body there may be, 7,654,321 bytes.
    ("straight code, operators", 30_000, 3_200_000, straight),
    ("locals declared", 5_000, 50_000, many_locals),
    ("calls with many arguments", 300, 5_000, wide_calls),
    ("calls of a small callee", 1_000, 50_000, small_calls),
    ("try_tables in a row", 200, 5_000, row_of_tries),
    ("nested try_tables", 100, 1_000, nested_tries),
    ("stores in a row", 3_000, 200_000, row_of_stores),
    // 1 MB in one function, of what programs do: loops, branches, loads, stores, calls, locals.
    ("ordinary code, rounds", 100, 16_000, ordinary),
    ("functions", 2_000, 100_000, many_functions),
    // What our own passes look at, many times over.
    ("loads of one loop", 10_000, 500_000, loads_of_one_loop),
    ("sums that index one loop", 100, 700, sums_of_one_loop),
    (
        "float constants of one loop",
        10_000,
        500_000,
        constants_of_one_loop,
    ),
    (
        "ways back to a loop in a br_table",
        100_000,
        200_000,
        ways_back,
    ),
];

fn nested_loops(n: usize) -> String {
    let mut body = String::new();
    for _ in 0..n {
        body.push_str("(loop ");
    }
    body.push_str("(local.set 0 (i32.add (local.get 0) (i32.const 1)))");
    for _ in 0..n {
        body.push_str("(br_if 0 (i32.lt_u (local.get 0) (local.get 1))))");
    }
    body + "(local.get 0)"
}

/// Declares so many locals behind the two parameters, and loads each from memory.
fn loaded_locals(n: usize) -> String {
    let mut body = format!("(local {})", "i32 ".repeat(n));
    for local in 2..n + 2 {
        let _ = write!(
            body,
            "(local.set {local} (i32.load offset={} (local.get 1)))",
            local * 4
        );
    }
    body
}

/// What comes of all those locals together.
fn xor_of_locals(n: usize) -> String {
    let mut body = String::new();
    for local in 2..n + 2 {
        let _ = write!(
            body,
            "(local.set 0 (i32.xor (local.get 0) (local.get {local})))"
        );
    }
    body + "(local.get 0)"
}

fn live_locals(n: usize) -> String {
    let mut body = loaded_locals(n);
    for _ in 0..4 {
        body.push_str("(loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))");
        body.push_str("(br_if 0 (i32.lt_u (local.get 0) (local.get 1))))");
    }
    body + &xor_of_locals(n)
}

fn changed_locals(n: usize) -> String {
    let mut body = format!("(local {})", "i32 ".repeat(n));
    for _ in 0..4 {
        body.push_str("(loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))");
        for local in 2..n + 2 {
            let _ = write!(
                body,
                "(local.set {local} (i32.add (local.get {local}) (local.get 0)))"
            );
        }
        body.push_str("(br_if 0 (i32.lt_u (local.get 0) (local.get 1))))");
    }
    body + &xor_of_locals(n)
}

fn interpreter(n: usize) -> String {
    const LOCALS: usize = 100;
    let mut body = format!("(local {})(loop $next", "i32 ".repeat(LOCALS));
    body.push_str(&"(block ".repeat(n));
    body.push_str("(br_table");
    for case in 0..n {
        let _ = write!(body, " {case}");
    }
    body.push_str(" (i32.load8_u (local.tee 0 (i32.add (local.get 0) (i32.const 1)))))");
    for case in 0..n {
        let [a, b, c] = [case, case * 7, case * 13].map(|x| 2 + x % LOCALS);
        let _ = write!(
            body,
            ") (local.set {a} (i32.add (local.get {b}) (local.get {c})))
             (i32.store offset={case} (local.get 1) (local.get {a})) (br $next)"
        );
    }
    body + ") (local.get 2)"
}

fn deep_stack(n: usize) -> String {
    let mut body = String::new();
    for i in 0..n {
        let _ = write!(body, "(i32.load offset={} (local.get 0))", i * 4);
    }
    body + &"i32.add ".repeat(n - 1)
}

fn nested_results(n: usize) -> String {
    let mut body = String::new();
    for level in 0..n {
        let _ = write!(
            body,
            "(if (result i32) (i32.gt_u (local.get 0) (i32.const {level})) (then "
        );
    }
    body.push_str("(local.get 1)");
    for level in 0..n {
        let _ = write!(body, ") (else (i32.const {level})))");
    }
    body
}

fn nested_ifs(n: usize) -> String {
    let mut body = String::new();
    for level in 0..n {
        let _ = write!(
            body,
            "(if (i32.gt_u (local.get 0) (i32.const {level})) (then "
        );
    }
    body.push_str("(local.set 1 (i32.const 7))");
    for _ in 0..n {
        body.push_str("))");
    }
    body + "(local.get 1)"
}

fn nested_blocks(n: usize) -> String {
    let mut body = "(block ".repeat(n);
    body.push_str("(br_if 0 (local.get 0))");
    for level in 0..n {
        let _ = write!(
            body,
            "(br_if {} (i32.eq (local.get 0) (i32.const {level}))))",
            (level % 3).min(n - 1 - level)
        );
    }
    body + "(local.get 1)"
}

fn row_of_blocks(n: usize) -> String {
    let mut body = String::new();
    for i in 0..n {
        let _ = write!(
            body,
            "(block (br_if 0 (i32.eq (local.get 0) (i32.const {i}))) (local.set 1 (i32.add (local.get 1) (local.get 0))))"
        );
    }
    body + "(local.get 1)"
}

/// What the mid-end looks for at the entry, from further and further below it.
fn row_of_constants(n: usize) -> String {
    let mut body = String::new();
    for i in 0..n {
        let _ = write!(
            body,
            "(block (br_if 0 (i32.eq (local.get 0) (i32.const {i})))
               (i32.store (local.get 1) (i32.const {})))",
            n + i
        );
    }
    body + "(local.get 1)"
}

fn row_of_loops(n: usize) -> String {
    let one = "(loop (local.set 1 (i32.add (local.get 1) (i32.const 3))) (br_if 0 (i32.lt_u (local.get 1) (local.get 0))))";
    one.repeat(n) + "(local.get 1)"
}

fn wide_table(n: usize) -> String {
    let mut body = "(block (block (block (br_table".to_string();
    for i in 0..n {
        let _ = write!(body, " {}", i % 3);
    }
    body + " (local.get 0))) (local.set 1 (i32.const 5)))) (local.get 1)"
}

fn straight(n: usize) -> String {
    let mut body = String::from("(local.get 0)");
    for i in 0..n / 3 {
        let _ = write!(
            body,
            " (local.get {}) i32.add (local.tee {})",
            i % 2,
            (i + 1) % 2
        );
    }
    body
}

fn many_locals(n: usize) -> String {
    let mut body = format!("(local {})", "i64 ".repeat(n - 2));
    for local in 2..n {
        let _ = write!(body, "(local.set {local} (i64.const {local}))");
    }
    body + "(local.get 0)"
}

fn wide_calls(n: usize) -> String {
    let args = "(local.get 0)".repeat(60);
    format!("(local.set 1 (call $wide {args}))").repeat(n) + "(local.get 1)"
}

fn small_calls(n: usize) -> String {
    "(local.set 1 (call $small (local.get 1)))".repeat(n) + "(local.get 1)"
}

fn row_of_tries(n: usize) -> String {
    let one = "(block (try_table (catch_all 0) (local.set 1 (call $import (local.get 1)))))";
    one.repeat(n) + "(local.get 1)"
}

fn nested_tries(n: usize) -> String {
    let mut body = "(block (try_table (catch_all 0) ".repeat(n);
    body.push_str("(local.set 1 (call $import (local.get 1)))");
    body + &"))".repeat(n) + "(local.get 1)"
}

fn row_of_stores(n: usize) -> String {
    let mut body = String::new();
    for i in 0..n {
        let _ = write!(
            body,
            "(i32.store offset={} (local.get 0) (i32.const {i}))",
            i * 4
        );
    }
    body + "(local.get 1)"
}

fn ordinary(n: usize) -> String {
    const LOCALS: usize = 40;
    let mut body = format!("(local {})", "i32 ".repeat(LOCALS));
    for i in 0..n {
        // Neighbours share locals, and some reach far.
        let [a, b, c, d] = [i, i + 1, i * 7, i * 13].map(|x| 2 + x % LOCALS);
        let offset = i * 8 % 4000;
        let _ = write!(
            body,
            "(local.set {a} (i32.add (i32.load offset={offset} (local.get {b})) (local.get {c})))
             (if (i32.lt_s (local.get {a}) (i32.const {i}))
               (then (i32.store offset={offset} (local.get {d}) (i32.mul (local.get {a}) (i32.const 31))))
               (else (local.set {b} (call $import (i32.xor (local.get {a}) (local.get {d}))))))
             (loop
               (local.set {c} (i32.add (local.get {c}) (i32.load8_u (i32.add (local.get {c}) (local.get {d})))))
               (br_if 0 (i32.lt_u (local.get {c}) (local.get {a}))))"
        );
    }
    body + "(local.get 2)"
}

/// Ends the function and begins others; the module's own parenthesis closes the last.
fn many_functions(n: usize) -> String {
    let other =
        ") (func (param i32 i32) (result i32) (i32.load (i32.add (local.get 0) (local.get 1)))";
    "(local.get 0)".to_owned() + &other.repeat(n)
}

/// Accesses whose indices are all the loop's variable.
fn loads_of_one_loop(n: usize) -> String {
    let mut body = String::from("(loop ");
    for at in 0..n {
        let _ = write!(body, "(drop (i32.load offset={} (local.get 0)))", at * 4);
    }
    body + "(br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 4))) (local.get 1)))) (local.get 0)"
}

/// Accesses of a loop, each at another sum of its variable and two values from outside.
fn sums_of_one_loop(n: usize) -> String {
    let mut body = loaded_locals(n);
    body.push_str("(loop ");
    for a in 0..n {
        for b in 0..a {
            let _ = write!(
                body,
                "(drop (i32.load (i32.add (local.get 0) (i32.add (local.get {}) (local.get {})))))",
                a + 2,
                b + 2
            );
        }
    }
    body + "(br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 4))) (local.get 1)))) (local.get 0)"
}

/// Distinct constants, each used once in an inner loop.
fn constants_of_one_loop(n: usize) -> String {
    let mut body = String::from("(local f64) (loop ");
    for at in 0..n {
        let _ = write!(
            body,
            "(local.set 2 (f64.add (local.get 2) (f64.const {at}.5)))"
        );
    }
    body + "(br_if 0 (f64.lt (local.get 2) (f64.const 1e9)))) (local.get 0)"
}

/// A loop that one table of targets goes back to, with values that it has from outside and passes
/// on.
fn ways_back(n: usize) -> String {
    let locals = 20;
    let mut body = loaded_locals(locals);
    body.push_str("(block $out (loop $again ");
    for local in 0..locals {
        let _ = write!(
            body,
            "(local.set 0 (i32.load (i32.add (i32.mul (local.get 0) (local.get {})) (local.get {}))))",
            local + 2,
            (local * 7) % locals + 2
        );
    }
    for local in 0..locals / 2 {
        let _ = write!(
            body,
            "(local.set {} (local.get {}))",
            local + 2,
            local + 2 + locals / 2
        );
    }
    body.push_str("(br_table ");
    for _ in 0..n {
        body.push_str("$again ");
    }
    body + "$out (local.get 0)))) (local.get 0)"
}

fn module(body: &str) -> Vec<u8> {
    let text = format!(
        "(module (import \"\" \"f\" (func $import (param i32) (result i32))) (memory 1)
           (func $small (param i32) (result i32)
             (if (result i32) (local.get 0) (then (i32.const 3)) (else (i32.const 4))))
           (func $wide (param {}) (result i32) (local.get 59))
           (func (export \"f\") (param i32 i32) (result i32) {body}))",
        "i32 ".repeat(60)
    );
    wat::parse_str(text).expect("a module")
}

/// Compiles one shape; the time, or that the module is over a limit.
fn compile(name: &str, wasm: &[u8]) -> Result<Duration, String> {
    let settings = Settings {
        verify_ir: false,
        ..Settings::default()
    };
    let compiler = Compiler::new(settings).expect("a compiler for this machine");
    let start = Instant::now();
    match compiler.compile(wasm) {
        Ok(_) => Ok(start.elapsed()),
        Err(e)
            if matches!(
                e.kind,
                CompileErrorKind::Limit | CompileErrorKind::Malformed
            ) =>
        {
            Err(e.to_string())
        }
        Err(e) => panic!("{name}: {e}"),
    }
}

/// As [`compile`], but hopeless cases end.
fn compile_in_time(name: &'static str, wasm: Vec<u8>) -> Result<Duration, String> {
    let (done, outcome) = std::sync::mpsc::channel();
    // One that hangs is left behind: it ends with the process.
    let compiling = std::thread::spawn(move || done.send(compile(name, &wasm)));
    match outcome.recv_timeout(PATIENCE) {
        Ok(result) => result,
        Err(RecvTimeoutError::Timeout) => panic!("{name}: not compiled after {PATIENCE:?}"),
        Err(RecvTimeoutError::Disconnected) => match compiling.join() {
            Ok(_) => unreachable!("it has sent nothing"),
            Err(panic) => std::panic::resume_unwind(panic),
        },
    }
}

/// CPU seconds that the process has used, all threads.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name, in parentheses, may hold spaces; user and system time are the 12th and 13th behind it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// The most memory that the process has had, in MiB, since the last call.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|l| l.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    // 5 resets the mark; where that is refused the table shows the peak so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    kib.unwrap_or(0) >> 10
}

#[test]
fn explosive_shapes_compile() {
    for (name, size, _, shape) in SHAPES {
        if let Err(refused) = compile_in_time(name, module(&shape(*size))) {
            panic!("{name}: {refused}");
        }
    }
}

/// How many blocks there are says nothing of how long they take.
#[test]
fn a_function_of_many_blocks_is_optimised() {
    let one =
        "(if (local.get 0) (then (i32.store (local.get 1) (i32.add (i32.const 1) (i32.const 2)))))";
    let wasm = module(&(one.repeat(20_000) + "(local.get 0)"));
    let code = |opt_level| {
        let settings = Settings {
            opt_level,
            ..Settings::default()
        };
        let compiler = Compiler::new(settings).expect("a compiler for this machine");
        compiler.compile(&wasm).expect("a module").image.text.len()
    };
    let (optimised, plain) = (code(OptLevel::Speed), code(OptLevel::None));
    assert!(
        optimised * 10 < plain * 9,
        "{optimised} bytes optimised, {plain} not"
    );
}

/// What the loop hands on is handed on in one place, not by every target of the table.
#[test]
fn a_table_grows_by_its_entries_only() {
    let compiler = Compiler::new(Settings::default()).expect("a compiler for this machine");
    let code = |n| {
        let compiled = compiler.compile(&module(&ways_back(n)));
        compiled.expect("a module").image.text.len()
    };
    let (less, more) = (1_000, 2_000);
    let each = (code(more) - code(less)) / (more - less);
    assert_eq!(each, 4, "bytes for each target");
}

#[test]
#[ignore = "minutes; `explosive_shapes_compile` always runs, at smaller sizes: cargo test --release \
            -p craneway-jit --test shapes -- --ignored --exact --nocapture explosive_shapes_in_full"]
fn explosive_shapes_in_full() {
    let only = std::env::var("SHAPE").unwrap_or_default();
    println!("| shape | size | wasm, KB | seconds | CPU s | ns a byte | peak, MiB |");
    println!("|---|---|---|---|---|---|---|");
    for (name, _, size, _) in SHAPES.iter().filter(|s| s.0.contains(&only)) {
        // Each in a process of its own: what another has freed would hide what this one takes.
        let row = std::env::current_exe().and_then(|program| {
            Command::new(program)
                .args(["--ignored", "--exact", "one_explosive_shape", "--nocapture"])
                .env("SHAPE_ROW", name)
                .output()
        });
        let row = row.expect("this program runs again");
        let text = String::from_utf8_lossy(&row.stdout);
        match text.lines().find(|line| line.starts_with("| ")) {
            Some(line) => println!("{line}"),
            None => println!("| {name} | {size} | | {} | | | |", row.status),
        }
    }
}

#[test]
#[ignore = "a row of `explosive_shapes_in_full`, which runs this itself, with SHAPE_ROW set"]
fn one_explosive_shape() {
    let Ok(wanted) = std::env::var("SHAPE_ROW") else {
        return;
    };
    let shape = SHAPES.iter().find(|shape| shape.0 == wanted);
    let (name, _, size, shape) = shape.expect("a name of the table");
    let other_size = std::env::var("SHAPE_SIZE").ok();
    let size = other_size.and_then(|n| n.parse().ok()).unwrap_or(*size);
    let wasm = module(&shape(size));
    peak_memory();
    let before = cpu_seconds();
    let what = match compile(name, &wasm) {
        Ok(time) => format!("{:.1}", time.as_secs_f64()),
        Err(refused) => refused,
    };
    let (cpu, peak) = (cpu_seconds() - before, peak_memory());
    let per_byte = cpu * 1e9 / wasm.len() as f64;
    let kb = wasm.len() / 1000;
    println!("| {name} | {size} | {kb} | {what} | {cpu:.1} | {per_byte:.0} | {peak} |");
}
