//! Certificates of sites: issued through certbot, which renews them, or uploaded. If a site has both, the uploaded one is
//! used. nginx never refers to missing files.
//!
//! * [`files`], [`certbot`], [`uploaded`], [`current`] — the files, and which of them are used
//! * [`inspect`], [`pair`], `pem`, `trust`, [`key`] — reading and checking certificates; [`names`] — the names to request
//! * [`obtain`] — issuing; [`published`] — the published status

pub mod certbot;
pub mod current;
pub mod files;
pub mod inspect;
pub mod key;
pub mod names;
pub mod obtain;
pub mod pair;
mod pem;
pub mod published;
mod reason;
mod trust;
pub mod uploaded;
