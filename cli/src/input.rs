//! Reads the file that a command works on, and makes a module of it.
//! Must never know what the module is wanted for.

use crate::report::Failure;
use crate::sniff::{self, Kind};
use craneway::{Engine, Module};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// A file, or standard input, read into memory.
pub(crate) struct Input {
    /// The name for messages.
    pub(crate) name: String,
    /// The content; of a compiled file only the beginning, for it is mapped when it is loaded.
    pub(crate) bytes: Vec<u8>,
    /// The compiled file.
    compiled: Option<PathBuf>,
}

/// Enough to tell a compiled file.
const BEGINNING: u64 = 16;

impl Input {
    /// Reads `arg`, where `-` is standard input.
    pub(crate) fn read(arg: &OsStr) -> Result<Input, Failure> {
        if arg == "-" {
            let name = "standard input".to_owned();
            let mut bytes = Vec::new();
            return match std::io::stdin().lock().read_to_end(&mut bytes) {
                Ok(_) => Ok(Input::new(name, bytes)),
                Err(err) => Err(Failure::new(format!("cannot read {name}: {}", plain(&err)))),
            };
        }
        let name = Path::new(arg).display().to_string();
        let read = || -> std::io::Result<(Vec<u8>, bool)> {
            let mut file = File::open(arg)?;
            let mut bytes = Vec::new();
            file.by_ref().take(BEGINNING).read_to_end(&mut bytes)?;
            let compiled = Engine::detect_precompiled(&bytes).is_some();
            let to_be_mapped = compiled && file.metadata()?.is_file();
            if !to_be_mapped {
                file.read_to_end(&mut bytes)?;
            }
            Ok((bytes, to_be_mapped))
        };
        let (bytes, to_be_mapped) = read().map_err(|err| unreadable(&name, &err))?;
        let mut input = Input::new(name, bytes);
        input.compiled = to_be_mapped.then(|| arg.into());
        Ok(input)
    }

    /// Leaves out the line by which a system finds the command for a file, `#!/usr/bin/env -S craneway run`, unless it
    /// stands before something else than WebAssembly.
    fn new(name: String, mut bytes: Vec<u8>) -> Input {
        if bytes.starts_with(b"#!")
            && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
        {
            let rest = &bytes[end + 1..];
            let kind = sniff::sniff(rest);
            if !matches!(kind, Kind::Other(_)) || Engine::detect_precompiled(rest).is_some() {
                bytes.drain(..=end);
            }
        }
        Input {
            name,
            bytes,
            compiled: None,
        }
    }

    /// Whether these are compiled bytes that [`Engine::precompile_module`] made.
    pub(crate) fn is_precompiled(&self) -> bool {
        Engine::detect_precompiled(&self.bytes).is_some()
    }

    /// All bytes of a compiled file.
    pub(crate) fn compiled_bytes(&self) -> Result<Cow<'_, [u8]>, Failure> {
        match &self.compiled {
            Some(path) => std::fs::read(path)
                .map(Cow::Owned)
                .map_err(|err| unreadable(&self.name, &err)),
            None => Ok(Cow::Borrowed(&self.bytes)),
        }
    }

    /// The binary format of the module, converted from text if need be.
    pub(crate) fn binary(&self) -> Result<Cow<'_, [u8]>, Failure> {
        self.check_kind(&self.bytes)?;
        let binary = wat::parse_bytes(&self.bytes).map_err(|mut err| {
            // Only the place then says which file it is in.
            err.set_path(&self.name);
            Failure::new(format!("{} is not valid text: {err}", self.name))
        })?;
        // Text may describe a component as well.
        self.check_kind(&binary)?;
        Ok(binary)
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
    fn check_kind(&self, bytes: &[u8]) -> Result<(), Failure> {
        let name = &self.name;
        if self.is_precompiled() {
            return Err(Failure::new(format!("{name} is already compiled"))
                .hint("use the .wasm file that it was made from"));
        }
        match sniff::sniff(bytes) {
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

    /// Compiles what [`Input::binary`] gave.
    pub(crate) fn compile(&self, engine: &Engine, binary: &[u8]) -> Result<Module, Failure> {
        Module::new(engine, binary).map_err(|err| self.invalid(&err))
    }

    /// Takes compiled bytes as they are, which their origin must justify.
    #[allow(
        unsafe_code,
        reason = "only the caller knows where the bytes come from"
    )]
    pub(crate) fn load_precompiled(
        &self,
        engine: &Engine,
        allowed: bool,
    ) -> Result<Module, Failure> {
        if !allowed {
            return Err(Failure::new(format!("{} is precompiled machine code", self.name))
                .hint("if it comes from a `craneway compile` that you trust, pass --allow-precompiled before it"));
        }
        // SAFETY: the bytes must come from `precompile_module`, and a file must stay as it is. Only
        // the caller can know that, and says so by --allow-precompiled, whose help states that
        // obligation.
        let module = unsafe {
            match &self.compiled {
                Some(path) => Module::deserialize_file(engine, path),
                None => Module::deserialize(engine, &self.bytes),
            }
        };
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
