//! Running one file in a process of its own, and bringing its summary back as lines of text.
//!
//! A miscompiled function may take the whole process down; then the signal is the result. This file must never
//! know which suites exist.

use std::path::Path;
use std::process::Command;

use craneway_spec_tests::{Failure, Skipped, Summary, Wording};

/// Names the file that a child writes its summary to. Its presence marks a child.
const VARIABLE: &str = "SPEC_CHILD";

/// Whether this process is such a child.
pub(crate) fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Leaves `summary` to the parent.
pub(crate) fn leave(summary: &Summary) -> std::io::Result<()> {
    let Some(path) = std::env::var_os(VARIABLE) else {
        return Ok(());
    };
    let Summary {
        assertions,
        passed,
        commands,
        ..
    } = summary;
    let mut text = format!("{}\n{assertions} {passed} {commands}\n", summary.name);
    for Failure {
        line,
        column,
        directive,
        message,
    } in &summary.failures
    {
        let message = message.replace('\n', " ");
        text += &format!("F\t{line}\t{column}\t{directive}\t{message}\n");
    }
    for Skipped {
        line,
        assertion,
        reason,
    } in &summary.skipped
    {
        text += &format!("S\t{line}\t{}\t{reason}\n", u8::from(*assertion));
    }
    for Wording { line, .. } in &summary.wordings {
        text += &format!("W\t{line}\n");
    }
    std::fs::write(path, text)
}

/// Runs the test `name` in a child. The error is what the child printed, or how it died.
pub(crate) fn run(name: &str) -> (Option<Summary>, Result<(), String>) {
    let file = format!(
        "spec-{}-{}",
        std::process::id(),
        name.replace([':', '/'], "_")
    );
    let path = std::env::temp_dir().join(file);
    let output = std::env::current_exe().and_then(|program| {
        Command::new(program)
            .args(["--exact", name, "--test-threads", "1"])
            .env_remove("SPEC_ISOLATE")
            .env_remove("SPEC_FAILURES")
            .env(VARIABLE, &path)
            .output()
    });
    let output = match output {
        Ok(output) => output,
        Err(error) => return (None, Err(format!("cannot run a child: {error}"))),
    };
    let summary = read(&path);
    // Not there if the child died.
    let _ = std::fs::remove_file(&path);
    if output.status.success() {
        return (summary, Ok(()));
    }
    let printed = [output.stdout, output.stderr].concat();
    (
        summary,
        Err(format!(
            "{}\n{}",
            output.status,
            String::from_utf8_lossy(&printed)
        )),
    )
}

fn read(path: &Path) -> Option<Summary> {
    let text = std::fs::read_to_string(path).ok()?;
    let mut lines = text.lines();
    let mut summary = Summary {
        name: lines.next()?.to_owned(),
        ..Summary::default()
    };
    let counts: Vec<usize> = lines
        .next()?
        .split(' ')
        .filter_map(|n| n.parse().ok())
        .collect();
    let [assertions, passed, commands] = counts[..] else {
        return None;
    };
    (summary.assertions, summary.passed, summary.commands) = (assertions, passed, commands);
    for line in lines {
        let fields: Vec<&str> = line.splitn(5, '\t').collect();
        match fields[..] {
            ["F", line, column, directive, message] => summary.failures.push(Failure {
                line: line.parse().ok()?,
                column: column.parse().ok()?,
                directive: directive.to_owned(),
                message: message.to_owned(),
            }),
            ["S", line, assertion, reason] => summary.skipped.push(Skipped {
                line: line.parse().ok()?,
                assertion: assertion == "1",
                reason: reason.to_owned(),
            }),
            ["W", line] => summary.wordings.push(Wording {
                line: line.parse().ok()?,
                expected: String::new(),
                got: String::new(),
            }),
            _ => return None,
        }
    }
    Some(summary)
}
