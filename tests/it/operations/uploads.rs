//! Uploads: a file arrives in an account's home as a whole or not at all, whatever the client, the tenant or the disk does.

use super::HOST;
use crate::support::http::{self, Connection, Request, SECRET};
use crate::support::machine::{on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel};
use crate::support::process::START;
use crate::support::rounds;
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually, pause};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use time::OffsetDateTime;

/// How long an upload may take.
const LONG: Duration = Duration::from_secs(120);

/// The head of an upload with this many bytes. Each has a timestamp of its own, because a signature without a body is accepted
/// once.
fn head(length: usize) -> Vec<u8> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // Later than the second in which the Agent started.
    let second = http::timestamp(OffsetDateTime::now_utc() + time::Duration::seconds(2));
    let timestamp = second.replace("+00:00", &format!(".{number:06}+00:00"));
    let request = Request::new("POST", "/files/upload").header("Content-Type", "multipart/form-data; boundary=\"b o\"");
    request.header("Content-Length", &length.to_string()).signed_with(SECRET, &timestamp).bytes()
}

/// What comes before the content of a file, as PHP's client sends it.
fn before(username: &str, path: &str) -> Vec<u8> {
    let field = |name: &str, value: &str| {
        format!(
            "--b o\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Length: {}\r\n\r\n{value}\r\n",
            value.len()
        )
    };
    let file = "--b o\r\nContent-Disposition: form-data; name=\"file\"; filename=\"../../etc/a.zip\"\r\n\r\n";
    [field("username", username), field("path", path), file.to_owned()].concat().into_bytes()
}

const AFTER: &[u8] = b"\r\n--b o--\r\n";

/// Uploads a file to the Agent at this port.
pub(crate) fn upload_to(port: u16, username: &str, path: &str, content: &[u8]) -> Answer {
    send(Connection::open(port).unwrap(), &[&before(username, path), content, AFTER].concat())
}

/// An upload of which only the file's content is missing.
fn begin(panel: &Panel, path: &str, length: usize) -> Connection {
    let before = before("alice", path);
    let mut connection = panel.agent.connect();
    connection.send(head(before.len() + length + AFTER.len())).unwrap();
    connection.send(before).unwrap();
    connection
}

fn end(mut connection: Connection) -> Answer {
    connection.send(AFTER).unwrap();
    connection.receive(LONG).unwrap().into()
}

fn upload(panel: &Panel, username: &str, path: &str, content: &[u8]) -> Answer {
    upload_to(panel.agent.port(), username, path, content)
}

fn send(mut connection: Connection, body: &[u8]) -> Answer {
    connection.send(head(body.len())).unwrap();
    // The Agent may have answered before it has read everything.
    let _ = connection.send(body);
    connection.receive(LONG).unwrap().into()
}

/// Runs a script as an account, in its home.
fn as_user(username: &str, script: &str) -> String {
    run_as(username, &format!("cd ~ && {script}"))
}

fn with_two_accounts() -> Panel {
    run("systemctl start nginx php8.2-fpm");
    let panel = Panel::on_the_machine(0);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    as_user("bob", "echo secret >secret; chmod 600 secret");
    panel
}

/// Bytes that contain beginnings of the boundary at every distance.
fn content(length: usize) -> Vec<u8> {
    let text: Vec<u8> =
        (0..40_u8).flat_map(|number| [&b"\r\n--b o"[..usize::from(number % 7)], &[number]].concat()).collect();
    text.iter().copied().cycle().take(length).collect()
}

#[test]
fn an_uploaded_file_is_the_accounts_own() {
    on_a_machine(an_uploaded_file_is_the_accounts_own, || {
        let panel = with_two_accounts();
        let others = Snapshot::of(Path::new("/"), &["/home/bob"]);
        let content = content(5_000_001);
        let body = upload(&panel, "alice", "/home/alice/alice.example/public_html/a.bin", &content).ok();
        let file = "/home/alice/alice.example/public_html/a.bin";
        assert_eq!((body["path"].as_str(), body["size"].as_u64()), (Some(file), Some(5_000_001)));
        assert!(fs::read(file).unwrap() == content);
        let found = fs::metadata(file).unwrap();
        let owner = fs::metadata("/home/alice").unwrap().uid();
        assert_eq!((found.uid(), found.permissions().mode() & 0o7777), (owner, 0o644));
        // A smaller one takes its place, and keeps its mode.
        as_user("alice", &format!("chmod 600 {file}"));
        upload(&panel, "alice", file, b"").ok();
        let found = fs::metadata(file).unwrap();
        assert_eq!((found.len(), found.permissions().mode() & 0o7777), (0, 0o600));
        assert_eq!(as_user("alice", "ls -A alice.example/public_html").trim(), "a.bin\nindex.html");
        let line = panel.agent.wait_for_line(|line| line.contains("/files/upload for username “alice”"), SOON);
        assert!(line.is_some_and(|line| line.contains(file) && line.ends_with("done")));
        assert_eq!(others.differences(&Snapshot::of(Path::new("/"), &["/home/bob"]), &[]), [""; 0]);
    });
}

#[test]
fn an_upload_that_is_wrong_or_broken_off_changes_nothing() {
    on_a_machine(an_upload_that_is_wrong_or_broken_off_changes_nothing, || {
        let panel = with_two_accounts();
        as_user(
            "alice",
            "echo old >old; mkdir directory; mkfifo fifo; ln -s /home/bob/secret link; ln -s /home/bob stairs",
        );
        let state = || Snapshot::of(Path::new("/"), &HOST);
        let start = state();
        for (username, path, status) in [
            ("alice", "", 409),
            ("alice", "directory", 409),
            ("alice", "fifo", 409),
            ("alice", "link", 409),
            ("alice", "stairs/new", 409),
            ("alice", "stairs/secret", 409),
            ("alice", "missing/new", 404),
            ("alice", "../bob/secret", 422),
            ("alice", "/home/bob/secret", 422),
            ("alice", "/etc/passwd", 422),
            ("alice", "a\0b", 422),
            ("nobody-here", "new", 404),
            ("root", "new", 404),
            ("Alice", "new", 422),
        ] {
            let answer = upload(&panel, username, path, b"content");
            assert_eq!(answer.status, status, "{username} {path:?}: {answer:?}");
            assert!(answer.body["error"].is_string());
        }
        let whole = [&before("alice", "old"), &b"new"[..], AFTER].concat();
        let file = &whole[whole.windows(18).position(|bytes| bytes == b"name=\"file\"; filen").unwrap() - 45..];
        let wrong: [(&[u8], &str); 7] = [
            (&whole[..whole.len() - 6], "body"),
            (&whole[5..], "username"),
            (file, "username"),
            (b"--b o--\r\n", "file"),
            (b"", "body"),
            (&[&whole[..whole.len() - AFTER.len()], b"\r\n", file].concat(), "body"),
            (
                &[&whole[..whole.len() - 4], b"\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\nx", AFTER]
                    .concat(),
                "path",
            ),
        ];
        for (body, field) in wrong {
            let answer = send(panel.agent.connect(), body);
            assert_eq!(answer.status, 422, "{answer:?}");
            assert!(answer.body["message"].as_str().unwrap().starts_with(&format!("“{field}”")), "{field}: {answer:?}");
        }
        // The client disappears, once the file is open.
        let mut connection = begin(&panel, "old", 1_000_000);
        connection.send(vec![b'x'; 500_000]).unwrap();
        assert!(eventually(START, || open_uploads(&panel) == 1));
        drop(connection);
        assert!(eventually(START, || open_uploads(&panel) == 0));
        // Or the Agent does.
        let mut connection = begin(&panel, "old", 1_000_000);
        connection.send(vec![b'x'; 500_000]).unwrap();
        assert!(eventually(START, || open_uploads(&panel) == 1));
        panel.agent.kill();
        assert!(connection.ends(START));
        assert_eq!(start.differences(&state(), &[]), [""; 0]);
    });
}

/// The files without a name that the Agent has open.
fn open_uploads(panel: &Panel) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", panel.agent.pid())).unwrap().flatten();
    let links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    links.filter(|link| link.starts_with("/home") && link.to_string_lossy().ends_with(" (deleted)")).count()
}

#[test]
fn a_directory_that_becomes_a_link_leads_no_upload_elsewhere() {
    on_a_machine(a_directory_that_becomes_a_link_leads_no_upload_elsewhere, || {
        let panel = with_two_accounts();
        as_user("bob", "mkdir target; chmod 777 target; echo old >target/file; chmod 666 target/file");
        run("chmod 755 /home/bob");
        let others = Snapshot::of(Path::new("/"), &["/home/bob"]);
        for swap in ["ln -s /home/bob/target", "ln -s ../bob/target", "mkfifo", "touch"] {
            as_user("alice", "mkdir target");
            let mut connection = begin(&panel, "target/file", 6);
            assert!(eventually(START, || open_uploads(&panel) == 1));
            as_user("alice", &format!("mv target moved; {swap} target"));
            connection.send(b"stolen").unwrap();
            let answer = end(connection);
            assert_eq!(answer.status, 409, "{swap}: {answer:?}");
            assert_eq!(as_user("alice", "ls -A moved; rm -rf moved target"), "");
        }
        assert_eq!(others.differences(&Snapshot::of(Path::new("/"), &["/home/bob"]), &[]), [""; 0]);
    });
}

#[test]
fn a_full_disk_ends_an_upload_and_leaves_no_trace() {
    on_a_machine(a_full_disk_ends_an_upload_and_leaves_no_trace, || {
        run("mount -t tmpfs -o size=20m,mode=755 tmpfs /home");
        let panel = with_two_accounts();
        let used = || run("df --output=used /home | tail -1");
        let before = used();
        let answer = upload(&panel, "alice", "large", &vec![b'x'; 30_000_000]);
        answer.refuses(507, "insufficient_storage");
        assert!(eventually(START, || used() == before), "{} and {before}", used());
        assert_eq!(as_user("alice", "find . -newer alice.example -type f"), "");
        upload(&panel, "bob", "small", b"fits").ok();
        assert_eq!(fs::read("/home/bob/small").unwrap(), b"fits");
    });
}

#[test]
fn stalled_uploads_hold_up_nothing_but_uploads() {
    on_a_machine(stalled_uploads_hold_up_nothing_but_uploads, || {
        let panel = with_two_accounts();
        let stalled: Vec<Connection> = (0..4).map(|number| begin(&panel, &format!("file{number}"), 3)).collect();
        assert!(eventually(START, || open_uploads(&panel) == 4));
        let start = Instant::now();
        assert_eq!(panel.agent.status()["valid"], true);
        panel.post("/account/password", &serde_json::json!({"username": "bob", "password": "a new password"})).ok();
        assert!(start.elapsed() < START);
        let mut waiting = begin(&panel, "file4", 3);
        waiting.send(b"4 4").unwrap();
        waiting.send(AFTER).unwrap();
        for (number, mut connection) in stalled.into_iter().enumerate() {
            connection.send(format!("{number} {number}")).unwrap();
            end(connection).ok();
        }
        assert_eq!(Answer::from(waiting.receive(LONG).unwrap()).status, 200);
        assert_eq!(as_user("alice", "cat file?"), "0 01 12 23 34 4");
    });
}

#[test]
fn large_uploads_need_no_memory_and_delay_no_status() {
    on_a_machine(large_uploads_need_no_memory_and_delay_no_status, || {
        let panel = with_two_accounts();
        let memory = || {
            let status = fs::read_to_string(format!("/proc/{}/status", panel.agent.pid())).unwrap();
            let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        let piece = vec![b'x'; 1_000_000];
        upload(&panel, "alice", "large", &piece).ok();
        let idle = answer_times(&panel, &|| true);
        let before = memory();
        let (uploads, ended) = (20 * rounds::factor(), AtomicBool::new(false));
        let busy = std::thread::scope(|scope| {
            let asking = scope.spawn(|| answer_times(&panel, &|| ended.load(Ordering::Relaxed)));
            // Also if an upload fails.
            let end_asking = Ending(&ended);
            for _ in 0..uploads {
                let connection = begin(&panel, "large", 100 * piece.len());
                for _ in 0..100 {
                    connection.stream().write_all(&piece).unwrap();
                }
                end(connection).ok();
            }
            drop(end_asking);
            asking.join().unwrap()
        });
        assert_eq!(fs::metadata("/home/alice/large").unwrap().len(), 100_000_000);
        let grown = memory() - before;
        println!("{uploads} uploads of 100 MB: {grown} KiB more memory; status {busy}, without them {idle}");
        assert!(grown < 2048, "the Agent needed {grown} KiB more");
    });
}

/// Sets a flag when it is dropped.
pub(super) struct Ending<'a>(pub(super) &'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How soon the Agent answers `/license/status`, once every 10 ms until `is_over` is true, and at least 200 times.
fn answer_times(panel: &Panel, is_over: &dyn Fn() -> bool) -> String {
    let mut times = Vec::new();
    while times.len() < 200 || !is_over() {
        let asked = Instant::now();
        assert_eq!(panel.agent.status()["valid"], true);
        times.push(asked.elapsed());
        pause(Duration::from_millis(10));
    }
    times.sort();
    let at = |part: usize| times[times.len() * part / 100].as_micros();
    format!("p50 {} µs, p99 {} µs of {}", at(50), at(99), times.len())
}
