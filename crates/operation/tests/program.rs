//! The helper as a process: what it says to a wrong call, and that it answers whatever comes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn helper(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opterius-operation"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may have ended before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_wrong_call_is_told_and_help_names_every_task() {
    let help = text(&helper(&["--help"], "").stdout);
    for word in ["adopt", "renewed", "--config", "--version"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    let wrong = helper(&["adpot"], "");
    assert_eq!(wrong.status.code(), Some(64));
    assert!(text(&wrong.stderr).contains("“adpot”") && text(&wrong.stderr).contains("--help"), "{wrong:?}");
    let version = concat!("opterius-operation ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(text(&helper(&["--version"], "").stdout), version);
}

#[test]
fn without_a_configuration_the_answer_says_so() {
    let missing = helper(&["--config", "/nonexistent/agent.conf"], r#"{"path":"/system/time","seconds":5}"#);
    assert_eq!(missing.status.code(), Some(0), "{missing:?}");
    let answer = text(&missing.stdout);
    assert!(answer.starts_with(r#"{"status":503,"#) && answer.contains("operations_unavailable"), "{answer}");
    let adoption = helper(&["--config", "/nonexistent/agent.conf", "adopt"], "");
    assert_eq!(adoption.status.code(), Some(77), "{adoption:?}");
}
