//! One benchmark from compiling to its end, with the recorder's timers around the steps.
//! Must never know that its caller is C.

use crate::config::Settings;
use craneway::{Context as _, Engine, Instance, Linker, Module, Result, Store, format_err};
use craneway_wasi::{DirPerms, FilePerms, I32Exit, Stdin, Stdout, WasiCtx, WasiCtxBuilder, p1};
use std::fs::File;
use std::path::Path;

/// Benchmarks that have a smaller input use it when this is set for the recorder.
const SMALL: &str = "WASM_BENCH_USE_SMALL_WORKLOAD";

/// An engine and how far it has come.
pub(crate) struct Bench {
    settings: Settings,
    linker: Linker<WasiCtx>,
    module: Option<Module>,
    instance: Option<(Store<WasiCtx>, Instance)>,
}

impl Bench {
    /// An engine with WASI and the timer's functions.
    pub(crate) fn new(settings: Settings) -> Result<Bench> {
        let engine = Engine::new(&settings.config)?;
        let mut linker = Linker::new(&engine);
        p1::add_to_linker(&mut linker, |wasi| wasi)?;
        let timer = settings.execution;
        linker.func_wrap("bench", "start", move || timer.start())?;
        linker.func_wrap("bench", "end", move || timer.end())?;
        Ok(Bench {
            settings,
            linker,
            module: None,
            instance: None,
        })
    }

    /// Compiles everything, optimised.
    pub(crate) fn compile(&mut self, bytes: &[u8]) -> Result<()> {
        self.instance = None;
        self.module = None;
        self.settings.compilation.start();
        let module = Module::from_binary(self.linker.engine(), bytes);
        self.settings.compilation.end();
        self.module = Some(module?);
        Ok(())
    }

    /// A new store and instance. Opening files is not part of what is measured.
    pub(crate) fn instantiate(&mut self) -> Result<()> {
        self.instance = None;
        let module = self.module.as_ref();
        let module =
            module.ok_or_else(|| format_err!("there is no module: compile comes first"))?;
        let wasi = wasi(&self.settings)?;
        self.settings.instantiation.start();
        let mut store = Store::new(self.linker.engine(), wasi);
        let instance = self.linker.instantiate(&mut store, module);
        self.settings.instantiation.end();
        self.instance = Some((store, instance?));
        Ok(())
    }

    /// Runs the program to its end, which must be a good one.
    pub(crate) fn execute(&mut self) -> Result<()> {
        let instance = self.instance.take();
        let (mut store, instance) =
            instance.ok_or_else(|| format_err!("there is no instance: instantiate comes first"))?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        let Err(err) = start.call(&mut store, ()) else {
            return Ok(());
        };
        match err.downcast_ref::<I32Exit>() {
            Some(I32Exit(0)) => Ok(()),
            _ => Err(err),
        }
    }
}

/// What the benchmark gets: three files and one directory.
fn wasi(settings: &Settings) -> Result<WasiCtx> {
    let create = |path: &Path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut builder = WasiCtxBuilder::new();
    builder
        .allow_blocking_files(true)
        .stdout(Stdout::from_fd(create(&settings.stdout)?))
        .stderr(Stdout::from_fd(create(&settings.stderr)?));
    if let Some(path) = &settings.stdin {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        builder.stdin(Stdin::from_fd(file));
    }
    if let Ok(value) = std::env::var(SMALL) {
        builder.env(SMALL, value);
    }
    builder.preopened_dir(
        &settings.working_dir,
        ".",
        DirPerms::all(),
        FilePerms::all(),
    )?;
    Ok(builder.build())
}
