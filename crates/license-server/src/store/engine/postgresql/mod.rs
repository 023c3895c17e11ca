//! PostgreSQL: sessions over tokio-postgres behind a synchronous face. The asynchronous runtime is used in this directory
//! alone.

mod account;
mod client_certificate;
mod connection;
mod connection_string;
mod failure;
mod keepalive;
mod keyword_string;
mod limits;
mod link;
mod password_file;
mod placeholders;
mod row;
mod runtime;
mod server_state;
mod session;
mod settings;
mod socket;
mod statements;
mod target;
#[cfg(test)]
mod test_cluster;
mod tls;
mod uri;

pub(crate) use connection::PostgresqlConnection;
pub use connection::Server;
pub(crate) use limits::Limits;
#[cfg(test)]
pub(crate) use test_cluster::Cluster;
