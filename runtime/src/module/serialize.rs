//! Compiled modules as bytes.
//!
//! ```text
//!   magic (8) │ version │ lengths of the parts │ checksum of all that follows (32)
//!   settings: name and value of everything the code depends on
//!   metadata (postcard) │ data segments │ padding │ text, page-aligned
//! ```
//! A mismatch names the setting. The checksum finds accidents; it does not make foreign code safe.

use crate::{Engine, Result};
use craneway_jit::abi::{Builtin, TrapCode};
use craneway_jit::{CompiledModule, Settings, cranelift_version};

const MAGIC: &[u8; 8] = b"\x7fCRNWAY\0";
const VERSION: u32 = 1;
/// Magic, version, four lengths, checksum.
const PREFIX: usize = 8 + 4 + 4 * 8 + 32;
const PAGE: usize = 4096;

pub(crate) fn is_serialized(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Everything that decides whether code fits, by name.
fn key(engine: &Engine) -> Vec<(String, String)> {
    // Exhaustive: a setting that is added must be thought about here.
    let Settings {
        features,
        opt_level,
        passes: _,
        nan_canonicalization,
        spectre,
        debug_info,
        verify_ir: _,
        parallel: _,
        page_size,
    } = *engine.compiler().settings();
    let passes = engine.compiler().settings().enabled_passes().names();
    let builtins: Vec<&str> = Builtin::ALL.iter().map(|b| b.name()).collect();
    let mut key = vec![
        ("craneway version", env!("CARGO_PKG_VERSION").to_string()),
        ("code generator version", cranelift_version().to_string()),
        ("target", engine.target()),
        ("optimisation level", format!("{opt_level:?}")),
        ("optimisation passes", passes.join(" ")),
        ("NaN canonicalization", nan_canonicalization.to_string()),
        ("Spectre mitigations", spectre.to_string()),
        ("debug information", debug_info.to_string()),
        ("page size", page_size.to_string()),
        ("builtins", builtins.join(" ")),
        ("trap codes", TrapCode::ALL.len().to_string()),
    ];
    key.extend(
        features
            .list()
            .into_iter()
            .map(|(name, on)| (name, on.to_string())),
    );
    key.into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}

pub(super) fn write(engine: &Engine, compiled: &CompiledModule) -> Result<Vec<u8>> {
    let settings = postcard::to_allocvec(&key(engine))?;
    let metadata = postcard::to_allocvec(compiled)?;
    let parts = [&settings[..], &metadata, &compiled.module.data];
    let before_text: usize = PREFIX + parts.iter().map(|p| p.len()).sum::<usize>();
    let text = &compiled.image.text;
    let mut out = Vec::with_capacity(before_text.next_multiple_of(PAGE) + text.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    for part in parts.iter().chain([&&text[..]]) {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
    }
    out.resize(PREFIX, 0);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(before_text.next_multiple_of(PAGE), 0);
    out.extend_from_slice(text);
    let checksum = blake3::hash(&out[PREFIX..]);
    out[PREFIX - 32..PREFIX].copy_from_slice(checksum.as_bytes());
    Ok(out)
}

pub(super) fn read(engine: &Engine, bytes: &[u8]) -> Result<CompiledModule> {
    crate::ensure!(is_serialized(bytes), "not a compiled module of craneway");
    crate::ensure!(
        bytes.len() >= PREFIX,
        "the compiled module is truncated: {} bytes",
        bytes.len()
    );
    let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    crate::ensure!(
        version == VERSION,
        "the compiled module has format version {version}; this build reads {VERSION}"
    );
    let mut lengths = [0usize; 4];
    for (length, raw) in lengths.iter_mut().zip(bytes[12..].chunks_exact(8)) {
        let raw = u64::from_le_bytes(raw.try_into().unwrap_or([0; 8]));
        *length = usize::try_from(raw).unwrap_or(usize::MAX);
    }
    let mut at = PREFIX;
    let mut part = |length: usize, align: usize| {
        let start = at.next_multiple_of(align);
        let end = start.checked_add(length).filter(|e| *e <= bytes.len());
        let end = end.ok_or_else(|| {
            crate::format_err!("the compiled module is truncated: {} bytes", bytes.len())
        })?;
        at = end;
        Ok::<&[u8], crate::Error>(&bytes[start..end])
    };
    let (settings, metadata, data, text) = (
        part(lengths[0], 1)?,
        part(lengths[1], 1)?,
        part(lengths[2], 1)?,
        part(lengths[3], PAGE)?,
    );
    crate::ensure!(
        at == bytes.len(),
        "the compiled module has {} bytes too many",
        bytes.len() - at
    );
    crate::ensure!(
        blake3::hash(&bytes[PREFIX..]).as_bytes() == &bytes[PREFIX - 32..PREFIX],
        "the compiled module is damaged: its checksum does not match"
    );
    let theirs: Vec<(String, String)> = postcard::from_bytes(settings)
        .map_err(|e| crate::format_err!("the compiled module is damaged: {e}"))?;
    compare(&key(engine), &theirs)?;
    let mut compiled: CompiledModule = postcard::from_bytes(metadata)
        .map_err(|e| crate::format_err!("the compiled module is damaged: {e}"))?;
    compiled.module.data = data.to_vec();
    compiled.image.text = text.to_vec();
    Ok(compiled)
}

fn compare(ours: &[(String, String)], theirs: &[(String, String)]) -> Result<()> {
    for (name, want) in ours {
        let got = theirs.iter().find(|t| t.0 == *name).map(|t| &t.1);
        crate::ensure!(
            got == Some(want),
            "the module was compiled with another setting of `{name}`: {}, but this engine has {want}",
            got.map_or("none", String::as_str)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Instance, Module, Store};

    fn bytes(engine: &Engine) -> Vec<u8> {
        let wat = r#"(module (memory 1) (data (i32.const 0) "hi")
            (func (export "f") (result i32) i32.const 1 i32.load8_u))"#;
        Module::new(engine, wat).unwrap().serialize().unwrap()
    }

    #[test]
    fn a_module_survives_and_runs() {
        let engine = Engine::default();
        // SAFETY: the bytes come from `serialize`.
        let module = unsafe { Module::deserialize(&engine, bytes(&engine)) }.unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, ()).unwrap(), i32::from(b'i'));
    }

    #[test]
    fn damage_and_other_settings_are_errors_that_say_which() {
        let engine = Engine::default();
        let good = bytes(&engine);
        for length in [0, 5, PREFIX - 1, PREFIX, good.len() / 2, good.len() - 1] {
            assert!(read(&engine, &good[..length]).is_err(), "{length}");
        }
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(read(&engine, &bad).is_err(), "{at}");
        }
        let other = Engine::new(Config::new().spectre_mitigations(false)).unwrap();
        let message = read(&other, &good).unwrap_err().to_string();
        assert!(message.contains("Spectre"), "{message}");
    }
}
