//! The engines and how each is told to run a module: which modes it has, which flags mean what.
//! Must never know how runs are measured or shown.

use super::process::{Line, words};
use crate::args::Dir;
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is run, and what it may use.
pub(crate) struct Guest {
    /// The module in binary format.
    pub(crate) wasm: PathBuf,
    /// What the program sees as its own name.
    pub(crate) name: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Directories.
    pub(crate) dirs: Vec<Dir>,
    /// Environment variables.
    pub(crate) env: Vec<(String, String)>,
}

/// Where things lie while we measure.
pub(crate) struct Site {
    /// A directory of our own.
    pub(crate) dir: PathBuf,
    /// A module whose `_start` does nothing.
    pub(crate) empty: PathBuf,
    /// The program for node that gives it a command.
    pub(crate) driver: PathBuf,
    /// What is measured.
    pub(crate) guest: Guest,
}

/// What a run of a mode includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Compiling (or translating, in an interpreter) and running.
    Cold,
    /// Running what was compiled before.
    Precompiled,
    /// A program for this machine.
    Native,
}

/// One way of running the program.
pub(crate) struct Mode {
    /// The engine's name.
    pub(crate) engine: &'static str,
    /// The name of the mode, the engine's included.
    pub(crate) label: String,
    /// What a run includes.
    pub(crate) kind: Kind,
    /// Whether cold minus this is the engine's time of compiling.
    pub(crate) plain: bool,
    /// What has to be done once before.
    pub(crate) prepare: Vec<Line>,
    /// A run.
    pub(crate) line: Line,
    /// A run of the empty module.
    pub(crate) empty: Option<Line>,
    /// Where the engine writes its own clock.
    pub(crate) clock: Option<PathBuf>,
}

/// A mode, or its label and why it cannot be measured.
pub(crate) type Planned = Result<Mode, (String, String)>;

/// Whether a line is for the program, with what it may use, or for the empty module.
#[derive(Clone, Copy)]
enum For<'a> {
    Program(&'a Guest),
    Empty,
}

impl<'a> For<'a> {
    fn args(self) -> &'a [OsString] {
        match self {
            For::Program(guest) => &guest.args,
            For::Empty => &[],
        }
    }

    fn dirs(self) -> &'a [Dir] {
        match self {
            For::Program(guest) => &guest.dirs,
            For::Empty => &[],
        }
    }

    fn env(self) -> &'a [(String, String)] {
        match self {
            For::Program(guest) => &guest.env,
            For::Empty => &[],
        }
    }
}

/// How an engine compiles a module to a file.
type Compile<'a> = &'a dyn Fn(&Path, &Path) -> Line;

/// A mode from how it runs a module and, if it does, how it compiles one.
fn mode(
    site: &Site,
    engine: &'static str,
    label: String,
    compile: Option<Compile<'_>>,
    run: &dyn Fn(&Path, For<'_>) -> Line,
) -> Mode {
    let mut prepare = Vec::new();
    let mut placed = |wasm: &Path, what: &str| match compile {
        None => wasm.to_owned(),
        Some(compile) => {
            let slug: String = label
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect();
            let out = site.dir.join(format!("{slug}.{what}"));
            prepare.push(compile(wasm, &out));
            out
        }
    };
    let program = placed(&site.guest.wasm, "program");
    let empty = placed(&site.empty, "empty");
    Mode {
        engine,
        kind: match compile {
            Some(_) => Kind::Precompiled,
            None => Kind::Cold,
        },
        plain: false,
        line: run(&program, For::Program(&site.guest)),
        empty: Some(run(&empty, For::Empty)),
        label,
        prepare,
        clock: None,
    }
}

/// Craneway itself: cold, precompiled, and precompiled with the flags of each variant.
pub(crate) fn craneway(
    site: &Site,
    program: &Path,
    flags: &[String],
    variants: &[(String, Vec<String>)],
) -> Vec<Planned> {
    let clock = site.dir.join("clock");
    let run = |first: &[&str], flags: &[String], module: &Path, what: For<'_>| {
        let mut line = words([program]);
        line.extend(words(["run"].iter().chain(first)));
        line.extend(words(["--argv0".as_ref(), site.guest.name.as_os_str()]));
        line.extend(words(["--clock".as_ref(), clock.as_os_str()]));
        line.extend(words(flags));
        line.extend(wasmtime_grants(what));
        line.push(module.into());
        line.extend_from_slice(what.args());
        line
    };
    let mut planned = vec![mode(
        site,
        "craneway",
        "craneway, cold".to_owned(),
        None,
        &|module, what| run(&["-C", "cache=n"], flags, module, what),
    )];
    let plain = [("precompiled".to_owned(), Vec::new())];
    for (name, further) in plain.iter().chain(variants) {
        let flags: Vec<String> = flags.iter().chain(further).cloned().collect();
        planned.push(mode(
            site,
            "craneway",
            format!("craneway, {name}"),
            Some(&|wasm, out| compile_line(program, &flags, wasm, out)),
            &|module, what| run(&["--allow-precompiled"], &flags, module, what),
        ));
    }
    planned[1].plain = true;
    for mode in &mut planned {
        mode.clock = Some(clock.clone());
    }
    planned.into_iter().map(Ok).collect()
}

/// `compile` of Craneway and of Wasmtime.
fn compile_line(program: &Path, flags: &[String], wasm: &Path, out: &Path) -> Line {
    let mut line = words([program]);
    line.extend(words(["compile", "-o"]));
    line.push(out.into());
    line.extend(words(flags));
    line.push(wasm.into());
    line
}

/// `--dir` and `--env` as Craneway and Wasmtime spell them.
fn wasmtime_grants(what: For<'_>) -> Line {
    let mut line = Line::new();
    for dir in what.dirs() {
        let mut pair = dir.host.clone().into_os_string();
        pair.push("::");
        pair.push(&dir.guest);
        line.extend(["--dir".into(), pair]);
    }
    line.extend(env_pairs(what));
    line
}

/// `--env NAME=VALUE`, which every command spells alike.
fn env_pairs(what: For<'_>) -> Line {
    let pairs = what.env().iter();
    pairs
        .flat_map(|(name, value)| ["--env".into(), format!("{name}={value}").into()])
        .collect()
}

/// Modes of the peer of that name, or why there are none.
pub(crate) fn peer(name: &str, site: &Site, program: &Path, flags: &[String]) -> Vec<Planned> {
    match name {
        "wasmtime" => wasmtime(site, program, flags),
        "wasmer" => wasmer(site, program, flags),
        "node" => node(site, program, flags),
        "wasmi" => wasmi(site, program, flags),
        _ => wasm3(site, program, flags),
    }
}

/// Wasmtime: cold without its cache, precompiled, and precompiled with its inliner, which is off by default.
fn wasmtime(site: &Site, program: &Path, flags: &[String]) -> Vec<Planned> {
    let run = |first: &[String], module: &Path, what: For<'_>| {
        let mut line = words([program]);
        line.push("run".into());
        line.extend(words(first));
        line.extend(words(["--argv0".as_ref(), site.guest.name.as_os_str()]));
        line.extend(wasmtime_grants(what));
        line.push(module.into());
        line.extend_from_slice(what.args());
        line
    };
    let with = |further: &[&str]| -> Vec<String> {
        let further = further.iter().map(|f| (*f).to_owned());
        flags.iter().cloned().chain(further).collect()
    };
    let precompiled = |label: &str, flags: Vec<String>| {
        let mut running = flags.clone();
        running.push("--allow-precompiled".to_owned());
        mode(
            site,
            "wasmtime",
            label.to_owned(),
            Some(&|wasm, out| compile_line(program, &flags, wasm, out)),
            &|module, what| run(&running, module, what),
        )
    };
    let cold = with(&["-C", "cache=n"]);
    let mut plain = precompiled("wasmtime, precompiled", with(&[]));
    plain.plain = true;
    vec![
        Ok(mode(
            site,
            "wasmtime",
            "wasmtime, cold".to_owned(),
            None,
            &|module, what| run(&cold, module, what),
        )),
        Ok(plain),
        Ok(precompiled(
            "wasmtime, inlining",
            with(&["-C", "inlining=y"]),
        )),
    ]
}

/// Wasmer: cold without its cache, precompiled, and precompiled by LLVM, its best compiler.
fn wasmer(site: &Site, program: &Path, flags: &[String]) -> Vec<Planned> {
    let run = |first: &[&str], module: &Path, what: For<'_>| {
        let mut line = words([program]);
        line.push("run".into());
        line.extend(words(first));
        line.extend(words(flags));
        for dir in what.dirs() {
            let mut pair = dir.host.clone().into_os_string();
            pair.push(":");
            pair.push(&dir.guest);
            line.extend(["--volume".into(), pair]);
        }
        line.extend(env_pairs(what));
        line.push(module.into());
        if !what.args().is_empty() {
            line.push("--".into());
        }
        line.extend_from_slice(what.args());
        line
    };
    let precompiled = |label: &str, compiler: &[&str]| {
        mode(
            site,
            "wasmer",
            label.to_owned(),
            Some(&|wasm, out| {
                let mut line = words([program]);
                line.push("compile".into());
                line.extend(words(compiler));
                line.extend(words(flags));
                line.extend([wasm.into(), "-o".into(), out.into()]);
                line
            }),
            &|module, what| run(&[], module, what),
        )
    };
    let mut plain = precompiled("wasmer, precompiled", &[]);
    plain.plain = true;
    vec![
        Ok(mode(
            site,
            "wasmer",
            "wasmer, cold".to_owned(),
            None,
            &|module, what| run(&["--disable-cache"], module, what),
        )),
        Ok(plain),
        Ok(precompiled("wasmer, LLVM", &["--llvm"])),
    ]
}

/// Node: as it is, and without its baseline compiler, which one long call never leaves.
fn node(site: &Site, program: &Path, flags: &[String]) -> Vec<Planned> {
    let clock = site.dir.join("clock");
    let run = |first: &[&str], module: &Path, what: For<'_>| {
        let mut line = words([program]);
        line.push("--no-warnings".into());
        line.extend(words(first));
        line.extend(words(flags));
        line.extend([site.driver.clone().into(), clock.clone().into()]);
        let dirs = what.dirs().iter();
        let preopens: serde_json::Map<_, _> = dirs
            .map(|dir| (dir.guest.clone(), json!(dir.host.to_string_lossy())))
            .collect();
        let env: serde_json::Map<_, _> = what
            .env()
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let argv0 = site.guest.name.to_string_lossy();
        let given = json!({"argv0": argv0, "env": env, "preopens": preopens});
        line.push(given.to_string().into());
        line.push(module.into());
        line.extend_from_slice(what.args());
        line
    };
    let of = |label: &str, first: &[&str]| {
        let mut mode = mode(site, "node", label.to_owned(), None, &|module, what| {
            run(first, module, what)
        });
        mode.clock = Some(clock.clone());
        Ok(mode)
    };
    vec![of("node", &[]), of("node, --no-liftoff", &["--no-liftoff"])]
}

/// Wasmi translates functions when they are first called.
fn wasmi(site: &Site, program: &Path, flags: &[String]) -> Vec<Planned> {
    let same_name = |dir: &Dir| dir.host.as_os_str() == dir.guest.as_str();
    if !site.guest.dirs.iter().all(same_name) {
        let why = "it cannot be given a directory under another name".to_owned();
        return vec![Err(("wasmi".to_owned(), why))];
    }
    vec![Ok(mode(
        site,
        "wasmi",
        "wasmi".to_owned(),
        None,
        &|module, what| {
            let mut line = words([program]);
            line.extend(words(flags));
            for dir in what.dirs() {
                line.extend(["--dir".into(), dir.host.clone().into()]);
            }
            line.extend(env_pairs(what));
            line.push(module.into());
            line.extend_from_slice(what.args());
            line
        },
    ))]
}

/// Wasm3 gives each program the current directory and nothing else.
fn wasm3(site: &Site, program: &Path, flags: &[String]) -> Vec<Planned> {
    let here = |dir: &Dir| dir.host.as_os_str() == "." && dir.guest == ".";
    if !site.guest.dirs.iter().all(here) || !site.guest.env.is_empty() {
        let why = "it cannot be given environment variables, nor directories but `.`".to_owned();
        return vec![Err(("wasm3".to_owned(), why))];
    }
    vec![Ok(mode(
        site,
        "wasm3",
        "wasm3".to_owned(),
        None,
        &|module, what| {
            let mut line = words([program]);
            line.extend(words(flags));
            line.push(module.into());
            line.extend_from_slice(what.args());
            line
        },
    ))]
}

/// The program's twin for this machine.
pub(crate) fn native(site: &Site, program: &Path) -> Planned {
    let mut line = words([program]);
    line.extend_from_slice(&site.guest.args);
    Ok(Mode {
        engine: "native",
        label: "native".to_owned(),
        kind: Kind::Native,
        plain: false,
        prepare: Vec::new(),
        line,
        empty: None,
        clock: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::process::shown;
    use super::*;

    fn site(dirs: Vec<Dir>) -> Site {
        Site {
            dir: "/tmp/d".into(),
            empty: "/tmp/d/empty.wasm".into(),
            driver: "/tmp/d/wasi.mjs".into(),
            guest: Guest {
                wasm: "app.wasm".into(),
                name: "app.wasm".into(),
                args: vec!["a".into(), "--b".into()],
                dirs,
                env: vec![("K".to_owned(), "v w".to_owned())],
            },
        }
    }

    fn lines(planned: &[Planned]) -> Vec<String> {
        let each = planned.iter();
        each.map(|planned| match planned {
            Ok(mode) => shown(&mode.line),
            Err((label, why)) => format!("{label}: {why}"),
        })
        .collect()
    }

    #[test]
    fn cold_runs_use_no_cache() {
        let site = site(vec![Dir {
            host: "/h".into(),
            guest: "/g".to_owned(),
            read_only: false,
        }]);
        let wasmtime = peer(
            "wasmtime",
            &site,
            Path::new("wt"),
            &["-W".to_owned(), "x".to_owned()],
        );
        assert_eq!(
            lines(&wasmtime)[0],
            "wt run -W x -C cache=n --argv0 app.wasm --dir /h::/g --env 'K=v w' app.wasm a --b"
        );
        let wasmer = peer("wasmer", &site, Path::new("wr"), &[]);
        assert_eq!(
            lines(&wasmer)[0],
            "wr run --disable-cache --volume /h:/g --env 'K=v w' app.wasm -- a --b"
        );
        let ours = craneway(&site, Path::new("cw"), &[], &[]);
        assert!(
            lines(&ours)[0].starts_with("cw run -C cache=n"),
            "{:?}",
            lines(&ours)
        );
    }

    #[test]
    fn precompiled_modes_compile_the_program_and_the_empty_module_first() {
        let site = site(Vec::new());
        let variant = (
            "plain code".to_owned(),
            vec!["-O".to_owned(), "inline=n".to_owned()],
        );
        let ours = craneway(&site, Path::new("cw"), &[], &[variant]);
        let last = ours[2].as_ref().unwrap();
        assert_eq!(last.label, "craneway, plain code");
        assert_eq!(
            last.prepare
                .iter()
                .map(|line| shown(line))
                .collect::<Vec<_>>(),
            [
                "cw compile -o /tmp/d/craneway--plain-code.program -O inline=n app.wasm",
                "cw compile -o /tmp/d/craneway--plain-code.empty -O inline=n /tmp/d/empty.wasm",
            ]
        );
        assert!(
            shown(&last.line)
                .contains("-O inline=n --env 'K=v w' /tmp/d/craneway--plain-code.program a --b")
        );
        assert!(ours[1].as_ref().unwrap().plain && !last.plain);
    }

    #[test]
    fn what_an_engine_cannot_give_is_said() {
        let elsewhere = site(vec![Dir {
            host: "/h".into(),
            guest: "/g".to_owned(),
            read_only: false,
        }]);
        for name in ["wasmi", "wasm3"] {
            let planned = peer(name, &elsewhere, Path::new("w"), &[]);
            assert!(planned[0].is_err(), "{name}");
        }
        let node = peer("node", &elsewhere, Path::new("n"), &[]);
        assert!(
            lines(&node)[0].contains(r#""preopens":{"/g":"/h"}"#),
            "{:?}",
            lines(&node)
        );
    }
}
