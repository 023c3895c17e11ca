//! PowerDNS, through its own tool, so that each of its SQL backends works. Its field `account` says which account's a zone is;
//! zones without an owner were made by others.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};

use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::tool::{MAX_OUTPUT, Output, Tool};

/// PowerDNS's configuration directory, by distribution.
const CONFIGURATION: [&str; 2] = ["/etc/powerdns", "/etc/pdns"];

/// The backends that keep the owners of zones and answer queries.
const BACKENDS: [&str; 3] = ["gmysql", "gpgsql", "gsqlite3"];

/// Time limit for telling the running server, which would otherwise notice by itself within minutes.
const NOTICE_TIME: Duration = Duration::from_secs(3);

/// An installed and configured PowerDNS.
pub struct PowerDns {
    config: String,
    is_machine: bool,
}

/// What PowerDNS's database says about a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The account that owns it; empty for a zone without an owner.
    pub account: String,
    /// Whether it has no records, because its creation was interrupted.
    pub is_empty: bool,
}

impl PowerDns {
    /// The PowerDNS of this host.
    ///
    /// # Errors
    /// It is not installed.
    pub fn new(host: &Host) -> Result<Self, Problem> {
        Self::find(host).ok_or_else(|| {
            Problem::Unavailable("PowerDNS is not installed on this server, so it cannot host DNS zones.".to_owned())
        })
    }

    /// The PowerDNS of this host, if it is installed.
    pub fn find(host: &Host) -> Option<Self> {
        let directories = CONFIGURATION.iter().map(|path| host.path(path));
        let found = directories.into_iter().find(|directory| directory.join("pdns.conf").is_file())?;
        Some(Self { config: found.display().to_string(), is_machine: host.is_machine() })
    }

    /// Its tool with this command for a zone.
    ///
    /// # Errors
    /// It is not installed.
    pub fn tool(&self, command: &str, zone: &Domain) -> Result<Tool, Problem> {
        Ok(self.utility()?.args([command, zone.as_str()]))
    }

    fn utility(&self) -> Result<Tool, Problem> {
        Ok(Tool::named("pdnsutil")?.arg(format!("--config-dir={}", self.config)))
    }

    /// Sends a query to the database and returns the rows of its answer. Domains and usernames contain no characters that a
    /// quoted SQL string could not have.
    fn query(&self, query: &str, deadline: Deadline) -> Result<Vec<Vec<String>>, Problem> {
        let rows = self.query_if_configured(query, deadline)?;
        rows.ok_or_else(|| {
            Problem::Unavailable(format!(
                "PowerDNS on this server has none of the databases that keep the owners of zones ({}). Set one of them as \
                 launch in {}/pdns.conf.",
                BACKENDS.join(", "),
                self.config
            ))
        })
    }

    /// Like [`Self::query`]; none if PowerDNS has no database, as directly after its installation.
    fn query_if_configured(&self, query: &str, deadline: Deadline) -> Result<Option<Vec<Vec<String>>>, Problem> {
        for backend in BACKENDS {
            let output = self.utility()?.args(["backend-cmd", backend, query]).run(deadline)?;
            if output.is_success() {
                return Ok(Some(rows(&output.stdout)));
            }
            if !["Unknown backend", "No database backends configured"].iter().any(|text| output.stderr.contains(text)) {
                return Err(unavailable(&output));
            }
        }
        Ok(None)
    }

    /// The zone of this name, if it exists.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn zone(&self, zone: &Domain, deadline: Deadline) -> Result<Option<Zone>, Problem> {
        let query = format!(
            "SELECT COALESCE(d.account,''), (SELECT COUNT(*) FROM records r WHERE r.domain_id=d.id) FROM domains d WHERE \
             d.name='{zone}'"
        );
        let rows = self.query(&query, deadline)?;
        Ok(rows.into_iter().find_map(|row| match row.as_slice() {
            [account, records] => Some(Zone { account: account.clone(), is_empty: records == "0" }),
            _ => None,
        }))
    }

    /// The zones of an account; none without a database.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn zones_of(&self, account: &Username, deadline: Deadline) -> Result<Vec<Domain>, Problem> {
        let query = format!("SELECT name FROM domains WHERE account='{account}'");
        let rows = self.query_if_configured(&query, deadline)?.unwrap_or_default();
        Ok(rows.iter().flatten().filter_map(|name| Domain::parse("domain", name).ok()).collect())
    }

    /// The zones without an owner, each with the content of its SOA record; none without a database.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn unowned(&self, deadline: Deadline) -> Result<Vec<(Domain, String)>, Problem> {
        let query = "SELECT d.name, r.content FROM domains d JOIN records r ON r.domain_id=d.id WHERE r.type='SOA' AND \
                     r.name=d.name AND COALESCE(d.account,'')=''";
        let rows = self.query_if_configured(query, deadline)?.unwrap_or_default().into_iter();
        Ok(rows
            .filter_map(|row| match row.as_slice() {
                [name, soa] => Some((Domain::parse("domain", name).ok()?, soa.clone())),
                _ => None,
            })
            .collect())
    }

    /// Gives a zone to an account.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn set_account(&self, zone: &Domain, account: &Username, deadline: Deadline) -> Result<(), Problem> {
        self.tool("set-account", zone)?.arg(account.as_str()).succeed(deadline).map(drop)
    }

    /// Creates an empty zone of an account, in one step, so that no zone of ours is ever without its owner.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn create(&self, zone: &Domain, account: &Username, deadline: Deadline) -> Result<(), Problem> {
        let query = format!("INSERT INTO domains (name, type, account) VALUES ('{zone}', 'NATIVE', '{account}')");
        self.query(&query, deadline).map(drop)
    }

    /// Fills the zone from the text of a zone file. PowerDNS adds all records in one transaction.
    ///
    /// # Errors
    /// It rejected them.
    pub fn load(&self, zone: &Domain, text: &str, deadline: Deadline) -> Result<(), Problem> {
        // It requires a regular file; a memfd leaves nothing to clean up.
        let file = in_memory(text).map_err(|error| Problem::failed("the zone file", error))?;
        self.tool("load-zone", zone)?.arg("/dev/stdin").descriptor(file).succeed(deadline).map(drop)
    }

    /// Checks the zone and returns warnings.
    ///
    /// # Errors
    /// The zone is invalid.
    pub fn check(&self, zone: &Domain, deadline: Deadline) -> Result<Vec<String>, Problem> {
        let output = self.tool("check-zone", zone)?.run(deadline)?;
        if output.is_success() {
            return Ok(Vec::new());
        }
        // The zone is valid and served, but the parent zone, which is also on this server, does not delegate to it.
        let (delegation, errors): (Vec<&str>, Vec<&str>) = output
            .stdout
            .lines()
            .filter(|line| line.contains("[Error]"))
            .partition(|line| line.contains("No delegation"));
        if delegation.is_empty() || !errors.is_empty() {
            return Err(Problem::Failed(output.complaint()));
        }
        Ok(delegation.iter().map(|line| one_line(line.trim_start_matches("[Error]"), 200)).collect())
    }

    /// The records of the zone, as PowerDNS lists them.
    ///
    /// # Errors
    /// PowerDNS does not work, or the zone is too large.
    pub fn list(&self, zone: &Domain, deadline: Deadline) -> Result<String, Problem> {
        let output = self.tool("list-zone", zone)?.run(deadline)?;
        if !output.is_success() {
            return Err(unavailable(&output));
        }
        if output.stdout.len() >= MAX_OUTPUT {
            return Err(Problem::Conflict(format!(
                "The zone {zone} has too many records. Edit it with: pdnsutil edit-zone {zone}"
            )));
        }
        Ok(output.stdout)
    }

    /// Replaces all records of a type at a name, relative to the zone; without data, deletes them.
    ///
    /// # Errors
    /// PowerDNS rejected them.
    pub fn replace(
        &self,
        zone: &Domain,
        (name, kind): (&str, &str),
        ttl: u32,
        data: &[String],
        deadline: Deadline,
    ) -> Result<(), Problem> {
        let tool = if data.is_empty() {
            self.tool("delete-rrset", zone)?.args([name, kind])
        } else {
            self.tool("replace-rrset", zone)?.args([name, kind, &ttl.to_string()]).args(data)
        };
        tool.succeed(deadline).map(drop)
    }

    /// Raises the serial, by which other name servers notice a change, and updates what DNSSEC derives from the records.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn publish(&self, zone: &Domain, deadline: Deadline) -> Result<(), Problem> {
        self.tool("increase-serial", zone)?.succeed(deadline)?;
        self.tool("rectify-zone", zone)?.succeed(deadline)?;
        self.notice(zone);
        Ok(())
    }

    /// Deletes the zone.
    ///
    /// # Errors
    /// PowerDNS does not work.
    pub fn delete(&self, zone: &Domain, deadline: Deadline) -> Result<(), Problem> {
        self.tool("delete-zone", zone)?.succeed(deadline)?;
        self.rediscover(zone);
        Ok(())
    }

    /// Tells the running server to read the list of zones again, which it otherwise does every five minutes
    /// (`zone-cache-refresh-interval`), and to forget cached answers.
    pub fn rediscover(&self, zone: &Domain) {
        self.control(&["rediscover"]);
        self.notice(zone);
    }

    /// Tells the running server to forget cached answers from the zone.
    fn notice(&self, zone: &Domain) {
        self.control(&["purge", &format!("{zone}$")]);
    }

    /// Sends a command to the running server; without one, there is nothing to tell.
    fn control(&self, command: &[&str]) {
        let is_running = ["/run/pdns/pdns.controlsocket", "/run/powerdns/pdns.controlsocket"]
            .iter()
            .any(|path| Path::new(path).exists());
        if self.is_machine
            && is_running
            && let Ok(tool) = Tool::named("pdns_control")
        {
            let tool = tool.arg(format!("--config-dir={}", self.config)).args(command);
            let _ = tool.run(Deadline::within(NOTICE_TIME));
        }
    }
}

/// The error for a PowerDNS that does not work.
fn unavailable(output: &Output) -> Problem {
    Problem::Unavailable(format!("PowerDNS does not work on this server. {}", output.complaint()))
}

fn in_memory(text: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("zone", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}

/// The rows of a backend's answer: one per line, each value in quotes and followed by a tab.
fn rows(output: &str) -> Vec<Vec<String>> {
    let value = |text: &str| text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).map(str::to_owned);
    output.lines().map(|line| line.split('\t').filter_map(value).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_an_answer_are_read() {
        assert_eq!(rows("'alice'\t'5'\t\n''\t'0'\t\n"), [["alice", "5"], ["", "0"]]);
        assert_eq!(rows("'it's'\t\nno row\n'\n"), [vec!["it's".to_owned()], vec![], vec![]]);
        assert!(rows("").is_empty());
    }
}
