//! The tables and columns of a database, from the catalog of its engine.

use super::super::engine::{Connection, Queries, Row, params};
use super::super::error::Error;

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Text,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Its place in the primary key, from 1 on; 0 if it is not part of it.
    key_place: usize,
}

/// A table. The columns are in the order of their names: the engines add new ones at different places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The tables whose rows its own refer to.
    parents: Vec<String>,
    /// Whether the engine gives out the numbers of its column `id`, none twice.
    pub(super) has_numbers: bool,
}

impl Table {
    /// The places of the primary key's columns, in its order.
    pub(super) fn key(&self) -> Vec<usize> {
        let mut key: Vec<(usize, usize)> =
            self.columns.iter().enumerate().map(|(place, column)| (column.key_place, place)).collect();
        key.retain(|(key_place, _)| *key_place > 0);
        key.sort_unstable();
        key.into_iter().map(|(_, place)| place).collect()
    }

    /// Its name in a statement.
    pub(super) fn quoted(&self) -> String {
        quoted(&self.name)
    }

    /// The names of its columns in a statement.
    pub(super) fn quoted_columns(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        names.join(", ")
    }
}

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The tables of both databases, each after those that it refers to.
///
/// # Errors
/// The schemas differ.
pub(super) fn common(source: &Connection, target: &Connection) -> Result<Vec<Table>, Error> {
    let (source, target) = (tables(source)?, tables(target)?);
    let different = |own: &[Table], other: &[Table]| -> Vec<String> {
        own.iter().filter(|table| !other.contains(table)).map(|table| table.name.clone()).collect()
    };
    let mut differences = different(&source, &target);
    differences.extend(different(&target, &source));
    differences.sort_unstable();
    differences.dedup();
    if !differences.is_empty() {
        return Err(Error::Refused(format!(
            "the source has another schema than this version of the program. The difference is in {}. Nothing was changed",
            differences.join(", ")
        )));
    }
    in_order(target)
}

/// Sorts tables so that each comes after those that it refers to.
fn in_order(mut tables: Vec<Table>) -> Result<Vec<Table>, Error> {
    let mut sorted: Vec<Table> = Vec::with_capacity(tables.len());
    while !tables.is_empty() {
        let is_ready = |table: &Table| {
            let is_there = |parent: &String| *parent == table.name || sorted.iter().any(|found| found.name == *parent);
            table.parents.iter().all(is_there)
        };
        let (ready, waiting): (Vec<Table>, Vec<Table>) = tables.into_iter().partition(is_ready);
        if ready.is_empty() {
            return Err(Error::Failed("the tables refer to each other in a ring".to_owned()));
        }
        sorted.extend(ready);
        tables = waiting;
    }
    Ok(sorted)
}

/// The statements that read a catalog.
struct CatalogQueries {
    /// All tables by name, and whether they give out numbers.
    tables: &'static str,
    /// The columns of a table by name: the name, the type, and the place in the primary key.
    columns: &'static str,
    /// The tables to which a table refers, by name.
    parents: &'static str,
}

const SQLITE: CatalogQueries = CatalogQueries {
    tables: "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema
        WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    columns: "SELECT name, type, pk FROM pragma_table_info(?1) ORDER BY name",
    parents: "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1) ORDER BY 1",
};

const POSTGRESQL: CatalogQueries = CatalogQueries {
    tables: "SELECT relname::text COLLATE \"C\", EXISTS (
            SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = pg_class.oid AND attidentity <> '')
        FROM pg_catalog.pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') ORDER BY 1",
    columns: "SELECT attname::text COLLATE \"C\", upper(format_type(atttypid, NULL)),
            coalesce(array_position(conkey, attnum), 0)::bigint
        FROM pg_catalog.pg_attribute JOIN pg_catalog.pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_catalog.pg_constraint ON conrelid = attrelid AND contype = 'p'
        WHERE relnamespace = current_schema()::regnamespace AND relname = ?1 AND attnum > 0 AND NOT attisdropped ORDER BY 1",
    parents: "SELECT DISTINCT parent.relname::text COLLATE \"C\"
        FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_class AS child ON child.oid = conrelid
        JOIN pg_catalog.pg_class AS parent ON parent.oid = confrelid
        WHERE contype = 'f' AND child.relnamespace = current_schema()::regnamespace AND child.relname = ?1 ORDER BY 1",
};

fn tables(connection: &Connection) -> Result<Vec<Table>, Error> {
    let queries = if connection.sqlite().is_some() { SQLITE } else { POSTGRESQL };
    let named: Vec<(String, bool)> = connection.query(queries.tables, &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let table = |(name, has_numbers): (String, bool)| {
        let columns = connection.query(queries.columns, params![name], |row| column(&name, row))?;
        let parents = connection.query(queries.parents, params![name], |row| row.get(0))?;
        Ok(Table { name, columns, parents, has_numbers })
    };
    named.into_iter().map(table).collect()
}

fn column(table: &str, row: &Row<'_>) -> Result<Column, Error> {
    let name: String = row.get(0)?;
    let kind = match row.get::<String>(1)?.as_str() {
        "INTEGER" | "BIGINT" => Kind::Integer,
        "TEXT" => Kind::Text,
        other => return Err(Error::Failed(format!("the column {name} of the table {table} has the type {other}"))),
    };
    Ok(Column { name, kind, key_place: row.get(2)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, parents: &[&str]) -> Table {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        Table { name: name.to_owned(), columns: Vec::new(), parents, has_numbers: false }
    }

    #[test]
    fn a_table_comes_after_those_that_it_refers_to() {
        let tables = vec![table("a", &["c"]), table("b", &["b", "a"]), table("c", &[])];
        let names: Vec<String> = in_order(tables).unwrap().into_iter().map(|table| table.name).collect();
        assert_eq!(names, ["c", "a", "b"]);
        assert!(in_order(vec![table("a", &["b"]), table("b", &["a"])]).is_err());
    }

    #[test]
    fn the_key_is_in_its_own_order() {
        let column = |name: &str, key_place| Column { name: name.to_owned(), kind: Kind::Text, key_place };
        let mut table = table("blocks", &[]);
        table.columns = vec![column("ip", 2), column("license", 1), column("server_id", 0)];
        assert_eq!(table.key(), [1, 0]);
    }
}
