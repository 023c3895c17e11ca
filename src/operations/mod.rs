//! What is done to the host. The Agent has no rights for it: it checks a request, and one short-lived process with the
//! rights, the helper, checks it again and does it.
//!
//! * [`request`], [`fields`], [`problem`] — what can be asked, and what is said when it is not done
//! * [`host`], [`register`], [`facts`] — what the host is, and what is known of it
//! * [`tool`], [`lock`], [`deadline`] — how things are done
//! * [`stats`] from [`usage`] and [`bandwidth`]; [`metrics`] and [`processes`] from [`vitals`]; [`figures`] — what is
//!   measured
//! * [`services`], [`time`], [`php_versions`], [`logs`], [`dns`] — one operation group each

pub mod accounts;
pub mod bandwidth;
pub mod deadline;
pub mod dns;
pub mod facts;
pub mod fields;
pub mod figures;
pub mod host;
pub mod lock;
pub mod logs;
pub mod metrics;
pub mod php_versions;
pub mod problem;
pub mod processes;
pub mod register;
pub mod request;
pub mod services;
pub mod site;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod tool;
pub mod usage;
pub mod vitals;
