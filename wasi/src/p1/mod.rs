//! The functions of WASI preview 1, one file per area, and the table that declares them once.
//!
//! The table generates the registration under both module names. What differs between the two versions is decided inside
//! the functions by `Abi`. Must never know how a call is driven.

mod args;
mod clock;
mod dir;
mod fd_io;
mod fd_meta;
mod path;
mod poll;
mod proc;
mod random;
mod resolve;
mod sock;

use craneway::{Caller, Linker, MaybeAsync};

use crate::call;
use crate::ctx::WasiCtx;
use crate::types::Abi;

/// The module name of the current version.
pub const PREVIEW1: &str = "wasi_snapshot_preview1";
/// The module name of its forerunner.
pub const UNSTABLE: &str = "wasi_unstable";

/// Defines every function under both module names. `get` finds the context in the store's data.
pub fn add_to_linker<T, G>(linker: &mut Linker<T>, get: G) -> craneway::Result<()>
where
    T: Send + 'static,
    G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
{
    for (module, abi) in [(PREVIEW1, Abi::Preview1), (UNSTABLE, Abi::Unstable)] {
        link(linker, module, abi, get)?;
        link_exit(linker, module, get)?;
    }
    link_accept(linker, PREVIEW1, Abi::Preview1, get)
}

/// How a parameter of the interface travels through wasm.
trait Param {
    type Wasm;
    fn of(wasm: Self::Wasm) -> Self;
}

impl Param for u32 {
    type Wasm = i32;
    fn of(wasm: i32) -> u32 {
        wasm as u32
    }
}

impl Param for u64 {
    type Wasm = i64;
    fn of(wasm: i64) -> u64 {
        wasm as u64
    }
}

impl Param for i64 {
    type Wasm = i64;
    fn of(wasm: i64) -> i64 {
        wasm
    }
}

/// Declares functions: the area that implements each, its name and its parameters. All return an error number.
macro_rules! interface {
    ($link:ident: $($area:ident :: $name:ident ( $($arg:ident : $ty:ty),* );)*) => {
        fn $link<T, G>(linker: &mut Linker<T>, module: &str, abi: Abi, get: G) -> craneway::Result<()>
        where
            T: Send + 'static,
            G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
        {
            $(
                linker.func_wrap_maybe_async(
                    module,
                    stringify!($name),
                    move |caller: Caller<'_, T>, ($($arg,)*): ($(<$ty as Param>::Wasm,)*)| {
                        call::dispatch(caller, get, abi, stringify!($name), move |cx| {
                            $area::$name(cx $(, <$ty as Param>::of($arg))*)
                        })
                    },
                )?;
            )*
            Ok(())
        }
    };
}

interface! { link:
    args::args_get(argv: u32, buf: u32);
    args::args_sizes_get(count: u32, size: u32);
    args::environ_get(environ: u32, buf: u32);
    args::environ_sizes_get(count: u32, size: u32);
    clock::clock_res_get(id: u32, out: u32);
    clock::clock_time_get(id: u32, precision: u64, out: u32);
    fd_meta::fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
    fd_meta::fd_allocate(fd: u32, offset: u64, len: u64);
    fd_meta::fd_close(fd: u32);
    fd_meta::fd_datasync(fd: u32);
    fd_meta::fd_fdstat_get(fd: u32, out: u32);
    fd_meta::fd_fdstat_set_flags(fd: u32, flags: u32);
    fd_meta::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    fd_meta::fd_filestat_get(fd: u32, out: u32);
    fd_meta::fd_filestat_set_size(fd: u32, size: u64);
    fd_meta::fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32);
    fd_io::fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, out: u32);
    dir::fd_prestat_get(fd: u32, out: u32);
    dir::fd_prestat_dir_name(fd: u32, path: u32, len: u32);
    fd_io::fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, out: u32);
    fd_io::fd_read(fd: u32, iovs: u32, count: u32, out: u32);
    dir::fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32);
    fd_meta::fd_renumber(fd: u32, to: u32);
    fd_io::fd_seek(fd: u32, offset: i64, whence: u32, out: u32);
    fd_meta::fd_sync(fd: u32);
    fd_io::fd_tell(fd: u32, out: u32);
    fd_io::fd_write(fd: u32, iovs: u32, count: u32, out: u32);
    path::path_create_directory(fd: u32, path: u32, len: u32);
    path::path_filestat_get(fd: u32, flags: u32, path: u32, len: u32, out: u32);
    path::path_filestat_set_times(fd: u32, flags: u32, path: u32, len: u32, atim: u64, mtim: u64, fst_flags: u32);
    path::path_link(old_fd: u32, old_flags: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32);
    path::path_open(
        fd: u32, dirflags: u32, path: u32, len: u32, oflags: u32, base: u64, inheriting: u64, fdflags: u32, out: u32
    );
    path::path_readlink(fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32);
    path::path_remove_directory(fd: u32, path: u32, len: u32);
    path::path_rename(old_fd: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32);
    path::path_symlink(old: u32, old_len: u32, fd: u32, new: u32, new_len: u32);
    path::path_unlink_file(fd: u32, path: u32, len: u32);
    poll::poll_oneoff(subscriptions: u32, events: u32, count: u32, out: u32);
    proc::proc_raise(signal: u32);
    proc::sched_yield();
    random::random_get(buf: u32, len: u32);
    sock::sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out: u32, out_flags: u32);
    sock::sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32);
    sock::sock_shutdown(fd: u32, how: u32);
}

// The older version does not have it.
interface! { link_accept:
    sock::sock_accept(fd: u32, flags: u32, out: u32);
}

/// `proc_exit` alone returns nothing, because it does not return.
fn link_exit<T, G>(linker: &mut Linker<T>, module: &str, _get: G) -> craneway::Result<()>
where
    T: Send + 'static,
    G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
{
    linker.func_wrap_maybe_async(
        module,
        "proc_exit",
        |_caller: Caller<'_, T>, (code,): (i32,)| {
            tracing::trace!(target: call::TARGET, function = "proc_exit", code);
            MaybeAsync::Ready(Err::<(), _>(proc::exit(code)))
        },
    )?;
    Ok(())
}
