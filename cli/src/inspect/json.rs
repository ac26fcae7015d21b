//! The report for programs. Keys are never renamed or removed, only added.
//! Must never know how the contents were found.

use super::contents::{Contents, Item};
use super::features::is_supported;
use serde_json::{Map, Value, json};

/// The report as indented JSON.
pub(crate) fn render(file: &str, c: &Contents) -> String {
    let features: Vec<&str> = c.features.names().collect();
    let unsupported: Vec<&str> = c
        .features
        .names()
        .filter(|name| !is_supported(name))
        .collect();
    let custom: Map<String, Value> = c
        .custom
        .iter()
        .map(|(name, size)| (name.clone(), json!(size)))
        .collect();
    let report = json!({
        "file": file,
        "name": c.name,
        "kind": c.role(),
        "start": c.start,
        "features": features,
        "unsupported_features": unsupported,
        "imports": c.imports.iter().map(import).collect::<Vec<_>>(),
        "exports": c.exports.iter().map(export).collect::<Vec<_>>(),
        "memories": memories(c),
        "tables": tables(c),
        "counts": {
            "functions_imported": c.imported("func"),
            "functions_defined": c.functions,
            "globals": c.globals.len(),
            "data_segments": c.data_segments,
            "element_segments": c.element_segments,
        },
        "sizes": {
            "module": c.bytes,
            "code": c.code_bytes,
            "data": c.data_bytes,
            "largest_function": c.largest.map(|(size, _)| size),
            "custom": custom,
        },
        "producers": c.producers,
    });
    format!("{report:#}\n")
}

fn import(item: &Item) -> Value {
    json!({ "module": item.module, "name": item.name, "kind": item.kind, "type": item.ty })
}

fn export(item: &Item) -> Value {
    json!({ "name": item.name, "kind": item.kind, "type": item.ty })
}

fn memories(c: &Contents) -> Vec<Value> {
    let imported = c.imported("memory");
    let one = |(index, ty): (usize, &wasmparser::MemoryType)| {
        json!({
            "index": index,
            "initial_pages": ty.initial,
            "maximum_pages": ty.maximum,
            "page_bytes": 1u64 << ty.page_size_log2.unwrap_or(16),
            "memory64": ty.memory64,
            "shared": ty.shared,
            "imported": index < imported,
            "exported_as": c.exported_as("memory", index),
        })
    };
    c.memories.iter().enumerate().map(one).collect()
}

fn tables(c: &Contents) -> Vec<Value> {
    let imported = c.imported("table");
    let one = |(index, ty): (usize, &wasmparser::TableType)| {
        json!({
            "index": index,
            "element_type": ty.element_type.to_string(),
            "initial": ty.initial,
            "maximum": ty.maximum,
            "imported": index < imported,
            "exported_as": c.exported_as("table", index),
        })
    };
    c.tables.iter().enumerate().map(one).collect()
}
