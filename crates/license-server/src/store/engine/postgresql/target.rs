//! The servers of a connection string: `host`, `hostaddr`, `port` and `sslmode`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::settings::Settings;

/// The directory of PostgreSQL's socket where no host is named.
const SOCKET_DIRECTORY: &str = "/run/postgresql";

const DEFAULT_PORT: u16 = 5432;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The name in the string: what its certificate is for, and what the password file calls it.
    pub(super) host: String,
    /// Where it is.
    pub(super) place: Place,
    /// The port, which also is a part of the name of a Unix socket.
    pub(super) port: u16,
    /// Whether the connection is encrypted and the server verified.
    pub(super) has_tls: bool,
}

impl Target {
    /// What the password file calls the server.
    pub(super) fn name_in_password_file(&self) -> &str {
        let default = [Path::new(SOCKET_DIRECTORY), Path::new("/var/run/postgresql")];
        match &self.place {
            Place::Directory(directory) if default.contains(&directory.as_path()) => "localhost",
            _ => &self.host,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_bare_ipv6 = !matches!(self.place, Place::Directory(_)) && self.host.contains(':');
        let (open, close) = if is_bare_ipv6 { ("[", "]") } else { ("", "") };
        write!(formatter, "{open}{}{close}:{}", self.host, self.port)
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the directory of its Unix socket.
    Directory(PathBuf),
    /// At an address.
    Address(IpAddr),
    /// At the addresses of a name.
    Name(String),
}

/// The servers: `host`, `hostaddr` and `port` are lists of one length; one port is the port of all.
///
/// # Errors
/// A sentence.
pub(super) fn targets(settings: &Settings) -> Result<Vec<Target>, String> {
    let list = |keyword| settings.get(keyword).map(|value| value.split(',').map(str::trim).collect::<Vec<_>>());
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port").unwrap_or_default());
    let count = hosts.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    if let Some(addresses) = addresses.as_ref().filter(|addresses| addresses.len() != count) {
        return Err(format!(
            "the number of addresses in hostaddr ({}) is not that of the hosts ({count}): give one for each host",
            addresses.len()
        ));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(format!(
            "there are {} ports for {count} hosts: give one port for all, or one for each",
            ports.len()
        ));
    }
    let tls = tls(settings)?;
    let element = |list: &Option<Vec<&str>>, number: usize| {
        list.as_ref().and_then(|list| list.get(number).copied()).unwrap_or("").to_owned()
    };
    (0..count)
        .map(|number| {
            let port = ports.get(number).or(ports.first().filter(|_| ports.len() == 1)).copied().unwrap_or("");
            target(&element(&hosts, number), &element(&addresses, number), port, tls)
        })
        .collect()
}

fn target(host: &str, address: &str, port: &str, tls: Tls) -> Result<Target, String> {
    // What is no port could be a part of a password that is not encoded.
    let wrong_port = "a port is not a number from 1 to 65535. In a URI, write a “:” in a password as %3A";
    let port = if port.is_empty() { Ok(DEFAULT_PORT) } else { port.parse::<u16>().map_err(|_| wrong_port) }?;
    if port == 0 {
        return Err(wrong_port.to_owned());
    }
    let place = if !address.is_empty() {
        Place::Address(address.parse().map_err(|_| "hostaddr must be an IP address; use host for a name")?)
    } else if host.is_empty() {
        Place::Directory(PathBuf::from(SOCKET_DIRECTORY))
    } else if host.starts_with('/') {
        Place::Directory(PathBuf::from(host))
    } else if host.starts_with('@') {
        return Err("sockets in the abstract namespace are not supported; use the directory of the socket".to_owned());
    } else {
        host.parse().map_or_else(|_| Place::Name(host.to_owned()), Place::Address)
    };
    let is_local = match &place {
        Place::Directory(_) => true,
        Place::Address(address) => address.to_canonical().is_loopback(),
        Place::Name(name) => name.eq_ignore_ascii_case("localhost"),
    };
    let has_tls = match (&place, tls) {
        // TLS on a Unix socket exists nowhere.
        (Place::Directory(_), _) | (_, Tls::Disable) => false,
        (_, Tls::Verify) => true,
        (_, Tls::Unset) => !is_local,
    };
    let host = match &place {
        Place::Directory(directory) => directory.display().to_string(),
        Place::Address(address) if host.is_empty() => address.to_string(),
        _ => host.to_owned(),
    };
    Ok(Target { host, place, port, has_tls })
}

#[derive(Clone, Copy)]
enum Tls {
    Unset,
    Disable,
    Verify,
}

fn tls(settings: &Settings) -> Result<Tls, String> {
    match settings.get("sslmode") {
        None => Ok(Tls::Unset),
        Some("disable") => Ok(Tls::Disable),
        Some("verify-full") => Ok(Tls::Verify),
        Some("allow" | "prefer" | "require" | "verify-ca") => Err(
            "this sslmode does not verify that the server is the one that was meant. Set sslmode=verify-full, with \
             sslrootcert=FILE for an authority of your own, or, if nothing between can be read or changed by others, sslmode=disable"
                .to_owned(),
        ),
        Some(_) => Err("sslmode must be verify-full or disable".to_owned()),
    }
}
