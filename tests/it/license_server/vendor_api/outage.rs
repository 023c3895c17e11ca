//! A server that cannot store: calls say so, with a number that the log has too.

use super::*;
use crate::license_server::disk;

#[test]
fn a_full_disk_is_503_with_a_number_that_the_log_has_and_nothing_is_half_done() {
    let builder = LicenseServerProcess::builder();
    let license = builder.database.license("business");
    let terms = actions::TokenTerms {
        name: "shop".to_owned(),
        scopes: Scope::ALL.to_vec(),
        networks: Vec::new(),
        expires_at: None,
    };
    let (_, token) = builder.database.change(|transaction| actions::add_token(transaction, &operator(), &terms));
    let server = builder.on_disk("size=1m").start();
    let call = |method: &str, path: &str, body: Option<&Value>| {
        server.fetch(request(token.expose(), method, path, body).header("Idempotency-Key", "order-1"))
    };
    assert_eq!(call("GET", "/licenses", None).status, 200);
    disk::fill(&server, &license, SERVERS[0]);
    let sale = json!({"owner": {"name": "carol"}, "plan": "free", "note": "x".repeat(3000)});
    let failed = (0..50).map(|_| call("POST", "/licenses", Some(&sale))).find(|answer| answer.status != 201);
    let error = assert_api_error(&failed.expect("the disk is not full"), 503, "unavailable", None);
    let number = error["request_id"].as_str().unwrap().to_owned();
    assert!(
        server.wait_for_line(|line| line.contains(&number) && line.contains("disk is full")).is_some(),
        "{:?}",
        server.lines()
    );
    assert!(!error["message"].as_str().unwrap().contains("licenses.db"), "{error}");
    assert_eq!(
        call("GET", &format!("/licenses/{}", license.id), None).status,
        503,
        "a key is shown only if that is recorded"
    );

    disk::make_room(&server);
    let sold = call("POST", "/licenses", Some(&sale));
    assert_eq!(sold.status, 201, "{}", sold.text());
    let carols = call("GET", "/licenses?owner=carol", None).json();
    assert_eq!(carols["data"].as_array().unwrap().len(), 1, "{carols}");
    assert_eq!(server.database_on_disk().defects(), [] as [String; 0]);
}
