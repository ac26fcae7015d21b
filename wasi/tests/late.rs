//! Work on files that ends after its guest is gone: it owns all that it touches. In a process of its own, because it needs a
//! runtime whose blocking pool can be held up.

use std::sync::mpsc;
use std::time::Duration;

use craneway::{Engine, Linker, Module, Store};
use craneway_wasi::{DirPerms, FilePerms, WasiCtx, WasiCtxBuilder, p1};

/// Opens a file (in a first call) and writes to it (in a second).
const TEXT: &str = r#"
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\40\00\00\00\07\00\00\00")
  (data (i32.const 64) "written")
  (data (i32.const 96) "file")
  (func (export "open") (result i32)
    (call $path_open (i32.const 3) (i32.const 0) (i32.const 96) (i32.const 4) (i32.const 1)
      (i64.const 0x46) (i64.const 0) (i32.const 0) (i32.const 32)))
  (func (export "write") (result i32)
    (call $fd_write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 32)))
  (func (export "read") (result i32)
    (call $fd_read (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 32))))
"#;

async fn given_up(name: &'static str) -> std::io::Result<Vec<u8>> {
    let outer = tempfile::tempdir()?;
    let engine = Engine::default();
    let module = Module::new(&engine, TEXT).expect("a valid module");
    let mut linker = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("functions link");
    let mut builder = WasiCtxBuilder::new();
    builder
        .preopened_dir(outer.path(), "/", DirPerms::all(), FilePerms::all())
        .expect("the directory exists");
    let mut store = Store::new(&engine, builder.build());
    let instance = linker
        .instantiate_async(&mut store, &module)
        .await
        .expect("it instantiates");
    let open = instance
        .get_typed_func::<(), i32>(&mut store, "open")
        .expect("it is exported");
    assert_eq!(open.call_async(&mut store, ()).await.expect("no trap"), 0);
    // The only thread of the pool is busy until it is told otherwise.
    let (release, held) = mpsc::channel::<()>();
    let holding = tokio::task::spawn_blocking(move || held.recv().is_ok());
    let work = instance
        .get_typed_func::<(), i32>(&mut store, name)
        .expect("it is exported");
    let call = work.call_async(&mut store, ());
    let outcome = tokio::time::timeout(Duration::from_millis(50), call).await;
    assert!(outcome.is_err(), "the pool is held up");
    drop(store);
    release.send(()).expect("it listens");
    assert!(holding.await.expect("no panic"));
    // The pool has one thread and an order: when this is through, so is what was before it.
    tokio::task::spawn_blocking(|| ()).await.expect("no panic");
    std::fs::read(outer.path().join("file"))
}

#[test]
fn work_may_end_after_its_store() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        assert_eq!(given_up("write").await.expect("readable"), b"written");
        assert_eq!(given_up("read").await.expect("readable"), b"");
    });
}
