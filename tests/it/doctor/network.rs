//! Names, firewalls and addresses, on a machine with a network of its own.

use super::installed::{Installed, set};
use crate::support::fake_license_server::{FakeLicenseServer, Reply};
use crate::support::machine::run;
use crate::support::package::on_a_server;
use std::net::TcpListener;

/// Of TEST-NET-1 (RFC 5737): nobody's, and on the machine its own.
const ELSEWHERE: &str = "192.0.2.10";

#[test]
fn names_that_lead_nowhere_are_found() {
    on_a_server(names_that_lead_nowhere_are_found, || {
        let mut machine = Installed::new();
        run("echo 'nameserver 127.0.0.1' >/etc/resolv.conf");
        set("license_server", "https://license.example.com");
        let found = Installed::look();
        found.says("name", "FAIL", "license.example.com cannot be resolved", "/etc/resolv.conf");
        found.differs_in(&machine.healthy, &["address", "name"]);
        found.says("hosts file", "PASS", "license.example.com", "");

        machine.healthy = found;
        let add = "cp /etc/hosts /run/hosts; echo '127.0.0.1 License.example.com' >>/etc/hosts";
        let found = machine.broken_by(add, &["hosts file", "name"], "FAIL", "sends license.example.com", "sed -i");
        found.apply_fix("hosts file");
        machine.is_well();
        assert_eq!(run("cat /etc/hosts"), run("cat /run/hosts"), "only that line is gone");
        let add = "echo '192.0.2.10 license.example.com' >>/etc/hosts";
        machine.broken_by(add, &["hosts file", "name"], "WARN", "192.0.2.10", "sed -i");
    });
}

#[test]
fn an_address_that_is_not_the_configured_one_is_told() {
    on_a_server(an_address_that_is_not_the_configured_one_is_told, || {
        let mut machine = Installed::new();
        // Towards a license server elsewhere it counts how this server is seen from there.
        run(&format!("ip address add {ELSEWHERE}/32 dev lo"));
        set("license_server", &format!("https://{ELSEWHERE}"));
        let telling = FakeLicenseServer::start_plain();
        telling.reply(Reply::raw(200, "8.8.8.8"));
        set("ip_discovery_url", &telling.url());
        machine.healthy = Installed::look();
        machine.healthy.says("address", "PASS", "seen as 8.8.8.8", "");
        set("server_ip", "8.8.4.4");
        let found = Installed::look();
        found.says("address", "WARN", "server_ip=8.8.4.4, but this server is seen as 8.8.8.8", "server_ip=auto");
        found.differs_in(&machine.healthy, &["address"]);
        set("server_ip", "8.8.8.8");
        Installed::look().says("address", "PASS", "as agent.conf says", "");
    });
}

#[test]
fn a_rule_of_any_firewall_is_found_and_its_remedy_works() {
    on_a_server(a_rule_of_any_firewall_is_found_and_its_remedy_works, || {
        let mut machine = Installed::new();
        run(&format!("ip address add {ELSEWHERE}/32 dev lo"));
        // It takes connections and says nothing: TLS is not what is looked at here.
        let _listener = TcpListener::bind((ELSEWHERE, 443)).unwrap();
        set("license_server", &format!("https://{ELSEWHERE}"));
        machine.healthy = Installed::look();
        machine.healthy.says("firewall", "PASS", "no rule", "");
        machine.healthy.says("connection", "PASS", "is open", "");

        let broken = ["firewall", "connection"];
        let drop = "iptables -A OUTPUT -p tcp --dport 443 -j DROP";
        let found =
            machine.broken_by(drop, &broken, "FAIL", "-j DROP", "iptables -I OUTPUT -p tcp --dport 443 -j ACCEPT");
        found.says("connection", "FAIL", "local firewall", "iptables -I OUTPUT");
        found.apply_fix("firewall");
        machine.is_well();
        run("iptables -F OUTPUT");

        let table = "nft add table inet own; nft 'add chain inet own out { type filter hook output priority 0; policy drop; }'; \
                     nft add rule inet own out ct state established,related accept; nft add rule inet own out tcp dport != 443 accept";
        machine
            .broken_by(table, &broken, "FAIL", "inet own out", "nft insert rule inet own out tcp dport 443 accept")
            .apply_fix("firewall");
        machine.is_well();
        run("nft delete table inet own");

        // What a firewall before the server does, seen from here.
        let vanish = "iptables -A INPUT -p tcp --dport 443 -j DROP";
        machine.broken_by(vanish, &["connection"], "FAIL", "packets vanish", "No rule of this server drops");
        run("iptables -F INPUT");
        machine.is_well();
    });
}

#[test]
fn where_ufw_makes_the_rules_it_is_asked_for_one() {
    on_a_server(where_ufw_makes_the_rules_it_is_asked_for_one, || {
        let mut machine = Installed::new();
        run(&format!("ip address add {ELSEWHERE}/32 dev lo"));
        set("license_server", &format!("https://{ELSEWHERE}"));
        machine.healthy = Installed::look();
        let deny = "ufw --force enable; ufw default deny outgoing; ufw status";
        let found = machine.broken_by(deny, &["firewall"], "FAIL", "kept in by", "ufw allow out 443/tcp");
        found.apply_fix("firewall");
        Installed::look().says("firewall", "PASS", "no rule", "");
    });
}
