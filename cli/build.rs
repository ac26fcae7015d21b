//! Tells the command what `--version` reports: the target, and the Cranelift that the lockfile pins.

use std::path::Path;

fn main() {
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown target".to_owned());
    println!("cargo::rustc-env=CRANEWAY_TARGET={target}");
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", lock.display());
    let text = std::fs::read_to_string(&lock).unwrap_or_default();
    println!(
        "cargo::rustc-env=CRANEWAY_CRANELIFT={}",
        locked_version(&text, "cranelift-codegen")
    );
}

/// The version of a package in a lockfile.
fn locked_version<'a>(lock: &'a str, package: &str) -> &'a str {
    let header = format!("name = \"{package}\"\nversion = \"");
    lock.split_once(&header)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("of unknown version", |(version, _)| version)
}
