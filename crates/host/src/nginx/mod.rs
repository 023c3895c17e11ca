//! nginx's configuration as it is on disk: its directives, the files that it includes, and what they listen on.
//!
//! Files of others are read as bytes: one that cannot be read or parsed costs itself and no other.

pub mod directives;
pub mod included;
pub mod listen;
