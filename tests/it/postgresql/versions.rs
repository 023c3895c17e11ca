//! An upgrade of several instances: one version beside the next one.

use super::instances::{Instances, ask, verification};
use crate::support::postgresql::Cluster;

/// What an upgrade does first: it only adds.
const EXPAND: &str = "BEGIN; ALTER TABLE activations ADD COLUMN place TEXT COLLATE \"C\"; CREATE TABLE places (name TEXT); \
                      UPDATE settings SET value = (value::int + 1)::text WHERE name = 'schema_version'; COMMIT";

#[test]
fn an_instance_goes_on_and_starts_with_tables_one_version_newer() {
    let cluster = Cluster::start();
    let mut instances = Instances::on(&cluster);
    let license = instances.database().license("datacenter");
    let verify = |instances: &Instances, number: usize| {
        for (instance, port) in (0..).zip(instances.ports()) {
            let request = verification(&license, &format!("203.0.113.{}", number * 2 + instance));
            let answers = [(); 2].map(|()| ask(port, &request).unwrap());
            answers.iter().for_each(|answer| assert_eq!(answer.status, 200, "{}", answer.text()));
        }
    };
    verify(&instances, 0);
    cluster.psql(EXPAND);
    verify(&instances, 0);
    verify(&instances, 1);
    instances.each[1].restart();
    verify(&instances, 2);
    let check = instances.each[1].run(&["license", "list"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stderr));

    // Two versions newer is too much for a start.
    cluster.psql("UPDATE settings SET value = (value::int + 1)::text WHERE name = 'schema_version'");
    verify(&instances, 3);
    let (_, output) = instances.each[0].try_restart().unwrap_err();
    assert!(output.contains("was written by a newer version of this program"), "{output}");
    assert_eq!(cluster.psql("SELECT count(*) FROM activations"), "8");
}
