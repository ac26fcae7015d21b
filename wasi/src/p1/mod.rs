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
mod path_arg;
mod poll;
mod proc;
mod random;
mod sock;

use std::sync::Arc;

use craneway::{Caller, Linker, MaybeAsync};

use crate::call::{self, Function};
use crate::ctx::WasiCtx;
use crate::trace::{self, Filter, Tracer};
use crate::types::Abi;

/// The module name of the current version.
pub const PREVIEW1: &str = "wasi_snapshot_preview1";
/// The module name of its forerunner.
pub const UNSTABLE: &str = "wasi_unstable";

/// Defines every function under both module names. `get` finds the context in the store's data.
///
/// If a subscriber of `tracing` wants the target `craneway_wasi` at level `trace` now, each call will be an event there.
pub fn add_to_linker<T, G>(linker: &mut Linker<T>, get: G) -> craneway::Result<()>
where
    T: Send + 'static,
    G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
{
    if tracing::enabled!(target: trace::TARGET, tracing::Level::TRACE) {
        return add_to_linker_traced(linker, get, &Filter::all(), trace::log);
    }
    link_all(linker, get, None)
}

/// Defines every function under both module names, and calls `hook` once for each finished call of those that the filter
/// names.
///
/// Tracing costs nothing where it is not used, because these are other functions than those of [`add_to_linker`]. The
/// hook runs on the guest's task before the guest goes on. A call that never finishes is not shown.
///
/// ```
/// # use craneway_wasi::{p1, trace::Filter, WasiCtx};
/// # fn main() -> craneway::Result<()> {
/// let engine = craneway::Engine::default();
/// let mut linker = craneway::Linker::new(&engine);
/// let filter = Filter::parse("path_*,fd_write")?;
/// p1::add_to_linker_traced(&mut linker, |ctx: &mut WasiCtx| ctx, &filter, |_ctx, call| eprintln!("{call}"))?;
/// # Ok(())
/// # }
/// ```
pub fn add_to_linker_traced<T, G>(
    linker: &mut Linker<T>,
    get: G,
    filter: &Filter,
    hook: impl Fn(&T, &trace::Call<'_>) + Send + Sync + 'static,
) -> craneway::Result<()>
where
    T: Send + 'static,
    G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
{
    link_all(linker, get, Some(&Tracer::new(filter, Arc::new(hook))))
}

fn link_all<T, G>(
    linker: &mut Linker<T>,
    get: G,
    tracer: Option<&Tracer<T>>,
) -> craneway::Result<()>
where
    T: Send + 'static,
    G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
{
    for (module, abi) in [(PREVIEW1, Abi::Preview1), (UNSTABLE, Abi::Unstable)] {
        link(linker, module, abi, get, tracer)?;
        link_without_memory(linker, module, abi, get, tracer)?;
        link_exit(linker, module, tracer)?;
    }
    link_accept(linker, PREVIEW1, Abi::Preview1, get, tracer)
}

/// How a parameter of the interface travels through wasm.
trait Param {
    type Wasm;
    fn of(wasm: Self::Wasm) -> Self;
    /// For tracing, which tells what it is from a table of its own.
    fn raw(wasm: Self::Wasm) -> u64;
}

impl Param for u32 {
    type Wasm = i32;
    fn of(wasm: i32) -> u32 {
        wasm as u32
    }
    fn raw(wasm: i32) -> u64 {
        u64::from(wasm as u32)
    }
}

impl Param for u64 {
    type Wasm = i64;
    fn of(wasm: i64) -> u64 {
        wasm as u64
    }
    fn raw(wasm: i64) -> u64 {
        wasm as u64
    }
}

impl Param for i64 {
    type Wasm = i64;
    fn of(wasm: i64) -> i64 {
        wasm
    }
    fn raw(wasm: i64) -> u64 {
        wasm as u64
    }
}

/// Declares functions: the area that implements each, its name and its parameters. All return an error number.
macro_rules! interface {
    ($link:ident($memory:literal): $($area:ident :: $name:ident ( $($arg:ident : $ty:ty),* );)*) => {
        fn $link<T, G>(
            linker: &mut Linker<T>,
            module: &str,
            abi: Abi,
            get: G,
            tracer: Option<&Tracer<T>>,
        ) -> craneway::Result<()>
        where
            T: Send + 'static,
            G: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
        {
            $({
                let what = Function { name: stringify!($name), abi, memory: $memory };
                type Params = ($(<$ty as Param>::Wasm,)*);
                match tracer.and_then(|tracer| tracer.of(what)) {
                    None => linker.func_wrap_maybe_async(
                        module,
                        what.name,
                        move |caller: Caller<'_, T>, ($($arg,)*): Params| {
                            let function = move |cx: &mut call::Cx<'_>| $area::$name(cx $(, <$ty as Param>::of($arg))*);
                            call::dispatch(caller, get, what, function, |_, result| call::settle(result))
                        },
                    )?,
                    Some(tracer) => linker.func_wrap_maybe_async(
                        module,
                        what.name,
                        move |mut caller: Caller<'_, T>, ($($arg,)*): Params| {
                            let after = tracer.begin(&mut caller, get, &[$(<$ty as Param>::raw($arg)),*]);
                            let function = move |cx: &mut call::Cx<'_>| $area::$name(cx $(, <$ty as Param>::of($arg))*);
                            call::dispatch(caller, get, what, function, after)
                        },
                    )?,
                };
            })*
            Ok(())
        }

        #[cfg(test)]
        impl Counts {
            /// Names of the functions and how many parameters each has.
            #[allow(non_upper_case_globals, reason = "named after the function that links them")]
            const $link: &'static [(&'static str, usize)] =
                &[$((stringify!($name), <[&str]>::len(&[$(stringify!($arg)),*]))),*];
        }
    };
}

/// What tests compare the tables of other files with.
#[cfg(test)]
pub(crate) struct Counts;

#[cfg(test)]
impl Counts {
    /// Every function that returns.
    pub(crate) fn all() -> impl Iterator<Item = (&'static str, usize)> {
        [
            Counts::link,
            Counts::link_without_memory,
            Counts::link_accept,
        ]
        .into_iter()
        .flatten()
        .copied()
    }
}

interface! { link(true):
    args::args_get(argv: u32, buf: u32);
    args::args_sizes_get(count: u32, size: u32);
    args::environ_get(environ: u32, buf: u32);
    args::environ_sizes_get(count: u32, size: u32);
    clock::clock_res_get(id: u32, out: u32);
    clock::clock_time_get(id: u32, precision: u64, out: u32);
    fd_meta::fd_fdstat_get(fd: u32, out: u32);
    fd_meta::fd_filestat_get(fd: u32, out: u32);
    fd_io::fd_pread(fd: u32, iovs: u32, count: u32, offset: u64, out: u32);
    dir::fd_prestat_get(fd: u32, out: u32);
    dir::fd_prestat_dir_name(fd: u32, path: u32, len: u32);
    fd_io::fd_pwrite(fd: u32, iovs: u32, count: u32, offset: u64, out: u32);
    fd_io::fd_read(fd: u32, iovs: u32, count: u32, out: u32);
    dir::fd_readdir(fd: u32, buf: u32, len: u32, cookie: u64, out: u32);
    fd_io::fd_seek(fd: u32, offset: i64, whence: u32, out: u32);
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
    random::random_get(buf: u32, len: u32);
    sock::sock_recv(fd: u32, iovs: u32, count: u32, flags: u32, out: u32, out_flags: u32);
    sock::sock_send(fd: u32, iovs: u32, count: u32, flags: u32, out: u32);
}

// These pass nothing through memory.
interface! { link_without_memory(false):
    fd_meta::fd_advise(fd: u32, offset: u64, len: u64, advice: u32);
    fd_meta::fd_allocate(fd: u32, offset: u64, len: u64);
    fd_meta::fd_close(fd: u32);
    fd_meta::fd_datasync(fd: u32);
    fd_meta::fd_fdstat_set_flags(fd: u32, flags: u32);
    fd_meta::fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64);
    fd_meta::fd_filestat_set_size(fd: u32, size: u64);
    fd_meta::fd_filestat_set_times(fd: u32, atim: u64, mtim: u64, flags: u32);
    fd_meta::fd_renumber(fd: u32, to: u32);
    fd_meta::fd_sync(fd: u32);
    proc::proc_raise(signal: u32);
    proc::sched_yield();
    sock::sock_shutdown(fd: u32, how: u32);
}

// The older version does not have it.
interface! { link_accept(true):
    sock::sock_accept(fd: u32, flags: u32, out: u32);
}

/// `proc_exit` alone returns nothing, because it does not return.
fn link_exit<T: Send + 'static>(
    linker: &mut Linker<T>,
    module: &str,
    tracer: Option<&Tracer<T>>,
) -> craneway::Result<()> {
    let tracer = tracer.and_then(Tracer::of_exit);
    linker.func_wrap_maybe_async(
        module,
        trace::EXIT,
        move |caller: Caller<'_, T>, (code,): (i32,)| {
            if let Some(tracer) = &tracer {
                tracer.exit(caller.data(), code);
            }
            MaybeAsync::Ready(Err::<(), _>(proc::exit(code)))
        },
    )?;
    Ok(())
}
