//! Queries, as a connection and a transaction answer them.

use super::super::error::Error;
use super::named::numbered;
use super::row::Row;
use super::value::Value;

/// What answers queries.
pub(crate) trait Queries {
    /// Passes each row of a query to `each` until it returns `false`.
    ///
    /// # Errors
    /// A store error, or what `each` returns.
    fn each(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error>;

    /// [`Self::each`] with named parameters, as `:name` in the statement.
    ///
    /// # Errors
    /// A store error, or what `each` returns.
    fn each_named(
        &self,
        sql: &str,
        values: &[(&str, Value<'_>)],
        each: impl FnMut(&Row<'_>) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let (sql, parameters) = numbered(sql, values);
        self.each(&sql, &parameters, each)
    }

    /// [`Self::query`] with named parameters, as `:name` in the statement.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    fn query_named<T>(
        &self,
        sql: &str,
        values: &[(&str, Value<'_>)],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let (sql, parameters) = numbered(sql, values);
        self.query(&sql, &parameters, read)
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    fn query<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut found = Vec::new();
        self.each(sql, parameters, |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    fn query_optional<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let mut found = None;
        self.each(sql, parameters, |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// The first row of a query that always has one.
    ///
    /// # Errors
    /// A store error, or what `read` returns.
    fn query_row<T>(
        &self,
        sql: &str,
        parameters: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.query_optional(sql, parameters, read)?
            .ok_or_else(|| Error::Failed("a query that always has a row returned none".to_owned()))
    }
}
