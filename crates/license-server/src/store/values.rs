//! Conversions between values and columns.

use super::engine::{Column, FromColumn, Row};
use super::error::Error;
use crate::model::{Action, DeliveryState, Details, EventType, Role, Status};
use opterius_base::clock::Timestamp;

/// A timestamp column: seconds since 1970, as in [`Timestamp::unix`].
pub(super) fn at(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    row.get(column).map(Timestamp::from_unix)
}

/// A nullable timestamp column.
pub(super) fn at_if_any(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    row.get::<Option<i64>>(column).map(|at| at.map(Timestamp::from_unix))
}

/// A column that counts something. A negative number, which nothing writes, counts as none.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0))
}

/// What a server reports about itself: five columns from number `first` on.
pub(super) fn details(row: &Row<'_>, first: usize) -> Result<Details, Error> {
    let column = |number: usize| row.get(first.saturating_add(number));
    Ok(Details {
        hostname: column(0)?,
        agent_version: column(1)?,
        panel_version: column(2)?,
        os: column(3)?,
        server_id: column(4)?,
    })
}

/// Reads the text of an enum's variant.
macro_rules! variants {
    ($($variants:ty),*) => {$(
        impl FromColumn for $variants {
            fn from_column(column: Column<'_>) -> Option<Self> {
                let Column::Text(text) = column else { return None };
                Self::ALL.iter().copied().find(|candidate| candidate.as_str() == text)
            }
        }
    )*};
}

variants!(Status, Role, Action, EventType, DeliveryState);
