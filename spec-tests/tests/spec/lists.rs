//! Whether what the other files list is there: suites, files left out, skips, rewrites, and what the
//! documentation says of them. This file must never know how a script is executed.

use std::collections::BTreeMap;

use crate::skips::{ASSERTIONS, REWRITES, SKIPS};
use crate::suites::{Files, SUITES, Suite};

/// The page that shows the skips to people.
const PAGE: &str = include_str!("../../../docs/spec.md");

/// The first thing that does not fit.
pub(crate) fn check() -> Result<(), String> {
    files_left_out()?;
    latest_is_v3()?;
    skips_and_rewrites()?;
    page()
}

fn suite(name: &str) -> Result<&'static Suite, String> {
    let found = SUITES.iter().find(|suite| suite.name == name);
    found.ok_or_else(|| format!("there is no suite {name}"))
}

/// The text of a file that runs.
fn running(in_suite: &str, file: &str) -> Result<&'static str, String> {
    let suite = suite(in_suite)?;
    if let Some(why) = suite.left_out(file) {
        return Err(format!("{in_suite}/{file} does not run: {why}"));
    }
    let contents = suite.contents();
    let found = contents.iter().find(|content| content.name() == file);
    found
        .map(|content| content.raw())
        .ok_or_else(|| format!("{in_suite} has no file {file}"))
}

/// A name in a list that is no file of its suite would leave out nothing, or run nothing.
fn files_left_out() -> Result<(), String> {
    for suite in SUITES {
        let contents = suite.contents();
        if contents.is_empty() {
            return Err(format!("{} has no files", suite.name));
        }
        let (Files::Except(files, _) | Files::Only(files, _)) = suite.files else {
            continue;
        };
        for file in files {
            if !contents.iter().any(|content| content.name() == *file) {
                return Err(format!("{} has no file {file}", suite.name));
            }
        }
    }
    Ok(())
}

/// What of `wasm-latest` does not run is in `wasm-v3` too, or has typed references.
fn latest_is_v3() -> Result<(), String> {
    let v3: BTreeMap<String, &str> = suite("wasm-v3")?
        .contents()
        .iter()
        .map(|file| (file.name().to_owned(), file.raw()))
        .collect();
    let latest = suite("wasm-latest")?;
    for file in latest.contents() {
        let known = v3.get(file.name()) == Some(&file.raw()) || file.raw().contains("(ref null $");
        if latest.left_out(file.name()).is_some() && !known {
            return Err(format!(
                "wasm-latest/{} is left out for no reason",
                file.name()
            ));
        }
    }
    Ok(())
}

fn skips_and_rewrites() -> Result<(), String> {
    for skip in SKIPS {
        let text = running(skip.suite, skip.file)?;
        if !text.contains(skip.rule.pattern) {
            let pattern = skip.rule.pattern;
            return Err(format!(
                "{}/{} has no {pattern:?} to skip",
                skip.suite, skip.file
            ));
        }
    }
    for (in_suite, file, old, _) in REWRITES {
        if !running(in_suite, file)?.contains(old) {
            return Err(format!("{in_suite}/{file} has no {old:?} to replace"));
        }
    }
    for (in_suite, file, lines) in ASSERTIONS {
        let text: Vec<&str> = running(in_suite, file)?.lines().collect();
        for line in *lines {
            let start = text.get(line - 1).copied().unwrap_or_default();
            if !start.starts_with("(assert_") {
                return Err(format!("{in_suite}/{file}:{line} is no assertion: {start}"));
            }
        }
    }
    Ok(())
}

/// The page has a row for each file with skipped assertions, with their lines, and no others; and a row
/// for each suite.
fn page() -> Result<(), String> {
    let rows: Vec<Vec<&str>> = PAGE
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let listed: Vec<(&str, &str)> = rows
        .iter()
        .filter(|row| row[1].contains(".wast"))
        .map(|row| (row[1], row[2]))
        .collect();
    let mut wanted = Vec::new();
    for (in_suite, file, lines) in ASSERTIONS {
        let lines: Vec<String> = lines.iter().map(usize::to_string).collect();
        wanted.push((format!("{in_suite}/{file}"), lines.join(", ")));
    }
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|(f, l)| (&**f, &**l)).collect();
    if listed != wanted {
        return Err(format!(
            "docs/spec.md lists {listed:?}, skipped are {wanted:?}"
        ));
    }
    for suite in SUITES {
        if !rows.iter().any(|row| row[1] == suite.name) {
            return Err(format!("docs/spec.md has no row for {}", suite.name));
        }
    }
    Ok(())
}
