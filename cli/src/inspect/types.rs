//! Types of imports and exports in the words of the text format.
//! Must never know what has the type.

use wasmparser::{FuncType, GlobalType, MemoryType, TableType};

/// `func (param i32) (result i64)`
pub(crate) fn func(ty: Option<&FuncType>) -> String {
    signature("func", ty)
}

/// `tag (param i32)`
pub(crate) fn tag(ty: Option<&FuncType>) -> String {
    signature("tag", ty)
}

fn signature(word: &str, ty: Option<&FuncType>) -> String {
    let Some(ty) = ty else {
        return format!("{word} of a type that is no function type");
    };
    let mut text = word.to_owned();
    for (label, types) in [("param", ty.params()), ("result", ty.results())] {
        if !types.is_empty() {
            let names: Vec<String> = types.iter().map(ToString::to_string).collect();
            text.push_str(&format!(" ({label} {})", names.join(" ")));
        }
    }
    text
}

/// `memory i64 1 2 shared`
pub(crate) fn memory(ty: &MemoryType) -> String {
    let mut text = format!("memory {}", limits(ty.memory64, ty.initial, ty.maximum));
    if ty.shared {
        text.push_str(" shared");
    }
    text
}

/// `table 1 2 funcref`
pub(crate) fn table(ty: &TableType) -> String {
    format!(
        "table {} {}",
        limits(ty.table64, ty.initial, ty.maximum),
        ty.element_type
    )
}

/// `global (mut i32)`
pub(crate) fn global(ty: &GlobalType) -> String {
    match ty.mutable {
        true => format!("global (mut {})", ty.content_type),
        false => format!("global {}", ty.content_type),
    }
}

fn limits(wide: bool, initial: u64, maximum: Option<u64>) -> String {
    let prefix = if wide { "i64 " } else { "" };
    match maximum {
        Some(maximum) => format!("{prefix}{initial} {maximum}"),
        None => format!("{prefix}{initial}"),
    }
}
