//! The database engines under the store: one set of statements, with numbered parameters `?1`, for both.

mod commit_fate;
mod connection;
mod named;
mod nul;
mod postgresql;
mod queries;
mod row;
mod sqlite;
mod value;

pub(super) use connection::{Connection, Transaction};
#[cfg(test)]
pub(super) use postgresql::Cluster;
pub(super) use postgresql::Limits;
pub use postgresql::Server;
pub(super) use queries::Queries;
pub(super) use row::{Column, FromColumn, Row};
pub(super) use value::params;
pub(super) use value::{ToValue, Value};
