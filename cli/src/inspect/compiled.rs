//! The report on a compiled file: what it contains, and the settings that running it needs.
//! Must never load its code: a file from anywhere can be looked at.

use super::text::{grouped, size};
use crate::input::Input;
use crate::report::Failure;
use craneway::{MemoryType, SerializedContents, SerializedModule};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The report, as JSON if asked for.
pub(super) fn report(input: &Input, as_json: bool) -> Result<String, Failure> {
    let bytes = input.compiled_bytes()?;
    let module = SerializedModule::new(&bytes).map_err(|err| {
        Failure::from_error(&input.name, &err).hint("compile it again with this command")
    })?;
    Ok(match as_json {
        true => json(&input.name, bytes.len(), &module),
        false => text(&input.name, bytes.len(), &module),
    })
}

/// A type without the parentheses around it.
fn bare(ty: impl ToString) -> String {
    let text = ty.to_string();
    let inner = text.strip_prefix('(').and_then(|t| t.strip_suffix(')'));
    inner.map_or(text.clone(), str::to_owned)
}

fn named(contents: &SerializedContents) -> [(&'static str, Vec<(String, String)>); 2] {
    let imports = contents
        .imports()
        .map(|i| (format!("{}.{}", i.module(), i.name()), bare(i.ty())));
    let exports = contents
        .exports()
        .map(|e| (e.name().to_owned(), bare(e.ty())));
    [
        ("imports", imports.collect()),
        ("exports", exports.collect()),
    ]
}

// Writing to a String cannot fail, so the results of `writeln!` are dropped throughout.

fn text(name: &str, bytes: usize, module: &SerializedModule) -> String {
    let mut out = format!("{name}: compiled module of {} bytes", grouped(bytes));
    if let Some(name) = module.contents().and_then(SerializedContents::name) {
        let _ = write!(out, ", named \"{}\"", name.escape_debug());
    }
    out.push('\n');
    match module.contents() {
        Some(contents) => contained(&mut out, contents),
        None => out.push_str("what it contains, only the version that compiled it can show\n"),
    }
    let _ = writeln!(out, "\nsettings that `craneway run` needs too:");
    let width = module.settings().map(|s| s.0.len()).max().unwrap_or(0);
    for (name, value) in module.settings() {
        let _ = writeln!(out, "  {name:width$}  {}", value.escape_debug());
    }
    out
}

fn contained(out: &mut String, contents: &SerializedContents) {
    let features: Vec<&str> = contents.required_features().collect();
    let _ = match features.is_empty() {
        true => writeln!(out, "features: none beyond WebAssembly 1.0"),
        false => writeln!(out, "features: {}", features.join(", ")),
    };
    for (title, items) in named(contents) {
        let _ = match items.len() {
            0 => writeln!(out, "\n{title}: none"),
            n => writeln!(out, "\n{title} ({n}):"),
        };
        // One very long name must not push all types out of sight.
        let longest = items.iter().map(|i| i.0.chars().count()).max();
        let width = longest.unwrap_or(0).min(48);
        for (name, ty) in items {
            let _ = writeln!(out, "  {:width$}  {ty}", name.escape_debug().to_string());
        }
    }
    if contents.memories().len() > 0 {
        let _ = writeln!(out, "\nmemories ({}):", contents.memories().len());
    }
    for (index, ty) in contents.memories().enumerate() {
        let _ = writeln!(out, "  {index}: {}", memory(&ty));
    }
    let stats = contents.stats();
    let _ = writeln!(out, "\nsizes:");
    for (bytes, what) in [
        (
            stats.text_bytes,
            format!("machine code of {} functions", stats.functions),
        ),
        (
            stats.wasm_code_bytes as usize,
            "WebAssembly that it comes from".to_owned(),
        ),
        (stats.data_bytes, "data".to_owned()),
        (stats.field_bytes, "fields of each instance".to_owned()),
    ] {
        let _ = writeln!(out, "  {:>12}  {what}", grouped(bytes));
    }
}

fn memory(ty: &MemoryType) -> String {
    let bytes = |pages: u64| size(u128::from(pages) * u128::from(ty.page_size()));
    let mut text = format!("{} pages ({})", ty.minimum(), bytes(ty.minimum()));
    match ty.maximum() {
        Some(most) => {
            let _ = write!(text, ", at most {most} ({})", bytes(most));
        }
        None => text.push_str(", no maximum"),
    }
    for (flag, word) in [(ty.is_64(), ", 64-bit"), (ty.is_shared(), ", shared")] {
        if flag {
            text.push_str(word);
        }
    }
    text
}

/// Keys are never renamed or removed, only added.
fn json(name: &str, bytes: usize, module: &SerializedModule) -> String {
    let settings: Map<String, Value> = module
        .settings()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let mut report = json!({
        "file": name,
        "kind": "compiled",
        "settings": settings,
        "contents": null,
    });
    if let Some(contents) = module.contents() {
        let stats = contents.stats();
        let imports = contents
            .imports()
            .map(|i| json!({ "module": i.module(), "name": i.name(), "type": bare(i.ty()) }));
        let exports = contents
            .exports()
            .map(|e| json!({ "name": e.name(), "type": bare(e.ty()) }));
        let memories = contents.memories().map(|ty| {
            json!({
                "initial_pages": ty.minimum(),
                "maximum_pages": ty.maximum(),
                "page_bytes": ty.page_size(),
                "memory64": ty.is_64(),
                "shared": ty.is_shared(),
            })
        });
        report["contents"] = json!({
            "name": contents.name(),
            "features": contents.required_features().collect::<Vec<_>>(),
            "imports": imports.collect::<Vec<_>>(),
            "exports": exports.collect::<Vec<_>>(),
            "memories": memories.collect::<Vec<_>>(),
            "functions": stats.functions,
            "sizes": {
                "file": bytes,
                "machine_code": stats.text_bytes,
                "wasm_code": stats.wasm_code_bytes,
                "data": stats.data_bytes,
                "instance_fields": stats.field_bytes,
            },
        });
    }
    format!("{report:#}\n")
}
