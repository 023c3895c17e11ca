//! One check: asks the license servers in turn until one of them gives a verdict.
//!
//! A verdict is what [`opterius_license::outcome::read`] takes for one: a grant or a denial, signed by a trusted key where
//! there is one. The first verdict is the answer; a denial of one server is never appealed to another. Anything else counts
//! as “cannot be reached”, and the next server is asked: no connection, silence, an error page, 429 and 503, or an answer
//! that is not signed, is too old, or belongs to another server.

use std::time::Duration;

use crate::license::client::{ServerUrl, TIMEOUT};
use opterius_base::deadline::Deadline;
use opterius_license::outcome::{Answer, Failure, Outcome, ParsedAnswer};

/// The most time of a server while another one can still help: the service manager takes the Agent for started after 5 s, and by
/// then the second server can have answered for a silent first one.
const SHARE: Duration = Duration::from_secs(4);

/// What asking the license servers led to.
pub struct Attempts {
    /// The servers without a verdict, in the order in which they were asked.
    pub failures: Vec<(ServerUrl, Failure)>,
    /// The verdict; the servers after this one were not asked.
    pub verdict: Option<Answered>,
}

/// A verdict.
pub struct Answered {
    /// The server that gave it.
    pub server: ServerUrl,
    /// The unparsed answer.
    pub answer: Answer,
    /// Its content.
    pub parsed: ParsedAnswer,
}

impl Attempts {
    /// Asks `servers` in this order by `ask`, which gets the time limit of the request. Each server gets its share of the time
    /// that is left, so that one that swallows packets leaves time for the others.
    pub fn run(
        servers: &[&ServerUrl],
        mut ask: impl FnMut(&ServerUrl, Duration) -> Result<(Answer, ParsedAnswer), Failure>,
    ) -> Self {
        let deadline = Deadline::within(TIMEOUT);
        let mut failures = Vec::new();
        for (rest, server) in (1..=u32::try_from(servers.len()).unwrap_or(1)).rev().zip(servers) {
            let share = if rest > 1 { SHARE } else { TIMEOUT };
            match ask(server, share.min(deadline.left() / rest)) {
                Ok((_, ParsedAnswer { outcome: Outcome::Inconclusive(failure), .. })) | Err(failure) => {
                    failures.push(((*server).clone(), failure));
                }
                Ok((answer, parsed)) => {
                    let server = (*server).clone();
                    return Self { failures, verdict: Some(Answered { server, answer, parsed }) };
                }
            }
        }
        Self { failures, verdict: None }
    }

    /// The outcome of the check.
    pub fn outcome(&self) -> Outcome {
        match &self.verdict {
            Some(answered) => answered.parsed.outcome.clone(),
            None => Outcome::Inconclusive(self.failure()),
        }
    }

    /// Each server that was asked, with the label of its outcome.
    pub fn words(&self) -> impl Iterator<Item = (&ServerUrl, &'static str)> {
        let failed = self.failures.iter().map(|(server, failure)| (server, failure.class.word()));
        failed.chain(self.verdict.iter().map(|answered| (&answered.server, answered.parsed.outcome.word())))
    }

    /// Why there is no verdict. Of several causes, the class is that of the server that came closest to one.
    ///
    /// The longest wait that a server asked for is that of all: the instances stand before one database, and one that is
    /// overloaded because another is down must not be asked sooner for it. The schedule bounds the wait, and a requested
    /// check does not keep it.
    fn failure(&self) -> Failure {
        if let [(_, failure)] = &*self.failures {
            return failure.clone();
        }
        let failures = || self.failures.iter().map(|(_, failure)| failure);
        let causes = self.failures.iter().map(|(server, failure)| format!("{}: {failure}", server.base()));
        let cause = causes.collect::<Vec<_>>().join("; ");
        let class = failures().map(|failure| failure.class).max().unwrap_or_default();
        Failure {
            retry_after: failures().filter_map(|failure| failure.retry_after).max(),
            ..Failure::new(class, cause)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::license::client::ServerList;
    use opterius_license::model::Terms;
    use opterius_license::outcome::FailureClass::{self, Http, Network, Untrusted};

    fn parsed(outcome: Outcome) -> Result<(Answer, ParsedAnswer), Failure> {
        Ok((Answer::default(), ParsedAnswer { outcome, issued_at: None, signed_by: None }))
    }

    fn granted() -> Outcome {
        Outcome::Granted { terms: Terms::default(), message: String::new() }
    }

    fn denied() -> Outcome {
        Outcome::Denied { reason: "suspended".into(), message: String::new(), terms: Terms::default() }
    }

    fn failed(class: FailureClass, wait: Option<u64>) -> Failure {
        let retry_after = wait.map(Duration::from_secs);
        Failure { retry_after, ..Failure::new(class, format!("{class:?}").to_lowercase()) }
    }

    fn is_almost(limit: Duration, share: Duration) -> bool {
        limit <= share && limit + Duration::from_secs(2) > share
    }

    /// Asks a, b and c, which have these results.
    fn run(results: &[&dyn Fn() -> Result<(Answer, ParsedAnswer), Failure>]) -> (Attempts, Vec<Duration>) {
        let list = ServerList::parse("https://a,https://b,https://c").unwrap();
        let (mut limits, mut results) = (Vec::new(), results.iter());
        let attempts = Attempts::run(&list.beginning_with(None), |_, limit| {
            limits.push(limit);
            results.next().expect("one more server asked")()
        });
        (attempts, limits)
    }

    #[test]
    fn the_first_verdict_is_the_answer_even_if_the_next_server_would_say_yes() {
        let network = || Err(failed(Network, None));
        let untrusted = || parsed(Outcome::Inconclusive(failed(Untrusted, None)));
        let (yes, no) = (|| parsed(granted()), || parsed(denied()));
        type Row<'a> = (&'a [&'a dyn Fn() -> Result<(Answer, ParsedAnswer), Failure>], Outcome, &'a str, usize);
        let table: [Row<'_>; 4] = [
            (&[&yes], granted(), "https://a", 0),
            (&[&no], denied(), "https://a", 0),
            (&[&network, &no], denied(), "https://b", 1),
            (&[&untrusted, &network, &yes], granted(), "https://c", 2),
        ];
        for (results, outcome, server, failures) in table {
            let (attempts, _) = run(results);
            assert_eq!(attempts.outcome(), outcome);
            assert_eq!(attempts.failures.len(), failures);
            assert_eq!(attempts.words().count(), results.len());
            assert_eq!(attempts.verdict.unwrap().server.base(), server);
        }
    }

    #[test]
    fn without_a_verdict_all_causes_are_named_and_the_longest_wait_is_kept() {
        let (attempts, limits) =
            run(&[&|| Err(failed(Network, None)), &|| parsed(Outcome::Inconclusive(failed(Http, Some(60)))), &|| {
                parsed(Outcome::Inconclusive(failed(Http, Some(5))))
            }]);
        let Outcome::Inconclusive(failure) = attempts.outcome() else { panic!("a verdict") };
        assert_eq!(failure.cause, "https://a: network; https://b: http; https://c: http");
        assert_eq!((failure.class, failure.retry_after), (Http, Some(Duration::from_secs(60))));
        // None of them took any time.
        let shares = [TIMEOUT / 3, SHARE, TIMEOUT];
        assert!(limits.into_iter().zip(shares).all(|(limit, share)| is_almost(limit, share)));
    }

    #[test]
    fn one_server_has_all_the_time_and_its_own_words() {
        let server = ServerUrl::parse("https://a").unwrap();
        let failure = failed(Network, None).with_remedy("look");
        let attempts = Attempts::run(&[&server], |_, limit| {
            assert!(is_almost(limit, TIMEOUT), "{limit:?}");
            Err(failure.clone())
        });
        assert_eq!(attempts.outcome(), Outcome::Inconclusive(failure));
    }
}
