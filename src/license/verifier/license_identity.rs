//! What is asked about: a license key on this host. It asks the license server, and it reads what came back.

use std::net::IpAddr;

use ring::rand::SystemRandom;

use crate::license::client::{LicenseConfig, LicenseServer};
use crate::license::state::HostIdentity;
use opterius_base::secret::Secret;
use opterius_license::identity;
use opterius_license::inquiry::Inquiry;
use opterius_license::model::Record;
use opterius_license::outcome::{self, Answer, Failure, FailureClass, ParsedAnswer, Question};
use opterius_license::signature::TrustedKeys;

/// A license key on this host, and whose word counts about it.
pub(super) struct LicenseIdentity<'a> {
    key: &'a Secret,
    fingerprint: String,
    host: &'a HostIdentity,
    trusted: &'a TrustedKeys,
}

impl<'a> LicenseIdentity<'a> {
    /// This key on this host.
    pub(super) fn new(key: &'a Secret, host: &'a HostIdentity, trusted: &'a TrustedKeys) -> Self {
        Self { key, fingerprint: identity::key_fingerprint(key), host, trusted }
    }

    /// The configured key on this host, if there is one.
    pub(super) fn configured(settings: &'a LicenseConfig, host: &'a HostIdentity) -> Option<Self> {
        Some(Self::new(settings.key.as_ref()?, host, &settings.trusted))
    }

    /// The license key.
    pub(super) fn key(&self) -> &Secret {
        self.key
    }

    /// The host.
    pub(super) fn host(&self) -> &HostIdentity {
        self.host
    }

    /// The fingerprint of the key.
    pub(super) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Whether anybody's signature is asked for.
    pub(super) fn requires_signature(&self) -> bool {
        !self.trusted.is_empty()
    }

    /// Whether the record is about this key.
    pub(super) fn matches(&self, record: &Record) -> bool {
        record.key_sha256 == self.fingerprint
    }

    /// The question that an answer from the cache must belong to.
    pub(super) fn question(&self) -> Question<'_> {
        Question {
            key: self.key,
            key_sha256: &self.fingerprint,
            server_id: &self.host.server_id,
            nonce: None,
            trusted: self.trusted,
        }
    }

    /// Asks the license server once.
    pub(super) fn ask(
        &self,
        server: &mut dyn LicenseServer,
        settings: &LicenseConfig,
        server_ip: Option<IpAddr>,
        random: &SystemRandom,
    ) -> Result<(Answer, ParsedAnswer), Failure> {
        let nonce = identity::nonce(random)
            .ok_or_else(|| Failure::new(FailureClass::Network, "the kernel gave no random number"))?;
        let inquiry = Inquiry {
            key: self.key.expose(),
            server_ip,
            agent_version: env!("CARGO_PKG_VERSION"),
            os: &self.host.os,
            hostname: &self.host.hostname,
            server_id: &self.host.server_id,
            nonce: &nonce,
        };
        let answer = server.ask(settings, &inquiry)?;
        let parsed = outcome::read(&answer, &Question { nonce: Some(&nonce), ..self.question() });
        Ok((answer, parsed))
    }
}
