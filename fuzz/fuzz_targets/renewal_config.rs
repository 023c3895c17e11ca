#![no_main]
//! See `opterius_agent_fuzz::renewal_config`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::renewal_config::check(data));
