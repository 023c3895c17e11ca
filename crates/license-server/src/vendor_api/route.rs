//! A call of the API as a value: routing, checks and the OpenAPI document are derived from it.

use super::answer::Answer;
use super::call::Call;
use super::error::ApiError;
use super::members::{Kind, Member, Presence};
use crate::model::Scope;
use crate::store::{ReadTransaction, WriteTransaction};
use opterius_base::percent;
use opterius_http::response::Response;

/// The methods of the API. `HEAD` is answered like `GET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiMethod {
    /// Reads.
    Get,
    /// Creates, or performs an action.
    Post,
    /// Creates or replaces.
    Put,
    /// Changes members.
    Patch,
    /// Deletes.
    Delete,
}

impl ApiMethod {
    /// The name in requests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What performs a call that reads.
pub type Read = fn(&ReadTransaction<'_>, &Call) -> Result<Answer, ApiError>;

/// What performs a call that changes something.
pub type Write = fn(&WriteTransaction<'_>, &Call) -> Result<Answer, ApiError>;

/// What performs a call.
#[derive(Debug)]
pub enum Handler {
    /// Reads, in the lane for reads.
    Read(Read),
    /// Changes, on the writer thread, in one transaction with the answer that is kept for repetitions.
    Write(Write),
    /// Answers from memory, without a token.
    Open(fn() -> Response),
}

/// The values of the parameters of a path, by name.
pub type PathValues = Vec<(&'static str, String)>;

/// A call of the API.
#[derive(Debug)]
pub struct Route {
    /// The method.
    pub method: ApiMethod,
    /// The path below the prefix; a parameter is a whole segment in braces.
    pub path: &'static str,
    /// What the token must allow; `None` for calls without a token.
    pub scope: Option<Scope>,
    /// What performs it.
    pub handler: Handler,
    /// The parameters of its query, besides those of all calls that change something.
    pub query: &'static [Member],
    /// The members of its body; `None` if it has no body.
    pub body: Option<&'static [Member]>,
    /// The status of its answer.
    pub status: u16,
    /// What it does, for the documentation.
    pub about: &'static str,
}

/// The rows of the table of calls. What a row does not say is: no query, no body, and 200.
impl Route {
    const fn new(
        method: ApiMethod,
        path: &'static str,
        scope: Option<Scope>,
        handler: Handler,
        about: &'static str,
    ) -> Self {
        Self { method, path, scope, handler, query: &[], body: None, status: 200, about }
    }

    /// A call without a token.
    pub const fn open(path: &'static str, answer: fn() -> Response, about: &'static str) -> Self {
        Self::new(ApiMethod::Get, path, None, Handler::Open(answer), about)
    }

    /// `GET`.
    pub const fn read(path: &'static str, scope: Scope, read: Read, about: &'static str) -> Self {
        Self::new(ApiMethod::Get, path, Some(scope), Handler::Read(read), about)
    }

    /// `POST`.
    pub const fn post(path: &'static str, scope: Scope, change: Write, about: &'static str) -> Self {
        Self::new(ApiMethod::Post, path, Some(scope), Handler::Write(change), about)
    }

    /// `PUT`.
    pub const fn put(path: &'static str, scope: Scope, change: Write, about: &'static str) -> Self {
        Self::new(ApiMethod::Put, path, Some(scope), Handler::Write(change), about)
    }

    /// `PATCH`.
    pub const fn patch(path: &'static str, scope: Scope, change: Write, about: &'static str) -> Self {
        Self::new(ApiMethod::Patch, path, Some(scope), Handler::Write(change), about)
    }

    /// `DELETE`.
    pub const fn delete(path: &'static str, scope: Scope, change: Write, about: &'static str) -> Self {
        Self::new(ApiMethod::Delete, path, Some(scope), Handler::Write(change), about)
    }

    /// With these parameters of the query.
    #[must_use]
    pub const fn with_query(self, query: &'static [Member]) -> Self {
        Self { query, ..self }
    }

    /// With a body of these members.
    #[must_use]
    pub const fn with_body(self, members: &'static [Member]) -> Self {
        Self { body: Some(members), ..self }
    }

    /// With this status of its answer.
    #[must_use]
    pub const fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// The parameter of all calls that change something.
pub static DRY_RUN: Member = Member {
    name: "dry_run",
    kind: Kind::Flag,
    presence: Presence::Optional,
    about: "Check everything and answer, but change nothing.",
};

/// The segments of a path below the prefix.
pub fn segments(path: &str) -> Vec<&str> {
    path.strip_prefix('/').unwrap_or(path).split('/').collect()
}

impl Route {
    /// All parameters of the query.
    pub fn parameters(&self) -> Vec<&'static Member> {
        let dry_run = matches!(self.handler, Handler::Write(_)).then_some(&DRY_RUN);
        self.query.iter().chain(dry_run).collect()
    }

    /// All members of the body.
    pub fn members(&self) -> Vec<&'static Member> {
        self.body.into_iter().flatten().collect()
    }

    /// Whether the path has the form of this route's.
    pub fn matches(&self, path: &[&str]) -> bool {
        let own = segments(self.path);
        let fits = |(own, segment): (&&str, &&str)| own == segment || (parameter(own).is_some() && !segment.is_empty());
        own.len() == path.len() && own.iter().zip(path).all(fits)
    }

    /// The values of the parameters in a path that matches.
    ///
    /// # Errors
    /// 400 if one is not percent-encoded UTF-8.
    pub fn path_values(&self, path: &[&str]) -> Result<PathValues, ApiError> {
        let named =
            segments(self.path).into_iter().zip(path).filter_map(|(own, segment)| Some((parameter(own)?, segment)));
        named
            .map(|(name, segment)| {
                let malformed = || ApiError::bad_request("The path is not percent-encoded UTF-8.").of(name);
                Ok((name, percent::decode(segment).ok_or_else(malformed)?))
            })
            .collect()
    }
}

/// The name of the parameter, if the segment of a route is one.
pub fn parameter(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}
