//! The keys that sign responses: one file, readable only by its owner, that belongs to one database.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cause::cause;
use crate::installation_error::InstallationError;
use crate::ownership::give_to_owner_of;
use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_license::signature::CONTEXT;

/// How long operators have to distribute a new public key to Agents before the old key can be retired.
pub const CHANGE_TIME: Duration = Duration::from_secs(30 * 86_400);

/// The signing keys of one installation, newest first: the current key, and during a rotation the old one.
pub struct SigningKeys {
    installation: String,
    keys: Vec<SigningKey>,
}

/// An Ed25519 key pair.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    document: Zeroizing<String>,
    created_at: Timestamp,
}

/// The JSON document in the file.
#[derive(Serialize, Deserialize)]
struct Stored {
    installation: String,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    created_at: Timestamp,
    /// Informational; not read by the program.
    public_key: String,
    pkcs8: String,
}

impl SigningKey {
    fn generate(now: Timestamp) -> Result<Self, InstallationError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| InstallationError::Unusable("the system provides no random numbers".to_owned()))?;
        Self::read(&STANDARD.encode(document.as_ref()), now)
            .ok_or_else(|| InstallationError::Unusable("the key that was just generated cannot be parsed".to_owned()))
    }

    fn read(document: &str, created_at: Timestamp) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(document).ok()?);
        let pair = Ed25519KeyPair::from_pkcs8(&bytes).ok()?;
        Some(Self { pair, document: Zeroizing::new(document.to_owned()), created_at })
    }

    /// The public key as in `license_public_key` in agent.conf: base64.
    pub fn public(&self) -> String {
        STANDARD.encode(self.pair.public_key())
    }

    /// The `keyid` in the signature header: the first 16 hexadecimal digits of the public key's SHA-256.
    pub fn id(&self) -> String {
        let digest = digest(&SHA256, self.pair.public_key().as_ref());
        hex(digest.as_ref().get(..8).unwrap_or_default())
    }

    /// A key for another purpose, derived from the private key: the same signing key and context always give the same.
    pub fn derive(&self, context: &[u8]) -> Zeroizing<[u8; 32]> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.document.as_bytes());
        let tag = hmac::sign(&key, context);
        Zeroizing::new(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Creation time.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl SigningKeys {
    /// Generates the first key of the installation with this name.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub fn generate(installation: &str, now: Timestamp) -> Result<Self, InstallationError> {
        Ok(Self { installation: installation.to_owned(), keys: vec![SigningKey::generate(now)?] })
    }

    /// Loads the file.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn load(path: &Path) -> Result<Self, InstallationError> {
        let display = path.display();
        let metadata = fs::metadata(path).map_err(|error| read_error(path, &error))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(InstallationError::Unusable(format!(
                "{display}: other users can read the signing keys. Run: chmod 0600 {display}; if they may have been read, \
                 replace them: opterius-license-server keys rotate"
            )));
        }
        let text = Zeroizing::new(fs::read(path).map_err(|error| read_error(path, &error))?);
        let damaged = || {
            InstallationError::Unusable(format!(
                "{display}: the file is damaged. Restore it from a backup; Agents trust no other keys"
            ))
        };
        let stored: Stored = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let keys = stored.keys.into_iter().map(|key| {
            let document = Zeroizing::new(key.pkcs8);
            SigningKey::read(&document, key.created_at)
        });
        let keys: Vec<SigningKey> = keys.collect::<Option<_>>().ok_or_else(damaged)?;
        if keys.is_empty() { Err(damaged()) } else { Ok(Self { installation: stored.installation, keys }) }
    }

    /// Writes the file atomically.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn store(&self, path: &Path) -> Result<(), InstallationError> {
        let keys = self.keys.iter().map(|key| StoredKey {
            created_at: key.created_at,
            public_key: key.public(),
            pkcs8: String::clone(&key.document),
        });
        let stored = Stored { installation: self.installation.clone(), keys: keys.collect() };
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => {
                InstallationError::Permission(format!("{}: permission denied", path.display()))
            }
            _ => InstallationError::Refused(format!(
                "{}: cannot be written: {}. Nothing was changed",
                path.display(),
                cause(&error)
            )),
        };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| failed(error.into()))?;
        let text = Zeroizing::new(text);
        // A fixed name, so that the next run removes the leftovers of a killed process. Callers hold the changes lock.
        let unfinished = path.with_extension("unfinished");
        let written = (|| {
            if unfinished.symlink_metadata().is_ok() {
                fs::remove_file(&unfinished)?;
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
            path.parent().map_or(Ok(()), |directory| give_to_owner_of(directory, &file))?;
            file.write_all(&text)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&unfinished, path)?;
            path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        })();
        written.map_err(|error| {
            let _ = fs::remove_file(&unfinished);
            failed(error)
        })
    }

    /// The name of the installation, which its database has too.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// All keys, the current key first.
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The value of `license_public_key` in agent.conf.
    pub fn public_keys(&self) -> String {
        self.keys.iter().map(SigningKey::public).collect::<Vec<_>>().join(", ")
    }

    /// The value of the `Opterius-Signature` header for this body: one signature per key.
    pub fn sign(&self, body: &[u8]) -> String {
        let message = [CONTEXT, body].concat();
        let member = |key: &SigningKey| {
            format!(r#"keyid="{}", ed25519="{}""#, key.id(), STANDARD.encode(key.pair.sign(&message)))
        };
        self.keys.iter().map(member).collect::<Vec<_>>().join(", ")
    }

    /// Adds a new current key. Responses carry both signatures until the old key is retired.
    ///
    /// # Errors
    /// There are two keys already.
    pub fn rotate(&mut self, now: Timestamp) -> Result<(), InstallationError> {
        if self.keys.len() > 1 {
            return Err(InstallationError::Refused(
                "there are two keys already. Retire the old key first: opterius-license-server keys retire".to_owned(),
            ));
        }
        self.keys.insert(0, SigningKey::generate(now)?);
        Ok(())
    }

    /// Removes the old key.
    ///
    /// # Errors
    /// There is only one key, or the new key is younger than [`CHANGE_TIME`] and `forced` is false.
    pub fn retire(&mut self, now: Timestamp, forced: bool) -> Result<(), InstallationError> {
        let [current, _, ..] = self.keys.as_slice() else {
            return Err(InstallationError::Refused(
                "there is only one key, and responses are signed with it".to_owned(),
            ));
        };
        let ready = current.created_at.plus(CHANGE_TIME);
        if now < ready && !forced {
            return Err(InstallationError::Refused(format!(
                "Agents without the new key would reject all responses. The old key can be retired from {ready} on, or \
                 now with --force"
            )));
        }
        self.keys.truncate(1);
        Ok(())
    }
}

fn read_error(path: &Path, error: &std::io::Error) -> InstallationError {
    let display = path.display();
    match error.kind() {
        ErrorKind::NotFound => InstallationError::Unusable(format!(
            "{display}: the signing keys are missing. Restore the file from a backup; only for a new installation, run: \
             opterius-license-server init"
        )),
        ErrorKind::PermissionDenied => {
            InstallationError::Permission(format!("{display}: permission denied. Run as the user who owns the file"))
        }
        _ => InstallationError::Unusable(format!("{display}: cannot be read: {}", cause(error))),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
