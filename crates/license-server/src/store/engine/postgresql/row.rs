//! Rows of PostgreSQL.

use tokio_postgres::types::{FromSql, Type};

use super::super::super::error::Error;
use super::super::row::{Column, Columns};

/// A row.
pub(in crate::store) struct PostgresqlRow(pub(super) tokio_postgres::Row);

impl PostgresqlRow {
    fn read<'r, T: FromSql<'r>>(&'r self, number: usize) -> Result<Option<T>, Error> {
        self.0.try_get(number).map_err(|error| Error::Failed(super::failure::words(&error)))
    }

    fn integer<'r, T: FromSql<'r> + Into<i64>>(&'r self, number: usize) -> Result<Column<'r>, Error> {
        Ok(self.read::<T>(number)?.map_or(Column::Null, |value| Column::Integer(value.into())))
    }
}

impl Columns for PostgresqlRow {
    fn column(&self, number: usize) -> Result<Column<'_>, Error> {
        let column =
            self.0.columns().get(number).ok_or_else(|| Error::Failed(format!("there is no column {number}")))?;
        match *column.type_() {
            Type::INT8 => self.integer::<i64>(number),
            Type::INT4 => self.integer::<i32>(number),
            Type::INT2 => self.integer::<i16>(number),
            Type::BOOL => self.integer::<bool>(number),
            Type::TEXT | Type::VARCHAR | Type::NAME | Type::BPCHAR => {
                Ok(self.read::<&str>(number)?.map_or(Column::Null, Column::Text))
            }
            // The result of a function that has none.
            Type::VOID => Ok(Column::Null),
            ref other => {
                let name = column.name();
                Err(Error::Failed(format!("column {name} is of the type {other}: cast it to bigint or text")))
            }
        }
    }
}
