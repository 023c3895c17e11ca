//! State that the threads of the license server share.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use crate::address::{self, Source};
use crate::config::Config;
use crate::keys::SigningKeys;
use crate::metrics::Metrics;
use crate::refusal_log::RefusalLog;
use crate::statistics::daily_checks::DailyChecks;
use crate::store::duty::Duty;
use crate::store::readers::Readers;
use crate::store::writer::Writer;
use crate::verification_limits::VerificationLimits;
use opterius_base::clock::Clock;
use opterius_http::head::Head;
use opterius_http::service::Request;

/// Everything that request handlers need.
pub struct Shared {
    /// The time source.
    pub clock: Arc<dyn Clock>,
    /// Write access to the store.
    pub writer: Writer,
    /// Whether this instance sweeps the database.
    pub sweeping: Duty,
    /// Read access to the store.
    pub readers: Readers,
    /// The key that signs form tokens.
    pub form_secret: ring::hmac::Key,
    /// The counters of `GET /metrics`.
    pub metrics: Metrics,
    /// The rate limits of verifications.
    pub limits: VerificationLimits,
    /// Refused servers that are not stored yet.
    pub refusal_log: RefusalLog,
    /// Verifications of each day that are not stored yet.
    pub daily_checks: DailyChecks,
    config: RwLock<Arc<Config>>,
    keys: RwLock<Arc<SigningKeys>>,
}

impl Shared {
    /// Creates the state that handlers share.
    pub fn new(
        clock: Arc<dyn Clock>,
        writer: Writer,
        readers: Readers,
        form_secret: &[u8],
        config: Config,
        keys: SigningKeys,
    ) -> Self {
        Self {
            clock,
            sweeping: Duty::sweeping(writer.clone()),
            writer,
            readers,
            form_secret: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, form_secret),
            metrics: Metrics::default(),
            limits: VerificationLimits::default(),
            refusal_log: RefusalLog::default(),
            daily_checks: DailyChecks::default(),
            config: RwLock::new(Arc::new(config)),
            keys: RwLock::new(Arc::new(keys)),
        }
    }

    /// The current configuration.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The current signing keys.
    pub fn keys(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the configuration.
    pub fn set_config(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Replaces the signing keys.
    pub fn set_keys(&self, keys: SigningKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// Headers of proxies. A request with one of them came through a proxy.
const PROXY_HEADERS: [&str; 6] =
    ["forwarded", "via", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"];

/// The source of a request.
pub fn source(request: &Request<'_>, config: &Config) -> Source {
    let head = &request.head;
    let forwarded: Vec<String> = texts(head, "x-forwarded-for").collect();
    let is_relayed = forwarded.is_empty() && PROXY_HEADERS.iter().any(|name| head.all(name).next().is_some());
    address::client(request.peer, &forwarded, is_relayed, &config.trusted_proxies)
}

/// The client address of a request.
pub fn client(request: &Request<'_>, config: &Config) -> IpAddr {
    source(request, config).ip
}

/// Whether a trusted proxy says that the client's connection is encrypted.
pub fn is_encrypted(request: &Request<'_>, config: &Config) -> bool {
    let says_https = || texts(&request.head, "x-forwarded-proto").any(|proto| proto.eq_ignore_ascii_case("https"));
    config.is_trusted_proxy(request.peer) && says_https()
}

fn texts<'a>(head: &Head<'a>, name: &str) -> impl Iterator<Item = String> {
    head.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().into_iter()
}
