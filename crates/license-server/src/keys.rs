//! The keys that answers are signed with: one file, readable by its owner alone, that belongs to one database.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::cause::cause;
use crate::ownership::give_to_owner_of;
use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_license::signature::CONTEXT;

/// How long Agents have to learn a new key before the old one may go.
pub const CHANGE_TIME: Duration = Duration::from_secs(30 * 86_400);

/// Why there are no keys, or not others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The file may not be read or written by this user.
    Permission(String),
    /// Anything else that is wrong with it.
    Unusable(String),
    /// The change is not allowed now.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(sentence) | Self::Unusable(sentence) | Self::Refused(sentence) => {
                formatter.write_str(sentence)
            }
        }
    }
}

/// All keys of one installation, the newest first: the first is the current one, a second is on its way out.
pub struct SigningKeys {
    installation: String,
    keys: Vec<SigningKey>,
}

/// One key.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    document: Zeroizing<String>,
    created_at: Timestamp,
}

/// The file, as JSON.
#[derive(Serialize, Deserialize)]
struct Stored {
    installation: String,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    created_at: Timestamp,
    /// For whoever reads the file; the program computes it.
    public_key: String,
    pkcs8: String,
}

impl SigningKey {
    fn generate(now: Timestamp) -> Result<Self, Error> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| Error::Unusable("the system gives no random numbers".to_owned()))?;
        Self::read(&STANDARD.encode(document.as_ref()), now)
            .ok_or_else(|| Error::Unusable("the key that was just made cannot be read".to_owned()))
    }

    fn read(document: &str, created_at: Timestamp) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(document).ok()?);
        let pair = Ed25519KeyPair::from_pkcs8(&bytes).ok()?;
        Some(Self { pair, document: Zeroizing::new(document.to_owned()), created_at })
    }

    /// The public key as `license_public_key` in agent.conf has it.
    pub fn public(&self) -> String {
        STANDARD.encode(self.pair.public_key())
    }

    /// The short name in the header: 16 digits of the public key's SHA-256.
    pub fn id(&self) -> String {
        let digest = digest(&SHA256, self.pair.public_key().as_ref());
        hex(digest.as_ref().get(..8).unwrap_or_default())
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl SigningKeys {
    /// One new key for the installation with this name.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate(installation: &str, now: Timestamp) -> Result<Self, Error> {
        Ok(Self { installation: installation.to_owned(), keys: vec![SigningKey::generate(now)?] })
    }

    /// Reads the file.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to do.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let metadata = fs::metadata(path).map_err(|error| read_error(path, &error))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Error::Unusable(format!(
                "{shown}: other users may read the signing keys. Run: chmod 0600 {shown}; and, if anybody may have, change \
                 the keys: opterius-license-server keys rotate"
            )));
        }
        let text = Zeroizing::new(fs::read(path).map_err(|error| read_error(path, &error))?);
        let damaged =
            || Error::Unusable(format!("{shown}: is damaged. Restore it from a backup; Agents trust these keys alone"));
        let stored: Stored = serde_json::from_slice(&text).map_err(|_| damaged())?;
        let keys = stored.keys.into_iter().map(|key| {
            let document = Zeroizing::new(key.pkcs8);
            SigningKey::read(&document, key.created_at)
        });
        let keys: Vec<SigningKey> = keys.collect::<Option<_>>().ok_or_else(damaged)?;
        if keys.is_empty() { Err(damaged()) } else { Ok(Self { installation: stored.installation, keys }) }
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn store(&self, path: &Path) -> Result<(), Error> {
        let keys = self.keys.iter().map(|key| StoredKey {
            created_at: key.created_at,
            public_key: key.public(),
            pkcs8: String::clone(&key.document),
        });
        let stored = Stored { installation: self.installation.clone(), keys: keys.collect() };
        let failed = |error: std::io::Error| match error.kind() {
            ErrorKind::PermissionDenied => Error::Permission(format!("{}: permission denied", path.display())),
            _ => {
                Error::Refused(format!("{}: cannot be written: {}. Nothing was changed", path.display(), cause(&error)))
            }
        };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| failed(error.into()))?;
        let text = Zeroizing::new(text);
        // One name, so that what a killed process has left is not left for ever; whoever stores keys is alone.
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

    /// The installation that these keys belong to; its database says the same.
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// All keys, the current one first.
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// The line for agent.conf.
    pub fn public_keys(&self) -> String {
        self.keys.iter().map(SigningKey::public).collect::<Vec<_>>().join(", ")
    }

    /// The value of the header `Opterius-Signature` for this body: one signature of each key.
    pub fn sign(&self, body: &[u8]) -> String {
        let message = [CONTEXT, body].concat();
        let member = |key: &SigningKey| {
            format!(r#"keyid="{}", ed25519="{}""#, key.id(), STANDARD.encode(key.pair.sign(&message)))
        };
        self.keys.iter().map(member).collect::<Vec<_>>().join(", ")
    }

    /// Adds a new current key. Answers are signed with both until the old one is retired.
    ///
    /// # Errors
    /// There are two already.
    pub fn rotate(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.keys.len() > 1 {
            return Err(Error::Refused(
                "there are two keys already. End the old one first: opterius-license-server keys retire".to_owned(),
            ));
        }
        self.keys.insert(0, SigningKey::generate(now)?);
        Ok(())
    }

    /// Ends the older key.
    ///
    /// # Errors
    /// There is only one, or the new one is younger than [`CHANGE_TIME`] and this is not `forced`.
    pub fn retire(&mut self, now: Timestamp, forced: bool) -> Result<(), Error> {
        let [current, _, ..] = self.keys.as_slice() else {
            return Err(Error::Refused("there is only one key, and it is in use".to_owned()));
        };
        let ready = current.created_at.plus(CHANGE_TIME);
        if now < ready && !forced {
            return Err(Error::Refused(format!(
                "Agents that do not know the new key yet would trust no answer. The old one can be ended from {ready} on, \
                 or now with --force"
            )));
        }
        self.keys.truncate(1);
        Ok(())
    }
}

fn read_error(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        ErrorKind::NotFound => Error::Unusable(format!(
            "{shown}: there are no signing keys. Restore the file from a backup; for a new installation: \
             opterius-license-server init"
        )),
        ErrorKind::PermissionDenied => {
            Error::Permission(format!("{shown}: permission denied. Run as the user who owns the file"))
        }
        _ => Error::Unusable(format!("{shown}: cannot be read: {}", cause(error))),
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
