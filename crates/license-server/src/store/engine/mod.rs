//! The database engines under the store: one set of statements, with numbered parameters `?1`, for both.

mod connection;
mod named;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "until a setting names a database of PostgreSQL"))]
mod postgresql;
mod row;
mod sqlite;
mod value;

pub(super) use connection::Connection;
pub(super) use row::{Column, FromColumn, Row};
pub(super) use value::params;
pub(super) use value::{ToValue, Value};
