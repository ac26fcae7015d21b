//! Compiled modules as bytes, and as files that are mapped.
//!
//! ```text
//!   magic (8) │ version │ page size │ lengths: settings, metadata, all │ checksums: head, rest
//!   settings: name and value of everything the code depends on
//!   metadata: what the module declares, layout, where the parts below lie      ─┐ head
//!   image: tables, names, debug sections, data │ pages of memory │ text        ─┘ rest
//! ```
//! Memory and text start at pages, so that a file is mapped and only what is used is ever read. A
//! mismatch names the setting. The checksums find accidents; they do not make foreign code safe: that
//! of the head is always compared, that of the rest only where all bytes are in memory anyway.

use super::ModuleStats;
use crate::vm::{Bytes, FileMap, Image, LoadedModule, Parts, Plan, Template, Text, page_size};
use crate::{Engine, Error, Result};
use craneway_jit::abi::{Builtin, TrapCode, VmLayout};
use craneway_jit::module::Module;
use craneway_jit::{Settings, cranelift_version};
use std::ops::Range;
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"\x7fCRNWAY\0";
const VERSION: u32 = 2;
/// The setting that decides whether metadata can be understood at all.
const VERSION_NAME: &str = "craneway version";
/// Magic, version, page size, three lengths; both checksums come behind.
const FIELDS: usize = 8 + 4 + 4 + 3 * 8;
const CHECKSUM: usize = 32;
const PREFIX: usize = FIELDS + 2 * CHECKSUM;

/// Everything that metadata says, in the order in which it is written: the module, its layout, ends of
/// the image's parts, debug sections, bytes of data, the template, lengths of image, memory and text.
type Metadata<M, L> = (
    M,
    L,
    Vec<u64>,
    Vec<(String, u64)>,
    u64,
    Option<(u32, u32, u64)>,
    [u64; 3],
);

/// Names and values of settings.
pub(super) type Key = Vec<(String, String)>;

pub(crate) fn is_serialized(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Everything that decides whether code fits, by name.
fn key(engine: &Engine) -> Key {
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
        (VERSION_NAME, env!("CARGO_PKG_VERSION").to_string()),
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

pub(super) fn write(engine: &Engine, loaded: &LoadedModule) -> Result<Vec<u8>> {
    let (image, ends, debug) = loaded.image().encoded();
    let (memory, text) = (
        loaded.template().map_or(&[][..], Template::bytes),
        loaded.text(),
    );
    let plan = loaded.template().map(Template::plan);
    let metadata: Metadata<&Module, &VmLayout> = (
        loaded.module(),
        loaded.layout(),
        ends,
        debug.to_vec(),
        loaded.data_bytes(),
        plan.map(|p| (p.memory, p.end, p.start)),
        [image, memory, text].map(|part| part.len() as u64),
    );
    let settings = postcard::to_allocvec(&key(engine))?;
    let metadata = postcard::to_allocvec(&metadata)?;
    let places = Places::new(
        PREFIX + settings.len() + metadata.len(),
        page_size(),
        [image, memory, text].map(<[u8]>::len),
    );
    let places = places.ok_or_else(|| crate::format_err!("the compiled module is too large"))?;
    let mut out = Vec::with_capacity(places.text.end);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(page_size() as u32).to_le_bytes());
    for length in [settings.len(), metadata.len(), places.text.end] {
        out.extend_from_slice(&(length as u64).to_le_bytes());
    }
    out.resize(PREFIX, 0);
    out.extend_from_slice(&settings);
    out.extend_from_slice(&metadata);
    for (place, bytes) in [
        (places.image, image),
        (places.memory, memory),
        (places.text, text),
    ] {
        out.resize(place.start, 0);
        out.extend_from_slice(bytes);
    }
    let head_end = PREFIX + settings.len() + metadata.len();
    let (head, rest) = (
        checksum_of_head(&out, head_end),
        blake3::hash(&out[head_end..]),
    );
    out[FIELDS..FIELDS + CHECKSUM].copy_from_slice(head.as_bytes());
    out[FIELDS + CHECKSUM..PREFIX].copy_from_slice(rest.as_bytes());
    Ok(out)
}

/// Where the parts behind the metadata lie.
struct Places {
    image: Range<usize>,
    memory: Range<usize>,
    text: Range<usize>,
}

impl Places {
    /// Where parts of these lengths lie behind a head that ends at `at`. `None` if the lengths overflow.
    fn new(mut at: usize, page: usize, lengths: [usize; 3]) -> Option<Places> {
        let mut place = |length: usize, align: usize| {
            let start = at.checked_next_multiple_of(align)?;
            at = start.checked_add(length)?;
            Some(start..at)
        };
        Some(Places {
            image: place(lengths[0], 8)?,
            memory: place(lengths[1], page)?,
            text: place(lengths[2], page)?,
        })
    }
}

/// The fields before the checksums, and settings and metadata behind them.
fn checksum_of_head(bytes: &[u8], end: usize) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes[..FIELDS]);
    hasher.update(&bytes[PREFIX..end]);
    hasher.finalize()
}

fn truncated(bytes: &[u8]) -> Error {
    crate::format_err!("the compiled module is truncated: {} bytes", bytes.len())
}

fn damaged(why: impl std::fmt::Display) -> Error {
    crate::format_err!("the compiled module is damaged: {why}")
}

/// A head whose checksum is right, not decoded but for the settings.
struct Raw<'a> {
    page: usize,
    settings: Key,
    metadata: &'a [u8],
    end: usize,
}

fn read_raw(bytes: &[u8]) -> Result<Raw<'_>> {
    crate::ensure!(is_serialized(bytes), "not a compiled module of craneway");
    let prefix: &[u8; PREFIX] = bytes.first_chunk().ok_or_else(|| truncated(bytes))?;
    let word = |at: usize| {
        prefix[at..]
            .first_chunk()
            .map_or(0, |b| u32::from_le_bytes(*b))
    };
    let (version, page) = (word(8), word(12));
    crate::ensure!(
        version == VERSION,
        "the compiled module has format version {version}; this build reads {VERSION}"
    );
    let length = |n: usize| {
        let raw = prefix[16 + 8 * n..]
            .first_chunk()
            .map(|b| u64::from_le_bytes(*b));
        raw.and_then(|raw| usize::try_from(raw).ok())
    };
    let lengths = (length(0), length(1), length(2));
    let (Some(settings), Some(metadata), Some(all)) = lengths else {
        return Err(truncated(bytes));
    };
    crate::ensure!(all <= bytes.len(), truncated(bytes));
    crate::ensure!(
        all == bytes.len(),
        "the compiled module has {} bytes too many",
        bytes.len() - all
    );
    let split = PREFIX.checked_add(settings);
    let end = split
        .and_then(|s| s.checked_add(metadata))
        .filter(|e| *e <= bytes.len());
    let (Some(split), Some(end)) = (split, end) else {
        return Err(truncated(bytes));
    };
    crate::ensure!(
        checksum_of_head(bytes, end).as_bytes() == &prefix[FIELDS..FIELDS + CHECKSUM],
        damaged("its checksum does not match")
    );
    Ok(Raw {
        page: page as usize,
        settings: postcard::from_bytes(&bytes[PREFIX..split]).map_err(damaged)?,
        metadata: &bytes[split..end],
        end,
    })
}

/// A head whose settings are the engine's.
struct Head {
    metadata: Metadata<Module, VmLayout>,
    places: Places,
    end: usize,
}

impl Raw<'_> {
    /// What the metadata says, and where the parts lie if all bytes together are `all`.
    fn decode(&self, all: usize) -> Result<(Metadata<Module, VmLayout>, Places)> {
        let metadata: Metadata<Module, VmLayout> =
            postcard::from_bytes(self.metadata).map_err(damaged)?;
        let lengths = metadata
            .6
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        let places = Places::new(self.end, self.page, lengths).filter(|p| p.text.end == all);
        Ok((
            metadata,
            places.ok_or_else(|| damaged("its parts do not fit"))?,
        ))
    }
}

fn read_head(engine: &Engine, bytes: &[u8]) -> Result<Head> {
    let raw = read_raw(bytes)?;
    crate::ensure!(
        raw.page == page_size(),
        "the compiled module is for pages of {} bytes; this machine has {}",
        raw.page,
        page_size()
    );
    compare(&key(engine), &raw.settings)?;
    let (metadata, places) = raw.decode(bytes.len())?;
    Ok(Head {
        metadata,
        places,
        end: raw.end,
    })
}

/// What bytes say of themselves, whatever the settings they were compiled with: these, and what they
/// declare if this version wrote it (others may have other metadata). All bytes are checked.
pub(super) fn describe(bytes: &[u8]) -> Result<(Key, Option<(Module, ModuleStats)>)> {
    let raw = read_raw(bytes)?;
    check_rest(bytes, raw.end)?;
    let ours = (VERSION_NAME, env!("CARGO_PKG_VERSION"));
    if !raw.settings.iter().any(|(n, v)| (&**n, &**v) == ours) {
        return Ok((raw.settings, None));
    }
    let ((module, layout, _, _, data_bytes, ..), places) = raw.decode(bytes.len())?;
    let stats = ModuleStats {
        functions: module
            .functions
            .len()
            .saturating_sub(module.imported_functions as usize),
        wasm_code_bytes: module.code_bytes,
        text_bytes: places.text.len(),
        data_bytes: data_bytes as usize,
        field_bytes: layout.field_bytes() as usize,
    };
    Ok((raw.settings, Some((module, stats))))
}

/// Compares the checksum of everything behind the head.
fn check_rest(bytes: &[u8], head_end: usize) -> Result<()> {
    crate::ensure!(
        blake3::hash(&bytes[head_end..]).as_bytes() == &bytes[FIELDS + CHECKSUM..PREFIX],
        damaged("its checksum does not match")
    );
    Ok(())
}

impl Head {
    fn into_parts(self, part: impl Fn(Range<usize>) -> Bytes, text: Text) -> Result<Parts> {
        let (module, layout, ends, debug, data_bytes, plan, _) = self.metadata;
        let image = Image::decode(part(self.places.image), &ends, debug);
        let memory = self.places.memory;
        let template = plan.map(|(of, end, start)| {
            let plan = Plan {
                memory: of,
                end,
                start,
            };
            Template::new(plan, part(memory))
        });
        Ok(Parts {
            module,
            layout,
            image: image.ok_or_else(|| damaged("its tables do not fit"))?,
            text,
            template,
            data_bytes,
        })
    }
}

/// Reads bytes, all of which are checked and then copied.
pub(super) fn read(engine: &Engine, bytes: &[u8]) -> Result<Parts> {
    let head = read_head(engine, bytes)?;
    check_rest(bytes, head.end)?;
    let text = Text::copied(&bytes[head.places.text.clone()])?;
    head.into_parts(|range| Bytes::Owned(bytes[range].into()), text)
}

/// Reads a mapped file, of which all but the head stays where it is.
pub(super) fn map(engine: &Engine, file: FileMap) -> Result<Parts> {
    let file = Arc::new(file);
    let head = read_head(engine, file.bytes())?;
    let range = head.places.text.clone();
    // Files on some file systems may not run: then a copy does.
    let text = match file.make_executable(range.clone()) {
        Ok(()) => Text::mapped(file.clone(), range),
        Err(_) => Text::copied(&file.bytes()[range])?,
    };
    head.into_parts(|range| Bytes::Mapped(file.clone(), range), text)
}

fn compare(ours: &Key, theirs: &Key) -> Result<()> {
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

    /// `bytes` as a file that is mapped.
    fn mapped(engine: &Engine, bytes: &[u8]) -> Result<Module> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.cwasm");
        std::fs::write(&path, bytes).unwrap();
        // SAFETY: the bytes come from `serialize`, or are refused; nobody else knows the file.
        unsafe { Module::deserialize_file(engine, path) }
    }

    #[test]
    fn a_file_runs_where_it_is_mapped_and_instances_do_not_share_memory() {
        let engine = Engine::default();
        let data = "x".repeat(100_000);
        let wat = format!(
            r#"(module $named (memory (export "memory") 3) (data "passive") (data (i32.const 70) "{data}")
            (table funcref (elem $trap)) (type $t (func))
            (func (export "swap") (param i32 i32) (result i32)
                (i32.load8_u (local.get 0)) (i32.store8 (local.get 0) (local.get 1)))
            (func (export "init") (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 7)))
            (func $trap (export "trap") unreachable)
            (func (export "indirect") (call_indirect (type $t) (i32.const 0))))"#
        );
        let first = Module::new(&engine, wat).unwrap();
        let module = mapped(&engine, &first.serialize().unwrap()).unwrap();
        assert_eq!(module.stats(), first.stats());
        assert_eq!(module.stats().data_bytes, 100_007);
        assert_eq!(module.serialize().unwrap(), first.serialize().unwrap());
        for _ in 0..3 {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let swap = instance
                .get_typed_func::<(i32, i32), i32>(&mut store, "swap")
                .unwrap();
            for (at, byte) in [
                (69, 0),
                (70, b'x'),
                (5000, b'x'),
                (100_069, b'x'),
                (100_070, 0),
            ] {
                assert_eq!(
                    swap.call(&mut store, (at, 1)).unwrap(),
                    i32::from(byte),
                    "{at}"
                );
                assert_eq!(swap.call(&mut store, (at, 2)).unwrap(), 1);
            }
            let init = instance
                .get_typed_func::<(), ()>(&mut store, "init")
                .unwrap();
            init.call(&mut store, ()).unwrap();
            assert_eq!(swap.call(&mut store, (6, 1)).unwrap(), i32::from(b'e'));
            for name in ["trap", "indirect"] {
                let f = instance.get_typed_func::<(), ()>(&mut store, name).unwrap();
                let error = format!("{:?}", f.call(&mut store, ()).unwrap_err());
                assert!(error.contains("named!trap"), "{error}");
            }
        }
    }

    #[test]
    fn a_mapped_file_is_checked_as_far_as_it_is_read() {
        let engine = Engine::default();
        let good = bytes(&engine);
        let head = read_head(&engine, &good).unwrap().end;
        for length in [0, 5, PREFIX - 1, PREFIX, good.len() / 2, good.len() - 1] {
            let error = mapped(&engine, &good[..length]).unwrap_err();
            assert!(format!("{error:#}").contains("m.cwasm"), "{error:#}");
        }
        for at in (0..FIELDS + CHECKSUM).chain(PREFIX..head) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            assert!(mapped(&engine, &bad).is_err(), "{at}");
        }
        assert!(mapped(&engine, &[&good[..], b"x"].concat()).is_err());
        assert!(mapped(&engine, &good).is_ok());
    }

    #[test]
    fn a_replaced_file_stays_as_it_was_for_those_who_mapped_it() {
        let engine = Engine::default();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m.cwasm");
        let bytes = bytes(&engine);
        std::fs::write(&path, &bytes).unwrap();
        // SAFETY: the bytes come from `serialize`, and the file is replaced by another one.
        let module = unsafe { Module::deserialize_file(&engine, &path) }.unwrap();
        std::fs::write(dir.path().join("other"), vec![0; bytes.len()]).unwrap();
        std::fs::rename(dir.path().join("other"), &path).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        drop((module, dir));
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
