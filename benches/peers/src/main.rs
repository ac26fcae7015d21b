//! The probe of `benches/src/probe.rs`, compiled against Wasmtime. Not part of the workspace.

use wasmtime as engine;

#[path = "../../src/probe.rs"]
mod probe;

/// Wasmtime has its defaults, unless `$PROBE_INLINING=y` switches its inliner on, as its command's `-C inlining=y` does.
fn configure(config: &mut engine::Config) -> engine::Result<()> {
    if inlining() {
        config.compiler_inlining(engine::Inlining::Yes);
    }
    Ok(())
}

fn inlining() -> bool {
    std::env::var("PROBE_INLINING").is_ok_and(|value| value == "y")
}

fn main() -> std::process::ExitCode {
    // An older probe would ignore the variable without a word; this tells the report that it is obeyed.
    if std::env::args().nth(1).as_deref() == Some("about") {
        eprintln!("{{\"inlining\": {}}}", inlining());
        return std::process::ExitCode::SUCCESS;
    }
    probe::main()
}
