//! The committed guests run by the command: every case of `spec-tests/guests/cases.json` is a test, and the files are
//! the ones that `MANIFEST` names. It knows the command from outside only, as a user does.

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::FileTimes;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // Some guests sleep, hold gigabytes or look at the clock: two at a time do not disturb one another.
    args.test_threads = args.test_threads.or(Some(2));
    let text =
        std::fs::read_to_string(folder().join("cases.json")).expect("cases.json is committed");
    let cases: Value = serde_json::from_str(&text).expect("cases.json is JSON");
    let fixtures = cases["fixtures"].clone();
    let cases = cases["cases"].as_array().expect("a list of cases").clone();
    assert!(cases.len() > 50, "cases.json lost its cases");
    let mut trials: Vec<Trial> = cases
        .into_iter()
        .map(|mut case| {
            let fixture = fixtures[text_of(&case["fixture"])].as_object();
            for (key, value) in fixture.into_iter().flatten() {
                case[key] = value.clone();
            }
            let name = text_of(&case["name"]).to_owned();
            Trial::test(name, move || run(&case))
        })
        .collect();
    trials.push(Trial::test("files are those of MANIFEST", manifest));
    trials.push(Trial::test(
        "differences from Wasmtime are explained",
        differences,
    ));
    libtest_mimic::run(&args, trials).exit_code()
}

/// Where the guests are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec-tests/guests")
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list<'a>(case: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    case[key].as_array().into_iter().flatten().map(text_of)
}

fn entries<'a>(case: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a str)> {
    case[key]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name, text_of(value)))
}

/// Makes the case's directory as `files`, `links` and `times` (seconds since 1970 and nanoseconds) say.
fn lay_out(case: &Value, root: &Path) -> std::io::Result<()> {
    for (name, content) in entries(case, "files") {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::fs::write(path, content)?;
    }
    for (name, target) in entries(case, "links") {
        std::os::unix::fs::symlink(target, root.join(name))?;
    }
    for (name, time) in case["times"].as_object().into_iter().flatten() {
        let part = |index: usize| time[index].as_i64().unwrap_or_default();
        let whole = Duration::from_secs(part(0).unsigned_abs());
        let second = match part(0) < 0 {
            true => UNIX_EPOCH - whole,
            false => UNIX_EPOCH + whole,
        };
        let time = second + Duration::from_nanos(part(1).unsigned_abs());
        std::fs::File::options()
            .write(true)
            .open(root.join(name))?
            .set_times(FileTimes::new().set_accessed(time).set_modified(time))?;
    }
    Ok(())
}

/// Runs one case and compares everything that it states.
fn run(case: &Value) -> Result<(), Failed> {
    let root = tempfile::tempdir()?;
    let root_text = root.path().canonicalize()?.display().to_string();
    lay_out(case, root.path())?;
    let filled = |text: &str| text.replace("{tmp}", &root_text);
    let mut stdin = tempfile::tempfile()?;
    stdin.write_all(text_of(&case["stdin"]).as_bytes())?;
    stdin.rewind()?;
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut command = Command::new(env!("CARGO_BIN_EXE_craneway"));
    command
        .arg("run")
        .args(list(case, "flags").map(filled))
        .arg(text_of(&case["wasm"]))
        .args(list(case, "args").map(filled))
        .env("CRANEWAY_CONFIG", "")
        .envs(entries(case, "set_env"))
        .current_dir(folder())
        .stdin(stdin)
        .stdout(Stdio::from(out.try_clone()?))
        .stderr(Stdio::from(err.try_clone()?));
    let status = command.status()?;
    let (mut stdout, mut stderr) = (String::new(), String::new());
    out.rewind()?;
    out.read_to_string(&mut stdout)?;
    err.rewind()?;
    err.read_to_string(&mut stderr)?;
    let mut wrong = compare(case, status.code(), &stdout, &stderr)?;
    for (name, content) in entries(case, "after") {
        if std::fs::read(root.path().join(name)).ok().as_deref() != Some(content.as_bytes()) {
            writeln!(wrong, "{name} was not written as expected")?;
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(format!("{wrong}{command:?}\nstdout: {stdout}\nstderr: {stderr}").into()),
    }
}

/// What differs from what the case states, one a line.
fn compare(case: &Value, code: Option<i32>, stdout: &str, stderr: &str) -> Result<String, Failed> {
    let mut wrong = String::new();
    match case["exit"].as_i64() {
        Some(want) if code.map(i64::from) != Some(want) => {
            writeln!(wrong, "exit status {code:?}, expected {want}")?
        }
        None if code == Some(0) => writeln!(wrong, "exit status 0, expected another")?,
        _ => {}
    }
    let want = match case["stdout_file"].as_str() {
        Some(file) => Some(std::fs::read_to_string(folder().join(file))?),
        None => case["stdout"].as_str().map(str::to_owned),
    };
    if want.is_some_and(|want| want != stdout) {
        writeln!(wrong, "stdout differs")?;
    }
    for (stream, key, text) in [
        ("stdout", "stdout_has", stdout),
        ("stderr", "stderr_has", stderr),
    ] {
        for part in list(case, key).filter(|part| !text.contains(part)) {
            writeln!(wrong, "{stream} lacks {part:?}")?;
        }
    }
    Ok(wrong)
}

/// Every guest and source has the hash that MANIFEST gives, and no guest is missing from it.
fn manifest() -> Result<(), Failed> {
    let listed = std::fs::read_to_string(folder().join("MANIFEST"))?;
    let mut names = Vec::new();
    for line in listed.lines().filter(|line| !line.starts_with('#')) {
        let (hash, name) = line.split_once("  ").ok_or("a line without a name")?;
        let found = blake3::hash(&std::fs::read(folder().join(name))?).to_hex();
        if found.as_str() != hash {
            return Err(format!(
                "{name}: rebuild it with spec-tests/guests/build, and look at what changed"
            )
            .into());
        }
        names.push(name.to_owned());
    }
    for entry in std::fs::read_dir(folder())? {
        let name = entry?.file_name().display().to_string();
        if name.ends_with(".wasm") && !names.contains(&name) {
            return Err(format!("{name} is not in MANIFEST").into());
        }
    }
    Ok(())
}

/// Every line in which Wasmtime answers otherwise is in our expected output, and its reason is told in docs/wasi.md.
fn differences() -> Result<(), Failed> {
    let manual = std::fs::read_to_string(folder().join("../../docs/wasi.md"))?;
    let listed = std::fs::read_to_string(folder().join("expected/differences"))?;
    let mut wrong = String::new();
    for line in listed.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split('\t').collect();
        let [file, reason, ours, _] = parts[..] else {
            return Err(format!("four parts expected: {line}").into());
        };
        if !manual.contains(&format!("| `{reason}` |")) {
            writeln!(wrong, "docs/wasi.md has no reason `{reason}`")?;
        }
        let expected = std::fs::read_to_string(folder().join(file))?;
        if ours != "-" && !expected.lines().any(|line| line == ours) {
            writeln!(wrong, "{file} has no line {ours:?}")?;
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into()),
    }
}
