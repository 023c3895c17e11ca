//! The text of `agent.conf` turned into typed values, with one sentence for each thing that can be wrong. Pure, but for
//! the certificate file that it may name.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::agent::configuration::{Configuration, EXAMPLE_SECRET, EXAMPLE_WARNING, Error, Loaded, LogTarget};
use crate::agent::keys::{self, Known};
use crate::license::client::{ServerUrl, Settings};
use crate::license::signature::TrustedKeys;
use crate::secret::Secret;

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
    if configuration.secret.expose().contains(" #") {
        warnings.push(format!("{name}: the secret contains “ #”: if that begins a comment, give it a line of its own"));
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
            max_body: self.integer(Known::MaxBody, 1024 * 1024, 65536, 2 * 1024 * 1024)?,
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
            Err(self.wrong(entry, "is not a proxy URL such as http://proxy.example.com:3128 (http:// or https://)"))
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
#[path = "parsing_tests.rs"]
mod tests;
