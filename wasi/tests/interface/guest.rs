//! A guest that exports every function of the interface, so that tests call them one by one with any arguments.

use craneway::{Engine, Instance, Linker, Memory, Module, Store, Val};
use craneway_wasi::trace::{Call, Filter};
use craneway_wasi::{DirPerms, Errno, FilePerms, Resolver, WasiCtx, WasiCtxBuilder, p1};

/// Names and parameters: `i` for 32 bits, `l` for 64.
const FUNCTIONS: &[(&str, &str)] = &[
    ("args_get", "ii"),
    ("args_sizes_get", "ii"),
    ("environ_get", "ii"),
    ("environ_sizes_get", "ii"),
    ("clock_res_get", "ii"),
    ("clock_time_get", "ili"),
    ("fd_advise", "illi"),
    ("fd_allocate", "ill"),
    ("fd_close", "i"),
    ("fd_datasync", "i"),
    ("fd_fdstat_get", "ii"),
    ("fd_fdstat_set_flags", "ii"),
    ("fd_fdstat_set_rights", "ill"),
    ("fd_filestat_get", "ii"),
    ("fd_filestat_set_size", "il"),
    ("fd_filestat_set_times", "illi"),
    ("fd_pread", "iiili"),
    ("fd_prestat_get", "ii"),
    ("fd_prestat_dir_name", "iii"),
    ("fd_pwrite", "iiili"),
    ("fd_read", "iiii"),
    ("fd_readdir", "iiili"),
    ("fd_renumber", "ii"),
    ("fd_seek", "ilii"),
    ("fd_sync", "i"),
    ("fd_tell", "ii"),
    ("fd_write", "iiii"),
    ("path_create_directory", "iii"),
    ("path_filestat_get", "iiiii"),
    ("path_filestat_set_times", "iiiilli"),
    ("path_link", "iiiiiii"),
    ("path_open", "iiiiillii"),
    ("path_readlink", "iiiiii"),
    ("path_remove_directory", "iii"),
    ("path_rename", "iiiiii"),
    ("path_symlink", "iiiii"),
    ("path_unlink_file", "iii"),
    ("poll_oneoff", "iiii"),
    ("proc_raise", "i"),
    ("sched_yield", ""),
    ("random_get", "ii"),
    ("sock_accept", "iii"),
    ("sock_recv", "iiiiii"),
    ("sock_send", "iiiii"),
    ("sock_shutdown", "ii"),
];

/// The functions that take a descriptor first, and their parameters.
pub(crate) fn descriptor_functions() -> impl Iterator<Item = &'static (&'static str, &'static str)>
{
    FUNCTIONS.iter().filter(|(name, _)| {
        name.starts_with("fd_") || name.starts_with("sock_") || name.starts_with("path_")
    })
}

/// All rights there are.
pub(crate) const ALL_RIGHTS: u64 = (1 << 30) - 1;
pub(crate) const READ: u64 = 1 << 1;
pub(crate) const SEEK: u64 = 1 << 2;
pub(crate) const WRITE: u64 = 1 << 6;
pub(crate) const READDIR: u64 = 1 << 14;

pub(crate) const CREAT: u32 = 1;
pub(crate) const DIRECTORY: u32 = 2;
pub(crate) const EXCL: u32 = 4;
pub(crate) const TRUNC: u32 = 8;

/// The size of the guest's memory.
pub(crate) const MEMORY: u32 = 4 * 65536;

/// Where helpers put what they pass; tests use lower addresses.
const SCRATCH: u32 = 2 * 65536;
const SCRATCH_PATH: u32 = SCRATCH + 1024;
const SCRATCH_PATH_2: u32 = SCRATCH + 8192;
const SCRATCH_DATA: u32 = SCRATCH + 16384;

/// The first granted directory.
pub(crate) const DIR: u32 = 3;

/// An error number, or success.
pub(crate) type Result<T = ()> = std::result::Result<T, Errno>;

/// How a guest's files are worked on: whether the thread may block, and how paths are resolved.
pub(crate) type Way = (bool, Resolver);

/// Every way there is.
pub(crate) const WAYS: [Way; 4] = [
    (true, Resolver::Auto),
    (false, Resolver::Auto),
    (true, Resolver::Steps),
    (false, Resolver::Steps),
];

/// A running guest.
pub(crate) struct Guest {
    pub(crate) store: Store<WasiCtx>,
    pub(crate) instance: Instance,
    memory: Memory,
}

fn text(namespace: &str) -> String {
    let mut text = String::from("(module\n");
    let signature = |params: &str| -> String {
        params
            .chars()
            .map(|kind| if kind == 'i' { " i32" } else { " i64" })
            .collect()
    };
    let present = || {
        FUNCTIONS
            .iter()
            .filter(|(name, _)| namespace != p1::UNSTABLE || *name != "sock_accept")
    };
    for (name, params) in present() {
        let params = signature(params);
        text += &format!(
            "(import \"{namespace}\" \"{name}\" (func ${name} (param{params}) (result i32)))\n"
        );
    }
    text += &format!("(import \"{namespace}\" \"proc_exit\" (func $proc_exit (param i32)))\n");
    text += &format!("(memory (export \"memory\") {})\n", MEMORY / 65536);
    for (name, params) in present() {
        let gets: String = (0..params.len())
            .map(|index| format!(" (local.get {index})"))
            .collect();
        let params = signature(params);
        text += &format!(
            "(func (export \"{name}\") (param{params}) (result i32) (call ${name}{gets}))\n"
        );
    }
    text + "(func (export \"proc_exit\") (param i32) (call $proc_exit (local.get 0))))"
}

impl Guest {
    /// A guest of the current version.
    pub(crate) async fn new(builder: &mut WasiCtxBuilder) -> Guest {
        Guest::of(p1::PREVIEW1, builder).await
    }

    /// A guest of either version.
    pub(crate) async fn of(namespace: &str, builder: &mut WasiCtxBuilder) -> Guest {
        let mut linker = Linker::new(&Engine::default());
        p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).expect("functions link");
        Guest::linked(&linker, namespace, builder).await
    }

    /// A guest whose calls are traced.
    pub(crate) async fn traced(
        builder: &mut WasiCtxBuilder,
        filter: &Filter,
        hook: impl Fn(&WasiCtx, &Call<'_>) + Send + Sync + 'static,
    ) -> Guest {
        let mut linker = Linker::new(&Engine::default());
        p1::add_to_linker_traced(&mut linker, |ctx: &mut WasiCtx| ctx, filter, hook)
            .expect("functions link");
        Guest::linked(&linker, p1::PREVIEW1, builder).await
    }

    async fn linked(
        linker: &Linker<WasiCtx>,
        namespace: &str,
        builder: &mut WasiCtxBuilder,
    ) -> Guest {
        let engine = linker.engine();
        let module = Module::new(engine, text(namespace)).expect("a valid module");
        let mut store = Store::new(engine, builder.build());
        let instance = linker
            .instantiate_async(&mut store, &module)
            .await
            .expect("it instantiates");
        let memory = instance
            .get_memory(&mut store, "memory")
            .expect("it has a memory");
        Guest {
            store,
            instance,
            memory,
        }
    }

    /// A guest with one directory, granted whole as descriptor 3.
    pub(crate) async fn in_directory(path: &std::path::Path, blocking: bool) -> Guest {
        Guest::resolving(path, (blocking, Resolver::Auto)).await
    }

    /// The same with paths resolved in one way or the other.
    pub(crate) async fn resolving(path: &std::path::Path, way: Way) -> Guest {
        Guest::granted(path, way, DirPerms::all(), FilePerms::all()).await
    }

    /// A guest with one directory as descriptor 3.
    pub(crate) async fn granted(
        path: &std::path::Path,
        (blocking, resolver): Way,
        dir: DirPerms,
        file: FilePerms,
    ) -> Guest {
        let mut builder = WasiCtxBuilder::new();
        builder.allow_blocking_files(blocking).resolver(resolver);
        builder
            .preopened_dir(path, "/granted", dir, file)
            .expect("the directory exists");
        Guest::new(&mut builder).await
    }

    /// Calls a function; arguments are cut to the width of the parameter.
    pub(crate) async fn call(&mut self, name: &str, args: &[u64]) -> Result {
        let (_, params) = FUNCTIONS
            .iter()
            .find(|(known, _)| *known == name)
            .expect("known name");
        assert_eq!(
            params.len(),
            args.len(),
            "{name} takes {} arguments",
            params.len()
        );
        let args: Vec<Val> = params
            .chars()
            .zip(args)
            .map(|(kind, arg)| {
                if kind == 'i' {
                    Val::I32(*arg as i32)
                } else {
                    Val::I64(*arg as i64)
                }
            })
            .collect();
        let func = self
            .instance
            .get_func(&mut self.store, name)
            .expect("it is exported");
        let mut results = [Val::I32(-1)];
        func.call_async(&mut self.store, &args, &mut results)
            .await
            .expect("no trap");
        let Val::I32(number) = results[0] else {
            panic!("{name} returns a number")
        };
        if number == 0 {
            Ok(())
        } else {
            Err(errno(number))
        }
    }

    /// Calls a function that is expected to end the guest.
    pub(crate) async fn end(&mut self, name: &str, arg: i32) -> craneway::Error {
        let func = self
            .instance
            .get_func(&mut self.store, name)
            .expect("it is exported");
        let mut results = [Val::I32(-1)];
        let results = if name == "proc_exit" {
            &mut results[..0]
        } else {
            &mut results[..]
        };
        let outcome = func
            .call_async(&mut self.store, &[Val::I32(arg)], results)
            .await;
        outcome.expect_err("the guest ends")
    }

    /// Makes the memory at least so large.
    pub(crate) fn grow_to(&mut self, bytes: u32) {
        let pages = u64::from(bytes.div_ceil(65536));
        let present = self.memory.size(&self.store);
        self.memory
            .grow(&mut self.store, pages.saturating_sub(present))
            .expect("the host has so much");
    }

    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory
            .write(&mut self.store, at as usize, bytes)
            .expect("inside memory");
    }

    pub(crate) fn put_u32s(&mut self, at: u32, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    pub(crate) fn get(&mut self, at: u32, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory
            .read(&self.store, at as usize, &mut bytes)
            .expect("inside memory");
        bytes
    }

    pub(crate) fn u16(&mut self, at: u32) -> u16 {
        u16::from_le_bytes(self.get(at, 2).try_into().expect("two bytes"))
    }

    pub(crate) fn u32(&mut self, at: u32) -> u32 {
        u32::from_le_bytes(self.get(at, 4).try_into().expect("four bytes"))
    }

    pub(crate) fn u64(&mut self, at: u32) -> u64 {
        u64::from_le_bytes(self.get(at, 8).try_into().expect("eight bytes"))
    }

    /// Calls a function whose first arguments are a descriptor and a path.
    pub(crate) async fn at(&mut self, name: &str, fd: u32, path: &str, rest: &[u64]) -> Result {
        self.put(SCRATCH_PATH, path.as_bytes());
        let mut args = vec![u64::from(fd), u64::from(SCRATCH_PATH), path.len() as u64];
        args.extend(rest);
        self.call(name, &args).await
    }

    /// Opens with these flags and rights.
    pub(crate) async fn open(
        &mut self,
        fd: u32,
        path: &str,
        oflags: u32,
        rights: u64,
    ) -> Result<u32> {
        self.open_with(fd, path, 1, oflags, rights, ALL_RIGHTS, 0)
            .await
    }

    /// Opens with everything that can be said.
    #[expect(clippy::too_many_arguments, reason = "the interface has that many")]
    pub(crate) async fn open_with(
        &mut self,
        fd: u32,
        path: &str,
        lookup: u32,
        oflags: u32,
        base: u64,
        inheriting: u64,
        fdflags: u32,
    ) -> Result<u32> {
        self.put(SCRATCH_PATH, path.as_bytes());
        let args = [
            u64::from(fd),
            u64::from(lookup),
            u64::from(SCRATCH_PATH),
            path.len() as u64,
            u64::from(oflags),
            base,
            inheriting,
            u64::from(fdflags),
            u64::from(SCRATCH),
        ];
        self.call("path_open", &args).await?;
        Ok(self.u32(SCRATCH))
    }

    /// Renames or links.
    pub(crate) async fn two_paths(
        &mut self,
        name: &str,
        from: (u32, &str),
        to: (u32, &str),
    ) -> Result {
        self.put(SCRATCH_PATH, from.1.as_bytes());
        self.put(SCRATCH_PATH_2, to.1.as_bytes());
        let (old, new) = (
            (u64::from(SCRATCH_PATH), from.1.len() as u64),
            (u64::from(SCRATCH_PATH_2), to.1.len() as u64),
        );
        let (from, to) = (u64::from(from.0), u64::from(to.0));
        if name == "path_link" {
            self.call(name, &[from, 0, old.0, old.1, to, new.0, new.1])
                .await
        } else {
            self.call(name, &[from, old.0, old.1, to, new.0, new.1])
                .await
        }
    }

    /// Makes a symbolic link.
    pub(crate) async fn symlink(&mut self, target: &str, fd: u32, name: &str) -> Result {
        self.put(SCRATCH_PATH, target.as_bytes());
        self.put(SCRATCH_PATH_2, name.as_bytes());
        let args = [
            u64::from(SCRATCH_PATH),
            target.len() as u64,
            u64::from(fd),
            u64::from(SCRATCH_PATH_2),
            name.len() as u64,
        ];
        self.call("path_symlink", &args).await
    }

    /// Examines a path: the record of the current version.
    pub(crate) async fn stat(&mut self, fd: u32, path: &str, follow: bool) -> Result<Vec<u8>> {
        self.put(SCRATCH_PATH, path.as_bytes());
        let args = [
            u64::from(fd),
            u64::from(follow),
            u64::from(SCRATCH_PATH),
            path.len() as u64,
            u64::from(SCRATCH),
        ];
        self.call("path_filestat_get", &args).await?;
        Ok(self.get(SCRATCH, 64))
    }

    /// Writes bytes at the descriptor's position.
    pub(crate) async fn write(&mut self, fd: u32, bytes: &[u8]) -> Result<u32> {
        self.put(SCRATCH_DATA, bytes);
        self.put_u32s(SCRATCH, &[SCRATCH_DATA, bytes.len() as u32]);
        self.call(
            "fd_write",
            &[u64::from(fd), u64::from(SCRATCH), 1, u64::from(SCRATCH + 8)],
        )
        .await?;
        Ok(self.u32(SCRATCH + 8))
    }

    /// Reads up to `len` bytes from the descriptor's position.
    pub(crate) async fn read(&mut self, fd: u32, len: u32) -> Result<Vec<u8>> {
        self.put_u32s(SCRATCH, &[SCRATCH_DATA, len]);
        self.call(
            "fd_read",
            &[u64::from(fd), u64::from(SCRATCH), 1, u64::from(SCRATCH + 8)],
        )
        .await?;
        let count = self.u32(SCRATCH + 8);
        Ok(self.get(SCRATCH_DATA, count as usize))
    }

    /// Moves the descriptor's position.
    pub(crate) async fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Result<u64> {
        self.call(
            "fd_seek",
            &[
                u64::from(fd),
                offset as u64,
                u64::from(whence),
                u64::from(SCRATCH),
            ],
        )
        .await?;
        Ok(self.u64(SCRATCH))
    }
}

/// The error number behind a result.
fn errno(number: i32) -> Errno {
    u16::try_from(number)
        .ok()
        .and_then(Errno::from_number)
        .unwrap_or_else(|| panic!("there is no error number {number}"))
}
