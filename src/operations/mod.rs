//! What the Agent knows of and does to the host. This version counts accounts; the operations themselves come next.

pub mod accounts;
