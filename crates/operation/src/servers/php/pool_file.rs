//! Pool files that others may have written: whose pools they contain.
//!
//! They are read as bytes, line by line: one odd line costs itself only.

/// What one section of a pool file says about users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The name of the pool.
    pub name: String,
    /// The user as which its processes run: a name or a uid.
    pub user: Option<String>,
    /// Further users and groups without which FPM does not start.
    pub needs: Vec<String>,
    /// Its socket.
    pub listen: Option<String>,
}

/// The pools in a file, in order. Settings before the first section belong to no pool.
pub fn parse(bytes: &[u8]) -> Vec<Pool> {
    let mut pools: Vec<Pool> = Vec::new();
    for line in String::from_utf8_lossy(bytes).lines() {
        let line = line.trim();
        if let Some(name) = section_name(line) {
            if !is_global(name) {
                pools.push(Pool { name: name.to_owned(), ..Pool::default() });
            }
            continue;
        }
        let (Some(pool), Some((key, value))) = (pools.last_mut(), line.split_once('=')) else { continue };
        let value = value_of(value).replace("$pool", &pool.name);
        match key.trim() {
            "user" => pool.user = Some(value),
            "group" | "listen.owner" | "listen.group" => pool.needs.push(value),
            "listen.acl_users" | "listen.acl_groups" => {
                pool.needs.extend(value.split(',').map(|name| name.trim().to_owned()));
            }
            "listen" => pool.listen = Some(value),
            _ => {}
        }
    }
    pools
}

/// If the line starts a section: whether it is the global one.
pub fn section(line: &[u8]) -> Option<bool> {
    section_name(String::from_utf8_lossy(line).trim()).map(is_global)
}

fn section_name(line: &str) -> Option<&str> {
    line.strip_prefix('[').and_then(|rest| rest.split(']').next()).map(str::trim)
}

fn is_global(name: &str) -> bool {
    name.eq_ignore_ascii_case("global")
}

impl Pool {
    /// Whether its processes run as this user.
    pub fn runs_as(&self, username: &str, uid: u32) -> bool {
        self.user.as_deref().is_some_and(|user| user == username || user == uid.to_string())
    }

    /// Whether FPM does not start without this user or its group.
    pub fn depends_on(&self, username: &str) -> bool {
        self.user.as_deref() == Some(username) || self.needs.iter().any(|name| name == username)
    }
}

/// A value without its comment and quotes.
fn value_of(text: &str) -> String {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some((inner, _)) = text.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner.to_owned();
        }
    }
    text.split(';').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_pool_is_found_in_every_spelling() {
        let table: [(&[u8], &[bool]); 8] = [
            (b"[a]\nuser = alice\n", &[true]),
            (b"[a]\n user=\"alice\" ; note\n", &[true]),
            (b"[a]\nuser = 'alice'\n", &[true]),
            (b"[a]\nuser = 1001\n", &[true]),
            (b"[alice]\nuser = $pool\n", &[true]),
            (
                b"; user = alice\n[global]\nuser = alice\n[b]\nuser = bob\n[a]\n\xff\xfe = \xff\nuser = alice\n",
                &[false, true],
            ),
            (b"[a]\n;user = alice\n", &[false]),
            (b"user = alice\n", &[]),
        ];
        for (text, expected) in table {
            let found: Vec<bool> = parse(text).iter().map(|pool| pool.runs_as("alice", 1001)).collect();
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn what_fpm_needs_to_start_is_found() {
        let text = b"[a]\nuser = www-data\ngroup = alice\n[b]\nlisten.owner = alice\n[c]\nlisten.acl_users = bob, alice\n[d]\nuser = bob\n";
        let found: Vec<bool> = parse(text).iter().map(|pool| pool.depends_on("alice")).collect();
        assert_eq!(found, [true, true, true, false]);
    }
}
