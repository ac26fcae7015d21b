//! The configuration file: defaults for the keys of `-W`, `-C`, `-O`, `-D` and `-S`, as tables of TOML.
//! Must never know what a key means; the tables of `options` do.

use crate::input::plain;
use crate::options::{Assignment, CODEGEN, DEBUG, Group, OPTIMIZE, WASI, WASM};
use crate::report::Failure;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the tables are called: by the long names of the flags.
static TABLES: [(&str, &Group); 5] = [
    ("wasm", &WASM),
    ("codegen", &CODEGEN),
    ("optimize", &OPTIMIZE),
    ("debug", &DEBUG),
    ("wasi", &WASI),
];

/// The assignments of the file, in the order of the tables; none if there is no file.
pub(crate) fn read() -> Result<Vec<Assignment>, Failure> {
    let Some(Place { path, named }) = place(|name| std::env::var_os(name)) else {
        return Ok(Vec::new());
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text),
        // One that was asked for by name has to be there.
        Err(err) if err.kind() == ErrorKind::NotFound && !named => Ok(Vec::new()),
        Err(err) => Err(
            Failure::new(format!("cannot read {}: {}", path.display(), plain(&err)))
                .hint("CRANEWAY_CONFIG= (empty) runs without a configuration file"),
        ),
    }
}

/// Where the file is looked for.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    /// Whether the user named it.
    named: bool,
}

/// `$CRANEWAY_CONFIG`, else `craneway/config.toml` where configuration lies. An empty name means none.
fn place(var: impl Fn(&str) -> Option<OsString>) -> Option<Place> {
    if let Some(path) = var("CRANEWAY_CONFIG") {
        return (!path.is_empty()).then(|| Place {
            path: path.into(),
            named: true,
        });
    }
    let folder = |name: &str| {
        var(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(Place {
        path: base.join("craneway/config.toml"),
        named: false,
    })
}

/// Reads the file's text.
fn parse(path: &Path, text: &str) -> Result<Vec<Assignment>, Failure> {
    let wrong = |message: String| {
        Failure::usage(format!("{}: {message}", path.display()))
            .hint("it holds tables such as [wasm] and [wasi], with the keys that `craneway run -W help` lists")
    };
    let file: toml::Table = text
        .parse()
        .map_err(|err: toml::de::Error| wrong(err.to_string()))?;
    let mut assignments = Vec::new();
    for (name, table) in &file {
        let Some((_, group)) = TABLES.iter().find(|(known, _)| known == name) else {
            let known: Vec<_> = TABLES
                .iter()
                .map(|(known, _)| format!("[{known}]"))
                .collect();
            return Err(wrong(format!(
                "there is no `{name}` to set; the tables are {}",
                known.join(", ")
            )));
        };
        let table = table
            .as_table()
            .ok_or_else(|| wrong(format!("`{name}` must be a table: [{name}]")))?;
        for (key, value) in table {
            for text in texts(value).ok_or_else(|| {
                wrong(format!(
                    "[{name}] {key}: the value must be true or false, a number, text, or a list of texts"
                ))
            })? {
                let assignment = group
                    .parse_one(&format!("{key}={text}"))
                    .map_err(|message| wrong(format!("[{name}] {key}: {message}")))?;
                assignments.push(assignment);
            }
        }
    }
    Ok(assignments)
}

/// A value as it would stand behind a key on the command line; several for a list.
fn texts(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::Boolean(true) => Some(vec!["y".to_owned()]),
        toml::Value::Boolean(false) => Some(vec!["n".to_owned()]),
        toml::Value::Integer(number) => Some(vec![number.to_string()]),
        toml::Value::String(text) => Some(vec![text.clone()]),
        toml::Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_follows_the_environment() {
        let find = |vars: &[(&str, &str)]| {
            place(|name| {
                let (_, value) = vars.iter().find(|(known, _)| *known == name)?;
                Some(value.into())
            })
        };
        let at = |path: &str, named| {
            Some(Place {
                path: path.into(),
                named,
            })
        };
        assert_eq!(
            find(&[("HOME", "/h")]),
            at("/h/.config/craneway/config.toml", false)
        );
        assert_eq!(
            find(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]),
            at("/x/craneway/config.toml", false)
        );
        assert_eq!(
            find(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "relative")]),
            at("/h/.config/craneway/config.toml", false)
        );
        assert_eq!(
            find(&[("HOME", "/h"), ("CRANEWAY_CONFIG", "c.toml")]),
            at("c.toml", true)
        );
        assert_eq!(find(&[("HOME", "/h"), ("CRANEWAY_CONFIG", "")]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn tables_hold_keys_of_the_flags() {
        let count = |text: &str| parse(Path::new("c"), text).map(|found| found.len());
        assert_eq!(count("").ok(), Some(0));
        assert_eq!(
            count(
                "[wasm]\nsimd = false\nmax-memory-size = \"1GiB\"\nmax-tables = 3\n\
                 [wasi]\ntcplisten = [\"127.0.0.1:1\", \"127.0.0.1:2\"]\n[optimize]\nopt-level = 2\n"
            )
            .ok(),
            Some(6)
        );
        for (text, part) in [
            ("[wasn]\n", "the tables are [wasm]"),
            ("wasm = 1\n", "must be a table"),
            ("[wasm]\nsind = true\n", "did you mean `simd`?"),
            ("[wasm]\nsimd = 1.5\n", "the value must be"),
            ("[wasm]\nsimd = \"perhaps\"\n", "y or n"),
            ("[wasm\n", "TOML parse error"),
        ] {
            let failure = parse(Path::new("c.toml"), text).expect_err(text);
            let shown = format!("{failure:?}");
            assert!(shown.contains("c.toml") && shown.contains(part), "{shown}");
        }
    }
}
