//! The report for people.
//! Must never know how the contents were found.

use super::contents::{Contents, Item};
use super::features::is_supported;
use std::fmt::Write as _;

/// The report as text.
pub(crate) fn render(file: &str, c: &Contents) -> String {
    let mut out = String::new();
    summary(&mut out, file, c);
    items(&mut out, "imports", &c.imports);
    items(&mut out, "exports", &c.exports);
    memories(&mut out, c);
    sizes(&mut out, c);
    out
}

// Writing to a String cannot fail, so the results of `writeln!` are dropped throughout.

fn summary(out: &mut String, file: &str, c: &Contents) {
    let _ = write!(out, "{file}: {} of {}", c.role(), grouped(c.bytes));
    let _ = match &c.name {
        Some(name) => writeln!(out, " bytes, named \"{name}\""),
        None => writeln!(out, " bytes"),
    };
    let features: Vec<String> = c
        .features
        .names()
        .map(|name| {
            if is_supported(name) {
                name.to_owned()
            } else {
                format!("{name} (not supported yet)")
            }
        })
        .collect();
    let list = if features.is_empty() {
        "none beyond WebAssembly 1.0".to_owned()
    } else {
        features.join(", ")
    };
    let _ = writeln!(out, "features: {list}");
    if !c.producers.is_empty() {
        let _ = writeln!(out, "made by: {}", c.producers.join(", "));
    }
    if c.start {
        let _ = writeln!(out, "start function: runs when the module is instantiated");
    }
}

fn items(out: &mut String, title: &str, items: &[Item]) {
    if items.is_empty() {
        let _ = writeln!(out, "\n{title}: none");
        return;
    }
    let _ = writeln!(out, "\n{title} ({}):", items.len());
    let full = |item: &Item| match title {
        "imports" => format!("{}.{}", item.module, item.name),
        _ => item.name.clone(),
    };
    // One very long name must not push all types out of sight.
    let width = items
        .iter()
        .map(|item| full(item).chars().count())
        .max()
        .unwrap_or(0)
        .min(48);
    for item in items {
        let _ = writeln!(
            out,
            "  {:width$}  {}",
            full(item).escape_debug().to_string(),
            item.ty
        );
    }
}

fn memories(out: &mut String, c: &Contents) {
    let imported = c.imported("memory");
    if !c.memories.is_empty() {
        let _ = writeln!(out, "\nmemories ({}):", c.memories.len());
    }
    for (index, ty) in c.memories.iter().enumerate() {
        let page = 1u128 << ty.page_size_log2.unwrap_or(16);
        let _ = write!(
            out,
            "  {index}: {} pages ({})",
            ty.initial,
            size(u128::from(ty.initial) * page)
        );
        let _ = match ty.maximum {
            Some(maximum) => write!(
                out,
                ", at most {maximum} ({})",
                size(u128::from(maximum) * page)
            ),
            None => write!(out, ", no maximum"),
        };
        for (flag, word) in [
            (ty.memory64, "64-bit"),
            (ty.shared, "shared"),
            (index < imported, "imported"),
        ] {
            if flag {
                let _ = write!(out, ", {word}");
            }
        }
        let names = c.exported_as("memory", index);
        if !names.is_empty() {
            let _ = write!(out, ", exported as {}", names.join(", "));
        }
        out.push('\n');
    }
}

fn sizes(out: &mut String, c: &Contents) {
    let _ = writeln!(out, "\nsizes:");
    let _ = write!(
        out,
        "  {:>12}  code in {} functions",
        grouped(c.code_bytes),
        c.functions
    );
    let _ = match c.largest {
        Some((size, index)) => writeln!(out, ", the largest (index {index}) {}", grouped(size)),
        None => writeln!(out),
    };
    let _ = writeln!(
        out,
        "  {:>12}  data in {} segments",
        grouped(c.data_bytes),
        c.data_segments
    );
    for (name, size) in &c.custom {
        let _ = writeln!(
            out,
            "  {:>12}  custom section {}",
            grouped(*size),
            name.escape_debug()
        );
    }
    let elements: u64 = c.tables.iter().map(|ty| ty.initial).sum();
    let _ = writeln!(
        out,
        "  {} globals, {} tables with {elements} elements, {} element segments",
        c.globals.len(),
        c.tables.len(),
        c.element_segments
    );
}

/// 1234567 as 1,234,567.
pub(super) fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes in the largest unit that divides it, or nearly.
pub(super) fn size(bytes: u128) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match value.fract() == 0.0 {
        true => format!("{value:.0} {}", UNITS[unit]),
        false => format!("{value:.1} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::{grouped, size};

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(size(65536), "64 KiB");
        assert_eq!(size(1 << 32), "4 GiB");
        assert_eq!(size(1_500_000), "1.4 MiB");
    }
}
