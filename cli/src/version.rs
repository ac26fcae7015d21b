//! What `--version` says.
//! Must never know anything that is not fixed when the command is built.

/// The version alone.
pub(crate) fn short() -> &'static str {
    concat!(
        env!("CARGO_PKG_VERSION"),
        " (",
        env!("CRANEWAY_TARGET"),
        ", Cranelift ",
        env!("CRANEWAY_CRANELIFT"),
        ")"
    )
}

/// The version, what it was built for and with.
pub(crate) fn long() -> &'static str {
    concat!(
        env!("CARGO_PKG_VERSION"),
        "\ntarget: ",
        env!("CRANEWAY_TARGET"),
        "\ncompiler: Cranelift ",
        env!("CRANEWAY_CRANELIFT"),
    )
}
