//! Values of functions called by `--invoke`: read from arguments, written as results.
//! Must never know which function is called.

use craneway::{V128, Val, ValType};

/// Reads an argument as a value of the type. The error says what was expected.
pub(crate) fn parse(ty: &ValType, text: &str) -> Result<Val, String> {
    match ty {
        ValType::I32 => match integer(text) {
            Some(n) if (i128::from(i32::MIN)..=i128::from(u32::MAX)).contains(&n) => {
                Ok(Val::I32(n as i32))
            }
            _ => Err("an integer of 32 bits, such as -1 or 0xff".to_owned()),
        },
        ValType::I64 => match integer(text) {
            Some(n) if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&n) => {
                Ok(Val::I64(n as i64))
            }
            _ => Err("an integer of 64 bits, such as -1 or 0xff".to_owned()),
        },
        ValType::F32 => text
            .parse::<f32>()
            .map(|x| Val::F32(x.to_bits()))
            .map_err(|_| "a number, such as 1.5, -2e3, inf or nan".to_owned()),
        ValType::F64 => text
            .parse::<f64>()
            .map(|x| Val::F64(x.to_bits()))
            .map_err(|_| "a number, such as 1.5, -2e3, inf or nan".to_owned()),
        ValType::V128 => vector(text)
            .map(|bits| Val::V128(V128::from(bits)))
            .ok_or_else(|| "128 bits as one unsigned integer, such as 0x1f".to_owned()),
        ValType::Ref(_) => {
            let name = ty.to_string();
            let null = match name.as_str() {
                "funcref" | "(ref null func)" => Some(Val::FuncRef(None)),
                "externref" | "(ref null extern)" => Some(Val::ExternRef(None)),
                "exnref" | "(ref null exn)" => Some(Val::ExnRef(None)),
                _ => None,
            };
            null.filter(|_| text == "null").ok_or_else(|| {
                match name.starts_with("(ref ") && !name.contains("null") {
                    true => "a reference that is not null, which a command line cannot express"
                        .to_owned(),
                    false => "null: a command line can express no other reference".to_owned(),
                }
            })
        }
    }
}

/// Decimal, or hexadecimal after `0x`, with a sign and `_` between digits.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = i128::try_from(vector(digits)?).ok()?;
    Some(if negative { -magnitude } else { magnitude })
}

/// The same without a sign.
fn vector(text: &str) -> Option<u128> {
    let digits = text.replace('_', "");
    // The standard library would accept a second sign here.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) if !hex.starts_with(['+', '-']) => u128::from_str_radix(hex, 16).ok(),
        Some(_) => None,
        None => digits.parse().ok(),
    }
}

/// Writes a result as scripts written for Wasmtime expect it.
pub(crate) fn format(val: &Val) -> String {
    match val {
        Val::I32(n) => n.to_string(),
        Val::I64(n) => n.to_string(),
        Val::F32(bits) => f32::from_bits(*bits).to_string(),
        Val::F64(bits) => f64::from_bits(*bits).to_string(),
        Val::V128(v) => v.as_u128().to_string(),
        Val::FuncRef(None) => "<null funcref>".to_owned(),
        Val::FuncRef(Some(_)) => "<funcref>".to_owned(),
        Val::ExternRef(None) => "<null externref>".to_owned(),
        Val::ExternRef(Some(_)) => "<externref>".to_owned(),
        Val::ExnRef(None) => "<null exnref>".to_owned(),
        Val::ExnRef(Some(_)) => "<exnref>".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};
    use craneway::ValType;

    fn through(ty: ValType, text: &str) -> Result<String, String> {
        parse(&ty, text).map(|val| format(&val))
    }

    #[test]
    fn integers_are_signed_or_unsigned() {
        assert_eq!(through(ValType::I32, "-2147483648").unwrap(), "-2147483648");
        assert_eq!(through(ValType::I32, "4294967295").unwrap(), "-1");
        assert_eq!(through(ValType::I32, "0x8000_0000").unwrap(), "-2147483648");
        assert_eq!(through(ValType::I32, "-0x10").unwrap(), "-16");
        assert_eq!(through(ValType::I64, "18446744073709551615").unwrap(), "-1");
        for bad in [
            "4294967296",
            "-2147483649",
            "1.5",
            "",
            "-",
            "--1",
            "0x-1",
            "ten",
            "1 ",
        ] {
            assert!(
                through(ValType::I32, bad).unwrap_err().contains("32 bits"),
                "{bad}"
            );
        }
    }

    #[test]
    fn floats_and_vectors() {
        assert_eq!(through(ValType::F32, "1.5").unwrap(), "1.5");
        assert_eq!(through(ValType::F64, "-inf").unwrap(), "-inf");
        assert_eq!(through(ValType::F64, "nan").unwrap(), "NaN");
        assert!(through(ValType::F64, "x").unwrap_err().contains("a number"));
        assert_eq!(through(ValType::V128, "0x1_00").unwrap(), "256");
        assert!(through(ValType::V128, "-1").is_err());
    }

    #[test]
    fn references_can_be_null_only() {
        assert_eq!(
            through(ValType::EXTERNREF, "null").unwrap(),
            "<null externref>"
        );
        assert_eq!(through(ValType::FUNCREF, "null").unwrap(), "<null funcref>");
        assert!(through(ValType::FUNCREF, "0").unwrap_err().contains("null"));
    }
}
