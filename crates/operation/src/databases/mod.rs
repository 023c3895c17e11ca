//! Databases of accounts and their users, in MariaDB and PostgreSQL: whose they are, and changes that keep the register of
//! them and the servers together.

pub mod account;
pub mod adoption;
pub mod change;
pub mod owner;
pub mod record;
pub mod server;
pub mod user_change;
