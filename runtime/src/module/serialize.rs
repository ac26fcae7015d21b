//! The file format of compiled modules.
//!
//! ```text
//!   0   magic, 8 bytes
//!   8   format version, u32
//!   12  bytes of the header that follows, u32
//!   16  blake3 of everything behind this hash, 32 bytes
//!   48  header (postcard): name and value of everything the code depends on, then the sections
//!       metadata (postcard) │ data segments, raw │ 0… │ text, page-aligned, so that it can be mapped
//! ```
//! All lengths are checked before they are used, and the hash before anything is decoded: damaged
//! files are errors. The format must never know what instances look like.

use crate::{Context as _, Engine, Result, bail, ensure};
use craneway_jit::CompiledModule;
use craneway_jit::abi::{
    Builtin, FIRST_SIG_ID, FuncImport, FuncRecord, MAX_FIELD_BYTES, TABLE_ENTRY, TableField,
    WASM_GUARD_BYTES,
};
use std::ops::Range;

const MAGIC: &[u8; 8] = b"\x7fCRNWY\r\n";
const FORMAT: u32 = 1;
const HASH_AT: usize = 16;
const HEADER_AT: usize = 48;
/// The largest page size of any machine this runs on.
const TEXT_ALIGN: usize = 16 << 10;

/// Where the parts lie: offset and length of metadata, data and text.
type Sections = [(u64, u64); 3];

/// Whether the bytes start like a compiled module, of any version.
pub(crate) fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Everything an image depends on, by name, so that a mismatch can be named.
fn dependencies(engine: &Engine) -> Vec<(String, String)> {
    let settings = engine.compiler().settings();
    let mut list: Vec<(String, String)> = vec![
        ("craneway version".into(), env!("CARGO_PKG_VERSION").into()),
        (
            "Cranelift version".into(),
            craneway_jit::cranelift_version().into(),
        ),
        ("target".into(), engine.compiler().target_description()),
        ("page size".into(), settings.page_size.to_string()),
        ("internal layout".into(), layout_fingerprint()),
        (
            "cranelift_opt_level".into(),
            format!("{:?}", settings.opt_level),
        ),
        (
            "cranelift_nan_canonicalization".into(),
            settings.nan_canonicalization.to_string(),
        ),
        ("spectre_mitigations".into(), settings.spectre.to_string()),
        ("debug_info".into(), settings.debug_info.to_string()),
    ];
    let features = settings.features.list().into_iter();
    list.extend(features.map(|(name, on)| (format!("feature {name}"), on.to_string())));
    list
}

/// Changes whenever generated code of one build would not fit the structures of another.
fn layout_fingerprint() -> String {
    let mut text = format!(
        "{} {} {} {TABLE_ENTRY} {FIRST_SIG_ID} {MAX_FIELD_BYTES} {WASM_GUARD_BYTES}",
        size_of::<FuncRecord>(),
        size_of::<FuncImport>(),
        size_of::<TableField>(),
    );
    for builtin in Builtin::ALL {
        text += &format!(
            " {}{:?}{:?}",
            builtin.name(),
            builtin.params(),
            builtin.result()
        );
    }
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

/// The bytes of a compiled module.
pub(crate) fn write(engine: &Engine, compiled: &CompiledModule) -> Result<Vec<u8>> {
    let metadata =
        postcard::to_allocvec(compiled).context("cannot encode the module's metadata")?;
    let (data, text) = (&compiled.module.data, &compiled.image.text);
    // The header's length depends on the offsets in it; fixed-size numbers would not, postcard's
    // do, so the sections start at a bound that every header of this content fits below.
    let draft: (Vec<(String, String)>, Sections) =
        (dependencies(engine), [(u64::MAX, u64::MAX); 3]);
    let bound = HEADER_AT
        + postcard::to_allocvec(&draft)
            .context("cannot encode the header")?
            .len();
    let metadata_at = bound.next_multiple_of(16);
    let data_at = (metadata_at + metadata.len()).next_multiple_of(16);
    let text_at = (data_at + data.len()).next_multiple_of(TEXT_ALIGN);
    let section = |at: usize, bytes: &[u8]| (at as u64, bytes.len() as u64);
    let sections: Sections = [
        section(metadata_at, &metadata),
        section(data_at, data),
        section(text_at, text),
    ];
    let header = postcard::to_allocvec(&(draft.0, sections)).context("cannot encode the header")?;

    let mut out = vec![0; text_at + text.len()];
    out[..8].copy_from_slice(MAGIC);
    out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    out[12..16].copy_from_slice(&(header.len() as u32).to_le_bytes());
    out[HEADER_AT..HEADER_AT + header.len()].copy_from_slice(&header);
    out[metadata_at..metadata_at + metadata.len()].copy_from_slice(&metadata);
    out[data_at..data_at + data.len()].copy_from_slice(data);
    out[text_at..].copy_from_slice(text);
    let hash = blake3::hash(&out[HEADER_AT..]);
    out[HASH_AT..HEADER_AT].copy_from_slice(hash.as_bytes());
    Ok(out)
}

/// The compiled module in `bytes`, if this engine can run it.
pub(crate) fn read(engine: &Engine, bytes: &[u8]) -> Result<CompiledModule> {
    ensure!(
        is_image(bytes),
        "not a precompiled module: it does not start with craneway's magic bytes"
    );
    let word = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes)
    };
    let (Some(format), Some(header_len)) = (word(8), word(12)) else {
        bail!("the precompiled module is truncated")
    };
    ensure!(
        format == FORMAT,
        "the precompiled module has file format {format}; this version reads {FORMAT}"
    );
    let header = HEADER_AT..HEADER_AT.saturating_add(header_len as usize);
    let Some(encoded) = bytes.get(header) else {
        bail!("the precompiled module is truncated in its header")
    };
    let Ok((found, sections)) = postcard::from_bytes::<(Vec<(String, String)>, Sections)>(encoded)
    else {
        bail!("the header of the precompiled module is damaged");
    };
    // Before the hash: a file of another version is more likely than a damaged one.
    check_dependencies(&dependencies(engine), &found)?;
    if blake3::hash(&bytes[HEADER_AT..]).as_bytes()[..] != bytes[HASH_AT..HEADER_AT] {
        bail!("the precompiled module is truncated or damaged: its checksum is wrong");
    }
    let part = |index: usize| {
        section(bytes, sections[index]).context("a section lies outside the precompiled module")
    };
    let mut compiled: CompiledModule = postcard::from_bytes(part(0)?)
        .context("the metadata of the precompiled module is damaged")?;
    compiled.module.data = part(1)?.to_vec();
    compiled.image.text = part(2)?.to_vec();
    check_bounds(&compiled)?;
    Ok(compiled)
}

fn section(bytes: &[u8], (at, len): (u64, u64)) -> Option<&[u8]> {
    let range = Range {
        start: usize::try_from(at).ok()?,
        end: usize::try_from(at.checked_add(len)?).ok()?,
    };
    bytes.get(range)
}

fn check_dependencies(wanted: &[(String, String)], found: &[(String, String)]) -> Result<()> {
    for (name, wanted) in wanted {
        let found = found
            .iter()
            .find(|f| f.0 == *name)
            .map_or("nothing", |f| &f.1);
        ensure!(
            found == wanted,
            "the module was compiled with {name} `{found}`, but this engine has `{wanted}`: compile it again for this engine"
        );
    }
    Ok(())
}

/// What the runtime slices by without looking again.
fn check_bounds(compiled: &CompiledModule) -> Result<()> {
    let (data, text) = (
        compiled.module.data.len() as u64,
        compiled.image.text.len() as u64,
    );
    for segment in &compiled.module.data_segments {
        let (start, end) = segment.range;
        ensure!(
            start <= end && u64::from(end) <= data,
            "a data segment of the precompiled module is out of bounds"
        );
    }
    for function in &compiled.image.functions {
        let end = u64::from(function.start) + u64::from(function.len);
        ensure!(
            end <= text,
            "a function of the precompiled module lies outside its code"
        );
    }
    let declared = compiled.module.functions.len() - compiled.module.imported_functions as usize;
    ensure!(
        compiled.image.functions.len() == declared,
        "the precompiled module lacks code for its functions"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Module};

    const WAT: &str = r#"(module (memory 1) (data (i32.const 0) "hello")
        (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"#;

    fn image(engine: &Engine) -> Vec<u8> {
        engine.precompile_module(WAT.as_bytes()).unwrap()
    }

    #[test]
    fn a_mismatch_names_the_setting() {
        let image = image(&Engine::default());
        let mut config = Config::new();
        config.spectre_mitigations(false);
        let error = read(&Engine::new(&config).unwrap(), &image)
            .unwrap_err()
            .to_string();
        assert!(error.contains("spectre_mitigations `true`"), "{error}");
        let mut config = Config::new();
        config.wasm_threads(false);
        let error = read(&Engine::new(&config).unwrap(), &image)
            .unwrap_err()
            .to_string();
        assert!(error.contains("feature threads"), "{error}");
    }

    #[test]
    fn what_was_written_is_read() {
        let engine = Engine::default();
        let bytes = image(&engine);
        let module = read(&engine, &bytes).unwrap();
        assert_eq!(module.module.data, b"hello");
        assert_eq!(write(&engine, &module).unwrap(), bytes);
        assert_eq!(
            Engine::detect_precompiled(&bytes),
            Some(crate::Precompiled::Module)
        );
    }

    #[test]
    fn truncated_and_damaged_files_are_errors() {
        let engine = Engine::default();
        let bytes = image(&engine);
        for len in (0..bytes.len()).step_by(97).chain(0..64) {
            assert!(read(&engine, &bytes[..len]).is_err(), "cut to {len} bytes");
        }
        for at in (0..bytes.len()).step_by(61).chain(0..200) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(read(&engine, &damaged).is_err(), "byte {at} changed");
        }
        assert!(
            Module::new(&engine, &bytes)
                .unwrap_err()
                .to_string()
                .contains("deserialize")
        );
    }
}
