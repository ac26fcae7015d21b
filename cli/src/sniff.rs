//! What a file is, judged by its first bytes.
//! Must never know file names: a module is told by its content.

/// What the bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A core module in the binary format.
    Module,
    /// A component in the binary format.
    Component,
    /// The text format, or something that starts like it.
    Text,
    /// The wasm magic number, but a version that does not exist.
    UnknownVersion(u32),
    /// Something else, described with an article ("an ELF executable").
    Other(&'static str),
}

/// Signatures of files that people pass by mistake.
const SIGNATURES: &[(&[u8], &str)] = &[
    (b"\x7fELF", "a native ELF program or library"),
    (b"\x1f\x8b", "gzip-compressed data; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data; unpack it first"),
    (b"\xfd7zXZ\0", "xz-compressed data; unpack it first"),
    (b"BZh", "bzip2-compressed data; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (
        b"!<arch>\n",
        "a static library; link it into a module first",
    ),
    (b"BC\xc0\xde", "LLVM bitcode; compile and link it first"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS program or a Java class"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"#!", "a script"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer; fetch the file itself first",
    ),
];

/// Decides what the bytes are.
pub(crate) fn sniff(bytes: &[u8]) -> Kind {
    if let Some(rest) = bytes.strip_prefix(b"\0asm") {
        return match rest.first_chunk::<4>().map(|v| u32::from_le_bytes(*v)) {
            // The upper half is the layer: 0 for modules, 1 for components.
            Some(1) => Kind::Module,
            Some(version) if version >> 16 == 1 => Kind::Component,
            Some(version) => Kind::UnknownVersion(version),
            None => Kind::Other("a WebAssembly module cut off in its first 8 bytes"),
        };
    }
    if bytes.is_empty() {
        return Kind::Other("empty");
    }
    if let Some((_, what)) = SIGNATURES
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
    {
        return Kind::Other(what);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = text.iter().copied().find(|b| !b.is_ascii_whitespace());
    match first {
        None => Kind::Other("blank"),
        Some(b'(' | b';') => Kind::Text,
        Some(b'<') => Kind::Other("an HTML or XML document; was this a download that failed?"),
        Some(b'{' | b'[') => Kind::Other("JSON text"),
        Some(_) => Kind::Other(match std::str::from_utf8(&bytes[..bytes.len().min(4096)]) {
            Ok(head) if !head.contains('\0') => "text, but not of the WebAssembly text format",
            // A character cut in two by the limit is still text.
            Err(err) if err.error_len().is_none() => "text, but not of the WebAssembly text format",
            _ => "binary data of an unknown kind",
        }),
    }
}

/// Whether a module contains a start section, which runs by being instantiated.
pub(crate) fn has_start_section(binary: &[u8]) -> bool {
    wasmparser::Parser::new(0)
        .parse_all(binary)
        .map_while(Result::ok)
        .any(|payload| matches!(payload, wasmparser::Payload::StartSection { .. }))
}

#[cfg(test)]
mod tests {
    use super::{Kind, has_start_section, sniff};

    #[test]
    fn tells_modules_components_and_text() {
        assert_eq!(sniff(b"\0asm\x01\0\0\0"), Kind::Module);
        assert_eq!(sniff(b"\0asm\x0d\0\x01\0"), Kind::Component);
        assert_eq!(sniff(b"\0asm\x02\0\0\0"), Kind::UnknownVersion(2));
        assert_eq!(sniff(b"(module)"), Kind::Text);
        assert_eq!(sniff(b"\xef\xbb\xbf\n  ;; a comment\n(module)"), Kind::Text);
    }

    #[test]
    fn names_what_is_not_wasm() {
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"\n\n", "blank"),
            (b"\0as", "binary data"),
            (b"\0asm\x01\0", "cut off"),
            (b"\x7fELF\x02", "ELF"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"<!doctype html>", "HTML"),
            (b"{}", "JSON"),
            (b"hello there", "text, but"),
            (b"\x01\x02\xff\0", "unknown kind"),
        ] {
            match sniff(bytes) {
                Kind::Other(what) => assert!(what.contains(expected), "{bytes:?}: {what}"),
                other => panic!("{bytes:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn finds_the_start_section() {
        assert!(has_start_section(
            &wat::parse_str("(module (func) (start 0))").unwrap()
        ));
        assert!(!has_start_section(
            &wat::parse_str("(module (func))").unwrap()
        ));
        assert!(!has_start_section(b"(module)"));
    }
}
