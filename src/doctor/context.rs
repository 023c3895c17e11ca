//! Facts that several checks share.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::cli::inquiry;
use crate::config::file::DEFAULT_PATH;
use crate::config::{Config, DEFAULT_ADDRESS, Loaded};
use crate::doctor::daemon_status::DaemonStatus;
use crate::doctor::finding::Finding;
use crate::doctor::network_path::NetworkPath;
use crate::doctor::process::Process;
use crate::doctor::reach::UnixUser;
use crate::doctor::system::System;
use crate::doctor::systemd::Service;
use crate::license::client::proxy::ProxyVariables;
use crate::license::state::HostIdentity;
use crate::program::PROGRAM;
use opterius_daemon::config_file::Error;
use opterius_daemon::port_holder::Holder;
use opterius_host::host::Host;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::users::register::{FIRST_UID, Register};
use opterius_license::reason::Guide;

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
    /// The address that the daemon should listen on.
    pub address: SocketAddr,
    /// The process that listens on it, if visible.
    pub holder: Option<Holder>,
    /// The user that the Agent runs as.
    pub agent: UnixUser,
    /// The network path to the license server; `None` without a valid configuration.
    pub network_path: Option<NetworkPath<'a>>,
    /// The daemon's license status; `None` if the daemon does not answer.
    pub status: Option<DaemonStatus>,
}

impl<'a> Context<'a> {
    /// Collects the facts that the checks share.
    pub fn new(system: &'a System<'a>, loaded: &'a Result<Loaded, Error>, identity: &'a HostIdentity) -> Self {
        let config = loaded.as_ref().ok().map(|loaded| &loaded.config);
        let service = Service::query(system);
        let register = Register::parse(&system.read("/etc/passwd"), &system.read("/etc/group"));
        let address = config.map_or(DEFAULT_ADDRESS, inquiry::address);
        let holder = system.probe.holder(address);
        let agent = agent(system, service.as_ref(), &register, holder.as_ref());
        let variables = variables(system, holder.as_ref());
        let network_path = config.map(|config| NetworkPath::new(system, &config.license, identity, variables));
        let status = DaemonStatus::query(system, address);
        Self { system, loaded, identity, service, register, address, holder, agent, network_path, status }
    }

    /// The configuration, if it is valid.
    pub fn config(&self) -> Option<&'a Config> {
        self.loaded.as_ref().ok().map(|loaded| &loaded.config)
    }

    /// The daemon's process, if visible: the one that listens, or the one that systemd started.
    pub fn process(&self) -> Option<Process<'a>> {
        let listening = self.holder.as_ref().filter(|holder| holder.name == PROGRAM.name).map(|holder| holder.process);
        let started = || self.service.as_ref().and_then(|service| service.main_process);
        listening.or_else(started).map(|id| Process::new(self.system, id))
    }

    /// The host that operations work on.
    pub fn host(&self) -> Option<Host> {
        self.config().map(|config| config.host(&self.system.config_path))
    }

    /// The help texts for operators.
    pub fn guide(&self) -> Guide {
        self.config().map_or_else(Guide::default, |config| config.guide(&self.system.config_path))
    }

    /// The command line that runs `command` with this configuration file.
    pub fn command(&self, command: &str) -> String {
        let config = self.system.config_path.display();
        if self.system.config_path.as_os_str() == DEFAULT_PATH {
            format!("opterius-agent {command}")
        } else {
            format!("opterius-agent --config {config} {command}")
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

/// The user that the Agent runs as: from its unit, its process, the package's user, or root, in that order.
fn agent(system: &System<'_>, service: Option<&Service>, register: &Register, holder: Option<&Holder>) -> UnixUser {
    let unit_user = service.filter(|service| service.is_loaded()).map(|service| service.user.clone());
    let process_user = || {
        let uid = std::fs::metadata(daemon(system, holder?)?).ok()?.uid();
        register.users.iter().find(|user| user.uid == uid).map(|user| user.name.clone())
    };
    let package_user = || register.user(AGENT_GROUP).map_or_else(|| "root".to_owned(), |user| user.name.clone());
    let name = unit_user.or_else(process_user).unwrap_or_else(package_user);
    UnixUser::lookup(register, &name)
}

/// The directory of the daemon's process in `/proc`. An account's process that took the port is not the Agent.
fn daemon(system: &System<'_>, holder: &Holder) -> Option<PathBuf> {
    let process = system.path(&format!("/proc/{}", holder.process));
    let uid = std::fs::metadata(&process).ok()?.uid();
    (uid < FIRST_UID).then_some(process)
}

/// The proxies that the daemon's environment names; those of this process where the daemon does not run or hides its own.
fn variables(system: &System<'_>, holder: Option<&Holder>) -> ProxyVariables {
    let environ = || ProxyVariables::of(&daemon(system, holder?)?.join("environ"));
    environ().unwrap_or_else(ProxyVariables::own)
}
