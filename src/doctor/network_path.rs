//! The way to a license server, which doctor takes as the daemon does. Each part runs once, for the first check that needs
//! it; what comes after a failed step is skipped.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;

use ring::rand::SystemRandom;

use crate::doctor::firewall::verdict::{self, FirewallVerdict};
use crate::doctor::system::{System, Target};
use crate::license::client::connect::Trace;
use crate::license::client::fault::{Fault, Step};
use crate::license::client::proxy::ProxyVariables;
use crate::license::client::{LicenseConfig, ServerUrl};
use crate::license::license_identity::LicenseIdentity;
use crate::license::state::HostIdentity;
use opterius_license::inquiry::Inquiry;
use opterius_license::outcome::{Failure, Outcome, ParsedAnswer};

/// The steps, evaluated lazily.
pub struct NetworkPath<'a> {
    system: &'a System<'a>,
    target: Target<'a>,
    identity: &'a HostIdentity,
    variables: ProxyVariables,
    /// The same for all license servers.
    addresses: Rc<OnceCell<Addresses>>,
    opened: OnceCell<(Trace, Result<(), Fault>)>,
    firewall_verdict: OnceCell<Option<FirewallVerdict>>,
    parsed_answer: OnceCell<Option<Result<ParsedAnswer, Failure>>>,
}

/// The addresses of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The source address toward the Internet.
    pub source: Option<IpAddr>,
    /// The public address, as seen from the Internet.
    pub seen: Option<IpAddr>,
}

impl<'a> NetworkPath<'a> {
    /// The paths to the license servers in `config`, through the proxy that the daemon's environment names. The first leads
    /// to the server that gives the daemon its verdict: the daemon begins with the one with the base URL `latest`.
    pub fn all(
        system: &'a System<'a>,
        config: &'a LicenseConfig,
        latest: Option<&str>,
        identity: &'a HostIdentity,
        variables: &ProxyVariables,
    ) -> Vec<Self> {
        let servers = config.servers.beginning_with(latest);
        let addresses = Rc::default();
        let new = |server| Self {
            system,
            target: Target { config, server },
            identity,
            variables: variables.clone(),
            addresses: Rc::clone(&addresses),
            opened: OnceCell::new(),
            firewall_verdict: OnceCell::new(),
            parsed_answer: OnceCell::new(),
        };
        let mut paths: Vec<Self> = servers.into_iter().map(new).collect();
        if paths.len() > 1 {
            // It keeps the order of the others.
            paths.sort_by_key(|path| path.obstacle().is_some());
        }
        paths
    }

    /// The license settings.
    pub fn config(&self) -> &'a LicenseConfig {
        self.target.config
    }

    /// The license server.
    pub fn server(&self) -> &'a ServerUrl {
        self.target.server
    }

    /// What keeps this server from giving a verdict; without a license key, from being reached. `None` if nothing does.
    pub fn obstacle(&self) -> Option<Failure> {
        match self.parsed_answer() {
            Some(Ok(ParsedAnswer { outcome: Outcome::Inconclusive(failure), .. }) | Err(failure)) => {
                Some(failure.clone())
            }
            Some(Ok(_)) => None,
            None => self.opened().1.clone().err().map(Failure::from),
        }
    }

    /// The addresses of this server.
    pub fn addresses(&self) -> Addresses {
        *self.addresses.get_or_init(|| {
            let (source, seen) = self.system.probe.addresses(self.config(), &self.variables);
            Addresses { source, seen }
        })
    }

    fn opened(&self) -> &(Trace, Result<(), Fault>) {
        self.opened.get_or_init(|| self.system.probe.open(&self.target, &self.variables))
    }

    /// How far the connection came.
    pub fn trace(&self) -> &Trace {
        &self.opened().0
    }

    /// Whether this step, of those before the request, succeeded; `None` if an earlier one failed.
    pub fn passed(&self, step: Step) -> Option<Result<(), &Fault>> {
        match &self.opened().1 {
            Err(fault) if fault.step < step => None,
            Err(fault) if fault.step == step => Some(Err(fault)),
            _ => Some(Ok(())),
        }
    }

    /// The local firewall's verdict on a connection to the address of the last attempt.
    pub fn firewall_verdict(&self) -> Option<&FirewallVerdict> {
        let evaluate = || Some(verdict::evaluate(self.system, self.trace().tried?));
        self.firewall_verdict.get_or_init(evaluate).as_ref()
    }

    /// The license server's answer, or why there is none; `None` without a license key or a connection.
    pub fn parsed_answer(&self) -> Option<&Result<ParsedAnswer, Failure>> {
        let read = || {
            let identity = LicenseIdentity::configured(self.config(), self.identity)?;
            self.opened().1.is_ok().then(|| self.ask(&identity))
        };
        self.parsed_answer.get_or_init(read).as_ref()
    }

    /// Sends the same request as the daemon, and stores nothing.
    fn ask(&self, identity: &LicenseIdentity<'_>) -> Result<ParsedAnswer, Failure> {
        let server_ip = self.config().server_ip.or(self.addresses().seen);
        let send = |inquiry: &Inquiry<'_>| self.system.probe.verify(&self.target, &self.variables, inquiry);
        identity.ask(server_ip, &SystemRandom::new(), self.system.clock.wall(), send).map(|(_, parsed)| parsed)
    }
}
