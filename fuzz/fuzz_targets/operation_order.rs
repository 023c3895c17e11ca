#![no_main]
//! See `opterius_agent_fuzz::operation_order`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::operation_order::check(data));
