//! What a guest runs in: the store's data, made from the command line.
//! Must never know whether a program or a single function is run.

use crate::args::{GrantArgs, RunArgs};
use crate::input::plain;
use crate::report::Failure;
use crate::settings::{Settings, WasiSettings};
use craneway::StoreLimits;
use craneway_wasi::{DirPerms, FilePerms, WasiCtx, WasiCtxBuilder};
use std::ffi::{OsStr, OsString};
use std::net::TcpListener;
use std::path::Path;

/// The store's data.
pub(crate) struct Host {
    /// What WASI grants.
    wasi: WasiCtx,
    /// What the guest may use up.
    pub(crate) limits: StoreLimits,
}

impl Host {
    /// What WASI's functions work on.
    pub(crate) fn wasi(&mut self) -> &mut WasiCtx {
        &mut self.wasi
    }

    /// Grants what the command line says, and nothing else.
    pub(crate) fn new(args: &RunArgs, settings: &Settings) -> Result<Host, Failure> {
        let mut builder = WasiCtxBuilder::new();
        builder.allow_blocking_files(true);
        for arg in guest_argv(args) {
            builder.arg(utf8(&arg, "an argument for the guest")?);
        }
        if args.observe.deterministic {
            builder.deterministic(args.observe.seed);
        }
        let grants = &args.grants;
        grant_env(&mut builder, grants, &settings.wasi)?;
        grant_stdio(&mut builder, grants, &settings.wasi);
        grant_dirs(&mut builder, grants)?;
        grant_sockets(&mut builder, grants, &settings.wasi)?;
        Ok(Host {
            wasi: builder.build(),
            limits: settings.limits.build(),
        })
    }
}

/// Opens the directories and single files, in the order given.
fn grant_dirs(builder: &mut WasiCtxBuilder, args: &GrantArgs) -> Result<(), Failure> {
    for dir in &args.dirs {
        let (dirs, files) = match dir.read_only {
            true => (DirPerms::READ, FilePerms::READ),
            false => (DirPerms::all(), FilePerms::all()),
        };
        let host = dir.host.display();
        // Asked first, because the library's error may come from resolving and not name the cause.
        let meta = std::fs::metadata(&dir.host)
            .map_err(|err| Failure::new(format!("--dir {host}: {}", plain(&err))))?;
        let granted = match meta.is_dir() {
            true => builder.preopened_dir(&dir.host, &dir.guest, dirs, files),
            false => builder.preopened_file(&dir.host, &dir.guest, files),
        };
        granted.map_err(|err| Failure::from_error(&format!("--dir {host}"), &err.into()))?;
    }
    Ok(())
}

/// Listens where the guest is to accept connections.
fn grant_sockets(
    builder: &mut WasiCtxBuilder,
    args: &GrantArgs,
    wasi: &WasiSettings,
) -> Result<(), Failure> {
    let by_flag = args
        .listen
        .iter()
        .map(|at| (at, format!("--listen tcp:{at}")));
    let by_key = wasi
        .listen
        .iter()
        .map(|at| (at, format!("-S tcplisten={at}")));
    for (address, flag) in by_flag.chain(by_key) {
        let listener = TcpListener::bind(address)
            .map_err(|err| Failure::new(format!("{flag}: {}", plain(&err))))?;
        builder
            .preopened_listener(listener)
            .map_err(|err| Failure::from_error(&flag, &err.into()))?;
    }
    Ok(())
}

/// The guest's arguments, its own name first. A function that is invoked takes the others itself.
fn guest_argv(args: &RunArgs) -> Vec<OsString> {
    let Some((file, rest)) = args.file_and_args.split_first() else {
        return Vec::new();
    };
    let own = args.argv0.clone().unwrap_or_else(|| {
        // The base name only: where files lie is no business of the guest.
        Path::new(file).file_name().unwrap_or(file).to_owned()
    });
    let rest = if args.invoke.is_some() { &[] } else { rest };
    std::iter::once(own).chain(rest.iter().cloned()).collect()
}

/// Sets the environment: ours as a whole if asked for, then single variables.
fn grant_env(
    builder: &mut WasiCtxBuilder,
    args: &GrantArgs,
    wasi: &WasiSettings,
) -> Result<(), Failure> {
    let named = |name: &OsStr| args.env.iter().any(|(other, _)| other == name);
    if wasi.inherit_env || args.env_inherit {
        for (name, value) in std::env::vars_os().filter(|(name, _)| !named(name)) {
            // What is not UTF-8 cannot be passed on; nobody asked for it by name.
            if let (Some(name), Some(value)) = (name.to_str(), value.to_str()) {
                builder.env(name, value);
            }
        }
    }
    for (index, (name, value)) in args.env.iter().enumerate() {
        let overridden = args.env[index + 1..].iter().any(|(later, _)| later == name);
        let value = value.clone().or_else(|| std::env::var_os(name));
        if let (Some(value), false) = (value, overridden) {
            builder.env(
                utf8(name, "the name of a variable")?,
                utf8(&value, "the value of a variable")?,
            );
        }
    }
    Ok(())
}

/// Connects the standard streams that are to be connected.
fn grant_stdio(builder: &mut WasiCtxBuilder, args: &GrantArgs, wasi: &WasiSettings) {
    if wasi.inherit_stdin && !args.no_stdin {
        builder.inherit_stdin();
    }
    if wasi.inherit_stdout {
        builder.inherit_stdout();
    }
    if wasi.inherit_stderr {
        builder.inherit_stderr();
    }
}

/// WASI strings are UTF-8.
fn utf8<'a>(text: &'a OsStr, what: &str) -> Result<&'a str, Failure> {
    text.to_str().ok_or_else(|| {
        Failure::new(format!(
            "{what} is not UTF-8, which WASI cannot pass on: {}",
            text.to_string_lossy()
        ))
    })
}
