//! Reads the file that a command works on, and makes a module of it.
//! Must never know what the module is wanted for.

use crate::report::Failure;
use crate::sniff::{self, Kind};
use craneway::{Engine, Module};
use std::ffi::OsStr;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

/// A file, or standard input, read into memory.
pub(crate) struct Input {
    /// The name for messages.
    pub(crate) name: String,
    /// The content.
    pub(crate) bytes: Vec<u8>,
}

impl Input {
    /// Reads `arg`, where `-` is standard input.
    pub(crate) fn read(arg: &OsStr) -> Result<Input, Failure> {
        if arg == "-" {
            let name = "standard input".to_owned();
            let mut bytes = Vec::new();
            return match std::io::stdin().lock().read_to_end(&mut bytes) {
                Ok(_) => Ok(Input { name, bytes }),
                Err(err) => Err(Failure::new(format!("cannot read {name}: {}", plain(&err)))),
            };
        }
        let name = Path::new(arg).display().to_string();
        std::fs::read(arg)
            .map(|bytes| Input {
                name: name.clone(),
                bytes,
            })
            .map_err(|err| unreadable(&name, &err))
    }

    /// Whether these are compiled bytes that [`Engine::precompile_module`] made.
    pub(crate) fn is_precompiled(&self) -> bool {
        Engine::detect_precompiled(&self.bytes).is_some()
    }

    /// Compiles the module, or takes it as it is if it was compiled before and that is allowed.
    pub(crate) fn load(&self, engine: &Engine, allow_precompiled: bool) -> Result<Module, Failure> {
        if self.is_precompiled() {
            return self.load_precompiled(engine, allow_precompiled);
        }
        self.check_kind()?;
        Module::new(engine, &self.bytes).map_err(|err| self.invalid(&err))
    }

    /// The binary format of the module, converted from text if need be.
    pub(crate) fn binary(&self) -> Result<std::borrow::Cow<'_, [u8]>, Failure> {
        self.check_kind()?;
        wat::parse_bytes(&self.bytes).map_err(|err| Failure::new(format!("{}: {err}", self.name)))
    }

    /// The failure for a module that the engine refuses.
    pub(crate) fn invalid(&self, err: &craneway::Error) -> Failure {
        let failure = Failure::from_error(&self.name, err);
        let text = format!("{err:#}");
        let switched_off = ["not enabled", "must be enabled", "proposal", "disabled"];
        if switched_off.iter().any(|words| text.contains(words)) {
            failure.hint(
                "the module uses a WebAssembly feature that is off or not there yet: \
                 `craneway inspect FILE` lists what it uses, `craneway run -W help` what can be switched on",
            )
        } else {
            failure
        }
    }

    /// Refuses what is not a core module.
    pub(crate) fn check_kind(&self) -> Result<(), Failure> {
        let name = &self.name;
        if self.is_precompiled() {
            return Err(Failure::new(format!("{name} is already compiled"))
                .hint("use the .wasm file that it was made from"));
        }
        match sniff::sniff(&self.bytes) {
            Kind::Module | Kind::Text => Ok(()),
            Kind::Component => Err(Failure::new(format!("{name} is a component; craneway runs core modules only"))
                .hint("build for a core target such as wasm32-wasip1, without the step that makes a component")),
            Kind::UnknownVersion(version) => Err(Failure::new(format!(
                "{name} has the WebAssembly magic number but version {version:#x}; modules have version 1"
            ))
            .hint("the file may be damaged")),
            Kind::Other(what) => Err(Failure::new(format!("{name} is not WebAssembly: it is {what}"))
                .hint("pass a .wasm file, or text that starts with `(module`")),
        }
    }

    /// Takes compiled bytes as they are, which their origin must justify.
    #[allow(unsafe_code)]
    fn load_precompiled(&self, engine: &Engine, allowed: bool) -> Result<Module, Failure> {
        if !allowed {
            return Err(Failure::new(format!("{} is precompiled machine code", self.name))
                .hint("if it comes from a `craneway compile` that you trust, pass --allow-precompiled before it"));
        }
        // SAFETY: the bytes must come from `precompile_module`. Only the caller can know that, and
        // says so by --allow-precompiled, whose help states that obligation.
        let module = unsafe { Module::deserialize(engine, &self.bytes) };
        module.map_err(|err| {
            Failure::from_error(&self.name, &err)
                .hint("compile it again with this command and the same -W, -C and -O flags")
        })
    }
}

/// The failure for a file that cannot be read.
fn unreadable(name: &str, err: &std::io::Error) -> Failure {
    let failure = Failure::new(format!("cannot read {name}: {}", plain(err)));
    match err.kind() {
        ErrorKind::NotFound => failure.maybe_hint(crate::args::near_command(name)),
        ErrorKind::IsADirectory => failure.hint("pass a .wasm or .wat file"),
        _ => failure,
    }
}

/// An I/O error without the number that the standard library appends.
pub(crate) fn plain(err: &std::io::Error) -> String {
    let text = err.to_string();
    match text.find(" (os error") {
        Some(at) => text[..at].to_lowercase(),
        None => text,
    }
}
