//! What became of a commit whose connection was lost: PostgreSQL knows it by the number of the transaction.

use std::time::Duration;

use crossbeam_channel::after;

use super::super::error::Error;
use opterius_base::clock::{Clock, SystemClock};

/// How long the commit and the questions about it can take. A request waits meanwhile.
const TIME: Duration = Duration::from_millis(1500);

/// The time between two questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Finds out whether a transaction was committed. `ask` asks PostgreSQL on a new session, and `prove` commits something.
/// `waited` is how long the commit took.
///
/// # Errors
/// [`Error::Unavailable`] if it was not; [`Error::Unknown`] if that cannot be said in time.
pub(super) fn find(
    ask: impl Fn() -> Result<String, Error>,
    prove: impl Fn() -> Result<(), Error>,
    cause: String,
    waited: Duration,
) -> Result<(), Error> {
    let begin = SystemClock.monotonic();
    let time = TIME.saturating_sub(waited);
    loop {
        // A server that has not answered a commit in this time answers no questions, or waits for its standby.
        if SystemClock.monotonic().saturating_duration_since(begin) >= time {
            return Err(Error::Unknown(cause));
        }
        match ask().as_deref() {
            // A commit that was interrupted while it waited for the standby is not on the standby yet. The log of the server
            // has an order: once a later commit is acknowledged, this one is, too.
            Ok("committed") => return prove().map_err(|_| Error::Unknown(cause)),
            Ok("aborted") => {
                return Err(Error::Unavailable(format!("{cause}, but then PostgreSQL said that it was not")));
            }
            Ok("of another run") | Err(Error::Failed(_)) => return Err(Error::Unknown(cause)),
            // Its session has not noticed yet that the connection is lost, or there is no server.
            _ => drop(after(PAUSE).recv()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn only_what_postgresql_says_is_said() {
        let of = |answers: &[Result<&str, Error>], proof: Result<(), Error>| {
            let next = Cell::new(0);
            let ask = || {
                let number = next.replace(next.get() + 1).min(answers.len() - 1);
                answers[number].clone().map(str::to_owned)
            };
            find(ask, || proof.clone(), "lost".to_owned(), Duration::ZERO)
        };
        let gone = || Err(Error::Unavailable("gone".to_owned()));
        let unknown = Err(Error::Unknown("lost".to_owned()));
        assert_eq!(of(&[Ok("committed")], Ok(())), Ok(()));
        assert_eq!(of(&[gone(), Ok("in progress"), Ok("committed")], Ok(())), Ok(()));
        assert_eq!(of(&[Ok("committed")], Err(Error::Busy)), unknown, "it is not on the standby");
        assert_eq!(
            of(&[gone(), Ok("aborted")], Ok(())),
            Err(Error::Unavailable("lost, but then PostgreSQL said that it was not".to_owned()))
        );
        assert_eq!(of(&[Err(Error::Failed("the transaction is in the future".to_owned()))], Ok(())), unknown);
        assert_eq!(of(&[Ok("in progress")], Ok(())), unknown);
        assert_eq!(of(&[Ok("of another run"), Ok("committed")], Ok(())), unknown, "the number is another's there");
        assert_eq!(of(&[Err(Error::Unavailable("gone".to_owned()))], Ok(())), unknown);
        let silent = find(|| Ok("committed".to_owned()), || Ok(()), "lost".to_owned(), TIME);
        assert_eq!(silent, unknown, "it may wait for its standby");
    }
}
