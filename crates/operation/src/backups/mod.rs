//! Backups of accounts. They are root's, in a directory for each account that only root can enter: an account cannot change
//! what will be restored, and what another account stored stays closed to it.
//!
//! * [`create`], [`restore`], [`browse`] — the work
//! * [`databases`] — dumps of databases
//! * [`contents`] — what is in a backup, as a stream
//! * [`directory`], [`manifest`] — where backups are, and what is known about each

pub mod browse;
pub mod contents;
pub mod create;
pub mod databases;
pub mod directory;
pub mod manifest;
pub mod restore;
