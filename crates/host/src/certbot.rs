//! Whether certbot can run here, seen without running it.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::problem::Problem;

/// How to install it.
const INSTALL: &str = "To install it, run: apt-get install certbot";

/// Checks that certbot is installed, that its interpreter exists, and that agent.conf names a certificate authority.
///
/// # Errors
/// The reason why no certificate can be issued.
pub fn check(host: &Host) -> Result<(), Problem> {
    check_program(Host::tool("certbot"))?;
    if host.acme.server.is_empty() {
        return Err(unavailable("agent.conf has an empty acme_server"));
    }
    match &host.acme.authority {
        // The Agent may not be allowed to look; the helper is.
        Some(file) if fs::metadata(file).is_err_and(|error| error.kind() == ErrorKind::NotFound) => {
            Err(unavailable(&format!("{}, the acme_ca_file of agent.conf, does not exist", file.display())))
        }
        _ => Ok(()),
    }
}

fn check_program(program: Option<PathBuf>) -> Result<(), Problem> {
    let Some(program) = program else {
        return Err(unavailable(&format!("certbot is not installed on this server. {INSTALL}")));
    };
    let shown = program.display();
    let mode = fs::metadata(&program).map_or(0, |found| found.permissions().mode());
    if mode & 0o111 == 0 {
        return Err(unavailable(&format!("{shown} is not executable. Run: chmod 755 {shown}")));
    }
    match interpreter(&program).filter(|interpreter| !interpreter.exists()) {
        Some(missing) => {
            Err(unavailable(&format!("{shown} needs {}, which does not exist. {INSTALL}", missing.display())))
        }
        None => Ok(()),
    }
}

/// The program in the first line of a script.
fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    fs::File::open(script).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let path = str::from_utf8(line).ok()?.split_ascii_whitespace().next()?;
    Some(PathBuf::from(path))
}

fn unavailable(cause: &str) -> Problem {
    let cause = cause.trim_end_matches('.');
    Problem::Unavailable(format!("The Agent cannot issue certificates: {cause}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_cannot_run_is_named() {
        let directory = std::env::temp_dir().join(format!("opterius-certbot-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let script = directory.join("certbot");
        let write = |text: &str, mode| {
            fs::write(&script, text).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(mode)).unwrap();
            check_program(Some(script.clone())).map_err(|problem| problem.message())
        };
        assert_eq!(write("#!/bin/sh\n", 0o755), Ok(()));
        assert!(write("#!/bin/sh\n", 0o644).unwrap_err().contains("is not executable"));
        assert!(write("#! /no/such/python3 -sE\n", 0o755).unwrap_err().contains("needs /no/such/python3"));
        assert!(check_program(None).unwrap_err().message().contains("apt-get install certbot"));
        fs::remove_dir_all(directory).unwrap();
    }
}
