//! Resilience of the service: crashes, hangs, hostile clients, little memory.

use crate::support::fake_license_server::Reply;
use crate::support::http::{self, Connection, Request};
use crate::support::machine::run;
use crate::support::package::{PORT, Service, is_taken, on_a_server, override_unit, show};
use crate::support::{SOON, eventually};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::json;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KIB: usize = 1024;

/// Checks that another process can never bind the Agent's port while `work` runs.
pub(super) fn port_stays_bound_during<T>(work: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thief = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                assert!(TcpListener::bind(("127.0.0.1", PORT)).is_err(), "the port was free for a moment");
            }
        });
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::Relaxed);
        thief.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Waits until a new process is ready, and returns how long it took.
fn is_back_after(process: &str, since: Instant) -> Duration {
    let is_new = || ![process, "0"].contains(&show("MainPID").as_str()) && show("ActiveState") == "active";
    assert!(eventually(SOON, is_new), "{} {}", show("ActiveState"), show("Result"));
    since.elapsed()
}

#[test]
fn a_killed_daemon_restarts_in_a_second_with_the_same_license_state_and_port() {
    on_a_server(a_killed_daemon_restarts_in_a_second_with_the_same_license_state_and_port, || {
        let service = Service::install("");
        service.server.reply(Reply::json(403, json!({"valid": false, "reason": "suspended", "message": "Suspended."})));
        run("systemctl restart opterius-agent");
        let before = service.status();
        assert_eq!((&before["state"], &before["reason"]), (&json!("restricted"), &json!("suspended")));
        service.server.pause();
        port_stays_bound_during(|| {
            // More often than systemd's default start limit allows within ten seconds.
            for _ in 0..6 {
                let process = show("MainPID");
                let killed = Instant::now();
                run("systemctl kill --signal=KILL --kill-who=main opterius-agent");
                // A request in between is answered by the next process: the connection waits in the stored socket.
                let after = http::fetch(PORT, Request::get("/license/status")).unwrap().json();
                assert_eq!((&after["state"], &after["reason"]), (&before["state"], &before["reason"]));
                let took = is_back_after(&process, killed);
                assert!(took < Duration::from_secs(4), "{took:?}");
            }
            run("systemctl restart opterius-agent");
            assert_eq!(service.status()["reason"], "suspended");
        });
        assert_eq!(show("NFileDescriptorStore"), "1");
    });
}

#[test]
fn a_hung_daemon_is_restarted() {
    on_a_server(a_hung_daemon_is_restarted, || {
        override_unit("opterius-agent.service", "WatchdogSec=2");
        let service = Service::install("");
        let process = show("MainPID");
        // It runs for longer than the watchdog's timeout.
        let fed = eventually(SOON, || {
            let last: u64 = show("WatchdogTimestampMonotonic").parse().unwrap();
            let started: u64 = show("ActiveEnterTimestampMonotonic").parse().unwrap();
            last > started + 3_000_000
        });
        assert!(fed && show("MainPID") == process, "{}", show("Result"));
        port_stays_bound_during(|| {
            run("systemctl kill --signal=STOP --kill-who=main opterius-agent");
            is_back_after(&process, Instant::now());
            assert_eq!(service.status()["valid"], true);
        });
        run("journalctl --sync; journalctl -u opterius-agent | grep -i 'watchdog timeout'");
    });
}

#[test]
fn another_address_replaces_the_stored_socket() {
    on_a_server(another_address_replaces_the_stored_socket, || {
        let _service = Service::install("");
        let answers = |port| http::fetch(port, Request::get("/health")).is_ok_and(|response| response.status == 200);
        let set = |lines: &str| {
            run(&format!(
                "sed -i '/^port\\|^listen_addr/d' /etc/opterius/agent.conf; printf '{lines}' >>/etc/opterius/agent.conf"
            ));
            run("systemctl restart opterius-agent");
        };
        set("port=7444\\n");
        assert!(answers(7444) && eventually(SOON, || !is_taken(PORT)), "the old port is still in use");
        // The same port on all addresses, which conflicts with the old socket.
        set("port=7444\\nlisten_addr=0.0.0.0\\n");
        assert!(answers(7444));
        assert_eq!((show("NRestarts"), show("NFileDescriptorStore")), ("0".to_owned(), "1".to_owned()));
        run("systemctl kill --signal=KILL --kill-who=main opterius-agent");
        assert!(answers(7444));
        set("");
        assert!(answers(PORT) && eventually(SOON, || !is_taken(7444)));
    });
}

#[test]
fn thirty_two_megabytes_and_one_processor_suffice_under_attack() {
    on_a_server(thirty_two_megabytes_and_one_processor_suffice_under_attack, || {
        override_unit("opterius-agent.service", "MemoryMax=32M\nMemorySwapMax=0\nCPUAffinity=0");
        let service = Service::install("");
        let process = show("MainPID");
        setrlimit(Resource::Nofile, Rlimit { current: Some(8192), maximum: Some(8192) }).unwrap();
        let question = "GET /license/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let attacks = [
            ("idle", Vec::new()),
            ("half-sent", vec![b'a'; 7000]),
            ("large bodies", large_body()),
            ("never reading", question.repeat(400).into_bytes()),
        ];
        for (name, bytes) in attacks {
            let crowd: Vec<Option<Connection>> = (0..1500).map(|_| opened_with(&bytes)).collect();
            for number in 0..50 {
                let answer = http::fetch(PORT, Request::get("/license/status"));
                let answer = answer.unwrap_or_else(|error| panic!("request {number} beside {name}: {error}"));
                assert_eq!(answer.status, 200, "{name}");
            }
            drop(crowd);
            let used: usize = show("MemoryCurrent").parse().unwrap();
            assert!(used <= 32 * KIB * KIB, "{used} bytes beside {name}");
        }
        assert_eq!((show("MainPID"), show("NRestarts"), show("Result")), (process, "0".into(), "success".into()));
        assert_eq!(service.status()["valid"], true);
    });
}

/// A connection that has sent as much of this as the socket accepts without blocking.
fn opened_with(bytes: &[u8]) -> Option<Connection> {
    let connection = Connection::open(PORT).ok()?;
    let mut stream: &TcpStream = connection.stream();
    stream.set_nonblocking(true).ok()?;
    let _ = std::io::Write::write(&mut stream, bytes);
    Some(connection)
}

/// A request that lacks the last byte of its body.
fn large_body() -> Vec<u8> {
    let mut bytes = Request::post("/autoresponder/set").body(vec![b'a'; 900 * KIB]).signed().bytes();
    bytes.pop();
    bytes
}
