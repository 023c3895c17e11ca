//! The license server as a process: that it can be called. What it does is tried by the tests of the workspace.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

#[test]
fn help_and_version_are_printed_and_a_wrong_call_is_told() {
    let run = |word: &str| Command::new(env!("CARGO_BIN_EXE_opterius-license-server")).arg(word).output().unwrap();
    let version = concat!("opterius-license-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&run("--version").stdout), version);
    assert!(String::from_utf8_lossy(&run("--help").stdout).contains("license create"));
    let wrong = run("licence");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("license"), "{wrong:?}");
}
