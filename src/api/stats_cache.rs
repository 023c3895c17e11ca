//! A cache for account statistics: measuring takes long, and the Panel requests them on every page, with identical bytes
//! for the same account.

use std::collections::VecDeque;
use std::time::Duration;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use opterius_http::response::Response;

/// How long an answer is valid.
const FRESH: Duration = Duration::from_secs(300);

/// The size limit of the cache, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// The SHA-256 of a request body.
pub type Key = [u8; SHA256_OUTPUT_LEN];

/// The cache key of a request body.
pub fn key(body: &[u8]) -> Key {
    let mut key = [0; SHA256_OUTPUT_LEN];
    key.copy_from_slice(digest(&SHA256, body).as_ref());
    key
}

struct Entry {
    key: Key,
    measured_at: Duration,
    answer: Response,
}

/// Answers by request, the oldest first.
#[derive(Default)]
pub struct StatsCache {
    entries: VecDeque<Entry>,
}

impl StatsCache {
    /// The answer that is still valid `now` after boot.
    pub fn get(&self, key: &Key, now: Duration) -> Option<Response> {
        let is_fresh = |entry: &&Entry| now.saturating_sub(entry.measured_at) < FRESH;
        let found = self.entries.iter().filter(is_fresh).find(|entry| entry.key == *key);
        found.map(|entry| entry.answer.clone())
    }

    /// Stores an answer, replacing an earlier one; drops outdated answers and, beyond the size limit, the oldest ones.
    pub fn put(&mut self, key: Key, answer: Response, now: Duration) {
        self.entries.retain(|entry| now.saturating_sub(entry.measured_at) < FRESH && entry.key != key);
        self.entries.push_back(Entry { key, measured_at: now, answer });
        while self.size() > MAX_BYTES {
            self.entries.pop_front();
        }
    }

    fn size(&self) -> usize {
        self.entries.iter().map(|entry| size_of::<Entry>().saturating_add(entry.answer.body.len())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Response {
        Response::json(200, &text)
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_answer_is_valid_for_five_minutes_for_the_same_request() {
        let mut cache = StatsCache::default();
        cache.put(key(b"a"), answer("1"), at(100));
        assert_eq!(cache.get(&key(b"a"), at(399)), Some(answer("1")));
        assert_eq!(cache.get(&key(b"a"), at(400)), None);
        assert_eq!(cache.get(&key(b"b"), at(100)), None);
        cache.put(key(b"a"), answer("2"), at(200));
        assert_eq!((cache.get(&key(b"a"), at(450)), cache.entries.len()), (Some(answer("2")), 1));
        cache.put(key(b"b"), answer("3"), at(500));
        assert_eq!(cache.entries.len(), 1, "outdated answers are dropped");
    }

    #[test]
    fn the_oldest_answers_are_dropped_when_the_cache_is_full() {
        let mut cache = StatsCache::default();
        let large = "x".repeat(MAX_BYTES / 4);
        for name in [b"a", b"b", b"c", b"d"] {
            cache.put(key(name), answer(&large), at(1));
        }
        assert_eq!((cache.entries.len(), cache.get(&key(b"a"), at(1))), (3, None));
        cache.put(key(b"e"), answer(&"x".repeat(MAX_BYTES)), at(1));
        assert_eq!(cache.entries.len(), 0, "an answer larger than the cache is not kept");
    }
}
