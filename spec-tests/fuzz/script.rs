//! A failure as a script of the official test format, so that it can join the regressions.
//!
//! What the script expects is what the oracle did. This file must never know how modules are run.

use std::fmt::Write;

use wasmparser::{FuncType, Parser, Payload, TypeRef, ValType};

use super::compare::Made;
use super::host;
use super::value::{Kind, Outcome, Type, Value};

/// What the state is to be after the calls.
pub(super) enum Seen {
    /// An exported global's value.
    Global(String, Value),
    /// A byte of an exported memory.
    Byte(String, usize, u8),
}

/// The script; the error says why there cannot be one.
pub(super) fn script(
    wasm: &[u8],
    heading: &str,
    made: &[Made],
    seen: &[Seen],
) -> Result<String, String> {
    let mut text = String::new();
    for line in heading.lines() {
        let _ = writeln!(text, ";; {line}");
    }
    text.push_str(&provider(wasm)?);
    let module = wasmprinter::print_bytes(wasm).map_err(|error| error.to_string())?;
    let module = module.trim_end().strip_suffix(')').unwrap_or(&module);
    text.push_str(module);
    let mut asserts = String::new();
    for (at, seen) in seen.iter().enumerate() {
        match seen {
            Seen::Global(name, value) => {
                let _ = writeln!(
                    asserts,
                    "(assert_return (get {name:?}) {})",
                    constant(value, true)
                );
            }
            Seen::Byte(name, address, byte) => {
                let (memory, index) = memory(wasm, name).ok_or("no such memory")?;
                let _ = writeln!(
                    text,
                    "  (func (export \"byte {at}\") (result i32) (i32.load8_u {memory} ({index}.const {address})))"
                );
                let _ = writeln!(
                    asserts,
                    "(assert_return (invoke \"byte {at}\") (i32.const {byte}))"
                );
            }
        }
    }
    text.push_str(")\n");
    for made in made {
        let args: Vec<String> = made.args.iter().map(|arg| constant(arg, false)).collect();
        let invoke = format!("(invoke {:?} {})", made.name, args.join(" "));
        let _ = match &made.want {
            Outcome::Values(values) => {
                let values: Vec<String> =
                    values.iter().map(|value| constant(value, true)).collect();
                writeln!(text, "(assert_return {invoke} {})", values.join(" "))
            }
            Outcome::Trap(kind) => writeln!(text, "(assert_trap {invoke} {:?})", words(*kind)),
            Outcome::Broken(_) => writeln!(text, "{invoke}"),
        };
    }
    text.push_str(&asserts);
    Ok(text)
}

/// Index and index type of an exported memory.
fn memory(wasm: &[u8], name: &str) -> Option<(u32, &'static str)> {
    let mut wide = Vec::new();
    let mut index = None;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    if let TypeRef::Memory(ty) = import.ok()?.ty {
                        wide.push(ty.memory64);
                    }
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    wide.push(memory.ok()?.memory64);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.ok()?;
                    if export.name == name {
                        index = Some(export.index);
                    }
                }
            }
            _ => {}
        }
    }
    let index = index?;
    let is_wide = *wide.get(index as usize)?;
    Some((index, if is_wide { "i64" } else { "i32" }))
}

/// A module that exports what the module imports; its functions are never called.
fn provider(wasm: &[u8]) -> Result<String, String> {
    let mut fields: Vec<String> = Vec::new();
    let mut module = None;
    let mut types: Vec<FuncType> = Vec::new();
    let mut globals = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        let imports = match payload.map_err(|error| error.to_string())? {
            Payload::ImportSection(imports) => imports,
            Payload::TypeSection(all) => {
                types = all.into_iter_err_on_gc_types().flatten().collect();
                continue;
            }
            _ => continue,
        };
        for import in imports.into_imports() {
            let import = import.map_err(|error| error.to_string())?;
            if *module.get_or_insert(import.module) != import.module {
                return Err("it imports from several modules".into());
            }
            let max = |max: Option<u64>| max.map(|max| max.to_string()).unwrap_or_default();
            let name = import.name;
            let known = fields
                .iter()
                .any(|field| field.contains(&format!("(export {name:?})")));
            if known {
                continue;
            }
            fields.push(match import.ty {
                TypeRef::Global(ty) => {
                    globals += 1;
                    let own = number_type(ty.content_type)
                        .ok_or("it imports a global of another type")?;
                    let value = constant(&host::global(globals, own), false);
                    let text = text_type(own);
                    let ty = if ty.mutable {
                        format!("(mut {text})")
                    } else {
                        text.into()
                    };
                    format!("(global (export {name:?}) {ty} {value})")
                }
                TypeRef::Memory(ty) => {
                    let index = if ty.memory64 { "i64" } else { "i32" };
                    format!(
                        "(memory (export {name:?}) {index} {} {})",
                        ty.initial,
                        max(ty.maximum)
                    )
                }
                TypeRef::Table(ty) => {
                    format!(
                        "(table (export {name:?}) {} {} funcref)",
                        ty.initial,
                        max(ty.maximum)
                    )
                }
                TypeRef::Func(index) => {
                    let ty = types.get(index as usize).ok_or("a type is missing")?;
                    let list = |kind: &str, types: &[ValType]| {
                        let all: Vec<String> =
                            types.iter().map(|ty| format!("({kind} {ty})")).collect();
                        all.join(" ")
                    };
                    let (params, results) =
                        (list("param", ty.params()), list("result", ty.results()));
                    format!("(func (export {name:?}) {params} {results} unreachable)")
                }
                _ => return Err("it imports what a script cannot give".into()),
            });
        }
    }
    Ok(match module {
        Some(module) => format!(
            "(module $host {})\n(register {module:?} $host)\n",
            fields.join(" ")
        ),
        None => String::new(),
    })
}

fn number_type(ty: ValType) -> Option<Type> {
    Some(match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
        ValType::V128 => Type::V128,
        ValType::Ref(_) => return None,
    })
}

fn text_type(ty: Type) -> &'static str {
    match ty {
        Type::I32 => "i32",
        Type::I64 => "i64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        _ => "v128",
    }
}

fn constant(value: &Value, expected: bool) -> String {
    match *value {
        Value::I32(x) => format!("(i32.const {x:#x})"),
        Value::I64(x) => format!("(i64.const {x:#x})"),
        Value::F32(x) => {
            let float = f32::from_bits(x);
            match float.is_nan() {
                true if expected => "(f32.const nan:canonical)".into(),
                true => format!("(f32.const {}nan:{:#x})", sign(x >> 31), x & 0x7f_ffff),
                false if float.is_infinite() => format!("(f32.const {}inf)", sign(x >> 31)),
                false => format!("(f32.const {float:?})"),
            }
        }
        Value::F64(x) => {
            let float = f64::from_bits(x);
            let negative = (x >> 63) as u32;
            match float.is_nan() {
                true if expected => "(f64.const nan:canonical)".into(),
                true => format!(
                    "(f64.const {}nan:{:#x})",
                    sign(negative),
                    x & ((1 << 52) - 1)
                ),
                false if float.is_infinite() => format!("(f64.const {}inf)", sign(negative)),
                false => format!("(f64.const {float:?})"),
            }
        }
        Value::V128(x) => {
            let word = |at: u32| format!("{:#x}", (x >> (32 * at)) as u32);
            format!(
                "(v128.const i32x4 {} {} {} {})",
                word(0),
                word(1),
                word(2),
                word(3)
            )
        }
        Value::Func(Some(_)) => "(ref.func)".into(),
        Value::Func(None) => "(ref.null func)".into(),
        Value::Extern(Some(x)) => format!("(ref.extern {x})"),
        Value::Extern(None) => "(ref.null extern)".into(),
        Value::Exn(_) => "(ref.null exn)".into(),
    }
}

fn sign(negative: u32) -> &'static str {
    if negative == 0 { "" } else { "-" }
}

/// The words by which scripts know a trap.
fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Unreachable => "unreachable",
        Kind::MemoryOutOfBounds => "out of bounds memory access",
        Kind::TableOutOfBounds => "undefined element",
        Kind::CallToNull => "uninitialized element",
        Kind::BadSignature => "indirect call type mismatch",
        Kind::DivisionByZero => "integer divide by zero",
        Kind::Overflow => "integer overflow",
        Kind::BadConversion => "invalid conversion to integer",
        Kind::NullReference => "null reference",
        Kind::Misaligned => "unaligned atomic",
        Kind::WaitUnshared => "expected shared memory",
        Kind::Exception => "exception",
        Kind::Fuel | Kind::Resources => "call stack exhausted",
    }
}
