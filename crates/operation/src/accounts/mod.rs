//! What an account has: its home, its crontab, what is written down of it.

pub mod crontab;
pub mod home;
pub mod record;
