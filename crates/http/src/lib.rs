//! HTTP in front of hostile neighbours: every socket belongs to one front thread that never blocks, and everything a
//! client can make us hold is bounded before a handler runs.
//!
//! [`head`] is pure and fuzzed; [`connection`] is one client's state, [`front`] the loop that drives all of them,
//! [`lane`] the threads that run what may take time, [`response`] what goes back, [`origin`] a check that a service may
//! make of who sent a request to whom, and [`traffic`] what the front counts. This package knows nothing of licenses or routes: whoever answers is a [`service::Service`].

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that cuts a text wrongly fails, as it should"))]

pub mod connection;
pub mod front;
pub mod head;
pub mod lane;
pub mod limits;
pub mod origin;
pub mod response;
pub mod service;
pub mod slab;
pub mod traffic;
