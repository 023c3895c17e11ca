//! Names of users in databases from before names were compared by their folded form.

use std::collections::HashSet;

use log::warn;
use rusqlite::{Connection, params};

use crate::model::user_name::{folded, renamed};
use crate::model::{Action, Role};
use opterius_base::text::one_line;

/// Stores the folded name of each user. Two users whose names are now the same keep their licenses and passwords: the
/// later one gets another name, because a database that does not migrate would leave every customer without a verdict.
pub(super) fn fold(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, name FROM users ORDER BY id")?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let users = statement.query_map([], row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut taken: HashSet<String> = HashSet::new();
    for (id, name) in users {
        let (own, mut number) = (folded(&name), 1_u32);
        let mut unique = own.clone();
        while !taken.insert(unique.clone()) {
            number = number.saturating_add(1);
            unique = renamed(&own, number);
        }
        let now = if number == 1 { name.clone() } else { renamed(&name, number) };
        connection.execute("UPDATE users SET name = ?2, folded_name = ?3 WHERE id = ?1", params![id, now, unique])?;
        if number > 1 {
            let detail =
                format!("{name} is now {now}, because another user has the same name but for its case or form");
            warn!("User {id}: {}. Give the user another name with: user set", one_line(&detail, 400));
            let sql = "INSERT INTO events (at, license, role, actor, action, detail)
                VALUES (unixepoch(), NULL, ?1, 'license server', ?2, ?3)";
            connection.execute(sql, params![Role::System.as_str(), Action::UserChanged.as_str(), detail])?;
        }
    }
    Ok(())
}
