//! Parsers for the values that are specific to agent.conf, with a sentence for each possible error. Pure, except that
//! [`authorities`] reads a certificate file, and [`license_cache`] looks at the cache.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use crate::config::certificate_file;
use crate::license::client::proxy::Proxy;
use crate::license::client::{ServerList, ServerUrl, is_of_one_host};
use opterius_base::files;
use opterius_base::secret::Secret;
use opterius_base::text::cause;
use opterius_daemon::config_file::{Entries, Error, Key};
use opterius_host::config::{self as host, HostKey};
use opterius_host::helper::client::HelperMode;
use opterius_host::host::Acme;
use opterius_license::license_key;
use opterius_license::signature::TrustedKeys;

/// The largest CA file, in bytes; Mozilla's complete bundle is a quarter of that.
const MAX_AUTHORITIES: u64 = 1024 * 1024;

/// The secret that the Panel signs requests with.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn secret<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<Secret, Error> {
    let Some(entry) = entries.entry(key) else {
        return Err(Error::Invalid(format!(
            "{}: the secret is missing. Add the line secret=… with the text from the Panel under Servers → Edit \
             (to generate one: openssl rand -hex 32)",
            entries.name()
        )));
    };
    match entry.value.chars().count() {
        0 => Err(entries.wrong(
            entry,
            "is empty, so anyone could sign requests. Set it to the text from the Panel under Servers → Edit (to generate one: openssl rand -hex 32)",
        )),
        1..=255 => Ok(Secret::new(entry.value.to_owned())),
        length => Err(entries.wrong(entry, format!("has {length} characters; the Panel accepts 1 to 255"))),
    }
}

/// The license key, in its canonical form.
///
/// # Errors
/// One sentence with file, line, key and fault. It is no configuration error: the Agent runs without a license then.
pub fn license_key<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<Option<Secret>, String> {
    let Some((entry, value)) = entries.value(key) else { return Ok(None) };
    license_key::canonical(value).map(|key| Some(Secret::new(key))).map_err(|fault| entries.about(entry, fault))
}

/// The address to listen on.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn listen_addr<K: Key>(entries: &Entries<'_, K>, key: K, default: IpAddr) -> Result<IpAddr, Error> {
    let address = entries.ip_address(key, default)?;
    match entries.entry(key) {
        Some(entry) if !address.is_unspecified() && !is_of_one_host(address) => {
            Err(entries.wrong(entry, format!("“{address}” is no address of one server, such as 127.0.0.1")))
        }
        _ => Ok(address),
    }
}

/// The path of the license cache. Whatever is there is replaced, so it must not be where the system's devices are.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn license_cache<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<PathBuf, Error> {
    let path = entries.absolute_path(key, "/etc/opterius/license-cache.json")?;
    let Some((entry, value)) = entries.value(key) else { return Ok(path) };
    if value.ends_with('/') || path.starts_with("/dev") {
        return Err(
            entries.wrong(entry, format!("{value}: is not a regular file; name a file of its own for the cache"))
        );
    }
    Ok(path)
}

/// The license servers' URLs.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn servers<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<ServerList, Error> {
    match entries.value(key) {
        None => ServerList::parse("https://opterius.com").map_err(Error::Invalid),
        Some((entry, value)) => ServerList::parse(value).map_err(|sentence| entries.wrong(entry, sentence)),
    }
}

/// The root certificates in a PEM file, and its path.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn authorities<K: Key>(
    entries: &Entries<'_, K>,
    key: K,
) -> Result<(Vec<CertificateDer<'static>>, Option<PathBuf>), Error> {
    let Some((entry, value)) = entries.value(key) else { return Ok((Vec::new(), None)) };
    let path = &entries.absolute_path(key, "")?;
    let bytes = files::read(path, MAX_AUTHORITIES).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => Error::Permission(entries.about(entry, format!("{value}: permission denied"))),
        ErrorKind::NotFound => entries.wrong(entry, format!("{value}: there is no such file")),
        _ if path.is_dir() => entries.wrong(entry, format!("{value}: is a directory; name a file in it")),
        _ => entries.wrong(entry, format!("{value}: {}", cause(&error))),
    })?;
    match certificate_file::read(&bytes, value) {
        Ok(certificates) => Ok((certificates, Some(path.to_owned()))),
        Err(fault) => Err(entries.wrong(entry, format!("{value}: {fault}"))),
    }
}

/// The keys that can sign an answer: the built-in ones, or the configured ones if none are built in.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn trusted_keys<K: Key>(entries: &Entries<'_, K>, key: K, built_in: Option<&str>) -> Result<TrustedKeys, Error> {
    let configured = entries.value(key);
    match (built_in.filter(|keys| !keys.trim().is_empty()), configured) {
        (Some(_), Some((entry, _))) => Err(entries.wrong(
            entry,
            "cannot be set: this build of the Agent trusts only the vendor's built-in public keys. Remove the line",
        )),
        (Some(keys), None) => trusted(keys)
            .map_err(|sentence| Error::Invalid(format!("the public keys built into this Agent: {sentence}"))),
        (None, Some((entry, value))) => trusted(value).map_err(|sentence| entries.wrong(entry, sentence)),
        (None, None) => Ok(TrustedKeys::default()),
    }
}

/// At least one key: none would mean that no signature is required.
fn trusted(text: &str) -> Result<TrustedKeys, String> {
    let keys = TrustedKeys::parse(text)?;
    if keys.is_empty() { Err("has no public key; write the vendor's, or remove the line".to_owned()) } else { Ok(keys) }
}

/// The proxy for requests to the license server.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn proxy<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<Option<Proxy>, Error> {
    let Some((entry, value)) = entries.value(key) else { return Ok(None) };
    if ["none", "off", "no", "false", "direct"].iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return Err(entries.wrong(entry, format!("“{value}” is not a proxy; to use none, remove the line")));
    }
    Proxy::parse(value).map(Some).map_err(|sentence| entries.wrong(entry, sentence))
}

/// The public address; `None` for `auto`.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn server_ip<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<Option<IpAddr>, Error> {
    match entries.value(key) {
        None => Ok(None),
        Some((_, value)) if value.eq_ignore_ascii_case("auto") => Ok(None),
        Some((entry, value)) => match value.parse::<IpAddr>() {
            Ok(address) if is_of_a_server(address.to_canonical()) => Ok(Some(address)),
            _ => Err(entries.wrong(entry, "must be auto or this server's public IP address, such as 203.0.113.5")),
        },
    }
}

fn is_of_a_server(address: IpAddr) -> bool {
    !address.is_loopback() && is_of_one_host(address)
}

/// The URL of the discovery service; `None` disables discovery.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn ip_discovery_url<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<Option<String>, Error> {
    match entries.entry(key) {
        None => Ok(Some("https://api.ipify.org".to_owned())),
        Some(entry) if entry.value.is_empty() => Ok(None),
        Some(entry) => ServerUrl::parse(entry.value)
            .map(|_| Some(entry.value.to_owned()))
            .map_err(|sentence| entries.wrong(entry, sentence)),
    }
}

/// The certificate authority, whose own CA file must be there.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn acme<K: Key + From<HostKey>>(entries: &Entries<'_, K>) -> Result<Acme, Error> {
    let acme = host::acme(entries, |url| ServerUrl::parse(url).map(drop))?;
    match (entries.entry(HostKey::AcmeAuthority.into()), &acme.authority) {
        (Some(entry), Some(path)) if fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) => {
            Err(entries.wrong(entry, format!("{}: there is no such file", path.display())))
        }
        _ => Ok(acme),
    }
}

/// How host operations obtain root privileges.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn operations<K: Key>(entries: &Entries<'_, K>, key: K) -> Result<HelperMode, Error> {
    match entries.value(key) {
        None | Some((_, "auto")) => Ok(HelperMode::Auto),
        Some((_, "helper")) => Ok(HelperMode::Helper),
        Some((_, "child")) => Ok(HelperMode::Child),
        Some((_, "off")) => Ok(HelperMode::Off),
        Some((entry, value)) => Err(entries.wrong(entry, format!("“{value}” must be auto, helper, child or off"))),
    }
}
