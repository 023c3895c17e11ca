//! What is done to the host. The Agent has no rights for it: it checks a request, and one short-lived process with the
//! rights, the helper, checks it again and does it.
//!
//! * [`request`], [`fields`], [`problem`] — what can be asked, and what is said when it is not done
//! * [`runner`], [`entry`] — the Agent's end and the helper's end of an operation
//! * [`create`], [`access`], [`delete`], [`adopt`] — accounts and their sites; [`foreign`] — sites that others have written
//! * [`certificate`] — certificates; [`queue`] — those that wait to be issued
//! * [`services`], [`time`], [`dns`], [`logs`], [`php_versions`] — other things of the host, one for each
//! * [`stats`] from [`usage`] and [`bandwidth`]; [`metrics`] and [`processes`] from [`vitals`]; [`figures`] — what is measured
//! * [`changes`], [`lock`], [`tool`], [`deadline`] — how things are done: whole or not at all, one at a time, in time
//! * [`host`], [`register`], [`account`], [`facts`] — what the host is, and what is known of it
//! * [`site`], [`site_file`], [`nginx`], [`php`], [`user`], [`home`], [`eviction`], [`tree`] — what operations are made of

pub mod access;
pub mod account;
pub mod accounts;
pub mod adopt;
pub mod bandwidth;
pub mod certificate;
pub mod changes;
pub mod create;
pub mod deadline;
pub mod delete;
pub mod dns;
pub mod entry;
pub mod eviction;
pub mod facts;
pub mod fields;
pub mod figures;
pub mod foreign;
pub mod home;
pub mod host;
mod journal;
pub mod lock;
pub mod logs;
pub mod metrics;
pub mod nginx;
pub mod php;
pub mod php_versions;
pub mod problem;
pub mod processes;
pub mod queue;
pub mod register;
pub mod request;
pub mod rights;
pub mod runner;
pub mod services;
pub mod site;
pub mod site_file;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod tool;
pub mod tree;
pub mod usage;
pub mod user;
pub mod vitals;
