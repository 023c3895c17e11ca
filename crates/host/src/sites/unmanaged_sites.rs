//! Sites that the Agent does not manage, found in nginx's enabled files, and the accounts that could be adopted with them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::host::Host;
use crate::lines;
use crate::problem::Problem;
use crate::request::values::{Domain, Username};
use crate::users::register::{FIRST_UID, Register};
use opterius_base::files;

/// Highest uid of a regular user.
const LAST_UID: u32 = 59_999;

/// Largest site file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The relevant parts of an unmanaged site file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnmanagedSite {
    /// Its server names, as written in the file.
    pub names: Vec<String>,
    /// Its document roots.
    pub roots: Vec<String>,
}

/// Accounts that could be adopted: users with a site who are not accounts yet.
///
/// # Errors
/// The users and groups cannot be read.
pub fn missing(host: &Host) -> Result<Vec<Username>, Problem> {
    let register = Register::read(host)?;
    let candidates = candidates(&register, &enabled_sites(host));
    let is_missing = |username: &Username| !register.accounts().iter().any(|name| name == username.as_str());
    Ok(candidates.into_iter().filter(is_missing).collect())
}

/// Regular users with a site below their home.
pub fn candidates(register: &Register, sites: &BTreeMap<Domain, UnmanagedSite>) -> Vec<Username> {
    let is_regular = |uid: u32| (FIRST_UID..=LAST_UID).contains(&uid);
    let users =
        register.users.iter().filter(|user| is_regular(user.uid) && user.home == format!("/home/{}", user.name));
    let with_site = users.filter(|user| sites.values().any(|site| site.is_below(&user.home)));
    with_site.filter_map(|user| Username::parse("username", &user.name).ok()).collect()
}

impl UnmanagedSite {
    /// Whether it serves files from below this home.
    pub fn is_below(&self, home: &str) -> bool {
        let below = |root: &String| Path::new(root).starts_with(home) && Path::new(root) != Path::new(home);
        self.roots.iter().any(below)
    }

    /// Reads the relevant directives of an nginx file. Bytes that are not UTF-8 spoil their own word only.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Self {
        let mut site = Self::default();
        for statement in statements(&lines::lossy(bytes.as_ref())) {
            match statement.split_first() {
                Some((&"server_name", names)) => site.names.extend(names.iter().map(|name| (*name).to_owned())),
                Some((&"root", [root, ..])) => site.roots.push((*root).to_owned()),
                _ => {}
            }
        }
        site.names.retain(|name| Domain::parse("domain", name).is_ok());
        site
    }
}

/// Splits an nginx file into directives, each a list of words without comments and quotes. The head of a block is a
/// directive of its own.
fn statements(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(code, _)| code));
    let mut statements = vec![Vec::new()];
    for line in lines {
        let mut rest = line;
        while let Some((part, after)) = rest.split_once([';', '{', '}']) {
            push_words(&mut statements, part);
            statements.push(Vec::new());
            rest = after;
        }
        push_words(&mut statements, rest);
    }
    statements
}

fn push_words<'a>(statements: &mut [Vec<&'a str>], text: &'a str) {
    if let Some(statement) = statements.last_mut() {
        statement.extend(text.split_ascii_whitespace().map(|word| word.trim_matches(['"', '\''])));
    }
}

/// The enabled sites whose file names are domains.
pub fn enabled_sites(host: &Host) -> BTreeMap<Domain, UnmanagedSite> {
    let enabled = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"];
    let entries = enabled.iter().flat_map(|path| fs::read_dir(host.path(path)).into_iter().flatten().flatten());
    let sites = entries.filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        let domain = Domain::parse("domain", name.strip_suffix(".conf").unwrap_or(name)).ok()?;
        let bytes = files::read(&entry.path(), MAX_FILE).ok()?;
        Some((domain, UnmanagedSite::parse(bytes)))
    });
    sites.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "server {\n  listen 80; server_name Example.com www.example.com _;\n  # root /home/bob/x;\n  \
                        root \"/home/alice/example.com/public_html\"; location / { root /srv/x; }\n}\n";

    #[test]
    fn names_and_roots_are_read_from_any_file() {
        let site = UnmanagedSite::parse(SITE);
        assert_eq!(site.names, ["Example.com", "www.example.com"]);
        assert_eq!(site.roots, ["/home/alice/example.com/public_html", "/srv/x"]);
        for (home, expected) in [("/home/alice", true), ("/home/al", false), ("/home/bob", false), ("/srv", true)] {
            assert_eq!(site.is_below(home), expected, "{home}");
        }
        for text in ["", "}{;;", "root", "root ;", "server_name;", "# root /home/alice/x;"] {
            assert_eq!(UnmanagedSite::parse(text), UnmanagedSite::default(), "{text}");
        }
    }

    #[test]
    fn a_regular_user_with_a_site_in_its_home_can_be_adopted() {
        let register = Register::parse(
            "root:x:0:0::/root:/bin/sh\nalice:x:1001:1001::/home/alice:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n\
             www:x:999:999::/home/alice:/bin/sh\ncarol:x:1003:1003::/home/alice:/bin/sh\nal:x:1004:1004::/home/al:/bin/sh\n",
            "",
        );
        let domain = Domain::parse("domain", "example.com").unwrap();
        let sites = BTreeMap::from([(domain, UnmanagedSite::parse(SITE))]);
        let names: Vec<String> = candidates(&register, &sites).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["alice"]);
    }
}
