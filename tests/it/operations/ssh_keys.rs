//! SSH keys, with a real sshd and its real clients; and tenants who put traps into `~/.ssh`.

use super::ssh::{start_sshd, toggle};
use super::tampering::{Fault, Tampered};
use super::{HOST, hosting, is_there};
use crate::support::machine::{attempt, on_a_machine, run, run_as, shell_as};
use crate::support::panel::{Answer, Panel};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const FILE: &str = "/home/alice/.ssh/authorized_keys";

const OPTIONS: &str = "-o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
                       -o LogLevel=ERROR -o ConnectTimeout=10";

fn generate(panel: &Panel, kind: &str) -> Answer {
    panel.post("/ssh/generate-key", &json!({"username": "alice", "key_type": kind, "comment": "-f me ä"}))
}

fn import(panel: &Panel, public_key: &str, private_key: &str) -> Answer {
    let body = json!({"username": "alice", "public_key": public_key, "private_key": private_key});
    panel.post("/ssh/import-key", &body)
}

fn delete(panel: &Panel, fingerprint: &str) -> Answer {
    panel.post("/ssh/delete-key", &json!({"username": "alice", "fingerprint": fingerprint}))
}

fn listed(panel: &Panel) -> Vec<Value> {
    let body = panel.post("/ssh/list-keys", &json!({"username": "alice"})).ok();
    body["keys"].as_array().unwrap().clone()
}

fn fingerprints(panel: &Panel) -> Vec<String> {
    listed(panel).iter().map(|key| key["fingerprint"].as_str().unwrap().to_owned()).collect()
}

/// The fingerprints that ssh-keygen finds in the file.
fn found_by_openssh() -> Vec<String> {
    let printed = run(&format!("test ! -s {FILE} || ssh-keygen -lf {FILE}"));
    printed.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
}

/// Makes a key with these options, and returns both parts.
fn made(options: &str) -> (String, String) {
    run(&format!("rm -f /run/made /run/made.pub; ssh-keygen -q -f /run/made -C 'of the test' {options}"));
    (fs::read_to_string("/run/made.pub").unwrap(), fs::read_to_string("/run/made").unwrap())
}

/// Whether the private key lets its owner in as Alice.
fn logs_in(private_key: &str) -> bool {
    run("rm -f /run/login; install -m 600 /dev/null /run/login");
    fs::write("/run/login", private_key).unwrap();
    let (succeeded, printed) = attempt(&format!("timeout 30 ssh -i /run/login {OPTIONS} alice@127.0.0.1 id -un"));
    succeeded && printed.trim() == "alice"
}

fn with_both() -> Panel {
    let panel = hosting(5);
    start_sshd();
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    run_as(
        "bob",
        "mkdir -m 700 ~/.ssh; echo 'of bob' >~/.ssh/authorized_keys; echo secret >~/.ssh/id_rsa; chmod 600 ~/.ssh/*",
    );
    toggle(&panel, "alice", true);
    panel
}

/// Everything but Alice's home.
fn of_others() -> Snapshot {
    Snapshot::of(Path::new("/"), &HOST)
}

#[test]
fn keys_that_are_made_or_imported_log_in_until_they_are_deleted() {
    on_a_machine(keys_that_are_made_or_imported_log_in_until_they_are_deleted, || {
        let panel = with_both();
        let before = of_others();
        assert_eq!(listed(&panel), [Value::Null; 0]);
        let mut keys: Vec<(String, String)> = Vec::new();
        for (kind, name) in [("ed25519", "ssh-ed25519"), ("rsa", "ssh-rsa")] {
            let answer = generate(&panel, kind).ok();
            assert_eq!(answer["warnings"], json!([]), "{answer}");
            let private_key = answer["private_key"].as_str().unwrap().to_owned();
            assert!(private_key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
            let last = listed(&panel).pop().unwrap();
            assert_eq!(last, json!({"type": name, "comment": "-f me ä", "fingerprint": answer["fingerprint"]}));
            keys.push((last["fingerprint"].as_str().unwrap().to_owned(), private_key));
        }
        assert!(run(&format!("ssh-keygen -lf {FILE}")).contains("4096 "));
        for options in ["-t ed25519 -N ''", "-t rsa -b 3072 -N ''", "-t ecdsa -b 256 -N ''", "-t ecdsa -b 521 -N ''"] {
            let (public_key, private_key) = made(options);
            let answer = import(&panel, &public_key, "").ok();
            assert_eq!((&answer["added"], &answer["warnings"]), (&json!(true), &json!([])), "{answer}");
            assert_eq!(import(&panel, public_key.trim(), "").ok()["added"], false);
            keys.push((answer["fingerprint"].as_str().unwrap().to_owned(), private_key));
        }
        let all: Vec<&str> = keys.iter().map(|(fingerprint, _)| fingerprint.as_str()).collect();
        assert_eq!(fingerprints(&panel), all);
        assert_eq!(found_by_openssh(), all);
        assert!(keys.iter().all(|(_, private_key)| logs_in(private_key)));
        let modes = run(&format!("stat -c '%a %U:%G' /home/alice/.ssh {FILE}; ls -A /home/alice/.ssh"));
        assert_eq!(modes, "700 alice:alice\n600 alice:alice\nauthorized_keys\n");

        // A suspended account keeps its keys, and they let nobody in.
        panel.suspend("alice").ok();
        assert!(!logs_in(&keys[0].1));
        let (public_key, private_key) = made("-t ed25519 -N ''");
        import(&panel, &public_key, "").ok();
        assert!(!logs_in(&private_key));
        panel.unsuspend("alice").ok();
        assert!(logs_in(&private_key) && logs_in(&keys[0].1));

        for (number, (fingerprint, private_key)) in keys.iter().enumerate() {
            delete(&panel, fingerprint).ok();
            delete(&panel, fingerprint).refuses(404, "not_found");
            assert!(!logs_in(private_key));
            assert_eq!(fingerprints(&panel).len(), keys.len() - number);
        }
        assert!(logs_in(&private_key));
        // Nothing of a private key is kept, and nobody else's files changed.
        assert_eq!(before.differences(&of_others(), &["/home/alice", "/etc", "/var"]), [""; 0]);
        let part = &keys[0].1.lines().nth(2).unwrap()[..40];
        let places = "/run /var/lib/opterius /var/log /home";
        assert_eq!(run(&format!("grep -rlsF -D skip '{part}' {places} | grep -v ^/run/login; true")), "");
        assert!(!panel.agent.lines().iter().any(|line| line.contains("PRIVATE") || line.contains(part)));
        assert_eq!(run("ls -d /run/opterius-key-* 2>/dev/null; true"), "");
    });
}

#[test]
fn a_private_key_is_written_once_and_only_with_its_own_public_key() {
    on_a_machine(a_private_key_is_written_once_and_only_with_its_own_public_key, || {
        let panel = with_both();
        for (options, name) in [
            ("-t ed25519 -N ''", "id_ed25519"),
            ("-t rsa -b 2048 -m PEM -N ''", "id_rsa"),
            ("-t ecdsa -N 'a passphrase'", "id_ecdsa"),
        ] {
            let (public_key, private_key) = made(options);
            for _ in 0..2 {
                import(&panel, &public_key, &private_key.replace('\n', "\r\n")).ok();
            }
            let path = format!("/home/alice/.ssh/{name}");
            assert_eq!(fs::read_to_string(&path).unwrap(), private_key);
            assert_eq!(run(&format!("stat -c '%a %U' {path}")), "600 alice\n");
            let (other_public, other_private) = made(options);
            import(&panel, &other_public, &private_key).refuses(422, "validation_failed");
            let before = fs::read(FILE).unwrap();
            import(&panel, &other_public, &other_private).refuses(409, "conflict");
            assert_eq!(fs::read(FILE).unwrap(), before);
            assert_eq!(fs::read_to_string(&path).unwrap(), private_key);
        }
        let (public_key, private_key) = made("-t ed25519 -N ''");
        let (_, old) = made("-t rsa -b 2048 -m PEM -N 'a passphrase'");
        for wrong in
            [&private_key.replace("AAAA", "AAAB"), &old, "-----BEGIN X PRIVATE KEY-----\n-----END X PRIVATE KEY-----"]
        {
            let answer = import(&panel, &public_key, wrong);
            assert!(answer.is(422, "validation_failed") && answer.body["field"] == "private_key", "{answer:?}");
        }
        for (weak, cause) in
            [(made("-t rsa -b 1024 -N ''").0, "1024 bits"), (public_key.replace("AAAAI", "AAAAJ"), "damaged")]
        {
            let answer = import(&panel, &weak, "");
            assert!(
                answer.is(422, "validation_failed") && answer.body["message"].as_str().unwrap().contains(cause),
                "{answer:?}"
            );
        }
    });
}

#[test]
fn lines_of_a_tenant_stay_in_authorized_keys() {
    on_a_machine(lines_of_a_tenant_stay_in_authorized_keys, || {
        let panel = with_both();
        let (first, private_key) = made("-t ed25519 -N ''");
        let first = first.trim();
        let own = [
            format!("# of the tenant\r\n\r\nno-pty,command=\"echo forced\" {first}\r\n").as_bytes(),
            b"\xff\xfe\0 garbage\nssh-rsa AAAA broken\n",
            format!("environment=\"A= \\\" ssh-rsa\" {first} a second time").as_bytes(),
        ]
        .concat();
        let write = || {
            fs::write("/run/own", &own).unwrap();
            run_as("alice", &format!("mkdir -p ~/.ssh; cat /run/own >{FILE}; chmod 644 {FILE}; chmod 750 ~/.ssh"));
        };
        run("chmod 755 /run");
        write();
        let fingerprint = fingerprints(&panel).remove(0);
        assert_eq!(fingerprints(&panel), [fingerprint.clone(), fingerprint.clone()]);
        let answer = import(&panel, first, "").ok();
        assert!(answer["added"] == false && answer["warnings"].to_string().contains("options"), "{answer}");
        assert_eq!(fs::read(FILE).unwrap(), own);
        let added = generate(&panel, "ed25519").ok();
        assert!(fs::read(FILE).unwrap().starts_with(&[&own[..], b"\nssh-ed25519 "].concat()));
        assert!(logs_in(added["private_key"].as_str().unwrap()) && !logs_in(&private_key));
        delete(&panel, added["fingerprint"].as_str().unwrap()).ok();
        assert_eq!(fs::read(FILE).unwrap(), [&own[..], b"\n"].concat());
        delete(&panel, &fingerprint).ok();
        assert_eq!(fs::read(FILE).unwrap(), b"# of the tenant\r\n\r\n\xff\xfe\0 garbage\nssh-rsa AAAA broken\n");
        // A line that ends at a zero byte for sshd, and the other file that it reads.
        let (second, second_key) = made("-t ed25519 -N ''");
        run_as("alice", &format!("printf '%s\\0junk\\n' '{first}' >{FILE}; echo '{}' >{FILE}2", second.trim()));
        assert!(logs_in(&private_key) && logs_in(&second_key));
        let both = fingerprints(&panel);
        assert_eq!((both.len(), &both[0]), (2, &fingerprint));
        both.iter().for_each(|each| drop(delete(&panel, each).ok()));
        assert!(!logs_in(&private_key) && !logs_in(&second_key));
        assert_eq!(fingerprints(&panel), [""; 0]);
        delete(&panel, &fingerprint).refuses(404, "not_found");
        // A program of the tenant's that holds the file.
        let hold = "import fcntl, time; file = open('.ssh/authorized_keys'); \
                    fcntl.fcntl(file, fcntl.F_SETSIG, 0); fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK); \
                    __import__('signal').signal(29, 1); open('held', 'w'); time.sleep(100)";
        let mut holding = shell_as("alice", &format!("cd; exec python3 -c \"{hold}\"")).spawn().unwrap();
        assert!(eventually(SOON, || is_there("/home/alice/held")));
        let answer = panel.post("/ssh/list-keys", &json!({"username": "alice"}));
        holding.kill().unwrap();
        holding.wait().unwrap();
        answer.refuses(409, "conflict");
        assert!(
            answer.body["error"].as_str().unwrap().contains("holds /home/alice/.ssh/authorized_keys"),
            "{answer:?}"
        );
        // An administrator's settings that make keys useless are named.
        run("echo 'AuthorizedKeysFile /etc/keys/%u' >/etc/ssh/sshd_config.d/10-mine.conf");
        let answer = import(&panel, first, "").ok();
        assert!(answer["warnings"].to_string().contains("AuthorizedKeysFile /etc/keys/"), "{answer}");
    });
}

#[test]
fn traps_in_the_directory_of_keys_change_nothing_else() {
    on_a_machine(traps_in_the_directory_of_keys_change_nothing_else, || {
        let panel = with_both();
        run("rm -rf /etc/keys-of-root; mkdir -m 700 /etc/keys-of-root; echo root >/etc/keys-of-root/authorized_keys");
        let (public_key, private_key) = made("-t ed25519 -N ''");
        let before = of_others();
        let traps = [
            "ln -s /etc/keys-of-root .ssh",
            "ln -s /home/bob/.ssh .ssh",
            "ln -s /etc .ssh",
            "ln -s nowhere .ssh",
            "mkfifo .ssh",
            "touch .ssh",
            "mkdir -m 0 .ssh",
            "mkdir -m 777 .ssh",
            "mkdir -m 700 .ssh; ln -s /etc/keys-of-root/authorized_keys .ssh/authorized_keys",
            "mkdir -m 700 .ssh; ln -s /etc/passwd .ssh/authorized_keys",
            "mkdir -m 700 .ssh; ln -s /home/bob/.ssh/id_rsa .ssh/id_ed25519",
            "mkdir -m 700 .ssh; mkfifo .ssh/authorized_keys .ssh/id_ed25519",
            "mkdir -m 700 .ssh; mkdir .ssh/authorized_keys",
            "mkdir -m 700 .ssh; mkdir .ssh/.opterius-new",
            "mkdir -m 700 .ssh; ln -s /etc/passwd .ssh/.opterius-new",
            "mkdir -m 700 .ssh; mkfifo .ssh/.opterius-new",
            "mkdir -m 700 .ssh; truncate -s 5G .ssh/authorized_keys",
            "mkdir -m 700 .ssh; yes | head -c 1048570 >.ssh/authorized_keys",
            "mkdir -m 700 .ssh; ln -s /dev/zero .ssh/authorized_keys",
            "mkdir -m 700 .ssh; touch .ssh/authorized_keys; chmod 0 .ssh/authorized_keys; chmod 500 .ssh",
        ];
        let fingerprint = format!("SHA256:{}", "a".repeat(43));
        for trap in traps {
            run("rm -rf /home/alice/.ssh");
            run_as("alice", &format!("cd /home/alice && {trap}"));
            let started = Instant::now();
            let answers = [
                panel.post("/ssh/list-keys", &json!({"username": "alice"})),
                import(&panel, &public_key, &private_key),
                generate(&panel, "ed25519"),
                delete(&panel, &fingerprint),
            ];
            assert!(started.elapsed() < Duration::from_secs(10), "{trap}: {:?}", started.elapsed());
            assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 404 | 409)), "{trap}: {answers:?}");
            assert!(!answers.iter().any(|answer| answer.body.to_string().contains("root:x:0")), "{trap}: {answers:?}");
            assert_eq!(before.differences(&of_others(), &["/home/alice", "/var"]), [""; 0], "{trap}: {answers:?}");
        }
        // A directory that changes places with links all the time.
        run("rm -rf /home/alice/.ssh");
        let swapping = "cd; cd /home/alice; mkdir -m 700 mine; while :; do mv mine .ssh; mv .ssh mine; ln -s /etc/keys-of-root .ssh; rm .ssh; \
                        ln -s /home/bob/.ssh .ssh; rm .ssh; done";
        let mut swapping = shell_as("alice", swapping).spawn().unwrap();
        for _ in 0..50 {
            for answer in [import(&panel, &public_key, &private_key), delete(&panel, &fingerprint)] {
                assert!(matches!(answer.status, 200 | 404 | 409), "{answer:?}");
            }
        }
        swapping.kill().unwrap();
        swapping.wait().unwrap();
        assert_eq!(before.differences(&of_others(), &["/home/alice", "/var"]), [""; 0]);
        // One of another user.
        run("rm -rf /home/alice/.ssh; mkdir -m 755 /home/alice/.ssh");
        let answer = import(&panel, &public_key, "");
        assert!(answer.is(409, "conflict") && answer.body["message"].as_str().unwrap().contains("chown"), "{answer:?}");
        run("rm -rf /home/alice/.ssh");
        import(&panel, &public_key, "").ok();
        assert!(logs_in(&private_key));
        assert_eq!(fs::read_to_string("/home/bob/.ssh/authorized_keys").unwrap(), "of bob\n");
    });
}

#[test]
fn a_change_of_keys_killed_at_any_tool_is_completed_by_a_repeat() {
    on_a_machine(a_change_of_keys_killed_at_any_tool_is_completed_by_a_repeat, || {
        let panel = with_both();
        let (public_key, private_key) = made("-t rsa -b 2048 -m PEM -N ''");
        let fingerprint = import(&panel, &public_key, &private_key).ok()["fingerprint"].as_str().unwrap().to_owned();
        let before = of_others();
        let tampered = Tampered::new();
        for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter, Fault::Refuse] {
            for number in 1.. {
                run("rm -rf /home/alice/.ssh");
                let mut reached = false;
                let steps: [&dyn Fn() -> Answer; 3] =
                    [&|| import(&panel, &public_key, &private_key), &|| generate(&panel, "ed25519"), &|| {
                        delete(&panel, &fingerprint)
                    }];
                for step in steps {
                    tampered.set(Some(fault(number)));
                    let answer = step();
                    let what = format!("{:?} {} {answer:?}", fault(number), tampered.log());
                    reached |= tampered.count() >= number;
                    tampered.set(None);
                    let again = step();
                    assert!(matches!(again.status, 200 | 404), "{what}: {again:?}");
                    assert!(!fingerprints(&panel).is_empty(), "{what}");
                }
                assert!(!fingerprints(&panel).contains(&fingerprint));
                assert!(is_there("/home/alice/.ssh/id_rsa") && !is_there("/home/alice/.ssh/.opterius-new"));
                assert_eq!(
                    run("ls -d /run/opterius-key-* 2>/dev/null; true"),
                    "",
                    "what a killed helper left is removed"
                );
                assert_eq!(before.differences(&of_others(), &["/home/alice", "/var"]), [""; 0]);
                if !reached {
                    assert!(number > 1, "a change must run tools");
                    break;
                }
            }
        }
    });
}
