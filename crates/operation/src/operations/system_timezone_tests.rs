use super::*;
use crate::system::timezone::timezone;
use crate::testing::Tree;

/// A tree with its own database.
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
fn a_zone_is_set_in_both_files() {
    let tree = with_database();
    tree.write(LOCALTIME, "a copy, as some images have it");
    symlink("/nowhere", tree.host.path("/etc/localtime.new")).unwrap();
    for zone in ["Europe/Berlin", "America/Argentina/Salta", "Etc/GMT+5", "UTC"] {
        assert_eq!(set(&tree.host, zone).unwrap(), json!({"timezone": zone}));
        assert_eq!(fs::read_link(tree.host.path(LOCALTIME)).unwrap(), Path::new(DATABASE).join(zone));
        assert_eq!(fs::read_to_string(tree.host.path(TIMEZONE)).unwrap(), format!("{zone}\n"));
        assert_eq!(timezone(&tree.host), zone);
    }
    assert!(!tree.host.path("/etc/localtime.new").exists());
}

#[test]
fn invalid_zones_are_refused_and_change_nothing() {
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
        let problem = set(&tree.host, zone).unwrap_err();
        assert_eq!(problem.status(), 422, "{zone}");
    }
    assert!(fs::read_dir(tree.host.path("/etc")).unwrap().next().is_none());
}
