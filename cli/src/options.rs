//! The `-W`, `-C`, `-O`, `-D` and `-S` groups: how `KEY[=VALUE],...` is read, listed and explained.
//! Each key is declared once, in a table under `options/`; parsing, `-X help`, error lists and shell
//! completion are all made from that table.
//! This module must never know what a key means: a key carries a function that applies it to [`Settings`].

mod codegen;
mod debug;
mod optimize;
mod wasi;
mod wasm;

use crate::nearest::nearest;
use crate::settings::Settings;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::net::SocketAddr;

pub(crate) use codegen::CODEGEN;
pub(crate) use debug::DEBUG;
pub(crate) use optimize::OPTIMIZE;
pub(crate) use wasi::WASI;
pub(crate) use wasm::WASM;

/// One letter's worth of keys.
#[derive(Debug)]
pub(crate) struct Group {
    /// The short flag, as in `-W`.
    pub(crate) letter: char,
    /// What the keys are about, for the heading of a list.
    pub(crate) about: &'static str,
    /// The keys, in the order in which they are listed.
    pub(crate) keys: &'static [Key],
}

/// One key of a group.
#[derive(Debug)]
pub(crate) struct Key {
    /// The name as typed.
    pub(crate) name: &'static str,
    /// What values it takes, and what they do.
    pub(crate) kind: Kind,
    /// One line of help.
    pub(crate) help: &'static str,
}

/// What values a key takes, and what they do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `y` or `n`; no value means `y`.
    Switch(fn(&mut Settings, bool)),
    /// As `Switch`, but one function serves several keys and is told which.
    Named(fn(&mut Settings, &'static str, bool)),
    /// A number of bytes, with an optional unit.
    Bytes(fn(&mut Settings, usize)),
    /// A plain number.
    Count(fn(&mut Settings, usize)),
    /// One of a few words.
    Choice(&'static [&'static str], fn(&mut Settings, &str)),
    /// An address and port of this machine.
    Address(fn(&mut Settings, SocketAddr)),
}

/// A key with the value it was given, ready to be applied.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Assignment {
    /// A switch and its position.
    Switch(fn(&mut Settings, bool), bool),
    /// A switch that shares its function, its name and its position.
    Named(fn(&mut Settings, &'static str, bool), &'static str, bool),
    /// A number and who takes it.
    Number(fn(&mut Settings, usize), usize),
    /// A word and who takes it.
    Word(fn(&mut Settings, &str), &'static str),
    /// An address and who takes it.
    Address(fn(&mut Settings, SocketAddr), SocketAddr),
}

impl Assignment {
    /// Carries the assignment out.
    pub(crate) fn apply(self, settings: &mut Settings) {
        match self {
            Assignment::Switch(set, value) => set(settings, value),
            Assignment::Named(set, name, value) => set(settings, name, value),
            Assignment::Number(set, value) => set(settings, value),
            Assignment::Word(set, value) => set(settings, value),
            Assignment::Address(set, value) => set(settings, value),
        }
    }
}

/// What one occurrence of `-W a=y,b=n` says.
#[derive(Clone, Debug)]
pub(crate) struct Assignments(pub(crate) Vec<Assignment>);

impl Kind {
    /// How the value looks in a list of keys.
    fn value_help(&self) -> String {
        match self {
            Kind::Switch(_) | Kind::Named(_) => "[=y|n]".to_owned(),
            Kind::Bytes(_) => "=BYTES".to_owned(),
            Kind::Count(_) => "=N".to_owned(),
            Kind::Choice(words, _) => format!("={}", words.join("|")),
            Kind::Address(_) => "=ADDRESS:PORT".to_owned(),
        }
    }

    /// Reads the value of the key `name`. The error says what was expected.
    fn parse(&self, name: &'static str, value: Option<&str>) -> Result<Assignment, String> {
        match *self {
            Kind::Switch(set) => parse_switch(value).map(|on| Assignment::Switch(set, on)),
            Kind::Named(set) => parse_switch(value).map(|on| Assignment::Named(set, name, on)),
            Kind::Bytes(set) => value
                .and_then(parse_bytes)
                .map(|n| Assignment::Number(set, n))
                .ok_or_else(|| "a number of bytes, such as 1048576 or 1MiB".to_owned()),
            Kind::Count(set) => value
                .and_then(parse_count)
                .map(|n| Assignment::Number(set, n))
                .ok_or_else(|| "a number".to_owned()),
            Kind::Address(set) => value
                .and_then(|text| text.parse().ok())
                .map(|address| Assignment::Address(set, address))
                .ok_or_else(|| "an address and port, such as 127.0.0.1:8080".to_owned()),
            Kind::Choice(words, set) => words
                .iter()
                .find(|word| Some(**word) == value)
                .map(|word| Assignment::Word(set, word))
                .ok_or_else(|| match words {
                    [only] => format!("{only}, the only value there is so far"),
                    _ => format!("one of {}", words.join(", ")),
                }),
        }
    }
}

/// `y` or `n`; no value means `y`.
fn parse_switch(value: Option<&str>) -> Result<bool, String> {
    match value {
        None | Some("y" | "yes" | "true") => Ok(true),
        Some("n" | "no" | "false") => Ok(false),
        Some(_) => Err("y or n".to_owned()),
    }
}

/// Decimal, or hexadecimal after `0x`; `_` may separate digits.
fn parse_count(text: &str) -> Option<usize> {
    let digits = text.replace('_', "");
    match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => usize::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A count followed by an optional unit; every unit is a power of 1024.
fn parse_bytes(text: &str) -> Option<usize> {
    if let Some(plain) = parse_count(text) {
        return Some(plain);
    }
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (digits, unit) = text.split_at(unit_at);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    parse_count(digits)?.checked_mul(1 << shift)
}

impl Group {
    /// The list that `-X help` prints and that follows an unknown key.
    pub(crate) fn list(&self) -> String {
        let names: Vec<String> = self
            .keys
            .iter()
            .map(|key| format!("{}{}", key.name, key.kind.value_help()))
            .collect();
        let width = names.iter().map(String::len).max().unwrap_or(0);
        let mut out = format!("Keys of -{} ({}):\n", self.letter, self.about);
        for (name, key) in names.iter().zip(self.keys) {
            let _ = writeln!(out, "  -{} {name:width$}  {}", self.letter, key.help);
        }
        out
    }

    /// Reads one `KEY[=VALUE]`. The error is the whole message.
    pub(crate) fn parse_one(&self, item: &str) -> Result<Assignment, String> {
        let (name, value) = match item.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (item, None),
        };
        let Some(key) = self.keys.iter().find(|key| key.name == name) else {
            return Err(self.unknown(name));
        };
        key.kind
            .parse(key.name, value)
            .map_err(|expected| match value {
                Some(value) => {
                    format!(
                        "-{} {name}={value}: the value must be {expected}",
                        self.letter
                    )
                }
                None => format!("-{} {name} needs a value: {expected}", self.letter),
            })
    }

    /// The message for a key that is not in the table.
    fn unknown(&self, name: &str) -> String {
        let mut out = format!("unknown key `{name}` for -{}", self.letter);
        let by_value = self.keys.iter().find(|key| match key.kind {
            Kind::Choice(words, _) => words.contains(&name),
            _ => false,
        });
        if let Some(key) = by_value {
            let _ = write!(out, "; did you mean `{}={name}`?", key.name);
        } else if let Some(near) = nearest(name, self.keys.iter().map(|key| key.name)) {
            let _ = write!(out, "; did you mean `{near}`?");
        } else if let Some(other) = Self::all()
            .into_iter()
            .find(|group| group.keys.iter().any(|key| key.name == name))
        {
            let _ = write!(out, "; it is a key of -{}", other.letter);
        }
        out.push_str("\n\n");
        out.push_str(&self.list());
        out
    }

    /// Every group there is.
    pub(crate) fn all() -> [&'static Group; 5] {
        [&WASM, &CODEGEN, &OPTIMIZE, &DEBUG, &WASI]
    }
}

/// The list of keys that `-X help` asked for, which clap can only deliver as an error.
pub(crate) fn requested_list(err: &Error) -> Option<&str> {
    match err.get(ContextKind::Custom) {
        Some(ContextValue::String(list)) => Some(list),
        _ => None,
    }
}

/// Reads a group's argument for clap, and offers the keys for shell completion.
#[derive(Clone, Copy)]
pub(crate) struct GroupParser(pub(crate) &'static Group);

impl TypedValueParser for GroupParser {
    type Value = Assignments;

    fn parse_ref(
        &self,
        cmd: &clap::Command,
        _arg: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Assignments, Error> {
        let group = self.0;
        let fail = |message: String| {
            Error::raw(ErrorKind::InvalidValue, format!("{}\n", message.trim_end())).with_cmd(cmd)
        };
        let text = value
            .to_str()
            .ok_or_else(|| fail(format!("-{}: the argument is not UTF-8", group.letter)))?;
        if text == "help" {
            let mut list = Error::new(ErrorKind::DisplayHelp);
            list.insert(ContextKind::Custom, ContextValue::String(group.list()));
            return Err(list);
        }
        text.split(',')
            .filter(|item| !item.is_empty())
            .map(|item| group.parse_one(item).map_err(fail))
            .collect::<Result<_, _>>()
            .map(Assignments)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            self.0
                .keys
                .iter()
                .map(|key| PossibleValue::new(key.name).help(key.help)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_sorted_into_one_group() {
        for group in Group::all() {
            for (index, key) in group.keys.iter().enumerate() {
                assert!(
                    !group.keys[..index]
                        .iter()
                        .any(|other| other.name == key.name),
                    "{}",
                    key.name
                );
                assert!(
                    !key.help.is_empty() && !key.help.contains('\n'),
                    "{}",
                    key.name
                );
            }
        }
    }

    #[test]
    fn numbers_take_units() {
        assert_eq!(parse_bytes("65536"), Some(65536));
        assert_eq!(parse_bytes("0x10000"), Some(65536));
        assert_eq!(parse_bytes("1_000"), Some(1000));
        assert_eq!(parse_bytes("64k"), Some(65536));
        assert_eq!(parse_bytes("2GiB"), Some(2 << 30));
        assert_eq!(parse_bytes("16777216T"), None);
        assert_eq!(parse_bytes("12 apples"), None);
        assert_eq!(parse_bytes(""), None);
        assert_eq!(parse_bytes("-1"), None);
    }

    #[test]
    fn switches_take_y_and_n() {
        for (text, expected) in [
            ("simd", true),
            ("simd=y", true),
            ("simd=no", false),
            ("simd=true", true),
        ] {
            match WASM.parse_one(text) {
                Ok(Assignment::Switch(_, value)) => assert_eq!(value, expected, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(
            WASM.parse_one("simd=maybe").unwrap_err(),
            "-W simd=maybe: the value must be y or n"
        );
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_list() {
        let message = WASM.parse_one("sind").unwrap_err();
        assert!(
            message.starts_with("unknown key `sind` for -W; did you mean `simd`?"),
            "{message}"
        );
        for key in WASM.keys {
            assert!(message.contains(key.help), "{}", key.name);
        }
        let message = OPTIMIZE.parse_one("2").unwrap_err();
        assert!(message.contains("did you mean `opt-level=2`?"), "{message}");
        let message = OPTIMIZE.parse_one("nan-canonicalization").unwrap_err();
        assert!(message.contains("it is a key of -W"), "{message}");
    }
}
