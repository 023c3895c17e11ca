//! Facts that several checks share.

use std::path::Path;

use crate::cli::inquiry;
use crate::config::file::DEFAULT_PATH;
use crate::config::{Config, DEFAULT_ADDRESS, Loaded};
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::Finding;
use crate::doctor::network_path::NetworkPath;
use crate::doctor::port::Port;
use crate::doctor::process::Process;
use crate::doctor::reach::UnixUser;
use crate::doctor::shell;
use crate::doctor::system::System;
use crate::doctor::systemd::Service;
use crate::license::client::proxy::ProxyVariables;
use crate::license::state::HostIdentity;
use opterius_daemon::config_file::Error;
use opterius_host::host::Host;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::users::register::Register;
use opterius_license::reason::Guide;

const RESTART: &str = "systemctl restart opterius-agent; journalctl -u opterius-agent -n 20";

/// The server under diagnosis.
pub struct Context<'a> {
    /// The host.
    pub system: &'a System<'a>,
    /// The configuration, or why it is invalid.
    pub loaded: &'a Result<Loaded, Error>,
    /// The host's identity, as reported to the license server.
    pub identity: &'a HostIdentity,
    /// The service; `None` if systemd does not answer.
    pub service: Option<Service>,
    /// The users and groups.
    pub register: Register,
    /// The port that the daemon should listen on.
    pub port: Port,
    /// The user that the Agent runs as.
    pub agent: UnixUser,
    /// The daemon's process, if visible: the one that listens, or the one that systemd started.
    pub process: Option<Process<'a>>,
    /// The network path to the license server, of several to the one that gives the daemon its verdict; `None` without a
    /// valid configuration.
    pub network_path: Option<NetworkPath<'a>>,
    /// The paths to the other license servers.
    pub other_paths: Vec<NetworkPath<'a>>,
    /// The daemon's license status; `None` if the daemon does not answer, or another process has its port.
    pub status: Option<DaemonStatus>,
}

impl<'a> Context<'a> {
    /// Collects the facts that the checks share.
    pub fn new(system: &'a System<'a>, loaded: &'a Result<Loaded, Error>, identity: &'a HostIdentity) -> Self {
        let config = loaded.as_ref().ok().map(|loaded| &loaded.config);
        let service = Service::query(system);
        let register = Register::parse(system.read("/etc/passwd"), system.read("/etc/group"));
        let address = config.map_or(DEFAULT_ADDRESS, inquiry::address);
        let port = Port::examine(system, address);
        let agent = agent(system, service.as_ref(), &register, &port);
        let is_foreign = port.is_foreign(&agent);
        let process = process(system, service.as_ref(), &port, is_foreign);
        // Where the daemon does not run or hides its own variables, those of this process.
        let variables = process.and_then(|process| process.proxy_variables()).unwrap_or_else(ProxyVariables::own);
        // Who takes a free port in between is not believed either.
        let status = if is_foreign || !port.is_open() { None } else { DaemonStatus::query(system, address) };
        let latest = status.as_ref().map(|status| status.text("license_server"));
        let paths =
            config.map(|config| NetworkPath::all(system, &config.license, latest.as_deref(), identity, &variables));
        let mut paths = paths.into_iter().flatten();
        let (network_path, other_paths) = (paths.next(), paths.collect());
        Self { system, loaded, identity, service, register, port, agent, process, network_path, other_paths, status }
    }

    /// The configuration, if it is valid.
    pub fn config(&self) -> Option<&'a Config> {
        self.loaded.as_ref().ok().map(|loaded| &loaded.config)
    }

    /// The host that operations work on.
    pub fn host(&self) -> Option<Host> {
        self.config().map(|config| config.host(&self.system.config_path))
    }

    /// What an operator should do about `reason`.
    pub fn help(&self, reason: &str) -> String {
        let guide = self.config().map_or_else(Guide::default, |config| config.guide(&self.system.config_path));
        guide.help(reason)
    }

    /// `fix` with this configuration file in its commands.
    pub fn with_config(&self, fix: &str) -> String {
        fix.replace("opterius-agent reverify", &self.command("reverify"))
    }

    /// The command line that runs `command` with this configuration file.
    pub fn command(&self, command: &str) -> String {
        command_with(&self.system.config_path, command)
    }

    /// How to edit this configuration file.
    pub fn editor(&self) -> String {
        format!("editor {}", shell::path(&self.system.config_path))
    }

    /// How to start the daemon again. With a file that it cannot use, it would not start, and may be running now.
    pub fn restart(&self) -> String {
        match self.loaded {
            Err(error) if self.system.is_root || !matches!(error, Error::Permission(_)) => {
                format!("correct agent.conf before any restart, which it would prevent: {}", self.editor())
            }
            _ => RESTART.to_owned(),
        }
    }

    /// The command line that runs doctor where the daemon's network is.
    pub fn command_beside(&self, process: Process<'_>) -> String {
        format!("nsenter -t {} -n {}", process.id, self.command("doctor"))
    }

    /// The finding of a check that only root can run.
    pub fn needs_root(&self, what: &str) -> Finding {
        let run = format!("run: sudo {}", self.command("doctor"));
        Finding::warn(format!("checking {what} requires root"), run)
    }
}

/// The command line that runs `command` with this configuration file.
pub fn command_with(file: &Path, command: &str) -> String {
    if file.as_os_str() == DEFAULT_PATH {
        format!("opterius-agent {command}")
    } else {
        format!("opterius-agent --config {} {command}", shell::path(file))
    }
}

/// The user that the Agent runs as: from its unit; root, if its process is root's; the package's user; that of its process;
/// or root, in that order.
fn agent(system: &System<'_>, service: Option<&Service>, register: &Register, port: &Port) -> UnixUser {
    if let Some(service) = service.filter(|service| service.is_loaded()) {
        let mut user = UnixUser::lookup(register, &service.user);
        // A number, or a user that /etc/passwd does not have: systemd knows it.
        let running = || Process::new(system, service.main_process?).users().first().copied();
        user.uid = user.uid.or_else(running);
        return user;
    }
    let process_user = port.system_user();
    let of_root = || process_user.filter(|uid| *uid == 0).map(|_| "root".to_owned());
    let package_user = || register.user(AGENT_GROUP).map(|user| user.name.clone());
    if let Some(name) = of_root().or_else(package_user) {
        return UnixUser::lookup(register, &name);
    }
    process_user.map_or_else(|| UnixUser::lookup(register, "root"), |uid| UnixUser::of(register, uid))
}

fn process<'a>(
    system: &'a System<'a>,
    service: Option<&Service>,
    port: &Port,
    is_foreign: bool,
) -> Option<Process<'a>> {
    let listening = port.holder.as_ref().filter(|_| !is_foreign).map(|holder| holder.process);
    let started = || service.and_then(|service| service.main_process);
    listening.or_else(started).map(|id| Process::new(system, id))
}
