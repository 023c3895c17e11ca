//! What the threads of the license server share.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use crate::address;
use crate::config::Config;
use crate::keys::SigningKeys;
use crate::metrics::Metrics;
use crate::store::readers::Readers;
use crate::store::writer::Writer;
use crate::throttle::Throttle;
use opterius_base::clock::Clock;
use opterius_http::head::Head;
use opterius_http::service::Request;

/// Everything that answers need.
pub struct Shared {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who changes the store.
    pub writer: Writer,
    /// Who reads it.
    pub readers: Readers,
    /// The secret behind the tokens of forms.
    pub form_secret: ring::hmac::Key,
    /// What is counted.
    pub metrics: Metrics,
    /// Tries of unknown keys, by the client's network.
    pub unknown_keys: Mutex<Throttle<IpAddr>>,
    /// Verifications, by license.
    pub known_keys: Mutex<Throttle<i64>>,
    config: RwLock<Arc<Config>>,
    keys: RwLock<Arc<SigningKeys>>,
}

impl Shared {
    /// Everything, before the first request.
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
            writer,
            readers,
            form_secret: ring::hmac::Key::new(ring::hmac::HMAC_SHA256, form_secret),
            metrics: Metrics::default(),
            // Nobody mistypes a key more often; and no key is ever guessed.
            unknown_keys: Mutex::new(Throttle::new(20, Duration::from_secs(10))),
            // A large fleet that is updated all at once gets its answers within a minute or so.
            known_keys: Mutex::new(Throttle::new(600, Duration::from_millis(100))),
            config: RwLock::new(Arc::new(config)),
            keys: RwLock::new(Arc::new(keys)),
        }
    }

    /// The settings in use.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The signing keys in use.
    pub fn keys(&self) -> Arc<SigningKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings.
    pub fn set_settings(&self, config: Config) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    /// Replaces the signing keys.
    pub fn set_keys(&self, keys: SigningKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }
}

/// The address of the client behind a request.
pub fn client(request: &Request<'_>, config: &Config) -> IpAddr {
    address::client(request.peer, texts(&request.head, "x-forwarded-for"), &config.trusted_proxies)
}

/// Whether the client's connection is encrypted, as a trusted proxy says.
pub fn is_encrypted(request: &Request<'_>, config: &Config) -> bool {
    let says_https = || texts(&request.head, "x-forwarded-proto").any(|proto| proto.eq_ignore_ascii_case("https"));
    config.trusted_proxies.contains(&request.peer) && says_https()
}

fn texts<'a>(head: &Head<'a>, name: &str) -> impl Iterator<Item = String> {
    head.all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>().into_iter()
}
