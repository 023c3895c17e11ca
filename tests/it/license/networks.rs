//! Names and routes: a machine of the test's own, whose name server and routes are broken in every way that operators report.

use super::*;
use crate::support::network::{Query, Reply as Dns, Wire};
use std::process::Command;

const NAME: &str = "license.test";
/// Addresses of the license server on the wire, and beyond a router.
const LAN: (&str, &str) = ("192.0.2.10", "fd00:1::10");
const BEYOND: (&str, &str) = ("198.51.100.10", "fd00:2::10");
const RESOLVER: &str = "192.0.2.2";

/// The Agent on the near machine, and its license server behind the far one's addresses.
struct Scene {
    wire: Wire,
    server: FakeLicenseServer,
    queries: Arc<Mutex<Vec<Query>>>,
    agent: Option<Agent>,
}

impl Scene {
    /// `routes` changes the near machine; the license server has these addresses, and the name server answers like this.
    fn new(routes: &str, addresses: &[&str], answer: impl Fn(&Query) -> Dns + Send + 'static) -> Scene {
        let server = FakeLicenseServer::start_as(NAME);
        let mut wire = Wire::new();
        wire.far("ip route add default via 192.0.2.1; ip route add default via fd00:1::1");
        wire.near(routes);
        for address in addresses {
            wire.relay(address, server.port());
        }
        let queries = wire.dns(RESOLVER, answer);
        Scene { wire, server, queries, agent: None }
    }

    /// Starts the Agent; returns its first line about the license and the time until then.
    fn check(&mut self, resolvers: &[&str], hosts: &str) -> (String, Duration) {
        let builder = Agent::builder().license_server(&self.server).set("license_server", "https://license.test");
        let launcher = self.wire.launcher(builder.directory(), resolvers, hosts);
        let agent = builder.launcher(launcher).start();
        let since = Instant::now();
        let line = agent.wait_for_line(|line| line.starts_with("License: "), PATIENCE);
        let line = line.unwrap_or_else(|| panic!("no line about the license: {:#?}", agent.lines()));
        self.agent = Some(agent);
        (line, since.elapsed())
    }

    fn is_valid_within(&mut self, limit: Duration) {
        let (line, time) = self.check(&[RESOLVER], "");
        assert_eq!(line, GRANTED_LINE, "after {time:?}, queries {:?}", self.queries.lock().unwrap());
        assert!(time < limit, "valid only after {time:?}");
    }

    fn fails(&mut self, cause: &str) {
        let (line, time) = self.check(&[RESOLVER], "");
        assert!(time < CHECK + JITTER, "{cause}: after {time:?}");
        let expected = format!("License: INVALID — The Agent could not verify the license: {cause}");
        assert!(line.starts_with(&expected), "{line}, not {expected}");
        self.doctor_agrees(cause);
    }

    /// doctor, on the same machine, names the same cause in exactly one check, with a remedy.
    fn doctor_agrees(&self, cause: &str) {
        let agent = self.agent.as_ref().unwrap();
        let mut command = Command::new("nsenter");
        command.args([format!("--target={}", agent.pid()), "--net".to_owned(), "--mount".to_owned()]);
        command.arg(crate::support::programs::agent()).arg("--config").arg(agent.config_path());
        let output = command.args(["doctor", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let says = |check: &&Value| check["seen"].as_str().is_some_and(|seen| seen.starts_with(cause));
        let saying: Vec<&Value> = checks.iter().filter(says).collect();
        assert_eq!(saying.len(), 1, "{report:#}");
        assert_eq!(saying[0]["verdict"], "FAIL");
        assert!(saying[0]["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{report:#}");
    }

    fn families_asked(&self) -> BTreeSet<char> {
        self.queries.lock().unwrap().iter().map(|query| query.family).collect()
    }
}

/// Both addresses of a pair.
fn both((v4, v6): (&'static str, &'static str)) -> impl Fn(&Query) -> Dns + Send {
    move |query| Dns::address(if query.family == '4' { v4 } else { v6 })
}

/// `answer` to one family, `other` to the other one.
fn only(family: char, answer: Dns, other: Dns) -> impl Fn(&Query) -> Dns + Send {
    move |query| if query.family == family { answer } else { other }
}

const QUICK: Duration = Duration::from_secs(1);
/// A check takes at most this long.
const CHECK: Duration = Duration::from_secs(10);

#[test]
fn dropped_aaaa_queries_cost_nothing() {
    let mut scene = Scene::new("true", &[LAN.0], only('4', Dns::address(LAN.0), Dns::Drop));
    scene.is_valid_within(QUICK);
    assert_eq!(scene.families_asked(), ['4'].into());
}

#[test]
fn ipv4_is_used_where_both_families_lead_to_the_license_server() {
    let routes = "ip route add default via 192.0.2.2; ip route add default via fd00:1::2";
    let mut scene = Scene::new(routes, &[BEYOND.0], both(BEYOND));
    scene.is_valid_within(QUICK);
    assert_eq!(scene.families_asked(), ['4'].into());
}

#[test]
fn an_ipv4_license_server_is_reached_beside_an_ipv6_default_route() {
    Scene::new("ip route add default via fd00:1::2", &[LAN.0], both((LAN.0, BEYOND.1))).is_valid_within(QUICK);
}

#[test]
fn split_routes_lead_as_well_as_a_default_route() {
    let routes = "ip route add 0.0.0.0/1 via 192.0.2.2; ip route add 128.0.0.0/1 via 192.0.2.2; \
                  ip route add default via fd00:1::2";
    Scene::new(routes, &[BEYOND.0], only('4', Dns::address(BEYOND.0), Dns::Nothing)).is_valid_within(QUICK);
}

#[test]
fn a_rule_for_tcp_alone_leads_as_well_as_a_default_route() {
    let routes = "ip route add default via 192.0.2.2 table 100; ip rule add ipproto tcp lookup 100";
    Scene::new(routes, &[BEYOND.0], only('4', Dns::address(BEYOND.0), Dns::Nothing)).is_valid_within(QUICK);
}

#[test]
fn every_address_is_tried_while_there_is_time() {
    // The name server's machine refuses the connection at once.
    let many = Dns::LastOfMany(RESOLVER.parse().unwrap(), LAN.0.parse().unwrap());
    Scene::new("true", &[LAN.0], only('4', many, Dns::Nothing)).is_valid_within(QUICK);
}

#[test]
fn a_dead_ipv4_route_leaves_time_for_ipv6() {
    // A next hop that does not exist, and one that drops the packets.
    let routes = ["ip route add default via 192.0.2.99", "ip route add default via 192.0.2.2"];
    at_once(&routes, |ipv4| {
        let routes = format!("{ipv4}; ip route add default via fd00:1::2");
        Scene::new(&routes, &[BEYOND.1], both(BEYOND)).is_valid_within(CHECK);
    });
}

#[test]
fn the_other_family_is_used_where_the_first_has_no_route_no_address_or_no_answer() {
    let v6 = Dns::address(LAN.1);
    type Row = (&'static str, Dns, Duration);
    let rows: [Row; 4] = [
        ("true", Dns::address(BEYOND.0), QUICK),
        ("true", Dns::Nothing, QUICK),
        ("true", Dns::address("0.0.0.0"), QUICK),
        ("true", Dns::Drop, CHECK),
    ];
    at_once(&rows, |(routes, v4, limit)| {
        Scene::new(routes, &[LAN.1], only('6', v6, *v4)).is_valid_within(*limit);
    });
}

#[test]
fn a_machine_without_ipv4_asks_for_ipv6_alone() {
    let server = |wire: &mut Wire| wire.dns("fd00:1::2", |_| Dns::address(LAN.1));
    let mut scene = Scene::new(
        "ip address flush dev wire scope global; ip address add fd00:1::1/64 dev wire nodad",
        &[LAN.1],
        |_| Dns::Drop,
    );
    scene.queries = server(&mut scene.wire);
    let (line, time) = scene.check(&["fd00:1::2"], "");
    assert_eq!(line, GRANTED_LINE);
    assert!(time < QUICK, "{time:?}");
    assert_eq!(scene.families_asked(), ['6'].into());
}

#[test]
fn a_dead_first_name_server_leaves_time_for_the_second() {
    let mut scene = Scene::new("true", &[LAN.0], both(LAN));
    let dead = scene.wire.dns("192.0.2.3", |_| Dns::Drop);
    let (line, time) = scene.check(&["192.0.2.3", RESOLVER], "");
    assert_eq!(line, GRANTED_LINE, "after {time:?}");
    assert!(time < CHECK, "{time:?}");
    assert!(!dead.lock().unwrap().is_empty());
}

#[test]
fn each_failure_of_a_name_or_a_route_is_named_with_its_step() {
    let no_default = "true";
    type Row = (&'static str, Dns, Dns, &'static str);
    let rows: [Row; 10] = [
        (
            no_default,
            Dns::Drop,
            Dns::Drop,
            "resolving license.test: the resolver did not answer within 6 s (name servers in /etc/resolv.conf: 192.0.2.2)",
        ),
        (no_default, Dns::NoName, Dns::NoName, "resolving license.test: the name does not exist"),
        (no_default, Dns::Nothing, Dns::Nothing, "resolving license.test: the name has no address"),
        (
            no_default,
            Dns::Failure,
            Dns::Failure,
            "resolving license.test: the resolver failed, or its name servers cannot be reached",
        ),
        (
            no_default,
            Dns::address("0.0.0.0"),
            Dns::address("::"),
            "resolving license.test: the answer is 0.0.0.0, which leads nowhere",
        ),
        (
            no_default,
            Dns::address("127.0.0.1"),
            Dns::Nothing,
            "resolving license.test: the answer is 127.0.0.1, this machine, where it does not answer",
        ),
        (
            no_default,
            Dns::address(BEYOND.0),
            Dns::Nothing,
            "connecting to 198.51.100.10 port 443: this server has no route to that address",
        ),
        (no_default, Dns::address("192.0.2.2"), Dns::Nothing, "connecting to 192.0.2.2 port 443: connection refused"),
        (
            "ip route add default via 192.0.2.2",
            Dns::address(BEYOND.0),
            Dns::Nothing,
            "connecting to 198.51.100.10 port 443: no answer within",
        ),
        (
            "ip route add default via 192.0.2.2",
            Dns::address(BEYOND.0),
            Dns::Drop,
            "connecting to 198.51.100.10 port 443: no answer within",
        ),
    ];
    at_once(&rows, |(routes, v4, v6, cause)| {
        Scene::new(routes, &[], only('4', *v4, *v6)).fails(cause);
    });
}

#[test]
fn a_name_in_the_hosts_file_that_leads_to_this_machine_is_named() {
    let mut scene = Scene::new("true", &[], both(LAN));
    let (line, _) = scene.check(&[RESOLVER], "127.0.0.1 license.test");
    assert!(
        line.contains("resolving license.test: the answer is 127.0.0.1, this machine, where it does not answer"),
        "{line}"
    );
}
