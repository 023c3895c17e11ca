//! `GET /`: the license page for a browser: whether the license is valid, why not, and how to fix it. The page needs no
//! authentication: it shows the same facts as `/license/status` and `/health`.

use std::sync::Arc;

use crate::api::cached_response::CachedResponse;
use crate::api::health::OsInfo;
use crate::license::state::State;
use opterius_base::clock::{Now, Timestamp};
use opterius_base::dates::Moment;
use opterius_base::text::duration;
use opterius_http::response::{HTML, Response};
use opterius_license::reason::{self, Guide};
use opterius_license::standing::Standing;
use opterius_license::warning::Warning;
use opterius_web::frame::Frame;
use opterius_web::page::Page;

/// The commands on the page, with their descriptions.
const COMMANDS: [(&str, &str); 6] = [
    ("opterius-agent doctor", "Diagnose problems and suggest fixes"),
    ("opterius-agent status", "Show the license status, with the reason and the next step"),
    ("opterius-agent reverify", "Verify the license now and show the verdict"),
    ("systemctl reload opterius-agent", "Reload agent.conf and verify the license"),
    ("journalctl -u opterius-agent -n 20", "Show recent license checks and status changes"),
    ("systemctl status opterius-agent", "Show whether the Agent is running"),
];

/// The inputs of a page: the published state, the current standing, the number of accounts, and the time in seconds.
type CacheKey = (u64, Standing, Option<u64>, Timestamp);

/// The cached page, rendered at most once a second while nothing changes.
#[derive(Debug)]
pub struct View {
    frame: Frame,
    cached: CachedResponse<CacheKey>,
}

impl Default for View {
    fn default() -> Self {
        Self { frame: Frame::alone(include_str!("view.css")), cached: CachedResponse::default() }
    }
}

impl View {
    /// The response at `now`.
    pub fn answer(&mut self, state: &State, now: Now, accounts: Option<u64>, host: &OsInfo, guide: &Guide) -> Response {
        let key = (state.generation, state.standing(now), accounts, now.wall);
        let frame = &self.frame;
        self.cached.answer(key, |(_, standing, accounts, wall)| {
            let mut page = frame.begin(&format!("{} · {} · Opterius Agent", heading(standing), host.hostname));
            page.markup(
                "<header class=\"top\"><span class=\"brand\">Opterius Agent</span><span class=\"where\" id=\"host\">",
            );
            page.foreign(&host.hostname).markup("</span></header>\n<main>\n");
            banner(&mut page, state, standing, now, guide);
            warnings(&mut page, &state.warnings(standing, *accounts, now));
            record(&mut page, state, *accounts, *wall);
            checks(&mut page, state, *wall);
            commands(&mut page);
            footer(&mut page, host, *wall);
            page.markup("</main>\n");
            let headers = frame.headers().map(|(name, value)| (name, value.to_owned())).to_vec();
            Response { status: 200, content_type: HTML, headers, body: Arc::new(frame.end(page)), tail: None }
        })
    }
}

fn heading(standing: &Standing) -> &'static str {
    match standing {
        Standing::Active => "License valid",
        Standing::Grace { .. } => "License valid for now",
        Standing::Restricted { .. } => "License Required",
    }
}

/// The standing, its cause, its consequences, and the fix.
fn banner(page: &mut Page, state: &State, standing: &Standing, now: Now, guide: &Guide) {
    page.markup(match standing {
        Standing::Active => "<section class=\"banner good\" id=\"banner\">\n",
        Standing::Grace { .. } => "<section class=\"banner warn\" id=\"banner\">\n",
        Standing::Restricted { .. } => "<section class=\"banner bad\" id=\"banner\">\n",
    });
    page.markup("<h1>").markup(heading(standing));
    if let Some(reason) = standing.reason() {
        page.markup(" <code class=\"reason\" id=\"reason\">").foreign(reason).markup("</code>");
    }
    page.markup("</h1>\n<p class=\"message\" id=\"message\">").foreign(&state.message(standing, now)).markup("</p>\n");
    match standing {
        Standing::Active => {
            page.markup("<p>The Panel can change accounts, sites and certificates on this server.</p>\n");
        }
        Standing::Grace { until } => {
            page.markup("<p><strong id=\"countdown\">")
                .text(&duration(until.since(now.wall)))
                .markup(" left.</strong> At ");
            page.markup("<time datetime=\"")
                .text(&until.to_string())
                .markup("\">")
                .text(&Moment::new(*until, now.wall).text);
            page.markup(
                "</time> the Agent starts to reject changes, unless the license server confirms the license first.</p>\n",
            );
            fix(page, &guide.help(reason::UNREACHABLE));
        }
        Standing::Restricted { reason, message } => {
            page.markup("<p id=\"meaning\">");
            let sentence = reason::explain(reason).sentence;
            if sentence != message {
                page.text(sentence).markup(" ");
            }
            page.markup(
                "Hosted sites keep running and the Panel can still read data; the Agent rejects changes.</p>\n",
            );
            fix(page, &guide.help(reason));
        }
    }
    page.markup("</section>\n");
}

/// Limits that are near or exceeded.
fn warnings(page: &mut Page, warnings: &[Warning]) {
    for warning in warnings {
        page.markup("<section class=\"banner warn\">\n<p class=\"message\">").text(&warning.to_string());
        page.markup("</p>\n</section>\n");
    }
}

/// The fix: instructions, and the command at the end of `help`.
fn fix(page: &mut Page, help: &str) {
    page.markup("<div class=\"fix\" id=\"fix\"><h2>How to fix it</h2>\n<p>");
    match help.rsplit_once(", then run: ") {
        Some((instruction, command)) => {
            page.text(instruction).markup(", then run:</p>\n<code class=\"run\">").text(command).markup("</code>");
        }
        None => {
            page.text(help).markup("</p>\n");
        }
    }
    page.markup("</div>\n");
}

fn record(page: &mut Page, state: &State, accounts: Option<u64>, now: Timestamp) {
    let terms = state.terms();
    let known = state.record.is_some();
    let number = |number: Option<u64>| number.map_or("unknown".to_owned(), |number| number.to_string());
    let used = match terms.max_accounts {
        None => format!("{}, limit unknown", number(accounts)),
        allowed => format!("{} of {}", number(accounts), limit(allowed)),
    };
    page.markup("<section class=\"card\" aria-label=\"License\">\n<dl class=\"facts\">\n");
    page.markup("<div><dt>Plan</dt><dd id=\"plan\">").foreign(terms.plan.as_deref().unwrap_or("unknown"));
    page.markup("</dd></div>\n<div><dt>Accounts used</dt><dd id=\"accounts\">").text(&used);
    page.markup("</dd></div>\n<div><dt>Servers allowed</dt><dd id=\"servers\">").text(&limit(terms.max_servers));
    page.markup("</dd></div>\n<div><dt>Expires</dt><dd id=\"expiry\">");
    match terms.expires_at {
        Some(at) => page.moment(&Moment::expiry(at, now)),
        None => page.markup(if known { "never" } else { "unknown" }),
    };
    page.markup("</dd></div>\n<div><dt>Last check</dt><dd id=\"last-check\">");
    page.instant(state.last_checked_at, now, "none yet");
    page.markup("</dd></div>\n<div><dt>Last confirmed</dt><dd id=\"last-confirmed\">");
    page.instant(state.last_verified_at(), now, "never");
    page.markup("</dd></div>\n<div><dt>Next check</dt><dd id=\"next-check\">");
    page.instant(state.next_check_at, now, "none without a license key");
    page.markup("</dd></div>\n<div><dt>Cache file</dt><dd id=\"cache\" class=\"detail\">").text(&state.cache);
    page.markup("</dd></div>\n</dl>\n</section>\n");
}

fn limit(limit: Option<u64>) -> String {
    match limit {
        None => "unknown".to_owned(),
        Some(0) => "unlimited".to_owned(),
        Some(limit) => limit.to_string(),
    }
}

fn checks(page: &mut Page, state: &State, now: Timestamp) {
    page.markup("<section aria-labelledby=\"checks\">\n<h2 id=\"checks\">Recent checks</h2>\n");
    if state.recent_checks.is_empty() {
        page.markup("<p class=\"card empty\">No license check since the Agent started.</p>\n");
    } else {
        page.markup(
            "<table class=\"cards\" id=\"recent-checks\">\n<caption class=\"unseen\">The ten most recent checks</caption>\n",
        );
        page.markup("<thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n");
        for check in &state.recent_checks {
            page.markup("<tr><td data-label=\"Time\" class=\"at\">").moment(&Moment::new(check.at, now));
            page.markup("</td><td data-label=\"Verdict\" class=\"detail\">")
                .foreign(&check.verdict)
                .markup("</td></tr>\n");
        }
        page.markup("</tbody>\n</table>\n");
    }
    page.markup("</section>\n");
}

fn commands(page: &mut Page) {
    page.markup("<section aria-labelledby=\"commands\">\n<h2 id=\"commands\">Commands</h2>\n");
    page.markup("<dl class=\"card commands\">\n");
    for (command, purpose) in COMMANDS {
        page.markup("<dt><code>").markup(command).markup("</code></dt><dd>").markup(purpose).markup("</dd>\n");
    }
    page.markup("</dl>\n</section>\n");
}

fn footer(page: &mut Page, host: &OsInfo, now: Timestamp) {
    page.markup("<footer>\n<p id=\"versions\">Opterius Agent ").markup(env!("CARGO_PKG_VERSION")).markup(" on ");
    page.foreign(&host.os).markup(" ").foreign(&host.version).markup(" (").foreign(&host.arch).markup(")</p>\n");
    page.markup("<p>Generated at ").text(&Moment::new(now, now).text).markup("; refreshes every minute. API: ");
    page.markup("<a href=\"/license/status\">/license/status</a>, <a href=\"/health\">/health</a>, ");
    page.markup("<a href=\"/metrics\">/metrics</a>.</p>\n</footer>\n");
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
