//! SIGKILL while calls change licenses: a repeated call gets its answer, and each key made one license.

use super::*;
use crate::support::http;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const CALLERS: usize = 4;
const ROUNDS: usize = 6;

#[test]
fn a_call_that_is_repeated_after_a_kill_has_made_one_license() {
    let mut shop = Shop::start();
    let body = json!({"owner": {"name": "carol"}, "plan": "free"});
    let answered: Mutex<Vec<(String, String)>> = Mutex::default();
    let sent: Mutex<Vec<String>> = Mutex::default();
    for round in 0..ROUNDS {
        let count = AtomicUsize::new(0);
        let keyed = |key: &str| shop.request("POST", "/licenses", Some(&body)).header("Idempotency-Key", key);
        thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (keyed, sent, answered, count) = (&keyed, &sent, &answered, &count);
                let port = shop.server.port();
                scope.spawn(move || {
                    for number in 0.. {
                        let key = format!("order-{round}-{caller}-{number}");
                        sent.lock().unwrap().push(key.clone());
                        let Ok(response) = http::fetch(port, keyed(&key)) else { return };
                        assert_eq!(response.status, 201, "{}", response.text());
                        answered.lock().unwrap().push((key, response.text()));
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            // In the middle of the calls, a little later each time.
            assert!(eventually(START, || count.load(Ordering::SeqCst) > round * 3));
            shop.server.kill();
        });
        shop.server.restart();
    }
    let (sent, answered) = (sent.into_inner().unwrap(), answered.into_inner().unwrap());
    assert!(answered.len() > ROUNDS && sent.len() <= answered.len() + ROUNDS * CALLERS);
    let repeat = |key: &str| {
        let request = shop.request("POST", "/licenses", Some(&body)).header("Idempotency-Key", key);
        let response = shop.server.fetch(request);
        assert_eq!(response.status, 201, "{key}: {}", response.text());
        response.text()
    };
    for (key, answer) in &answered {
        assert_eq!(&repeat(key), answer, "{key}");
    }
    // Those without an answer were performed entirely or not at all.
    sent.iter().for_each(|key| drop(repeat(key)));
    let made: Value = serde_json::from_slice(&shop.server.run(&["license", "list", "--all", "--json"]).stdout).unwrap();
    assert_eq!(made.as_array().map_or(0, Vec::len), sent.len());
    assert_eq!(shop.server.database.defects(), [] as [String; 0]);
}
