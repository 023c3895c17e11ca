//! What was measured of accounts in the last minutes: measuring takes long, and the Panel asks at every page, with the
//! same bytes for the same account.

use std::collections::VecDeque;
use std::time::Duration;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use opterius_http::response::Response;

/// How long an answer stands.
const FRESH: Duration = Duration::from_secs(300);

/// What all answers that are kept take, in bytes.
const KEPT: usize = 1024 * 1024;

/// What was asked, as the hash of its bytes.
pub type Key = [u8; SHA256_OUTPUT_LEN];

/// The key of a request by its body.
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

/// Answers by what was asked, the oldest first.
#[derive(Default)]
pub struct StatsCache {
    entries: VecDeque<Entry>,
}

impl StatsCache {
    /// The answer that still stands `now` after boot.
    pub fn get(&self, key: &Key, now: Duration) -> Option<Response> {
        let is_fresh = |entry: &&Entry| now.saturating_sub(entry.measured_at) < FRESH;
        let found = self.entries.iter().filter(is_fresh).find(|entry| entry.key == *key);
        found.map(|entry| entry.answer.clone())
    }

    /// Keeps an answer in the place of an earlier one, and forgets what is old or too much.
    pub fn put(&mut self, key: Key, answer: Response, now: Duration) {
        self.entries.retain(|entry| now.saturating_sub(entry.measured_at) < FRESH && entry.key != key);
        self.entries.push_back(Entry { key, measured_at: now, answer });
        while self.size() > KEPT {
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
    fn an_answer_stands_for_five_minutes_for_the_same_request() {
        let mut cache = StatsCache::default();
        cache.put(key(b"a"), answer("1"), at(100));
        assert_eq!(cache.get(&key(b"a"), at(399)), Some(answer("1")));
        assert_eq!(cache.get(&key(b"a"), at(400)), None);
        assert_eq!(cache.get(&key(b"b"), at(100)), None);
        cache.put(key(b"a"), answer("2"), at(200));
        assert_eq!((cache.get(&key(b"a"), at(450)), cache.entries.len()), (Some(answer("2")), 1));
        cache.put(key(b"b"), answer("3"), at(500));
        assert_eq!(cache.entries.len(), 1, "what is old is forgotten");
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        let mut cache = StatsCache::default();
        let large = "x".repeat(KEPT / 4);
        for name in [b"a", b"b", b"c", b"d"] {
            cache.put(key(name), answer(&large), at(1));
        }
        assert_eq!((cache.entries.len(), cache.get(&key(b"a"), at(1))), (3, None));
        cache.put(key(b"e"), answer(&"x".repeat(KEPT)), at(1));
        assert_eq!(cache.entries.len(), 0, "one that is too large is not kept");
    }
}
