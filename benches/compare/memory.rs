//! Resident memory of new servers at their first response, after the first HTTPS check, and after load; and the size of the
//! binary.

use std::fs;

use crate::effort::Effort;
use crate::failure::{During, Failure};
use crate::report::{Bound, Row, Target};
use crate::rounds::median;
use crate::servers::{AGENT_BINARY, Agents, Peers, Server};
use crate::wrk::{self, Connections};

const LOAD_CONNECTIONS: u32 = 64;

#[derive(Default)]
struct Samples {
    agent_start: Vec<f64>,
    agent_verified: Vec<f64>,
    agent_loaded: Vec<f64>,
    nginx_start: Vec<f64>,
    nginx_loaded: Vec<f64>,
    go_start: Vec<f64>,
    go_loaded: Vec<f64>,
}

pub(crate) fn measure(effort: &Effort, agents: &Agents, peers: &Peers) -> Result<Vec<Row>, Failure> {
    let mut samples = Samples::default();
    for _ in 0..effort.rounds {
        samples.agent_start.push(agents.start_unverified()?.process.resident_mib()?);
        let (verified, loaded) = around_load(effort, &agents.start_verified()?)?;
        samples.agent_verified.push(verified);
        samples.agent_loaded.push(loaded);
        let (start, loaded) = around_load(effort, &peers.start_nginx()?)?;
        samples.nginx_start.push(start);
        samples.nginx_loaded.push(loaded);
        let (start, loaded) = around_load(effort, &peers.start_go()?)?;
        samples.go_start.push(start);
        samples.go_loaded.push(loaded);
    }
    Ok(samples.rows())
}

impl Samples {
    fn rows(&self) -> Vec<Row> {
        let start = [&self.agent_start, &self.nginx_start, &self.go_start].map(|s| median(s));
        let loaded = [&self.agent_loaded, &self.nginx_loaded, &self.go_loaded].map(|s| median(s));
        let verified = median(&self.agent_verified);
        let pairs = self.agent_verified.iter().zip(&self.agent_loaded);
        let growth: Vec<f64> = pairs.map(|(before, after)| (after / before - 1.0) * 100.0).collect();
        vec![
            Row::of_trio("memory at the first answer", "MiB", start).targets([Target::Go(Bound::AtMost(0.45))]),
            Row::of_agent("memory after the first HTTPS check", "MiB", verified)
                .targets([Target::Agent(Bound::AtMost(6.0))]),
            Row::of_trio("memory after load", "MiB", loaded).targets([Target::Go(Bound::AtMost(0.5))]),
            Row::of_agent("growth under load", "%", median(&growth)).targets([Target::Agent(Bound::AtMost(10.0))]),
        ]
    }
}

/// Resident memory before and after load with both kinds of connections.
fn around_load(effort: &Effort, server: &Server) -> Result<(f64, f64), Failure> {
    let before = server.process.resident_mib()?;
    for connections in [Connections::KeptAlive, Connections::OnePerRequest] {
        wrk::run(server, LOAD_CONNECTIONS, connections, effort.seconds)?;
    }
    Ok((before, server.process.resident_mib()?))
}

pub(crate) fn binary_size() -> Result<Vec<Row>, Failure> {
    let bytes = fs::metadata(AGENT_BINARY).at("look at", AGENT_BINARY)?.len();
    let megabytes = bytes as f64 / 1e6;
    Ok(vec![Row::of_agent("size of the binary", "MB", megabytes).targets([Target::Agent(Bound::AtMost(2.5))])])
}
