#![no_main]
//! See `opterius_agent_fuzz::crontab_lines`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::crontab_lines::check(data));
