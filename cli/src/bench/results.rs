//! What was measured: a row for each mode of each engine, the outputs, and the figures that follow from them.
//! Must never know how rows are shown, nor how they came about.

use super::engines::Kind;
use super::figures::{Figure, Parts, parts};
use super::process::{Cost, Output};
use serde_json::Value;

/// A difference of samples below this many milliseconds says nothing.
pub(crate) const SHORTEST: f64 = 5.0;

/// Everything that a report needs.
pub(crate) struct Results {
    /// The file, as given.
    pub(crate) file: String,
    /// The program's arguments.
    pub(crate) args: Vec<String>,
    /// Rounds that count.
    pub(crate) rounds: u32,
    /// Rounds before.
    pub(crate) warm_up: u32,
    /// What was measured on, and with: names and values.
    pub(crate) machine: Vec<(&'static str, String)>,
    /// Peak memory below this many KiB cannot be told: it is this process's own.
    pub(crate) floor: u64,
    /// The modes, in order.
    pub(crate) rows: Vec<Row>,
    /// The different outputs that there were.
    pub(crate) outputs: Vec<Output>,
}

/// One mode of one engine.
pub(crate) struct Row {
    /// The engine.
    pub(crate) engine: &'static str,
    /// The mode, the engine's name included.
    pub(crate) label: String,
    /// What its version is, if it says so.
    pub(crate) version: String,
    /// The command of a run.
    pub(crate) command: String,
    /// What a run includes.
    pub(crate) kind: Kind,
    /// Whether cold minus this is the engine's time of compiling.
    pub(crate) plain: bool,
    /// Why there are no figures.
    pub(crate) missing: Option<Missing>,
    /// A sample for each round.
    pub(crate) runs: Vec<Cost>,
    /// The same for the empty module.
    pub(crate) empty: Vec<Cost>,
    /// What the engine's own clock said.
    pub(crate) clock: Vec<OwnClock>,
    /// Which of the outputs its runs had; more than one if they differed.
    pub(crate) outputs: Vec<usize>,
}

/// Why a row has no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The engine is not installed; how it was looked for.
    NotFound(String),
    /// It is there, and something went wrong.
    NotMeasured(String),
}

/// The parts of a run by the clock of the engine itself, milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct OwnClock {
    /// Compiling, or loading what was compiled.
    pub(crate) compile_ms: f64,
    /// The same in CPU time.
    pub(crate) compile_cpu_ms: f64,
    /// Instantiating.
    pub(crate) instantiate_ms: f64,
    /// The same in CPU time.
    pub(crate) instantiate_cpu_ms: f64,
    /// Running.
    pub(crate) run_ms: f64,
    /// The same in CPU time.
    pub(crate) run_cpu_ms: f64,
}

/// Wall clock or CPU time of a sample.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Time {
    /// From start to end.
    Wall,
    /// Used by all threads.
    Cpu,
}

impl Time {
    fn of(self, cost: &Cost) -> f64 {
        match self {
            Time::Wall => cost.wall,
            Time::Cpu => cost.cpu,
        }
    }
}

impl OwnClock {
    /// Reads what an engine wrote.
    pub(crate) fn read(text: &[u8]) -> Option<OwnClock> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let field = |name: &str| value.get(name)?.as_f64();
        Some(OwnClock {
            compile_ms: field("compile_ms")?,
            compile_cpu_ms: field("compile_cpu_ms")?,
            instantiate_ms: field("instantiate_ms")?,
            instantiate_cpu_ms: field("instantiate_cpu_ms")?,
            run_ms: field("run_ms")?,
            run_cpu_ms: field("run_cpu_ms")?,
        })
    }
}

impl Row {
    /// Time of the runs.
    pub(crate) fn time(&self, time: Time) -> Option<Figure> {
        Figure::of(self.runs.iter().map(|cost| time.of(cost)))
    }

    /// Peak memory of the runs, KiB.
    pub(crate) fn peak(&self) -> Option<u64> {
        self.runs.iter().map(|cost| cost.peak).max()
    }

    /// A median of the engine's own clock.
    pub(crate) fn own(&self, pick: impl Fn(&OwnClock) -> f64) -> Option<f64> {
        Figure::of(self.clock.iter().map(pick)).map(|figure| figure.median)
    }
}

impl Results {
    /// Whether all runs printed the same and ended alike.
    pub(crate) fn agree(&self) -> bool {
        self.outputs.len() <= 1
    }

    /// The output that most rows had; of equals, the first.
    fn usual(&self) -> usize {
        let rows_with = |at: &usize| self.rows.iter().filter(|row| row.outputs == [*at]).count();
        (0..self.outputs.len())
            .rev()
            .max_by_key(rows_with)
            .unwrap_or(0)
    }

    /// Whether a row did what most rows did, in all its runs.
    pub(crate) fn usual_output(&self, row: &Row) -> bool {
        row.outputs == [self.usual()]
    }

    /// Whether the figures of a row may be compared with others.
    pub(crate) fn comparable(&self, row: &Row) -> bool {
        row.missing.is_none() && !row.runs.is_empty() && self.usual_output(row)
    }

    /// Wasmtime's row to which one of this kind is compared.
    fn base(&self, kind: Kind) -> Option<&Row> {
        let base = self.rows.iter().find(|row| {
            row.engine == "wasmtime"
                && match kind {
                    Kind::Cold => row.kind == Kind::Cold,
                    Kind::Precompiled | Kind::Native => row.plain,
                }
        });
        base.filter(|row| self.comparable(row))
    }

    /// A row's time as a multiple of Wasmtime's in the mode that does the same work.
    pub(crate) fn ratio(&self, row: &Row, time: Time) -> Option<Figure> {
        let base = self.base(row.kind)?.time(time)?;
        match self.comparable(row) {
            true => row.time(time)?.over(base.median),
            false => None,
        }
    }

    /// Rows that show where an engine's time goes: all but those whose compiling another row tells apart.
    pub(crate) fn rows_with_parts(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| {
            let told_by_another = row.kind == Kind::Cold
                && self.rows.iter().any(|other| {
                    other.engine == row.engine && other.plain && self.comparable(other)
                });
            self.comparable(row) && !told_by_another
        })
    }

    /// Where the time of a row goes.
    pub(crate) fn parts(&self, row: &Row, time: Time) -> Option<Parts> {
        let total = row.time(time)?.median;
        let empty = Figure::of(row.empty.iter().map(|cost| time.of(cost)));
        let empty = empty.map_or(0.0, |figure| figure.median);
        let cold = self
            .rows
            .iter()
            .find(|other| row.plain && other.engine == row.engine && other.kind == Kind::Cold);
        match cold.and_then(|cold| cold.time(time)) {
            Some(cold) => Some(Parts {
                compile: Some((cold.median - total).max(0.0)),
                ..parts(total, empty, None)
            }),
            None => Some(parts(total, empty, self.compile_inside(row, time))),
        }
    }

    /// Compiling as part of a cold run, by the engine's own clock.
    fn compile_inside(&self, row: &Row, time: Time) -> Option<f64> {
        if row.kind != Kind::Cold {
            return None;
        }
        row.own(|clock| match time {
            Time::Wall => clock.compile_ms,
            Time::Cpu => clock.compile_cpu_ms,
        })
    }

    /// Execution as a multiple of Wasmtime's, unless that is too short to be told from start-up.
    pub(crate) fn execution_ratio(&self, row: &Row) -> Option<f64> {
        let base = self.base(Kind::Precompiled)?;
        let base = self.parts(base, Time::Cpu)?.execution;
        (base >= SHORTEST).then_some(self.parts(row, Time::Cpu)?.execution / base)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::process::End;
    use super::*;

    /// A row whose runs all took the same.
    pub(crate) fn row(engine: &'static str, kind: Kind, wall: f64, output: usize) -> Row {
        let cost = Cost {
            wall,
            cpu: wall,
            peak: 20_000,
        };
        let empty = Cost {
            wall: 10.0,
            cpu: 10.0,
            peak: 10_000,
        };
        Row {
            engine,
            label: format!("{engine}, {kind:?}"),
            version: "1".to_owned(),
            command: engine.to_owned(),
            kind,
            plain: kind == Kind::Precompiled,
            missing: None,
            runs: vec![cost; 3],
            empty: vec![empty; 3],
            clock: Vec::new(),
            outputs: vec![output],
        }
    }

    /// Results with these rows, and two different outputs.
    pub(crate) fn results(rows: Vec<Row>) -> Results {
        let output = |text: &str| Output {
            end: End::Code(0),
            stdout: text.into(),
        };
        Results {
            file: "a.wasm".to_owned(),
            args: vec!["1".to_owned()],
            rounds: 3,
            warm_up: 1,
            machine: vec![("cpu", "a processor".to_owned())],
            floor: 8000,
            rows,
            outputs: vec![output("one"), output("two")],
        }
    }

    #[test]
    fn like_is_compared_with_like() {
        let all = results(vec![
            row("craneway", Kind::Cold, 60.0, 0),
            row("craneway", Kind::Precompiled, 30.0, 0),
            row("wasmtime", Kind::Cold, 120.0, 0),
            row("wasmtime", Kind::Precompiled, 50.0, 0),
            row("native", Kind::Native, 25.0, 0),
        ]);
        let ratio = |at: usize| all.ratio(&all.rows[at], Time::Wall).unwrap().median;
        assert_eq!((ratio(0), ratio(1), ratio(4)), (0.5, 0.6, 0.5));
        let parts = all.parts(&all.rows[1], Time::Cpu).unwrap();
        assert_eq!(
            (parts.compile, parts.startup, parts.execution),
            (Some(30.0), 10.0, 20.0)
        );
        assert_eq!(all.execution_ratio(&all.rows[1]), Some(0.5));
        let labels: Vec<_> = all.rows_with_parts().map(|row| row.engine).collect();
        assert_eq!(labels, ["craneway", "wasmtime", "native"]);
    }

    #[test]
    fn who_prints_something_else_is_not_compared() {
        let all = results(vec![
            row("craneway", Kind::Cold, 60.0, 1),
            row("wasmtime", Kind::Cold, 120.0, 0),
            row("wasmi", Kind::Cold, 900.0, 0),
        ]);
        assert!(!all.agree());
        assert!(!all.usual_output(&all.rows[0]) && all.usual_output(&all.rows[2]));
        assert_eq!(all.ratio(&all.rows[0], Time::Wall), None);
        assert!(all.ratio(&all.rows[2], Time::Wall).is_some());
    }

    #[test]
    fn of_two_opinions_the_first_is_taken() {
        let all = results(vec![
            row("craneway", Kind::Cold, 60.0, 0),
            row("wasmtime", Kind::Cold, 120.0, 1),
        ]);
        assert!(all.usual_output(&all.rows[0]));
    }
}
