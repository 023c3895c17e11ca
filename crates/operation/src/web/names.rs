//! The names of a new site: which are taken, and which no account may have.

use std::time::Duration;

use log::warn;

use crate::web::own_names;
use crate::web::site::{Site, Sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::nginx::configuration::{Configuration, Server};
use opterius_host::nginx::server_name::ServerName;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::public_suffix::PublicSuffixes;
use opterius_host::tool::Tool;
use opterius_host::users::register::Register;

/// Top-level domains that are not on the Internet: of this machine, of no machine, and of reverse lookups (RFC 6761).
const SPECIAL: [&str; 4] = ["localhost", "localdomain", "invalid", "arpa"];

/// The most regular expressions that are tried, and the time for all of them.
const MAX_REGEXES: usize = 100;
const REGEX_TIME: Duration = Duration::from_secs(5);

/// A name that only a regular expression for every name matches.
const ANY_NAME: &str = "opterius-agent-asks-for-any-name.invalid";

/// A new site, as far as its names are concerned.
pub struct NewSite<'a> {
    /// The field that has its domain.
    pub field: &'static str,
    /// Its domain.
    pub domain: &'a Domain,
    /// Its account, which may exist.
    pub username: &'a Username,
    /// Whether it also answers to `www`.
    pub has_www: bool,
}

/// Checks that a new site can have its names.
///
/// # Errors
/// The domain is for special use or a public suffix, or a name belongs to the server, to a file of someone else, or to a site
/// of another account.
pub fn check(host: &Host, site: &NewSite<'_>, deadline: Deadline) -> Result<(), Problem> {
    let domain = site.domain.as_str();
    if let Some(special) = SPECIAL.iter().find(|special| domain.rsplit('.').next() == Some(special)) {
        return Err(Problem::invalid(site.field, format!("must not end in .{special}, which is not on the Internet")));
    }
    if PublicSuffixes::read(host).contains(site.domain) {
        let rule = "must not be a public suffix, below which others have their domains (publicsuffix.org)";
        return Err(Problem::invalid(site.field, rule));
    }
    let names: Vec<String> =
        std::iter::once(domain.to_owned()).chain(site.has_www.then(|| format!("www.{domain}"))).collect();
    if let Some(name) = own_names::of(host).into_iter().find(|own| names.contains(own)) {
        return Err(conflict(&format!(
            "“{name}” is a name of this server, of its Panel or of its Agent, so no site can have it. Choose another domain."
        )));
    }
    check_sites(host, site)?;
    check_foreign(host, site, &names, deadline)
}

fn conflict(sentence: &str) -> Problem {
    Problem::Conflict(sentence.to_owned())
}

/// Refuses a domain that shares cookies with a site of another account: the same, one below it, or one above it. Refuses one
/// that is an alias of a site, of any account.
fn check_sites(host: &Host, new: &NewSite<'_>) -> Result<(), Problem> {
    let Sites { sites, damaged } = Sites::read(host)?;
    for site in &sites {
        for name in std::iter::once(&site.domain).chain(&site.aliases) {
            if site.username != *new.username {
                shares_cookies(new.domain.as_str(), name.as_str())?;
            }
        }
        refuse_alias(site, new)?;
    }
    // Whose these sites are is not known.
    for name in damaged.iter().filter_map(|path| path.file_stem()?.to_str()) {
        shares_cookies(new.domain.as_str(), name)?;
    }
    Ok(())
}

/// Refuses a domain to which a site answers because of an alias, and one whose `www` is an alias.
fn refuse_alias(site: &Site, new: &NewSite<'_>) -> Result<(), Problem> {
    let (name, www) = (new.domain.to_string(), format!("www.{}", new.domain));
    for alias in site.aliases.iter().map(Domain::as_str) {
        let is_taken = alias == name || (new.has_www && alias == www) || name.strip_prefix("www.") == Some(alias);
        if is_taken {
            return Err(conflict(&format!(
                "“{alias}” is an alias of the site “{}”. Choose another domain, or remove the alias first.",
                site.domain
            )));
        }
    }
    Ok(())
}

/// Refuses `name` if it is `taken`, or one of them is below the other.
fn shares_cookies(name: &str, taken: &str) -> Result<(), Problem> {
    let is_below = |name: &str, above: &str| name.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'));
    if name == taken {
        Err(conflict(&format!("The domain “{name}” belongs to another account.")))
    } else if is_below(name, taken) {
        Err(conflict(&format!("The domain “{name}” is a subdomain of “{taken}”, which belongs to another account.")))
    } else if is_below(taken, name) {
        Err(conflict(&format!(
            "“{taken}”, which belongs to another account, is a subdomain of “{name}”, so the two would share cookies."
        )))
    } else {
        Ok(())
    }
}

/// Refuses names of servers in files that the Agent did not write.
fn check_foreign(host: &Host, new: &NewSite<'_>, names: &[String], deadline: Deadline) -> Result<(), Problem> {
    let configuration = Configuration::read(host);
    for path in &configuration.unreadable {
        warn!("{} cannot be read, so its server names are not known", path.display());
    }
    let register = Register::read(host)?;
    let mut regexes = Vec::new();
    for server in &configuration.servers {
        let owner = owner(server, &register);
        let is_own = owner == Some(new.username.as_str());
        for word in &server.names {
            let Some(known) = ServerName::parse(word) else { continue };
            match &known {
                ServerName::Regex(regex) if !is_own => regexes.push((regex.clone(), server)),
                // Below its own wildcard, an account may have sites of their own.
                ServerName::Exact(_) | ServerName::AtAndBelow(_) => {
                    let is_taken = |name: &&String| match &known {
                        ServerName::AtAndBelow(base) if is_own => base == *name,
                        known => known.covers(name),
                    };
                    refuse_taken(names.iter().find(is_taken), server)?;
                }
                known if !is_own => refuse_taken(names.iter().find(|name| known.covers(name)), server)?,
                _ => {}
            }
            if let (ServerName::Exact(name), Some(_), false) = (&known, owner, is_own) {
                shares_cookies(new.domain.as_str(), name)?;
            }
        }
    }
    let deadline = deadline.sooner(REGEX_TIME);
    for (regex, server) in regexes.iter().take(MAX_REGEXES) {
        refuse_taken(matched(regex, names, deadline), server)?;
    }
    Ok(())
}

fn refuse_taken(name: Option<&String>, server: &Server) -> Result<(), Problem> {
    let Some(name) = name else { return Ok(()) };
    Err(conflict(&format!(
        "“{name}” is a name of the server in {}, line {}, which was not created by the Agent. Choose another domain, or remove \
         the name there.",
        server.file.display(),
        server.line
    )))
}

/// The account in whose home the server's files are.
fn owner<'a>(server: &Server, register: &'a Register) -> Option<&'a str> {
    let user = server.roots.iter().find_map(|root| root.strip_prefix("/home/")?.split('/').next())?;
    register.accounts().iter().map(String::as_str).find(|account| *account == user)
}

/// The name that a regular expression of nginx matches, unless it matches every name: then it is for names that have no
/// server of their own. grep(1) and nginx use the same library. What it cannot read matches nothing.
fn matched<'a>(regex: &str, names: &'a [String], deadline: Deadline) -> Option<&'a String> {
    let input: String = names.iter().map(String::as_str).chain([ANY_NAME]).map(|name| format!("{name}\n")).collect();
    let tool = Tool::named("grep").ok()?.args(["-inPe", regex]).input(input);
    let output = tool.run(deadline).ok()?;
    let numbers: Vec<usize> =
        output.stdout.lines().filter_map(|line| line.split(':').next()?.parse::<usize>().ok()).collect();
    if numbers.contains(&names.len().saturating_add(1)) {
        return None;
    }
    names.get(numbers.first()?.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::soon;

    #[test]
    fn regular_expressions_match_as_in_nginx() {
        let names = ["blog.example.com".to_owned(), "www.blog.example.com".to_owned()];
        let table = [
            (r"^(?<user>.+)\.example\.com$", Some(0)),
            (r"^www\..+\.example\.com$", Some(1)),
            (r"EXAMPLE", Some(0)),
            (r"^(.+)\.(.+)$", None),
            (r".*", None),
            (r"^shop\.", None),
            (r"(", None),
        ];
        for (regex, expected) in table {
            assert_eq!(matched(regex, &names, soon()), expected.map(|index: usize| &names[index]), "{regex}");
        }
    }

    #[test]
    fn domains_above_and_below_share_cookies() {
        let table = [
            ("example.com", "example.com", true),
            ("a.example.com", "example.com", true),
            ("example.com", "a.b.example.com", true),
            ("anexample.com", "example.com", false),
            ("example.org", "example.com", false),
        ];
        for (name, taken, expected) in table {
            assert_eq!(shares_cookies(name, taken).is_err(), expected, "{name} {taken}");
        }
    }
}
