//! Shows the libraries' tracing spans on standard error when `RUST_LOG` asks for it.
//! Must never know which spans there are.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging if it is allowed and wanted. Each span is shown when it closes, with its times.
pub(crate) fn start(allowed: bool) {
    let wanted = std::env::var_os("RUST_LOG").is_some_and(|filter| !filter.is_empty());
    if !(allowed && wanted) {
        return;
    }
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Fails only if logging was started before, which leaves that one in place.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(colour)
        .with_writer(std::io::stderr)
        .try_init();
}
