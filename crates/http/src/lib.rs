//! An HTTP server for hostile clients: one front thread owns every socket and never blocks, and everything that a client
//! can make the server hold is limited before a handler runs.
//!
//! [`head`] parses requests (pure and fuzzed); [`connection`] is one client's state, [`front`] the loop that drives all of
//! them, [`lane`] the threads for requests that take time, [`response`] encodes what goes back, [`origin`] checks the Host
//! and Origin headers, and [`traffic`] counts. This package knows nothing about licenses or routes: a
//! [`service::Service`] handles the requests.

#![cfg_attr(test, allow(clippy::string_slice, reason = "in a test, a wrong slice is a failure like any other"))]

pub mod arriving;
pub mod connection;
pub mod front;
pub mod head;
pub mod lane;
pub mod limits;
pub mod multipart;
pub mod origin;
pub mod response;
pub mod service;
pub mod slab;
pub mod tail;
pub mod traffic;
