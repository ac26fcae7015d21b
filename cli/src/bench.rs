//! `craneway bench`: one program in Craneway and in its peers, interleaved, each run a process of its own.
//! Must never know the engines' flags, nor what a report looks like.

mod engines;
mod figures;
mod html;
mod json;
mod machine;
mod plot;
mod process;
mod results;
mod site;
mod table;

use crate::args::{BenchArgs, PEERS, Peer};
use crate::input::plain;
use crate::output;
use crate::report::Failure;
use engines::{Mode, Planned, Site};
use process::{Line, Streams, words};
use results::{Missing, OwnClock, Results, Row};
use std::ffi::OsStr;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Measures, prints, and fails if outputs differ.
pub(crate) fn execute(args: &BenchArgs) -> Result<i32, Failure> {
    let place = site::Place::new()?;
    let site = place.site(args)?;
    let streams = Streams {
        stdin: args.stdin.clone(),
        dir: site.dir.clone(),
        limit: Duration::from_secs(args.timeout),
    };
    let mut entrants = entrants(args, &site, &streams)?;
    let mut results = Results {
        file: args.file_and_args[0].to_string_lossy().into_owned(),
        args: site
            .guest
            .args
            .iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect(),
        rounds: args.rounds,
        warm_up: args.warm_up,
        machine: machine::facts(),
        floor: 0,
        rows: Vec::new(),
        outputs: Vec::new(),
    };
    measure(&mut entrants, &mut results, &streams);
    results.floor = machine::own_peak();
    results.rows = entrants.into_iter().map(|entrant| entrant.row).collect();
    report(args, &results)
}

/// A row, and how to get its samples; nothing to run where it is missing.
struct Entrant {
    row: Row,
    mode: Option<Mode>,
}

/// All modes of Craneway and of the peers asked for, prepared. What cannot be had stays, with the reason.
fn entrants(args: &BenchArgs, site: &Site, streams: &Streams) -> Result<Vec<Entrant>, Failure> {
    let own = std::env::current_exe()
        .map_err(|err| Failure::new(format!("cannot find this command itself: {}", plain(&err))))?;
    let flags = |engine: &str| -> Vec<String> {
        let given = args.flags.iter().filter(|(name, _)| name == engine);
        given.flat_map(|(_, flags)| flags).cloned().collect()
    };
    let mut entrants = Vec::new();
    let ours = engines::craneway(site, &own, &flags("craneway"), &args.variants);
    add(
        &mut entrants,
        "craneway",
        crate::version::short(),
        ours,
        streams,
    );
    let all = || {
        PEERS.iter().map(|name| Peer {
            name: (*name).to_owned(),
            path: None,
        })
    };
    let asked: Vec<Peer> = args.peers.clone().unwrap_or_else(|| all().collect());
    for name in PEERS {
        let Some(peer) = asked.iter().find(|peer| peer.name == *name) else {
            continue;
        };
        match find(peer) {
            Err(why) => entrants.push(Entrant {
                row: missing(name, name, Missing::NotFound(why)),
                mode: None,
            }),
            Ok(program) => {
                let ask = words([program.as_os_str(), OsStr::new("--version")]);
                let version = process::first_line(&ask, streams).unwrap_or_default();
                let planned = engines::peer(name, site, &program, &flags(name));
                add(&mut entrants, name, &version, planned, streams);
            }
        }
    }
    if let Some(program) = &args.native {
        let program = std::path::absolute(program).unwrap_or_else(|_| program.clone());
        let planned = vec![engines::native(site, &program)];
        add(&mut entrants, "native", "", planned, streams);
    }
    Ok(entrants)
}

/// Prepares an engine's modes.
fn add(
    entrants: &mut Vec<Entrant>,
    engine: &'static str,
    version: &str,
    planned: Vec<Planned>,
    streams: &Streams,
) {
    for planned in planned {
        let (mut row, mode) = match planned {
            Err((label, why)) => (missing(engine, &label, Missing::NotMeasured(why)), None),
            Ok(mode) => {
                progress(&format!("preparing {}", mode.label));
                let mut prepared = mode.prepare.iter();
                match prepared.try_for_each(|line| process::prepare(line, streams)) {
                    Ok(()) => (of_mode(&mode), Some(mode)),
                    Err(why) => {
                        let row = missing(engine, &mode.label, Missing::NotMeasured(why));
                        (row, None)
                    }
                }
            }
        };
        row.version = version.to_owned();
        entrants.push(Entrant { row, mode });
    }
    progress("");
}

/// Where a peer is, or how it was looked for.
fn find(peer: &Peer) -> Result<PathBuf, String> {
    if let Some(path) = &peer.path {
        return match path.is_file() {
            true => Ok(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            false => Err(format!("{} is not a file", path.display())),
        };
    }
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&dirs)
        .map(|dir| dir.join(&peer.name))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("not on PATH; --peers {0}=PATH says where it is", peer.name))
}

/// The row of a mode that is about to be measured.
fn of_mode(mode: &Mode) -> Row {
    Row {
        engine: mode.engine,
        label: mode.label.clone(),
        version: String::new(),
        command: process::shown(&mode.line),
        kind: mode.kind,
        plain: mode.plain,
        missing: None,
        runs: Vec::new(),
        empty: Vec::new(),
        clock: Vec::new(),
        outputs: Vec::new(),
    }
}

/// The row of what cannot be measured.
fn missing(engine: &'static str, label: &str, why: Missing) -> Row {
    Row {
        engine,
        label: label.to_owned(),
        version: String::new(),
        command: String::new(),
        kind: engines::Kind::Cold,
        plain: false,
        missing: Some(why),
        runs: Vec::new(),
        empty: Vec::new(),
        clock: Vec::new(),
        outputs: Vec::new(),
    }
}

/// All rounds: each runs every mode once on the program and once on the empty module.
fn measure(entrants: &mut [Entrant], results: &mut Results, streams: &Streams) {
    let rounds = results.warm_up + results.rounds;
    for round in 0..rounds {
        let counts = round >= results.warm_up;
        for entrant in &mut *entrants {
            let Some(mode) = &entrant.mode else { continue };
            let (now, label) = (round + 1, &mode.label);
            progress(&format!("round {now} of {rounds}: {label}"));
            if let Err(why) = one(mode, &mut entrant.row, counts, results, streams) {
                entrant.row.missing = Some(Missing::NotMeasured(why));
                entrant.mode = None;
            }
        }
    }
    progress("");
}

/// One run of a mode, and one of the empty module.
fn one(
    mode: &Mode,
    row: &mut Row,
    counts: bool,
    results: &mut Results,
    streams: &Streams,
) -> Result<(), String> {
    if let Some(clock) = &mode.clock {
        // It may not be there yet.
        let _ = std::fs::remove_file(clock);
    }
    let ran = process::run(&mode.line, streams)?;
    let known = results.outputs.iter().position(|o| *o == ran.output);
    let output = known.unwrap_or_else(|| {
        results.outputs.push(ran.output);
        results.outputs.len() - 1
    });
    if !row.outputs.contains(&output) {
        row.outputs.push(output);
    }
    let clock = mode
        .clock
        .as_ref()
        .and_then(|path| std::fs::read(path).ok());
    if counts {
        row.runs.push(ran.cost);
        row.clock.extend(clock.as_deref().and_then(OwnClock::read));
    }
    if let Some(line) = &mode.empty {
        let nothing = Streams {
            stdin: None,
            dir: streams.dir.clone(),
            limit: streams.limit,
        };
        let ran = empty(line, &nothing)?;
        if counts {
            row.empty.push(ran);
        }
    }
    Ok(())
}

/// A run of the empty module.
fn empty(line: &Line, streams: &Streams) -> Result<process::Cost, String> {
    let ran = process::run(line, streams)?;
    match ran.output.end {
        process::End::Code(0) => Ok(ran.cost),
        end => Err(format!("an empty module: {end}: {}", ran.complaint)),
    }
}

/// Writes what was asked for.
fn report(args: &BenchArgs, results: &Results) -> Result<i32, Failure> {
    let mut printed = false;
    if let Some(out) = &args.json {
        printed = save(out, &json::render(results))?;
    }
    if let Some(out) = &args.html {
        printed |= save(out, &html::render(results))?;
    }
    if !printed {
        output::print(table::render(results).as_bytes())?;
    }
    if !results.agree() {
        return Err(Failure::new(format!(
            "the engines do not agree on what {} does\n{}",
            results.file,
            table::disagreement(results).trim_end()
        ))
        .hint("leave an engine out with --peers; times of those that differ from most are not compared"));
    }
    match results.rows.iter().any(|row| results.comparable(row)) {
        true => Ok(0),
        false => Err(Failure::new("nothing could be measured").hint("the table says why")),
    }
}

/// Writes a report to a file, or to standard output; says which.
fn save(out: &Path, text: &str) -> Result<bool, Failure> {
    if out.as_os_str() == "-" {
        return output::print(text.as_bytes()).map(|_| true);
    }
    std::fs::write(out, text)
        .map(|()| false)
        .map_err(|err| Failure::new(format!("cannot write {}: {}", out.display(), plain(&err))))
}

/// Says on a terminal what is going on; the empty text wipes it away.
fn progress(text: &str) {
    let mut err = std::io::stderr().lock();
    if err.is_terminal() {
        // Nobody is left to tell when standard error is gone.
        let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
    }
}
