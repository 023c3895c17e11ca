//! nginx's configuration as it is on disk: its directives, the files that it includes, what they listen on, and the servers
//! of others with their names.
//!
//! Files of others are read as bytes: one that cannot be read or parsed costs itself and no other.

pub mod configuration;
pub mod custom;
mod custom_rules;
mod custom_text;
mod custom_values;
pub mod directives;
pub mod included;
pub mod listen;
pub mod server_name;

/// Longest path of a location, in bytes: nginx keeps the length in one byte, and would compare the start alone.
pub const MAX_LOCATION: usize = 255;
