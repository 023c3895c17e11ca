use super::*;
use crate::testing::{Tree, soon};

#[test]
fn what_timedatectl_tells_is_told() {
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
fn without_systemd_the_zone_is_what_the_files_say() {
    let tree = Tree::new();
    let shown = || now(&tree.host, soon()).unwrap();
    assert_eq!(shown()["timezone"], "UTC");
    tree.write(TIMEZONE, "Asia/Tokyo\n");
    assert_eq!(shown()["timezone"], "Asia/Tokyo");
    symlink("../usr/share/zoneinfo/America/Argentina/Salta", tree.host.path(LOCALTIME)).unwrap();
    let answer = shown();
    assert_eq!((&answer["timezone"], &answer["ntp_synced"]), (&json!("America/Argentina/Salta"), &json!(false)));
    assert!(answer["unix_seconds"].as_i64().unwrap() > 1_700_000_000 && answer.as_object().unwrap().len() == 3);
}

/// A tree with a database of its own.
fn with_database() -> Tree {
    let tree = Tree::new();
    tree.directory("/etc");
    for name in ["UTC", "Europe/Berlin", "America/Argentina/Salta", "Etc/GMT+5", "posix/UTC", "right/UTC", "localtime"]
    {
        tree.write(&format!("{DATABASE}/{name}"), "TZif2 and more");
    }
    for name in ["tzdata.zi", "Short", "Zone1970"] {
        tree.write(&format!("{DATABASE}/{name}"), "TZ");
    }
    tree
}

#[test]
fn a_zone_is_set_for_all_who_read_it() {
    let tree = with_database();
    tree.write(LOCALTIME, "a copy, as some images have it");
    symlink("/nowhere", tree.host.path("/etc/localtime.new")).unwrap();
    for zone in ["Europe/Berlin", "America/Argentina/Salta", "Etc/GMT+5", "UTC"] {
        assert_eq!(set_timezone(&tree.host, zone, soon()).unwrap(), json!({"timezone": zone}));
        assert_eq!(fs::read_link(tree.host.path(LOCALTIME)).unwrap(), Path::new(DATABASE).join(zone));
        assert_eq!(fs::read_to_string(tree.host.path(TIMEZONE)).unwrap(), format!("{zone}\n"));
        assert_eq!(timezone(&tree.host), zone);
    }
    assert!(!tree.host.path("/etc/localtime.new").exists());
}

#[test]
fn what_is_not_a_zone_is_refused_and_changes_nothing() {
    let tree = with_database();
    let table = [
        "",
        "Europe",
        "Europe/",
        "/Europe/Berlin",
        "Europe//Berlin",
        "Europe/Nowhere",
        "posix",
        "posix/UTC",
        "right/UTC",
        "localtime",
        "tzdata.zi",
        "Short",
        "Zone1970",
        "Europe/../UTC",
        "../../../etc/passwd",
        "UTC\n",
        "Ütc",
    ];
    for zone in table {
        let problem = set_timezone(&tree.host, zone, soon()).unwrap_err();
        assert_eq!(problem.status(), 422, "{zone}");
    }
    assert!(fs::read_dir(tree.host.path("/etc")).unwrap().next().is_none());
}
