#![no_main]
//! See `opterius_agent_fuzz::user_files`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::user_files::check(data));
