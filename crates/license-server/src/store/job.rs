//! Changes in the queue of the writer.

use std::time::Instant;

use super::error::Error;
use super::instances::batch::Asked;
use super::transactions::WriteTransaction;

/// A change in the queue.
pub(crate) trait Job: Send {
    /// What the change will look up, if it is a verification: it can then be made several times.
    fn asked(&self) -> Option<&Asked>;

    /// Makes the change; returns false if it must be rolled back.
    fn apply(&mut self, transaction: &WriteTransaction<'_>) -> bool;

    /// Passes the result to the caller: that of the change, or the failure of the commit.
    fn finish(self: Box<Self>, failure: Option<Error>);
}

/// A change that waits for its answer.
pub(crate) struct Waiting {
    /// The change.
    pub job: Box<dyn Job>,
    /// Since when.
    pub since: Instant,
    /// The license of a verification, once it is known.
    pub license: Option<i64>,
}

/// A change that is made once.
pub(crate) struct Change<T, E, C, F> {
    change: Option<C>,
    result: Option<Result<T, E>>,
    finish: F,
}

impl<T, E, C, F> Change<T, E, C, F> {
    /// A change and what its result is passed to.
    pub(crate) fn new(change: C, finish: F) -> Self {
        Self { change: Some(change), result: None, finish }
    }
}

impl<T, E, C, F> Job for Change<T, E, C, F>
where
    T: Send,
    E: Send + From<Error>,
    C: Send + FnOnce(&WriteTransaction<'_>) -> Result<T, E>,
    F: Send + FnOnce(Result<T, E>),
{
    fn asked(&self) -> Option<&Asked> {
        None
    }

    fn apply(&mut self, transaction: &WriteTransaction<'_>) -> bool {
        self.result = self.change.take().map(|change| change(transaction));
        matches!(self.result, Some(Ok(_)))
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        (self.finish)(result_of(failure, self.result));
    }
}

/// A verification, which can be made again.
pub(crate) struct Verification<T, E, C, F> {
    asked: Asked,
    decide: C,
    result: Option<Result<T, E>>,
    finish: F,
}

impl<T, E, C, F> Verification<T, E, C, F> {
    /// A verification and what its result is passed to.
    pub(crate) fn new(asked: Asked, decide: C, finish: F) -> Self {
        Self { asked, decide, result: None, finish }
    }
}

impl<T, E, C, F> Job for Verification<T, E, C, F>
where
    T: Send,
    E: Send + From<Error>,
    C: Send + Fn(&WriteTransaction<'_>) -> Result<T, E>,
    F: Send + FnOnce(Result<T, E>),
{
    fn asked(&self) -> Option<&Asked> {
        Some(&self.asked)
    }

    fn apply(&mut self, transaction: &WriteTransaction<'_>) -> bool {
        self.result = Some((self.decide)(transaction));
        matches!(self.result, Some(Ok(_)))
    }

    fn finish(self: Box<Self>, failure: Option<Error>) {
        (self.finish)(result_of(failure, self.result));
    }
}

/// Even a refusal can depend on another change in the same batch, which was rolled back.
fn result_of<T, E: From<Error>>(failure: Option<Error>, result: Option<Result<T, E>>) -> Result<T, E> {
    match (failure, result) {
        (None, Some(result)) => result,
        (Some(error), _) => Err(error.into()),
        (None, None) => Err(Error::Failed("the change was not attempted".to_owned()).into()),
    }
}
