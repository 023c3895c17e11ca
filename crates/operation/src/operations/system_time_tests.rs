use super::*;
use crate::system::timezone::{LOCALTIME, TIMEZONE};
use crate::testing::Tree;
use serde_json::json;
use std::os::unix::fs::symlink;

#[test]
fn the_output_of_timedatectl_is_parsed() {
    let clock = "Timezone=Europe/Berlin\nLocalRTC=no\nCanNTP=yes\nNTP=yes\nNTPSynchronized=yes\n";
    let source = "LinkNTPServers=\nSystemNTPServers=\nFallbackNTPServers=0.debian.pool.ntp.org 1.debian.pool.ntp.org\n\
                           ServerName=0.debian.pool.ntp.org\nNTPMessage={ Leap=0, Version=4, \
                           DestinationTimestamp=Wed 2026-11-25 13:32:16 CET, Ignored=no, PacketCount=2 }\n";
    let expected = json!({
        "ntp_synced": true,
        "ntp_servers": ["0.debian.pool.ntp.org", "1.debian.pool.ntp.org"],
        "ntp_last_sync": "Wed 2026-11-25 13:32:16 CET",
    });
    assert_eq!(Value::Object(synchronization(clock, source)), expected);
    let own = "SystemNTPServers=ntp.example.com\nFallbackNTPServers=0.debian.pool.ntp.org\n";
    assert_eq!(synchronization(clock, own)["ntp_servers"], json!(["ntp.example.com"]));
    assert_eq!(Value::Object(synchronization("", "")), json!({"ntp_synced": false}));
}

#[test]
fn without_systemd_the_zone_comes_from_the_files() {
    let tree = Tree::new();
    let shown = || tree.perform(&SystemTime {}).unwrap();
    assert_eq!(shown()["timezone"], "UTC");
    tree.write(TIMEZONE, "Asia/Tokyo\n");
    assert_eq!(shown()["timezone"], "Asia/Tokyo");
    symlink("../usr/share/zoneinfo/America/Argentina/Salta", tree.host.path(LOCALTIME)).unwrap();
    let answer = shown();
    assert_eq!((&answer["timezone"], &answer["ntp_synced"]), (&json!("America/Argentina/Salta"), &json!(false)));
    assert!(answer["unix_seconds"].as_i64().unwrap() > 1_700_000_000 && answer.as_object().unwrap().len() == 3);
}
