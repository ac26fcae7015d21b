//! The probe compiled against Craneway; `benches/peers` compiles the same file against Wasmtime.

use craneway as engine;

mod probe;

/// Passes that `$CRANEWAY_PASSES` switches, as in `inline=n,anchor=n`: what an ablation is made of.
fn configure(config: &mut engine::Config) -> engine::Result<()> {
    let Ok(switches) = std::env::var("CRANEWAY_PASSES") else {
        return Ok(());
    };
    for switch in switches.split(',').filter(|s| !s.is_empty()) {
        let (name, value) = switch.split_once('=').unwrap_or((switch, "y"));
        config.cranelift_pass(name, value != "n")?;
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    // What the report takes its list of passes from, so that a new one appears there by itself.
    if std::env::args().nth(1).as_deref() == Some("about") {
        let each = engine::PassId::ALL.iter();
        let passes: Vec<String> = each
            .map(|pass| format!("\"{}\": \"{}\"", pass.name(), pass.about()))
            .collect();
        eprintln!("{{\"passes\": {{{}}}}}", passes.join(", "));
        return std::process::ExitCode::SUCCESS;
    }
    probe::main()
}
