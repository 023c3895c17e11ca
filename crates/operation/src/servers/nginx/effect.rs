//! Whether the sites of a change are served as written, seen by asking for them.

use std::time::Duration;

use rustix::event::{Timespec, poll};

use crate::servers::nginx::token;
use crate::servers::nginx::visit::{self, Recognized, Scheme};
use opterius_base::deadline::Deadline;

/// How long a site may take to be served as expected, once nginx has loaded its configuration, in addition to the time of a
/// reload: another one can have been in progress.
const TIME: Duration = Duration::from_secs(3);

const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What a visitor of a site must get after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The site's names, its domain first.
    pub names: Vec<String>,
    /// What they answer.
    pub answer: ExpectedAnswer,
}

/// See [`Expected`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedAnswer {
    /// The file with this token, also over HTTPS if it has a certificate.
    Served {
        /// The file's token.
        token: String,
        /// Whether it has a certificate.
        has_certificate: bool,
    },
    /// Anything but the file with this token.
    Gone {
        /// The deleted file's token.
        token: String,
    },
    /// 503, from a file without a token.
    Suspended,
}

/// A name that is not served as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The site's domain.
    pub domain: String,
    /// The name.
    pub name: String,
    /// How it was asked for.
    pub scheme: Scheme,
}

impl Miss {
    /// Whether the site itself is affected, and not only a further name of it.
    pub fn is_domain(&self) -> bool {
        self.name == self.domain
    }
}

/// Asks for all sites until they are served as expected, for a few seconds and the time of a `reload` at most. Returns what
/// is not.
pub fn misses(expected: &[Expected], reload: Duration, deadline: Deadline) -> Vec<Miss> {
    let until = deadline.sooner(TIME.saturating_add(reload));
    let mut waiting: Vec<(&Expected, Miss)> = expected.iter().flat_map(questions).collect();
    loop {
        waiting.retain(|(expected, miss)| !is_as_expected(expected, miss, deadline));
        if waiting.is_empty() || until.is_over() {
            return waiting.into_iter().map(|(_, miss)| miss).collect();
        }
        let _ = poll(&mut [], Some(&INTERVAL));
    }
}

fn questions(expected: &Expected) -> Vec<(&Expected, Miss)> {
    let schemes: &[Scheme] = match &expected.answer {
        ExpectedAnswer::Served { has_certificate: true, .. } => &[Scheme::Http, Scheme::Https],
        _ => &[Scheme::Http],
    };
    let domain = expected.names.first().cloned().unwrap_or_default();
    let mut questions = Vec::new();
    for name in &expected.names {
        for scheme in schemes {
            questions.push((expected, Miss { domain: domain.clone(), name: name.clone(), scheme: *scheme }));
        }
    }
    questions
}

fn is_as_expected(expected: &Expected, Miss { name, scheme, .. }: &Miss, deadline: Deadline) -> bool {
    let serves = |token: &String| {
        let (page, answer) = (format!("{}{token}", token::PATH), token::answer(token));
        visit::answers(*scheme, name, &page, Recognized::Text(&answer), deadline)
    };
    match &expected.answer {
        ExpectedAnswer::Served { token, .. } => serves(token),
        ExpectedAnswer::Gone { token } => !serves(token),
        ExpectedAnswer::Suspended => visit::answers(*scheme, name, "/", Recognized::Status(503), deadline),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_asked_for_over_each_scheme() {
        let expected = |answer| Expected { names: vec!["a.example".into(), "www.a.example".into()], answer };
        let served = |has_certificate| expected(ExpectedAnswer::Served { token: String::new(), has_certificate });
        for (expected, count, domains) in [
            (served(true), 4, 2),
            (served(false), 2, 1),
            (expected(ExpectedAnswer::Gone { token: String::new() }), 2, 1),
            (expected(ExpectedAnswer::Suspended), 2, 1),
        ] {
            let questions = questions(&expected);
            let own = questions.iter().filter(|(_, miss)| miss.is_domain()).count();
            assert_eq!((questions.len(), own), (count, domains), "{expected:?}");
        }
    }
}
