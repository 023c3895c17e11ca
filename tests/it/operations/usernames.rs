//! Usernames that an account cannot get: those of services that come later, of a directory service, of old rules of sudo, and
//! of accounts that exist.

use super::{hosting, state};
use crate::support::machine::{attempt, on_a_machine, run};
use crate::support::panel::{Panel, further_site, site};
use serde_json::json;
use std::fs;

#[test]
fn names_of_services_cannot_be_accounts() {
    let panel = Panel::on_a_tree(0);
    panel.created("bob", "bob.example");
    let before = state(&panel);
    for name in [
        "docker",
        "lxd",
        "incus",
        "incus-admin",
        "libvirt",
        "libvirt-qemu",
        "kvm",
        "bind",
        "named",
        "caddy",
        "www-data",
        "backup",
        "sudo",
        "wheel",
        "adm",
        "disk",
        "video",
        "render",
        "input",
        "tty",
        "staff",
        "users",
        "systemd-resolve",
        "_chrony",
        "_x",
        "opterius",
        "opterius-sftp",
        "postgres",
        "git",
        "debian-tor",
        "postmaster",
        "ssl-cert",
        "prometheus",
        "node_exporter",
    ] {
        let answer = panel.create(name, "new.example");
        answer.refuses(422, "validation_failed");
        assert_eq!(answer.body["field"], "username", "{answer:?}");
    }
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}

#[test]
fn a_name_with_an_old_privilege_cannot_be_an_account() {
    let panel = Panel::on_a_tree(0);
    panel.created("bob", "bob.example");
    let write = |path: &str, text: &str| {
        let path = panel.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("/etc/sudoers", "root ALL=(ALL) ALL\n@includedir /etc/sudoers.d\n");
    write("/etc/sudoers.d/90-old", "# erin ALL=ALL\ndave ALL=(ALL) NOPASSWD: ALL\n%frank ALL=(ALL) ALL\n");
    write("/etc/doas.conf", "permit nopass gina as root\n");
    let group = panel.read("/etc/group");
    write("/etc/group", &format!("{group}sudo:x:27:carol\n"));
    for (name, file) in [("carol", "“sudo”"), ("dave", "90-old"), ("frank", "90-old"), ("gina", "doas.conf")] {
        let answer = panel.create(name, "new.example");
        answer.refuses(409, "conflict");
        assert!(answer.body["error"].as_str().unwrap().contains(file), "{answer:?}");
    }
    panel.created("erin", "erin.example");
    assert_eq!(panel.usernames(), ["bob", "erin"]);
}

/// Users and groups of nss-systemd, which stand for those of a directory service such as LDAP.
#[test]
fn names_and_numbers_of_a_directory_service_are_taken() {
    on_a_machine(names_and_numbers_of_a_directory_service_are_taken, || {
        let panel = hosting(0);
        panel.created("bob", "bob.example");
        let next: u32 = run("id -u bob").trim().parse::<u32>().unwrap() + 1;
        run(&format!(
            "mkdir -p /run/userdb && cd /run/userdb
             for n in $(seq {next} $(({next} + 40))); do
                 printf '{{\"userName\":\"ldap%s\",\"uid\":%s,\"gid\":%s,\"homeDirectory\":\"/h\",\"shell\":\"/bin/sh\"}}' $n $n $n >ldap$n.user
                 ln -s ldap$n.user $n.user
             done
             printf '{{\"groupName\":\"carol\",\"gid\":54321}}' >carol.group; ln -s carol.group 54321.group
             printf '{{\"userName\":\"dave\",\"uid\":54322,\"gid\":54322,\"homeDirectory\":\"/h\",\"shell\":\"/bin/sh\"}}' >dave.user
             ln -s dave.user 54322.user; getent passwd ldap{next} && getent group carol && getent passwd dave"
        ));
        for name in ["carol", "dave"] {
            panel.create(name, "new.example").refuses(409, "conflict");
        }
        panel.created("alice", "alice.example");
        let uid: u32 = run("id -u alice").trim().parse().unwrap();
        assert!(uid > next + 40 && uid < 60_000, "{uid}");
        assert_eq!(run("id -g alice"), run("id -u alice"));

        // A number that owns files is not given to an account either.
        run(&format!("mkdir -p /srv/old && chown {0}:{0} /srv/old", uid + 1));
        panel.created("erin", "erin.example");
        assert_ne!(run("id -u erin").trim(), (uid + 1).to_string());

        // A user with the last number does not use up all.
        run("useradd -u 59999 -M last");
        panel.created("frank", "frank.example");
        assert!(run("id -u frank").trim().parse::<u32>().unwrap() < 59_999);

        // A directory service that does not answer is not one without users.
        run(
            "mv /usr/bin/getent /usr/bin/getent.aside; printf '#!/bin/sh\\nexit 3\\n' >/usr/bin/getent; chmod +x /usr/bin/getent",
        );
        panel.create("gina", "gina.example").refuses(503, "operations_unavailable");
        panel.suspend("bob").ok();
        run("mv /usr/bin/getent.aside /usr/bin/getent");
        assert!(!attempt("id gina").0);
        panel.created("gina", "gina.example");
    });
}

/// The Panel has deleted an account while the Agent could not be reached, and its name is given to the next customer.
#[test]
fn an_account_that_outlived_its_deletion_is_not_handed_on() {
    let panel = Panel::on_a_tree(0);
    panel.created("bob", "bob.example");
    panel.created("alice", "alice.example");
    fs::write(panel.path("/home/alice/alice.example/public_html/secret"), "of the first customer").unwrap();
    let again = panel.created("alice", "alice.example");
    assert_eq!(again["account_created"], false);
    let before = state(&panel);

    let mut elsewhere = site("alice", "alice.example");
    elsewhere["document_root"] = json!("/home/alice/public_html");
    for body in [site("alice", "other.example"), site("alice", "blog.alice.example"), elsewhere] {
        let answer = panel.post("/domains/create", &body);
        answer.refuses(409, "conflict");
        assert!(answer.body["error"].as_str().unwrap().contains("already exists"), "{answer:?}");
    }
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);

    // A day later, the same request is no repeat.
    let record = panel.path("/var/lib/opterius/accounts/alice.json");
    let mut account: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    account["created_at"] = json!("2026-05-01T12:00:00Z");
    fs::write(&record, account.to_string()).unwrap();
    panel.create("alice", "alice.example").refuses(409, "conflict");
    // What an earlier version of the Agent has written does not say which request created the account.
    account["created_at"] = serde_json::Value::Null;
    account.as_object_mut().unwrap().remove("creation");
    fs::write(&record, account.to_string()).unwrap();
    panel.create("alice", "alice.example").refuses(409, "conflict");

    // Everything else works, and after the deletion, the name is free.
    panel.post("/domains/create", &further_site("alice", "blog.alice.example", "alice.example")).ok();
    panel.created("bob", "bob.example");
    panel.delete("alice").ok();
    assert_eq!(panel.created("alice", "other.example")["account_created"], true);
}

#[test]
fn a_domain_is_no_longer_than_files_can_bear() {
    let panel = Panel::on_a_tree(0);
    // For nginx's table of long names.
    fs::create_dir_all(panel.path("/etc/nginx/conf.d")).unwrap();
    let domain = |length: usize| {
        let labels = format!("{0}.{0}.{0}.", "a".repeat(60));
        format!("{labels}{}.example", "b".repeat(length - labels.len() - ".example".len()))
    };
    for length in [241, 250, 253] {
        let answer = panel.create("alice", &domain(length));
        answer.refuses(422, "validation_failed");
        assert!(
            answer.body["field"] == "domain" && answer.body["error"].as_str().unwrap().contains("240"),
            "{answer:?}"
        );
    }
    let longest = domain(240);
    panel.created("alice", &longest);
    panel.created("bob", "bob.example");
    panel.suspend("alice").ok();
    panel.unsuspend("alice").ok();
    panel.post("/domains/delete", &json!({"domain": longest, "username": "alice"})).ok();
    panel.delete("alice").ok();
    assert_eq!(panel.usernames(), ["bob"]);
}
