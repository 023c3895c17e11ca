#![no_main]
//! See `opterius_agent_fuzz::site_file`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::site_file::check(data));
