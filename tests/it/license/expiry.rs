//! Expiry.

use super::*;

#[test]
fn a_license_expires_on_time_not_at_the_next_check() {
    let server = FakeLicenseServer::start();
    let gate = Gate::new();
    // 3 to 4 s after the request: expiries are whole seconds.
    let expiry = Arc::new(OnceLock::new());
    server.reply_with({
        let (gate, expiry) = (Arc::clone(&gate), Arc::clone(&expiry));
        move |_| {
            let end = now() + time::Duration::seconds(4);
            match expiry.set(end) {
                Ok(()) => Reply::json(200, with(grant(), json!({"expires_at": end.format(&Rfc3339).unwrap()}))),
                Err(_) => Reply::granted().behavior(Behavior::Hold(Arc::clone(&gate))),
            }
        }
    });
    let agent = Agent::builder().license_server(&server).start();
    let status = agent.status_after_checks(1);
    let expiry = *expiry.get().unwrap();
    assert_active(&status);
    let status = restricted_at(&agent, expiry);
    let message = format!("The license expired on {}.", expiry.format(&Rfc3339).unwrap());
    assert_restricted(&status, "server", "expired");
    assert_refused(&agent, "expired", &message);
    // The check at that instant is in progress and has no answer yet.
    assert_line(&agent, &format!("License: INVALID — {message}"));
    assert!(cache_turns(&agent, &json!([false, "expired", message])), "{}", agent.status());
    assert_eq!(agent.status()["recent_checks"].as_array().unwrap().len(), 1, "{}", agent.status());
    // That check finds a renewal that was booked in time.
    assert!(server.wait_for(2, PATIENCE), "no check at the expiry");
    gate.open();
    assert_eq!(agent.status_after_checks(2)["valid"], true);
    assert_allowed(&agent);
}
