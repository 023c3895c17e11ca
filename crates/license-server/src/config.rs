//! `license-server.conf`: `key=value` lines, read into typed values once, at the edge.

use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cause::cause;
use crate::model::mail_address;
use crate::network::Network;
use crate::store::Location;
use opterius_daemon::config_file::{self, Entries, Error, Key};
use opterius_daemon::log::LogTarget;

use crate::webhooks::receiver_address::Receivers;

/// Where the package puts the file.
pub const DEFAULT_PATH: &str = "/etc/opterius/license-server.conf";

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The loopback address to listen on.
    pub listen_addr: IpAddr,
    /// The port to listen on. With 0 the kernel chooses one, which the log shows.
    pub port: u16,
    /// The directory of the signing keys, and of the database unless it is elsewhere.
    pub data_dir: PathBuf,
    /// Where the database is, if not in the directory.
    pub database: Option<Location>,
    /// The public URL of the dashboard.
    pub public_url: Option<PublicUrl>,
    /// The target of the Renew and Upgrade links.
    pub renew_url: Option<String>,
    /// What sends mail.
    pub mail: MailSystem,
    /// The sender of mail; without it, a name of this machine.
    pub mail_from: Option<String>,
    /// Who must have a second factor.
    pub require_second_factor: RequireSecondFactor,
    /// Reverse proxies whose X-Forwarded headers are trusted.
    pub trusted_proxies: Vec<Network>,
    /// The maximum number of concurrent client connections.
    pub max_connections: usize,
    /// Which receivers webhooks can have.
    pub receivers: Receivers,
    /// The file of the authorities that receivers of webhooks can have besides Mozilla's.
    pub webhook_ca_file: Option<PathBuf>,
    /// Where log lines go.
    pub log: LogTarget,
}

impl Config {
    /// Whether the address is that of a trusted reverse proxy.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}

/// What sends mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailSystem {
    /// The mail server of this machine, or the system's `sendmail`, if there is one.
    Auto,
    /// No mail is sent.
    None,
    /// A mail server at this loopback address.
    Server(SocketAddr),
    /// A program in the place of `sendmail`.
    Program(PathBuf),
}

/// Who must have a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequireSecondFactor {
    /// Every user decides.
    None,
    /// Administrators.
    Administrators,
}

/// The public URL of the dashboard: `https://`, or `http://` for local use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// The URL without a trailing slash.
    pub url: String,
    /// The host name, without the port.
    pub host: String,
}

/// The keys of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigKey {
    /// The address to listen on.
    ListenAddr,
    /// The port to listen on.
    Port,
    /// The directory of the database and the signing keys.
    DataDir,
    /// Where the database is.
    Database,
    /// The public URL of the dashboard.
    PublicUrl,
    /// The target of the Renew and Upgrade links.
    RenewUrl,
    /// What sends mail.
    Mail,
    /// The sender of mail.
    MailFrom,
    /// Who must have a second factor.
    RequireSecondFactor,
    /// Trusted reverse proxies.
    TrustedProxies,
    /// The maximum number of concurrent client connections.
    MaxConnections,
    /// Whether webhooks can have receivers with private addresses.
    WebhookPrivateTargets,
    /// Further authorities of receivers.
    WebhookCaFile,
    /// Where log lines go.
    Log,
}

impl Key for ConfigKey {
    const SUBJECT: &'static str = "the license server";
    const VITAL: &'static [&'static str] = &["data_dir", "database", "trusted_proxies", "require_second_factor"];
    const KEYS: &'static [(&'static str, Self)] = &[
        ("listen_addr", Self::ListenAddr),
        ("port", Self::Port),
        ("data_dir", Self::DataDir),
        ("database", Self::Database),
        ("public_url", Self::PublicUrl),
        ("renew_url", Self::RenewUrl),
        ("mail", Self::Mail),
        ("mail_from", Self::MailFrom),
        ("require_second_factor", Self::RequireSecondFactor),
        ("trusted_proxies", Self::TrustedProxies),
        ("max_connections", Self::MaxConnections),
        ("webhook_private_targets", Self::WebhookPrivateTargets),
        ("webhook_ca_file", Self::WebhookCaFile),
        ("log", Self::Log),
    ];
}

/// The configuration with the warnings about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The parsed configuration.
    pub config: Config,
    /// One sentence for each irregularity that was tolerated.
    pub warnings: Vec<String>,
}

/// Reads and validates the file.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let text = config_file::read(path, "Create it (dist/license-server.conf is an example; it can be empty)")?;
    let loaded = parse(&text, &path.display().to_string())?;
    if loaded.config.database.as_ref().is_some_and(Location::has_password) {
        check_private(path)?;
    }
    Ok(loaded)
}

/// A file with a password must not be readable by all.
fn check_private(path: &Path) -> Result<(), Error> {
    let shown = path.display();
    match path.metadata() {
        Ok(metadata) if metadata.permissions().mode() & 0o007 == 0 => Ok(()),
        Ok(_) => Err(Error::Invalid(format!(
            "{shown}: all users can read the file, and database has a password. Run: chmod 0640 {shown}; or use \
             passfile=FILE in place of the password"
        ))),
        Err(error) => Err(Error::Invalid(format!("{shown}: {}", cause(&error)))),
    }
}

/// Parses the text of the file. Messages call the file `name`.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn parse(text: &str, name: &str) -> Result<Loaded, Error> {
    let mut warnings = Vec::new();
    let entries = Entries::parse(text, name, &mut warnings)?;
    let config = Config {
        listen_addr: listen_addr(&entries)?,
        port: entries.integer(ConfigKey::Port, 7480, 0, 65535)?,
        data_dir: entries.absolute_path(ConfigKey::DataDir, "/var/lib/opterius-license-server")?,
        database: database(&entries)?,
        public_url: public_url(&entries)?,
        renew_url: renew_url(&entries)?,
        mail: mail(&entries)?,
        mail_from: mail_from(&entries)?,
        require_second_factor: require_second_factor(&entries)?,
        trusted_proxies: trusted_proxies(&entries)?,
        max_connections: entries.integer(ConfigKey::MaxConnections, 1024, 16, 65536)?,
        receivers: receivers(&entries)?,
        webhook_ca_file: match entries.value(ConfigKey::WebhookCaFile) {
            Some(_) => Some(entries.absolute_path(ConfigKey::WebhookCaFile, "/")?),
            None => None,
        },
        log: entries.log_target(ConfigKey::Log)?,
    };
    Ok(Loaded { config, warnings })
}

/// Passwords and license keys arrive here unencrypted, so only loopback addresses are accepted. The reverse proxy does TLS.
fn listen_addr(entries: &Entries<'_, ConfigKey>) -> Result<IpAddr, Error> {
    let address = entries.ip_address(ConfigKey::ListenAddr, IpAddr::from([127, 0, 0, 1]))?;
    match entries.value(ConfigKey::ListenAddr) {
        Some((entry, value)) if !address.is_loopback() => Err(entries.wrong(
            entry,
            format!(
                "“{value}” is not a loopback address such as 127.0.0.1. To accept remote clients, put a reverse proxy with TLS in front \
                 (dist/nginx-license-server.conf is an example)"
            ),
        )),
        _ => Ok(address),
    }
}

/// The error never repeats the value, which can have a password.
fn database(entries: &Entries<'_, ConfigKey>) -> Result<Option<Location>, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::Database) else { return Ok(None) };
    Location::parse(value).map(Some).map_err(|sentence| entries.wrong(entry, sentence))
}

fn receivers(entries: &Entries<'_, ConfigKey>) -> Result<Receivers, Error> {
    match entries.value(ConfigKey::WebhookPrivateTargets) {
        None => Ok(Receivers::Public),
        Some((_, value)) if value.eq_ignore_ascii_case("no") => Ok(Receivers::Public),
        Some((_, value)) if value.eq_ignore_ascii_case("yes") => Ok(Receivers::Private),
        Some((entry, value)) => Err(entries.wrong(entry, format!("“{value}” must be yes or no"))),
    }
}

fn public_url(entries: &Entries<'_, ConfigKey>) -> Result<Option<PublicUrl>, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::PublicUrl) else { return Ok(None) };
    let url = value.trim_end_matches('/');
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = authority.filter(|authority| is_authority(authority)).map(|authority| {
        let (host, _) = authority.rsplit_once(':').unwrap_or((authority, ""));
        host.to_owned()
    });
    match host {
        Some(host) => Ok(Some(PublicUrl { url: url.to_owned(), host })),
        None => Err(entries
            .wrong(entry, format!("“{value}” is not a URL without a path, such as https://licenses.example.com"))),
    }
}

/// A host name or address, with or without a port.
fn is_authority(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !host.is_empty() && host.bytes().all(is_host) && port.parse::<u16>().is_ok()
}

fn renew_url(entries: &Entries<'_, ConfigKey>) -> Result<Option<String>, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::RenewUrl) else { return Ok(None) };
    let is_web = value.starts_with("https://") || value.starts_with("http://");
    if is_web && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Some(value.to_owned()))
    } else {
        Err(entries.wrong(entry, format!("“{value}” is not a URL such as https://shop.example.com/renew")))
    }
}

fn mail(entries: &Entries<'_, ConfigKey>) -> Result<MailSystem, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::Mail) else { return Ok(MailSystem::Auto) };
    match (value, value.strip_prefix("smtp://")) {
        ("auto", _) => Ok(MailSystem::Auto),
        ("none", _) => Ok(MailSystem::None),
        (path, _) if path.starts_with('/') => Ok(MailSystem::Program(PathBuf::from(path))),
        (_, Some(address)) => match address.parse::<SocketAddr>() {
            Ok(server) if server.ip().is_loopback() => Ok(MailSystem::Server(server)),
            Ok(_) => Err(entries
                .wrong(entry, format!("“{value}” is not on this machine: links would be readable on the network"))),
            Err(_) => Err(entries.wrong(entry, format!("“{value}” needs an address and a port: smtp://127.0.0.1:25"))),
        },
        _ => {
            let sentence =
                format!("“{value}” must be auto, none, smtp://127.0.0.1:25, or the absolute path of a program");
            Err(entries.wrong(entry, sentence))
        }
    }
}

fn mail_from(entries: &Entries<'_, ConfigKey>) -> Result<Option<String>, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::MailFrom) else { return Ok(None) };
    if mail_address::is_valid(value) {
        Ok(Some(value.to_owned()))
    } else {
        Err(entries.wrong(entry, format!("“{value}” is not an e-mail address such as licenses@example.com")))
    }
}

fn require_second_factor(entries: &Entries<'_, ConfigKey>) -> Result<RequireSecondFactor, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::RequireSecondFactor) else {
        return Ok(RequireSecondFactor::None);
    };
    match value {
        "none" => Ok(RequireSecondFactor::None),
        "administrators" => Ok(RequireSecondFactor::Administrators),
        _ => Err(entries.wrong(entry, format!("“{value}” must be none or administrators"))),
    }
}

fn trusted_proxies(entries: &Entries<'_, ConfigKey>) -> Result<Vec<Network>, Error> {
    let Some((entry, value)) = entries.value(ConfigKey::TrustedProxies) else { return Ok(Vec::new()) };
    let items = value.split(|character: char| character == ',' || character.is_whitespace());
    let network = |item: &str| -> Result<Network, Error> {
        let network = item
            .parse::<Network>()
            .map_err(|fault| entries.wrong(entry, format!("“{item}” {fault}; separate several with commas")))?;
        if network.is_everything() {
            let sentence = format!("“{item}” is every address: each client could then forge its own");
            return Err(entries.wrong(entry, sentence));
        }
        Ok(network)
    };
    items.filter(|item| !item.is_empty()).map(network).collect()
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
