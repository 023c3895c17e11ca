//! Name resolution, firewalls and addresses, on a machine with its own network namespace.

use super::installed::{Installed, set};
use crate::support::fake_license_server::{FakeLicenseServer, Reply};
use crate::support::machine::run;
use crate::support::package::on_a_server;
use crate::support::{SOON, eventually};
use std::net::TcpListener;

/// From TEST-NET-1 (RFC 5737): unused on the Internet, and assigned to the machine here.
const ELSEWHERE: &str = "192.0.2.10";

#[test]
fn unresolvable_and_overridden_names_are_found() {
    on_a_server(unresolvable_and_overridden_names_are_found, || {
        let mut machine = Installed::new();
        run("echo 'nameserver 127.0.0.1' >/etc/resolv.conf");
        set("license_server", "https://license.example.com");
        let found = Installed::look();
        let seen = "resolving license.example.com: the resolver failed, or its name servers cannot be reached";
        found.says("name", "FAIL", seen, "/etc/resolv.conf");
        found.differs_in(&machine.healthy, &["address", "agreement", "name"]);
        found.says("hosts file", "PASS", "license.example.com", "");

        machine.healthy = found;
        let add = "cp /etc/hosts /run/hosts; echo '127.0.0.1 License.example.com' >>/etc/hosts";
        let found = machine.broken_by(add, &["hosts file"], "FAIL", "maps license.example.com", "sed -i");
        found.says("name", "FAIL", "the answer is 127.0.0.1, this machine, where it does not answer", "/etc/hosts");
        found.apply_fix("hosts file");
        machine.is_well();
        assert_eq!(run("cat /etc/hosts"), run("cat /run/hosts"), "only that line was removed");
        let add = "echo '192.0.2.10 license.example.com' >>/etc/hosts";
        machine.broken_by(add, &["hosts file", "name"], "WARN", "192.0.2.10", "sed -i");
    });
}

#[test]
fn a_wrong_configured_address_is_reported() {
    on_a_server(a_wrong_configured_address_is_reported, || {
        let mut machine = Installed::new();
        // For a remote license server, the address seen from the Internet matters.
        run(&format!("ip address add {ELSEWHERE}/32 dev lo"));
        set("license_server", &format!("https://{ELSEWHERE}"));
        let discovery = FakeLicenseServer::start_plain();
        discovery.reply(Reply::raw(200, "8.8.8.8"));
        // The daemon has asked another server, which doctor blames on the change of the file once that is a second later.
        let is_later = eventually(SOON, || {
            set("ip_discovery_url", &discovery.url());
            machine.healthy = Installed::look();
            machine.healthy.check("agreement").verdict == "FAIL"
        });
        assert!(is_later, "{:#?}", machine.healthy);
        machine.healthy.says("address", "PASS", "seen as 8.8.8.8", "");
        set("server_ip", "8.8.4.4");
        let found = Installed::look();
        found.says("address", "WARN", "server_ip=8.8.4.4, but this server is seen as 8.8.8.8", "server_ip=auto");
        found.differs_in(&machine.healthy, &["address"]);
        set("server_ip", "8.8.8.8");
        Installed::look().says("address", "PASS", "as set in agent.conf", "");
    });
}

#[test]
fn a_blocking_rule_of_any_firewall_is_found_and_its_fix_works() {
    on_a_server(a_blocking_rule_of_any_firewall_is_found_and_its_fix_works, || {
        let mut machine = Installed::new();
        run(&format!("ip address add {ELSEWHERE}/32 dev lo"));
        // It closes every connection: this test does not look at TLS.
        let listener = TcpListener::bind((ELSEWHERE, 443)).unwrap();
        std::thread::spawn(move || listener.incoming().for_each(drop));
        set("license_server", &format!("https://{ELSEWHERE}"));
        machine.healthy = Installed::look();
        machine.healthy.says("firewall", "PASS", "no local rule", "");
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

        // Simulates an external firewall.
        let block = "iptables -A INPUT -p tcp --dport 443 -j DROP";
        machine.broken_by(block, &["connection"], "FAIL", "no answer within", "no local rule blocks it");
        run("iptables -F INPUT");
        machine.is_well();
    });
}

#[test]
fn with_ufw_the_fix_is_a_ufw_command() {
    on_a_server(with_ufw_the_fix_is_a_ufw_command, || {
        let mut machine = Installed::new();
        run(&format!("ip address add {ELSEWHERE}/32 dev lo"));
        set("license_server", &format!("https://{ELSEWHERE}"));
        machine.healthy = Installed::look();
        let deny = "ufw --force enable; ufw default deny outgoing; ufw status";
        let found = machine.broken_by(deny, &["firewall"], "FAIL", "is blocked by", "ufw allow out 443/tcp");
        found.apply_fix("firewall");
        Installed::look().says("firewall", "PASS", "no local rule", "");
    });
}
