//! What was measured of accounts in the last minutes: measuring takes long, and the Panel asks at every page.

use std::collections::VecDeque;
use std::time::Duration;

use crate::http::response::Response;
use crate::operations::request::AccountStats;

/// How long an answer stands.
const FRESH: Duration = Duration::from_secs(300);

/// How many are kept.
const KEPT: usize = 256;

struct Entry {
    request: AccountStats,
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
    pub fn get(&self, request: &AccountStats, now: Duration) -> Option<Response> {
        let is_fresh = |entry: &&Entry| now.saturating_sub(entry.measured_at) < FRESH;
        let found = self.entries.iter().filter(is_fresh).find(|entry| entry.request == *request);
        found.map(|entry| entry.answer.clone())
    }

    /// Keeps an answer in the place of an earlier one, and forgets what is old or too much.
    pub fn put(&mut self, request: AccountStats, answer: Response, now: Duration) {
        self.entries.retain(|entry| now.saturating_sub(entry.measured_at) < FRESH && entry.request != request);
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { request, measured_at: now, answer });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::fields::Username;

    fn request(name: &str, databases: &[&str]) -> AccountStats {
        AccountStats {
            username: Username::parse("username", name).unwrap(),
            domains: Vec::new(),
            databases: databases.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn answer(number: u32) -> Response {
        Response::json(200, &number)
    }

    #[test]
    fn an_answer_stands_for_five_minutes_and_for_its_own_question() {
        let (mut cache, start) = (StatsCache::default(), Duration::from_secs(1000));
        cache.put(request("alice", &["shop"]), answer(1), start);
        let last = start + FRESH - Duration::from_millis(1);
        assert_eq!(cache.get(&request("alice", &["shop"]), last), Some(answer(1)));
        assert_eq!(cache.get(&request("alice", &["shop"]), start + FRESH), None);
        assert_eq!(cache.get(&request("alice", &[]), start), None);
        cache.put(request("alice", &["shop"]), answer(2), last);
        assert_eq!(cache.get(&request("alice", &["shop"]), start + FRESH), Some(answer(2)));
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many_and_what_is_old_takes_no_room() {
        let (mut cache, start) = (StatsCache::default(), Duration::from_secs(1000));
        let name = |number: usize| format!("user{number}");
        for number in 0..KEPT + 3 {
            cache.put(request(&name(number), &[]), answer(1), start);
        }
        assert_eq!(cache.entries.len(), KEPT);
        assert_eq!(cache.get(&request(&name(2), &[]), start), None);
        assert_eq!(cache.get(&request(&name(3), &[]), start), Some(answer(1)));
        cache.put(request("alice", &[]), answer(1), start + FRESH);
        assert_eq!(cache.entries.len(), 1);
    }
}
