//! The text of `agent.conf` turned into typed values, with one sentence for each thing that can be wrong. Pure, but for
//! the certificate file that it may name.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::config::keys::Known;
use crate::config::{Configuration, EXAMPLE_SECRET, EXAMPLE_WARNING, Loaded};
use crate::license::client::{ServerUrl, Settings};
use opterius_base::files;
use opterius_base::secret::Secret;
use opterius_daemon::settings::{Entries, Error};
use opterius_host::helper::client::Means;
use opterius_license::signature::TrustedKeys;

/// The largest file of certificate authorities, in bytes; all of Mozilla's take a quarter of it.
const MAX_AUTHORITIES: u64 = 1024 * 1024;

/// Reads the text of the file, which messages call `name`.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn parse(text: &str, name: &str, built_in_keys: Option<&str>) -> Result<Loaded, Error> {
    let mut warnings = Vec::new();
    let entries = Entries::parse(text, name, &mut warnings)?;
    let configuration = Reader { entries, built_in_keys }.configuration()?;
    warnings.extend(doubts(&configuration.secret).into_iter().map(|doubt| format!("{name}: {doubt}")));
    Ok(Loaded { configuration, warnings })
}

/// What is odd about a secret that can be used.
pub fn doubts(secret: &Secret) -> Vec<&'static str> {
    let table = [
        (secret.expose() == EXAMPLE_SECRET, EXAMPLE_WARNING),
        (
            secret.expose().contains(" #"),
            "the secret contains “ #”: if that begins a comment, give it a line of its own",
        ),
        (secret.length() < 16, "the secret has fewer than 16 characters; make a better one: openssl rand -hex 32"),
    ];
    table.into_iter().filter_map(|(applies, doubt)| applies.then_some(doubt)).collect()
}

/// Turns entries into typed values, with one sentence for each thing that can be wrong.
struct Reader<'a> {
    entries: Entries<'a, Known>,
    built_in_keys: Option<&'a str>,
}

impl Reader<'_> {
    fn configuration(&self) -> Result<Configuration, Error> {
        Ok(Configuration {
            secret: self.secret()?,
            license: self.license()?,
            listen_addr: self.entries.ip_address(Known::ListenAddr, Ipv4Addr::LOCALHOST.into())?,
            port: self.entries.integer(Known::Port, 7443, 0, 65535)?,
            allowed_hosts: self.entries.host_names(Known::AllowedHosts)?,
            signature_window: Duration::from_secs(self.entries.integer(Known::SignatureWindow, 300, 1, 3600)?),
            request_threads: self.entries.integer(Known::RequestThreads, 4, 2, 64)?,
            max_connections: self.entries.integer(Known::MaxConnections, 512, 16, 65536)?,
            max_body: self.entries.integer(Known::MaxBody, 1024 * 1024, 65536, 2 * 1024 * 1024)?,
            log: self.entries.log_target(Known::Log)?,
            host_root: opterius_host::config::root(&self.entries)?,
            operations: self.operations()?,
            acme: opterius_host::config::acme(&self.entries, |url| ServerUrl::parse(url).map(drop))?,
        })
    }

    fn secret(&self) -> Result<Secret, Error> {
        let Some(entry) = self.entries.entry(Known::Secret) else {
            return Err(Error::Invalid(format!(
                "{}: there is no secret. Add the line secret=… with the text that the Panel has under Servers → Edit \
                 (a new one: openssl rand -hex 32)",
                self.entries.name()
            )));
        };
        match entry.value.chars().count() {
            0 => Err(self.entries.wrong(
                entry,
                "is empty: anybody could sign. Set it to the text that the Panel has under Servers → Edit (a new one: openssl rand -hex 32)",
            )),
            1..=255 => Ok(Secret::new(entry.value.to_owned())),
            length => Err(self.entries.wrong(entry, format!("has {length} characters; the Panel takes 1 to 255"))),
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
            cache: self.entries.absolute_path(Known::LicenseCache, "/etc/opterius/license-cache.json")?,
        })
    }

    fn license_key(&self) -> Result<Option<Secret>, Error> {
        let Some((entry, value)) = self.entries.value(Known::LicenseKey) else { return Ok(None) };
        if value.len() > 64 || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let sentence = "is not a license key: at most 64 letters, digits and signs without spaces, as the license \
                            dashboard shows it";
            return Err(self.entries.wrong(entry, sentence));
        }
        Ok(Some(Secret::new(value.to_owned())))
    }

    fn server_url(&self) -> Result<ServerUrl, Error> {
        match self.entries.value(Known::LicenseServer) {
            None => ServerUrl::parse("https://opterius.com").map_err(|sentence| Error::Invalid(sentence.to_owned())),
            Some((entry, value)) => ServerUrl::parse(value).map_err(|sentence| self.entries.wrong(entry, sentence)),
        }
    }

    fn authorities(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let Some((entry, value)) = self.entries.value(Known::LicenseCaFile) else { return Ok(Vec::new()) };
        let bytes = files::read(Path::new(value), MAX_AUTHORITIES).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied => {
                Error::Permission(self.entries.about(entry, format!("{value}: permission denied")))
            }
            _ => self.entries.wrong(entry, format!("{value}: {error}")),
        })?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match certificates {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(self
                .entries
                .wrong(entry, format!("{value}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"))),
        }
    }

    fn trusted_keys(&self) -> Result<TrustedKeys, Error> {
        let configured = self.entries.value(Known::LicensePublicKey);
        match (self.built_in_keys.filter(|keys| !keys.trim().is_empty()), configured) {
            (Some(_), Some((entry, _))) => Err(self.entries.wrong(
                entry,
                "cannot be set: this build of the Agent has its vendor's public keys built in and trusts no others. Remove the line",
            )),
            (Some(keys), None) => TrustedKeys::parse(keys)
                .map_err(|sentence| Error::Invalid(format!("the public keys built into this Agent: {sentence}"))),
            (None, Some((entry, value))) => {
                TrustedKeys::parse(value).map_err(|sentence| self.entries.wrong(entry, sentence))
            }
            (None, None) => Ok(TrustedKeys::default()),
        }
    }

    fn proxy(&self) -> Result<Option<String>, Error> {
        let Some((entry, value)) = self.entries.value(Known::Proxy) else { return Ok(None) };
        let usable = (value.starts_with("http://") || value.starts_with("https://")) && ureq::Proxy::new(value).is_ok();
        // The value may contain a password, so it is not shown.
        if usable {
            Ok(Some(value.to_owned()))
        } else {
            Err(self
                .entries
                .wrong(entry, "is not a proxy URL such as http://proxy.example.com:3128 (http:// or https://)"))
        }
    }

    fn server_ip(&self) -> Result<Option<IpAddr>, Error> {
        match self.entries.value(Known::ServerIp) {
            None => Ok(None),
            Some((_, value)) if value.eq_ignore_ascii_case("auto") => Ok(None),
            Some((entry, value)) => match value.parse::<IpAddr>() {
                Ok(address) if !address.is_loopback() && !address.is_unspecified() => Ok(Some(address)),
                _ => Err(self
                    .entries
                    .wrong(entry, "must be auto or the public IP address of this server, such as 203.0.113.5")),
            },
        }
    }

    fn ip_discovery_url(&self) -> Result<Option<String>, Error> {
        match self.entries.entry(Known::IpDiscoveryUrl) {
            None => Ok(Some("https://api.ipify.org".to_owned())),
            Some(entry) if entry.value.is_empty() => Ok(None),
            Some(entry) => ServerUrl::parse(entry.value)
                .map(|_| Some(entry.value.to_owned()))
                .map_err(|sentence| self.entries.wrong(entry, sentence)),
        }
    }

    fn operations(&self) -> Result<Means, Error> {
        match self.entries.value(Known::Operations) {
            None | Some((_, "auto")) => Ok(Means::Auto),
            Some((_, "helper")) => Ok(Means::Helper),
            Some((_, "child")) => Ok(Means::Child),
            Some((_, "off")) => Ok(Means::Off),
            Some((entry, value)) => {
                Err(self.entries.wrong(entry, format!("“{value}” must be auto, helper, child or off")))
            }
        }
    }
}

#[cfg(test)]
#[path = "parsing_tests.rs"]
mod tests;
