//! Smoke test of the binary. The integration tests of the workspace cover its behavior.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::process::Command;

#[test]
fn help_version_and_usage_errors_are_printed() {
    let run = |word: &str| Command::new(env!("CARGO_BIN_EXE_opterius-license-server")).arg(word).output().unwrap();
    let version = concat!("opterius-license-server ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8_lossy(&run("--version").stdout), version);
    assert!(String::from_utf8_lossy(&run("--help").stdout).contains("license create"));
    let wrong = run("licence");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("license"), "{wrong:?}");
}
