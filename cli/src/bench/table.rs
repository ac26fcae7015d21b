//! Results as text for a terminal.
//! Must never know how they were measured.

use super::process::Output;
use super::results::{Missing, Results, Row, Time};
use std::fmt::Write as _;

/// The whole report.
pub(crate) fn render(results: &Results) -> String {
    let mut text = String::new();
    let args = results.args.join(" ");
    let _ = writeln!(text, "{}", format!("{} {args}", results.file).trim_end());
    for (name, value) in &results.machine {
        let _ = writeln!(text, "  {name}: {value}");
    }
    let _ = writeln!(text, "\n{}\n", method(results));
    text.push_str(&aligned(&runs(results)));
    let parts = parts(results);
    if parts.len() > 1 {
        let _ = writeln!(text, "\nWhere the time goes: wall ms (CPU ms)\n");
        text.push_str(&aligned(&parts));
    }
    for note in notes(results) {
        let _ = writeln!(text, "{note}");
    }
    text
}

/// How often, and what the figures are.
pub(crate) fn method(results: &Results) -> String {
    let times = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "{} after {} of warm-up, interleaved; medians ± half of slowest minus fastest",
        times(results.rounds, "round"),
        results.warm_up
    )
}

/// What the second table is based on.
pub(crate) fn notes(results: &Results) -> Vec<String> {
    let mut notes = vec![String::new()];
    notes.push(
        "ratio: to Wasmtime's median in the mode that does the same work; below 1 is faster."
            .to_owned(),
    );
    notes.push(format!(
        "compile: cold minus precompiled; start-up: an empty module; execution: the rest, compared from {} ms on.",
        super::results::SHORTEST
    ));
    notes.push(format!(
        "Peaks of memory below {} cannot be told: this command has that much itself.",
        mebibytes(results.floor)
    ));
    for row in &results.rows {
        let part = |pick: fn(&super::results::OwnClock) -> f64| row.own(pick);
        if let (Some(compile), Some(instantiate), Some(run)) = (
            part(|c| c.compile_ms),
            part(|c| c.instantiate_ms),
            part(|c| c.run_ms),
        ) {
            notes.push(format!(
                "{}, by its own clock: load {compile:.1} ms, instantiate {instantiate:.2} ms, run {run:.1} ms",
                row.label
            ));
        }
    }
    let mut said = Vec::new();
    for row in &results.rows {
        if !row.version.is_empty() && !said.contains(&row.engine) && row.engine != "craneway" {
            said.push(row.engine);
            notes.push(format!("{}: {}", row.engine, row.version));
        }
    }
    notes
}

/// The table of runs, its head first.
pub(crate) fn runs(results: &Results) -> Vec<Vec<String>> {
    let head = [
        "", "wall ms", "ratio", "CPU ms", "ratio", "peak MiB", "output",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for row in &results.rows {
        let mut cells = vec![row.label.clone()];
        match &row.missing {
            Some(missing) => cells.push(reason(missing)),
            None => {
                for time in [Time::Wall, Time::Cpu] {
                    cells.push(row.time(time).map_or_else(String::new, |figure| {
                        format!("{} ±{:.0} %", milliseconds(figure.median), figure.spread())
                    }));
                    let ratio = results.ratio(row, time);
                    cells.push(ratio.map_or("–".to_owned(), |ratio| multiple(ratio.median)));
                }
                let peak = row.peak().unwrap_or(0);
                cells.push(match peak <= results.floor {
                    true => format!("≤ {}", number(results.floor)),
                    false => number(peak),
                });
                cells.push(same(results, row).to_owned());
            }
        }
        table.push(cells);
    }
    table
}

/// The table of parts, its head first.
pub(crate) fn parts(results: &Results) -> Vec<Vec<String>> {
    let head = ["", "compile", "start-up", "execution", "ratio"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for row in results.rows_with_parts() {
        let (Some(wall), Some(cpu)) = (
            results.parts(row, Time::Wall),
            results.parts(row, Time::Cpu),
        ) else {
            continue;
        };
        let both = |wall: f64, cpu: f64| format!("{} ({})", milliseconds(wall), milliseconds(cpu));
        let compile = match (wall.compile, cpu.compile) {
            (Some(wall), Some(cpu)) => both(wall, cpu),
            _ => "–".to_owned(),
        };
        table.push(vec![
            row.label.clone(),
            compile,
            both(wall.startup, cpu.startup),
            both(wall.execution, cpu.execution),
            results
                .execution_ratio(row)
                .map_or("–".to_owned(), multiple),
        ]);
    }
    table
}

/// Why a row is empty.
pub(crate) fn reason(missing: &Missing) -> String {
    match missing {
        Missing::NotFound(how) => format!("not found: {how}"),
        Missing::NotMeasured(why) => format!("not measured: {why}"),
    }
}

/// Whether a row printed what most did.
pub(crate) fn same(results: &Results, row: &Row) -> &'static str {
    match (results.usual_output(row), row.outputs.len()) {
        (true, _) => "same",
        (false, 1) => "DIFFERS",
        (false, _) => "VARIES",
    }
}

/// What the different outputs were, and whose.
pub(crate) fn disagreement(results: &Results) -> String {
    let mut text = String::new();
    for (at, output) in results.outputs.iter().enumerate() {
        let rows = results.rows.iter().filter(|row| row.outputs.contains(&at));
        let who: Vec<&str> = rows.map(|row| row.label.as_str()).collect();
        let _ = writeln!(text, "  {}: {}", who.join("; "), described(output));
    }
    if let [first, second, ..] = results.outputs.as_slice() {
        let pairs = first.stdout.iter().zip(&second.stdout);
        let equal = pairs.take_while(|(a, b)| a == b).count();
        if first.stdout != second.stdout {
            let _ = writeln!(text, "  the first two differ from byte {equal} on");
        }
    }
    text
}

/// An output in a line.
fn described(output: &Output) -> String {
    const SHOWN: usize = 60;
    let text = String::from_utf8_lossy(&output.stdout);
    let beginning: String = text.chars().take(SHOWN).collect();
    let more = if text.chars().count() > SHOWN {
        "…"
    } else {
        ""
    };
    format!(
        "{}, {} bytes: {beginning:?}{more}",
        output.end,
        output.stdout.len()
    )
}

/// Milliseconds with as many digits as mean something.
pub(crate) fn milliseconds(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A ratio with as many digits as mean something.
pub(crate) fn multiple(value: f64) -> String {
    match value {
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// KiB as MiB.
pub(crate) fn number(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

fn mebibytes(kib: u64) -> String {
    format!("{} MiB", number(kib))
}

/// Columns made equally wide; a row with fewer cells than the head runs on to the right.
fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let full = table
            .iter()
            .filter(|row| row.len() == columns || column == 0);
        full.map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in table {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = widths[column];
            match column {
                0 => {
                    let _ = write!(line, "{cell:width$}");
                }
                _ if row.len() < columns => {
                    let _ = write!(line, "  {cell}");
                }
                _ => {
                    let _ = write!(line, "  {cell:>width$}");
                }
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::engines::Kind;
    use super::super::results::tests::{results, row};
    use super::*;

    #[test]
    fn what_is_missing_is_a_row_too() {
        let mut absent = row("wasm3", Kind::Cold, 1.0, 0);
        absent.missing = Some(Missing::NotFound("not on PATH".to_owned()));
        let text = render(&results(vec![
            row("craneway", Kind::Precompiled, 30.0, 0),
            row("wasmtime", Kind::Precompiled, 50.0, 0),
            absent,
        ]));
        let line = |start: &str| {
            let found = text.lines().find(|line| line.starts_with(start));
            found.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(
            line("craneway, ").unwrap(),
            "craneway, Precompiled 30.0 ±0 % 0.60 30.0 ±0 % 0.60 19.5 same"
        );
        assert_eq!(line("wasm3").unwrap(), "wasm3, Cold not found: not on PATH");
        assert!(text.contains("3 rounds after 1 of warm-up"), "{text}");
    }

    #[test]
    fn a_difference_names_engines_and_place() {
        let all = results(vec![
            row("craneway", Kind::Cold, 1.0, 0),
            row("wasmtime", Kind::Cold, 1.0, 0),
            row("wasmi", Kind::Cold, 1.0, 1),
        ]);
        let text = disagreement(&all);
        assert!(text.contains("craneway, Cold; wasmtime, Cold: exit code 0, 3 bytes: \"one\""));
        assert!(text.contains("wasmi, Cold: exit code 0, 3 bytes: \"two\""));
        assert!(text.contains("from byte 0 on"));
        assert!(render(&all).contains("DIFFERS"));
    }

    #[test]
    fn figures_have_the_digits_that_mean_something() {
        assert_eq!(
            [1234.5, 12.345, 1.2345].map(milliseconds),
            ["1234", "12.3", "1.23"]
        );
        assert_eq!([0.523, 12.34].map(multiple), ["0.52", "12.3"]);
    }
}
