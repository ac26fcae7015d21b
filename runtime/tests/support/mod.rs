//! A test's body in a process of its own, for what changes or ends the process.

use std::process::{Command, Output};

/// Set in the child.
const CHILD: &str = "CRANEWAY_TEST_CHILD";

/// Runs the test `name` of this file again in a child, where this returns `None`: there the test goes
/// on with its body. In the parent, what the child left.
pub fn child(name: &str) -> Option<Output> {
    if std::env::var_os(CHILD).is_some() {
        return None;
    }
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", name, "--nocapture", "--test-threads=1"];
    let output = Command::new(program)
        .args(arguments)
        .env(CHILD, "1")
        .output();
    Some(output.unwrap())
}

/// As [`child`], for one that must succeed: whether this is the child.
#[allow(
    dead_code,
    reason = "not every file that has this module needs all of it"
)]
pub fn is_child(name: &str) -> bool {
    let Some(output) = child(name) else {
        return true;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    false
}
