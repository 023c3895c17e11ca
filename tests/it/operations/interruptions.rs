//! Interrupted operations: killed at any moment, failed tools, no disk space, hung tools. What they leave behind blocks
//! nothing, and a repeat completes them.

use super::tampering::{Fault, Tampered, replace, restore};
use super::{hosting, is_there, processes, publish, shows, soon_as_before, state};
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel, answer, site};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually, pause};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

/// The state after a first account was created and deleted, which leaves files that all accounts share.
fn with_the_first_account(panel: &Panel) -> Snapshot {
    panel.created("first", "first.example");
    panel.delete("first").ok();
    assert!(eventually(SOON, || state(panel).paths_with("first").is_empty()), "PHP still uses it");
    state(panel)
}

/// Checks the state after an interrupted creation of Alice's account, with a license for one account: either hers is
/// complete, or another account can be created; hers can be completed; and both can be deleted.
fn nothing_is_blocked(panel: &Panel, before: &Snapshot, what: &str) {
    let helper = panel.helper().allowing(1);
    let other = helper.ask("/domains/create", &site("bob", "bob.example"));
    if other.status == 200 {
        assert!(panel.account("alice").is_none(), "{what}: two accounts with a limit of one");
    } else {
        other.refuses(403, "account_limit_reached");
        let alice = panel.account("alice").unwrap_or_else(|| panic!("{what}: an account that does not exist counts"));
        assert_eq!(alice["domains"], serde_json::json!(["alice.example"]), "{what}: {alice}");
    }
    let again = panel.create("alice", "alice.example");
    assert_eq!(again.status, 200, "{what}: {again:?}");
    assert_eq!(panel.account("alice").unwrap()["domains"], serde_json::json!(["alice.example"]), "{what}");
    assert!(is_there(panel.path("/home/alice/alice.example/public_html")), "{what}");
    panel.delete("alice").ok();
    if other.status == 200 {
        panel.delete("bob").ok();
    }
    soon_as_before(panel, before, &[], what);
}

#[test]
fn a_creation_killed_at_any_tool_blocks_nothing() {
    on_a_machine(a_creation_killed_at_any_tool_blocks_nothing, || {
        let panel = hosting(5);
        let before = with_the_first_account(&panel);
        let tampered = Tampered::new();
        for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter] {
            for number in 1.. {
                tampered.set(Some(fault(number)));
                let answer = panel.create("alice", "alice.example");
                let reached = tampered.count() >= number;
                let what = format!("{:?} {}", fault(number), tampered.log());
                tampered.set(None);
                if !reached {
                    answer.ok();
                    panel.delete("alice").ok();
                    assert!(number > 2, "a creation must run tools: {what}");
                    break;
                }
                assert!(answer.status >= 500, "{what}: {answer:?}");
                nothing_is_blocked(&panel, &before, &what);
            }
        }
    });
}

#[test]
fn other_operations_killed_at_any_tool_are_completed_by_a_repeat() {
    on_a_machine(other_operations_killed_at_any_tool_are_completed_by_a_repeat, || {
        let panel = hosting(5);
        let before = with_the_first_account(&panel);
        let tampered = Tampered::new();
        let killed = |operation: &dyn Fn() -> Answer, fault: Fault| {
            tampered.set(Some(fault));
            let answer = operation();
            let (Fault::KillBefore(number) | Fault::KillAfter(number) | Fault::Refuse(number)) = fault;
            let reached = tampered.count() >= number;
            let what = format!("{fault:?} {}", tampered.log());
            tampered.set(None);
            assert!(reached || answer.status == 200, "{what}: {answer:?}");
            let repeated = operation();
            assert!(matches!(repeated.status, 200 | 404), "{what}: {answer:?}, {repeated:?}");
            (reached, what)
        };
        for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter] {
            panel.created("alice", "alice.example");
            publish("alice", "alice.example", "index.html", "A page");
            run_as("alice", "echo '@daily true' | crontab -");
            let whole = state(&panel);
            for number in 1.. {
                let (suspending, what) = killed(&|| panel.suspend("alice"), fault(number));
                assert_eq!(panel.account("alice").unwrap()["suspended"], true, "{what}");
                assert_eq!(processes("alice"), "", "{what}");
                shows("alice.example", "/", 503, "");
                let (returning, what) = killed(&|| panel.unsuspend("alice"), fault(number));
                let left = whole.differences(&state(&panel), &["/var/log/opterius"]);
                assert_eq!(left, [""; 0], "not restored: {what}");
                if !suspending && !returning {
                    break;
                }
            }
            for number in 1.. {
                let (deleting, what) = killed(&|| panel.delete("alice"), fault(number));
                soon_as_before(&panel, &before, &[], &what);
                if !deleting {
                    break;
                }
                panel.created("alice", "alice.example");
                run_as("alice", "echo '@daily true' | crontab -");
            }
        }
    });
}

#[test]
fn a_creation_with_a_failed_tool_leaves_nothing_behind() {
    on_a_machine(a_creation_with_a_failed_tool_leaves_nothing_behind, || {
        let panel = hosting(5);
        let before = with_the_first_account(&panel);
        let tampered = Tampered::new();
        for number in 1.. {
            tampered.set(Some(Fault::Refuse(number)));
            let answer = panel.create("alice", "alice.example");
            let what = format!("{} {answer:?}", tampered.log());
            let reached = tampered.count() >= number;
            tampered.set(None);
            if answer.status != 200 {
                answer.refuses(500, "operation_failed");
                assert!(what.contains("refused by the test"), "the error contains the tool's message: {what}");
                soon_as_before(&panel, &before, &[], &what);
            }
            panel.created("alice", "alice.example");
            panel.delete("alice").ok();
            soon_as_before(&panel, &before, &[], &what);
            if !reached {
                assert!(number > 2, "a creation must run tools: {what}");
                break;
            }
        }
    });
}

#[test]
fn a_configuration_that_nginx_rejects_is_rolled_back() {
    on_a_machine(a_configuration_that_nginx_rejects_is_rolled_back, || {
        let panel = hosting(5);
        panel.created("bob", "bob.example");
        publish("bob", "bob.example", "index.html", "A page");
        // A running nginx tests the configuration itself.
        run("systemctl stop nginx");
        let before = state(&panel);
        let refuses = "#!/bin/sh\ncd /etc/nginx/sites-available; for word; do [ \"$word\" != -t ] || ! ls | grep -qE '(alice|blog.bob).example' || { echo 'nginx: [emerg] no such luck' >&2; exit 1; }; done\nexec /usr/sbin/nginx.real \"$@\"\n";
        replace("/usr/sbin/nginx", refuses);
        for answer in [
            panel.create("alice", "alice.example"),
            panel.post(
                "/domains/create",
                &crate::support::panel::further_site("bob", "blog.bob.example", "bob.example"),
            ),
        ] {
            answer.refuses(500, "operation_failed");
            assert!(answer.body["message"].as_str().unwrap().contains("no such luck"), "{answer:?}");
            // The account's home is not rolled back.
            soon_as_before(&panel, &before, &["/home/bob"], &format!("{answer:?}"));
        }
        restore("/usr/sbin/nginx");
        run("nginx -t; systemctl start nginx");
        shows("bob.example", "/", 200, "A page");
        // A broken file that the Agent does not manage stays.
        fs::write("/etc/nginx/sites-enabled/broken", "server { no_such_directive; }\n").unwrap();
        panel.create("alice", "alice.example").refuses(503, "operations_unavailable");
        assert!(panel.account("alice").is_none());
        assert_eq!(panel.read("/etc/nginx/sites-enabled/broken"), "server { no_such_directive; }\n");
        run("rm /etc/nginx/sites-enabled/broken");
        panel.created("alice", "alice.example");
    });
}

#[test]
fn without_disk_space_operations_are_rolled_back() {
    on_a_machine(without_disk_space_operations_are_rolled_back, || {
        let panel = hosting(5);
        let before = with_the_first_account(&panel);
        for place in ["/home", "/etc/nginx", "/var/lib/opterius", "/var/log/opterius", "/etc"] {
            // Mount a separate disk here, with room for the existing files only.
            run(&format!(
                "mkdir /run/copy; cp -a {place}/. /run/copy; nodes=$(find /run/copy | wc -l)
                 mount -t tmpfs -o size=16m,mode=755,nr_inodes=$((nodes + 60)) none {place}; cp -a /run/copy/. {place}; rm -r /run/copy
                 dd if=/dev/zero of={place}/filling bs=1k 2>/dev/null; number=0
                 while touch {place}/filling$number 2>/dev/null; do number=$((number + 1)); done"
            ));
            let full = state(&panel);
            let answer = panel.create("alice", "alice.example");
            answer.refuses(507, "insufficient_storage");
            assert!(answer.body["message"].as_str().unwrap().contains("df -h"), "{place}: {answer:?}");
            soon_as_before(&panel, &full, &[], &format!("without space in {place}: {answer:?}"));
            run(&format!("rm {place}/filling*"));
            panel.created("alice", "alice.example");
            panel.delete("alice").ok();
            // nginx keeps its logs open there.
            run(&format!("umount --lazy {place}"));
            soon_as_before(&panel, &before, &[], place);
        }
    });
}

#[test]
fn a_hung_tool_is_killed_with_its_children() {
    on_a_machine(a_hung_tool_is_killed_with_its_children, || {
        let panel = hosting(5);
        let before = with_the_first_account(&panel);
        let hangs =
            "#!/bin/sh\ntrap '' TERM HUP INT\nsetsid sh -c \"trap '' TERM; sleep 86397; sleep 86398\" &\nsleep 86399\n";
        let hanging = || attempt("pgrep -af 'sleep 8639[789]'").1;
        for tool in ["/usr/sbin/useradd", "/usr/sbin/nginx"] {
            if tool.ends_with("nginx") {
                // A running nginx tests the configuration itself.
                run("systemctl stop nginx");
            }
            replace(tool, hangs);
            let helper = panel.helper().within(4);
            let start_time = Instant::now();
            let answer = helper.ask("/domains/create", &site("alice", "alice.example"));
            answer.refuses(504, "operation_timeout");
            assert!(start_time.elapsed() < Duration::from_secs(20), "{tool}: {:?}", start_time.elapsed());
            assert_eq!(hanging(), "", "{tool}");
            restore(tool);
            soon_as_before(&panel, &before, &[], tool);
        }
        panel.created("alice", "alice.example");
    });
}

#[test]
fn waiting_for_another_operation_is_limited() {
    on_a_machine(waiting_for_another_operation_is_limited, || {
        let panel = hosting(5);
        let before = with_the_first_account(&panel);
        replace("/usr/sbin/useradd", "#!/bin/sh\nsleep 86399\n");
        let hung = panel.helper().start("/domains/create", &site("alice", "alice.example"));
        assert!(eventually(Duration::from_secs(20), || attempt("pgrep -f 'sleep 86399'").0));
        let helper = panel.helper().within(2);
        let start_time = Instant::now();
        helper.ask("/domains/create", &site("bob", "bob.example")).refuses(504, "operation_timeout");
        assert!(start_time.elapsed() < Duration::from_secs(15), "{:?}", start_time.elapsed());
        // Reads do not wait.
        let others: Vec<Answer> = std::thread::scope(|scope| {
            let create = |name: &str| panel.create(name, &format!("{name}.example"));
            let others = ["carol", "dave", "erin", "frank"].map(|name| scope.spawn(move || create(name)));
            for _ in 0..20 {
                panel.agent.serves().unwrap();
                assert_eq!(panel.accounts(), [serde_json::Value::Null; 0]);
            }
            restore("/usr/sbin/useradd");
            end(hung, true);
            others.map(|other| other.join().unwrap()).into()
        });
        assert!(others.iter().all(|answer| answer.status == 200), "{others:?}");
        for name in ["carol", "dave", "erin", "frank"] {
            panel.delete(name).ok();
        }
        nothing_is_blocked(&panel, &before, "the helper that held the lock was killed");
    });
}

#[test]
fn a_creation_killed_at_any_moment_blocks_nothing() {
    const MOMENTS: u32 = 16;
    let panel = Panel::on_a_tree(5);
    let before = with_the_first_account(&panel);
    let start = || panel.helper().start("/domains/create", &site("alice", "alice.example"));
    let start_time = Instant::now();
    assert_eq!(answer(start()).status, 200);
    let whole = start_time.elapsed();
    panel.delete("alice").ok();
    for number in 0..MOMENTS {
        let helper = start();
        let moment = whole * number / MOMENTS;
        pause(moment);
        // With or without the tool that it is running.
        end(helper, number % 2 == 0);
        nothing_is_blocked(&panel, &before, &format!("killed after {moment:?} of {whole:?}"));
    }
}

/// Kills a helper and optionally its tools, and waits for the tools to end.
fn end(mut helper: Child, with_tools: bool) {
    let pid = helper.id();
    let tools = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let _ = kill_process_group(Pid::from_child(&helper), Signal::KILL);
    let tools = tools.split_ascii_whitespace().filter_map(|number| Pid::from_raw(number.parse().ok()?));
    for tool in tools.collect::<Vec<_>>() {
        if with_tools {
            let _ = kill_process_group(tool, Signal::KILL);
        }
        // Wait until surviving tools have ended before checking the state.
        let gone = eventually(Duration::from_secs(20), || kill_process(tool, Signal::CONT).is_err());
        assert!(gone, "a tool is still running");
    }
    helper.wait().unwrap();
}
