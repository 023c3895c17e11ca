//! What belongs to an account: its home, record, crontab, jobs, and what it leaves behind.

pub mod at_jobs;
pub mod authorized_keys;
pub mod crontab;
pub mod crontab_file;
pub mod crontab_lines;
pub mod deleted_home;
pub mod eviction;
pub mod home;
pub mod leftovers;
pub mod linger;
pub mod public_key;
pub mod record;
pub mod sources;
pub mod ssh_directory;
pub mod ssh_keygen;
pub mod user_manager;
