//! What is found out once and looked at by many checks.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;

use crate::config::file::{self, DEFAULT_PATH};
use crate::config::{Configuration, Loaded};
use crate::doctor::finding::Finding;
use crate::doctor::reach::Person;
use crate::doctor::service::Service;
use crate::doctor::surroundings::Surroundings;
use opterius_daemon::port_holder::Holder;
use opterius_daemon::settings::Error;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::users::register::{FIRST_UID, Register};
use opterius_license::reason::Guide;

/// One server to look at.
pub struct Case<'a> {
    /// What is looked at.
    pub around: &'a Surroundings<'a>,
    /// The configuration, or what is wrong with it.
    pub loaded: Result<Loaded, Error>,
    /// The service, where systemd knows it.
    pub service: Option<Service>,
    /// The users and groups.
    pub register: Register,
}

impl<'a> Case<'a> {
    /// Reads what the checks share.
    pub fn of(around: &'a Surroundings<'a>) -> Self {
        Self {
            around,
            loaded: file::check(&around.config),
            service: Service::of(around),
            register: Register::parse(&around.read("/etc/passwd"), &around.read("/etc/group")),
        }
    }

    /// The configuration, where it is right.
    pub fn configuration(&self) -> Option<&Configuration> {
        self.loaded.as_ref().ok().map(|loaded| &loaded.configuration)
    }

    /// What an operator is told to do.
    pub fn guide(&self) -> Guide {
        self.configuration().map_or_else(Guide::default, |configuration| configuration.guide(&self.around.config))
    }

    /// The program with this command, for this configuration file.
    pub fn command(&self, command: &str) -> String {
        let config = self.around.config.display();
        if self.around.config.as_os_str() == DEFAULT_PATH {
            format!("opterius-agent {command}")
        } else {
            format!("opterius-agent --config {config} {command}")
        }
    }

    /// Only root sees what this check is about.
    pub fn unseen(&self, check: &'static str, what: &str) -> Finding {
        let run = format!("run: sudo {}", self.command("doctor"));
        Finding::warn(check, format!("{what} cannot be seen without root"), run)
    }

    /// The user that the Agent runs as: its unit's, else its process's, else the one that the package makes, else root.
    pub fn agent(&self, holder: Option<&Holder>) -> Person {
        let of_unit = self.service.as_ref().filter(|service| service.is_loaded()).map(|service| service.user.clone());
        let of_process = || {
            let process = self.around.path(&format!("/proc/{}", holder?.process));
            // An account's process that has taken the port is not the Agent.
            let uid = std::fs::metadata(process).ok()?.uid();
            if uid >= FIRST_UID {
                return None;
            }
            self.register.users.iter().find(|user| user.uid == uid).map(|user| user.name.clone())
        };
        let of_package = || self.register.user(AGENT_GROUP).map_or_else(|| "root".to_owned(), |user| user.name.clone());
        let name = of_unit.or_else(of_process).unwrap_or_else(of_package);
        Person::named(&self.register, &name)
    }

    /// Who listens where the daemon should.
    pub fn holder(&self, address: SocketAddr) -> Option<Holder> {
        self.around.outside.holder(address)
    }
}
