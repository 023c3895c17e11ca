//! Rows of a result.

use std::net::IpAddr;

use super::super::error::Error;

/// The value of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column<'a> {
    /// No value.
    Null,
    /// A number, a time or a truth value (0 or 1).
    Integer(i64),
    /// Text.
    Text(&'a str),
}

/// What a column can be read as.
pub(crate) trait FromColumn: Sized {
    /// The value; `None` if the column has another type or is out of range.
    fn from_column(column: Column<'_>) -> Option<Self>;
}

/// A row of a result.
pub(crate) struct Row<'a>(pub(super) &'a dyn Columns);

/// The columns of an engine's row.
pub(super) trait Columns {
    /// The column with this number, from 0 on.
    fn column(&self, number: usize) -> Result<Column<'_>, Error>;
}

impl Row<'_> {
    /// The column with this number, from 0 on.
    ///
    /// # Errors
    /// There is no such column, or it has another type.
    pub(crate) fn get<T: FromColumn>(&self, number: usize) -> Result<T, Error> {
        let column = self.0.column(number)?;
        T::from_column(column)
            .ok_or_else(|| Error::Failed(format!("column {number} has the unexpected value {column:?}")))
    }
}

impl FromColumn for i64 {
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Integer(number) => Some(number),
            _ => None,
        }
    }
}

macro_rules! integer {
    ($($number:ty),*) => {$(
        impl FromColumn for $number {
            fn from_column(column: Column<'_>) -> Option<Self> {
                i64::from_column(column).and_then(|number| Self::try_from(number).ok())
            }
        }
    )*};
}

integer!(u64, u32, u16, usize);

impl FromColumn for bool {
    fn from_column(column: Column<'_>) -> Option<Self> {
        i64::from_column(column).map(|number| number != 0)
    }
}

impl FromColumn for String {
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Text(text) => Some(text.to_owned()),
            _ => None,
        }
    }
}

impl FromColumn for IpAddr {
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<T: FromColumn> FromColumn for Option<T> {
    fn from_column(column: Column<'_>) -> Option<Self> {
        match column {
            Column::Null => Some(None),
            column => T::from_column(column).map(Some),
        }
    }
}
