//! What belongs to an account: its home, crontab and record.

pub mod crontab;
pub mod home;
pub mod record;
