//! A license key on this host: the identity that requests, answers and cache files are bound to.

use std::net::IpAddr;

use ring::rand::SystemRandom;

use crate::license::client::LicenseConfig;
use crate::license::state::HostIdentity;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_license::identity;
use opterius_license::inquiry::Inquiry;
use opterius_license::model::Record;
use opterius_license::outcome::{self, Answer, Failure, FailureClass, ParsedAnswer, Question};
use opterius_license::signature::TrustedKeys;

/// A license key on this host, with the keys trusted to sign answers about it.
pub struct LicenseIdentity<'a> {
    key: &'a Secret,
    fingerprint: String,
    host: &'a HostIdentity,
    trusted: &'a TrustedKeys,
}

impl<'a> LicenseIdentity<'a> {
    /// The identity of `key` on `host`.
    pub fn new(key: &'a Secret, host: &'a HostIdentity, trusted: &'a TrustedKeys) -> Self {
        Self { key, fingerprint: identity::key_fingerprint(key), host, trusted }
    }

    /// The identity of the configured key; `None` without one.
    pub fn configured(config: &'a LicenseConfig, host: &'a HostIdentity) -> Option<Self> {
        Some(Self::new(config.key.as_ref()?, host, &config.trusted))
    }

    /// The license key itself.
    pub fn key(&self) -> &Secret {
        self.key
    }

    /// The identity of the host.
    pub fn host(&self) -> &HostIdentity {
        self.host
    }

    /// SHA-256 of the key, in hex.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether answers must be signed.
    pub fn requires_signature(&self) -> bool {
        !self.trusted.is_empty()
    }

    /// Whether the record belongs to this key.
    pub fn matches(&self, record: &Record) -> bool {
        record.key_sha256 == self.fingerprint
    }

    /// The request that a cached answer must belong to; without a nonce.
    pub fn question(&self) -> Question<'_> {
        Question {
            key: self.key,
            key_sha256: &self.fingerprint,
            server_id: &self.host.server_id,
            nonce: None,
            trusted: self.trusted,
        }
    }

    /// Sends one request to the license server at `now`, by `send`, and parses the answer.
    ///
    /// # Errors
    /// No answer arrived.
    pub fn ask(
        &self,
        server_ip: Option<IpAddr>,
        random: &SystemRandom,
        now: Timestamp,
        send: impl FnOnce(&Inquiry<'_>) -> Result<Answer, Failure>,
    ) -> Result<(Answer, ParsedAnswer), Failure> {
        let nonce = identity::nonce(random, now)
            .ok_or_else(|| Failure::new(FailureClass::Network, "the kernel returned no random bytes"))?;
        let inquiry = Inquiry {
            key: self.key.expose(),
            server_ip,
            agent_version: env!("CARGO_PKG_VERSION"),
            os: &self.host.os,
            hostname: &self.host.hostname,
            server_id: &self.host.server_id,
            nonce: &nonce,
        };
        let answer = send(&inquiry)?;
        let parsed = outcome::read(&answer, &Question { nonce: Some(&nonce), ..self.question() });
        Ok((answer, parsed))
    }
}
