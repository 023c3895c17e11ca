//! The packages on a machine of their own: what an operator installs, and what then runs.

mod endurance;
mod installation;
mod license_server;
mod life;
mod rights;
mod units;
