//! Why PostgreSQL did not do what it was asked.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tokio_postgres::error::{DbError, Severity, SqlState};

use super::super::super::error::Error;
use opterius_base::text::one_line;

/// The longest text of a server that is passed on, in characters.
const MAX_TEXT: usize = 500;

/// Why a connection or a statement failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) enum Failure {
    /// There is no usable server, or the connection to it is lost. It may come back.
    Unavailable(String),
    /// The server refuses this program: a setting is wrong here or there.
    Refused(String),
    /// The commit may or may not have been made.
    Unknown(String),
    /// A lock was not free in time, or this transaction was the victim of a deadlock. It can be repeated.
    Busy,
    /// The server's disk is full.
    Full,
    /// The name, key or address exists already.
    Taken,
    /// The server accepts no changes.
    ReadOnly,
    /// Anything else, in the server's words.
    Failed(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(cause) => write!(formatter, "PostgreSQL is unavailable: {cause}"),
            Self::Refused(cause) => write!(formatter, "PostgreSQL cannot be used: {cause}"),
            Self::Unknown(cause) => {
                write!(formatter, "PostgreSQL: {cause}. It is unknown whether the change was made")
            }
            Self::Busy => formatter.write_str("the database is locked by another transaction; try again"),
            Self::Full => formatter.write_str("the disk of PostgreSQL is full. Nothing was changed"),
            Self::Taken => formatter.write_str("already exists"),
            Self::ReadOnly => formatter.write_str(
                "PostgreSQL accepts no changes: the server is a standby, or default_transaction_read_only is on. \
                 Nothing was changed",
            ),
            Self::Failed(cause) => write!(formatter, "PostgreSQL: {cause}"),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Busy => Self::Busy,
            Failure::Full => Self::Full,
            Failure::Taken => Self::Taken,
            Failure::Failed(cause) => Self::Failed(cause),
            Failure::Refused(_) => Self::Refused(failure.to_string()),
            Failure::Unavailable(_) | Failure::ReadOnly => Self::Unavailable(failure.to_string()),
            Failure::Unknown(_) => Self::Unknown(failure.to_string()),
        }
    }
}

/// What became of a request to the server.
#[derive(Debug)]
pub(super) enum Problem {
    /// The server, or the driver, answered with this error. The connection can be used unless the error ends it.
    Answer(tokio_postgres::Error),
    /// The connection is closed, for this reason.
    Closed(String),
    /// The server did not answer in this time.
    Silence(Duration),
}

impl Problem {
    /// Whether the connection cannot be used any longer.
    pub(super) fn ends_connection(&self) -> bool {
        match self {
            Self::Answer(error) => match error.as_db_error() {
                Some(error) => is_fatal(error) || is_connection_state(error.code()),
                // Refused before it was sent, or of a type that is not supported: the connection is as before.
                None => error.source().is_none_or(|source| source.is::<std::io::Error>()) || error.is_closed(),
            },
            Self::Closed(_) | Self::Silence(_) => true,
        }
    }

    /// The SQLSTATE, if the server answered with one.
    pub(super) fn state(&self) -> Option<&SqlState> {
        match self {
            Self::Answer(error) => error.code(),
            _ => None,
        }
    }

    /// The cause in words.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::Answer(error) => words(error),
            Self::Closed(cause) => format!("the connection was lost ({cause})"),
            Self::Silence(time) => format!("no answer within {} s", time.as_secs_f32()),
        }
    }

    /// What the problem means for a statement.
    pub(super) fn into_failure(self) -> Failure {
        let Some(state) = self.state() else {
            return if self.ends_connection() {
                Failure::Unavailable(self.cause())
            } else {
                Failure::Failed(self.cause())
            };
        };
        if *state == SqlState::UNIQUE_VIOLATION {
            Failure::Taken
        } else if *state == SqlState::DISK_FULL {
            Failure::Full
        } else if *state == SqlState::READ_ONLY_SQL_TRANSACTION {
            Failure::ReadOnly
        } else if [SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE, SqlState::LOCK_NOT_AVAILABLE]
            .contains(state)
        {
            Failure::Busy
        } else if *state == SqlState::QUERY_CANCELED
            || *state == SqlState::TOO_MANY_CONNECTIONS
            || self.ends_connection()
        {
            Failure::Unavailable(self.cause())
        } else {
            Failure::Failed(self.cause())
        }
    }

    /// What the problem means for a new connection.
    pub(super) fn into_connect_failure(self) -> Failure {
        let class = self.state().map(|state| state.code().get(..2).unwrap_or("").to_owned());
        match class.as_deref() {
            // Authorization, unknown databases, insufficient rights.
            Some("28" | "3D" | "42" | "22") => Failure::Refused(self.cause()),
            Some(_) => Failure::Unavailable(self.cause()),
            None if self.ends_connection() => Failure::Unavailable(self.cause()),
            None => Failure::Refused(self.cause()),
        }
    }
}

fn is_fatal(error: &DbError) -> bool {
    matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
}

/// Connection exceptions, and interventions of an operator other than a cancelled statement.
fn is_connection_state(state: &SqlState) -> bool {
    state.code().starts_with("08") || (state.code().starts_with("57P"))
}

/// An error in words: of the server with its code, else of the driver with its causes.
pub(super) fn words(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        let hint = match error.code() {
            code if *code == SqlState::TOO_MANY_CONNECTIONS => {
                ". Raise max_connections, or the limit of the role or the database"
            }
            code if *code == SqlState::QUERY_CANCELED => ", because it took too long",
            _ => "",
        };
        return format!("{} (SQLSTATE {}){hint}", one_line(error.message(), MAX_TEXT), error.code().code());
    }
    if error.to_string().starts_with("invalid configuration") {
        return "the server asks for a password, and neither the connection string nor the password file has one"
            .to_owned();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    one_line(&text, MAX_TEXT)
}
