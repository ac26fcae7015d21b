//! The shape of the command line, for clap. `run` may be left out.
//! Must never know what the commands do.

mod bench;

pub(crate) use bench::{BenchArgs, PEERS, Peer};

use crate::nearest::nearest;
use crate::options::{Assignments, CODEGEN, DEBUG, GroupParser, OPTIMIZE, WASI, WASM};
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use craneway_wasi::trace::Filter;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  craneway app.wasm a b --flag          run a program; what follows the file is for the program
  craneway run --dir . app.wasm         let it use the current directory
  craneway run --dir data::/data::ro --env LANG=C app.wasm
  craneway run --trace-wasi app.wasm    show what it asks the system for, as strace does
  craneway --invoke add lib.wat 2 3     call one exported function, print what it returns
  craneway compile app.wasm             write app.cwasm, which starts without compiling
  craneway run --allow-precompiled app.cwasm
  craneway inspect app.wasm             what it imports, exports and uses
  craneway bench app.wasm               how long it takes here, in Wasmtime, in node and so on

`run` may be left out: `craneway app.wasm` is `craneway run app.wasm`.
`craneway COMMAND --help` explains one command; RUST_LOG=debug shows what takes how long.";

const RUN_EXAMPLES: &str = "\
Examples:
  craneway run app.wasm a b                        arguments for the program
  craneway run --dir . app.wasm                    . inside is . outside
  craneway run --dir /srv/data::/data::ro app.wasm /data inside, read-only
  craneway run --dir notes.txt::/in.txt app.wasm   one file and nothing beside it
  craneway run --env LANG=C --env HOME app.wasm    one value set, one passed on
  craneway run --listen tcp:127.0.0.1:8080 app.wasm
                                                   a socket to accept connections from
  craneway run --trace-wasi=path_*,fd_write app.wasm
                                                   these calls on standard error, one a line
  craneway run --deterministic --seed 7 app.wasm   the same clock and random bytes in every run
  craneway run --preload math=math.wasm app.wasm   imports of \"math\" come from math.wasm
  craneway run --invoke add lib.wat 2 3            prints the results, one a line
  craneway run -W max-memory-size=64MiB app.wasm   limits; -W help lists them
  curl -s ... | craneway run - a b                 the module from standard input

Nothing of the machine is visible to the program but its standard streams, unless a flag grants it.
Defaults of -W, -C, -O, -D and -S come from $CRANEWAY_CONFIG or ~/.config/craneway/config.toml, if there is one.

Exit status: the program's own; 134 if it trapped, 2 for a wrong command line, 1 for other errors.";

/// Runs, compiles and inspects WebAssembly modules.
#[derive(Parser, Debug)]
#[command(
    name = "craneway",
    version = crate::version::short(),
    long_version = crate::version::long(),
    after_help = EXAMPLES,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a module, or call one function of it (the default command).
    Run(Box<RunArgs>),
    /// Compile a module ahead of time.
    Compile(CompileArgs),
    /// Show what a module imports, exports, contains and needs.
    Inspect(InspectArgs),
    /// Check that modules are valid without running them.
    Validate(ValidateArgs),
    /// Measure a program here and in other engines, side by side.
    Bench(Box<BenchArgs>),
    /// Run WebAssembly test scripts.
    Wast(WastArgs),
    /// Print a completion script for a shell.
    Completion(CompletionArgs),
}

/// Flags that decide what the engine is like.
#[derive(Args, Debug)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// WebAssembly features and limits, e.g. simd=n,max-memory-size=1GiB; `-W help` lists the keys.
    #[arg(short = 'W', long = "wasm", value_name = "KEY[=VAL],..", value_parser = GroupParser(&WASM), hide_possible_values = true)]
    wasm: Vec<Assignments>,
    /// Code generation; `-C help` lists the keys.
    #[arg(short = 'C', long = "codegen", value_name = "KEY[=VAL],..", value_parser = GroupParser(&CODEGEN), hide_possible_values = true)]
    codegen: Vec<Assignments>,
    /// Optimisation, e.g. opt-level=0; `-O help` lists the keys.
    #[arg(short = 'O', long = "optimize", value_name = "KEY[=VAL],..", value_parser = GroupParser(&OPTIMIZE), hide_possible_values = true)]
    optimize: Vec<Assignments>,
    /// Debugging, e.g. debug-info; `-D help` lists the keys.
    #[arg(short = 'D', long = "debug", value_name = "KEY[=VAL],..", value_parser = GroupParser(&DEBUG), hide_possible_values = true)]
    debug: Vec<Assignments>,
}

impl EngineArgs {
    /// All assignments in the order in which groups are applied.
    pub(crate) fn assignments(&self) -> impl Iterator<Item = &Assignments> {
        self.wasm
            .iter()
            .chain(&self.codegen)
            .chain(&self.optimize)
            .chain(&self.debug)
    }
}

/// `craneway run`
#[derive(Args, Debug)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunArgs {
    /// The module (binary or text, `-` for standard input), then what is passed to the guest.
    #[arg(value_names = ["FILE", "ARGS"], num_args = 1.., trailing_var_arg = true, required = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) file_and_args: Vec<OsString>,
    /// Call this exported function; the arguments after FILE are read by its type, results are printed.
    #[arg(long, value_name = "FUNCTION")]
    pub(crate) invoke: Option<String>,
    /// What the guest sees as its own name (default: the file's name without directories).
    #[arg(long, value_name = "NAME")]
    pub(crate) argv0: Option<OsString>,
    /// Instantiate another module first and provide its exports under a module name.
    #[arg(long = "preload", value_name = "NAME=FILE", value_parser = OsStringValueParser::new().try_map(parse_preload), value_hint = clap::ValueHint::FilePath)]
    pub(crate) preloads: Vec<(String, OsString)>,
    /// Also accept what `craneway compile` wrote. It is machine code: only if you trust its origin.
    #[arg(long)]
    pub(crate) allow_precompiled: bool,
    /// For `craneway bench`: where to write how long loading, instantiating and running took.
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) clock: Option<PathBuf>,
    /// What the guest gets.
    #[command(flatten)]
    pub(crate) grants: GrantArgs,
    /// How its calls are seen, and what it takes for time and chance.
    #[command(flatten)]
    pub(crate) observe: ObserveArgs,
    /// Features, limits, code generation, debugging.
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// What the guest may use of the machine.
#[derive(Args, Debug)]
#[command(next_help_heading = "What the guest may use")]
pub(crate) struct GrantArgs {
    /// Let the guest use a directory or one file, under the same name or another; `::ro` makes it read-only.
    #[arg(long = "dir", value_name = "HOST[::GUEST[::ro]]", value_parser = OsStringValueParser::new().try_map(parse_dir), value_hint = clap::ValueHint::AnyPath)]
    pub(crate) dirs: Vec<Dir>,
    /// Set an environment variable of the guest, or pass ours on if no value is given.
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(parse_env))]
    pub(crate) env: Vec<(OsString, Option<OsString>)>,
    /// Pass on our whole environment; --env overrides single variables.
    #[arg(long)]
    pub(crate) env_inherit: bool,
    /// Give the guest an empty standard input instead of ours.
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Listen there and give the guest the socket, in the order given, behind all directories.
    #[arg(long = "listen", value_name = "tcp:ADDRESS:PORT", value_parser = parse_listen)]
    pub(crate) listen: Vec<SocketAddr>,
    /// System interface, e.g. inherit-env; `-S help` lists the keys.
    #[arg(short = 'S', long = "wasi", value_name = "KEY[=VAL],..", value_parser = GroupParser(&WASI), hide_possible_values = true)]
    pub(crate) wasi: Vec<Assignments>,
}

/// How runs are watched and repeated.
#[derive(Args, Debug)]
#[command(next_help_heading = "Watching and repeating")]
pub(crate) struct ObserveArgs {
    /// Show each WASI call on standard error, as strace does; with NAMES only these, e.g. path_*,fd_write,!fd_seek.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = "*", value_parser = Filter::parse)]
    pub(crate) trace_wasi: Option<Filter>,
    /// Give the guest a clock and random bytes that are the same in every run; sleeping takes no time.
    #[arg(long)]
    pub(crate) deterministic: bool,
    /// Which random bytes --deterministic gives.
    #[arg(
        long,
        value_name = "N",
        requires = "deterministic",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) seed: u64,
}

/// `craneway compile`
#[derive(Args, Debug)]
pub(crate) struct CompileArgs {
    /// Where to write (default: FILE with the ending .cwasm; `-` for standard output).
    #[arg(short = 'o', long = "output", value_name = "OUT", value_hint = clap::ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// The module (binary or text, `-` for standard input).
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: OsString,
    /// Features, limits, code generation, debugging; a later `run` needs the same.
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// `craneway inspect`
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// Print JSON for programs instead of text for people.
    #[arg(long)]
    pub(crate) json: bool,
    /// The module (binary, text or compiled, `-` for standard input).
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(crate) file: OsString,
}

/// `craneway validate`
#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// The modules (binary or text, `-` for standard input).
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) files: Vec<OsString>,
    /// Features, limits, code generation, debugging.
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// `craneway wast`
#[derive(Args, Debug)]
pub(crate) struct WastArgs {
    /// The scripts (`-` for standard input).
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    pub(crate) files: Vec<OsString>,
    /// Features, limits, code generation, debugging.
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// `craneway completion`
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  craneway completion bash > ~/.local/share/bash-completion/completions/craneway\n  craneway completion fish > ~/.config/fish/completions/craneway.fish"
)]
pub(crate) struct CompletionArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// A directory, or one file, that the guest may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dir {
    /// Where it is outside.
    pub(crate) host: PathBuf,
    /// What it is called inside.
    pub(crate) guest: String,
    /// Whether nothing in it may be changed.
    pub(crate) read_only: bool,
}

/// Reads `HOST`, `HOST::GUEST` or `HOST::GUEST::ro`.
fn parse_dir(text: OsString) -> Result<Dir, String> {
    let mut parts = Vec::new();
    let mut rest = text.as_bytes();
    while let Some(at) = rest.windows(2).position(|pair| pair == b"::") {
        parts.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    parts.push(rest);
    let (host, guest, mode) = match parts[..] {
        [host] => (host, host, None),
        [host, guest] => (host, guest, None),
        [host, guest, mode] => (host, guest, Some(mode)),
        _ => return Err("expected HOST, HOST::GUEST or HOST::GUEST::ro".to_owned()),
    };
    let read_only = match mode {
        None | Some(b"rw") => false,
        Some(b"ro") => true,
        Some(_) => return Err("the third part must be ro or rw".to_owned()),
    };
    if host.is_empty() {
        return Err("the host directory is empty; for the current one write `.`".to_owned());
    }
    let guest = std::str::from_utf8(guest)
        .map_err(|_| "the name inside must be UTF-8; give one after `::`".to_owned())?;
    let guest = if guest.is_empty() { "." } else { guest };
    Ok(Dir {
        host: PathBuf::from(OsStr::from_bytes(host)),
        guest: guest.to_owned(),
        read_only,
    })
}

/// Reads `tcp:ADDRESS:PORT`.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.strip_prefix("tcp:")
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| {
            "expected tcp:ADDRESS:PORT with an IP address, such as tcp:127.0.0.1:8080".to_owned()
        })
}

/// Reads `NAME=VALUE` or `NAME`.
fn parse_env(text: OsString) -> Result<(OsString, Option<OsString>), String> {
    let bytes = text.as_bytes();
    let (name, value) = match bytes.iter().position(|b| *b == b'=') {
        Some(at) => (
            &bytes[..at],
            Some(OsStr::from_bytes(&bytes[at + 1..]).to_owned()),
        ),
        None => (bytes, None),
    };
    if name.is_empty() {
        return Err("the variable has no name; expected NAME=VALUE or NAME".to_owned());
    }
    Ok((OsStr::from_bytes(name).to_owned(), value))
}

/// Reads `NAME=FILE`.
fn parse_preload(text: OsString) -> Result<(String, OsString), String> {
    let expected = || "expected NAME=FILE, as in math=math.wasm".to_owned();
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|b| *b == b'=').ok_or_else(expected)?;
    let name =
        std::str::from_utf8(&bytes[..at]).map_err(|_| "the name must be UTF-8".to_owned())?;
    let file = &bytes[at + 1..];
    if file.is_empty() {
        return Err(expected());
    }
    Ok((name.to_owned(), OsStr::from_bytes(file).to_owned()))
}

/// The names of the commands, `help` included.
fn command_names() -> Vec<String> {
    let cli = Cli::command();
    cli.get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .chain(["help".to_owned()])
        .collect()
}

/// Puts in `run` where it was left out: before anything that is not a command or a flag of the whole.
pub(crate) fn with_run(mut argv: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = argv.get(1) else {
        return argv;
    };
    let whole = ["-h", "--help", "-V", "--version"];
    let known = whole.iter().any(|flag| first == flag)
        || command_names().iter().any(|name| *first == **name);
    if !known {
        argv.insert(1, "run".into());
    }
    argv
}

/// The hint for a file that does not exist but is called almost, or exactly, like a command.
pub(crate) fn near_command(name: &str) -> Option<String> {
    let names = command_names();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(match near == name {
        true => format!("if you mean the command `{near}`, write it before all flags"),
        false => format!("did you mean the command `craneway {near}`?"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Result<Command, clap::Error> {
        let argv = std::iter::once("craneway")
            .chain(line.iter().copied())
            .map(OsString::from)
            .collect();
        Cli::try_parse_from(with_run(argv)).map(|cli| cli.command)
    }

    fn run(line: &[&str]) -> RunArgs {
        match parse(line) {
            Ok(Command::Run(args)) => *args,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn the_declaration_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_may_be_left_out() {
        assert_eq!(run(&["a.wasm"]).file_and_args, ["a.wasm"]);
        assert_eq!(run(&["run", "a.wasm"]).file_and_args, ["a.wasm"]);
        assert_eq!(run(&["run", "run"]).file_and_args, ["run"]);
        assert_eq!(run(&["-W", "simd=n", "a.wasm"]).file_and_args, ["a.wasm"]);
        assert_eq!(run(&["-"]).file_and_args, ["-"]);
        assert!(matches!(
            parse(&["inspect", "a.wasm"]),
            Ok(Command::Inspect(_))
        ));
    }

    #[test]
    fn what_follows_the_file_is_for_the_guest() {
        let line = [
            "a.wasm", "--help", "-W", "--", "--dir", "x", "-3", "compile",
        ];
        let args = run(&line);
        assert_eq!(args.file_and_args, line);
        assert!(args.grants.dirs.is_empty());
        assert_eq!(
            run(&["--invoke", "f", "a.wasm", "-1", "--", "-W"]).file_and_args,
            ["a.wasm", "-1", "--", "-W"]
        );
        assert_eq!(
            run(&["--", "--odd.wasm", "--"]).file_and_args,
            ["--odd.wasm", "--"]
        );
    }

    #[test]
    fn directories_have_up_to_three_parts() {
        let dir = |text: &str| parse_dir(text.into());
        assert_eq!(
            dir("a").unwrap(),
            Dir {
                host: "a".into(),
                guest: "a".into(),
                read_only: false
            }
        );
        assert_eq!(
            dir("a::/b").unwrap(),
            Dir {
                host: "a".into(),
                guest: "/b".into(),
                read_only: false
            }
        );
        assert_eq!(
            dir("a::/b::ro").unwrap(),
            Dir {
                host: "a".into(),
                guest: "/b".into(),
                read_only: true
            }
        );
        assert!(dir("a::b::rx").unwrap_err().contains("ro or rw"));
        assert!(dir("a::b::ro::c").is_err());
        assert!(dir("").is_err());
    }

    #[test]
    fn variables_and_preloads() {
        assert_eq!(
            parse_env("A=b=c".into()).unwrap(),
            ("A".into(), Some("b=c".into()))
        );
        assert_eq!(
            parse_env("A=".into()).unwrap(),
            ("A".into(), Some("".into()))
        );
        assert_eq!(parse_env("A".into()).unwrap(), ("A".into(), None));
        assert!(parse_env("=x".into()).is_err());
        assert_eq!(
            parse_preload("m=a=b.wasm".into()).unwrap(),
            ("m".to_owned(), "a=b.wasm".into())
        );
        assert!(parse_preload("m".into()).is_err());
        assert!(parse_preload("m=".into()).is_err());
    }

    #[test]
    fn listening_names_a_protocol_and_an_address() {
        assert_eq!(
            parse_listen("tcp:127.0.0.1:80"),
            Ok(([127, 0, 0, 1], 80).into())
        );
        assert!(parse_listen("tcp:[::1]:0").is_ok());
        for wrong in [
            "127.0.0.1:80",
            "udp:127.0.0.1:80",
            "tcp:80",
            "tcp:localhost:80",
        ] {
            assert!(parse_listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tracing_takes_names_after_an_equals_sign_only() {
        let args = run(&["--trace-wasi", "a.wasm"]);
        assert_eq!(args.file_and_args, ["a.wasm"]);
        assert_eq!(args.observe.trace_wasi, Some(Filter::all()));
        let some = run(&["--trace-wasi=fd_read", "a.wasm"]);
        assert!(
            some.observe
                .trace_wasi
                .is_some_and(|filter| filter.has("fd_read") && !filter.has("fd_write"))
        );
        assert!(parse(&["--trace-wasi=fd_raed", "a.wasm"]).is_err());
        assert!(
            parse(&["--seed", "1", "a.wasm"]).is_err(),
            "a seed needs --deterministic"
        );
    }

    #[test]
    fn help_and_lists_are_not_errors() {
        use clap::error::ErrorKind;
        assert_eq!(
            parse(&["--help"]).unwrap_err().kind(),
            ErrorKind::DisplayHelp
        );
        assert_eq!(
            parse(&["-W", "help"]).unwrap_err().kind(),
            ErrorKind::DisplayHelp
        );
        assert_eq!(parse(&["--bogus", "a.wasm"]).unwrap_err().exit_code(), 2);
        assert_eq!(parse(&[]).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_mistyped_command_is_recognised() {
        assert!(
            near_command("complie")
                .unwrap()
                .contains("craneway compile")
        );
        assert!(
            near_command("inspect")
                .unwrap()
                .contains("before all flags")
        );
        assert_eq!(near_command("app.wasm"), None);
    }
}
