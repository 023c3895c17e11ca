//! systemd services and the time zone.

pub mod services;
pub mod timezone;
