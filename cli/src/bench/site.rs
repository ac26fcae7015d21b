//! The directory in which a measurement has its files, and what is in it before the first run.
//! Must never know what is measured with them.

use super::engines::{Guest, Site};
use crate::args::BenchArgs;
use crate::input::{Input, plain};
use crate::report::Failure;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A program whose `_start` does nothing. It imports from WASI like any other: Wasmer sets up no WASI for one that does not.
const EMPTY: &str = r#"(module
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))
    (memory (export "memory") 1) (func (export "_start")))"#;

/// Gives node a command for WASI programs.
const DRIVER: &str = include_str!("wasi.mjs");

/// A directory that only we can read, because machine code that lies in it is run. It is removed at the end.
pub(crate) struct Place {
    dir: PathBuf,
}

impl Place {
    /// Makes a new directory.
    pub(crate) fn new() -> Result<Place, Failure> {
        let dir = std::env::temp_dir().join(format!("craneway-bench-{}", std::process::id()));
        DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|err| unwritable(&dir, &err))?;
        Ok(Place { dir })
    }

    /// Puts everything there that runs need.
    pub(crate) fn site(&self, args: &BenchArgs) -> Result<Site, Failure> {
        let empty = self.dir.join("empty.wasm");
        let binary = wat::parse_str(EMPTY).map_err(|err| Failure::new(err.to_string()))?;
        self.put(&empty, &binary)?;
        let driver = self.dir.join("wasi.mjs");
        self.put(&driver, DRIVER.as_bytes())?;
        let Some((file, rest)) = args.file_and_args.split_first() else {
            return Err(Failure::usage("no FILE to measure"));
        };
        if file == "-" {
            return Err(Failure::usage(
                "a module from standard input cannot be measured, because it is run many times",
            )
            .hint("save it to a file first"));
        }
        if let Some(stdin) = &args.stdin {
            // Found out here and not by the first engine that is run.
            File::open(stdin).map_err(|err| {
                Failure::new(format!("cannot read {}: {}", stdin.display(), plain(&err)))
            })?;
        }
        let path = Path::new(file);
        let name = path.file_name().unwrap_or(file).to_owned();
        let guest = Guest {
            wasm: self.binary(file, &name)?,
            name,
            args: rest.to_vec(),
            dirs: args.dirs.clone(),
            env: env(args)?,
        };
        Ok(Site {
            dir: self.dir.clone(),
            empty,
            driver,
            guest,
        })
    }

    /// The module in binary format: the file itself if it is that, so that it need not be read here, which would show in
    /// the peak memory of every process that is started from this one.
    fn binary(&self, file: &OsString, name: &OsString) -> Result<PathBuf, Failure> {
        let mut beginning = [0; 4];
        let is_binary = File::open(file)
            .and_then(|mut file| file.read_exact(&mut beginning))
            .is_ok()
            && beginning == *b"\0asm";
        if is_binary {
            return Ok(PathBuf::from(file));
        }
        let input = Input::read(file)?;
        let mut inside = name.clone();
        inside.push(".binary.wasm");
        let path = self.dir.join(inside);
        self.put(&path, &input.binary()?)?;
        Ok(path)
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        fs::write(path, content).map_err(|err| unwritable(path, &err))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is in the system's directory for such files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn unwritable(path: &Path, err: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write {}: {}", path.display(), plain(err)))
        .hint("TMPDIR names another directory for temporary files")
}

/// The program's environment: values given, or ours.
fn env(args: &BenchArgs) -> Result<Vec<(String, String)>, Failure> {
    let text = |value: OsString| {
        value.into_string().map_err(|value| {
            Failure::new(format!(
                "an environment variable is not UTF-8: {}",
                value.to_string_lossy()
            ))
        })
    };
    let mut pairs = Vec::new();
    for (name, value) in &args.env {
        if let Some(value) = value.clone().or_else(|| std::env::var_os(name)) {
            pairs.push((text(name.clone())?, text(value)?));
        }
    }
    Ok(pairs)
}
