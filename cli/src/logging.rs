//! Shows the libraries' tracing spans on standard error when `RUST_LOG` asks for it.
//! Must never know which spans there are.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Crates whose own logging would bury ours; a directive that names one of them brings it back.
const QUIET: &str =
    "cranelift_codegen=warn,cranelift_frontend=warn,cranelift_jit=warn,regalloc2=warn,mio=warn";

/// Starts logging if it is allowed and wanted. Each span is shown when it closes, with its times.
pub(crate) fn start(allowed: bool) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    if !allowed || wanted.is_empty() {
        return;
    }
    let filter = match EnvFilter::try_new(format!("{QUIET},{wanted}")) {
        Ok(filter) => filter,
        Err(err) => {
            eprintln!("note: RUST_LOG={wanted} is not understood and has no effect: {err}");
            return;
        }
    };
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Fails only if logging was started before, which leaves that one in place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .try_init();
}
