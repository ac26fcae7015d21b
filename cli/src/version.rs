//! What `--version` says.
//! Must never know anything that is not fixed when the command is built.

use std::sync::LazyLock;

/// What the command was built for.
const TARGET: &str = env!("CRANEWAY_TARGET");

/// The version on one line.
pub(crate) fn short() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{} ({TARGET}, Cranelift {})",
            env!("CARGO_PKG_VERSION"),
            craneway::cranelift_version()
        )
    });
    &TEXT
}

/// The version, what it was built for and with.
pub(crate) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{}\ntarget: {TARGET}\ncompiler: Cranelift {}",
            env!("CARGO_PKG_VERSION"),
            craneway::cranelift_version()
        )
    });
    &TEXT
}
