//! `operation adopt`: takes in the accounts of today's hosts, where nobody has put users into our group yet.
//!
//! An account is an ordinary user whose home is `/home/<name>` and who has an enabled site below it. Nothing of theirs is
//! changed but the membership; what is known of their sites is published.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::clock::{Clock, SystemClock};
use crate::files::{self, Rights};
use crate::operations::account::{self, Account};
use crate::operations::accounts::GROUP;
use crate::operations::certificate;
use crate::operations::changes::{Changes, about};
use crate::operations::deadline::Deadline;
use crate::operations::facts::{self, AGENT_GROUP, Facts};
use crate::operations::fields::{Domain, Username};
use crate::operations::host::Host;
use crate::operations::problem::Problem;
use crate::operations::register::{FIRST_UID, Register};
use crate::operations::site::{Found, Site};
use crate::operations::user;

/// The highest number of an ordinary user.
const LAST_UID: u32 = 59_999;

/// The largest site file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// A site file of somebody else's, as far as it concerns us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignSite {
    /// The domains that it answers to, as they are written there.
    pub names: Vec<String>,
    /// The directories that it serves.
    pub roots: Vec<String>,
}

/// Takes in what is there and publishes what is known of every site; returns the accounts that were taken in now.
///
/// # Errors
/// The register, a group or a file cannot be read or changed.
pub fn adopt(host: &Host, deadline: Deadline) -> Result<Vec<Username>, Problem> {
    Changes::run(host, deadline, |_| {
        let register = Register::read(host)?;
        let sites = enabled_sites(host);
        let mut adopted = Vec::new();
        for username in candidates(&register, &sites) {
            if !register.accounts().iter().any(|name| name == username.as_str()) {
                user::join(host, &username, &Register::read(host)?, deadline)?;
                note(host, &username, &register)?;
                adopted.push(username);
            }
        }
        publish(host, &sites, deadline)?;
        Ok(adopted)
    })
}

/// The accounts that would be taken in: users with a site that are in no register of ours.
///
/// # Errors
/// The register cannot be read.
pub fn missing(host: &Host) -> Result<Vec<Username>, Problem> {
    let register = Register::read(host)?;
    let candidates = candidates(&register, &enabled_sites(host));
    let is_missing = |username: &Username| !register.accounts().iter().any(|name| name == username.as_str());
    Ok(candidates.into_iter().filter(is_missing).collect())
}

fn candidates(register: &Register, sites: &BTreeMap<Domain, ForeignSite>) -> Vec<Username> {
    let is_ordinary = |uid: u32| (FIRST_UID..=LAST_UID).contains(&uid);
    let users =
        register.users.iter().filter(|user| is_ordinary(user.uid) && user.home == format!("/home/{}", user.name));
    let with_site = users.filter(|user| sites.values().any(|site| site.is_below(&user.home)));
    with_site.filter_map(|user| Username::parse("username", &user.name).ok()).collect()
}

impl ForeignSite {
    fn is_below(&self, home: &str) -> bool {
        let below = |root: &String| Path::new(root).starts_with(home) && Path::new(root) != Path::new(home);
        self.roots.iter().any(below)
    }

    /// Reads the words of an nginx file that matter.
    pub fn parse(text: &str) -> Self {
        let mut site = Self::default();
        for statement in statements(text) {
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

/// The statements of an nginx file as words, without comments and quotes; a block's head is a statement of its own.
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

/// The enabled sites whose file is named after a domain.
fn enabled_sites(host: &Host) -> BTreeMap<Domain, ForeignSite> {
    let enabled = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"];
    let entries = enabled.iter().flat_map(|path| fs::read_dir(host.path(path)).into_iter().flatten().flatten());
    let sites = entries.filter_map(|entry| {
        let name = entry.file_name();
        let name = name.to_str()?;
        let domain = Domain::parse("domain", name.strip_suffix(".conf").unwrap_or(name)).ok()?;
        let metadata = fs::metadata(entry.path()).ok()?;
        let text =
            (metadata.is_file() && metadata.len() <= MAX_FILE).then(|| fs::read_to_string(entry.path()).ok())??;
        Some((domain, ForeignSite::parse(&text)))
    });
    sites.collect()
}

/// Writes down since when an account is ours, unless that is known.
fn note(host: &Host, username: &Username, register: &Register) -> Result<(), Problem> {
    let account = Account::read(host, username)?;
    let account = Account { created_at: account.created_at.or_else(|| Some(SystemClock.wall())), ..account };
    let path = account::path(host, username);
    let rights = Rights { mode: 0o640, group: register.group(AGENT_GROUP).map(|group| group.gid) };
    files::replace(&path, &account.to_bytes(), rights).map_err(|error| about(&path, error))
}

/// Publishes what is known of every site of an account, ours and others'.
fn publish(host: &Host, sites: &BTreeMap<Domain, ForeignSite>, deadline: Deadline) -> Result<(), Problem> {
    let register = Register::read(host)?;
    let group = register.group(GROUP).map(|group| group.members.clone()).unwrap_or_default();
    for (domain, foreign) in sites {
        let known = facts::read(host, domain);
        let facts = match Site::look(host, domain)? {
            Found::Ours(site) => Some(site.facts(host, deadline)?),
            // Its own file is set aside while the account is suspended.
            _ if known.as_ref().is_some_and(|facts| facts.suspended) => known,
            _ => {
                let owner = group.iter().find(|name| foreign.is_below(&format!("/home/{name}")));
                let username = owner.and_then(|name| Username::parse("username", name).ok());
                username.map(|username| foreign_facts(host, domain, username, foreign, deadline))
            }
        };
        if let Some(facts) = facts {
            facts::publish(host, &facts, &register)?;
        }
    }
    Ok(())
}

fn foreign_facts(host: &Host, domain: &Domain, username: Username, site: &ForeignSite, deadline: Deadline) -> Facts {
    let found = certificate::on_disk(host, domain);
    let home = format!("/home/{username}");
    Facts {
        domain: domain.clone(),
        username,
        names: site.names.clone(),
        document_root: site.roots.iter().find(|root| root.starts_with(&home)).cloned().unwrap_or(home),
        php_version: None,
        parent_domain: None,
        managed: false,
        suspended: false,
        created_at: None,
        // One that cannot be read is none that could be told of.
        certificate: found.and_then(|found| certificate::describe(&found, deadline).ok()),
        issue: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = "server {\n  listen 80; server_name Example.com www.example.com _;\n  # root /home/bob/x;\n  \
                        root \"/home/alice/example.com/public_html\"; location / { root /srv/x; }\n}\n";

    #[test]
    fn names_and_roots_are_read_from_a_file_of_anybody() {
        let site = ForeignSite::parse(SITE);
        assert_eq!(site.names, ["Example.com", "www.example.com"]);
        assert_eq!(site.roots, ["/home/alice/example.com/public_html", "/srv/x"]);
        for (home, expected) in [("/home/alice", true), ("/home/al", false), ("/home/bob", false), ("/srv", true)] {
            assert_eq!(site.is_below(home), expected, "{home}");
        }
        for text in ["", "}{;;", "root", "root ;", "server_name;", "# root /home/alice/x;"] {
            assert_eq!(ForeignSite::parse(text), ForeignSite::default(), "{text}");
        }
    }

    #[test]
    fn an_ordinary_user_with_a_site_in_its_home_is_an_account() {
        let register = Register::parse(
            "root:x:0:0::/root:/bin/sh\nalice:x:1001:1001::/home/alice:/bin/sh\nbob:x:1002:1002::/home/bob:/bin/sh\n\
             www:x:999:999::/home/alice:/bin/sh\ncarol:x:1003:1003::/home/alice:/bin/sh\nal:x:1004:1004::/home/al:/bin/sh\n",
            "",
        );
        let domain = Domain::parse("domain", "example.com").unwrap();
        let sites = BTreeMap::from([(domain, ForeignSite::parse(SITE))]);
        let names: Vec<String> = candidates(&register, &sites).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["alice"]);
    }
}
