//! Values: from script constants to runtime values, and results against script patterns.
//!
//! Floats are compared by their bits, or by the NaN class a pattern names. This file must never know about
//! directives, traps or modules.

use craneway::{ExternRef, Result, Store, V128, Val, bail};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};

/// The runtime value for an argument of `invoke`.
pub(crate) fn argument(store: &mut Store<()>, arg: &WastArgCore<'_>) -> Result<Val> {
    Ok(match arg {
        WastArgCore::I32(x) => Val::I32(*x),
        WastArgCore::I64(x) => Val::I64(*x),
        WastArgCore::F32(x) => Val::F32(x.bits),
        WastArgCore::F64(x) => Val::F64(x.bits),
        WastArgCore::V128(x) => Val::V128(V128::from(u128::from_le_bytes(x.to_le_bytes()))),
        WastArgCore::RefNull(heap) => null(heap)?,
        WastArgCore::RefExtern(x) => Val::ExternRef(Some(ExternRef::new(store, *x)?)),
        WastArgCore::RefHost(_) => bail!("`ref.host` is of the garbage collection proposal"),
    })
}

fn null(heap: &HeapType<'_>) -> Result<Val> {
    if let HeapType::Abstract { shared: false, ty } = heap {
        match ty {
            AbstractHeapType::Func | AbstractHeapType::NoFunc => return Ok(Val::FuncRef(None)),
            AbstractHeapType::Extern | AbstractHeapType::NoExtern => {
                return Ok(Val::ExternRef(None));
            }
            AbstractHeapType::Exn | AbstractHeapType::NoExn => return Ok(Val::ExnRef(None)),
            _ => {}
        }
    }
    bail!("a null of heap type {heap:?} cannot be passed: that type is not supported")
}

/// Whether `got` is an instance of the pattern `want`.
pub(crate) fn matches(store: &Store<()>, got: &Val, want: &WastRetCore<'_>) -> Result<bool> {
    Ok(match (got, want) {
        (Val::I32(got), WastRetCore::I32(want)) => got == want,
        (Val::I64(got), WastRetCore::I64(want)) => got == want,
        (Val::F32(got), WastRetCore::F32(want)) => f32_matches(*got, want),
        (Val::F64(got), WastRetCore::F64(want)) => f64_matches(*got, want),
        (Val::V128(got), WastRetCore::V128(want)) => v128_matches(got.as_u128(), want),
        (Val::FuncRef(got), WastRetCore::RefFunc(_)) => got.is_some(),
        (Val::ExternRef(Some(_)), WastRetCore::RefExtern(None)) => true,
        (Val::ExternRef(Some(got)), WastRetCore::RefExtern(Some(want))) => {
            let data = got.data(store)?;
            data.and_then(|data| data.downcast_ref::<u32>()) == Some(want)
        }
        (got, WastRetCore::RefNull(None)) => is_null(got),
        (got, WastRetCore::RefNull(Some(heap))) => {
            let want = null(heap)?;
            is_null(got) && std::mem::discriminant(got) == std::mem::discriminant(&want)
        }
        (got, WastRetCore::Either(wants)) => {
            for want in wants {
                if matches(store, got, want)? {
                    return Ok(true);
                }
            }
            false
        }
        _ => false,
    })
}

fn is_null(value: &Val) -> bool {
    matches!(
        value,
        Val::FuncRef(None) | Val::ExternRef(None) | Val::ExnRef(None)
    )
}

/// Canonical: the payload is the quiet bit alone. Arithmetic: the quiet bit at least.
fn f32_matches(got: u32, want: &NanPattern<F32>) -> bool {
    match want {
        NanPattern::CanonicalNan => got & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => got & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(want) => got == want.bits,
    }
}

fn f64_matches(got: u64, want: &NanPattern<F64>) -> bool {
    match want {
        NanPattern::CanonicalNan => got & !(1 << 63) == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => got & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(want) => got == want.bits,
    }
}

fn v128_matches(got: u128, want: &V128Pattern) -> bool {
    // Truncation picks the lane that was shifted to the bottom.
    match want {
        V128Pattern::I8x16(want) => lanes(want, |i| (got >> (8 * i)) as i8),
        V128Pattern::I16x8(want) => lanes(want, |i| (got >> (16 * i)) as i16),
        V128Pattern::I32x4(want) => lanes(want, |i| (got >> (32 * i)) as i32),
        V128Pattern::I64x2(want) => lanes(want, |i| (got >> (64 * i)) as i64),
        V128Pattern::F32x4(want) => (0..4).all(|i| f32_matches((got >> (32 * i)) as u32, &want[i])),
        V128Pattern::F64x2(want) => (0..2).all(|i| f64_matches((got >> (64 * i)) as u64, &want[i])),
    }
}

fn lanes<T: PartialEq>(want: &[T], got: impl Fn(usize) -> T) -> bool {
    want.iter().enumerate().all(|(i, want)| got(i) == *want)
}

/// A value in words, floats with their bits.
pub(crate) fn show(store: &Store<()>, value: &Val) -> String {
    match value {
        Val::I32(x) => format!("(i32.const {x} ;; {x:#010x})"),
        Val::I64(x) => format!("(i64.const {x} ;; {x:#018x})"),
        Val::F32(x) => format!("(f32.const {} ;; {x:#010x})", f32::from_bits(*x)),
        Val::F64(x) => format!("(f64.const {} ;; {x:#018x})", f64::from_bits(*x)),
        Val::V128(x) => show_v128(x.as_u128()),
        Val::FuncRef(None) => "(ref.null func)".into(),
        Val::ExternRef(None) => "(ref.null extern)".into(),
        Val::ExnRef(None) => "(ref.null exn)".into(),
        Val::FuncRef(Some(_)) => "(ref.func)".into(),
        Val::ExnRef(Some(_)) => "(ref.exn)".into(),
        Val::ExternRef(Some(x)) => match x.data(store) {
            Ok(Some(data)) => match data.downcast_ref::<u32>() {
                Some(x) => format!("(ref.extern {x})"),
                None => "(ref.extern with foreign data)".into(),
            },
            Ok(None) => "(ref.extern without data)".into(),
            Err(error) => format!("(ref.extern, unreadable: {error:#})"),
        },
    }
}

fn show_v128(bits: u128) -> String {
    let words: Vec<String> = (0..4)
        .map(|i| format!("{:#010x}", (bits >> (32 * i)) as u32))
        .collect();
    format!("(v128.const i32x4 {})", words.join(" "))
}

/// A pattern in words.
pub(crate) fn show_pattern(want: &WastRetCore<'_>) -> String {
    match want {
        WastRetCore::I32(x) => format!("(i32.const {x} ;; {x:#010x})"),
        WastRetCore::I64(x) => format!("(i64.const {x} ;; {x:#018x})"),
        WastRetCore::F32(x) => format!("(f32.const {})", show_f32(x)),
        WastRetCore::F64(x) => format!("(f64.const {})", show_f64(x)),
        WastRetCore::V128(V128Pattern::F32x4(x)) => {
            format!(
                "(v128.const f32x4 {})",
                x.each_ref().map(show_f32).join(" ")
            )
        }
        WastRetCore::V128(V128Pattern::F64x2(x)) => {
            format!(
                "(v128.const f64x2 {})",
                x.each_ref().map(show_f64).join(" ")
            )
        }
        WastRetCore::V128(V128Pattern::I8x16(x)) => {
            show_v128(u128::from_le_bytes(x.map(|lane| lane as u8)))
        }
        WastRetCore::V128(V128Pattern::I16x8(x)) => {
            show_v128((0..8).fold(0, |bits, i| bits | u128::from(x[i] as u16) << (16 * i)))
        }
        WastRetCore::V128(V128Pattern::I32x4(x)) => {
            show_v128((0..4).fold(0, |bits, i| bits | u128::from(x[i] as u32) << (32 * i)))
        }
        WastRetCore::V128(V128Pattern::I64x2(x)) => {
            show_v128((0..2).fold(0, |bits, i| bits | u128::from(x[i] as u64) << (64 * i)))
        }
        WastRetCore::Either(wants) => {
            let wants: Vec<String> = wants.iter().map(show_pattern).collect();
            format!("(either {})", wants.join(" "))
        }
        other => format!("{other:?}"),
    }
}

fn show_f32(want: &NanPattern<F32>) -> String {
    match want {
        NanPattern::CanonicalNan => "nan:canonical".into(),
        NanPattern::ArithmeticNan => "nan:arithmetic".into(),
        NanPattern::Value(x) => format!("{} ;; {:#010x}", f32::from_bits(x.bits), x.bits),
    }
}

fn show_f64(want: &NanPattern<F64>) -> String {
    match want {
        NanPattern::CanonicalNan => "nan:canonical".into(),
        NanPattern::ArithmeticNan => "nan:arithmetic".into(),
        NanPattern::Value(x) => format!("{} ;; {:#018x}", f64::from_bits(x.bits), x.bits),
    }
}
