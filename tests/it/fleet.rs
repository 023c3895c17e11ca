//! The schedule of a fleet: 10,000 Agents through the weeks of `benches/fleet`, which has no clock but its own.

#[path = "../../benches/fleet/figures.rs"]
#[allow(dead_code, reason = "the benchmark prints all of it")]
mod figures;
#[path = "../../benches/license-server/random.rs"]
mod random;
#[path = "../../benches/fleet/scenario.rs"]
mod scenario;
#[path = "../../benches/fleet/simulation.rs"]
mod simulation;

use figures::Figures;
use scenario::{HOUR, Kind, SCENARIOS, Scenario};
use simulation::Week;

const AGENTS: u32 = 10_000;
/// Less than these Agents need when they come at once.
const CAPACITY: u32 = 1000;
/// The highest peak beside the mean of a normal day.
const MOST: f64 = 3.0;

fn weeks() -> impl Iterator<Item = (Scenario, Week, Figures)> {
    let seeds = SCENARIOS.into_iter().flat_map(|scenario| [1, 2].map(|seed| (scenario, seed)));
    seeds.map(|(scenario, seed)| {
        let week = simulation::run(&scenario, AGENTS, CAPACITY, seed);
        let figures = Figures::of(&week, &scenario);
        (scenario, week, figures)
    })
}

#[test]
fn a_fleet_never_moves_in_step_after_an_outage_a_restart_or_a_crowd() {
    for (scenario, week, figures) in weeks() {
        let Figures { mean, peak_before, peak_during, peak_recovery, peak_after, .. } = figures;
        let most = |peak: f64, factor: f64, when: &str| {
            assert!(peak <= factor * mean, "{} {when}: {peak}/s, {mean}/s on average", scenario.name);
        };
        most(peak_before, MOST, "before");
        most(peak_after, MOST, "afterwards");
        let (during, recovery) = (peak_during.unwrap_or(0.0), peak_recovery.unwrap_or(0.0));
        let hours = scenario.event().len() / HOUR as usize;
        match scenario.kind {
            // Every Agent checks when it starts; those that were turned away return within minutes.
            Kind::Restart => assert_eq!(week.requests[scenario.event().start as usize], AGENTS),
            // Agents that are near the end of the grace period, or past it, ask more often.
            Kind::Outage if hours > 24 => most(during.max(recovery), 330.0, "restricted"),
            Kind::Outage if hours > 1 => most(during.max(recovery), 16.0, "near the end of the grace period"),
            _ => most(during.max(recovery), MOST, "meanwhile"),
        }
    }
}

#[test]
fn an_agent_is_restricted_only_48_hours_after_its_last_grant() {
    for (scenario, week, figures) in weeks() {
        let event = scenario.event();
        let first = week.restricted.iter().position(|count| *count > 0);
        assert_eq!(figures.restricted_without_need, 0, "{}", scenario.name);
        if event.len() < 24 * HOUR as usize {
            assert_eq!((first, figures.restricted), (None, 0), "{}", scenario.name);
            continue;
        }
        // The oldest grant was a day old when the outage began, or up to ten minutes older.
        let begun = first.unwrap() - event.start as usize;
        assert!((23 * HOUR as usize + 2990..24 * HOUR as usize + 300).contains(&begun), "{begun} s");
        assert!(figures.restricted_until <= 300, "restricted {} s after the end", figures.restricted_until);
    }
}

#[test]
fn a_crowd_that_is_more_than_the_server_can_take_is_served_within_minutes() {
    for (scenario, _, figures) in weeks().filter(|(scenario, ..)| scenario.kind == Kind::Restart) {
        let Figures { refused, recovered_after, .. } = figures;
        assert!(refused > 0 && recovered_after <= 15 * 60, "{}: {recovered_after} s", scenario.name);
    }
}
