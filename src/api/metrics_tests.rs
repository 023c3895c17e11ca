//! What each event is counted under, and how the counters are exported.

use super::*;
use opterius_base::clock::SystemClock;
use opterius_host::helper::protocol::HelperReply;

fn text(api_metrics: &ApiMetrics) -> String {
    let now = Now { wall: Timestamp::from_unix(0), boot: Duration::ZERO };
    let state = State::new(String::new());
    let answer = MetricsPage::default().answer(&state, now, api_metrics, &Traffic::default());
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn assert_has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == format!("{PREFIX}{line}")), "no {line}: {text}");
}

/// Runs an operation that returns this response.
fn run(api_metrics: &Arc<ApiMetrics>, path: &'static str, response: Response) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match api_metrics.watched(path, &clock, Reaction::Write(Box::new(move || response))) {
        Reaction::Write(work) => drop(work()),
        _ => panic!("the operation changed lanes"),
    }
}

#[test]
fn an_operation_is_counted_by_its_result_when_it_finishes() {
    let api_metrics = Arc::new(ApiMetrics::default());
    let path = "/domains/create";
    for status in [200, 409, 500, 503, 200] {
        run(&api_metrics, path, Response::error(status, "x", ""));
    }
    run(&api_metrics, path, Response::error(403, "account_limit_reached", ""));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    api_metrics.watched(path, &clock, Reaction::Answer(Response::error(422, "validation_failed", "")));
    let text = text(&api_metrics);
    for (result, count) in [("done", 2), ("refused", 3), ("failed", 2)] {
        assert_has(&text, &format!("operations_total{{operation=\"{path}\",result=\"{result}\"}} {count}"));
    }
    assert_has(&text, &format!("operation_duration_seconds_count{{operation=\"{path}\"}} 6"));
    assert_has(&text, "gate_refusals_total{error=\"account_limit_reached\"} 1");
    assert_eq!(text.matches("operation_duration_seconds_count").count(), 1, "{text}");
}

#[test]
fn a_queued_certificate_is_counted_when_it_is_issued_or_fails() {
    let api_metrics = Arc::new(ApiMetrics::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let reply = |status| HelperReply { status, body: Value::Null };
    let run =
        api_metrics.watched_queue(&clock, Box::new(move |_, request| reply(if request.is_null() { 200 } else { 500 })));
    for request in [Value::Null, Value::from(1), Value::Null] {
        run("/ssl/issue-async", request);
    }
    let text = text(&api_metrics);
    assert_has(&text, "operations_total{operation=\"/ssl/issue-async\",result=\"done\"} 2");
    assert_has(&text, "operations_total{operation=\"/ssl/issue-async\",result=\"failed\"} 1");
    assert_has(&text, "operation_duration_seconds_count{operation=\"/ssl/issue-async\"} 3");
}

#[test]
fn a_bucket_includes_shorter_durations_and_its_own_bound() {
    let api_metrics = ApiMetrics::default();
    let operation = api_metrics.operations.iter().find(|operation| operation.path == "/domains/create").unwrap();
    for milliseconds in [0, 50, 51, 1_000, 120_000, 120_001] {
        operation.observe(Duration::from_millis(milliseconds));
    }
    let text = text(&api_metrics);
    let buckets =
        [("0.05", 2), ("0.1", 3), ("0.25", 3), ("1", 4), ("2.5", 4), ("10", 4), ("30", 4), ("120", 5), ("+Inf", 6)];
    for (bound, count) in buckets {
        let line = format!("operation_duration_seconds_bucket{{operation=\"/domains/create\",le=\"{bound}\"}} {count}");
        assert_has(&text, &line);
    }
    assert_has(&text, "operation_duration_seconds_sum{operation=\"/domains/create\"} 241.102000");
}

#[test]
fn every_refusal_has_its_counter() {
    use crate::api::authentication::Rejection;
    let rejections = [Rejection::Missing, Rejection::TimestampMalformed, Rejection::Wrong];
    let api_metrics = ApiMetrics::default();
    for rejection in rejections {
        api_metrics.refused(rejection.code());
    }
    api_metrics.refused(LICENSE_REQUIRED);
    api_metrics.refused("a code from a client");
    let text = text(&api_metrics);
    for error in ["signature_missing", "timestamp_outside_window", "signature_invalid", "license_required"] {
        assert_has(&text, &format!("gate_refusals_total{{error=\"{error}\"}} 1"));
    }
    assert!(!text.contains("client"), "{text}");
}

#[test]
fn unknown_values_are_absent() {
    let text = text(&ApiMetrics::default());
    assert_has(&text, "license_valid 0");
    assert_has(&text, "license_state{state=\"restricted\"} 1");
    assert_has(&text, "license_checks_total{outcome=\"granted\"} 0");
    assert!(!text.contains("timestamp_seconds"), "{text}");
}

#[test]
fn the_cache_fails_when_it_is_neither_written_nor_missing() {
    let mut state = State::new(String::new());
    for (cache, failing) in
        [("none", false), ("ok", false), ("not written: disk full", true), ("ignored: damaged", true)]
    {
        state.cache = cache.to_owned();
        assert_eq!(is_cache_failing(&state), failing, "{cache}");
    }
}
