//! `craneway run`: links a module with WASI and other modules, and runs it or one function of it.
//! Must never know how options are spelt or how errors are printed.

use crate::args::RunArgs;
use crate::clock::Clock;
use crate::host::Host;
use crate::input::Input;
use crate::report::Failure;
use crate::settings::Settings;
use crate::{hints, invoke, logging, sniff};
use craneway::{Engine, Error, Instance, LinkError, Linker, Module, Store};
use craneway_wasi::trace::{Call, Filter};
use craneway_wasi::{I32Exit, p1};
use std::ffi::OsString;
use std::io::Write as _;

/// Runs the module; the number is the guest's exit code.
pub(crate) fn execute(args: &RunArgs) -> Result<i32, Failure> {
    let settings = Settings::load(args.engine.assignments().chain(&args.grants.wasi))?;
    logging::start(settings.logging);
    let Some((file, guest_args)) = args.file_and_args.split_first() else {
        return Err(Failure::usage("no FILE to run"));
    };
    // Before compiling, which may take long: a directory that does not exist is found at once.
    let host = Host::new(args, &settings)?;
    let mut clock = Clock::start();
    let engine = settings.engine()?;
    let guest = Guest::load(&engine, file, args.allow_precompiled)?;
    clock.loaded();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::new(format!("cannot start the asynchronous runtime: {err}")))?;
    let mut session = Session::new(&engine, host, &settings, args.observe.trace_wasi.as_ref())?;
    let outcome = runtime.block_on(async {
        for (name, file) in &args.preloads {
            session
                .preload(&engine, name, file, args.allow_precompiled)
                .await?;
        }
        let instance = match session.instantiate(&guest).await? {
            Started::Running(instance) => instance,
            Started::Exited(code) => return Ok(code),
        };
        clock.instantiated();
        match &args.invoke {
            Some(name) => session.invoke(&guest, instance, name, guest_args).await,
            None => session.run(&guest, instance).await,
        }
    });
    if let Some(file) = &args.clock {
        clock.write(file)?;
    }
    outcome
}

/// What the outcome of guest code means for the exit code: leaving by `proc_exit` is no failure.
pub(crate) fn exit_code(file: &str, err: &Error) -> Result<i32, Failure> {
    match err.downcast_ref::<I32Exit>() {
        Some(exit) => Ok(exit.0),
        None => Err(Failure::from_guest(file, err)),
    }
}

/// Shows one call on standard error, in one piece, so that it does not mix with what the guest writes there.
fn show_call(_host: &Host, call: &Call<'_>) {
    let line = format!("{call}\n");
    // Nobody is left to show it to when standard error is gone.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A module with what messages need.
struct Guest {
    /// The file's name.
    file: String,
    /// The compiled module.
    module: Module,
    /// Whether it may do its work by being instantiated. Unknown for precompiled modules.
    has_start: Option<bool>,
}

impl Guest {
    /// Reads and compiles a file.
    fn load(engine: &Engine, file: &OsString, allow_precompiled: bool) -> Result<Guest, Failure> {
        let input = Input::read(file)?;
        let (module, has_start) = match input.is_precompiled() {
            true => (input.load_precompiled(engine, allow_precompiled)?, None),
            false => {
                let binary = input.binary()?;
                (
                    input.compile(engine, &binary)?,
                    Some(sniff::has_start_section(&binary)),
                )
            }
        };
        Ok(Guest {
            file: input.name,
            module,
            has_start,
        })
    }
}

/// How instantiating ended.
enum Started {
    /// The instance is ready.
    Running(Instance),
    /// Its start function or `_initialize` left with an exit code.
    Exited(i32),
}

/// The store and what is linked into it.
struct Session {
    store: Store<Host>,
    linker: Linker<Host>,
    wasi_linked: bool,
    unknown_imports_trap: bool,
}

impl Session {
    fn new(
        engine: &Engine,
        host: Host,
        settings: &Settings,
        trace: Option<&Filter>,
    ) -> Result<Session, Failure> {
        let mut store = Store::new(engine, host);
        store.limiter(|host| &mut host.limits);
        let mut linker = Linker::new(engine);
        if settings.wasi.enabled {
            match trace {
                Some(filter) => {
                    p1::add_to_linker_traced(&mut linker, Host::wasi, filter, show_call)
                }
                None => p1::add_to_linker(&mut linker, Host::wasi),
            }
            .map_err(|err| Failure::from_error("cannot provide WASI", &err))?;
        }
        Ok(Session {
            store,
            linker,
            wasi_linked: settings.wasi.enabled,
            unknown_imports_trap: settings.unknown_imports_trap,
        })
    }

    /// Instantiates a module and provides its exports to those that follow.
    async fn preload(
        &mut self,
        engine: &Engine,
        name: &str,
        file: &OsString,
        allow_precompiled: bool,
    ) -> Result<(), Failure> {
        let guest = Guest::load(engine, file, allow_precompiled)?;
        let instance = match self.instantiate(&guest).await? {
            Started::Running(instance) => instance,
            Started::Exited(code) => {
                return Err(Failure::new(format!(
                    "{} left with exit code {code} while it was preloaded",
                    guest.file
                )));
            }
        };
        self.linker
            .instance(&mut self.store, name, instance)
            .map(|_| ())
            .map_err(|err| {
                Failure::from_error(&format!("cannot provide {} as `{name}`", guest.file), &err)
            })
    }

    /// Instantiates a module, and initialises it if it is a reactor.
    async fn instantiate(&mut self, guest: &Guest) -> Result<Started, Failure> {
        if self.unknown_imports_trap {
            self.linker
                .define_unknown_imports_as_traps(&guest.module)
                .map_err(|err| Failure::from_error(&guest.file, &err))?;
        }
        let instance = match self
            .linker
            .instantiate_async(&mut self.store, &guest.module)
            .await
        {
            Ok(instance) => instance,
            Err(err) if err.downcast_ref::<LinkError>().is_some() => {
                return Err(self.unlinkable(guest, &err));
            }
            Err(err) => return exit_code(&guest.file, &err).map(Started::Exited),
        };
        if let Some(initialize) = instance.get_func(&mut self.store, "_initialize")
            && let Err(err) = initialize.call_async(&mut self.store, &[], &mut []).await
        {
            return exit_code(&guest.file, &err).map(Started::Exited);
        }
        Ok(Started::Running(instance))
    }

    /// The failure for imports that nobody provides.
    fn unlinkable(&mut self, guest: &Guest, err: &Error) -> Failure {
        let failure = Failure::from_error(&format!("{} cannot be linked", guest.file), err);
        let missing: Vec<(String, String)> = guest
            .module
            .imports()
            .map(|import| (import.module().to_owned(), import.name().to_owned()))
            .filter(|(module, name)| self.linker.get(&mut self.store, module, name).is_none())
            .collect();
        let names = missing
            .iter()
            .map(|(module, name)| (module.as_str(), name.as_str()));
        failure.maybe_hint(hints::for_imports(names, self.wasi_linked))
    }

    /// Calls one function and prints its results.
    async fn invoke(
        &mut self,
        guest: &Guest,
        instance: Instance,
        name: &str,
        args: &[OsString],
    ) -> Result<i32, Failure> {
        let func = invoke::find(&mut self.store, &instance, &guest.module, &guest.file, name)?;
        if name == "_initialize" {
            // Instantiating called it, and it must not run twice.
            return Ok(0);
        }
        invoke::call(&mut self.store, func, name, &guest.file, args).await
    }

    /// Runs a program from its entry point.
    async fn run(&mut self, guest: &Guest, instance: Instance) -> Result<i32, Failure> {
        let store = &mut self.store;
        // The empty name is what a program's entry was called before WASI.
        let entry = match instance.get_func(&mut *store, "_start") {
            Some(entry) => Some(entry),
            None => instance.get_func(&mut *store, ""),
        };
        let Some(entry) = entry else {
            return nothing_to_run(guest, &instance, store);
        };
        let ty = entry.ty(&*store);
        if ty.params().len() != 0 || ty.results().len() != 0 {
            return Err(Failure::new(format!(
                "{}: `_start` must take and return nothing, but its type is {ty}",
                guest.file
            ))
            .hint("call it as a function: --invoke _start"));
        }
        match entry.call_async(&mut *store, &[], &mut []).await {
            Ok(()) => Ok(0),
            Err(err) => exit_code(&guest.file, &err),
        }
    }
}

/// What to say of a module that was instantiated and has no entry point.
fn nothing_to_run(
    guest: &Guest,
    instance: &Instance,
    store: &mut Store<Host>,
) -> Result<i32, Failure> {
    let file = &guest.file;
    if guest.has_start == Some(true) {
        return Ok(0);
    }
    let list = invoke::list(&guest.module);
    if instance.get_func(&mut *store, "_initialize").is_some() {
        // It did what a reactor does when it is run, so this is a note and no error.
        eprintln!(
            "note: {file} is a reactor: `_initialize` was called, and there is no `_start`; {list}"
        );
        return Ok(0);
    }
    Err(Failure::new(format!(
        "{file} has nothing to run: no `_start`, and no function was named"
    ))
    .hint(format!(
        "call a function: craneway run --invoke NAME {file} ARGS; {list}"
    )))
}
