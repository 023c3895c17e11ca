//! The alert rules and the Grafana dashboard in `dist/prometheus`: valid, tested, and built on metrics that the two
//! programs export.

use super::{agent_with_all_metrics, metrics};
use crate::support::TempDirectory;
use crate::support::http::Request;
use crate::support::license_server_process::LicenseServerProcess;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: &str = include_str!("../../../dist/prometheus/opterius.rules.yml");
const RULE_TESTS: &str = include_str!("../../../dist/prometheus/opterius.rules.test.yml");
const DASHBOARD: &str = include_str!("../../../dist/prometheus/grafana-opterius.json");

#[test]
fn promtool_accepts_the_rules_and_their_tests_pass() {
    promtool(&["check", "rules"], &directory().join("opterius.rules.yml"));
    promtool(&["test", "rules"], &directory().join("opterius.rules.test.yml"));
}

#[test]
fn every_alert_has_a_severity_instructions_and_a_test() {
    let alerts: Vec<&str> = RULES.split("- alert: ").skip(1).collect();
    assert_eq!(alerts.len(), 11);
    for alert in alerts {
        let (name, rule) = alert.split_once('\n').unwrap();
        assert!(["severity: warning", "severity: critical"].iter().any(|line| rule.contains(line)), "{rule}");
        assert!(rule.contains(" summary: ") && rule.contains(" description: "), "{rule}");
        let fires = [format!("alertname=\"{name}\",alertstate=\"firing\""), format!("- alertname: {name}\n")];
        assert!(fires.iter().any(|line| RULE_TESTS.contains(line)), "no test in which {name} fires");
    }
}

#[test]
fn every_metric_of_the_rules_and_of_the_dashboard_is_exported() {
    let exported = Exported::by_both_programs();
    let expressions: Vec<String> = rule_expressions().into_iter().chain(dashboard_expressions()).collect();
    for expression in &expressions {
        assert_eq!(exported.problems(expression), [] as [String; 0], "{expression}");
    }
    // Sentences and test series name metrics too.
    for text in [RULES, RULE_TESTS, DASHBOARD] {
        let foreign: BTreeSet<&str> = metric_names(text).filter(|name| !exported.series.contains_key(*name)).collect();
        assert!(foreign.is_empty(), "not exported: {foreign:?}");
    }
}

#[test]
fn an_expression_that_does_not_fit_the_metrics_is_reported() {
    let exported = Exported::by_both_programs();
    for (expression, problem) in [
        ("opterius_agent_license_vaild == 0", "opterius_agent_license_vaild is not exported"),
        ("license_valid{instance=\"a\"}", "license_valid is not exported"),
        ("opterius_agent_operation_duration_seconds", "opterius_agent_operation_duration_seconds is not exported"),
        (
            "opterius_agent_operations_total > 0",
            "opterius_agent_operations_total is a counter without rate or increase",
        ),
        ("rate(opterius_agent_license_valid[5m])", "opterius_agent_license_valid is a gauge and has no rate"),
        ("opterius_agent_license_state{status=\"grace\"}", "opterius_agent_license_state has no label status"),
        ("opterius_agent_license_state{state=\"garce\"}", "opterius_agent_license_state has no state \"garce\""),
        ("up == 0", ""),
    ] {
        let expected: Vec<&str> = Some(problem).into_iter().filter(|problem| !problem.is_empty()).collect();
        assert_eq!(exported.problems(expression), expected, "{expression}");
    }
}

#[test]
fn the_dashboard_is_current_and_prometheus_understands_its_queries() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    assert_eq!(dashboard["schemaVersion"], 42);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{panel}");
    }
    // Prometheus gets what Grafana sends after it has replaced its variables. No two rules may be the same.
    let queries = dashboard_expressions().into_iter().map(|query| query.replace("$__rate_interval", "5m"));
    let rules = queries.enumerate().map(|(index, query)| json!({"record": format!("query{index}"), "expr": query}));
    let rules: Vec<Value> = rules.collect();
    let scratch = TempDirectory::new();
    let file = scratch.path().join("dashboard.rules.yml");
    // JSON is YAML.
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    promtool(&["check", "rules"], &file);
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/prometheus")
}

fn promtool(arguments: &[&str], file: &Path) {
    let output = Command::new("promtool").args(arguments).arg(file).output();
    let output = output.unwrap_or_else(|error| panic!("promtool: {error}"));
    let report = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "promtool {arguments:?} {}: {report}", file.display());
}

fn rule_expressions() -> Vec<String> {
    let expressions = RULES.split(" expr: ").skip(1).map(|rest| {
        let end = ["\n        for:", "\n        labels:"].iter().filter_map(|key| rest.find(key)).min().unwrap();
        rest[..end].to_owned()
    });
    expressions.collect()
}

fn dashboard_expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// Every word that looks like a metric of one of the two programs.
fn metric_names(text: &str) -> impl Iterator<Item = &str> {
    words(text).filter(|word| ["opterius_agent_", "opterius_license_server_"].iter().any(|own| word.starts_with(own)))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The metrics that the two programs really export.
struct Exported {
    /// The labels of every series, by sample name.
    series: BTreeMap<String, BTreeSet<String>>,
    /// The type of every metric.
    kinds: BTreeMap<String, String>,
}

impl Exported {
    fn by_both_programs() -> Exported {
        let server = LicenseServerProcess::start();
        let text = metrics(&agent_with_all_metrics()) + &server.fetch(Request::get("/metrics")).text();
        let (mut series, mut kinds) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
                kinds.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let (sample, _) = line.rsplit_once(' ').unwrap();
                let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
                series.entry(name.to_owned()).or_default().insert(labels.trim_end_matches('}').to_owned());
            }
        }
        Exported { series, kinds }
    }

    /// What is wrong with the metrics of a PromQL expression.
    fn problems(&self, expression: &str) -> Vec<String> {
        selectors(expression).iter().filter_map(|selector| self.problem(selector)).collect()
    }

    fn problem(&self, selector: &Selector<'_>) -> Option<String> {
        let name = selector.metric;
        if name == "up" {
            return None;
        }
        let Some(series) = self.series.get(name) else { return Some(format!("{name} is not exported")) };
        match (self.kinds.get(name).map(String::as_str), selector.is_rate) {
            (Some("counter"), false) => return Some(format!("{name} is a counter without rate or increase")),
            (Some("gauge"), true) => return Some(format!("{name} is a gauge and has no rate")),
            _ => {}
        }
        selector.matchers.iter().find_map(|(label, operator, value)| {
            // Prometheus adds these two.
            if ["instance", "job"].contains(label) {
                return None;
            }
            let has = |part: String| series.iter().any(|labels| labels.contains(&part));
            if !has(format!("{label}=\"")) {
                return Some(format!("{name} has no label {label}"));
            }
            let is_missing = ["=", "!="].contains(operator) && !has(format!("{label}=\"{value}\""));
            is_missing.then(|| format!("{name} has no {label} \"{value}\""))
        })
    }
}

/// A metric in an expression, with its matchers as label, operator and value.
struct Selector<'a> {
    metric: &'a str,
    is_rate: bool,
    matchers: Vec<(&'a str, &'a str, &'a str)>,
}

/// Every selector: a word before an opening brace, or one that looks like a metric.
fn selectors(expression: &str) -> Vec<Selector<'_>> {
    let mut found = Vec::new();
    for metric in words(expression) {
        let start = metric.as_ptr() as usize - expression.as_ptr() as usize;
        let (before, after) = (&expression[..start], &expression[start + metric.len()..]);
        let braces = after.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        if braces.is_some() || metric == "up" || metric_names(metric).next().is_some() {
            let is_rate = ["rate(", "increase("].iter().any(|function| before.ends_with(function));
            let matchers = braces.map(|(matchers, _)| matchers.split(',').filter_map(matcher).collect());
            found.push(Selector { metric, is_rate, matchers: matchers.unwrap_or_default() });
        }
    }
    found
}

fn matcher(text: &str) -> Option<(&str, &str, &str)> {
    let (left, value) = text.split_once('"')?;
    let label = left.trim_end_matches(['=', '!', '~']);
    Some((label.trim(), &left[label.len()..], value.trim_end_matches('"')))
}
