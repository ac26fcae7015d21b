//! All WebAssembly instructions by number and name, and which of them may end a run of instructions.

use wasmparser::{Operator, Parser, Payload};

macro_rules! opcodes {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        #[derive(Clone, Copy)]
        enum Opcode { $($op,)* }

        /// The names of all instructions, by number.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($op),)*];

        /// The number of an instruction.
        pub(super) fn number(operator: &Operator<'_>) -> Option<usize> {
            Some(match operator {
                $(Operator::$op { .. } => Opcode::$op as usize,)*
                _ => return None,
            })
        }
    };
}

wasmparser::for_each_operator!(opcodes);

/// Whether control may come from or go elsewhere at this instruction, or end there.
pub(super) fn ends_run(number: usize) -> bool {
    const EXACT: &[&str] = &[
        "Unreachable",
        "Loop",
        "If",
        "Else",
        "End",
        "Br",
        "BrIf",
        "BrTable",
        "Return",
        "Select",
        "TypedSelect",
        "Throw",
        "ThrowRef",
    ];
    const PARTS: &[&str] = &[
        "Load", "Store", "Div", "Rem", "Trunc", "Table", "Memory", "Call", "Atomic", "Elem", "Data",
    ];
    NAMES
        .get(number)
        .is_none_or(|name| EXACT.contains(name) || PARTS.iter().any(|part| name.contains(part)))
}

/// For each instruction, 1 if the code of `wasm` contains it.
pub(super) fn contained(wasm: &[u8]) -> Vec<u64> {
    let mut contained = vec![0; NAMES.len()];
    for payload in Parser::new(0).parse_all(wasm).flatten() {
        let Payload::CodeSectionEntry(body) = payload else {
            continue;
        };
        let Ok(reader) = body.get_operators_reader() else {
            continue;
        };
        for operator in reader.into_iter().flatten() {
            if let Some(number) = number(&operator) {
                contained[number] = 1;
            }
        }
    }
    contained
}
