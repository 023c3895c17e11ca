//! A tenant whose processes put links, FIFOs and other traps where the file manager works, while it works. What the traps lead
//! to would let everyone read and write, so that nothing but the file manager itself keeps it away from there.

use super::{ask, delete, hand_over, list, names, of_bob, read, with_an_open_neighbor, write};
use crate::support::machine::run;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn links_lead_to_nothing_of_another_account() {
    let (panel, bob) = with_an_open_neighbor();
    let before = of_bob(&panel);
    let home = panel.path("/home/alice");
    symlink(&bob, home.join("absolute")).unwrap();
    symlink("../bob", home.join("relative")).unwrap();
    symlink("absolute", home.join("twice")).unwrap();
    symlink(bob.join("secret"), home.join("file")).unwrap();
    symlink("/proc/self/root", home.join("magic")).unwrap();
    symlink(bob.join("new"), home.join("dangling")).unwrap();
    hand_over(&panel);
    for link in ["absolute", "relative", "twice"] {
        for below in ["", "/open", "/open/file"] {
            let path = format!("{link}{below}");
            ask(&panel, "list", &path, json!({})).refuses(409, "conflict");
            read(&panel, &path).refuses(409, "conflict");
            write(&panel, &path, "x").refuses(409, "conflict");
            ask(&panel, "chmod", &path, json!({"permissions": "000"})).refuses(409, "conflict");
            if !below.is_empty() {
                delete(&panel, &path).refuses(409, "conflict");
                ask(&panel, "mkdir", &format!("{path}/x"), json!({})).refuses(409, "conflict");
                ask(&panel, "rename", &path, json!({"new_name": "x"})).refuses(409, "conflict");
            }
        }
    }
    for path in ["file", "magic", "dangling"] {
        read(&panel, path).refuses(409, "conflict");
        write(&panel, path, "x").refuses(409, "conflict");
        ask(&panel, "mkdir", path, json!({})).refuses(409, "conflict");
    }
    // A link is deleted and renamed itself.
    ask(&panel, "rename", "absolute", json!({"new_name": "renamed"})).ok();
    for path in ["renamed", "relative", "twice", "file", "magic", "dangling"] {
        delete(&panel, path).ok();
    }
    assert_eq!(names(&panel, ""), ["alice.example"]);
    assert_eq!(before.differences(&of_bob(&panel), &[]), [""; 0]);
}

#[test]
fn special_files_and_strange_names_are_listed_refused_and_deleted() {
    let (panel, _) = with_an_open_neighbor();
    let home = panel.path("/home/alice");
    run(&format!(
        "cd {} && mkdir strange && cd strange && mkfifo fifo && mknod device c 1 3 && truncate -s 1T sparse && touch -- -rf \
         \"$(printf 'new\\nline')\" '\"quoted\"' \"$(printf 'latin\\351')\" && perl -MSocket -e \
         'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"socket\"))'",
        home.display()
    ));
    hand_over(&panel);
    for path in ["fifo", "device", "socket", "sparse"] {
        read(&panel, &format!("strange/{path}")).refuses(409, "conflict");
        if path != "sparse" {
            write(&panel, &format!("strange/{path}"), "x").refuses(409, "conflict");
            ask(&panel, "chmod", &format!("strange/{path}"), json!({"permissions": "644"})).refuses(409, "conflict");
        }
    }
    for entry in list(&panel, "strange")["entries"].as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        if entry["addressable"] == true {
            delete(&panel, path).ok();
        } else {
            delete(&panel, path).refuses(422, "validation_failed");
        }
    }
    assert_eq!(names(&panel, "strange"), ["latin\u{fffd}"]);
    delete(&panel, "strange").ok();
    assert_eq!(names(&panel, ""), ["alice.example"]);
}

#[test]
fn directories_swapped_for_links_lead_to_no_other_account() {
    let (panel, bob) = with_an_open_neighbor();
    let before = of_bob(&panel);
    let home = panel.path("/home/alice");
    // Both have the same names, so that every request fits either.
    let fill = |path: &Path| {
        fs::create_dir_all(path.join("open")).unwrap();
        for name in ["open/file", "open/other", "secret"] {
            fs::write(path.join(name), "of Alice").unwrap();
        }
    };
    fill(&home.join("swapped"));
    symlink(&bob, home.join("aside")).unwrap();
    hand_over(&panel);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let home = fs::File::open(&home).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(&home, "swapped", &home, "aside", exchange).unwrap();
            }
        });
        let (mut reached, mut refused) = (0, 0);
        for number in 0..60 {
            let answers = [
                ask(&panel, "list", "swapped/open", json!({})),
                read(&panel, "swapped/secret"),
                write(&panel, "swapped/secret", "of Alice"),
                write(&panel, &format!("swapped/new{number}"), "of Alice"),
                ask(&panel, "mkdir", &format!("swapped/directory{number}"), json!({})),
                ask(&panel, "chmod", "swapped/open/other", json!({"permissions": "600"})),
                ask(&panel, "rename", &format!("swapped/new{number}"), json!({"new_name": format!("renamed{number}")})),
                delete(&panel, "swapped/open"),
            ];
            for answer in answers {
                assert!(matches!(answer.status, 200 | 404 | 409), "{answer:?}");
                assert!(!answer.body.to_string().contains("of Bob"), "{answer:?}");
                reached += u32::from(answer.status == 200);
                refused += u32::from(answer.status == 409);
            }
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(reached > 0 && refused > 0, "{reached} {refused}: the race was not one");
    });
    assert_eq!(before.differences(&of_bob(&panel), &[]), [""; 0]);
}

#[test]
fn a_directory_with_more_entries_than_a_list_is_listed_in_part_and_deleted_whole() {
    let (panel, _) = with_an_open_neighbor();
    run(&format!(
        "mkdir {0}/many && cd {0}/many && seq -f 'file-%06g' 20000 | xargs touch",
        panel.path("/home/alice").display()
    ));
    hand_over(&panel);
    let answer = list(&panel, "many");
    assert_eq!((&answer["total"], &answer["limit"], &answer["truncated"]), (&json!(20000), &json!(5000), &json!(true)));
    assert_eq!(answer["entries"].as_array().unwrap().len(), 5000);
    assert_eq!(answer["entries"][0]["name"], "file-000001");
    delete(&panel, "many").ok();
}
