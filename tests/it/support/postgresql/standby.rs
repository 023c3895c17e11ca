//! Standbys: clusters that follow a primary by streaming replication.

use super::cluster::Cluster;
use super::directory::Directory;
use super::programs::{program, run_as_server_user};
use super::{PATIENCE, eventually};

/// The name by which a primary knows its standby.
const NAME: &str = "standby";

impl Cluster {
    /// A new standby of this server, which follows it asynchronously.
    pub fn standby(&self) -> Cluster {
        let directory = Directory::new();
        let data = directory.path().join("data");
        let primary = format!(
            "host={} port={} user=postgres application_name={NAME}",
            self.socket_directory().display(),
            self.port()
        );
        let path = data.display().to_string();
        let backup = program("pg_basebackup");
        let options = ["--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf"];
        run_as_server_user(&[&[&backup, "-d", &primary, "-D", &path], &options[..]].concat());
        let standby = Cluster::start_in(directory, data, &[]);
        let streams = || self.psql("SELECT state FROM pg_stat_replication") == "streaming";
        assert!(eventually(PATIENCE, streams), "the standby does not follow: {}", standby.log());
        standby
    }

    /// The same, and a commit waits until the standby has it on disk.
    pub fn synchronous_standby(&self) -> Cluster {
        let standby = self.standby();
        self.psql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{NAME}'"));
        self.psql("SELECT pg_reload_conf()");
        let is_synchronous = || self.psql("SELECT sync_state FROM pg_stat_replication") == "sync";
        assert!(eventually(PATIENCE, is_synchronous), "{}", self.log());
        standby
    }

    /// Makes a primary of a standby and waits until it takes changes. It waits for no standby of its own, even if it has the
    /// setting of its primary: then its commits would hang.
    pub fn promote(&self) {
        self.psql("ALTER SYSTEM SET synchronous_standby_names = ''");
        self.psql("SELECT pg_reload_conf()");
        assert_eq!(self.psql("SELECT pg_promote(true, 60)"), "t", "{}", self.log());
    }
}
