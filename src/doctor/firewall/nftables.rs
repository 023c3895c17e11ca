//! nftables rules, as printed by `nft -j list ruleset` (libnftables-json(5)).

use serde_json::{Map, Value};

use crate::doctor::firewall::chains::{Chains, Decision, Destination, Rule, Target, decide};

/// The rule or policy that blocks the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The base chain, such as `inet filter output`: insert a rule there to allow the connection.
    pub chain: String,
    /// The rule or policy as shown to the operator.
    pub shown: String,
}

/// What blocks the connection in the JSON of `nft -j list ruleset`. Every output chain must allow it.
pub fn refusal(json: &str, destination: Destination) -> Option<Refusal> {
    let document: Value = serde_json::from_str(json).ok()?;
    let items = document.get("nftables")?.as_array()?;
    let of_kind = |kind: &'static str| items.iter().filter_map(move |item| item.get(kind)?.as_object());
    let mut chains = Chains::new();
    for rule in of_kind("rule") {
        let Some((chain, table)) = name(rule, "chain") else { continue };
        if let Some(target) = matching(rule, &table, destination) {
            let shown = format!("a rule in chain {chain}");
            chains.entry(chain).or_default().push(Rule { target, shown });
        }
    }
    let family = if destination.address.is_ipv4() { "ip" } else { "ip6" };
    let output_hooks = of_kind("chain").filter(|chain| {
        let text = |name: &str| chain.get(name).and_then(Value::as_str);
        text("hook") == Some("output") && text("family").is_some_and(|own| own == "inet" || own == family)
    });
    output_hooks.into_iter().find_map(|base| {
        let (chain, _) = name(base, "name")?;
        let policy = base.get("policy").and_then(Value::as_str);
        let shown = match decide(&chains, &chain) {
            Decision::Accepted => return None,
            Decision::Refused(rule) => rule,
            Decision::Undecided if policy == Some("drop") => format!("the drop policy of chain {chain}"),
            Decision::Undecided => return None,
        };
        Some(Refusal { chain, shown })
    })
}

/// The full names of a chain and its table.
fn name(item: &Map<String, Value>, member: &str) -> Option<(String, String)> {
    let text = |name: &str| item.get(name).and_then(Value::as_str);
    let table = format!("{} {}", text("family")?, text("table")?);
    Some((format!("{table} {}", text(member)?), table))
}

/// The rule's action on the connection; `None` if it does not match, or has a condition that this parser does not know.
fn matching(rule: &Map<String, Value>, table: &str, destination: Destination) -> Option<Target> {
    let mut target = Target::Nothing;
    for expression in rule.get("expr")?.as_array()? {
        let (kind, body) = expression.as_object()?.iter().next()?;
        let chain = || Some(format!("{table} {}", body.get("target")?.as_str()?));
        match kind.as_str() {
            "match" => matches(body, destination)?.then_some(())?,
            "accept" => target = Target::Accept,
            "drop" | "reject" => target = Target::Refuse,
            "return" => target = Target::Return,
            "jump" => target = Target::Jump(chain()?),
            "goto" => target = Target::Goto(chain()?),
            "counter" | "log" | "mangle" => {}
            _ => return None,
        }
    }
    Some(target)
}

/// Whether a condition holds for the connection; `None` if this parser does not know the condition.
fn matches(condition: &Value, destination: Destination) -> Option<bool> {
    let (left, right) = (condition.get("left")?, condition.get("right")?);
    let holds = holds(left, right, destination)?;
    match condition.get("op")?.as_str()? {
        "==" | "in" => Some(holds),
        "!=" => Some(!holds),
        _ => None,
    }
}

fn holds(left: &Value, right: &Value, destination: Destination) -> Option<bool> {
    let text = |kind: &str, name: &str| left.get(kind).and_then(|left| left.get(name)?.as_str());
    let values = values(right);
    let is_any = |word: &str| Some(values.iter().any(|value| value.as_str() == Some(word)));
    match (text("payload", "protocol"), text("payload", "field"), text("meta", "key"), text("ct", "key")) {
        (Some("tcp" | "th"), Some("dport"), ..) => any(&values, |value| holds_port(value, destination.port)),
        (Some("udp" | "icmp" | "icmpv6" | "sctp"), ..) => Some(false),
        (Some("ip" | "ip6"), Some("daddr"), ..) => any(&values, |value| holds_address(value, destination)),
        (Some("ip"), Some("protocol"), ..) | (Some("ip6"), Some("nexthdr"), ..) | (_, _, Some("l4proto"), _) => {
            is_any("tcp")
        }
        // Outbound connections do not use the loopback interface.
        (_, _, Some("oifname" | "oif"), _) => Some(values.iter().any(|value| value.as_str() != Some("lo"))),
        (_, _, _, Some("state")) => is_any("new"),
        _ => None,
    }
}

/// The values of a set, of a list, or a single value.
fn values(right: &Value) -> Vec<&Value> {
    match right.get("set").unwrap_or(right) {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

fn any(values: &[&Value], holds: impl Fn(&Value) -> Option<bool>) -> Option<bool> {
    values.iter().try_fold(false, |before, value| Some(before | holds(value)?))
}

fn holds_port(value: &Value, port: u16) -> Option<bool> {
    if let Some(range) = value.get("range") {
        let bound = |index: usize| range.get(index).and_then(Value::as_u64);
        return Some((bound(0)?..=bound(1)?).contains(&u64::from(port)));
    }
    value.as_u64().map(|number| number == u64::from(port))
}

fn holds_address(value: &Value, destination: Destination) -> Option<bool> {
    match value.get("prefix") {
        Some(prefix) => {
            destination.is_in(&format!("{}/{}", prefix.get("addr")?.as_str()?, prefix.get("len")?.as_u64()?))
        }
        None => destination.is_in(value.as_str()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ruleset(policy: &str, rules: &[Value]) -> String {
        let mut items = vec![
            json!({"metainfo": {"json_schema_version": 1}}),
            json!({"chain": {"family": "inet", "table": "filter", "name": "output", "type": "filter", "hook": "output",
                "prio": 0, "policy": policy}}),
            json!({"chain": {"family": "inet", "table": "filter", "name": "block"}}),
            json!({"rule": {"family": "inet", "table": "filter", "chain": "block", "expr": [{"drop": null}]}}),
        ];
        items.extend(rules.iter().map(|expressions| {
            json!({"rule": {"family": "inet", "table": "filter", "chain": "output", "expr": expressions}})
        }));
        json!({ "nftables": items }).to_string()
    }

    fn port(right: &Value) -> Value {
        json!({"match": {"op": "==", "left": {"payload": {"protocol": "tcp", "field": "dport"}}, "right": right}})
    }

    #[test]
    fn a_rule_that_blocks_the_connection_is_found() {
        let destination = Destination { address: "203.0.113.5".parse().unwrap(), port: 443 };
        let address = |right: Value| json!({"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "daddr"}}, "right": right}});
        let state = |right: Value| json!({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": right}});
        let loopback = json!({"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "lo"}});
        let udp =
            json!({"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 443}});
        let accept = || json!({"accept": null});
        let drop = || json!({"drop": null});
        let table = [
            ("accept", vec![], false),
            ("drop", vec![], true),
            ("drop", vec![json!([port(&json!(443)), accept()])], false),
            ("drop", vec![json!([port(&json!({"set": [80, {"range": [400, 500]}]})), accept()])], false),
            ("drop", vec![json!([port(&json!(80)), accept()])], true),
            ("drop", vec![json!([loopback, accept()])], true),
            ("drop", vec![json!([state(json!(["established", "related"])), accept()])], true),
            ("drop", vec![json!([udp, accept()])], true),
            ("accept", vec![json!([port(&json!(443)), {"counter": {}}, {"reject": {"type": "tcp reset"}}])], true),
            ("accept", vec![json!([port(&json!("@ports")), drop()])], false),
            ("accept", vec![json!([address(json!({"prefix": {"addr": "203.0.113.0", "len": 24}})), drop()])], true),
            ("accept", vec![json!([address(json!("198.51.100.1")), drop()])], false),
            ("accept", vec![json!([{"jump": {"target": "block"}}])], true),
            ("accept", vec![json!([{"xt": {"type": "match", "name": "owner"}}, drop()])], false),
        ];
        for (policy, rules, blocked) in table {
            let found = refusal(&ruleset(policy, &rules), destination);
            assert_eq!(found.is_some(), blocked, "{policy} {rules:?}: {found:?}");
        }
        let found = refusal(&ruleset("drop", &[]), destination).unwrap();
        assert_eq!(
            (found.chain.as_str(), found.shown.as_str()),
            ("inet filter output", "the drop policy of chain inet filter output")
        );
        assert_eq!(refusal("", destination), None);
    }
}
