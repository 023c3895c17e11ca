//! The programs that the demo needs: Debian packages, and the binaries of this workspace.

use std::env;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open};

use crate::demo_dir::relative;
use crate::waiting::wait;
use opterius_daemon::output::say;
use opterius_license_server::commands::failure::Failure;

/// Required programs with their Debian packages.
const REQUIRED: [(&str, &str); 5] = [
    ("curl", "curl"),
    ("nginx", "nginx-light"),
    ("openssl", "openssl"),
    ("setpriv", "util-linux"),
    ("useradd", "passwd"),
];

/// Installs missing programs if running as root on Debian.
pub(super) fn install_missing() -> Result<(), Failure> {
    let missing: Vec<&str> =
        REQUIRED.iter().filter(|(program, _)| !is_installed(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let by_hand = || Failure::refused(format!("the demo needs {packages}. Run: apt-get install {packages}"));
    if !geteuid().is_root() || !is_installed("apt-get") {
        return Err(by_hand());
    }
    say(&format!("Installing the packages that the demo needs: {packages}\n"));
    let run = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command.status().is_ok_and(|status| status.success())
    };
    let install = [&["install", "-y", "-q", "--no-install-recommends"], missing.as_slice()].concat();
    // If the update fails, the install may still work.
    let _ = run(&["update", "-q"]);
    if run(&install) { Ok(()) } else { Err(by_hand()) }
}

fn is_installed(program: &str) -> bool {
    // The PATH of a normal user may lack the sbin directories.
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let is_program = |candidate: PathBuf| {
        candidate.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&path).any(|directory| is_program(directory.join(program)))
}

/// The binaries that the demo runs and its tour mentions.
pub(super) struct Programs {
    pub(super) agent: PathBuf,
    pub(super) license_server: PathBuf,
}

/// The packages that cargo builds for the demo.
const PACKAGES: [&str; 3] = ["opterius-agent", "opterius-operation", "opterius-license-server"];

/// The binaries beside this one. Under `cargo run`, which builds only one binary, builds the others first.
pub(super) fn programs(stop: &UnixStream) -> Result<Programs, Failure> {
    let own = env::current_exe()
        .map_err(|error| Failure::refused(format!("cannot find the path of this program: {error}")))?;
    if let Some(cargo) = env::var_os("CARGO") {
        build(Path::new(&cargo), &own, stop)?;
    }
    let beside = PACKAGES.map(|name| own.with_file_name(name));
    if let Some(missing) = beside.iter().find(|program| !program.is_file()) {
        return Err(Failure::refused(format!(
            "{}: not found. Run in the source directory: cargo demo; or build it with: cargo build \
             --release",
            relative(missing)
        )));
    }
    let [agent, _, license_server] = beside;
    Ok(Programs { agent, license_server })
}

fn build(cargo: &Path, own: &Path, stop: &UnixStream) -> Result<(), Failure> {
    // target/release/program: the same profile, into the same directory.
    let profile = own.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("release");
    let profile = if profile == "debug" { "dev" } else { profile };
    let mut command = Command::new(cargo);
    command.args(["build", "--locked", "--bins", "--profile", profile]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    if let Some(target) = own.ancestors().nth(2) {
        command.arg("--target-dir").arg(target);
    }
    if let Some(manifest) = env::var_os("CARGO_MANIFEST_DIR") {
        command.arg("--manifest-path").arg(Path::new(&manifest).join("Cargo.toml"));
    }
    // Environment variables of this crate would make cargo rerun build scripts.
    let is_crate_variable = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"].iter().any(|prefix| name.starts_with(prefix))
    };
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_crate_variable)) {
        command.env_remove(name);
    }
    say("Building the Agent and the license server. The first build takes a few minutes.\n");
    match run_until(command, stop) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::refused(format!("the build failed: cargo exited with {}", code(status)))),
        Err(error) => Err(Failure::refused(format!("{}: {error}", cargo.display()))),
    }
}

/// Waits for a command; terminates its process group if a signal arrives.
fn run_until(mut command: Command, stop: &UnixStream) -> io::Result<ExitStatus> {
    let mut child = command.process_group(0).spawn()?;
    let process = Pid::from_child(&child);
    if let Ok(descriptor) = pidfd_open(process, PidfdFlags::empty()) {
        wait(&[descriptor.as_fd(), stop.as_fd()], None);
        if child.try_wait()?.is_none() {
            kill_process_group(process, Signal::TERM)?;
        }
    }
    child.wait()
}

fn code(status: ExitStatus) -> String {
    status.code().map_or("a signal".to_owned(), |code| code.to_string())
}
