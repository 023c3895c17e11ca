//! What is found out once and looked at by many checks.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;

use crate::cli::inquiry;
use crate::config::file::DEFAULT_PATH;
use crate::config::{Config, Loaded};
use crate::doctor::finding::Finding;
use crate::doctor::network_path::NetworkPath;
use crate::doctor::reach::UnixUser;
use crate::doctor::system::System;
use crate::doctor::systemd::Service;
use crate::license::state::HostIdentity;
use opterius_daemon::config_file::Error;
use opterius_daemon::port_holder::Holder;
use opterius_host::host::Host;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::users::register::{FIRST_UID, Register};
use opterius_license::reason::Guide;

/// Where the daemon listens unless agent.conf says otherwise.
const DEFAULT_ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 7443);

/// One server to look at.
pub struct Context<'a> {
    /// What is looked at.
    pub system: &'a System<'a>,
    /// The configuration, or what is wrong with it.
    pub loaded: &'a Result<Loaded, Error>,
    /// What the license server knows this server by.
    pub identity: &'a HostIdentity,
    /// The service, where systemd knows it.
    pub service: Option<Service>,
    /// The users and groups.
    pub register: Register,
    /// Where the daemon should listen.
    pub address: SocketAddr,
    /// The user that the Agent runs as.
    pub agent: UnixUser,
    /// The way to the license server, where the configuration names one.
    pub network_path: Option<NetworkPath<'a>>,
}

impl<'a> Context<'a> {
    /// Reads what the checks share.
    pub fn new(system: &'a System<'a>, loaded: &'a Result<Loaded, Error>, identity: &'a HostIdentity) -> Self {
        let configuration = loaded.as_ref().ok().map(|loaded| &loaded.configuration);
        let service = Service::query(system);
        let register = Register::parse(&system.read("/etc/passwd"), &system.read("/etc/group"));
        let address = configuration.map_or_else(|| DEFAULT_ADDRESS.into(), inquiry::address);
        let holder = system.probe.holder(address);
        let agent = agent(system, service.as_ref(), &register, holder.as_ref());
        let network_path =
            configuration.map(|configuration| NetworkPath::new(system, &configuration.license, identity));
        Self { system, loaded, identity, service, register, address, agent, network_path }
    }

    /// The configuration, where it is right.
    pub fn configuration(&self) -> Option<&'a Config> {
        self.loaded.as_ref().ok().map(|loaded| &loaded.configuration)
    }

    /// The host that operations work on.
    pub fn host(&self) -> Option<Host> {
        self.configuration().map(|configuration| configuration.host(&self.system.config))
    }

    /// What an operator is told to do.
    pub fn guide(&self) -> Guide {
        self.configuration().map_or_else(Guide::default, |configuration| configuration.guide(&self.system.config))
    }

    /// The program with this command, for this configuration file.
    pub fn command(&self, command: &str) -> String {
        let config = self.system.config.display();
        if self.system.config.as_os_str() == DEFAULT_PATH {
            format!("opterius-agent {command}")
        } else {
            format!("opterius-agent --config {config} {command}")
        }
    }

    /// Only root sees what this check is about.
    pub fn needs_root(&self, what: &str) -> Finding {
        let run = format!("run: sudo {}", self.command("doctor"));
        Finding::warn(format!("{what} cannot be seen without root"), run)
    }
}

/// The user that the Agent runs as: its unit's, else its process's, else the one that the package makes, else root.
fn agent(system: &System<'_>, service: Option<&Service>, register: &Register, holder: Option<&Holder>) -> UnixUser {
    let of_unit = service.filter(|service| service.is_loaded()).map(|service| service.user.clone());
    let of_process = || {
        let process = system.path(&format!("/proc/{}", holder?.process));
        // An account's process that has taken the port is not the Agent.
        let uid = std::fs::metadata(process).ok()?.uid();
        if uid >= FIRST_UID {
            return None;
        }
        register.users.iter().find(|user| user.uid == uid).map(|user| user.name.clone())
    };
    let of_package = || register.user(AGENT_GROUP).map_or_else(|| "root".to_owned(), |user| user.name.clone());
    let name = of_unit.or_else(of_process).unwrap_or_else(of_package);
    UnixUser::lookup(register, &name)
}
