//! Opens the built library as the recorder does and drives it through its five functions.

use std::ffi::{CString, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::ptr;

/// The recorder's structure, declared here as the recorder declares it, so that a field that moves is noticed.
#[repr(C)]
struct Config {
    working_dir: Text,
    stdout: Text,
    stderr: Text,
    stdin: Text,
    compilation: Timer,
    instantiation: Timer,
    execution: Timer,
    flags: Text,
}

#[repr(C)]
struct Text {
    at: *const u8,
    len: usize,
}

#[repr(C)]
struct Timer {
    value: *mut u8,
    start: extern "C" fn(*mut u8),
    end: extern "C" fn(*mut u8),
}

type Create = unsafe extern "C" fn(Config, *mut *mut c_void) -> c_int;
type Compile = unsafe extern "C" fn(*mut c_void, *const u8, usize) -> c_int;
type Step = unsafe extern "C" fn(*mut c_void) -> c_int;
type Free = unsafe extern "C" fn(*mut c_void);

struct Library {
    create: Create,
    compile: Compile,
    instantiate: Step,
    execute: Step,
    free: Free,
}

/// The library that cargo has built for this test: beside it, or one directory up.
fn built() -> PathBuf {
    let deps = std::env::current_exe().expect("this test");
    let deps = deps.parent().expect("a directory");
    let name = "libcraneway_sightglass.so";
    [deps.join(name), deps.join("..").join(name)]
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("no {name} in or above {}", deps.display()))
}

fn open() -> Library {
    let path = CString::new(built().as_os_str().as_bytes()).expect("a path");
    // SAFETY: the path is a C string; the library is ours, and its initialisers do nothing.
    let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!handle.is_null(), "dlopen");
    let symbol = |name: &str| {
        let name = CString::new(name).expect("a name");
        // SAFETY: the handle is open, and stays so; the name is a C string.
        let address = unsafe { libc::dlsym(handle, name.as_ptr()) };
        assert!(!address.is_null(), "{name:?}");
        address
    };
    // SAFETY: the library's functions have these types, by the interface that it implements.
    unsafe {
        Library {
            create: std::mem::transmute::<*mut c_void, Create>(symbol("wasm_bench_create")),
            compile: std::mem::transmute::<*mut c_void, Compile>(symbol("wasm_bench_compile")),
            instantiate: std::mem::transmute::<*mut c_void, Step>(symbol("wasm_bench_instantiate")),
            execute: std::mem::transmute::<*mut c_void, Step>(symbol("wasm_bench_execute")),
            free: std::mem::transmute::<*mut c_void, Free>(symbol("wasm_bench_free")),
        }
    }
}

/// What the timers were called for, in order.
#[derive(Default)]
struct Calls(Vec<&'static str>);

macro_rules! callbacks {
    ($($name:ident)*) => { $(
        extern "C" fn $name(calls: *mut u8) {
            // SAFETY: the value is the `Calls` that the configuration below points to, alive and used by nobody now.
            unsafe { &mut *calls.cast::<Calls>() }.0.push(stringify!($name));
        }
    )* };
}
callbacks!(compiling compiled instantiating instantiated running ran);

fn text(text: &str) -> Text {
    Text {
        at: text.as_ptr(),
        len: text.len(),
    }
}

struct Session {
    library: Library,
    state: *mut c_void,
    /// From a box; the library's callbacks write to it.
    calls: *mut Calls,
    dir: tempfile::TempDir,
}

impl Session {
    fn new(flags: &str) -> (Session, c_int) {
        Session::within(None, flags)
    }

    /// With another working directory than that of the streams.
    fn within(working_dir: Option<&str>, flags: &str) -> (Session, c_int) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("in"), "from the file").expect("a file");
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (here, out, err, input) = (path(""), path("out"), path("err"), path("in"));
        let calls = Box::into_raw(Box::<Calls>::default());
        let value = calls.cast::<u8>();
        let timer = |start, end| Timer { value, start, end };
        let config = Config {
            working_dir: text(working_dir.unwrap_or(&here)),
            stdout: text(&out),
            stderr: text(&err),
            stdin: text(&input),
            compilation: timer(compiling, compiled),
            instantiation: timer(instantiating, instantiated),
            execution: timer(running, ran),
            flags: text(flags),
        };
        let library = open();
        let mut state = ptr::null_mut();
        // SAFETY: the texts live until after the call; the callbacks take the value beside them.
        let code = unsafe { (library.create)(config, &mut state) };
        let session = Session {
            library,
            state,
            calls,
            dir,
        };
        (session, code)
    }

    fn calls(&self) -> Vec<&'static str> {
        // SAFETY: the box is alive, and no call into the library is under way.
        unsafe { &*self.calls }.0.clone()
    }

    fn compile(&self, wat: &str) -> c_int {
        let wasm = wat::parse_str(wat).expect("a module");
        // SAFETY: the state is alive, and the bytes are there.
        unsafe { (self.library.compile)(self.state, wasm.as_ptr(), wasm.len()) }
    }

    fn instantiate(&self) -> c_int {
        // SAFETY: the state is alive.
        unsafe { (self.library.instantiate)(self.state) }
    }

    fn execute(&self) -> c_int {
        // SAFETY: the state is alive.
        unsafe { (self.library.execute)(self.state) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // SAFETY: the state is alive or null, and not used again; then nobody calls back any more, and the box is ours.
        unsafe {
            (self.library.free)(self.state);
            drop(Box::from_raw(self.calls));
        }
    }
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).expect("a file")
}

/// Copies standard input to standard output between the timer's calls, then leaves with a code.
fn guest(code: u32) -> String {
    format!(
        r#"(module
          (import "bench" "start" (func $start))
          (import "bench" "end" (func $end))
          (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1)
          (func (export "_start")
            (call $start)
            (i32.store (i32.const 0) (i32.const 64))
            (i32.store (i32.const 4) (i32.const 100))
            (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
            (call $end)
            (call $exit (i32.const {code}))))"#
    )
}

#[test]
fn a_benchmark_runs_with_its_timers() {
    let (session, code) = Session::new("-O inline=n");
    assert_eq!(code, 0);
    assert_eq!(session.compile(&guest(0)), 0);
    for _ in 0..2 {
        assert_eq!((session.instantiate(), session.execute()), (0, 0));
        assert_eq!(read(session.dir.path(), "out"), "from the file");
    }
    assert_eq!(
        session.calls(),
        [
            "compiling",
            "compiled",
            "instantiating",
            "instantiated",
            "running",
            "ran",
            "instantiating",
            "instantiated",
            "running",
            "ran",
        ]
    );
}

#[test]
fn failures_are_codes() {
    let (session, code) = Session::new("");
    assert_eq!(code, 0);
    assert_eq!(session.instantiate(), -1, "nothing is compiled");
    assert_eq!(session.compile(&guest(3)), 0);
    assert_eq!(session.execute(), -1, "there is no instance");
    assert_eq!(session.instantiate(), 0);
    assert_eq!(session.execute(), -1, "it left with 3");
    assert_eq!(
        session.compile("(module (import \"no\" \"where\" (func)))"),
        0
    );
    assert_eq!(session.instantiate(), -1);
    assert_eq!(
        session.compile("(module (func (export \"_start\") unreachable))"),
        0
    );
    assert_eq!((session.instantiate(), session.execute()), (0, -1));
    // SAFETY: the state is alive, and the bytes are there.
    let invalid = unsafe { (session.library.compile)(session.state, b"no".as_ptr(), 2) };
    assert_eq!(invalid, -1);
    assert_eq!(session.instantiate(), -1, "the module from before is gone");
}

#[test]
fn flags_that_are_not_known_make_no_engine() {
    let (session, code) = Session::new("-O nonsense=n");
    assert_eq!(code, -1);
    assert!(session.state.is_null());
    assert_eq!((session.instantiate(), session.execute()), (-1, -1));
}

/// As the recorder passes it for a benchmark in the directory that it was started in.
#[test]
fn no_working_directory_is_the_current_one() {
    let (session, code) = Session::within(Some(""), "");
    assert_eq!((code, session.compile(&guest(0))), (0, 0));
    assert_eq!((session.instantiate(), session.execute()), (0, 0));
}
