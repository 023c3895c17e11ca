//! Installing, upgrading and removing the packages.

use super::endurance::port_stays_bound_during;
use crate::support::fake_license_server::FakeLicenseServer;
use crate::support::machine::{attempt, run};
use crate::support::package::{Service, file, install, is_known, on_a_server, show};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use std::fs;
use std::path::Path;

/// The directories that a package can change.
const DIRECTORIES: [&str; 5] =
    ["/etc", "/usr/bin", "/usr/lib/systemd", "/usr/share/opterius-agent", "/var/lib/opterius"];

/// Sets up a server like the Panel's installers: a unit, a binary, a world-readable configuration, and a site.
fn run_panel_installer(server: &FakeLicenseServer) {
    run("install -D -m 0755 /dev/stdin /usr/local/bin/opterius-agent <<'END'\n#!/bin/sh\nexec sleep infinity\nEND");
    let unit = "[Unit]\nDescription=Opterius Agent\nAfter=network.target\n\n[Service]\nType=simple\n\
                ExecStart=/usr/local/bin/opterius-agent --config /etc/opterius/agent.conf\nRestart=always\nRestartSec=5\n\
                User=root\nLimitNOFILE=65536\n\n[Install]\nWantedBy=multi-user.target\n";
    fs::write("/etc/systemd/system/opterius-agent.service", unit).unwrap();
    fs::create_dir_all("/etc/opterius").unwrap();
    let settings = format!(
        "secret=fedcba9876543210fedcba9876543210\nlisten_addr=127.0.0.1\nport=7443\nLICENSE_KEY=AAAA-BBBB\n\
         license_server={}\nip_discovery_url=\n",
        server.url()
    );
    fs::write("/etc/opterius/agent.conf", settings).unwrap();
    run("useradd --create-home alice; mkdir -p /home/alice/alice.example/public_html");
    let site = "server { listen 80; server_name alice.example; root /home/alice/alice.example/public_html; }\n";
    fs::write("/etc/nginx/sites-available/alice.example.conf", site).unwrap();
    run("ln -s ../sites-available/alice.example.conf /etc/nginx/sites-enabled/; systemctl daemon-reload");
    run("systemctl enable --now opterius-agent 2>&1");
}

#[test]
fn a_fresh_server_gets_its_own_secret_and_a_running_service() {
    on_a_server(a_fresh_server_gets_its_own_secret_and_a_running_service, || {
        let output = install(&file("opterius-agent"));
        let conf = fs::read_to_string("/etc/opterius/agent.conf").unwrap();
        let secret = conf.lines().find_map(|line| line.strip_prefix("secret=")).unwrap();
        assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{secret}");
        assert!(!output.contains(secret) && output.contains("Servers → Edit"), "{output}");
        // The rest is the example, including its comments.
        let example = fs::read_to_string("/usr/share/opterius-agent/agent.conf").unwrap();
        assert_eq!(conf.replace(secret, "replace-this-with-the-output-of-openssl-rand-hex-32"), example);
        assert_eq!(run("stat -c '%a %U:%G' /etc/opterius/agent.conf").trim(), "640 root:opterius");
        assert_eq!((show("ActiveState"), show("User")), ("active".into(), "opterius".into()));
        assert_eq!(run("systemctl is-enabled opterius-agent opterius-operation.socket"), "enabled\nenabled\n");
        assert!(show("StatusText").contains("No license key is configured"), "{}", show("StatusText"));
        for page in ["8 opterius-agent", "5 agent.conf"] {
            assert!(run(&format!("man {page}")).contains("opterius"), "{page}");
        }
        run("logrotate --debug /etc/logrotate.d/opterius-agent 2>&1 && nginx -t 2>&1");
        run("systemctl start nginx");
        assert_eq!(run("systemctl show -P LimitNOFILE nginx").trim(), "65536");
    });
}

#[test]
fn the_package_takes_over_a_server_of_the_panels_installers() {
    on_a_server(the_package_takes_over_a_server_of_the_panels_installers, || {
        let server = FakeLicenseServer::start_plain();
        run_panel_installer(&server);
        assert_eq!(show("User"), "root");
        let before = fs::read_to_string("/etc/opterius/agent.conf").unwrap();
        install(&file("opterius-agent"));
        let path = show("FragmentPath");
        assert!(path.ends_with("/lib/systemd/system/opterius-agent.service") && !path.starts_with("/etc"), "{path}");
        assert_eq!((show("User"), show("ActiveState")), ("opterius".into(), "active".into()));
        assert_eq!(
            run("readlink /proc/$(systemctl show -P MainPID opterius-agent)/exe").trim(),
            "/usr/bin/opterius-agent"
        );
        assert_eq!(run("command -v opterius-agent").trim(), "/usr/bin/opterius-agent");
        assert_eq!(run("systemctl is-enabled opterius-agent").trim(), "enabled");
        // The configuration is kept, and other users can no longer read the secret.
        assert_eq!(fs::read_to_string("/etc/opterius/agent.conf").unwrap(), before);
        assert_eq!(run("stat -c '%a %U:%G' /etc/opterius/agent.conf").trim(), "640 root:opterius");
        assert!(Path::new("/etc/systemd/system/opterius-agent.service.before-package").exists());
        assert!(Path::new("/usr/local/bin/opterius-agent.before-package").exists());
        assert_eq!(run("id -nG alice | tr ' ' '\\n' | grep opterius-accounts").trim(), "opterius-accounts");
        assert!(show("StatusText").starts_with("License: valid"), "{}", show("StatusText"));
    });
}

#[test]
fn the_license_cache_of_an_agent_that_ran_as_root_is_kept() {
    on_a_server(the_license_cache_of_an_agent_that_ran_as_root_is_kept, || {
        let service = Service::install("");
        assert_eq!(service.status()["state"], "active");
        run("systemctl stop opterius-agent; chown root:root /etc/opterius /etc/opterius/*; chmod 0600 /etc/opterius/*");
        service.server.pause();
        install(&file("opterius-agent"));
        assert_eq!(service.status()["state"], "grace");
        // The Agent can also write the cache.
        service.server.resume();
        run("systemctl restart opterius-agent");
        assert_eq!(
            (service.status()["state"].as_str(), service.status()["cache"].as_str()),
            (Some("active"), Some("ok"))
        );
        assert_eq!(run("stat -c '%a %U' /etc/opterius/license-cache.json").trim(), "644 opterius");
    });
}

#[test]
fn a_modified_unit_is_left_alone() {
    on_a_server(a_modified_unit_is_left_alone, || {
        let server = FakeLicenseServer::start_plain();
        run_panel_installer(&server);
        run(
            "sed -i 's/^User=root/&\\nEnvironment=HTTPS_PROXY=http:\\/\\/127.0.0.1:1/' /etc/systemd/system/opterius-agent.service",
        );
        run("systemctl daemon-reload");
        let output = install(&file("opterius-agent"));
        assert!(output.contains("overrides the package's unit"), "{output}");
        assert_eq!(show("FragmentPath"), "/etc/systemd/system/opterius-agent.service");
        assert!(Path::new("/usr/local/bin/opterius-agent").exists());
    });
}

#[test]
fn a_configuration_owned_by_the_agents_user_does_not_become_roots() {
    on_a_server(a_configuration_owned_by_the_agents_user_does_not_become_roots, || {
        Service::install("");
        run("systemctl stop opterius-agent; chown opterius /etc/opterius/agent.conf");
        let output = install(&file("opterius-agent"));
        assert!(output.contains("belongs to opterius"), "{output}");
        assert_eq!(run("stat -c '%U' /etc/opterius/agent.conf").trim(), "opterius");
    });
}

#[test]
fn an_upgrade_restarts_the_service_and_asks_nothing() {
    on_a_server(an_upgrade_restarts_the_service_and_asks_nothing, || {
        let service = Service::install("");
        let process = show("MainPID");
        run("echo '# of the operator' >>/etc/opterius/agent.conf; systemctl disable opterius-operation.socket");
        let conf = fs::read_to_string("/etc/opterius/agent.conf").unwrap();
        run(&format!("dpkg-deb --raw-extract {} /tmp/next", file("opterius-agent")));
        run(
            "sed -i 's/^Version: .*/Version: 99.0.0-1/' /tmp/next/DEBIAN/control; dpkg-deb -Znone --build /tmp/next /tmp/next.deb",
        );
        port_stays_bound_during(|| install("/tmp/next.deb"));
        assert_ne!(show("MainPID"), process);
        assert_eq!((show("ActiveState"), service.status()["valid"].as_bool()), ("active".into(), Some(true)));
        assert_eq!(fs::read_to_string("/etc/opterius/agent.conf").unwrap(), conf);
        // A unit that the operator disabled stays disabled.
        assert_eq!(run("systemctl is-enabled opterius-operation.socket || true").trim(), "disabled");
    });
}

#[test]
fn purging_leaves_nothing_behind() {
    on_a_server(purging_leaves_nothing_behind, || {
        let before = Snapshot::of(Path::new("/"), &DIRECTORIES);
        Service::install("");
        run("DEBIAN_FRONTEND=noninteractive dpkg --remove opterius-agent 2>&1");
        assert!(
            Path::new("/etc/opterius/agent.conf").exists(),
            "removing keeps the configuration for another installation"
        );
        assert!(eventually(SOON, || !Path::new("/run/opterius").exists()));
        run("DEBIAN_FRONTEND=noninteractive dpkg --purge opterius-agent 2>&1");
        let after = Snapshot::of(Path::new("/"), &DIRECTORIES);
        // Backups by shadow-utils.
        let backups = ["/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-", "/etc/.pwd.lock"];
        assert_eq!(before.differences(&after, &backups), [""; 0]);
        assert!(!attempt("getent passwd opterius || getent group opterius opterius-accounts").0);
        assert!(!is_known("opterius-agent") && !Path::new("/etc/opterius").exists());
    });
}

#[test]
fn purging_keeps_the_accounts() {
    on_a_server(purging_keeps_the_accounts, || {
        run("systemctl start nginx");
        let service = Service::install("");
        service.post("/domains/create", &crate::support::panel::site("alice", "alice.example")).ok();
        let output = run("DEBIAN_FRONTEND=noninteractive dpkg --purge opterius-agent 2>&1");
        assert!(output.contains("kept for the accounts on this server (alice)"), "{output}");
        run("nginx -t 2>&1 && id alice");
        for path in
            ["/home/alice", "/etc/nginx/sites-available/alice.example.conf", "/var/lib/opterius/accounts/alice.json"]
        {
            assert!(Path::new(path).exists(), "{path}");
        }
        assert!(!Path::new("/etc/opterius").exists());
        // A new installation finds the accounts.
        let service = Service::install("");
        assert_eq!(service.status()["accounts_used"], 1);
    });
}
