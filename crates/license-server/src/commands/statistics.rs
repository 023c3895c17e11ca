//! `stats`: the figures of the dashboard's overview, counted now.

use serde::Serialize;

use crate::commands::failure::Failure;
use crate::commands::listing::{emit, print_json, table};
use crate::commands::progress::Progress;
use crate::commands::session::Session;
use crate::model::{Day, DayFigures, Figures, MAX_CLONED, Plan, PlanFigures, Standing};
use crate::statistics::count::{BATCH, Count};

/// The days that are printed as text, and in JSON.
const SHOWN_DAYS: u32 = 7;
const ALL_DAYS: u32 = 90;

/// The figures in JSON.
#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    figures: &'a Figures,
    days: Vec<DayView>,
}

#[derive(Serialize)]
struct DayView {
    day: String,
    servers: Option<u64>,
    granted: u64,
    refused: u64,
}

/// Counts and prints.
pub(super) fn show(session: &mut Session, json: bool) -> Result<(), Failure> {
    let now = Session::now();
    let progress = Progress::start("Counting licenses and servers", None);
    let figures = Count::of(now, |from| session.read(|transaction| Ok(transaction.figures_part(from, BATCH, now)?)))?;
    drop(progress);
    let today = Day::of(now);
    let first = today.minus(if json { ALL_DAYS } else { SHOWN_DAYS } - 1);
    let (plans, days) = session.read(|transaction| Ok((transaction.plans()?, transaction.days(first, today)?)))?;
    if json {
        let days = days.iter().map(|figures| DayView {
            day: figures.day.to_string(),
            servers: figures.servers,
            granted: figures.checks.granted,
            refused: figures.checks.refused,
        });
        return print_json(&View { figures: &figures, days: days.collect() });
    }
    emit(&text(&figures, &plans, &days))?;
    Ok(())
}

fn text(figures: &Figures, plans: &[Plan], days: &[DayFigures]) -> String {
    let all = figures.licenses();
    let licenses = table(&["PLAN", "ACTIVE", "SUSPENDED", "CANCELLED", "EXPIRED", "ALL"], plan_rows(figures, plans));
    let mut versions: Vec<Vec<String>> = figures
        .versions
        .iter()
        .map(|figure| {
            let version = figure.version.clone().unwrap_or_else(|| "not reported".to_owned());
            vec![version, figure.servers.to_string()]
        })
        .collect();
    if figures.other_versions > 0 {
        versions.push(vec!["other versions".to_owned(), figures.other_versions.to_string()]);
    }
    let versions = table(&["AGENT", "ACTIVE SERVERS"], versions);
    let cloned: Vec<String> =
        figures.cloned.iter().map(|cloned| format!("{} ({})", cloned.license, cloned.clones)).collect();
    let clones = match cloned.len() {
        0 => "0".to_owned(),
        MAX_CLONED => format!("{}, most on the licenses {}", figures.clones, cloned.join(", ")),
        _ => format!("{}, on the licenses {}", figures.clones, cloned.join(", ")),
    };
    let facts = [
        ("Counted at", figures.at.to_string()),
        ("Expiring in 30 days", all.expiring.to_string()),
        ("Active servers", figures.servers.to_string()),
        ("Suspected clones", clones),
    ];
    let facts = facts.map(|(label, value)| format!("{label:<21}{value}\n")).concat();
    let days = table(&["DAY (UTC)", "ACTIVE SERVERS", "GRANTED", "REFUSED"], days.iter().rev().map(day_row).collect());
    format!("{facts}\n{licenses}\n{versions}\n{days}")
}

fn plan_rows(figures: &Figures, plans: &[Plan]) -> Vec<Vec<String>> {
    let row = |name: &str, counted: &PlanFigures| {
        let numbers = Standing::ALL.iter().map(|standing| counted.of(*standing)).chain([counted.all()]);
        std::iter::once(name.to_owned()).chain(numbers.map(|number| number.to_string())).collect()
    };
    let of_plan = |plan: &Plan| row(&plan.slug, &figures.of_plan(&plan.slug));
    plans.iter().map(of_plan).chain([row("all", &figures.licenses())]).collect()
}

fn day_row(figures: &DayFigures) -> Vec<String> {
    let servers = figures.servers.map_or_else(|| "-".to_owned(), |servers| servers.to_string());
    vec![figures.day.to_string(), servers, figures.checks.granted.to_string(), figures.checks.refused.to_string()]
}
