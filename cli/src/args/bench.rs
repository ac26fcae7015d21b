//! The shape of `craneway bench`'s command line.
//! Must never know how anything is measured.

use super::{Dir, parse_dir, parse_env};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use std::ffi::OsString;
use std::path::PathBuf;

/// The engines that `--peers` can name, in the order in which they are reported.
pub(crate) const PEERS: &[&str] = &["wasmtime", "wasmer", "node", "wasmi", "wasm3"];

const EXAMPLES: &str = "\
Examples:
  craneway bench fib.wasm 40                       Craneway and every peer that is installed
  craneway bench --native ./fib fib.wasm 40        beside the same program compiled to machine code
  craneway bench --peers wasmtime,node fib.wasm    these peers only; --peers none for Craneway alone
  craneway bench --peers wasmtime=/opt/wasmtime-48/bin/wasmtime fib.wasm
  craneway bench --dir . --stdin in.txt wc.wasm    what the program may use, in every engine
  craneway bench --variant 'no inlining=-O inline=n' fib.wasm
                                                   what one of Craneway's passes is worth here
  craneway bench --flags 'wasmtime=-W exceptions=y' app.wasm
  craneway bench --rounds 11 --json raw.json --html page.html fib.wasm

How: every run is a process of its own. Each round runs every engine once (A B C A B C), so that a
machine that gets slower or faster does it to all alike. Times are medians over the rounds, with
half of slowest minus fastest. CPU time is that of the whole process, on all cores.
  cold          compile and run, caches off: wasmtime -C cache=n, wasmer --disable-cache
  precompiled   run what `craneway compile`, `wasmtime compile` or `wasmer compile` wrote before
  start-up      what an empty module takes in the same engine
  compile       cold minus precompiled; node, which has no such file, tells its own clock
  execution     what is left
Standard output and exit code must be the same everywhere, byte for byte. A peer that is not
installed is shown as not found.

Exit status: 0; 1 if outputs differ or nothing could be measured; 2 for a wrong command line.";

/// `craneway bench`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BenchArgs {
    /// The module (binary or text), then what is passed to the program.
    #[arg(value_names = ["FILE", "ARGS"], num_args = 1.., trailing_var_arg = true, required = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) file_and_args: Vec<OsString>,
    /// How often each engine runs the program.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Rounds before those that count.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) warm_up: u32,
    /// A run that takes longer is ended, and its engine left alone from then on.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// What to compare with, by name or by name and place; `none` for nothing (default: all, looked for on PATH).
    #[arg(long, value_name = "NAME[=PATH],..", value_delimiter = ',', value_parser = parse_peer)]
    pub(crate) peers: Option<Vec<Peer>>,
    /// The same program compiled for this machine; it gets the same arguments.
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::ExecutablePath)]
    pub(crate) native: Option<PathBuf>,
    /// Also run Craneway, precompiled, with these flags of `run` and `compile`.
    #[arg(long = "variant", value_name = "NAME=FLAGS", value_parser = parse_flags)]
    pub(crate) variants: Vec<(String, Vec<String>)>,
    /// Give an engine further flags in all its modes.
    #[arg(long = "flags", value_name = "ENGINE=FLAGS", value_parser = parse_engine_flags)]
    pub(crate) flags: Vec<(String, Vec<String>)>,
    /// Let the program use a directory.
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = OsStringValueParser::new().try_map(parse_writable_dir), value_hint = clap::ValueHint::DirPath)]
    pub(crate) dirs: Vec<Dir>,
    /// Set an environment variable of the program, or pass ours on if no value is given.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(parse_env))]
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// What each run reads on standard input (default: nothing).
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) stdin: Option<PathBuf>,
    /// Write all samples there, for programs; `-` for standard output, instead of the table.
    #[arg(long, value_name = "OUT", value_hint = clap::ValueHint::FilePath)]
    pub(crate) json: Option<PathBuf>,
    /// Write a page with plots there: one file, nothing loaded from elsewhere.
    #[arg(long, value_name = "OUT", value_hint = clap::ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,
}

/// A peer that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// One of [`PEERS`], or `none`.
    pub(crate) name: String,
    /// Where it is, unless it is to be looked for.
    pub(crate) path: Option<PathBuf>,
}

/// Reads `HOST` or `HOST::GUEST`.
fn parse_writable_dir(text: OsString) -> Result<Dir, String> {
    let dir = parse_dir(text)?;
    match dir.read_only {
        true => Err("not all engines can make a directory read-only; leave `::ro` out".to_owned()),
        false => Ok(dir),
    }
}

/// Reads `NAME` or `NAME=PATH`.
fn parse_peer(text: &str) -> Result<Peer, String> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name, Some(PathBuf::from(path))),
        None => (text, None),
    };
    if name == "native" {
        return Err("the native program is given by --native PATH".to_owned());
    }
    if !PEERS.contains(&name) && name != "none" {
        return Err(format!(
            "no such peer; there are {}, and `none`",
            PEERS.join(", ")
        ));
    }
    if path.as_ref().is_some_and(|p| p.as_os_str().is_empty()) {
        return Err(format!(
            "the path is empty; to look for it on PATH write just `{name}`"
        ));
    }
    Ok(Peer {
        name: name.to_owned(),
        path,
    })
}

/// Reads `NAME=FLAGS`, the flags with blanks between them.
fn parse_flags(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, flags) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("expected NAME=FLAGS, as in 'no inlining=-O inline=n'")?;
    Ok((
        name.to_owned(),
        flags.split_whitespace().map(str::to_owned).collect(),
    ))
}

/// Reads `ENGINE=FLAGS`.
fn parse_engine_flags(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, flags) = parse_flags(text)?;
    if name != "craneway" && !PEERS.contains(&name.as_str()) {
        return Err(format!(
            "no such engine; there are craneway, {}",
            PEERS.join(", ")
        ));
    }
    Ok((name, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_names_with_or_without_places() {
        assert_eq!(
            parse_peer("wasmtime=/a=b").unwrap(),
            Peer {
                name: "wasmtime".to_owned(),
                path: Some("/a=b".into())
            }
        );
        assert_eq!(parse_peer("node").unwrap().path, None);
        assert!(parse_peer("wastime").unwrap_err().contains("wasmtime"));
        assert!(parse_peer("node=").unwrap_err().contains("empty"));
        assert!(parse_peer("native").unwrap_err().contains("--native"));
    }

    #[test]
    fn directories_are_what_all_engines_can_give() {
        assert_eq!(parse_writable_dir("a::/b".into()).unwrap().guest, "/b");
        assert!(parse_writable_dir("a::/b::ro".into()).is_err());
    }

    #[test]
    fn flags_follow_a_name() {
        assert_eq!(
            parse_flags("no inlining=-O inline=n").unwrap(),
            (
                "no inlining".to_owned(),
                vec!["-O".to_owned(), "inline=n".to_owned()]
            )
        );
        assert!(parse_flags("-O").is_err());
        assert!(
            parse_engine_flags("wasmtim=-W x")
                .unwrap_err()
                .contains("wasmtime")
        );
        assert!(parse_engine_flags("craneway=-O opt-level=0").is_ok());
    }
}
