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
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        parse(text, "license-server.conf").map(|loaded| loaded.config).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_has_the_defaults() {
        let config = parsed("").unwrap();
        assert_eq!((config.listen_addr.to_string().as_str(), config.port), ("127.0.0.1", 7480));
        assert_eq!(config.data_dir, Path::new("/var/lib/opterius-license-server"));
        assert_eq!((config.public_url, config.renew_url), (None, None));
    }

    #[test]
    fn a_connection_string_is_not_shown_and_its_password_not_readable_by_all() {
        let file = std::env::temp_dir().join(format!("opterius-config-{}", std::process::id()));
        let load_with = |text: &str, mode| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            load(&file).map(|loaded| loaded.config)
        };
        let secret = "database=postgresql://agent:geheim@db1,db2/licenses\n";
        let table = [
            (secret, 0o640, Ok(())),
            (secret, 0o644, Err("chmod 0640")),
            ("database=postgresql://agent@db1/licenses\n", 0o644, Ok(())),
            ("database=host=db1 passfile=/etc/pass user=agent\n", 0o644, Ok(())),
            ("database=/srv/licenses.db\n", 0o644, Ok(())),
            ("database=licenses.db\n", 0o640, Err("postgresql://user@host/database")),
            ("database=postgresql://agent:geheim@db1:geheim/x\n", 0o640, Err("a port is not a number")),
            ("database=host=db1 password=geheim hots=1\n", 0o640, Err("is not supported")),
        ];
        for (text, mode, expected) in table {
            match (load_with(text, mode), expected) {
                (Ok(config), Ok(())) => assert!(!format!("{config:?}").contains("geheim"), "{config:?}"),
                (Err(error), Err(words)) => {
                    let error = error.to_string();
                    assert!(error.contains(words) && !error.contains("geheim"), "{text}: {error}");
                }
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn the_shipped_example_lists_every_key_with_its_default() {
        let text = include_str!("../../../dist/license-server.conf");
        assert_eq!(parsed(text), parsed(""), "the example file sets nothing");
        let examples = ["database", "public_url", "renew_url", "mail_from", "trusted_proxies", "webhook_ca_file"];
        let mut uncommented = String::new();
        for (key, _) in ConfigKey::KEYS {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix('#').filter(|line| line.starts_with(&format!("{key}="))));
            let line = line.unwrap_or_else(|| panic!("{key} is not in dist/license-server.conf"));
            uncommented.push_str(line);
            uncommented.push('\n');
            if !examples.contains(key) {
                assert_eq!(parsed(line), parsed(""), "{line} is not the default");
            }
        }
        let Loaded { warnings, .. } = parse(&uncommented, "license-server.conf").unwrap();
        assert_eq!(warnings, [] as [String; 0]);
    }

    #[test]
    fn every_key_is_parsed() {
        let text = "listen_addr=::1\nport=8000\ndata_dir=/srv/licenses\npublic_url=https://licenses.example.com:8443/\n\
                    renew_url=https://shop.example.com/renew?from=dashboard\ntrusted_proxies=127.0.0.1, ::ffff:10.0.0.1 10.1.0.0/16,2001:db8::/32\n\
                    max_connections=64\nwebhook_private_targets=Yes\nwebhook_ca_file=/etc/ssl/shop.pem\nlog=stderr\nmail=/opt/sendmail\n\
                    mail_from=a@example.com\nrequire_second_factor=administrators\n";
        let expected = Config {
            listen_addr: "::1".parse().unwrap(),
            port: 8000,
            data_dir: PathBuf::from("/srv/licenses"),
            database: None,
            public_url: Some(PublicUrl {
                url: "https://licenses.example.com:8443".to_owned(),
                host: "licenses.example.com".to_owned(),
            }),
            renew_url: Some("https://shop.example.com/renew?from=dashboard".to_owned()),
            trusted_proxies: ["127.0.0.1", "10.0.0.1", "10.1.0.0/16", "2001:db8::/32"]
                .map(|text| text.parse().unwrap())
                .into(),
            mail: MailSystem::Program(PathBuf::from("/opt/sendmail")),
            mail_from: Some("a@example.com".to_owned()),
            require_second_factor: RequireSecondFactor::Administrators,
            max_connections: 64,
            receivers: Receivers::Private,
            webhook_ca_file: Some(PathBuf::from("/etc/ssl/shop.pem")),
            log: LogTarget::Stderr,
        };
        assert_eq!(parsed(text), Ok(expected));
    }

    #[test]
    fn an_error_names_the_line_and_the_key() {
        let table = [
            ("listen_addr=0.0.0.0", "license-server.conf:1: listen_addr “0.0.0.0” is not a loopback address"),
            ("\nlisten_addr=203.0.113.5", "license-server.conf:2: listen_addr"),
            ("port=65536", "must be a whole number from 0 to 65535"),
            ("data_dir=licenses", "must be an absolute path"),
            ("public_url=licenses.example.com", "is not a URL"),
            ("public_url=https://licenses.example.com/path", "without a path"),
            ("public_url=https://user@licenses.example.com", "is not a URL"),
            ("renew_url=javascript:alert(1)", "is not a URL"),
            ("renew_url=https://shop.example.com/a b", "is not a URL"),
            ("trusted_proxies=127.0.0.1, nginx", "“nginx” is not an IP address"),
            (
                "\ntrusted_proxies=127.0.0.1, 10.0.0.1/8",
                "license-server.conf:2: trusted_proxies “10.0.0.1/8” has bits set after its prefix: if you mean the whole \
                 network, write 10.0.0.0/8",
            ),
            ("trusted_proxies=10.0.0.0/33", "“10.0.0.0/33” needs a number from 0 to 32 after the slash"),
            ("trusted_proxies=2001:db8::/129", "“2001:db8::/129” needs a number from 0 to 128 after the slash"),
            ("trusted_proxies=0.0.0.0/0", "“0.0.0.0/0” is every address"),
            ("trusted_proxies=::/0", "“::/0” is every address"),
            ("trusted_proxie=127.0.0.1", "Did you mean “trusted_proxies”?"),
            ("webhook_private_targets=maybe", "must be yes or no"),
            ("webhook_ca_file=shop.pem", "must be an absolute path"),
            ("mail=msmtp", "must be auto, none, smtp://127.0.0.1:25, or the absolute path of a program"),
            ("mail=smtp://localhost", "needs an address and a port"),
            ("mail=smtp://203.0.113.5:25", "is not on this machine"),
            ("mail_from=Licenses <licenses@example.com>", "is not an e-mail address"),
            ("require_second_factor=yes", "must be none or administrators"),
            ("log=file", "must be auto, syslog or stderr"),
        ];
        for (text, expected) in table {
            let sentence = parsed(text).unwrap_err();
            assert!(sentence.contains(expected), "{text}: {sentence}");
        }
    }
}
