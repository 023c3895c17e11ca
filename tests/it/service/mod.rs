//! The packages on a disposable machine: installation and the running services.

mod databases;
mod endurance;
mod eviction;
mod files;
mod hosting;
mod installation;
mod license_server;
mod life;
mod permissions;
mod php;
mod units;
