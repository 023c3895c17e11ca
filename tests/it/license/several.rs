//! Several license servers: the next is asked when one gives no verdict, over real sockets.

use super::signed::{Script, signed};
use super::*;

/// Two license servers of one vendor, and an Agent that trusts their key and both their certificates.
struct Pair {
    first: FakeLicenseServer,
    second: FakeLicenseServer,
    key: Arc<SigningKey>,
}

impl Pair {
    fn new() -> Pair {
        let key = Arc::new(SigningKey::generate());
        let pair = Pair { first: FakeLicenseServer::start(), second: FakeLicenseServer::start(), key };
        for server in [&pair.first, &pair.second] {
            let script = pair.grants();
            server.reply_with(move |received| script(received));
        }
        pair
    }

    fn grants(&self) -> Script {
        signed(&self.key, json!({}))
    }

    fn denies(&self) -> Script {
        signed(&self.key, json!({"valid": false, "reason": "suspended", "message": "Unpaid."}))
    }

    fn agent(&self, urls: &[&str]) -> Agent {
        let builder = Agent::builder().license_server(&self.first);
        let file = builder.directory().join("license-ca.pem");
        fs::write(file, [self.first.ca_pem(), self.second.ca_pem()].concat()).unwrap();
        builder.set("license_server", &urls.join(", ")).set("license_public_key", &self.key.public_base64()).spawn()
    }

    fn both(&self) -> Agent {
        self.agent(&[&self.first.url(), &self.second.url()])
    }
}

/// The license server of the current verdict, and that of the latest check if another one gave no verdict.
fn answered(status: &Value) -> [String; 2] {
    [&status["license_server"], &status["recent_checks"][0]["license_server"]]
        .map(|server| server.as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_second_server_answers_for_a_first_one_that_gives_no_verdict() {
    type Change = fn(&Pair);
    let table: [(&str, Change); 10] = [
        ("connection refused", |pair| pair.first.pause()),
        ("no answer within 4 s", |pair| pair.first.reply(Reply::granted().behavior(Behavior::Hang))),
        ("not complete within 4 s", |pair| {
            pair.first.reply(Reply::granted().behavior(Behavior::Slow { bytes: 1, tick: Duration::from_secs(1) }));
        }),
        ("the server closed the connection", |pair| pair.first.reply(Reply::granted().behavior(Behavior::CloseAtOnce))),
        ("(HTTP 500)", |pair| pair.first.reply(Reply::raw(500, ""))),
        ("(HTTP 429)", |pair| pair.first.reply(Reply::raw(429, "").header("Retry-After", "3000"))),
        ("is not signed by a license server that this Agent trusts", |pair| {
            let stranger = signed(&Arc::new(SigningKey::generate()), json!({}));
            pair.first.reply_with(move |received| stranger(received));
        }),
        ("is not signed", |pair| pair.first.reply(denial("suspended", "Unpaid."))),
        ("belongs to another request (nonce)", |pair| {
            // What a cache in front of it would replay.
            let old = signed(&pair.key, json!({"valid": false, "nonce": "0".repeat(32)}));
            pair.first.reply_with(move |received| old(received));
        }),
        ("an HTML page", |pair| pair.first.reply(Reply::raw(200, "<html><title>Sign in</title></html>"))),
    ];
    // When this host checks every day, which can be soon.
    let alone = Pair::new();
    let usual = seconds_to_next_check(&alone.agent(&[&alone.second.url()]).status_after_checks(1));
    at_once(&table, |(cause, change)| {
        let pair = Pair::new();
        change(&pair);
        let agent = pair.both();
        let status = agent.status_after_checks(1);
        assert_active(&status);
        let (first, second) = (pair.first.url(), pair.second.url());
        assert_eq!(answered(&status), [second.as_str(), &second], "{cause}: {status}");
        let wait = seconds_to_next_check(&status);
        let is_usual = wait.abs_diff(usual) < 300;
        assert!(is_usual, "{cause}: what the first server asked for counts for nothing: {wait} s, and not {usual}");
        let named =
            |line: &str| line.contains(&format!("License server {first} gave no verdict: ")) && line.contains(cause);
        assert!(agent.wait_for_line(named, PATIENCE).is_some(), "{cause}: {:#?}", agent.lines());
        assert_line(&agent, &format!("License server {second} answers from now on"));
        let metrics = agent.fetch(Request::get("/metrics")).text();
        let counted = format!("opterius_agent_license_requests_total{{server=\"{second}\",outcome=\"granted\"}} 1");
        assert!(metrics.contains(&counted), "{metrics}");
    });
}

#[test]
fn a_first_server_that_swallows_packets_leaves_time_for_the_second() {
    let pair = Pair::new();
    // A queue for connections that is full: the kernel drops every further SYN.
    let full = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = full.local_addr().unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let _waiting: Vec<TcpStream> =
        (0..4).filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(300)).ok()).collect();
    let silent = TcpStream::connect_timeout(&address, Duration::from_millis(300));
    assert_eq!(silent.unwrap_err().kind(), io::ErrorKind::TimedOut);
    let swallowing = format!("https://127.0.0.1:{}", address.port());
    let agent = pair.agent(&[&swallowing, &pair.second.url()]);
    let status = agent.status_after_checks(1);
    assert_active(&status);
    assert_eq!(answered(&status)[0], pair.second.url());
    let line = agent.wait_for_line(|line| line.contains(&swallowing), PATIENCE).unwrap();
    assert!(line.contains("no answer within 4 s"), "{line}");
}

#[test]
fn a_definite_no_of_the_first_server_is_not_appealed_to_the_second() {
    let pair = Pair::new();
    let denies = pair.denies();
    pair.first.reply_with(move |received| denies(received));
    let mut agent = pair.both();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "server", "suspended");
    assert_eq!(answered(&status), [pair.first.url(), String::new()]);
    assert_eq!(pair.second.count(), 0, "a denial was appealed");
    // The denial stands while no server gives a verdict, also after a restart.
    pair.first.pause();
    pair.second.reply(Reply::raw(503, ""));
    agent.restart();
    assert_restricted(&agent.status_after_checks(1), "cache", "suspended");
}

#[test]
fn the_server_that_answered_last_is_asked_first_across_checks_and_restarts() {
    let pair = Pair::new();
    pair.first.pause();
    let mut agent = pair.both();
    assert_eq!(answered(&agent.status_after_checks(1))[0], pair.second.url());
    pair.first.resume();
    agent.reverify();
    agent.restart();
    assert_active(&agent.status_after_checks(1));
    assert_eq!((pair.first.count(), pair.second.count()), (0, 3), "the one that answers stays the first");
    pair.second.pause();
    let status = agent.reverify().json();
    assert_active(&status);
    assert_eq!(answered(&status), [pair.first.url(), pair.first.url()]);
    // A new list counts from the next check on; a server that is not in it is asked no more.
    pair.second.resume();
    agent.rewrite_config(&[("license_server", &pair.second.url())]);
    agent.signal(Signal::HUP);
    assert!(eventually(PATIENCE, || answered(&agent.status())[0] == pair.second.url()), "{}", agent.status());
    let metrics = agent.fetch(Request::get("/metrics")).text();
    assert!(!metrics.contains(&pair.first.url()), "{metrics}");
    // A list that cannot work changes nothing.
    agent.rewrite_config(&[("license_server", &format!("{},http://license.example.com", pair.first.url()))]);
    agent.signal(Signal::HUP);
    let named =
        |line: &str| line.contains("license_server has “http://license.example.com”, which must begin with https://");
    assert!(agent.wait_for_line(named, PATIENCE).is_some(), "{:#?}", agent.lines());
    assert_eq!(answered(&agent.reverify().json())[0], pair.second.url());
}

#[test]
fn without_any_verdict_the_grace_period_runs_and_every_cause_is_named() {
    let pair = Pair::new();
    let agent = pair.both();
    assert_active(&agent.status_after_checks(1));
    pair.first.pause();
    pair.second.reply(Reply::raw(503, "").header("Retry-After", "40"));
    let status = agent.reverify().json();
    assert_grace(&agent, &status, "connection refused");
    let unavailable =
        format!("; {}: the license server answered that it is not available now (HTTP 503)", pair.second.url());
    assert_grace(&agent, &status, &unavailable);
    assert!(seconds_to_next_check(&status) >= 40, "the longest wait that a server asked for is kept: {status}");
    assert_eq!(status["license_server"], pair.first.url(), "it gave the verdict that still counts");
}

#[test]
fn doctor_names_each_server() {
    let pair = Pair::new();
    let agent = pair.both();
    assert_active(&agent.status_after_checks(1));
    let other = || -> Value {
        let mut command = std::process::Command::new(crate::support::programs::agent());
        let output = command.arg("--config").arg(agent.config_path()).args(["doctor", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["check"] == "other servers");
        found.unwrap_or_else(|| panic!("{report:#}")).clone()
    };
    let (first, second) = (pair.first.url(), pair.second.url());
    let healthy = other();
    assert_eq!(
        (&healthy["verdict"], &healthy["seen"]),
        (&json!("PASS"), &json!(format!("{first} answers; {second} as well")))
    );
    pair.first.pause();
    let ill = other();
    assert_eq!(ill["verdict"], "WARN", "{ill}");
    let seen = ill["seen"].as_str().unwrap();
    assert!(seen.starts_with(&format!("{second} answers; {first} gives no verdict: connecting to")), "{seen}");
    pair.first.resume();
    let denies = pair.denies();
    pair.second.reply_with(move |received| denies(received));
    assert!(other()["seen"].as_str().unwrap().contains(&format!("{second} answers something else than {first}")));
}
