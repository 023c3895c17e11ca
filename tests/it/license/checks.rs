//! The schedule of checks.

use super::*;

#[test]
fn requests_during_a_check_cause_one_more_check_after_five_seconds() {
    let server = FakeLicenseServer::start();
    let times = Arc::<Mutex<Vec<Instant>>>::default();
    let gate = Gate::new();
    server.reply_with({
        let (times, gate) = (Arc::clone(&times), Arc::clone(&gate));
        move |_| {
            times.lock().unwrap().push(Instant::now());
            Reply::granted().behavior(Behavior::Hold(Arc::clone(&gate)))
        }
    });
    let agent = Agent::builder().license_server(&server).start();
    assert!(server.wait_for(1, PATIENCE), "no check at start");
    let mut waiting = Vec::new();
    for number in 0..20 {
        agent.signal(Signal::HUP);
        if number % 4 == 0 {
            waiting.push(agent.send(Request::post("/license/reverify").signed()));
        }
        pause(Duration::from_millis(20));
    }
    assert_eq!(agent.status()["recent_checks"], json!([]), "the first check is over too early");
    gate.open();
    for connection in &mut waiting {
        let answer = connection.receive(PATIENCE).unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["recent_checks"].as_array().unwrap().len(), 2, "{}", answer.text());
    }
    let third = server.wait_for(3, SPACING + JITTER);
    assert!(!third, "one check too many: {:#?}", agent.lines());
    let status = agent.reverify().json();
    assert_eq!(status["recent_checks"].as_array().unwrap().len(), 3, "{status}");
    for pair in times.lock().unwrap().windows(2) {
        let apart = pair[1].duration_since(pair[0]);
        assert!(apart + JITTER >= SPACING, "two checks {apart:?} apart");
    }
}

#[test]
fn checks_are_due_as_documented() {
    let hours = |count: i64| time::Duration::hours(count);
    let granted = |left: time::Duration| {
        let expiry = (now() + left).format(&Rfc3339).unwrap();
        Reply::json(200, with(grant(), json!({"expires_at": expiry})))
    };
    // Every host of a fleet has its own second of the day and of the hour; one that is near is passed over.
    let (day, hour) = (600..=24 * 3600 + 600, 25..=3600 + 25);
    let table = [
        (Reply::granted(), day.clone()),
        (denial("suspended", "Unpaid."), hour.clone()),
        (granted(hours(24 * 365)), day),
        (granted(hours(60)), 600..=13 * 3600 + 25),
        (granted(hours(47)), hour.clone()),
        (granted(hours(2)), hour),
        (granted(time::Duration::minutes(10)), 25..=600),
    ];
    let mut agent = Agent::licensed();
    let mut own = None;
    for (reply, expected) in table {
        agent.license_server().reply(reply);
        agent.restart();
        let status = agent.status_after_checks(1);
        let due = seconds_to_next_check(&status);
        // Rounding, and the time that the test takes.
        assert!(
            (expected.start() - 2..=expected.end() + 2).contains(&due),
            "due in {due} s, not in {expected:?}: {status}"
        );
        if *expected.end() > 600 {
            let second = instant(&status["next_check_at"]).unix_timestamp();
            let apart = (second - *own.get_or_insert(second)).rem_euclid(3600);
            assert!(apart <= 2 || apart >= 3598, "not always the same second of the hour: {apart} s later");
        }
    }
}

#[test]
fn a_hanging_check_blocks_neither_requests_nor_a_stop() {
    let mut agent = Agent::licensed();
    agent.license_server().reply(Reply::granted().behavior(Behavior::Hang));
    let received = agent.license_server().count();
    agent.restart();
    assert!(agent.license_server().wait_for(received + 1, PATIENCE), "no check at start");
    let status = agent.status();
    assert_eq!((&status["state"], &status["recent_checks"]), (&json!("grace"), &json!([])), "{status}");
    assert!(status["message"].as_str().unwrap().ends_with("; the first check is in progress."), "{status}");
    assert_allowed(&agent);
    let started = Instant::now();
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(PATIENCE).code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(6), "ended after {:?}", started.elapsed());
}

#[test]
fn a_request_right_after_a_check_is_not_lost() {
    let agent = Agent::licensed();
    let first = agent.license_server().count();
    for check in 1..3 {
        let since = Instant::now();
        agent.signal(Signal::HUP);
        let came = agent.license_server().wait_for(first + check, PATIENCE);
        assert!(came, "HUP {check} was lost: {:#?}", agent.lines());
        assert!(since.elapsed() < SPACING + Duration::from_secs(10), "{:?}", since.elapsed());
    }
}
