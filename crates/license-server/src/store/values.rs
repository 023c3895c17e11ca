//! Conversions between values and columns.

use std::net::IpAddr;

use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::model::{Action, DeliveryState, Details, EventType, Role, Status};
use opterius_base::clock::Timestamp;

/// A timestamp column: seconds since 1970, as in [`Timestamp::unix`].
pub(super) fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_unix)
}

/// A nullable timestamp column.
pub(super) fn at_if_any(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|at| at.map(Timestamp::from_unix))
}

/// A column that counts something. A negative number, which nothing writes, counts as none.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0))
}

/// What a server reports about itself: five columns from number `first` on.
pub(super) fn details(row: &Row<'_>, first: usize) -> rusqlite::Result<Details> {
    let column = |number: usize| row.get(first.saturating_add(number));
    Ok(Details {
        hostname: column(0)?,
        agent_version: column(1)?,
        panel_version: column(2)?,
        os: column(3)?,
        server_id: column(4)?,
    })
}

/// An IP address column.
pub(super) struct Ip(pub(super) IpAddr);

impl ToSql for Ip {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Ip {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

/// The enum variant with this string.
fn variant<T: Copy>(value: ValueRef<'_>, all: &[T], as_str: impl Fn(T) -> &'static str) -> FromSqlResult<T> {
    let text = value.as_str()?;
    all.iter().copied().find(|candidate| as_str(*candidate) == text).ok_or(FromSqlError::InvalidType)
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        variant(value, Self::ALL, Self::as_str)
    }
}

impl FromSql for Role {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        variant(value, Self::ALL, Self::as_str)
    }
}

impl FromSql for Action {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        variant(value, Self::ALL, Self::as_str)
    }
}

impl FromSql for EventType {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        variant(value, Self::ALL, Self::as_str)
    }
}

impl FromSql for DeliveryState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        variant(value, Self::ALL, Self::as_str)
    }
}
