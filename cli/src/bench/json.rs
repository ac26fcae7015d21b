//! Results for programs: every sample, beside what it was measured on. Keys are never renamed or removed, only added.
//! Must never know how figures are shown to people.

use super::engines::Kind;
use super::process::{Cost, End};
use super::results::{Missing, Results, Row, Time};
use serde_json::{Map, Value, json};

/// The report as indented JSON.
pub(crate) fn render(results: &Results) -> String {
    let machine: Map<String, Value> = results
        .machine
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let outputs: Vec<Value> = results
        .outputs
        .iter()
        .map(|output| {
            let (code, signal) = match output.end {
                End::Code(code) => (Some(code), None),
                End::Signal(signal) => (None, Some(signal)),
            };
            json!({
                "exit_code": code,
                "signal": signal,
                "stdout_bytes": output.stdout.len(),
                "stdout": String::from_utf8_lossy(&output.stdout).chars().take(4096).collect::<String>(),
            })
        })
        .collect();
    let rows: Vec<Value> = results.rows.iter().map(|r| row(results, r)).collect();
    let report = json!({
        "file": results.file,
        "args": results.args,
        "rounds": results.rounds,
        "warm_up": results.warm_up,
        "machine": machine,
        "peak_floor_kib": results.floor,
        "outputs_agree": results.agree(),
        "outputs": outputs,
        "rows": rows,
    });
    // Values without keys that are not text cannot fail to be written.
    format!("{report:#}\n")
}

fn row(results: &Results, row: &Row) -> Value {
    let (status, reason) = match &row.missing {
        None => ("measured", None),
        Some(Missing::NotFound(how)) => ("not found", Some(how)),
        Some(Missing::NotMeasured(why)) => ("not measured", Some(why)),
    };
    let parts = |time: Time| {
        let parts = results.parts(row, time).filter(|_| results.comparable(row));
        parts.map(|p| json!({"compile_ms": p.compile, "startup_ms": p.startup, "execution_ms": p.execution}))
    };
    let ratio = |time: Time| results.ratio(row, time).map(|ratio| ratio.median);
    let median = |time: Time| row.time(time).map(|figure| figure.median);
    let own: Vec<Value> = row
        .clock
        .iter()
        .map(|c| {
            json!({
                "compile_ms": c.compile_ms, "compile_cpu_ms": c.compile_cpu_ms,
                "instantiate_ms": c.instantiate_ms, "instantiate_cpu_ms": c.instantiate_cpu_ms,
                "run_ms": c.run_ms, "run_cpu_ms": c.run_cpu_ms,
            })
        })
        .collect();
    json!({
        "engine": row.engine,
        "mode": row.label,
        "includes": match row.kind {
            Kind::Cold => "compiling and running",
            Kind::Precompiled => "running what was compiled before",
            Kind::Native => "running",
        },
        "version": row.version,
        "command": row.command,
        "status": status,
        "reason": reason,
        "outputs": row.outputs,
        "median_wall_ms": median(Time::Wall),
        "median_cpu_ms": median(Time::Cpu),
        "wall_over_wasmtime": ratio(Time::Wall),
        "cpu_over_wasmtime": ratio(Time::Cpu),
        "execution_over_wasmtime": results.execution_ratio(row).filter(|_| results.comparable(row)),
        "peak_kib": row.peak(),
        "wall_parts": parts(Time::Wall),
        "cpu_parts": parts(Time::Cpu),
        "runs": samples(&row.runs),
        "empty_runs": samples(&row.empty),
        "own_clock": own,
    })
}

fn samples(costs: &[Cost]) -> Vec<Value> {
    let each = costs.iter();
    each.map(|c| json!({"wall_ms": c.wall, "cpu_ms": c.cpu, "peak_kib": c.peak}))
        .collect()
}
