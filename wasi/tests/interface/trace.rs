//! Traces: what a hook is told of calls, and the lines that people read.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use craneway::{Engine, Linker, Module, Store};
use craneway_wasi::trace::{Call, Filter, Outcome, Value};
use craneway_wasi::{
    DirPerms, Errno, FilePerms, I32Exit, MemoryOutputPipe, WasiCtx, WasiCtxBuilder, p1,
};

use crate::guest::{CREAT, DIR, Guest, MEMORY, READ, SEEK, TRUNC, WRITE};
use crate::poll;

/// Lines without their times.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn hook(&self) -> impl Fn(&WasiCtx, &Call<'_>) + Send + Sync + 'static {
        let lines = self.clone();
        move |_, call| {
            let line = call.to_string();
            let (line, time) = line.rsplit_once(" <").expect("a line ends with the time");
            assert!(time.ends_with('>') && time.contains('.'), "{time}");
            lines.0.lock().expect("no panic").push(line.to_owned());
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_for_each_call() {
    for blocking in [true, false] {
        let outer = tempfile::tempdir().expect("temporary directory");
        let mut builder = WasiCtxBuilder::new();
        builder
            .allow_blocking_files(blocking)
            .stdout(MemoryOutputPipe::new(1000))
            .deterministic(1)
            .preopened_dir(outer.path(), "/data", DirPerms::all(), FilePerms::all())
            .expect("the directory exists");
        let lines = Lines::default();
        let mut guest = Guest::traced(&mut builder, &Filter::all(), lines.hook()).await;
        let fd = guest
            .open_with(DIR, "./a.txt", 1, CREAT | TRUNC, READ | SEEK | WRITE, 0, 1)
            .await
            .expect("opens");
        guest.write(fd, b"hello").await.expect("writable");
        guest.write(1, b"hello").await.expect("writable");
        guest.seek(fd, -2, 2).await.expect("seekable");
        guest.read(fd, 100).await.expect("readable");
        let _ = guest.stat(DIR, "no \"such\" file", true).await;
        guest.stat(DIR, "a.txt", false).await.expect("it is there");
        guest.call("fd_renumber", &[4, 1]).await.expect("both open");
        guest.write(1, b"more").await.expect("writable");
        guest.call("fd_close", &[1]).await.expect("open");
        assert_eq!(guest.call("fd_close", &[1]).await, Err(Errno::Badf));
        guest
            .symlink("a.txt", DIR, "link")
            .await
            .expect("a new name");
        guest
            .at("path_readlink", DIR, "link", &[500, 100, 600])
            .await
            .expect("it is there");
        guest
            .two_paths("path_rename", (DIR, "link"), (DIR, "other"))
            .await
            .expect("renamed");
        let ino = std::os::unix::fs::MetadataExt::ino(
            &std::fs::metadata(outer.path().join("a.txt")).expect("it is there"),
        );
        let seen = lines.take();
        let expected = [
            "path_open(3</data>, SYMLINK_FOLLOW, \"./a.txt\", CREAT|TRUNC, FD_READ|FD_SEEK|FD_WRITE, 0, APPEND) = 4</data/a.txt>",
            "fd_write(4</data/a.txt>, [5 bytes]) = 5",
            "fd_write(1<stdout>, [5 bytes]) = 5",
            "fd_seek(4</data/a.txt>, -2, END) = 3",
            "fd_read(4</data/a.txt>, [100 bytes]) = 2",
            "path_filestat_get(3</data>, SYMLINK_FOLLOW, \"no \\\"such\\\" file\") = ENOENT (no such file or directory)",
            "path_filestat_get(3</data>, 0, \"a.txt\") = {ino=INO, type=regular file, size=5, mtim=MTIM}",
            "fd_renumber(4</data/a.txt>, 1<stdout>) = 0",
            "fd_write(1</data/a.txt>, [4 bytes]) = 4",
            "fd_close(1</data/a.txt>) = 0",
            "fd_close(1) = EBADF (not an open descriptor)",
            "path_symlink(\"a.txt\", 3</data>, \"link\") = 0",
            "path_readlink(3</data>, \"link\") = \"a.txt\"",
            "path_rename(3</data>, \"link\", 3</data>, \"other\") = 0",
        ];
        for (seen, expected) in seen.iter().zip(expected) {
            let expected = expected.replace("INO", &ino.to_string());
            match expected.split_once("MTIM") {
                Some((start, end)) => {
                    assert!(seen.starts_with(start) && seen.ends_with(end), "{seen}");
                }
                None => assert_eq!(*seen, expected),
            }
        }
        assert_eq!(seen.len(), expected.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_polls_and_strange_arguments() {
    let lines = Lines::default();
    let mut builder = WasiCtxBuilder::new();
    builder.deterministic(1).arg("prog");
    let mut guest = Guest::traced(&mut builder, &Filter::all(), lines.hook()).await;
    guest
        .call("args_sizes_get", &[0, 4])
        .await
        .expect("there is room");
    guest
        .call("clock_time_get", &[0, 1_000, 0])
        .await
        .expect("there is such a clock");
    let second = 1_500_000_000;
    guest.put(1024, &poll::clock(1, 1, second, false));
    guest
        .call("poll_oneoff", &[1024, 2048, 1, 0])
        .await
        .expect("one to wait for");
    guest
        .call("random_get", &[0, 16])
        .await
        .expect("inside memory");
    guest
        .call("fd_fdstat_get", &[0, 0])
        .await
        .expect("it is open");
    // What makes no sense is shown as it is, and nothing is read beyond the guest's memory.
    let huge = u64::from(u32::MAX);
    for (name, args) in [
        ("fd_write", vec![1, huge, huge, 0]),
        ("fd_write", vec![1, u64::from(MEMORY) - 4, 1, 0]),
        ("path_unlink_file", vec![huge, 0, huge]),
        ("poll_oneoff", vec![65536, 0, huge, 0]),
        ("fd_advise", vec![0, 1, 2, 99]),
        ("fd_seek", vec![0, 1, 99, 0]),
        ("fd_fdstat_set_flags", vec![0, 0x104]),
    ] {
        let _ = guest.call(name, &args).await;
    }
    assert_eq!(
        lines.take(),
        [
            "args_sizes_get() = 1, 5",
            "clock_time_get(REALTIME, 0.000001000s) = 1577836800.000001000s",
            "poll_oneoff([{clock=MONOTONIC, after=1.500000000s}]) = [{clock=0}]",
            "random_get([16 bytes]) = 0",
            "fd_fdstat_get(0<stdin>) = {type=unknown, flags=0, base=FD_DATASYNC|FD_READ|FD_FDSTAT_SET_FLAGS|FD_SYNC|FD_FILESTAT_GET|POLL_FD_READWRITE, inheriting=0}",
            "fd_write(1<stdout>, ?0xffffffff) = EINVAL (invalid argument)",
            "fd_write(1<stdout>, ?0x3fffc) = EFAULT (address outside guest memory)",
            "path_unlink_file(4294967295, ?0x0) = EFAULT (address outside guest memory)",
            "poll_oneoff([{clock=REALTIME, after=0.000000000s}, {clock=REALTIME, after=0.000000000s}, {clock=REALTIME, after=0.000000000s}, {clock=REALTIME, after=0.000000000s}, … 4294967291 more]) = EFAULT (address outside guest memory)",
            "fd_advise(0<stdin>, 1, 2, 99) = EINVAL (invalid argument)",
            "fd_seek(0<stdin>, 1, 99) = EINVAL (invalid argument)",
            "fd_fdstat_set_flags(0<stdin>, NONBLOCK|0x100) = EINVAL (invalid argument)",
        ]
    );
    let error = guest.end("proc_raise", 6).await;
    assert_eq!(error.downcast_ref::<I32Exit>(), Some(&I32Exit(134)));
    guest.end("proc_exit", 3).await;
    assert_eq!(
        lines.take(),
        [
            "proc_raise(6) = ? (the guest exited with code 134)",
            "proc_exit(3) = ? (exited)"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_filter_names_is_shown_but_names_are_known() {
    let outer = tempfile::tempdir().expect("temporary directory");
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_dir(outer.path(), ".", DirPerms::all(), FilePerms::all())
        .expect("the directory exists");
    let lines = Lines::default();
    let filter = Filter::parse("fd_write").expect("a known name");
    let mut guest = Guest::traced(&mut builder, &filter, lines.hook()).await;
    let fd = guest.open(DIR, "f", CREAT, WRITE).await.expect("opens");
    guest.write(fd, b"x").await.expect("writable");
    guest.call("fd_close", &[4]).await.expect("open");
    assert_eq!(lines.take(), ["fd_write(4<./f>, [1 byte]) = 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_includes_waiting_and_values_are_typed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let mut guest = Guest::traced(
        &mut WasiCtxBuilder::new(),
        &Filter::all(),
        move |_, call: &Call<'_>| {
            let first = call.args.first().map(|field| field.value.clone());
            let outcome = call.outcome == Outcome::Success;
            sink.lock()
                .expect("no panic")
                .push((call.function, first, outcome, call.elapsed));
        },
    )
    .await;
    guest.put(1024, &poll::clock(1, 1, 30_000_000, false));
    guest
        .call("poll_oneoff", &[1024, 2048, 1, 0])
        .await
        .expect("one to wait for");
    guest.call("fd_sync", &[2]).await.expect("it is open");
    let seen = seen.lock().expect("no panic");
    assert_eq!((seen[0].0, seen[0].2), ("poll_oneoff", true));
    assert!(seen[0].3 >= Duration::from_millis(30));
    let stderr = Value::Fd {
        number: 2,
        what: "stderr".to_owned(),
    };
    assert_eq!((seen[1].0, &seen[1].1), ("fd_sync", &Some(stderr)));
}

/// Calls `run` of a module without memory.
async fn without_memory(body: &str, traced: bool) -> craneway::Result<i32> {
    let engine = Engine::default();
    let text = format!(
        "(module
            (import \"wasi_snapshot_preview1\" \"fd_close\" (func $fd_close (param i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"fd_datasync\" (func $fd_datasync (param i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"fd_advise\"
                (func $fd_advise (param i32 i64 i64 i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"fd_write\"
                (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import \"wasi_snapshot_preview1\" \"sched_yield\" (func $sched_yield (result i32)))
            (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $proc_exit (param i32)))
            (func (export \"run\") (result i32) {body}))"
    );
    let module = Module::new(&engine, text)?;
    let mut linker = Linker::new(&engine);
    fn get(ctx: &mut WasiCtx) -> &mut WasiCtx {
        ctx
    }
    if traced {
        p1::add_to_linker_traced(&mut linker, get, &Filter::all(), |_, call| {
            assert!(!call.to_string().is_empty());
        })?;
    } else {
        p1::add_to_linker(&mut linker, get)?;
    }
    let mut store = Store::new(&engine, WasiCtxBuilder::new().build());
    let instance = linker.instantiate_async(&mut store, &module).await?;
    let run = instance.get_typed_func::<(), i32>(&mut store, "run")?;
    run.call_async(&mut store, ()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_without_memory_may_call_what_needs_none() {
    for traced in [false, true] {
        let run = |body| without_memory(body, traced);
        assert_eq!(run("(call $sched_yield)").await.expect("runs"), 0);
        assert_eq!(
            run("(call $fd_datasync (i32.const 1))")
                .await
                .expect("runs"),
            0
        );
        assert_eq!(
            run("(call $fd_close (i32.const 1))").await.expect("runs"),
            0
        );
        assert_eq!(
            run("(call $fd_close (i32.const 9))").await.expect("runs"),
            Errno::Badf as i32
        );
        let advise = "(call $fd_advise (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0))";
        assert_eq!(run(advise).await.expect("runs"), Errno::Spipe as i32);
        let exit = run("(call $proc_exit (i32.const 7)) (i32.const 0)").await;
        let error = exit.expect_err("it ends");
        assert_eq!(error.downcast_ref::<I32Exit>(), Some(&I32Exit(7)));
        let write = "(call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))";
        let error = run(write).await.expect_err("it cannot be given results");
        let text = format!("{error:#}");
        assert!(
            text.contains("fd_write") && text.contains("memory"),
            "{text}"
        );
    }
}
