//! The signing keys of several instances: each has a file, and the database names the keys.

use super::instances::Instances;
use crate::support::license_server_process::LicenseServerProcess;
use crate::support::postgresql::Cluster;
use std::fs;

#[test]
fn an_instance_with_old_keys_is_told_so_and_changes_nothing() {
    let cluster = Cluster::start();
    let instances = Instances::on(&cluster);
    let [one, other] = &instances.each;
    let run = |instance: &LicenseServerProcess, words: &[&str]| {
        let output = instance.run(words);
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.success(), text)
    };
    let (is_right, text) = run(other, &["check"]);
    assert!(is_right, "{text}");
    let (is_changed, text) = run(one, &["keys", "rotate"]);
    assert!(is_changed, "{text}");
    let file = other.database.data_dir.keys_path();
    let before = fs::read(&file).unwrap();
    for words in [["check"].as_slice(), &["keys", "rotate"]] {
        let (is_right, text) = run(other, words);
        assert!(!is_right && text.contains("the database names other keys"), "{words:?}: {text}");
    }
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::copy(one.database.data_dir.keys_path(), &file).unwrap();
    let (is_right, text) = run(other, &["check"]);
    assert!(is_right, "{text}");
}
