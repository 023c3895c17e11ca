//! A database of so many licenses: made once by the library itself, kept between runs, and copied for each round, so
//! that every round begins with the same one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_license_server::installation::DataDir;
use opterius_license_server::model::{Action, Actor, Details, Role};
use opterius_license_server::store::{Database, Error, Heartbeat, NewLicense, WriteTransaction};
use ring::digest::{SHA256, digest};

use crate::contents;
use crate::failure::{During, Failure};

/// Licenses that are made in one transaction, and that one user owns.
const STRIDE: u32 = 50_000;
const OWNED: u32 = 20;

/// After seven days without a sign servers would count as inactive, and nothing could be refreshed any more.
const FRESH: Duration = Duration::from_secs(5 * 86_400);

/// The files of an installation.
const FILES: [&str; 2] = ["licenses.db", "signing-keys.json"];

pub(crate) struct Template {
    pub(crate) licenses: u32,
    directory: PathBuf,
}

/// A copy of one's own to serve.
pub(crate) struct Copy {
    pub(crate) licenses: u32,
    pub(crate) directory: PathBuf,
}

impl Template {
    /// The database with so many licenses, made unless it is there, whole, of this schema, and young enough.
    pub(crate) fn ready(root: &Path, licenses: u32, fresh: bool) -> Result<Self, Failure> {
        let made = Template { licenses, directory: root.join(licenses.to_string()) };
        let now = SystemClock.wall();
        if fresh || !made.is_usable(now) {
            let _ = fs::remove_dir_all(&made.directory);
            fs::create_dir_all(&made.directory).at("create the directory", &made.directory)?;
            eprintln!("license-server: making a database with {licenses} licenses in {}", made.directory.display());
            made.make(now).during("make a database")?;
            let mark = made.directory.join("made");
            fs::write(&mark, format!("{}\n{}", now.unix(), fingerprint())).at("write", &mark)?;
        }
        Ok(made)
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        let text = fs::read_to_string(self.directory.join("made")).unwrap_or_default();
        let Some((made_at, made_by)) = text.split_once('\n') else { return false };
        let made_at = made_at.parse().map_or(Timestamp::from_unix(0), Timestamp::from_unix);
        made_by == fingerprint() && made_at <= now && now.since(made_at) < FRESH
    }

    fn make(&self, now: Timestamp) -> Result<(), Failure> {
        let mut database = DataDir::new(&self.directory).create(now).during("create")?.database;
        for first in (1..=self.licenses).step_by(STRIDE as usize) {
            let last = (first + STRIDE - 1).min(self.licenses);
            database.change(now, |changes| fill(changes, first..=last)).during("fill")?;
        }
        Ok(())
    }

    /// Copies it, and waits until the disk has it, so that nothing is left to be written while something is measured.
    pub(crate) fn copy(&self) -> Result<Copy, Failure> {
        self.clean()?;
        let directory = self.directory.join("copy");
        fs::create_dir(&directory).at("create the directory", &directory)?;
        for name in FILES {
            let target = directory.join(name);
            fs::copy(self.directory.join(name), &target).at("copy to", &target)?;
            File::open(&target).and_then(|file| file.sync_all()).at("synchronize", &target)?;
        }
        Ok(Copy { licenses: self.licenses, directory })
    }

    pub(crate) fn clean(&self) -> Result<(), Failure> {
        let directory = self.directory.join("copy");
        if directory.exists() { fs::remove_dir_all(&directory).at("remove", &directory) } else { Ok(()) }
    }

    pub(crate) fn bytes(&self) -> Result<u64, Failure> {
        let database = self.directory.join(FILES[0]);
        Ok(fs::metadata(&database).at("look at", &database)?.len())
    }
}

impl Copy {
    pub(crate) fn open(&self) -> Result<Database, Failure> {
        let database = self.directory.join(FILES[0]);
        Database::open(&database).at("open", &database)
    }
}

/// Of what decides the contents.
fn fingerprint() -> String {
    let sources = [
        include_str!("../../crates/license-server/src/store/schema.rs"),
        include_str!("contents.rs"),
        include_str!("random.rs"),
        include_str!("template.rs"),
    ];
    hex(digest(&SHA256, sources.concat().as_bytes()).as_ref())
}

fn fill(changes: &WriteTransaction<'_>, licenses: impl Iterator<Item = u32>) -> Result<(), Error> {
    let mut owner = 0;
    for license in licenses {
        if license % OWNED == 1 {
            owner = changes.insert_user(&format!("owner-{license}"), "nobody signs in", false)?;
        }
        let key = Secret::new(contents::key(license));
        let (plan, servers) = contents::plan(license);
        let id = changes.insert_license(&NewLicense { key: &key, owner, plan, expires_at: None, locked_ip: None })?;
        for server in 0..servers {
            activate(changes, id, license, server)?;
        }
    }
    Ok(())
}

fn activate(changes: &WriteTransaction<'_>, id: i64, license: u32, server: u32) -> Result<(), Error> {
    let ip = contents::address(license, server);
    let hostname = format!("server-{license}-{server}.example.com");
    let actor = Actor { role: Role::Server, name: ip.to_string() };
    let sequence = changes.add_event(Some(id), &actor, Action::Activated, &format!("{ip} ({hostname})"))?;
    let details = Details {
        hostname: Some(hostname),
        agent_version: Some("0.1.0".to_owned()),
        panel_version: None,
        os: Some("Linux 6.12.0-amd64".to_owned()),
        server_id: Some(contents::key(license ^ server)),
    };
    changes.put_activation(id, sequence, &Heartbeat { ip, observed_ip: ip, reported_ip: Some(ip), details: &details })
}
