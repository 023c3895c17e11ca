#![no_main]
//! See `opterius_agent_fuzz::archive_stream`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::archive_stream::check(data));
