//! The life cycle of the service, as shown by systemctl and journalctl.

use crate::support::fake_license_server::{Behavior, Reply};
use crate::support::machine::run;
use crate::support::package::{Service, file, install, is_taken, on_a_server, show};
use crate::support::{SOON, eventually};
use serde_json::json;

const VALID: &str = "License: valid (plan: free, max_accounts: 5, max_servers: 1, expires: never)";
const SUSPENDED: &str = "License: INVALID — License is suspended.";

fn suspended() -> Reply {
    Reply::json(403, json!({"valid": false, "reason": "suspended", "message": "License is suspended."}))
}

#[test]
fn start_restart_and_reload_show_the_verdict() {
    on_a_server(start_restart_and_reload_show_the_verdict, || {
        let service = Service::install("");
        // The installation starts the service and, like systemctl, waits for the verdict.
        assert!(service.lines().iter().any(|line| line == VALID), "{:#?}", service.lines());
        assert_eq!((show("ActiveState"), show("StatusText")), ("active".to_owned(), VALID.to_owned()));
        assert_eq!(service.server.count(), 1);

        service.server.reply(suspended());
        run("systemctl restart opterius-agent");
        assert_eq!(service.lines().iter().rfind(|line| line.starts_with("License: ")).unwrap(), SUSPENDED);
        assert_eq!((service.server.count(), show("StatusText")), (2, SUSPENDED.to_owned()));

        service.server.reply(Reply::granted());
        run("systemctl reload opterius-agent");
        assert!(eventually(SOON, || show("StatusText") == VALID), "{:#?}", service.lines());
        assert!(eventually(SOON, || show("ActiveState") == "active"), "{}", show("ActiveState"));
        assert!(service.lines().contains(&"/etc/opterius/agent.conf reloaded".to_owned()));
        assert_eq!((service.server.count(), show("NRestarts")), (3, "0".to_owned()));

        service.server.pause();
        run("systemctl restart opterius-agent");
        let grace = "License: unreachable — ";
        service.says(grace);
        let lines = service.lines();
        assert!(
            lines.iter().any(|line| line.starts_with(grace) && line.contains("; running on the cached license until"))
        );
        assert!(show("StatusText").starts_with(grace), "{}", show("StatusText"));
        assert_eq!(service.status()["state"], "grace");

        run("systemctl stop opterius-agent");
        assert!(service.lines().iter().any(|line| line == "Stopped"), "{:#?}", service.lines());
        assert_eq!((show("Result"), is_taken(7443)), ("success".to_owned(), false));
    });
}

#[test]
fn an_unresponsive_license_server_delays_startup_by_5_seconds_at_most() {
    on_a_server(an_unresponsive_license_server_delays_startup_by_5_seconds_at_most, || {
        let service = Service::configure("");
        service.server.reply(Reply::granted().behavior(Behavior::Hang));
        install(&file("opterius-agent"));
        assert_eq!(show("ActiveState"), "active");
        assert_eq!(service.status()["state"], "restricted");
        let started = show("ExecMainStartTimestampMonotonic").parse::<u64>().unwrap();
        let ready = show("ActiveEnterTimestampMonotonic").parse::<u64>().unwrap();
        assert!((5_000_000..8_000_000).contains(&(ready - started)), "ready after {} µs", ready - started);
    });
}

#[test]
fn an_invalid_configuration_is_reported_and_not_retried() {
    on_a_server(an_invalid_configuration_is_reported_and_not_retried, || {
        let service = Service::install("");
        run("echo port=70000 >>/etc/opterius/agent.conf; systemctl restart opterius-agent || true");
        service.says("opterius-agent: /etc/opterius/agent.conf:5: port");
        let state = || (show("ActiveState"), show("ExecMainStatus"), show("NRestarts"));
        assert!(eventually(SOON, || state() == ("failed".into(), "78".into(), "0".into())), "{:?}", state());
    });
}
