#![no_main]
//! See `opterius_agent_fuzz::operation_request`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::operation_request::check(data));
