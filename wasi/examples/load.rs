//! Load: many small calls of each kind, timed by the guest itself, so that starting and compiling do not count.
//!
//! ```text
//! cargo run --release -p craneway-wasi --example load -- [--rounds N] [--wasmtime PATH] [--only NAME]
//! ```
//!
//! With `--wasmtime` the same modules run there too, in turns with ours, and the table has the ratio. The best of the
//! rounds counts.

use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use craneway::{Engine, Linker, Module, Store};
use craneway_wasi::{
    DirPerms, FilePerms, I32Exit, MemoryOutputPipe, Stdin, Stdout, WasiCtx, WasiCtxBuilder, p1,
};

/// One kind of load: what a guest does over and over.
struct Load {
    name: &'static str,
    times: u64,
    /// Done once, before the clock starts. Leaves a descriptor in `$fd` if it opens one.
    before: &'static str,
    /// Done each time. Anything but 0 ends the guest with a failure.
    each: &'static str,
}

/// What is at which address: 0 an iovec, 16 results, 64 texts, 128 a subscription, 1024 buffers.
const LOADS: &[Load] = &[
    Load {
        name: "write 16 bytes to /dev/null",
        times: 1_000_000,
        before: "",
        each: "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16))",
    },
    Load {
        name: "write 16 bytes to a file",
        times: 1_000_000,
        before: "(local.set $fd (call $open (i32.const 80) (i32.const 3) (i32.const 9)))",
        each: "(call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 16))",
    },
    Load {
        name: "read 16 bytes from a file",
        times: 1_000_000,
        before: "(local.set $fd (call $open (i32.const 64) (i32.const 4) (i32.const 0)))",
        each: "(call $fd_read (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 16))",
    },
    Load {
        name: "read 16 bytes at an offset",
        times: 1_000_000,
        before: "(local.set $fd (call $open (i32.const 64) (i32.const 4) (i32.const 0)))",
        each: "(call $fd_pread (local.get $fd) (i32.const 0) (i32.const 1) (i64.const 7) (i32.const 16))",
    },
    Load {
        name: "read the clock",
        times: 1_000_000,
        before: "",
        each: "(call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 16))",
    },
    Load {
        name: "open and close a file",
        times: 100_000,
        before: "",
        each: "(call $fd_close (call $open (i32.const 64) (i32.const 4) (i32.const 0)))",
    },
    Load {
        name: "open and close a file three directories down",
        times: 100_000,
        before: "",
        each: "(call $fd_close (call $open (i32.const 96) (i32.const 10) (i32.const 0)))",
    },
    Load {
        name: "stat a file",
        times: 100_000,
        before: "",
        each: "(call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 64) (i32.const 4) (i32.const 1024))",
    },
    Load {
        name: "stat a file three directories down",
        times: 100_000,
        before: "",
        each: "(call $path_filestat_get (i32.const 3) (i32.const 1) (i32.const 96) (i32.const 10) (i32.const 1024))",
    },
    Load {
        name: "list 100,000 entries",
        times: 1,
        before: "(local.set $fd (call $open_dir (i32.const 84) (i32.const 4)))",
        each: "(call $list (local.get $fd))",
    },
    Load {
        name: "sleep for 20 microseconds",
        times: 10_000,
        before: "",
        each: "(call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 16))",
    },
];

/// The module for a load: a command that says on standard error, in eight bytes, how many nanoseconds it took.
fn text(load: &Load) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_pread" (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\00\04\00\00\10\00\00\00")
  (data (i32.const 64) "file")
  (data (i32.const 80) "new\00many")
  (data (i32.const 96) "a/b/c/file")
  (data (i32.const 144) "\01\00\00\00\00\00\00\00\20\4e\00\00\00\00\00\00")
  (func $ok (param i32)
    (if (local.get 0) (then (call $proc_exit (local.get 0)))))
  (func $now (result i64)
    (call $ok (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 32)))
    (i64.load (i32.const 32)))
  (func $open (param $path i32) (param $len i32) (param $flags i32) (result i32)
    (call $ok (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len) (local.get $flags)
      (select (i64.const 0x46) (i64.const 0x6) (local.get $flags)) (i64.const 0) (i32.const 0) (i32.const 40)))
    (i32.load (i32.const 40)))
  (func $open_dir (param $path i32) (param $len i32) (result i32)
    (call $ok (call $path_open (i32.const 3) (i32.const 1) (local.get $path) (local.get $len) (i32.const 2)
      (i64.const 0x4000) (i64.const 0) (i32.const 0) (i32.const 40)))
    (i32.load (i32.const 40)))
  ;; Reads the whole directory as libc does: from the cookie of the last whole entry, into four kilobytes.
  (func $list (param $fd i32) (result i32)
    (local $cookie i64) (local $at i32) (local $used i32)
    (loop $more
      (call $ok (call $fd_readdir (local.get $fd) (i32.const 1024) (i32.const 4096) (local.get $cookie) (i32.const 16)))
      (local.set $used (i32.load (i32.const 16)))
      (local.set $at (i32.const 0))
      (block $done (loop $entry
        (br_if $done (i32.gt_u (i32.add (local.get $at) (i32.const 24)) (local.get $used)))
        (br_if $done (i32.gt_u
          (i32.add (i32.add (local.get $at) (i32.const 24)) (i32.load offset=1040 (local.get $at))) (local.get $used)))
        (local.set $cookie (i64.load offset=1024 (local.get $at)))
        (local.set $at (i32.add (i32.add (local.get $at) (i32.const 24)) (i32.load offset=1040 (local.get $at))))
        (br $entry)))
      (br_if $more (i32.eq (local.get $used) (i32.const 4096))))
    (i32.const 0))
  (func (export "_start") (local $fd i32) (local $left i32) (local $start i64)
    {before}
    (local.set $left (i32.const {times}))
    (local.set $start (call $now))
    (loop $again
      (call $ok {each})
      (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))
    (i64.store (i32.const 1024) (i64.sub (call $now) (local.get $start)))
    (i32.store (i32.const 4) (i32.const 8))
    (call $ok (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))))"#,
        before = load.before,
        times = load.times,
        each = load.each,
    )
}

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The files that the guests work on.
fn files(root: &Path) -> Outcome<()> {
    std::fs::create_dir_all(root.join("a/b/c"))?;
    std::fs::write(root.join("file"), vec![7; 17_000_000])?;
    std::fs::write(root.join("a/b/c/file"), "x")?;
    std::fs::create_dir(root.join("many"))?;
    for number in 0..100_000 {
        std::fs::File::create(root.join(format!("many/entry-{number:06}")))?;
    }
    Ok(())
}

/// What the guest said on standard error.
fn nanoseconds(said: &[u8]) -> Outcome<u64> {
    let bytes = said
        .try_into()
        .map_err(|_| format!("the guest said {:?}", String::from_utf8_lossy(said)))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Runs a load here.
fn ours(engine: &Engine, module: &Module, root: &Path) -> Outcome<u64> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let said = MemoryOutputPipe::new(1000);
    let null = std::fs::File::options().write(true).open("/dev/null")?;
    let mut builder = WasiCtxBuilder::new();
    builder
        .allow_blocking_files(true)
        .stdout(Stdout::from_fd(null))
        .stderr(said.clone())
        .preopened_dir(root, "/", DirPerms::all(), FilePerms::all())?;
    let mut store = Store::new(engine, builder.build());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let instance = linker.instantiate_async(&mut store, module).await?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        match start.call_async(&mut store, ()).await {
            Err(error) => match error.downcast_ref::<I32Exit>() {
                Some(I32Exit(errno)) => Err(craneway::format_err!("error number {errno}")),
                None => Err(error),
            },
            Ok(()) => Ok(()),
        }
    })?;
    nanoseconds(&said.contents())
}

/// Runs a load in another runtime's command.
fn theirs(command: &str, module: &Path, root: &Path) -> Outcome<u64> {
    let output = Command::new(command)
        .arg("run")
        .arg(format!("--dir={}::/", root.display()))
        .arg(module)
        .stdin(Stdio::null())
        .stdout(std::fs::File::options().write(true).open("/dev/null")?)
        .output()?;
    nanoseconds(&output.stderr)
}

/// Guests that send back what they are sent, all at once.
const ECHO: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 1024))
    (loop $more
      (i32.store (i32.const 4) (i32.const 64))
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return)))
      (if (i32.eqz (i32.load (i32.const 8))) (then (return)))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (return)))
      (br $more))))"#;

/// A thousand guests, each behind a socket; every one answers a hundred times. On two threads.
fn echoes(engine: &Engine) -> Outcome<Duration> {
    const GUESTS: usize = 1000;
    const ROUNDS: usize = 100;
    let module = Module::new(engine, ECHO)?;
    let mut linker = Linker::new(engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let guest = linker.instantiate_pre(&module)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut ends = Vec::new();
    let mut tasks = Vec::new();
    for _ in 0..GUESTS {
        let (ours, theirs) = UnixStream::pair()?;
        let reading = OwnedFd::from(theirs);
        let writing = reading.try_clone()?;
        let mut builder = WasiCtxBuilder::new();
        builder
            .stdin(Stdin::from_fd(reading))
            .stdout(Stdout::from_fd(writing));
        let (guest, ctx) = (guest.clone(), builder.build());
        let engine = engine.clone();
        tasks.push(runtime.spawn(async move {
            let mut store = Store::new(&engine, ctx);
            let instance = guest.instantiate_async(&mut store).await?;
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            start.call_async(&mut store, ()).await
        }));
        ends.push(ours);
    }
    let started = Instant::now();
    for _ in 0..ROUNDS {
        for end in &mut ends {
            end.write_all(b"sixteen bytes ..")?;
        }
        for end in &mut ends {
            end.read_exact(&mut [0; 16])?;
        }
    }
    let took = started.elapsed();
    drop(ends);
    for task in tasks {
        runtime.block_on(task)??;
    }
    Ok(took / (GUESTS * ROUNDS) as u32)
}

fn main() -> Outcome<()> {
    let (mut rounds, mut wasmtime, mut only) = (3, None, String::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} wants a value"));
        match arg.as_str() {
            "--rounds" => rounds = value()?.parse()?,
            "--wasmtime" => wasmtime = Some(value()?),
            "--only" => only = value()?,
            _ => return Err(format!("no such option: {arg}").into()),
        }
    }
    let outer = tempfile::tempdir()?;
    let root = outer.path().join("root");
    std::fs::create_dir(&root)?;
    files(&root)?;
    let engine = Engine::default();
    println!(
        "{:<48} {:>12} {:>12} {:>7}",
        "ns each", "craneway", "wasmtime", "ratio"
    );
    for load in LOADS.iter().filter(|load| load.name.contains(&only)) {
        let text = text(load);
        let path = outer.path().join("load.wat");
        std::fs::write(&path, &text)?;
        let module = Module::new(&engine, &text)?;
        let (mut best, mut other) = (u64::MAX, u64::MAX);
        for _ in 0..rounds {
            best = best.min(ours(&engine, &module, &root)?);
            if let Some(command) = &wasmtime {
                other = other.min(theirs(command, &path, &root)?);
            }
        }
        let each = |time: u64| time as f64 / load.times as f64;
        print!("{:<48} {:>12.0}", load.name, each(best));
        match wasmtime {
            Some(_) => println!(" {:>12.0} {:>7.2}", each(other), best as f64 / other as f64),
            None => println!(),
        }
    }
    if "echo".contains(&only) {
        let mut best = Duration::MAX;
        for _ in 0..rounds {
            best = best.min(echoes(&engine)?);
        }
        println!(
            "{:<48} {:>12}",
            "echo 16 bytes, 1,000 guests on 2 threads",
            best.as_nanos()
        );
    }
    std::io::stdout().flush()?;
    Ok(())
}
