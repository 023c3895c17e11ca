use super::*;
use crate::testing::{Tree, user};

fn measured(tree: &Tree, username: &str, domains: &[&str]) -> Result<Value, Problem> {
    let request =
        AccountStats { username: user(username), domains: domains.iter().map(|domain| (*domain).to_owned()).collect() };
    tree.perform(&request).map(|answer| answer["stats"].clone())
}

/// An access log line with the current time.
fn line(bytes: u64) -> String {
    let now = SystemClock.wall().to_string();
    let (date, time) = now.trim_end_matches('Z').split_once('T').unwrap();
    let (year, month, day) = (&date[..4], &date[5..7], &date[8..]);
    let month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        [month.parse::<usize>().unwrap() - 1];
    format!("::1 - - [{day}/{month}/{year}:{time} +0000] \"GET / HTTP/1.1\" 200 {bytes} \"-\" \"-\"\n")
}

#[test]
fn only_the_accounts_own_domains_are_measured() {
    let tree = Tree::new();
    tree.account(&["example.com"]);
    tree.publish("other.com", "bob");
    tree.write("/home/alice/file", vec![b'x'; 3 << 20]);
    for database in ["alice_shop", "alice_my@002dblog", "alice_not_registered", "bob_shop"] {
        tree.write(&format!("/var/lib/mysql/{database}/data.ibd"), vec![b'x'; 1 << 20]);
    }
    let record = json!({"mariadb": {"databases": ["alice_shop", "alice_my-blog", "alice_gone"]}});
    tree.write("/var/lib/opterius/databases/alice.json", record.to_string());
    for domain in ["example.com", "other.com", "unknown.com"] {
        tree.write(&format!("/var/log/opterius/sites/{domain}/access.log"), line(5 << 20).repeat(2));
        tree.write(&format!("/var/mail/vdomains/{domain}/info/new/1"), vec![b'x'; 2 << 20]);
    }
    let domains = ["example.com", "example.com", "EXAMPLE.com", "other.com", "unknown.com", "h_i.example.com", ""];
    let stats = measured(&tree, "alice", &domains).unwrap();
    // Directories use some space too.
    let near = |number: &Value, expected: f64| (expected..expected + 0.2).contains(&number.as_f64().unwrap());
    let disk = &stats["disk_usage"];
    assert!(near(&disk["home_mb"], 3.0) && near(&disk["email_mb"], 2.0) && near(&disk["total_mb"], 5.0), "{stats}");
    assert!(near(&stats["database_size_mb"], 2.0) && stats["inode_count"] == 2, "{stats}");
    let nothing = json!({"request_count": 0, "bytes_mb": 0.0});
    let expected = json!({
        "total_mb": 10.0,
        "domains": {
            "example.com": {"request_count": 2, "bytes_mb": 10.0}, "EXAMPLE.com": {"request_count": 2, "bytes_mb": 10.0},
            "other.com": nothing, "unknown.com": nothing, "h_i.example.com": nothing, "": nothing,
        },
    });
    assert_eq!(stats["bandwidth"], expected);
}

#[test]
fn an_empty_account_has_zeros_and_an_empty_object() {
    let tree = Tree::new();
    tree.account(&[]);
    let expected = json!({
        "disk_usage": {"total_mb": 0.0, "home_mb": 0.0, "email_mb": 0.0},
        "bandwidth": {"total_mb": 0.0, "domains": {}},
        "database_size_mb": 0.0,
        "inode_count": 0,
    });
    assert_eq!(measured(&tree, "alice", &[]).unwrap(), expected);
}

#[test]
fn users_that_are_not_accounts_are_not_measured() {
    let tree = Tree::new();
    tree.account(&[]);
    tree.write("/home/bob/file", "x");
    for name in ["bob", "nobody"] {
        assert!(matches!(measured(&tree, name, &[]), Err(Problem::NotFound(_))), "{name}");
    }
}
