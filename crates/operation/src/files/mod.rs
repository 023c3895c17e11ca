//! Files in the homes of accounts. Everything here runs with the account's own privileges, below its home, through
//! descriptors that cannot leave it: the account's processes run at the same time, and put links where directories were.
//!
//! * [`archive`] — trees that become archives, and archives that become trees
//! * [`listing`], [`text_file`] — what is in a directory, and in a file
//! * [`replacement`] — a file that is written completely, and then takes its place
//! * [`upload`] — a file that the Agent writes
//! * [`site_directories`] — directories that a site needs
//! * [`owner`], [`home`] — whose files they are, and how they are opened

pub mod archive;
pub mod home;
pub mod listing;
pub mod owner;
pub mod replacement;
pub mod site_directories;
pub mod text_file;
pub mod upload;
