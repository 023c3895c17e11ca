//! What the verifier remembers across restarts: the cache file read, written, and kept for a key that was mistyped.

use log::{error, warn};
use serde_json::Value;

use super::{Verifier, question};
use crate::license::cache::{self, Cached, View};
use opterius_base::clock::Now;
use opterius_base::secret::Secret;
use opterius_license::identity;
use opterius_license::model::{Record, Verdict};
use opterius_license::outcome::Answer;

impl Verifier {
    pub(super) fn load_cache(&mut self, now: Now) {
        let Some(key) = self.settings.key.clone() else { return };
        let path = self.settings.cache.clone();
        let fingerprint = self.fingerprint();
        let question = question(&key, &fingerprint, &self.host, &self.settings);
        let file = cache::load(&path);
        let decoded = |bytes: &[u8]| cache::decode(bytes, &question);
        let loaded = match (self.set_aside.as_deref().map(decoded), &file) {
            (Some(Ok(cached)), _) => Ok(Some(cached)),
            (_, Ok(bytes)) => bytes.as_deref().map(decoded).transpose(),
            (_, Err(cause)) => Err(cause.clone()),
        };
        if let (Err(_), Ok(Some(bytes))) = (&loaded, &file) {
            self.set_aside = cache::of_another_key(bytes, &question).or_else(|| self.set_aside.take());
        }
        match loaded {
            Ok(None) => self.state.cache = "none".to_owned(),
            Ok(Some(cached)) => {
                // From the first start in a boot on, its time counts across restarts: written with the first check.
                self.unwritten |= cached.record.uptime.boot_id != self.host.boot_id;
                let uptime = cached.record.uptime.read_again(&self.host.boot_id, now);
                self.record = Some(Record { uptime, ..cached.record });
                self.answer = cached.answer;
                self.address = cached.address;
                self.set_aside = cached.set_aside.or_else(|| self.set_aside.take());
                self.state.cache = "ok".to_owned();
            }
            Err(cause) => {
                warn!("The license cache {} does not count: {cause}", path.display());
                self.state.cache = format!("ignored: {cause}");
            }
        }
    }

    /// Writes the cache, if there is a verdict on the configured key: a key that was mistyped never overwrites what is
    /// known of the good one.
    pub(super) fn write_cache(&mut self, now: Now) {
        let Some(key) = self.settings.key.clone() else { return };
        let Some(record) = self.counting_record() else { return };
        self.written_at = now.boot;
        let record = Record { uptime: record.uptime.read_again(&self.host.boot_id, now), ..record };
        self.record = Some(record.clone());
        self.state.record = Some(record.clone());
        let standing = self.state.standing(now);
        let reason = standing.reason().map(str::to_owned);
        let view = View::new(standing.is_valid(), reason, self.state.message(&standing), self.state.terms());
        let cached = Cached {
            record,
            answer: self.storable_answer(&key),
            address: self.address,
            set_aside: self.set_aside.clone(),
        };
        let fingerprint = self.fingerprint();
        let question = question(&key, &fingerprint, &self.host, &self.settings);
        let path = &self.settings.cache;
        let written = cache::encode(&view, &cached, &question)
            .and_then(|bytes| cache::store(path, &bytes).map_err(|error| error.to_string()));
        self.unwritten = written.is_err();
        self.state.cache = match written {
            Ok(()) => "ok".to_owned(),
            Err(cause) => {
                error!("The license cache {} cannot be written: {cause}", path.display());
                format!("not written: {cause}")
            }
        };
    }

    /// Keeps what is known of the key before, until the key after it has a grant.
    pub(super) fn set_aside(&mut self, key: Option<&Secret>) {
        let (Some(key), Some(record)) = (key, &self.record) else { return };
        let fingerprint = identity::key_fingerprint(key);
        if record.key_sha256 != fingerprint || !matches!(record.verdict, Verdict::Granted(_)) {
            return;
        }
        let question = question(key, &fingerprint, &self.host, &self.settings);
        let view = View::new(false, None, String::new(), record.verdict.terms());
        let cached = Cached {
            record: record.clone(),
            answer: self.storable_answer(key),
            address: self.address,
            set_aside: None,
        };
        self.set_aside = cache::encode(&view, &cached, &question).ok();
    }

    /// What was set aside is over once its own key has a verdict, or another has a grant.
    pub(super) fn let_go_of_set_aside(&mut self, verdict: &Verdict) {
        let fingerprint = self.fingerprint();
        let (Some(key), Some(bytes)) = (&self.settings.key, self.set_aside.take()) else { return };
        let question = question(key, &fingerprint, &self.host, &self.settings);
        if matches!(verdict, Verdict::Denied(_)) {
            self.set_aside = cache::of_another_key(&bytes, &question);
        }
    }

    /// The answer, if it proves something: signed, and without the license key in it. Everybody may read the file.
    fn storable_answer(&self, key: &Secret) -> Option<Answer> {
        self.answer.clone().filter(|answer| !answer.signature.is_empty() && !echoes(answer, key))
    }
}

/// Whether the answer contains the license key, written out or escaped.
fn echoes(answer: &Answer, key: &Secret) -> bool {
    let plain = String::from_utf8_lossy(&answer.body);
    let unescaped = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default().to_string();
    [plain.as_ref(), &unescaped, &answer.signature].iter().any(|text| key.is_in(text))
}
