//! `--engine postgresql`: verifications on PostgreSQL with one and with two instances, beside SQLite and beside pgbench, which
//! runs the statements of one verification as one transaction: what the database does without the license server.
//! All take turns of a second, so that disturbances affect all.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use opterius_license_server::store::Location;

use crate::CONNECTIONS;
use crate::disk;
use crate::failure::{During, Failure};
use crate::figures::{Case, median};
use crate::laboratory::{Cluster, ROLE};
use crate::load::{Kind, TURN};
use crate::options::Options;
use crate::server::{BINARY, Server};
use crate::template::Template;

/// What is measured beside each other.
const SUBJECTS: [&str; 4] = ["SQLite", "1 instance", "2 instances", "pgbench"];

const KINDS: [(Kind, &str, &str); 2] = [
    (Kind::Refresh, "refresh", include_str!("pgbench/refresh.sql")),
    (Kind::Activation, "new activation", include_str!("pgbench/activation.sql")),
];

/// The figures of a case: of each subject in each round.
#[derive(Default)]
struct Figures {
    rates: [Vec<f64>; 4],
    p50: [Vec<f64>; 4],
    p99: [Vec<f64>; 4],
    /// CPU time of a verification, in µs: of the license server on SQLite, of one instance, and of PostgreSQL for it.
    cpu: [Vec<f64>; 3],
}

/// The table.
pub(crate) struct Comparison {
    options: String,
    sizes: Vec<u32>,
    /// By size, kind and number of connections.
    figures: Vec<Figures>,
}

pub(crate) fn measure(options: &Options, sizes: &[u32]) -> Result<Comparison, Failure> {
    let cluster = Cluster::builder()
        .on_real_disk()
        .set("shared_buffers", "256MB")
        .set("max_wal_size", "4GB")
        .set("min_wal_size", "4GB")
        .set("max_connections", "200")
        .start();
    let mut figures = Vec::new();
    for licenses in sizes {
        let template = Template::ready(&options.root(), *licenses, options.fresh)?;
        let base = format!("base_{licenses}");
        cluster.create_database(&base, "template0");
        move_to(&template, &cluster.uri_of(&base))?;
        let mut cases: Vec<Figures> = (0..KINDS.len() * CONNECTIONS.len()).map(|_| Figures::default()).collect();
        for round in 0..options.rounds {
            cluster.drop_database("measured");
            cluster.create_database("measured", &base);
            cluster.psql_in("measured", "CHECKPOINT");
            take_round(options, &cluster, &template, &mut cases)?;
            eprintln!("license-server: {licenses} licenses: round {} of {} done", round + 1, options.rounds);
        }
        cluster.drop_database("measured");
        figures.extend(cases);
        template.clean()?;
    }
    Ok(Comparison { options: options.to_string(), sizes: sizes.to_vec(), figures })
}

/// Fills a database with the contents of a template.
fn move_to(template: &Template, uri: &str) -> Result<(), Failure> {
    let mut command = Command::new(BINARY);
    command.arg("move").arg("--from").arg(template.database()).arg("--to").arg(uri);
    let output = command.output().at("start", BINARY)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("move: {}", String::from_utf8_lossy(&output.stderr))))
}

fn take_round(options: &Options, cluster: &Cluster, template: &Template, cases: &mut [Figures]) -> Result<(), Failure> {
    let uri = cluster.uri_of("measured");
    let place = Location::parse(&uri).map_err(Failure::new)?;
    let mut sqlite = Server::start(BINARY.as_ref(), template.copy()?)?;
    let mut one = Server::start_on(BINARY.as_ref(), template.instance("one")?, Some((&uri, &place)))?;
    let two = Server::start_on(BINARY.as_ref(), template.instance("two")?, Some((&uri, &place)))?;
    let other = two.port();
    disk::wait_until_quiet(&options.root())?;
    let postmaster = cluster.psql("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)");
    for (number, (kind, name, script)) in KINDS.into_iter().enumerate() {
        for (place, connections) in CONNECTIONS.into_iter().enumerate() {
            let mut measured: [Case; 3] = Default::default();
            let (mut transactions, mut used) = (0.0, Duration::ZERO);
            for _ in 0..options.seconds {
                sqlite.measure(kind, connections, &mut measured[0])?;
                let before = cpu_of_children(&postmaster)?;
                one.measure(kind, connections, &mut measured[1])?;
                used += cpu_of_children(&postmaster)?.saturating_sub(before);
                one.measure_with(other, kind, connections, &mut measured[2])?;
                transactions += pgbench(cluster, name, script, connections, template.licenses)?;
            }
            let figures = &mut cases[number * CONNECTIONS.len() + place];
            for (subject, case) in measured.iter_mut().enumerate() {
                case.sort();
                figures.rates[subject].push(case.rate());
                figures.p50[subject].push(case.percentile(50));
                figures.p99[subject].push(case.percentile(99));
            }
            let [sqlite, one, _] = &measured;
            figures.cpu[0].push(sqlite.cpu_per_thousand() * 1000.0);
            figures.cpu[1].push(one.cpu_per_thousand() * 1000.0);
            figures.cpu[2].push(used.as_secs_f64() * 1e6 / f64::from(one.answered));
            figures.rates[3].push(transactions / f64::from(options.seconds));
        }
    }
    drop(two);
    sqlite.kill_and_check()?;
    one.kill_and_check()
}

/// The CPU time of the processes that a process has started and that run.
fn cpu_of_children(parent: &str) -> Result<Duration, Failure> {
    let mut cpu = Duration::ZERO;
    for entry in fs::read_dir("/proc").at("list", "/proc")?.flatten() {
        let process = entry.path();
        // The name in parentheses is followed by the state and the parent. What is no process, or has ended, has no such file.
        let Ok(stat) = fs::read_to_string(process.join("stat")) else { continue };
        if stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(parent) {
            let schedstat = fs::read_to_string(process.join("schedstat")).unwrap_or_default();
            let time = schedstat.split(' ').next().and_then(|time| time.parse().ok());
            cpu += Duration::from_nanos(time.unwrap_or(0));
        }
    }
    Ok(cpu)
}

/// Transactions per second.
fn pgbench(cluster: &Cluster, name: &str, script: &str, clients: usize, licenses: u32) -> Result<f64, Failure> {
    let file = cluster.socket_directory().join(format!("{}.sql", name.replace(' ', "-")));
    fs::write(&file, script).at("write", &file)?;
    let threads = clients.min(2);
    let mut command = Command::new("/usr/lib/postgresql/15/bin/pgbench");
    command.args(["--no-vacuum", "--protocol=prepared", &format!("--time={}", TURN.as_secs()), "--file"]).arg(&file);
    command.args([
        &format!("--client={clients}"),
        &format!("--jobs={threads}"),
        &format!("--define=licenses={licenses}"),
    ]);
    command.arg("--host").arg(cluster.socket_directory()).arg(format!("--port={}", cluster.port()));
    command.args(["--username", ROLE, "measured"]);
    let output = command.output().at("start", Path::new("pgbench"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    let failed = || Failure::new(format!("pgbench: {text}{}", String::from_utf8_lossy(&output.stderr)));
    rate.filter(|_| output.status.success()).ok_or_else(failed)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        writeln!(f, "{}; medians; {processors} processors, shared with the client\n", self.options)?;
        write!(f, "{:<24}{:>10}", "verification", "licenses")?;
        for subject in SUBJECTS {
            write!(f, "{subject:>13}")?;
        }
        write!(f, "{:>11}{:>10}{:>24}{:>24}", "÷ pgbench", "÷ SQLite", "p50 / p99 ms SQLite", "p50 / p99 ms PG")?;
        writeln!(f, "{:>15}{:>25}", "CPU µs SQLite", "1 instance + PostgreSQL")?;
        let mut figures = self.figures.iter();
        for licenses in &self.sizes {
            for (_, name, _) in KINDS {
                for connections in CONNECTIONS {
                    let Some(figures) = figures.next() else { return Ok(()) };
                    let rates = figures.rates.each_ref().map(|rates| median(rates));
                    write!(f, "{:<24}{licenses:>10}", format!("{name}, {connections} conn."))?;
                    for rate in rates {
                        write!(f, "{rate:>11.0}/s")?;
                    }
                    write!(f, "{:>11.2}{:>10.2}", rates[1] / rates[3], rates[1] / rates[0])?;
                    for subject in [0, 1] {
                        let (p50, p99) = (median(&figures.p50[subject]), median(&figures.p99[subject]));
                        write!(f, "{:>24}", format!("{p50:.2} / {p99:.2}"))?;
                    }
                    let [sqlite, one, postgresql] = figures.cpu.each_ref().map(|times| median(times));
                    writeln!(f, "{sqlite:>15.0}{:>25}", format!("{one:.0} + {postgresql:.0}"))?;
                }
            }
        }
        Ok(())
    }
}
