//! `agent.conf`: `key=value` lines, read into typed values once, at the edge. Parsing is pure; [`load`] reads the file.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::hmac;
use rustix::fs::OFlags;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::agent::keys::{self, Known};
use crate::api;
use crate::license::client::{ServerUrl, Settings};
use crate::license::signature::TrustedKeys;
use crate::secret::Secret;

/// Where the installers put the file.
pub const DEFAULT_PATH: &str = "/etc/opterius/agent.conf";

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The widest mode that keeps other users out.
const MODE: u32 = 0o640;

/// The secret of the shipped example. The file is right in form, but what everybody knows is no secret.
const EXAMPLE_SECRET: &str = "replace-this-with-the-output-of-openssl-rand-hex-32";
const EXAMPLE_WARNING: &str = "the secret is the one of the shipped example, which everybody knows; the Agent does not \
                               start with it. Make one with: openssl rand -hex 32";

/// Public keys that a vendor built in: then no others are accepted.
const BUILT_IN_KEYS: Option<&str> = option_env!("OPTERIUS_LICENSE_PUBLIC_KEYS");

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// syslog, or stderr where there is no syslog socket.
    Auto,
    /// syslog alone.
    Syslog,
    /// stderr alone.
    Stderr,
}

/// The whole configuration.
pub struct Configuration {
    /// What the Panel signs with.
    pub secret: Secret,
    /// What the license part needs.
    pub license: Settings,
    /// The address to listen on.
    pub listen_addr: IpAddr,
    /// The port to listen on; 0 lets the kernel choose, and the log tells.
    pub port: u16,
    /// Names besides `localhost` and IP addresses that the Agent is called by.
    pub allowed_hosts: Vec<String>,
    /// How far a timestamp may be from our clock.
    pub signature_window: Duration,
    /// Threads of the request pool, half of them for writes.
    pub request_threads: usize,
    /// Client connections at one time.
    pub max_connections: usize,
    /// The largest body, in bytes, on routes that take large ones.
    pub max_body: usize,
    /// Where log lines go.
    pub log: LogTarget,
    /// The root of the host that operations work on.
    pub host_root: PathBuf,
}

impl Configuration {
    /// What the API answers by.
    pub fn api(&self) -> api::Settings {
        api::Settings {
            secret: hmac::Key::new(hmac::HMAC_SHA256, self.secret.expose().as_bytes()),
            signature_window: self.signature_window,
            allowed_hosts: self.allowed_hosts.clone(),
            max_body: self.max_body,
            host_root: self.host_root.clone(),
        }
    }

    /// The settings that take effect at the next start only, and differ from `running`.
    pub fn needs_restart(&self, running: &Self) -> Vec<&'static str> {
        let differs = [
            ("listen_addr", self.listen_addr != running.listen_addr),
            ("port", self.port != running.port),
            ("request_threads", self.request_threads != running.request_threads),
            ("max_connections", self.max_connections != running.max_connections),
            ("log", self.log != running.log),
        ];
        differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }
}

/// Why there is no configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file or one that it names cannot be read for lack of rights.
    Permission(String),
    /// Anything else that is wrong with it.
    Invalid(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(sentence) | Self::Invalid(sentence) => formatter.write_str(sentence),
        }
    }
}

/// A configuration and what is odd about it.
pub struct Loaded {
    /// The configuration.
    pub configuration: Configuration,
    /// Sentences about what was tolerated.
    pub warnings: Vec<String>,
}

/// Reads and checks the file for the daemon to run with.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn load(path: &Path) -> Result<Loaded, Error> {
    let loaded = check(path)?;
    if loaded.configuration.secret.expose() == EXAMPLE_SECRET {
        return Err(Error::Invalid(format!("{}: {EXAMPLE_WARNING}", path.display())));
    }
    Ok(loaded)
}

/// Reads and checks the file.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn check(path: &Path) -> Result<Loaded, Error> {
    let text = read(path)?;
    parse(&text, &path.display().to_string(), BUILT_IN_KEYS)
}

/// Takes other users' rights to the file away where we may; the sentence to log where something was or is wrong.
pub fn tighten(path: &Path) -> Option<String> {
    let metadata = fs::metadata(path).ok()?;
    let mode = metadata.mode() & 0o7777;
    let wide = mode & !MODE & 0o777;
    if wide == 0 {
        return None;
    }
    let shown = path.display();
    let narrow = mode & MODE;
    Some(match fs::set_permissions(path, fs::Permissions::from_mode(narrow)) {
        Ok(()) => format!(
            "{shown} had mode {mode:04o}, so other users could read the secret in it or change it; it now has {narrow:04o}. \
             Consider a new secret, here and in the Panel (Servers → Edit)"
        ),
        Err(error) => format!(
            "{shown} has mode {mode:04o}: other users can read the secret in it or change it. Run: chmod 0640 {shown} ({error})"
        ),
    })
}

fn read(path: &Path) -> Result<String, Error> {
    let shown = path.display();
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Invalid(format!(
            "{shown}: there is no such file. Create it with at least the line secret=… (dist/agent.conf is an example), or \
             name another with --config PATH"
        )),
        ErrorKind::PermissionDenied => {
            Error::Permission(format!("{shown}: permission denied. Run as root, or let this user read the file"))
        }
        _ => Error::Invalid(format!("{shown}: cannot be opened: {error}")),
    })?;
    let metadata = file.metadata().map_err(|error| Error::Invalid(format!("{shown}: {error}")))?;
    if !metadata.is_file() {
        return Err(Error::Invalid(format!("{shown}: is not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Invalid(format!("{shown}: cannot be read: {error}")))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(Error::Invalid(format!(
            "{shown}: is larger than {} KiB, which is no configuration",
            MAX_FILE / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|byte| *byte == b'\n').count();
        Error::Invalid(format!("{shown}:{line}: is not UTF-8 text"))
    })
}

/// One line of the file that has a key we know.
struct Entry<'a> {
    known: Known,
    key: &'a str,
    value: &'a str,
    line: usize,
}

/// Reads the text of the file, which messages call `name`.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn parse(text: &str, name: &str, built_in_keys: Option<&str>) -> Result<Loaded, Error> {
    let mut warnings = Vec::new();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index.saturating_add(1);
        let Some(entry) = entry(line, number, name, &mut warnings)? else { continue };
        if let Some(earlier) = entries.iter_mut().find(|earlier| earlier.known == entry.known) {
            warnings
                .push(format!("{name}:{number}: {} is set again; line {} no longer counts", entry.key, earlier.line));
            *earlier = entry;
        } else {
            entries.push(entry);
        }
    }
    let configuration = Reader { name, entries: &entries, built_in_keys }.configuration()?;
    if configuration.secret.expose() == EXAMPLE_SECRET {
        warnings.push(format!("{name}: {EXAMPLE_WARNING}"));
    }
    if configuration.secret.length() < 16 {
        warnings
            .push(format!("{name}: the secret has fewer than 16 characters; make a better one: openssl rand -hex 32"));
    }
    Ok(Loaded { configuration, warnings })
}

fn entry<'a>(line: &'a str, number: usize, name: &str, warnings: &mut Vec<String>) -> Result<Option<Entry<'a>>, Error> {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((key, value)) = line.split_once('=') else {
        return Err(Error::Invalid(format!("{name}:{number}: this line is not key=value; begin comments with #")));
    };
    let (key, value) = (key.trim(), unquote(value.trim()));
    if let Some(known) = keys::find(key) {
        return Ok(Some(Entry { known, key, value, line: number }));
    }
    // The value of an unknown key may be a mistyped key's secret: only the key is shown.
    let shown: String = key.chars().filter(|character| !character.is_control()).take(40).collect();
    if let Some(meant) = keys::near_miss(key) {
        return Err(Error::Invalid(format!("{name}:{number}: “{shown}” is not a key. Did you mean “{meant}”?")));
    }
    warnings.push(format!("{name}:{number}: “{shown}” is not a key of the Agent; the line is ignored"));
    Ok(None)
}

fn unquote(value: &str) -> &str {
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

/// Turns entries into typed values, with one sentence for each thing that can be wrong.
struct Reader<'a> {
    name: &'a str,
    entries: &'a [Entry<'a>],
    built_in_keys: Option<&'a str>,
}

impl Reader<'_> {
    fn configuration(&self) -> Result<Configuration, Error> {
        Ok(Configuration {
            secret: self.secret()?,
            license: self.license()?,
            listen_addr: self.listen_addr()?,
            port: self.integer(Known::Port, 7443, 0, 65535)?,
            allowed_hosts: self.allowed_hosts()?,
            signature_window: Duration::from_secs(self.integer(Known::SignatureWindow, 300, 1, 3600)?),
            request_threads: self.integer(Known::RequestThreads, 4, 2, 64)?,
            max_connections: self.integer(Known::MaxConnections, 512, 16, 65536)?,
            max_body: self.integer(Known::MaxBody, 1024 * 1024, 65536, 8 * 1024 * 1024)?,
            log: self.log()?,
            host_root: self.host_root()?,
        })
        .and_then(|configuration| self.operations().map(|()| configuration))
    }

    fn entry(&self, known: Known) -> Option<&Entry<'_>> {
        self.entries.iter().find(|entry| entry.known == known)
    }

    /// The value, unless it is empty: an empty value is the default, as a key that is not there is.
    fn value(&self, known: Known) -> Option<(&Entry<'_>, &str)> {
        self.entry(known).filter(|entry| !entry.value.is_empty()).map(|entry| (entry, entry.value))
    }

    fn wrong(&self, entry: &Entry<'_>, sentence: impl fmt::Display) -> Error {
        Error::Invalid(format!("{}:{}: {} {sentence}", self.name, entry.line, entry.key))
    }

    fn secret(&self) -> Result<Secret, Error> {
        let Some(entry) = self.entry(Known::Secret) else {
            return Err(Error::Invalid(format!(
                "{}: there is no secret. Add the line secret=… with the text that the Panel has under Servers → Edit \
                 (a new one: openssl rand -hex 32)",
                self.name
            )));
        };
        match entry.value.chars().count() {
            0 => Err(self.wrong(
                entry,
                "is empty: anybody could sign. Set it to the text that the Panel has under Servers → Edit (a new one: openssl rand -hex 32)",
            )),
            1..=255 => Ok(Secret::new(entry.value.to_owned())),
            length => Err(self.wrong(entry, format!("has {length} characters; the Panel takes 1 to 255"))),
        }
    }

    fn license(&self) -> Result<Settings, Error> {
        Ok(Settings {
            key: self.license_key()?,
            server: self.server_url()?,
            authorities: self.authorities()?,
            trusted: self.trusted_keys()?,
            proxy: self.proxy()?,
            server_ip: self.server_ip()?,
            ip_discovery_url: self.ip_discovery_url()?,
            cache: self.absolute_path(Known::LicenseCache, "/etc/opterius/license-cache.json")?,
        })
    }

    fn license_key(&self) -> Result<Option<Secret>, Error> {
        let Some((entry, value)) = self.value(Known::LicenseKey) else { return Ok(None) };
        if value.len() > 64 || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let sentence = "is not a license key: at most 64 letters, digits and signs without spaces, as the license \
                            dashboard shows it";
            return Err(self.wrong(entry, sentence));
        }
        Ok(Some(Secret::new(value.to_owned())))
    }

    fn server_url(&self) -> Result<ServerUrl, Error> {
        match self.value(Known::LicenseServer) {
            None => ServerUrl::parse("https://opterius.com").map_err(|sentence| Error::Invalid(sentence.to_owned())),
            Some((entry, value)) => ServerUrl::parse(value).map_err(|sentence| self.wrong(entry, sentence)),
        }
    }

    fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let Some((entry, value)) = self.value(Known::LicenseCaFile) else { return Ok(Vec::new()) };
        let bytes = fs::read(value).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => {
                Error::Permission(format!("{}:{}: {} {value}: permission denied", self.name, entry.line, entry.key))
            }
            _ => self.wrong(entry, format!("{value}: {error}")),
        })?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => {
                Err(self
                    .wrong(entry, format!("{value}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")))
            }
        }
    }

    fn trusted_keys(&self) -> Result<TrustedKeys, Error> {
        let configured = self.value(Known::LicensePublicKey);
        match (self.built_in_keys.filter(|keys| !keys.trim().is_empty()), configured) {
            (Some(_), Some((entry, _))) => Err(self.wrong(
                entry,
                "cannot be set: this build of the Agent has its vendor's public keys built in and trusts no others. Remove the line",
            )),
            (Some(keys), None) => TrustedKeys::parse(keys)
                .map_err(|sentence| Error::Invalid(format!("the public keys built into this Agent: {sentence}"))),
            (None, Some((entry, value))) => TrustedKeys::parse(value).map_err(|sentence| self.wrong(entry, sentence)),
            (None, None) => Ok(TrustedKeys::default()),
        }
    }

    fn proxy(&self) -> Result<Option<String>, Error> {
        let Some((entry, value)) = self.value(Known::Proxy) else { return Ok(None) };
        let usable = (value.starts_with("http://") || value.starts_with("https://")) && ureq::Proxy::new(value).is_ok();
        // The value may contain a password, so it is not shown.
        if usable {
            Ok(Some(value.to_owned()))
        } else {
            Err(self.wrong(entry, "is not a proxy URL such as http://proxy.example.com:3128"))
        }
    }

    fn server_ip(&self) -> Result<Option<IpAddr>, Error> {
        match self.value(Known::ServerIp) {
            None => Ok(None),
            Some((_, value)) if value.eq_ignore_ascii_case("auto") => Ok(None),
            Some((entry, value)) => match value.parse::<IpAddr>() {
                Ok(address) if !address.is_loopback() && !address.is_unspecified() => Ok(Some(address)),
                _ => {
                    Err(self.wrong(entry, "must be auto or the public IP address of this server, such as 203.0.113.5"))
                }
            },
        }
    }

    fn ip_discovery_url(&self) -> Result<Option<String>, Error> {
        match self.entry(Known::IpDiscoveryUrl) {
            None => Ok(Some("https://api.ipify.org".to_owned())),
            Some(entry) if entry.value.is_empty() => Ok(None),
            Some(entry) => ServerUrl::parse(entry.value)
                .map(|_| Some(entry.value.to_owned()))
                .map_err(|sentence| self.wrong(entry, sentence)),
        }
    }

    fn listen_addr(&self) -> Result<IpAddr, Error> {
        match self.value(Known::ListenAddr) {
            None => Ok(IpAddr::from([127, 0, 0, 1])),
            Some((entry, value)) => value
                .parse()
                .map_err(|_| self.wrong(entry, format!("“{value}” is not an IP address such as 127.0.0.1"))),
        }
    }

    fn allowed_hosts(&self) -> Result<Vec<String>, Error> {
        let Some((entry, value)) = self.value(Known::AllowedHosts) else { return Ok(Vec::new()) };
        let names = value.split([',', ' ']).filter(|name| !name.is_empty());
        names
            .map(|name| {
                let is_name =
                    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
                let problem = || {
                    self.wrong(entry, format!("“{name}” is not a host name; separate names by commas, without ports"))
                };
                if is_name { Ok(name.to_owned()) } else { Err(problem()) }
            })
            .collect()
    }

    fn log(&self) -> Result<LogTarget, Error> {
        match self.value(Known::Log) {
            None => Ok(LogTarget::Auto),
            Some((entry, value)) => match value.to_ascii_lowercase().as_str() {
                "auto" => Ok(LogTarget::Auto),
                "syslog" => Ok(LogTarget::Syslog),
                "stderr" => Ok(LogTarget::Stderr),
                _ => Err(self.wrong(entry, format!("“{value}” must be auto, syslog or stderr"))),
            },
        }
    }

    fn host_root(&self) -> Result<PathBuf, Error> {
        let path = self.absolute_path(Known::HostRoot, "/")?;
        match self.entry(Known::HostRoot) {
            Some(entry) if !path.is_dir() => Err(self.wrong(entry, format!("{}: is not a directory", path.display()))),
            _ => Ok(path),
        }
    }

    /// The keys of the host operations are checked already, so that a file written for the next version is right now.
    fn operations(&self) -> Result<(), Error> {
        if let Some((entry, value)) = self.value(Known::Operations)
            && !matches!(value, "auto" | "helper" | "child" | "off")
        {
            return Err(self.wrong(entry, format!("“{value}” must be auto, helper, child or off")));
        }
        if let Some((entry, value)) = self.value(Known::AcmeServer) {
            ServerUrl::parse(value).map_err(|sentence| self.wrong(entry, sentence))?;
        }
        self.absolute_path(Known::AcmeCaFile, "/").map(|_| ())
    }

    fn absolute_path(&self, known: Known, default: &str) -> Result<PathBuf, Error> {
        match self.value(known) {
            None => Ok(PathBuf::from(default)),
            Some((_, value)) if value.starts_with('/') => Ok(PathBuf::from(value)),
            Some((entry, value)) => Err(self.wrong(entry, format!("“{value}” must be an absolute path"))),
        }
    }

    fn integer<T: TryFrom<u64>>(&self, known: Known, default: T, least: u64, most: u64) -> Result<T, Error> {
        let Some((entry, value)) = self.value(known) else { return Ok(default) };
        let number = value.parse::<u64>().ok().filter(|number| (least..=most).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.wrong(entry, format!("“{value}” must be a whole number from {least} to {most}")))
    }
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
