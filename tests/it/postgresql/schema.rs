//! The schema of both engines, compared in their own catalogs. A migration that forgets one of them fails here.

use crate::support::TempDirectory;
use crate::support::postgresql::ScratchDatabase;
use opterius_base::clock::Timestamp;
use opterius_license_server::store::{Database, Error, Location, create_on_server};
use std::collections::BTreeSet;

/// The tables with which PostgreSQL begins, and its later migrations.
const POSTGRESQL: [&str; 2] = [
    include_str!("../../../crates/license-server/src/store/schema/postgresql.sql"),
    include_str!("../../../crates/license-server/src/store/schema/postgresql_4.sql"),
];

/// A schema as lines: columns, keys, indexes, conditions and the plans.
type Lines = BTreeSet<String>;

#[test]
fn both_engines_have_the_same_schema() {
    let (sqlite, postgresql) = (sqlite(), postgresql(&database()));
    let missing: Vec<&String> = sqlite.difference(&postgresql).collect();
    let added: Vec<&String> = postgresql.difference(&sqlite).collect();
    assert!(missing.is_empty() && added.is_empty(), "only in SQLite: {missing:#?}\nonly in PostgreSQL: {added:#?}");
    assert!(sqlite.len() > 200, "the comparison sees only {sqlite:#?}");
}

#[test]
fn every_kind_of_difference_is_found() {
    let database = database();
    let before = postgresql(&database);
    for (change, expected) in [
        ("ALTER TABLE licenses ADD COLUMN added BIGINT", "licenses.added: BIGINT"),
        ("ALTER TABLE licenses ALTER COLUMN trial SET DEFAULT 1", "licenses.trial: BIGINT NOT NULL DEFAULT 1"),
        ("ALTER TABLE licenses ALTER COLUMN created_at DROP NOT NULL", "licenses.created_at: BIGINT"),
        ("ALTER TABLE licenses ALTER COLUMN revision TYPE INTEGER", "licenses.revision: INTEGER NOT NULL"),
        (
            "ALTER TABLE licenses ALTER COLUMN note TYPE TEXT COLLATE \"default\"",
            "licenses.note: TEXT COLLATE default NOT NULL DEFAULT ''",
        ),
        ("ALTER TABLE events ALTER COLUMN id DROP IDENTITY", "events.id: BIGINT NOT NULL"),
        (
            "ALTER TABLE blocks DROP CONSTRAINT blocks_pkey, ADD PRIMARY KEY (ip, license)",
            "blocks: PRIMARY KEY (ip, license)",
        ),
        ("ALTER TABLE plans ADD UNIQUE (name)", "plans: UNIQUE (name)"),
        ("CREATE INDEX added ON events (at)", "events: INDEX added (at)"),
        ("CREATE INDEX partial ON events (at) WHERE license > 7", "events: INDEX partial (at) WHERE license>7"),
        (
            "ALTER TABLE events ADD FOREIGN KEY (license) REFERENCES licenses",
            "events: FOREIGN KEY (license) REFERENCES licenses(id) NO ACTION",
        ),
        ("ALTER TABLE events ADD CHECK (at > 0)", "events: CHECK at>0"),
        ("UPDATE plans SET max_servers = 2 WHERE slug = 'free'", "plan free Free 5 2"),
    ] {
        database.psql(change);
        let after = postgresql(&database);
        assert!(!before.contains(expected) && after.contains(expected), "{change}: {:#?}", after.difference(&before));
    }
}

#[test]
fn the_database_says_whose_it_is_and_in_which_version() {
    let database = ScratchDatabase::empty();
    let location = Location::parse(&database.uri()).unwrap();
    let Location::Postgresql(server) = &location else { panic!("{location}") };
    create_on_server(server, Timestamp::from_unix(0), |_| Ok::<(), Error>(())).unwrap();
    let settings =
        database.psql("SELECT name, value FROM settings WHERE name IN ('application', 'schema_version') ORDER BY 1");
    let directory = TempDirectory::new();
    drop(Database::create_file(&directory.path().join("licenses.db")).unwrap());
    let sqlite = rusqlite::Connection::open(directory.path().join("licenses.db")).unwrap();
    let version: i64 = sqlite.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(settings, format!("application|opterius-license-server\nschema_version|{version}"));
}

fn database() -> ScratchDatabase {
    let database = ScratchDatabase::empty();
    POSTGRESQL.iter().for_each(|sql| database.apply(sql));
    database
}

/// The schema that the migrations of SQLite make.
fn sqlite() -> Lines {
    let directory = TempDirectory::new();
    let path = directory.path().join("licenses.db");
    drop(Database::create_file(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let rows = |sql: &str| -> Vec<Vec<String>> {
        let mut statement = connection.prepare(sql).unwrap();
        let count = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..count).map(|column| row.get(column)).collect();
        statement.query_map([], row).unwrap().map(Result::unwrap).collect()
    };
    let mut lines = Lines::new();
    for table in rows("SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'") {
        let [table, sql] = &table[..] else { panic!("{table:?}") };
        let identity = if sql.contains("AUTOINCREMENT") { " IDENTITY" } else { "" };
        let columns = rows(&format!(
            "SELECT name, type, iif(\"notnull\" OR pk, ' NOT NULL', ''), coalesce(' DEFAULT ' || dflt_value, ''), CAST(pk AS TEXT)
                FROM pragma_table_info('{table}') ORDER BY pk"
        ));
        let mut key = Vec::new();
        for column in &columns {
            let [name, kind, not_null, default, position] = &column[..] else { panic!("{column:?}") };
            let (kind, identity) = (kind.replace("INTEGER", "BIGINT"), if position == "1" { identity } else { "" });
            lines.insert(format!("{table}.{name}: {kind}{not_null}{default}{identity}"));
            if position != "0" {
                key.push(name.as_str());
            }
        }
        lines.insert(format!("{table}: PRIMARY KEY ({})", key.join(", ")));
        let unique = "SELECT (SELECT group_concat(name, ', ') FROM pragma_index_info(list.name))
            FROM pragma_index_list('TABLE') AS list WHERE origin = 'u'";
        lines.extend(rows(&unique.replace("TABLE", table)).iter().map(|row| format!("{table}: UNIQUE ({})", row[0])));
        let foreign =
            "SELECT \"from\", \"table\", coalesce(\"to\", ''), on_delete FROM pragma_foreign_key_list('TABLE')";
        lines.extend(
            rows(&foreign.replace("TABLE", table))
                .iter()
                .map(|row| format!("{table}: FOREIGN KEY ({}) REFERENCES {}({}) {}", row[0], row[1], row[2], row[3])),
        );
        let indexes =
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'TABLE' AND sql IS NOT NULL";
        lines.extend(rows(&indexes.replace("TABLE", table)).iter().map(|row| {
            let (_, rest) = row[1].split_once(" ON ").unwrap();
            let (_, rest) = rest.split_once(' ').unwrap();
            index(table, &row[0], row[1].contains("UNIQUE"), rest, &key)
        }));
        lines.extend(conditions(sql).iter().map(|condition| format!("{table}: CHECK {}", plain(condition))));
    }
    let plans = rows("SELECT slug || ' ' || name || ' ' || max_accounts || ' ' || max_servers FROM plans");
    lines.extend(plans.iter().map(|plan| format!("plan {}", plan[0])));
    lines
}

/// The schema of a database of PostgreSQL.
fn postgresql(database: &ScratchDatabase) -> Lines {
    let rows = |sql: &str| -> Vec<Vec<String>> {
        let text = database.psql(sql);
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    };
    let mut lines: Lines = rows(
        "SELECT format('%s.%s: %s%s%s%s%s', relname, attname, upper(format_type(atttypid, NULL)),
                CASE WHEN collname <> 'C' THEN ' COLLATE ' || collname END,
                CASE WHEN attnotnull THEN ' NOT NULL' END,
                ' DEFAULT ' || replace(pg_get_expr(adbin, adrelid), '::text', ''),
                CASE WHEN attidentity = 'd' THEN ' IDENTITY' END)
            FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
            LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
            LEFT JOIN pg_collation ON pg_collation.oid = attcollation
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped",
    )
    .concat()
    .into_iter()
    .collect();
    let constraints = rows(
        "SELECT contype, conrelid::regclass, coalesce((SELECT string_agg(attname, ', ' ORDER BY place)
                FROM unnest(conkey) WITH ORDINALITY AS part (number, place)
                JOIN pg_attribute ON attrelid = conrelid AND attnum = number), ''), pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    );
    for constraint in &constraints {
        let [kind, table, columns, definition] = &constraint[..] else { panic!("{constraint:?}") };
        lines.insert(match kind.as_str() {
            "p" => format!("{table}: PRIMARY KEY ({columns})"),
            "u" => format!("{table}: UNIQUE ({columns})"),
            "f" if definition.contains("ON DELETE") => format!("{table}: {}", definition.replace("ON DELETE ", "")),
            "f" => format!("{table}: {definition} NO ACTION"),
            _ => format!("{table}: CHECK {}", plain(definition.trim_start_matches("CHECK "))),
        });
    }
    let indexes = rows(
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND NOT EXISTS (
            SELECT 1 FROM pg_constraint WHERE conname = indexname AND connamespace = 'public'::regnamespace)",
    );
    for found in &indexes {
        let [table, name, definition] = &found[..] else { panic!("{found:?}") };
        let key = constraints.iter().find(|row| row[0] == "p" && row[1] == *table).unwrap();
        let key: Vec<&str> = key[2].split(", ").collect();
        let (_, rest) = definition.split_once(" USING btree ").unwrap();
        lines.insert(index(table, name, definition.contains("UNIQUE"), rest, &key));
    }
    let plans = "SELECT concat_ws(' ', 'plan', slug, name, max_accounts, max_servers) FROM plans";
    lines.extend(rows(plans).concat());
    lines
}

/// The line of an index, from its definition after the name of the table. SQLite adds the columns of the primary key to an
/// index, so they are left out at the end.
fn index(table: &str, name: &str, is_unique: bool, definition: &str, key: &[&str]) -> String {
    let (columns, rest) = definition.trim().split_at(closing(definition.trim()));
    let mut columns: Vec<String> = items(&columns[1..]).iter().map(|column| plain(column)).collect();
    while !is_unique && columns.len() > 1 && columns.last().is_some_and(|last| key.contains(&last.as_str())) {
        columns.pop();
    }
    let kind = if is_unique { "UNIQUE INDEX" } else { "INDEX" };
    let condition =
        rest[1..].trim().strip_prefix("WHERE ").map_or(String::new(), |text| format!(" WHERE {}", plain(text)));
    format!("{table}: {kind} {name} ({}){condition}", columns.join(", "))
}

/// The position of the parenthesis that closes the first one.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    let closes = |character: char| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth == 0
    };
    text.find(closes).unwrap()
}

/// The parts of a list that are separated by commas outside of parentheses.
fn items(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let separates = |character: char| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth == 0 && character == ','
    };
    list.split(separates).collect()
}

/// The conditions of the columns of a table.
fn conditions(sql: &str) -> Vec<&str> {
    let found = sql.match_indices("CHECK (").map(|(at, _)| &sql[at + "CHECK ".len()..]);
    found.map(|text| &text[..=closing(text)]).collect()
}

/// An expression without what only one of the engines writes: types, parentheses, spaces, and arrays for lists.
fn plain(expression: &str) -> String {
    let mut text = expression.to_ascii_lowercase();
    for kind in ["::bigint", "::text", "::integer"] {
        text = text.replace(kind, "");
    }
    text = text.replace("= any (array[", "in (").replace(']', "");
    // A large number is text with a type.
    text = text.replace("'9223372036854775807'", "9223372036854775807");
    text.replace(['(', ')', ' ', '\n'], "")
}
