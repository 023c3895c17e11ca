//! Tools from Debian that the comparison needs; missing ones are installed.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{During, Failure};

/// Programs and their Debian packages.
const TOOLS: [(&str, &str); 3] = [("wrk", "wrk"), ("nginx", "nginx"), ("go", "golang-go")];

pub(crate) fn install_missing() -> Result<(), Failure> {
    let missing = TOOLS.iter().filter(|(program, _)| !is_installed(program));
    let packages: Vec<&str> = missing.map(|(_, package)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("compare: installing {}", packages.join(", "));
    apt_get(&["update"])?;
    apt_get(&[&["install", "-y", "--no-install-recommends"], &*packages].concat())
}

fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    // nginx is in /usr/sbin, which may not be in a regular user's PATH.
    let system = Path::new("/usr/sbin").to_owned();
    std::env::split_paths(&folders).chain([system]).any(|folder| folder.join(program).is_file())
}

fn apt_get(arguments: &[&str]) -> Result<(), Failure> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    run(command.stdout(Stdio::null()))
}

/// Runs a command, and passes its standard error through.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().during(format!("run {name}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{name} failed ({status})")))
}
