//! The overview for administrators: licenses, servers and verifications at a glance. It reads what was counted before
//! ([`crate::statistics`]), so it takes no longer with a million licenses.

use askama::Template;

use super::chart::Chart;
use super::format::{share, text, thousands};
use super::list_query::ListQuery;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::standing_badge::name_of;
use crate::model::{Day, DayFigures, EXPIRING_DAYS, Figures, Plan, PlanFigures, Standing};
use crate::store::{Error, ListedLicense};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// The days that the charts show.
const DAYS: u32 = 90;

/// The licenses that expire next.
const NEXT: u32 = 10;

#[derive(Template)]
#[template(path = "overview.html", config = "src/dashboard/askama.toml")]
struct OverviewPage {
    layout: Layout,
    counted: Option<Counted>,
    today: Today,
    expiring: String,
    next: Vec<Expiring>,
    charts: [Chart; 3],
    days: Vec<DayRow>,
}

/// What was counted.
struct Counted {
    at: Moment,
    servers: String,
    expiring: String,
    standings: Vec<StandingFigure>,
    plans: Vec<PlanRow>,
    versions: Vec<VersionRow>,
    clones: String,
    cloned: Vec<ClonedRow>,
    /// Whether there are further licenses with suspected clones.
    is_cut: bool,
}

/// The verifications of today.
struct Today {
    granted: String,
    refused: String,
}

/// The licenses with a standing.
struct StandingFigure {
    class: &'static str,
    name: &'static str,
    number: Number,
    /// Where its part of the bar begins and how long it is, in hundredths of a percent.
    x: u64,
    width: u64,
}

/// A number that leads to a list.
struct Number {
    text: String,
    url: String,
}

struct PlanRow {
    slug: String,
    name: String,
    /// One for each standing.
    standings: Vec<(&'static str, Number)>,
    all: Number,
}

struct VersionRow {
    name: String,
    servers: String,
    share: u64,
    percent: String,
}

struct ClonedRow {
    license: i64,
    page: Route,
    clones: String,
}

struct Expiring {
    id: i64,
    page: Route,
    reference: Option<String>,
    owner: String,
    of_owner: String,
    plan: String,
    expiry: Option<Moment>,
}

struct DayRow {
    day: Day,
    /// `None` if the server did not run.
    figures: Option<[String; 3]>,
}

/// Renders the page.
pub(super) fn show(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<Response, PageError> {
    let now = page_request.shared.clock.wall();
    let today = Day::of(now);
    let expiring = ListQuery { expiring: Some(EXPIRING_DAYS), ..ListQuery::default() };
    let (figures, days, plans, next) = page_request.shared.readers.read(|transaction| {
        let next = match expiring.filter(transaction, signed_in_user, now)? {
            Some(filter) => transaction.licenses(&filter, NEXT, now)?.licenses,
            None => Vec::new(),
        };
        let days = transaction.days(today.minus(DAYS - 1), today)?;
        Ok::<_, Error>((transaction.latest_figures()?, days, transaction.plans()?, next))
    })?;
    let checks = days.last().filter(|figures| figures.day == today).map(|figures| figures.checks).unwrap_or_default();
    let overview = OverviewPage {
        layout: page_request.layout(signed_in_user, "overview"),
        counted: figures.map(|figures| Counted::new(&figures, &plans, now)),
        today: Today { granted: thousands(checks.granted), refused: thousands(checks.refused) },
        expiring: expiring.url(Route::Licenses),
        next: next.iter().map(|listed| Expiring::new(listed, now)).collect(),
        charts: charts(&days, today),
        days: day_rows(&days, today),
    };
    Ok(page::html(200, "Overview", &overview))
}

impl Counted {
    fn new(figures: &Figures, plans: &[Plan], now: Timestamp) -> Self {
        let all = figures.licenses();
        Self {
            at: Moment::new(figures.at, now),
            servers: thousands(figures.servers),
            expiring: thousands(all.expiring),
            standings: standings(&all),
            plans: plan_rows(figures, plans),
            versions: versions(figures),
            clones: thousands(figures.clones),
            cloned: figures
                .cloned
                .iter()
                .map(|cloned| ClonedRow {
                    license: cloned.license,
                    page: Route::License(cloned.license),
                    clones: thousands(cloned.clones),
                })
                .collect(),
            is_cut: figures.cloned.iter().map(|cloned| cloned.clones).sum::<u64>() < figures.clones,
        }
    }
}

impl Expiring {
    fn new(listed: &ListedLicense, now: Timestamp) -> Self {
        let license = &listed.license;
        Self {
            id: license.id,
            page: Route::License(license.id),
            reference: license.reference.clone(),
            owner: license.owner_name.clone(),
            of_owner: ListQuery::of_owner(&license.owner_name).url(Route::Licenses),
            plan: license.plan.name.clone(),
            expiry: license.expires_at.map(|at| Moment::expiry(at, now)),
        }
    }
}

/// The number of licenses in a list, and its URL.
fn number(count: u64, plan: &str, standing: Option<Standing>) -> Number {
    let list = ListQuery { plan: plan.to_owned(), standing, ..ListQuery::default() };
    Number { text: thousands(count), url: list.url(Route::Licenses) }
}

fn standings(all: &PlanFigures) -> Vec<StandingFigure> {
    let mut x: u64 = 0;
    let figure = |standing: &Standing| {
        let width = share(all.of(*standing), all.all());
        let begin = x;
        x = x.saturating_add(width);
        StandingFigure {
            class: standing.as_str(),
            name: name_of(*standing),
            number: number(all.of(*standing), "", Some(*standing)),
            x: begin,
            width,
        }
    };
    Standing::ALL.iter().map(figure).collect()
}

/// A row for each plan, in the order of the plans, also for those without licenses.
fn plan_rows(figures: &Figures, plans: &[Plan]) -> Vec<PlanRow> {
    let row = |plan: &Plan| {
        let counted = figures.of_plan(&plan.slug);
        let of = |standing: &Standing| (name_of(*standing), number(counted.of(*standing), &plan.slug, Some(*standing)));
        PlanRow {
            slug: plan.slug.clone(),
            name: plan.name.clone(),
            standings: Standing::ALL.iter().map(of).collect(),
            all: number(counted.all(), &plan.slug, None),
        }
    };
    plans.iter().map(row).collect()
}

fn versions(figures: &Figures) -> Vec<VersionRow> {
    let row = |name: String, servers: u64| {
        let share = share(servers, figures.servers);
        let percent = if share < 100 && servers > 0 { "< 1 %".to_owned() } else { format!("{} %", share / 100) };
        VersionRow { name, servers: thousands(servers), share, percent }
    };
    let named = figures.versions.iter().map(|figure| {
        let name = figure.version.as_deref().map(text).filter(|name| !name.is_empty());
        row(name.unwrap_or_else(|| "not reported".to_owned()), figure.servers)
    });
    let others = (figures.other_versions > 0).then(|| row("other versions".to_owned(), figures.other_versions));
    named.chain(others).collect()
}

fn charts(days: &[DayFigures], today: Day) -> [Chart; 3] {
    let series = |figure: &dyn Fn(&DayFigures) -> Option<u64>| -> Vec<(Day, Option<u64>)> {
        let of = |day| days.iter().find(|figures| figures.day == day).and_then(figure);
        today.minus(DAYS - 1).through(today).map(|day| (day, of(day))).collect()
    };
    [
        Chart::new("servers", "Active servers", &series(&|figures| figures.servers)),
        Chart::new("granted", "Verifications granted", &series(&|figures| Some(figures.checks.granted))),
        Chart::new("refused", "Verifications refused", &series(&|figures| Some(figures.checks.refused))),
    ]
}

/// The days since the first with figures, latest first.
fn day_rows(days: &[DayFigures], today: Day) -> Vec<DayRow> {
    let Some(first) = days.first().map(|figures| figures.day) else { return Vec::new() };
    let cells = |figures: &DayFigures| {
        let servers = figures.servers.map_or_else(|| "–".to_owned(), thousands);
        [servers, thousands(figures.checks.granted), thousands(figures.checks.refused)]
    };
    let row = |day| DayRow { day, figures: days.iter().find(|figures| figures.day == day).map(cells) };
    first.through(today).rev().map(row).collect()
}
