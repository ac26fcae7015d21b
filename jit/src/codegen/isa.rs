//! The code generator's configurations. They differ only in optimisation level, register allocator,
//! NaN canonicalisation and in whether blocks are listed, so that IR prepared under one can be
//! compiled under another.

use crate::error::{CompileError, CompileErrorKind};
use crate::settings::Settings;
use cranelift_codegen::isa::{self, OwnedTargetIsa, TargetIsa};
use cranelift_codegen::settings::{self, Configurable};

/// All configurations for one machine.
pub(crate) struct Isas {
    /// Prepares IR with all optimisations.
    pub(crate) speed: OwnedTargetIsa,
    /// Prepares IR without optimisations (it differs from `none` in NaN canonicalisation alone).
    pub(crate) plain: OwnedTargetIsa,
    /// Compiles prepared IR.
    pub(crate) none: OwnedTargetIsa,
    /// As `none`, but the code does not come with a list of its blocks. Making one takes time that
    /// grows with the square of how many blocks in a row come to nothing, as the ways out of a
    /// large table do.
    pub(crate) unlisted: OwnedTargetIsa,
    /// Compiles prepared IR with the allocator whose time is linear.
    pub(crate) single_pass: OwnedTargetIsa,
}

impl Isas {
    /// Configurations for the machine this runs on.
    pub(crate) fn new(settings: &Settings) -> Result<Isas, CompileError> {
        check_floor()?;
        Isas::with(settings, || cranelift_native::builder().map_err(refused))
    }

    /// Configurations for the machine that `machine` describes.
    pub(super) fn with(
        settings: &Settings,
        machine: impl Fn() -> Result<isa::Builder, CompileError>,
    ) -> Result<Isas, CompileError> {
        let nans = settings.nan_canonicalization;
        let make = |opt_level, allocator, nans, lists| {
            build(machine()?, settings, opt_level, allocator, nans, lists)
        };
        Ok(Isas {
            speed: make("speed", "backtracking", nans, true)?,
            plain: make("none", "backtracking", nans, true)?,
            none: make("none", "backtracking", false, true)?,
            unlisted: make("none", "backtracking", false, false)?,
            single_pass: make("none", "single_pass", false, false)?,
        })
    }

    /// Triple and enabled CPU features.
    pub(crate) fn description(&self) -> String {
        let mut text = self.none.triple().to_string();
        for flag in self.none.isa_flags() {
            if flag.as_bool() == Some(true) {
                text.push_str(" +");
                text.push_str(flag.name);
            }
        }
        text
    }
}

pub(super) fn refused(what: impl std::fmt::Display) -> CompileError {
    CompileError::new(
        CompileErrorKind::Unsupported,
        format!("this machine cannot be compiled for: {what}"),
    )
}

/// Below x86-64-v2 some vector instructions would need library calls, which images cannot make.
fn check_floor() -> Result<(), CompileError> {
    #[cfg(target_arch = "x86_64")]
    {
        let floor = [
            ("ssse3", std::arch::is_x86_feature_detected!("ssse3")),
            ("sse4.1", std::arch::is_x86_feature_detected!("sse4.1")),
            ("sse4.2", std::arch::is_x86_feature_detected!("sse4.2")),
            ("popcnt", std::arch::is_x86_feature_detected!("popcnt")),
        ];
        for (name, present) in floor {
            if !present {
                return Err(refused(format!(
                    "the CPU lacks {name} (x86-64-v2 is needed)"
                )));
            }
        }
    }
    Ok(())
}

fn build(
    machine: isa::Builder,
    settings: &Settings,
    opt_level: &str,
    allocator: &str,
    canonicalize_nans: bool,
    lists_blocks: bool,
) -> Result<OwnedTargetIsa, CompileError> {
    let bool_text = |b: bool| if b { "true" } else { "false" };
    let mut flags = settings::builder();
    let values = [
        ("opt_level", opt_level),
        ("regalloc_algorithm", allocator),
        ("enable_nan_canonicalization", bool_text(canonicalize_nans)),
        ("enable_verifier", bool_text(settings.verify_ir)),
        ("preserve_frame_pointers", "true"),
        ("enable_probestack", "true"),
        ("probestack_strategy", "inline"),
        ("probestack_size_log2", "12"),
        ("unwind_info", "false"),
        ("is_pic", "false"),
        ("use_colocated_libcalls", "true"),
        ("machine_code_cfg_info", bool_text(lists_blocks)),
    ];
    for (name, value) in values {
        flags
            .set(name, value)
            .map_err(|e| refused(format!("setting {name}: {e}")))?;
    }
    let isa = machine
        .finish(settings::Flags::new(flags))
        .map_err(refused)?;
    check_convention(&*isa)?;
    Ok(isa)
}

/// The ABI of generated code is written down for 64-bit machines.
fn check_convention(isa: &dyn TargetIsa) -> Result<(), CompileError> {
    if isa.pointer_bits() != 64 {
        return Err(refused("pointers must have 64 bits"));
    }
    Ok(())
}
