//! The template databases: created once with the library, kept between runs, and copied for each round, so that every
//! round starts with the same contents.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_license_server::installation::DataDir;
use opterius_license_server::model::{Action, Actor, Details, Role};
use opterius_license_server::store::{Database, Error, Heartbeat, NewLicense, WriteTransaction, clean_end};
use ring::digest::{SHA256, digest};

use crate::contents;
use crate::failure::{During, Failure};

/// Licenses per transaction, and licenses per owner.
const BATCH: u32 = 50_000;
const PER_OWNER: u32 = 20;

/// The maximum age of a template: servers check in daily, and whether a check-in can wait depends on the last.
const MAX_AGE: Duration = Duration::from_secs(3 * 86_400);

/// The files of an installation.
const FILES: [&str; 2] = ["licenses.db", "signing-keys.json"];

/// A database with a number of licenses.
pub(crate) struct Template {
    pub(crate) licenses: u32,
    directory: PathBuf,
}

/// A copy of a template for one round.
pub(crate) struct Copy {
    pub(crate) licenses: u32,
    pub(crate) directory: PathBuf,
}

impl Template {
    /// The template with this number of licenses; recreated unless a complete and recent one with this schema exists.
    pub(crate) fn ready(root: &Path, licenses: u32, fresh: bool) -> Result<Self, Failure> {
        let template = Template { licenses, directory: root.join(licenses.to_string()) };
        let now = SystemClock.wall();
        if fresh || !template.is_usable(now) {
            let _ = fs::remove_dir_all(&template.directory);
            fs::create_dir_all(&template.directory).at("create the directory", &template.directory)?;
            eprintln!(
                "license-server: creating a database with {licenses} licenses in {}",
                template.directory.display()
            );
            template.fill(now).during("create a database")?;
            let marker = template.directory.join("created");
            fs::write(&marker, format!("{}\n{}", now.unix(), fingerprint())).at("write", &marker)?;
        }
        Ok(template)
    }

    /// The template that the benchmark of another version has created in `root`.
    pub(crate) fn of_peer(root: &Path, licenses: u32) -> Result<Self, Failure> {
        let template = Template { licenses, directory: root.join(licenses.to_string()) };
        if template.created().is_some_and(|(created_at, _)| is_recent(created_at, SystemClock.wall())) {
            return Ok(template);
        }
        let directory = template.directory.display();
        Err(Failure::new(format!(
            "{directory}: no recent database. Run this benchmark there first, with --quick --fresh"
        )))
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        self.created().is_some_and(|(created_at, version)| version == fingerprint() && is_recent(created_at, now))
    }

    /// When it was completed, and from which sources.
    fn created(&self) -> Option<(Timestamp, String)> {
        let text = fs::read_to_string(self.directory.join("created")).ok()?;
        let (created_at, version) = text.split_once('\n')?;
        Some((Timestamp::from_unix(created_at.parse().ok()?), version.to_owned()))
    }

    fn fill(&self, now: Timestamp) -> Result<(), Failure> {
        let mut database = DataDir::new(&self.directory).create(now).during("create")?.database;
        for first in (1..=self.licenses).step_by(BATCH as usize) {
            let last = (first + BATCH - 1).min(self.licenses);
            database.change(now, |transaction| insert_licenses(transaction, first..=last)).during("fill")?;
        }
        Ok(())
    }

    /// Copies the template and syncs the copy, so that no writes are pending during the measurement.
    pub(crate) fn copy(&self) -> Result<Copy, Failure> {
        self.clean()?;
        self.copy_to(self.directory.join("copy"), &FILES)
    }

    /// A directory with the keys of the template, for an instance whose database is elsewhere.
    pub(crate) fn instance(&self, name: &str) -> Result<Copy, Failure> {
        let directory = self.directory.join("copy").join(name);
        self.copy_to(directory, &FILES[1..])
    }

    /// The file of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join(FILES[0])
    }

    fn copy_to(&self, directory: PathBuf, files: &[&str]) -> Result<Copy, Failure> {
        fs::create_dir(&directory).at("create the directory", &directory)?;
        for name in files {
            let target = directory.join(name);
            fs::copy(self.directory.join(name), &target).at("copy to", &target)?;
            File::open(&target).and_then(|file| file.sync_all()).at("synchronize", &target)?;
        }
        let copy = Copy { licenses: self.licenses, directory };
        if files.contains(&FILES[0]) {
            copy.leave_clean()?;
        }
        Ok(copy)
    }

    pub(crate) fn clean(&self) -> Result<(), Failure> {
        let directory = self.directory.join("copy");
        if directory.exists() { fs::remove_dir_all(&directory).at("remove", &directory) } else { Ok(()) }
    }

    pub(crate) fn bytes(&self) -> Result<u64, Failure> {
        let database = self.directory.join(FILES[0]);
        Ok(fs::metadata(&database).at("stat", &database)?.len())
    }
}

impl Copy {
    /// Leaves the database as a clean stop of the server does, which then starts at once.
    pub(crate) fn leave_clean(&self) -> Result<(), Failure> {
        let database = self.directory.join(FILES[0]);
        clean_end::remember(&database).at("describe", &database)
    }

    pub(crate) fn open(&self) -> Result<Database, Failure> {
        let database = self.directory.join(FILES[0]);
        Database::open_file(&database).at("open", &database)
    }
}

fn is_recent(created_at: Timestamp, now: Timestamp) -> bool {
    created_at <= now && now.since(created_at) < MAX_AGE
}

/// A hash of the sources that determine the contents.
fn fingerprint() -> String {
    let sources = [
        include_str!("../../crates/license-server/src/store/schema.rs"),
        include_str!("../../crates/license-server/src/store/schema/licenses.sql"),
        include_str!("../../crates/license-server/src/store/schema/servers.sql"),
        include_str!("../../crates/license-server/src/store/schema/tokens.sql"),
        include_str!("../../crates/license-server/src/store/schema/webhooks.sql"),
        include_str!("../../crates/license-server/src/store/schema/users.sql"),
        include_str!("../../crates/license-server/src/store/schema/statistics.sql"),
        include_str!("../../crates/license-server/src/store/schema/deferred_check_ins.sql"),
        include_str!("contents.rs"),
        include_str!("random.rs"),
        include_str!("template.rs"),
    ];
    hex(digest(&SHA256, sources.concat().as_bytes()).as_ref())
}

fn insert_licenses(transaction: &WriteTransaction<'_>, licenses: impl Iterator<Item = u32>) -> Result<(), Error> {
    let mut owner = 0;
    for license in licenses {
        if license % PER_OWNER == 1 {
            owner = transaction.insert_user(&format!("owner-{license}"), "no password", false)?;
        }
        let key = Secret::new(contents::key(license));
        let (plan, servers) = contents::plan(license);
        let id = transaction.insert_license(&NewLicense::plain(&key, owner, plan))?;
        for server in 0..servers {
            activate(transaction, id, license, server)?;
        }
    }
    Ok(())
}

fn activate(transaction: &WriteTransaction<'_>, id: i64, license: u32, server: u32) -> Result<(), Error> {
    let ip = contents::address(license, server);
    let hostname = format!("server-{license}-{server}.example.com");
    let actor = Actor { role: Role::Server, name: ip.to_string() };
    let sequence = transaction.add_event(Some(id), &actor, Action::Activated, &format!("{ip} ({hostname})"))?;
    let details = Details {
        hostname: Some(hostname),
        agent_version: Some("0.1.0".to_owned()),
        panel_version: None,
        os: Some("Linux 6.12.0-amd64".to_owned()),
        server_id: Some(contents::key(license ^ server)),
    };
    // Seen and reported as the load generator does it: the usual check-in says nothing new.
    let observed_ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let heartbeat = Heartbeat { ip, observed_ip, reported_ip: Some(ip), details: &details };
    transaction.put_activation(id, sequence, &heartbeat)
}
