//! Text or binary, told by content. It must never know what a module contains.

use crate::module::serialize;
use crate::{CompileError, CompileErrorKind, Result, bail};
use std::borrow::Cow;

const MAGIC: &[u8] = b"\0asm";

/// The binary format of a module given as binary or as text.
pub(crate) fn to_binary(bytes: &[u8]) -> Result<Cow<'_, [u8]>> {
    if bytes.starts_with(MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    if serialize::is_image(bytes) {
        bail!("these bytes are a precompiled module: take them with `Module::deserialize`");
    }
    let malformed = |message: String| CompileError::new(CompileErrorKind::Malformed, message);
    if bytes.is_empty() {
        return Err(
            malformed("there are no bytes; a binary module starts with `\\0asm`".into()).into(),
        );
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(malformed(
            "neither binary, which starts with `\\0asm`, nor text: the bytes are not UTF-8".into(),
        )
        .into());
    };
    let opening = text.trim_start_matches('\u{feff}').trim_start();
    if !opening.starts_with('(') && !opening.starts_with(';') {
        return Err(malformed(
            "magic header not detected: neither `\\0asm` nor text that starts with `(`".into(),
        )
        .into());
    }
    // Its error shows the line and the place in it.
    let binary = wat::parse_str(text).map_err(|e| malformed(e.to_string()))?;
    Ok(Cow::Owned(binary))
}

#[cfg(test)]
mod tests {
    use super::to_binary;

    #[test]
    fn content_decides() {
        assert_eq!(&to_binary(b"(module)").unwrap()[..4], b"\0asm");
        assert_eq!(
            &to_binary(b" ;; a comment\n(module)").unwrap()[..4],
            b"\0asm"
        );
        assert_eq!(&*to_binary(b"\0asm junk").unwrap(), b"\0asm junk");
        for (bytes, expected) in [
            (&b""[..], "no bytes"),
            (b"\x7fELF\xff", "not UTF-8"),
            (b"hello", "magic"),
            (b"(modul)", "modul"),
        ] {
            let error = to_binary(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
