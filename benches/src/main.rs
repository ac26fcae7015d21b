//! The probe compiled against Craneway; `benches/peers` compiles the same file against Wasmtime.

use craneway as engine;

mod probe;

fn main() -> std::process::ExitCode {
    probe::main()
}
