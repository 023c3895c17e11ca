//! Connections that break in the middle of a commit: the answer says what is known, and repeating is exact.

use super::instances::{Instances, ask, verification};
use crate::support::postgresql::{Cluster, Lost, Proxy};
use serde_json::json;

const ROUNDS: usize = 4;

/// An instance behind a proxy, and one beside it.
fn behind_proxy(cluster: &Cluster) -> (Proxy, Instances) {
    let proxy = Proxy::start(cluster.port());
    let instances = Instances::reaching(&Cluster::tcp_uri(proxy.port()), &cluster.uri());
    (proxy, instances)
}

#[test]
fn a_sale_whose_commit_gets_no_answer_is_not_said_to_have_changed_nothing() {
    let cluster = Cluster::start();
    let (proxy, instances) = behind_proxy(&cluster);
    let body = json!({"owner": {"name": "carol"}, "plan": "free"});
    let (mut made, mut unavailable) = (0, 0);
    for (round, lost) in [Lost::Answer, Lost::Request].repeat(ROUNDS).into_iter().enumerate() {
        let key = format!("order-{round}");
        let sale = instances.call("POST", "/licenses", Some(&body)).header("Idempotency-Key", &key);
        let count = || cluster.psql("SELECT count(*) FROM licenses").parse::<usize>().unwrap();
        let (cut, before) = (proxy.lost(), count());
        proxy.lose(lost, "commit");
        let answer = ask(instances.ports()[0], &sale).unwrap();
        let made_at_once = count() - before;
        match answer.status {
            201 => {
                assert_eq!(made_at_once, 1);
                made += 1;
            }
            503 => {
                assert!(answer.header("Retry-After").is_some(), "{}", answer.head_text());
                assert!(proxy.lost() > cut, "the commit was not cut: {}", answer.text());
                // It can be another commit of the instance that was cut, and the sale was not attempted.
                let says_nothing_was_changed = answer.text().contains("Nothing was changed");
                assert!(!says_nothing_was_changed || made_at_once == 0, "made: {}", answer.text());
                unavailable += 1;
            }
            _ => panic!("{}", answer.text()),
        }
        // Over the other instance, and again over this one: the same license.
        let answers = [1, 0].map(|instance| ask(instances.ports()[instance], &sale).unwrap());
        answers.iter().for_each(|answer| assert_eq!(answer.status, 201, "{}", answer.text()));
        assert_eq!(answers[0].text(), answers[1].text());
        assert_eq!(count() - before, 1, "{key}: one license");
    }
    println!("commits cut {}, said to be made {made}, 503 {unavailable}", proxy.lost());
    // PostgreSQL is asked what became of a commit.
    assert!(proxy.lost() >= ROUNDS && made > 0 && unavailable > 0, "{made} {unavailable}");
}

#[test]
fn an_activation_whose_commit_gets_no_answer_is_made_once() {
    let cluster = Cluster::start();
    let (proxy, instances) = behind_proxy(&cluster);
    let license = instances.database().license("datacenter");
    let mut statuses = Vec::new();
    for (round, lost) in [Lost::Answer, Lost::Request].repeat(ROUNDS).into_iter().enumerate() {
        let request = verification(&license, &format!("203.0.113.{round}"));
        proxy.lose(lost, "commit");
        statuses.push(ask(instances.ports()[0], &request).unwrap().status);
        assert_eq!(ask(instances.ports()[1], &request).unwrap().status, 200);
    }
    println!("commits cut {}, answers {statuses:?}", proxy.lost());
    assert!(proxy.lost() > 0 && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    let count = |what: &str| cluster.psql(&format!("SELECT count(*) FROM {what}"));
    assert_eq!(count("activations"), statuses.len().to_string());
    assert_eq!(count("events WHERE action = 'activated'"), statuses.len().to_string());
}
