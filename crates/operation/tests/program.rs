//! The helper as a process: usage errors, and replies to any input.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is a failure like any other")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

fn helper(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_opterius-operation"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may exit before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_usage_error_is_explained_and_help_names_every_task() {
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
fn the_reply_explains_a_missing_configuration() {
    let missing = helper(&["--config", "/nonexistent/agent.conf"], r#"{"path":"/system/time","seconds":5}"#);
    assert_eq!(missing.status.code(), Some(0), "{missing:?}");
    let answer = text(&missing.stdout);
    assert!(answer.starts_with(r#"{"status":503,"#) && answer.contains("operations_unavailable"), "{answer}");
    let adoption = helper(&["--config", "/nonexistent/agent.conf", "adopt"], "");
    assert_eq!(adoption.status.code(), Some(77), "{adoption:?}");
}

#[test]
fn a_refusal_reaches_a_client_that_sent_a_large_request() {
    let (mut client, server) = UnixStream::pair().unwrap();
    let (stdin, stdout): (OwnedFd, OwnedFd) = (server.try_clone().unwrap().into(), server.into());
    let mut command = Command::new(env!("CARGO_BIN_EXE_opterius-operation"));
    let mut child = command.args(["--config", "/nonexistent/agent.conf"]).stdin(stdin).stdout(stdout).spawn().unwrap();
    drop(command);
    client.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    // A reset connection would lose the reply.
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with(r#"{"status":503,"#), "{reply}");
    assert!(child.wait().unwrap().success());
}
