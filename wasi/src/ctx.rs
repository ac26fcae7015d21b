//! The state of one guest, and the builder by which an embedder grants things.
//!
//! Nothing is reachable that was not granted here. Must never know guest memory or single functions.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clocks::{
    HostMonotonicClock, HostWallClock, SystemMonotonicClock, SystemWallClock, VirtualClock,
};
use crate::fs::host::HostFile;
use crate::fs::virt::DirHandle;
use crate::fs::{Dir, HostDir, Resolver, VirtualDir};
use crate::random::{HostRandom, SeededRandom, SystemRandom};
use crate::stdio::{Input, Output, Stdin, Stdout};
use crate::stream::{Class, Stream};
use crate::table::{Directory, Entry, File, Kind, Table};
use crate::trace::Labels;
use crate::types::{FdFlags, FileType, Rights};

/// What a guest may do with the names in a granted directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirPerms(u8);

impl DirPerms {
    /// Look names up and list them.
    pub const READ: DirPerms = DirPerms(1);
    /// Create, rename, link and remove.
    pub const MUTATE: DirPerms = DirPerms(2);

    /// Everything.
    pub const fn all() -> DirPerms {
        DirPerms(3)
    }

    /// Whether all of `other` is included.
    pub const fn contains(self, other: DirPerms) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for DirPerms {
    type Output = DirPerms;

    fn bitor(self, other: DirPerms) -> DirPerms {
        DirPerms(self.0 | other.0)
    }
}

/// What a guest may do with the files in a granted directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilePerms(u8);

impl FilePerms {
    /// Read contents.
    pub const READ: FilePerms = FilePerms(1);
    /// Change contents, sizes and times.
    pub const WRITE: FilePerms = FilePerms(2);

    /// Everything.
    pub const fn all() -> FilePerms {
        FilePerms(3)
    }

    /// Whether all of `other` is included.
    pub const fn contains(self, other: FilePerms) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn and(self, other: FilePerms) -> FilePerms {
        FilePerms(self.0 & other.0)
    }
}

impl std::ops::BitOr for FilePerms {
    type Output = FilePerms;

    fn bitor(self, other: FilePerms) -> FilePerms {
        FilePerms(self.0 | other.0)
    }
}

/// What guests are told of the first directory in memory that they have; hosts number devices in 32 bits or little more.
const VIRTUAL_DEVICE: u64 = 0x7669_7274_0000_0000;

/// What was granted under a directory; everything opened through it carries the same.
///
/// A grant without writing behaves as a file system mounted read-only, two different grants as two file systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) dir: DirPerms,
    pub(crate) file: FilePerms,
}

impl Grant {
    pub(crate) const ALL: Grant = Grant {
        dir: DirPerms::all(),
        file: FilePerms::all(),
    };
}

/// Why a context could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The host directory could not be opened.
    #[error("cannot grant the directory `{}` to the guest as `{guest}`: {source}", host.display())]
    Directory {
        /// The directory of the host.
        host: PathBuf,
        /// The name that the guest was to see.
        guest: String,
        /// What the host said.
        source: std::io::Error,
    },
    /// The host file could not be granted.
    #[error("cannot grant the file `{}` to the guest as `{guest}`: {source}", host.display())]
    File {
        /// The file of the host.
        host: PathBuf,
        /// The path that the guest was to see.
        guest: String,
        /// What the host said.
        source: std::io::Error,
    },
    /// The guest's path for a file does not name one.
    #[error(
        "the guest's path {guest:?} for a file does not end in a name of its own; give one such as `/etc/app.toml` that nothing else has"
    )]
    FileName {
        /// The path.
        guest: String,
    },
    /// The guest's name for a directory holds a zero byte, which a path cannot.
    #[error("the guest's name {guest:?} for a directory contains a zero byte; choose another")]
    ZeroByte {
        /// The name.
        guest: String,
    },
    /// The listening socket could not be made ready for a guest.
    #[error("cannot give the listening socket to the guest: {0}")]
    Listener(std::io::Error),
}

/// What a guest can see and reach: its arguments, environment, descriptors, clocks and random numbers.
///
/// Keep it in the store's data; see [`crate::p1::add_to_linker`].
pub struct WasiCtx {
    pub(crate) args: Strings,
    pub(crate) env: Strings,
    pub(crate) table: Table,
    pub(crate) wall_clock: Box<dyn HostWallClock>,
    pub(crate) monotonic_clock: Box<dyn HostMonotonicClock>,
    pub(crate) random: Box<dyn HostRandom>,
    pub(crate) allow_blocking_files: bool,
    /// What traces call the descriptors; empty without any.
    pub(crate) labels: Labels,
}

/// A list of strings as the interface hands it over: all bytes with a zero after each.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    pub(crate) bytes: Vec<u8>,
    /// Where each string begins in `bytes`.
    pub(crate) starts: Vec<u32>,
}

impl Strings {
    fn push(&mut self, parts: &[&str]) {
        self.starts
            .push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
        for part in parts {
            // A zero byte ends a string of the interface, so what follows one cannot be told.
            self.bytes
                .extend(part.bytes().take_while(|byte| *byte != 0));
        }
        self.bytes.push(0);
    }
}

/// Builds a [`WasiCtx`]. At first a guest gets no arguments, no environment, no directories, empty input and no output.
pub struct WasiCtxBuilder {
    args: Vec<String>,
    env: Vec<(String, String)>,
    stdin: Stdin,
    stdout: Stdout,
    stderr: Stdout,
    preopens: Vec<Entry>,
    /// Directories that hold single files, by the guest's name.
    file_dirs: Vec<(String, VirtualDir)>,
    resolver: Resolver,
    listeners: Vec<Entry>,
    wall_clock: Box<dyn HostWallClock>,
    monotonic_clock: Box<dyn HostMonotonicClock>,
    random: Box<dyn HostRandom>,
    allow_blocking_files: bool,
}

impl Default for WasiCtxBuilder {
    fn default() -> WasiCtxBuilder {
        WasiCtxBuilder::new()
    }
}

impl WasiCtxBuilder {
    /// Grants nothing yet.
    pub fn new() -> WasiCtxBuilder {
        WasiCtxBuilder {
            args: Vec::new(),
            env: Vec::new(),
            stdin: Stdin::null(),
            stdout: Stdout::null(),
            stderr: Stdout::null(),
            preopens: Vec::new(),
            file_dirs: Vec::new(),
            resolver: Resolver::Auto,
            listeners: Vec::new(),
            wall_clock: Box::new(SystemWallClock),
            monotonic_clock: Box::new(SystemMonotonicClock),
            random: Box::new(SystemRandom::new()),
            allow_blocking_files: false,
        }
    }

    /// Appends an argument. The first is the program's name.
    pub fn arg(&mut self, arg: impl AsRef<str>) -> &mut Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Appends arguments.
    pub fn args<S: AsRef<str>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Appends all arguments of this process, its name included. What is not UTF-8 is passed with replacement characters.
    pub fn inherit_args(&mut self) -> &mut Self {
        self.args
            .extend(std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()));
        self
    }

    /// Sets a variable, in place of an earlier one of that name.
    pub fn env(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> &mut Self {
        let (name, value) = (name.as_ref(), value.as_ref().to_owned());
        match self.env.iter_mut().find(|(present, _)| present == name) {
            Some((_, present)) => *present = value,
            None => self.env.push((name.to_owned(), value)),
        }
        self
    }

    /// Sets variables.
    pub fn envs<N: AsRef<str>, V: AsRef<str>>(
        &mut self,
        env: impl IntoIterator<Item = (N, V)>,
    ) -> &mut Self {
        for (name, value) in env {
            self.env(name, value);
        }
        self
    }

    /// Sets all variables of this process. What is not UTF-8 is left out.
    pub fn inherit_env(&mut self) -> &mut Self {
        for (name, value) in std::env::vars_os() {
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                self.env(name, value);
            }
        }
        self
    }

    /// Gives the guest this process's input, output and error streams.
    pub fn inherit_stdio(&mut self) -> &mut Self {
        self.stdin(Stdin::inherit())
            .stdout(Stdout::inherit())
            .stderr(Stdout::inherit())
    }

    /// Gives the guest this process's input.
    pub fn inherit_stdin(&mut self) -> &mut Self {
        self.stdin(Stdin::inherit())
    }

    /// Gives the guest this process's output.
    pub fn inherit_stdout(&mut self) -> &mut Self {
        self.stdout(Stdout::inherit())
    }

    /// Gives the guest this process's error stream.
    pub fn inherit_stderr(&mut self) -> &mut Self {
        self.stderr(Stdout::inherit())
    }

    /// Where the guest's input comes from.
    pub fn stdin(&mut self, stdin: impl Into<Stdin>) -> &mut Self {
        self.stdin = stdin.into();
        self
    }

    /// Where the guest's output goes.
    pub fn stdout(&mut self, stdout: impl Into<Stdout>) -> &mut Self {
        self.stdout = stdout.into();
        self
    }

    /// Where the guest's error output goes.
    pub fn stderr(&mut self, stderr: impl Into<Stdout>) -> &mut Self {
        self.stderr = stderr.into();
        self
    }

    /// Grants a directory of the host under a name of the guest's. Descriptors begin at 3, in the order of these calls.
    pub fn preopened_dir(
        &mut self,
        host: impl AsRef<Path>,
        guest: impl AsRef<str>,
        dir_perms: DirPerms,
        file_perms: FilePerms,
    ) -> Result<&mut Self, ConfigError> {
        let (host, guest) = (host.as_ref(), guest.as_ref());
        let dir = HostDir::open_ambient(host).map_err(|source| ConfigError::Directory {
            host: host.to_owned(),
            guest: guest.to_owned(),
            source,
        })?;
        self.preopen(Dir::Host(Arc::new(dir)), guest, dir_perms, file_perms)
    }

    /// Grants a directory in memory under a name of the guest's. A guest sees it beside those of the host: its libc takes
    /// the longest name that a path begins with, so `/data/cache` can be in memory while `/data` is the host's.
    pub fn preopened_virtual_dir(
        &mut self,
        dir: &VirtualDir,
        guest: impl AsRef<str>,
        dir_perms: DirPerms,
        file_perms: FilePerms,
    ) -> Result<&mut Self, ConfigError> {
        let present = self.preopens.iter().find_map(|entry| match &entry.kind {
            Kind::Dir(Directory {
                dir: Dir::Virtual(other),
                ..
            }) => other.dev_of(&dir.0),
            _ => None,
        });
        // The same tree under two names is the same device.
        let dev = present.unwrap_or(VIRTUAL_DEVICE + self.preopens.len() as u64);
        let root = DirHandle::root(&dir.0, dev);
        self.preopen(Dir::Virtual(root), guest.as_ref(), dir_perms, file_perms)
    }

    /// Grants a single file of the host under a path of the guest's.
    ///
    /// The guest sees a directory (`/etc` for `/etc/app.toml`, `.` for `app.toml`) with this entry alone, and those of other
    /// files granted in the same directory. Nothing can be made, moved or removed there, and nothing else of the file's
    /// directory can be reached. The file is found by its name each time it is opened, so a guest sees one that was put
    /// in its place; symbolic links that lead to it are followed now and never again.
    pub fn preopened_file(
        &mut self,
        host: impl AsRef<Path>,
        guest: impl AsRef<str>,
        file_perms: FilePerms,
    ) -> Result<&mut Self, ConfigError> {
        let (host, guest) = (host.as_ref(), guest.as_ref());
        let misnamed = || ConfigError::FileName {
            guest: guest.to_owned(),
        };
        let (dir, name) = match guest.rsplit_once('/') {
            None => (".", guest),
            Some((dir, name)) if dir.trim_end_matches('/').is_empty() => ("/", name),
            Some((dir, name)) => (dir.trim_end_matches('/'), name),
        };
        if matches!(name, "" | "." | "..") {
            return Err(misnamed());
        }
        let file =
            HostFile::open_ambient(host, file_perms).map_err(|source| ConfigError::File {
                host: host.to_owned(),
                guest: guest.to_owned(),
                source,
            })?;
        let present = self.file_dirs.iter().find(|(other, _)| other == dir);
        let holder = match present {
            Some((_, holder)) => holder.clone(),
            None => {
                let holder = VirtualDir::of_host_files();
                self.preopened_virtual_dir(&holder, dir, DirPerms::READ, FilePerms::all())?;
                self.file_dirs.push((dir.to_owned(), holder.clone()));
                holder
            }
        };
        holder.host_file(name, file).map_err(|_| misnamed())?;
        Ok(self)
    }

    fn preopen(
        &mut self,
        dir: Dir,
        guest: &str,
        dir_perms: DirPerms,
        file_perms: FilePerms,
    ) -> Result<&mut Self, ConfigError> {
        if guest.contains('\0') {
            return Err(ConfigError::ZeroByte {
                guest: guest.to_owned(),
            });
        }
        self.preopens.push(Entry {
            kind: Kind::Dir(Directory {
                dir,
                grant: Grant {
                    dir: dir_perms,
                    file: file_perms,
                },
                preopen: Some(guest.into()),
                listing: Arc::default(),
            }),
            filetype: FileType::Directory,
            base: Rights::DIRECTORY,
            inheriting: Rights::DIRECTORY.or(Rights::FILE),
            flags: FdFlags::NONE,
        });
        Ok(self)
    }

    /// How paths in host directories are resolved, those granted already included.
    pub fn resolver(&mut self, resolver: Resolver) -> &mut Self {
        self.resolver = resolver;
        self
    }

    /// Gives the guest a listening socket. These take the descriptors behind all directories, because libc looks for
    /// directories from 3 on until it finds something else.
    pub fn preopened_listener(
        &mut self,
        listener: std::net::TcpListener,
    ) -> Result<&mut Self, ConfigError> {
        // Between the news of a connection and its acceptance the peer may go away.
        listener
            .set_nonblocking(true)
            .map_err(ConfigError::Listener)?;
        let stream = Stream::new(listener.into(), Class::Listener);
        self.listeners.push(Entry {
            base: stream.rights(),
            kind: Kind::Stream(stream),
            filetype: FileType::SocketStream,
            inheriting: Rights::SOCKET,
            flags: FdFlags::NONE,
        });
        Ok(self)
    }

    /// The clock that tells the date.
    pub fn wall_clock(&mut self, clock: impl HostWallClock + 'static) -> &mut Self {
        self.wall_clock = Box::new(clock);
        self
    }

    /// The clock that measures and wakes.
    pub fn monotonic_clock(&mut self, clock: impl HostMonotonicClock + 'static) -> &mut Self {
        self.monotonic_clock = Box::new(clock);
        self
    }

    /// Where random bytes come from.
    pub fn random(&mut self, random: impl HostRandom + 'static) -> &mut Self {
        self.random = Box::new(random);
        self
    }

    /// Makes clocks and random bytes the same in every run: a [`VirtualClock`] and a [`SeededRandom`].
    ///
    /// A guest that sees nothing else that changes (its arguments, environment, input and files) then does the same, byte
    /// for byte. Sleeping moves the clock and takes no time. Attributes of host files, such as times and numbers, and the
    /// order of host directories stay the host's; a [`VirtualDir`] has this clock's
    /// times and an order of its own.
    pub fn deterministic(&mut self, seed: u64) -> &mut Self {
        let clock = VirtualClock::default();
        self.wall_clock(clock.clone())
            .monotonic_clock(clock)
            .random(SeededRandom::new(seed))
    }

    /// Whether work on regular files and directories may block the thread that runs the guest.
    ///
    /// Off at first: such work goes to tokio's blocking pool and the guest is suspended meanwhile. A command that runs
    /// one guest wants it on: that is much faster, and nothing else waits for the thread.
    pub fn allow_blocking_files(&mut self, allow: bool) -> &mut Self {
        self.allow_blocking_files = allow;
        self
    }

    /// Makes the context and leaves the builder as new.
    pub fn build(&mut self) -> WasiCtx {
        let mut built = std::mem::take(self);
        for entry in &mut built.preopens {
            if let Kind::Dir(directory) = &mut entry.kind
                && let Dir::Host(dir) = &mut directory.dir
                && let Some(dir) = Arc::get_mut(dir)
            {
                dir.resolve_by(built.resolver);
            }
        }
        let mut args = Strings::default();
        for arg in &built.args {
            args.push(&[arg]);
        }
        let mut env = Strings::default();
        for (name, value) in &built.env {
            env.push(&[name, "=", value]);
        }
        let mut table = Table::default();
        let stdio = [
            input_entry(built.stdin),
            output_entry(built.stdout, 1),
            output_entry(built.stderr, 2),
        ];
        for entry in stdio
            .into_iter()
            .chain(built.preopens)
            .chain(built.listeners)
        {
            // The table has room for any number of grants that a process can hold.
            let _ = table.push(entry);
        }
        WasiCtx {
            args,
            env,
            table,
            wall_clock: built.wall_clock,
            monotonic_clock: built.monotonic_clock,
            random: built.random,
            allow_blocking_files: built.allow_blocking_files,
            labels: Labels::default(),
        }
    }
}

fn input_entry(stdin: Stdin) -> Entry {
    let input = Rights::FD_WRITE;
    match stdin.0 {
        Input::Inherit => host_entry(rustix::io::fcntl_dupfd_cloexec(std::io::stdin(), 3), input),
        Input::Fd(fd) => host_entry(Ok(fd), input),
        Input::Null => stream_entry(Kind::Null, input),
        Input::Memory(pipe) => stream_entry(Kind::MemoryIn(pipe), input),
        Input::Reader(reader) => stream_entry(Kind::Reader(reader), input),
    }
}

fn output_entry(stdout: Stdout, number: u32) -> Entry {
    let output = Rights::FD_READ;
    match stdout.0 {
        Output::Inherit if number == 1 => host_entry(
            rustix::io::fcntl_dupfd_cloexec(std::io::stdout(), 3),
            output,
        ),
        Output::Inherit => host_entry(
            rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), 3),
            output,
        ),
        Output::Fd(fd) => host_entry(Ok(fd), output),
        Output::Null => stream_entry(Kind::Null, output),
        Output::Memory(pipe) => stream_entry(Kind::MemoryOut(pipe), output),
        Output::Writer(writer) => stream_entry(Kind::Writer(writer), output),
    }
}

/// A standard stream that the host has no descriptor for.
fn stream_entry(kind: Kind, denied: Rights) -> Entry {
    Entry {
        kind,
        filetype: FileType::Unknown,
        base: Rights::STREAM.without(denied),
        inheriting: Rights::NONE,
        flags: FdFlags::NONE,
    }
}

/// A standard stream over a host descriptor, told apart by what the host says it is.
///
/// A terminal is commonly open in both directions, and programs read from its output side; so only what the host itself
/// refuses is refused there.
fn host_entry(fd: Result<OwnedFd, rustix::io::Errno>, denied: Rights) -> Entry {
    // A stream that the process does not have reads as empty and swallows writes.
    let Ok(fd) = fd else {
        return stream_entry(Kind::Null, denied);
    };
    let filetype = match rustix::fs::fstat(fd.as_fd()) {
        Ok(stat) => rustix::fs::FileType::from_raw_mode(stat.st_mode).into(),
        Err(_) => return stream_entry(Kind::Null, denied),
    };
    let append =
        rustix::fs::fcntl_getfl(&fd).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::APPEND));
    let (kind, rights) = match Stream::classify(fd, filetype) {
        Ok(stream) => {
            let rights = stream.rights();
            (Kind::Stream(stream), rights)
        }
        Err(fd) => (
            Kind::File(File {
                fd: Arc::new(fd),
                grant: Grant::ALL,
            }),
            Rights::FILE,
        ),
    };
    let denied = match &kind {
        Kind::Stream(stream) if stream.class == Class::Terminal => Rights::NONE,
        _ => denied,
    };
    Entry {
        kind,
        filetype,
        base: rights.without(denied),
        inheriting: Rights::NONE,
        flags: if append {
            FdFlags::APPEND
        } else {
            FdFlags::NONE
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_laid_out_as_the_interface_wants() {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(["prog", ""])
            .env("A", "1")
            .env("B", "2")
            .env("A", "3");
        let ctx = builder.build();
        assert_eq!(ctx.args.bytes, b"prog\0\0");
        assert_eq!(ctx.args.starts, [0, 5]);
        assert_eq!(ctx.env.bytes, b"A=3\0B=2\0");
    }

    #[test]
    fn errors_say_what_and_where() {
        let mut builder = WasiCtxBuilder::new();
        let error = match builder.preopened_dir(
            "/no/such/place",
            "/d",
            DirPerms::all(),
            FilePerms::all(),
        ) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("opened a directory that does not exist"),
        };
        assert!(
            error.contains("/no/such/place")
                && error.contains("/d")
                && error.contains("No such file"),
            "{error}"
        );
        assert!(
            builder
                .preopened_dir("/", "a\0b", DirPerms::all(), FilePerms::all())
                .is_err()
        );
        assert_eq!(builder.arg("a\0b").build().args.bytes, b"a\0");
    }

    #[test]
    fn nothing_is_granted_at_first() {
        let ctx = WasiCtxBuilder::new().build();
        assert!(ctx.table.get(2).is_ok());
        assert!(ctx.table.get(3).is_err());
        assert!(ctx.args.starts.is_empty() && ctx.env.starts.is_empty());
    }
}
