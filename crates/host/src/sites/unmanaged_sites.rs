//! Sites that the Agent does not manage, found in all files that nginx includes; the accounts that can be adopted with them;
//! and what keeps a user from being an account.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::host::Host;
use crate::nginx::configuration::{Configuration, Server};
use crate::nginx::included::MAIN;
use crate::problem::Problem;
use crate::request::values::{Domain, Username};
use crate::users::administrators;
use crate::users::register::{FIRST_UID, Register, User};

/// Highest uid of a regular user.
const LAST_UID: u32 = 59_999;

/// Users of web servers, which may be members of the group of an account.
const WEB_USERS: [&str; 4] = ["www-data", "nginx", "apache", "caddy"];

/// The sites of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnmanagedFile {
    /// Its path, as nginx includes it.
    pub path: PathBuf,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// Reads the files of all servers that the Agent does not manage.
pub fn files(host: &Host) -> Vec<UnmanagedFile> {
    let mut files: BTreeMap<PathBuf, Vec<Server>> = BTreeMap::new();
    for server in Configuration::read(host).servers {
        files.entry(server.file.clone()).or_default().push(server);
    }
    files.into_iter().map(|(path, servers)| UnmanagedFile { path, servers }).collect()
}

impl UnmanagedFile {
    /// Its names that are domains, in lowercase, each once.
    pub fn names(&self) -> Vec<String> {
        let mut known = BTreeSet::new();
        let names = self.servers.iter().flat_map(|server| &server.names).map(|name| name.to_ascii_lowercase());
        names.filter(|name| Domain::parse("domain", name).is_ok() && known.insert(name.clone())).collect()
    }

    /// The domain that its record has: the one that the file is named after, or else its first name.
    pub fn domain(&self) -> Option<Domain> {
        let file = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let file = file.strip_suffix(".conf").unwrap_or(file);
        let names = self.names();
        let name = names.iter().find(|name| *name == file).or(names.first())?;
        Domain::parse("domain", name).ok()
    }

    /// Its document root below the home of this user.
    pub fn root(&self, username: &str) -> Option<&str> {
        let home = format!("/home/{username}/");
        self.roots().find(|root| root.starts_with(&home) && root.len() > home.len())
    }

    fn roots(&self) -> impl Iterator<Item = &str> {
        self.servers.iter().flat_map(|server| server.roots.iter().chain(&server.location_roots)).map(String::as_str)
    }

    /// What in it is not this user's, as the rest of a sentence that starts with the file's path: then it is neither replaced
    /// nor deleted for this user alone.
    pub fn foreign_part(&self, username: &str) -> Option<String> {
        if self.path.ends_with(MAIN.trim_start_matches('/')) {
            return Some("is nginx's main file".to_owned());
        }
        let home = format!("/home/{username}/");
        let is_foreign = |root: &str| root.starts_with("/home/") && !root.starts_with(&home);
        let of_servers = self.servers.iter().flat_map(|server| &server.roots).map(String::as_str);
        // A server's own root outside of all homes is a site of the administrator's. In a location, it is often a directory
        // for certificate challenges or error pages.
        let foreign = self.roots().find(|root| is_foreign(root)).or_else(|| {
            of_servers
                .into_iter()
                .find(|root| !root.starts_with(&home) && root.trim_end_matches('/') != home.trim_end_matches('/'))
        });
        foreign.map(|root| format!("also serves {root}"))
    }
}

/// A user who could be adopted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The username.
    pub username: Username,
    /// Why it cannot be, as a sentence; none if it can.
    pub obstacle: Option<String>,
}

/// Regular users with a site below their home who are not accounts yet.
///
/// # Errors
/// The users and groups, or the rules of sudo, cannot be read.
pub fn missing(host: &Host) -> Result<Vec<Candidate>, Problem> {
    candidates(host, &Register::read(host)?, &files(host))
}

/// Those of [`missing`], with these users and files.
///
/// # Errors
/// The rules of sudo cannot be read.
pub fn candidates(host: &Host, register: &Register, files: &[UnmanagedFile]) -> Result<Vec<Candidate>, Problem> {
    let is_regular = |user: &&User| {
        (FIRST_UID..=LAST_UID).contains(&user.uid)
            && user.home == format!("/home/{}", user.name)
            && !register.accounts().contains(&user.name)
            && files.iter().any(|file| file.root(&user.name).is_some())
    };
    let mut candidates = Vec::new();
    for user in register.users.iter().filter(is_regular) {
        if let Ok(username) = Username::parse("username", &user.name) {
            let obstacle = obstacle(host, register, user)?.or_else(|| obstacle_in_files(user, files));
            candidates.push(Candidate { username, obstacle });
        }
    }
    Ok(candidates)
}

/// What is wrong with existing accounts, as sentences: they were adopted, and became something else since.
///
/// # Errors
/// The users and groups, or the rules of sudo, cannot be read.
pub fn unfit_accounts(host: &Host) -> Result<Vec<String>, Problem> {
    let (register, files) = (Register::read(host)?, files(host));
    let mut unfit = Vec::new();
    for user in register.users.iter().filter(|user| register.accounts().contains(&user.name)) {
        unfit.extend(obstacle(host, &register, user)?.or_else(|| obstacle_in_files(user, &files)));
    }
    Ok(unfit)
}

/// Why a user cannot be an account, whatever its sites are, as a sentence. This also holds for accounts that were adopted
/// before: an operation would change what belongs to others.
///
/// # Errors
/// The rules of sudo cannot be read.
pub fn obstacle(host: &Host, register: &Register, user: &User) -> Result<Option<String>, Problem> {
    let name = &user.name;
    let sentence = |reason: &str| format!("“{name}” {reason}, so the Agent does not change it as an account.");
    if let Some(reason) = administrators::reason(host, register, user)? {
        return Ok(Some(sentence(&reason)));
    }
    if let Some(other) = register.users.iter().find(|other| other.uid == user.uid && other.name != *name) {
        return Ok(Some(sentence(&format!("has the same user ID as “{}”", other.name))));
    }
    if user.gid < FIRST_UID {
        return Ok(Some(sentence(&format!("has a system group as its primary group (gid {})", user.gid))));
    }
    let shares = |other: &&User| other.gid == user.gid && other.name != *name;
    let members = register.groups.iter().filter(|group| group.gid == user.gid).flat_map(|group| &group.members);
    let others = members.filter(|member| *member != name && !WEB_USERS.contains(&member.as_str()));
    let other = register.users.iter().find(shares).map(|other| &other.name).or(others.into_iter().next());
    Ok(other.map(|other| sentence(&format!("shares its primary group with “{other}” (usermod -g GROUP {name})"))))
}

/// Why a user cannot be an account with these files, as a sentence.
pub fn obstacle_in_files(user: &User, files: &[UnmanagedFile]) -> Option<String> {
    let name = &user.name;
    files.iter().filter(|file| file.root(name).is_some()).find_map(|file| {
        let path = file.path.display();
        match (file.foreign_part(name), file.domain()) {
            (Some(part), _) => {
                Some(format!("{path}, which has a site of “{name}”, {part}. Move that site to a file of its own."))
            }
            (None, None) => Some(format!("{path}, which has a site of “{name}”, has no server_name that is a domain.")),
            (None, Some(_)) => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Acme;

    fn file(path: &str, text: &str) -> UnmanagedFile {
        UnmanagedFile { path: path.into(), servers: Configuration::parse(text.as_bytes()).servers }
    }

    #[test]
    fn a_file_belongs_to_one_user_or_to_several() {
        let own = "server { listen 80; server_name A.example www.a.example *.a.example _; root /home/alice/a/public;\n\
                   location /.well-known { root /var/www/acme; } }\nserver { server_name b.example; return 301 https://x; }";
        let table = [
            ("/etc/nginx/conf.d/x.conf", own.to_owned(), None),
            ("/etc/nginx/conf.d/x.conf", format!("{own}\nserver {{ root /home/bob/b; }}"), Some("/home/bob/b")),
            ("/etc/nginx/conf.d/x.conf", format!("{own}\nserver {{ root /var/www/html; }}"), Some("/var/www/html")),
            ("/etc/nginx/conf.d/x.conf", own.replace("/var/www/acme", "/home/bob/x"), Some("/home/bob/x")),
            ("/etc/nginx/conf.d/x.conf", own.replace("/var/www/acme", "/home/alice2/x"), Some("/home/alice2/x")),
            ("/etc/nginx/nginx.conf", own.to_owned(), Some("main file")),
        ];
        for (path, text, expected) in table {
            let file = file(path, &text);
            assert_eq!(file.root("alice"), Some("/home/alice/a/public"));
            let part = file.foreign_part("alice");
            assert_eq!(part.is_some(), expected.is_some(), "{text}: {part:?}");
            assert!(part.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        let file = file("/etc/nginx/sites-enabled/b.example.conf", own);
        assert_eq!(file.names(), ["a.example", "www.a.example", "b.example"]);
        assert_eq!(file.domain().unwrap().as_str(), "b.example");
    }

    #[test]
    fn only_private_ordinary_users_are_accounts() {
        let host = Host::new("/nonexistent".into(), Acme { server: String::new(), authority: None }, PathBuf::new());
        let register = Register::parse(
            "root:x:0:0::/root:/bin/sh\nalice:x:1001:1001::/home/alice:/bin/sh\nbob:x:1002:100::/home/bob:/bin/sh\n\
             carol:x:1003:1003::/home/carol:/bin/sh\ndave:x:1004:1003::/home/dave:/bin/sh\nerin:x:1005:1005::/home/erin:/bin/sh\n\
             frank:x:1006:1006::/home/frank:/bin/sh\ngina:x:1006:1007::/home/gina:/bin/sh\nhugo:x:1008:1008::/home/hugo:/bin/sh\n",
            "alice:x:1001:www-data\nusers:x:100:\ncarol:x:1003:\nsudo:x:27:erin\nhugo:x:1008:root\n",
        );
        let reason = |name: &str| obstacle(&host, &register, register.user(name).unwrap()).unwrap();
        assert_eq!(reason("alice"), None);
        for (name, word) in [
            ("bob", "system group"),
            ("carol", "“dave”"),
            ("dave", "“carol”"),
            ("erin", "“sudo”"),
            ("frank", "“gina”"),
            ("hugo", "“root”"),
        ] {
            assert!(reason(name).unwrap().contains(word), "{name}: {:?}", reason(name));
        }
    }
}
