//! The probe of `benches/src/probe.rs`, compiled against Wasmtime. Not part of the workspace.

use wasmtime as engine;

#[path = "../../src/probe.rs"]
mod probe;

/// Wasmtime has its defaults.
fn configure(_config: &mut engine::Config) -> engine::Result<()> {
    Ok(())
}

fn main() -> std::process::ExitCode {
    probe::main()
}
