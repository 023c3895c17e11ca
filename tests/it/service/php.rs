//! Settings and extensions of PHP from within the sandbox of the helper's unit.

use super::eviction::served;
use crate::operations::{page, publish};
use crate::support::package::on_a_server;
use crate::support::{SOON, eventually};
use serde_json::json;

const SCRIPT: &str = "<?php echo ini_get('memory_limit'), extension_loaded('shmop') ? ' with' : ' without';";

#[test]
fn settings_and_extensions_of_php_take_effect_through_the_helpers_sandbox() {
    on_a_server(settings_and_extensions_of_php_take_effect_through_the_helpers_sandbox, || {
        let service = served();
        for name in ["alice", "bob"] {
            publish(name, &format!("{name}.example"), "php.php", SCRIPT);
        }
        let sees = |domain: &str, expected: &str| {
            let shown = || page(domain, "/php.php").text();
            assert!(eventually(SOON, || shown() == expected), "{domain}: {}", shown());
        };
        let enable = |enable: bool| {
            service.post("/php/extensions", &json!({"version": "8.2", "extension": "shmop", "enable": enable})).ok()
        };
        let values = json!({"memory_limit": "96M"});
        service.post("/php/config", &json!({"domain": "alice.example", "version": "8.2", "values": values})).ok();
        enable(false);
        sees("alice.example", "96M without");
        sees("bob.example", "128M without");
        enable(true);
        sees("alice.example", "96M with");
        sees("bob.example", "128M with");
    });
}
