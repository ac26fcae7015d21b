//! Tells the command the target that it is built for, which `--version` reports.

fn main() {
    let target = std::env::var("TARGET").unwrap_or_else(|_| "unknown target".to_owned());
    println!("cargo::rustc-env=CRANEWAY_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
}
