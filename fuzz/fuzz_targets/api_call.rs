#![no_main]
//! See `opterius_agent_fuzz::api_call`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::api_call::check(data));
